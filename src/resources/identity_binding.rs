//! An identity binding of an AKS cluster: service accounts that the cluster's RBAC allows it get tokens of the managed identity. AKS makes one
//! federated credential on the identity for all its bindings, and leaves it there.

use super::{
    cluster,
    kind::{AzureRole, HintScope, Resource},
    ownership, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{
        self, ArmId, IdentityBinding as Binding,
        identity_bindings::{binding_id, written},
    },
    engine::{
        fault::Fault,
        input::{DependsOn, Input, Outputs},
        key::Key,
        ledger::Origin,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct IdentityBinding {
    pub cluster: ArmId,
    /// Its name in keys, and in Azure if an older podid created it.
    pub name: String,
    /// Its name in Azure if podid creates it for this app.
    #[serde(default)]
    pub created_as: String,
    /// ARM id of the identity.
    pub identity: Input<String>,
    pub after: Vec<DependsOn>,
}

/// The preview feature that AKS asked for until the bindings were stable.
const PROVIDER: &str = "Microsoft.ContainerService";
const FEATURE: &str = "IdentityBindingPreview";

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of(IdentityBinding::KIND, [cluster, name])
}

/// A name that AKS takes for the binding of an identity: small letters and digits, at most 63. What had to be left out is told apart by digits.
pub fn name(identity: &str) -> String {
    const MOST: usize = 50;
    let folded = identity.to_ascii_lowercase();
    let plain: String = folded.chars().filter(char::is_ascii_alphanumeric).take(MOST).collect();
    let begins = plain.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && plain == folded {
        return plain;
    }
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, folded.as_bytes()).simple().to_string();
    let id = id.get(..6).unwrap_or(&id);
    if begins { format!("{plain}{id}") } else { format!("id{plain}{id}") }
}

/// `podid`, eight digits for the app, and the name: a binding has no tags, so that its name says whose it is. It need not say more, because
/// podid finds a binding by the identity that it leads to.
pub fn created_as(app: &str, name: &str) -> String {
    const MOST: usize = 63;
    let all = format!("{}{name}", mark(app));
    all.get(..MOST).unwrap_or(&all).to_owned()
}

fn mark(app: &str) -> String {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("app\n{app}").as_bytes()).simple().to_string();
    format!("{}{}", ownership::PODID, id.get(..8).unwrap_or(&id))
}

impl IdentityBinding {
    /// The id of one that is to be created.
    fn new_id(&self) -> ArmId {
        binding_id(&self.cluster, if self.created_as.is_empty() { &self.name } else { &self.created_as })
    }

    /// The one that leads to the identity, whatever its name; or else one that has the name.
    fn find(&self, recorded: &Outputs, mut all: Vec<Binding>) -> Option<Binding> {
        let recorded = recorded.get("id").and_then(Value::as_str);
        let is_recorded = |one: &Binding| recorded.is_some_and(|id| id.eq_ignore_ascii_case(one.id.as_str()));
        let is_named = |one: &Binding| [&self.name, &self.created_as].iter().any(|name| one.id.name().eq_ignore_ascii_case(name));
        all.retain(|one| is_recorded(one) || is_named(one) || !self.leads_elsewhere(one));
        all.into_iter().min_by_key(|one| (self.leads_elsewhere(one), !is_recorded(one), !is_named(one), one.id.folded()))
    }

    fn wanted(&self) -> Result<String, Fault> {
        let id = self.identity.get()?;
        ArmId::parse(id).and_then(|id| written(&id)).ok_or_else(|| Fault::State(format!("{id:?} is not the id of an identity")))
    }

    fn leads_elsewhere(&self, actual: &Binding) -> bool {
        self.identity.known().is_none_or(|wanted| !wanted.eq_ignore_ascii_case(&actual.resource_id))
    }
}

/// Whether AKS refused it because the subscription has not registered the preview feature.
fn asks_for_feature(error: &azure::Error) -> bool {
    match error {
        azure::Error::Refused { message, .. } | azure::Error::Forbidden { message, .. } | azure::Error::Conflict { message, .. } => {
            message.contains(FEATURE)
        }
        _ => false,
    }
}

impl Kind<Cloud> for IdentityBinding {
    const KIND: &'static str = "identitybinding";
    const SIDE: Side = Side::Azure;
    type Actual = Binding;

