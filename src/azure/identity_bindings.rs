//! Reads and writes the identity bindings of AKS clusters: a managed identity that service accounts of the cluster may use through a proxy in
//! the cluster. <https://learn.microsoft.com/azure/aks/identity-bindings-concepts>

use super::{
    ArmId, Read, Result, Write, deadline,
    failures::absent,
    operations::{self, Target},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const VERSION: &str = "2026-04-01";
const SEGMENT: &str = "identityBindings";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityBinding {
    pub id: ArmId,
    /// ARM id of the identity.
    pub resource_id: String,
    pub client_id: Option<String>,
    /// Such as `Succeeded` or `Creating`.
    pub state: Option<String>,
}

pub fn binding_id(cluster: &ArmId, name: &str) -> ArmId {
    cluster.child(SEGMENT, name)
}

/// Returns an identity's id as AKS takes it: it compares `resourceGroups` byte by byte, and the identity's own provider returns
/// `resourcegroups`. None: it is not the id of a resource in a group.
pub fn written(identity: &ArmId) -> Option<String> {
    let (subscription, group) = (identity.subscription_id(), identity.group_name()?);
    let name = identity.name();
    Some(format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"))
}

/// Returns the parts of an identity's id whose names do not fit the pattern that AKS publishes: letters, digits and dashes.
pub fn unfitting(identity: &ArmId) -> Vec<&str> {
    let fits = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    [identity.group_name().unwrap_or_default(), identity.name()].into_iter().filter(|name| !fits(name)).collect()
}

impl Read {
    /// Lists the bindings of a cluster, without the cache.
    pub async fn identity_bindings(&self, cluster: &ArmId) -> Result<Vec<IdentityBinding>> {
        let asked = deadline::within(self.limit(), self.arm().nested::<Body>(cluster, &[SEGMENT], VERSION)).await;
        Ok(absent(asked)?.unwrap_or_default().into_iter().map(IdentityBinding::from).collect())
    }
}

impl Write {
    /// Creates a binding and waits for it. The identity of one that exists cannot change.
    pub async fn put_identity_binding(&self, id: &ArmId, identity: &str) -> Result<IdentityBinding> {
        let body = json!({ "properties": { "managedIdentity": { "resourceId": identity } } });
        let what = format!("the identity binding {}", id.name());
        let target = Target { id, version: VERSION, what: &what };
        let made: Body = self.call(operations::put(&self.core.arm, &self.patience, target, None, &body)).await?;
        Ok(made.into())
    }

    pub async fn delete_identity_binding(&self, id: &ArmId) -> Result<()> {
        let what = format!("the identity binding {}", id.name());
        self.call(operations::delete(&self.core.arm, &self.patience, Target { id, version: VERSION, what: &what })).await
    }
}

#[derive(Deserialize)]
struct Body {
    id: ArmId,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    managed_identity: ManagedIdentity,
    provisioning_state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedIdentity {
    resource_id: String,
    client_id: Option<String>,
}

impl From<Body> for IdentityBinding {
    fn from(Body { id, properties }: Body) -> Self {
        let ManagedIdentity { resource_id, client_id } = properties.managed_identity;
        Self { id, resource_id, client_id, state: properties.provisioning_state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_written_as_aks_takes_it() {
        let id = ArmId::parse("/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web").unwrap();
        let wanted = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web";
        assert_eq!(written(&id).as_deref(), Some(wanted));
        assert!(unfitting(&id).is_empty());
        let odd = ArmId::resource("s", "rg_1", "Microsoft.ManagedIdentity/userAssignedIdentities", "a.b");
        assert_eq!(unfitting(&odd), ["rg_1", "a.b"]);
    }
}
