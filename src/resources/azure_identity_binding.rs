//! AzureIdentityBinding (aadpodidentity.k8s.io/v1): pods with the label `aadpodidbinding: SELECTOR` get the AzureIdentity of that name.

use super::{
    access::{Access, Reach, Right},
    manifest,
    manifested::{Manifested, access_to_objects},
    world::{ClusterTarget, Writer},
};
use crate::{
    cluster::{self, Api},
    crds,
    engine::{fault::Fault, input::DependsOn, key::Key},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[derive(Debug, Serialize, Deserialize)]
pub struct AzureIdentityBinding {
    #[serde(alias = "lies")]
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    /// Name of the AzureIdentity, in the same namespace.
    pub azure_identity: String,
    pub selector: String,
    pub within: DependsOn,
    pub identity: DependsOn,
    /// The cluster's roles, without which MIC cannot act on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<DependsOn>,
    /// The components that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("azureidentitybinding", [cluster, namespace, name])
}

impl Manifested for AzureIdentityBinding {
    const KIND: &'static str = "azureidentitybinding";

    fn api() -> Api {
        Api::new("aadpodidentity.k8s.io", "v1", "AzureIdentityBinding", "azureidentitybindings")
    }
    fn target(&self) -> &ClusterTarget {
        &self.target
    }
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
    fn after(&self) -> &[DependsOn] {
        &self.after
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let at = manifest::at(&Self::api(), Some(&self.namespace), &self.name);
        let spec = crds::AzureIdentityBindingSpec {
            azure_identity: Some(self.azure_identity.clone()),
            selector: Some(self.selector.clone()),
            ..crds::AzureIdentityBindingSpec::default()
        };
        Ok(manifest::manifest(&at, app, mine, &[super::azure_identity::NAMESPACED], Some(serde_json::to_value(spec)?)))
    }
    /// The annotation counts on the AzureIdentity, and not here.
    fn serves(&self, live: &Value) -> bool {
        (text(live, "/spec/azureIdentity"), text(live, "/spec/selector")) == (&self.azure_identity, &self.selector)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("azureIdentity", json!(self.azure_identity)), ("selector", json!(self.selector))]
    }
    /// MIC takes the identity off the nodes with the roles that are deleted after the binding: without them it never can, and its
    /// AzureAssignedIdentities keep their finalizers. A login that may not list them, or a cluster without MIC, is not waited for.
    async fn cleaned_up(&self, writer: &Writer) -> Result<(), Fault> {
        let begun = Instant::now();
        let mut told = false;
        while begun.elapsed() < CLEAN_UP.min(writer.limit) && !writer.clusters.is_dry_run() {
            let cluster = writer.clusters.reader(&self.target).await?;
            let assigned = cluster.list(&assigned_identities(), None, None).await.unwrap_or_default();
            let is_ours = |one: &&Value| {
                let of = |field: &str| text(one, &format!("/spec/azureBindingRef/metadata/{field}"));
                (of("namespace"), of("name")) == (self.namespace.as_str(), self.name.as_str())
            };
            if !assigned.iter().any(|one| is_ours(&one)) {
                return Ok(());
            }
            if !told {
                (writer.on_wait)(format!("waiting until MIC has taken the identity of {}/{} off the nodes", self.namespace, self.name));
                told = true;
            }
            tokio::time::sleep(CLEAN_UP_PAUSE).await;
        }
        Ok(())
    }
    fn access(access: Access) -> Vec<Right> {
        let mut rights = access_to_objects::<Self>(access);
        if access == Access::Delete {
            let list = Right::new("aadpodidentity.k8s.io", "azureassignedidentities", &["list"], Reach::Everywhere);
            rights.push(list.optional("podid does not wait until MIC has taken the identity off the nodes before it deletes MIC's roles"));
        }
        if matches!(access, Access::Read | Access::Write) {
            let list = |reach| Right::new("aadpodidentity.k8s.io", "azureidentitybindings", &["list"], reach);
            let everywhere = "a second binding of another namespace with the same selector is not noticed";
            rights.push(list(Reach::Everywhere).optional(everywhere));
            rights.push(list(Reach::Within).optional("a second binding with the same selector is not noticed"));
        }
        rights
    }
}