    fn lane(&self) -> Option<String> {
        Some(cluster::lane(&self.cluster))
    }
    fn place(&self) -> Option<String> {
        // the name of older states
        Some(binding_id(&self.cluster, &self.name).folded())
    }
    fn parent(&self) -> Option<Key> {
        Some(cluster::key(self.cluster.name()))
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Binding>, Fault> {
        let all = reader.azure.identity_bindings(&self.cluster).await.map_err(Fault::cloud)?;
        Ok(self.find(context.recorded, all))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Binding) -> Diff {
        let state = actual.state.as_deref().unwrap_or("Succeeded");
        let change = |field: &str, from: Value, to: Value| vec![Change { field: field.into(), from, to }];
        if self.leads_elsewhere(actual) {
            return Diff::Update(change("managedIdentity.resourceId", json!(actual.resource_id), json!(self.identity)));
        }
        let ours = matches!(context.origin, Some(Origin::Created | Origin::Extended));
        match state {
            "Succeeded" => Diff::Same,
            "Failed" | "Canceled" => Diff::Update(change("provisioningState", json!(state), json!("Succeeded"))),
            // a run that was killed may have started it
            _ if ours => Diff::Extend(change("provisioningState", json!(state), json!("Succeeded"))),
            _ => Diff::Same,
        }
    }
    /// Of a binding that does not have this app's name the state says whose it is: it may have been handed over.
    fn owner(&self, context: NodeContext<'_>, actual: &Binding) -> Owner {
        if actual.id.name().starts_with(&mark(context.app)) { Owner::Ours } else { Owner::Unmarkable }
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Binding) -> bool {
        recorded.get("id").and_then(Value::as_str).is_none_or(|id| id.eq_ignore_ascii_case(actual.id.as_str()))
    }
    fn publish(&self, actual: &Binding) -> Outputs {
        [("id".into(), json!(actual.id)), ("identity".into(), json!(actual.resource_id))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("identity", json!(self.identity))]
    }
    fn change_note(&self, actual: &Binding) -> Option<String> {
        let note = "deleted and created again, because AKS cannot change the identity of a binding: pods get no tokens meanwhile";
        self.leads_elsewhere(actual).then(|| note.to_owned())
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the cluster {} has no identity binding for {}", self.cluster.name(), self.name),
            "Create it: `podid bind --mode identity-binding --namespace NAMESPACE --identity NAME`.".to_owned(),
        )
    }
    async fn put(&self, _: NodeContext<'_>, before: Option<Binding>, writer: &Writer) -> Result<Binding, Fault> {
        let wanted = self.wanted()?;
        let id = before.as_ref().map_or_else(|| self.new_id(), |before| before.id.clone());
        if before.is_some_and(|before| !before.resource_id.eq_ignore_ascii_case(&wanted)) {
            writer.azure.delete_identity_binding(&id).await.map_err(Fault::cloud)?;
        }
        match writer.azure.put_identity_binding(&id, &wanted).await {
            Err(error) if asks_for_feature(&error) => {
                let subscription = ArmId::subscription(self.cluster.subscription_id());
                writer.azure.register_feature(&subscription, PROVIDER, FEATURE).await.map_err(Fault::cloud)?;
                writer.azure.put_identity_binding(&id, &wanted).await.map_err(Fault::cloud)
            }
            other => other.map_err(Fault::cloud),
        }
    }
    async fn remove(&self, _: NodeContext<'_>, before: Binding, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_identity_binding(&before.id).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let (group, cluster) = (self.cluster.group_name().unwrap_or_default(), self.cluster.name());
        let id = self.wanted().unwrap_or_else(|_| "IDENTITY-ID".to_owned());
        vec![format!(
            "az aks identity-binding create -g {group} --cluster-name {cluster} -n {} --managed-identity-resource-id {id}",
            self.new_id().name()
        )]
    }
}

impl Resource for IdentityBinding {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.ContainerService/managedClusters/identityBindings/",
        reads: false,
        role: roles::AKS_CONTRIBUTOR,
        scope: HintScope::Resource,
    }];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_aks_takes_and_tell_identities_apart() {
        assert_eq!(name("orders"), "orders");
        for identity in ["orders-wi", "orderswi-", "Orders_WI", "1st", &"a".repeat(120)] {
            let name = name(identity);
            assert!(name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
        }
        assert_ne!(name("orders-wi"), name("orderswi"));
        assert_eq!(name("Orders-WI"), name("orders-wi"), "Azure ignores case");
    }

    #[test]
    fn the_name_in_azure_says_whose_a_binding_is() {
        let created = created_as("shop", &name(&"a".repeat(120)));
        assert!(created.len() <= 63 && created.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{created}");
        assert!(created.starts_with(&mark("shop")) && !created.starts_with(&mark("other")));
    }

    fn binding(name: &str, identity: &str) -> Binding {
        let cluster = ArmId::resource("s", "g", "Microsoft.ContainerService/managedClusters", "aks");
        Binding { id: binding_id(&cluster, name), resource_id: identity.to_owned(), client_id: None, state: None }
    }

    #[test]
    fn a_binding_is_found_by_its_identity_and_one_of_podids_name_only_without_such_a_one() {
        let kind = IdentityBinding {
            cluster: ArmId::resource("s", "g", "Microsoft.ContainerService/managedClusters", "aks"),
            name: "web".into(),
            created_as: created_as("shop", "web"),
            identity: Input::Known("/identities/web".into()),
            after: Vec::new(),
        };
        let by_hand = binding("chosenbyhand", "/identities/WEB");
        let named = binding("web", "/identities/other");
        let none = Outputs::new();
        assert_eq!(kind.find(&none, vec![named.clone(), by_hand.clone()]), Some(by_hand));
        assert_eq!(kind.find(&none, vec![binding("x", "/identities/other"), named.clone()]), Some(named));
        assert_eq!(kind.find(&none, vec![binding("x", "/identities/other")]), None);
    }
}
