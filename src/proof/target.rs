//! What is to be proved: the SecretProviderClasses of an app, each with the binding that its pods get their identity by, as the state knows them.

use super::commands::Commands;
use crate::{
    azure::ArmId,
    engine::{
        desired::Requester,
        fault::Fault,
        key::Key,
        ledger::{Entry, Ledger},
    },
    resources::{
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::{AzureIdentityBinding, Own},
        identity,
        secret_provider_class::SecretProviderClass,
        vault,
        world::ClusterTarget,
    },
};
use serde::Deserialize as _;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Target {
    pub app: String,
    pub cluster: ClusterTarget,
    pub namespace: String,
    pub class: SecretProviderClass,
    pub selector: String,
    /// The AzureIdentity that the selector leads to.
    pub identity: String,
    /// The AzureIdentityBinding.
    pub binding: String,
    /// Data plane of the vault, where the state knows it.
    pub vault_uri: Option<String>,
    /// Whether the vault asks Azure roles; None: the state does not know.
    pub vault_rbac: Option<bool>,
    pub(super) vault_group: Option<String>,
    pub(super) class_key: Key,
    pub(super) binding_key: Key,
    /// The managed identity, as Azure knows it.
    pub(super) identity_key: Option<Key>,
    pub(super) identity_name: String,
    pub(super) identity_group: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) resource_id: Option<String>,
    /// As `--operator-scope` has it, where it is not the default.
    pub(super) operator_scope: Option<String>,
    /// Whether a spec or a single command made the class.
    pub(super) by: Requester,
}

impl Target {
    /// The binding by which the pod is to get its identity.
    pub(super) fn own_binding(&self) -> Own<'_> {
        Own {
            namespace: &self.namespace,
            binding: &self.binding,
            selector: &self.selector,
            azure_identity: &self.identity,
            resource_id: self.resource_id.as_deref(),
            client_id: self.client_id.as_deref(),
        }
    }
}

/// The targets of an app; `namespace` and `class` narrow them down.
pub fn targets(
    ledger: &Ledger,
    app: &str,
    namespace: Option<&str>,
    class: Option<&str>,
    commands: &Commands,
) -> Result<Vec<Target>, Fault> {
    let mut found = Vec::new();
    for entry in ledger.of_app(app).filter(|e| e.kind == "secretproviderclass") {
        let spc: SecretProviderClass = SecretProviderClass::deserialize(&*entry.placed)?;
        if namespace.is_some_and(|n| n != spc.namespace) || class.is_some_and(|c| c != spc.name) {
            continue;
        }
        found.push(target(ledger, app, entry, spc, commands)?);
    }
    Ok(found)
}

fn target(ledger: &Ledger, app: &str, entry: &Entry, class: SecretProviderClass, commands: &Commands) -> Result<Target, Fault> {
    let mut bindings = Vec::new();
    for candidate in ledger.of_app(app).filter(|e| e.kind == "azureidentitybinding" && same_cluster(e, entry)) {
        let binding: AzureIdentityBinding = AzureIdentityBinding::deserialize(&*candidate.placed)?;
        if binding.namespace == class.namespace && class.selector.as_ref().is_none_or(|s| *s == binding.selector) {
            bindings.push((candidate, binding));
        }
    }
    // several bindings of one identity lead to the same place
    bindings.dedup_by(|a, b| a.1.azure_identity == b.1.azure_identity && a.1.selector == b.1.selector);
    let (binding_entry, binding) = match (bindings.len(), bindings.pop()) {
        (1, Some(one)) => one,
        (0, _) | (_, None) => {
            return Err(Fault::refused(
                format!("no binding in namespace {} leads to the SecretProviderClass {}", class.namespace, class.name),
                format!("Bind an identity first: {}.", commands.podid(&["bind", "--namespace", &class.namespace, "--app", app])),
            ));
        }
        (_, Some(last)) => {
            bindings.push(last);
            let names: Vec<&str> = bindings.iter().map(|(_, b)| b.azure_identity.as_str()).collect();
            let way = match &class.selector {
                Some(selector) => {
                    format!(
                        "A pod with the label aadpodidbinding={selector} gets all of them, and the CSI driver takes any: give each workload a `selector` of its own in the spec."
                    )
                }
                None => format!(
                    "The class was written before there were two bindings. Delete one of them (`podid unbind`), or write the workloads into a spec, where each names its identity: {}.",
                    commands.podid(&["up"])
                ),
            };
            let what =
                format!("several identities in namespace {} could read for the SecretProviderClass {}: ", class.namespace, class.name);
            return Err(Fault::refused(what + &names.join(", "), way));
        }
    };
    let text = |entry: Option<&Entry>, field: &str| entry.and_then(|e| e.outputs.get(field)).and_then(Value::as_str).map(str::to_owned);
    let group = |id: Option<String>| id.as_deref().and_then(ArmId::parse).and_then(|id| id.group_name().map(str::to_owned));
    let vault = ledger.get(app, &vault::key(&class.vault_name));
    let azure_identity = ledger.get(app, &azure_identity::key(&binding.target.name, &binding.namespace, &binding.azure_identity));
    let wanted = azure_identity.and_then(|e| AzureIdentity::deserialize(&*e.spec).ok());
    let identity_key = wanted.and_then(|wanted| wanted.resource_id.source());
    let identity = identity_key.as_ref().and_then(|key| ledger.get(app, key));
    let roles = binding_entry.spec.to_string();
    let operator_scope = match () {
        () if roles.contains("role/managed-identity-operator/") && roles.contains("/group/") => Some("resource-group".to_owned()),
        () if roles.contains("role/managed-identity-operator/") && roles.contains("/subscription\"") => Some("subscription".to_owned()),
        () => None,
    };
    Ok(Target {
        app: app.to_owned(),
        cluster: class.target.clone(),
        namespace: class.namespace.clone(),
        selector: binding.selector.clone(),
        identity: binding.azure_identity.clone(),
        vault_uri: text(vault, vault::URI.0),
        vault_rbac: text(vault, vault::MODEL.0).map(|model| model == vault::RBAC),
        vault_group: group(text(vault, vault::ID.0)),
        class_key: entry.key.clone(),
        binding_key: binding_entry.key.clone(),
        identity_name: identity_key.as_ref().map_or_else(|| binding.azure_identity.clone(), |key| key.names().to_owned()),
        identity_group: group(text(identity, identity::ID.0)),
        client_id: text(identity, identity::CLIENT_ID.0),
        resource_id: text(identity, identity::ID.0),
        identity_key,
        operator_scope,
        by: entry.by,
        binding: binding.name,
        class,
    })
}

fn same_cluster(one: &Entry, other: &Entry) -> bool {
    match (&one.cluster, &other.cluster) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}