/// MIC takes an identity off a scale set in 40 to 60 s (azure.github.io/aad-pod-identity, "mic"); without MIC nobody ever does.
const CLEAN_UP: Duration = Duration::from_secs(120);
const CLEAN_UP_PAUSE: Duration = Duration::from_millis(200);

fn assigned_identities() -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", "AzureAssignedIdentity", "azureassignedidentities")
}

/// A binding, and the identity that it leads to as far as that is known.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    pub namespace: &'a str,
    pub binding: &'a str,
    pub selector: &'a str,
    pub azure_identity: &'a str,
    pub resource_id: Option<&'a str>,
    pub client_id: Option<&'a str>,
}

/// Another binding with the same selector that leads to another identity: a pod gets both, and cannot choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    pub namespace: String,
    pub binding: String,
    /// The AzureIdentity.
    pub identity: String,
    pub client_id: Option<String>,
}

impl Rival {
    pub fn warning(&self, selector: &str) -> String {
        let Self { namespace, binding, identity, .. } = self;
        format!(
            "the binding {namespace}/{binding} has the selector {selector} too and leads to another identity, {identity}: a pod with this label gets both, and the CSI driver reads with either of them"
        )
    }
}

/// What tells whose pods a binding is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub namespace: String,
    pub binding: String,
    pub selector: String,
    pub azure_identity: String,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Listed {
    fn of(binding: &Value) -> Self {
        Self {
            namespace: text(binding, "/metadata/namespace").to_owned(),
            binding: text(binding, "/metadata/name").to_owned(),
            selector: text(binding, "/spec/selector").to_owned(),
            azure_identity: text(binding, "/spec/azureIdentity").to_owned(),
        }
    }
}

pub fn listed(bindings: &[Value]) -> Vec<Listed> {
    bindings.iter().map(Listed::of).collect()
}

/// Those with this selector: a cluster may have very many others.
pub fn listed_with(bindings: &[Value], selector: &str) -> Vec<Listed> {
    bindings.iter().filter(|binding| text(binding, "/spec/selector") == selector).map(Listed::of).collect()
}

/// The bindings by which pods of `own` get a second identity. What this login may not see is left out.
pub async fn rivals(cluster: &cluster::Read, own: &Own<'_>) -> Vec<Rival> {
    let bindings = match cluster.list(&AzureIdentityBinding::api(), None, None).await {
        Err(cluster::Error::Forbidden { .. }) => cluster.list(&AzureIdentityBinding::api(), Some(own.namespace), None).await,
        everywhere => everywhere,
    };
    rivals_among(&listed(&bindings.unwrap_or_default()), cluster, own).await
}

/// The same of bindings that were listed before.
pub async fn rivals_among(bindings: &[Listed], cluster: &cluster::Read, own: &Own<'_>) -> Vec<Rival> {
    let mut rivals = Vec::new();
    for Listed { namespace, binding, azure_identity, .. } in bindings.iter().filter(|b| b.selector == own.selector) {
        let here = namespace == own.namespace;
        if here && (binding == own.binding || azure_identity == own.azure_identity) {
            continue;
        }
        let found = match cluster.get(&super::azure_identity::at(namespace, azure_identity)).await {
            // MIC passes over a binding whose AzureIdentity is not there
            Ok(None) => continue,
            Ok(Some(found)) => found,
            Err(_) => Value::Null,
        };
        let (resource_id, client_id) = (text(&found, "/spec/resourceID"), text(&found, "/spec/clientID"));
        let equal = |one: &str, other: Option<&str>| !one.is_empty() && other.is_some_and(|other| other.eq_ignore_ascii_case(one));
        let same = equal(resource_id, own.resource_id) || equal(client_id, own.client_id);
        let elsewhere = !here && (found.is_null() || super::azure_identity::is_namespaced(&found));
        if !same && !elsewhere {
            let client_id = Some(client_id.to_owned()).filter(|id| !id.is_empty());
            let (namespace, binding, identity) = (namespace.clone(), binding.clone(), azure_identity.clone());
            rivals.push(Rival { namespace, binding, identity, client_id });
        }
    }
    rivals
}
