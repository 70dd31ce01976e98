//! Reads managed clusters. No generated crate has their current API version.

use super::{ArmId, Cluster, KubeletIdentity, Read, Result, id::CLUSTER};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The API version of every request about managed clusters: the newest stable one whose `podIdentityProfile` was read
/// (Azure/azure-rest-api-specs, containerservice, stable/2026-07-01). Previews are not used, because AKS stops them after a year.
pub const VERSION: &str = "2026-07-01";

/// Returns the state of a cluster that some operation is changing right now, from its document.
pub fn running(document: &Value) -> Option<&str> {
    let state = document.pointer("/properties/provisioningState").and_then(Value::as_str)?;
    let ended = ["Succeeded", "Failed", "Canceled"].iter().any(|end| state.eq_ignore_ascii_case(end));
    (!ended).then_some(state)
}

impl Read {
    pub async fn cluster(&self, id: &ArmId) -> Result<Option<Cluster>> {
        let found: Option<ClusterBody> = self.resource(id, VERSION).await?;
        Ok(found.map(Cluster::from))
    }

    /// Returns the whole document, as Azure returned it.
    pub async fn cluster_document(&self, id: &ArmId) -> Result<Option<Value>> {
        self.resource(id, VERSION).await
    }

    /// `scope`: a group's or a subscription's id.
    pub async fn clusters(&self, scope: &ArmId) -> Result<Vec<Cluster>> {
        let found: Vec<ClusterBody> = self.resources(scope, CLUSTER, VERSION).await?;
        Ok(found.into_iter().map(Cluster::from).collect())
    }
}

#[derive(Deserialize)]
struct ClusterBody {
    id: ArmId,
    #[serde(default)]
    location: String,
    identity: Option<ControlPlane>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ControlPlane {
    principal_id: Option<String>,
    user_assigned_identities: Option<BTreeMap<String, UserAssigned>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserAssigned {
    principal_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    fqdn: Option<String>,
    #[serde(rename = "privateFQDN")]
    private_fqdn: Option<String>,
    node_resource_group: Option<String>,
    identity_profile: Option<BTreeMap<String, ProfileIdentity>>,
    service_principal_profile: Option<ServicePrincipalProfile>,
    oidc_issuer_profile: Option<OidcIssuer>,
    current_kubernetes_version: Option<String>,
    kubernetes_version: Option<String>,
    network_profile: Option<Network>,
    provisioning_state: Option<String>,
    addon_profiles: Option<BTreeMap<String, Addon>>,
    pod_identity_profile: Option<PodIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileIdentity {
    client_id: Option<String>,
    object_id: Option<String>,
    resource_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePrincipalProfile {
    client_id: Option<String>,
}

#[derive(Deserialize)]
struct OidcIssuer {
    #[serde(rename = "issuerURL")]
    issuer_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    network_plugin: Option<String>,
}

#[derive(Deserialize)]
struct Addon {
    enabled: Option<bool>,
}

/// The addon's profile. It is `{}` when the addon is off, because AKS omits fields that are false.
#[derive(Deserialize)]
struct PodIdentity {
    enabled: Option<bool>,
}

impl From<ClusterBody> for Cluster {
    fn from(body: ClusterBody) -> Self {
        let p = body.properties;
        let kubelet = p.identity_profile.and_then(|mut profile| profile.remove("kubeletidentity")).and_then(|kubelet| {
            Some(KubeletIdentity {
                client_id: kubelet.client_id?,
                object_id: kubelet.object_id?,
                resource_id: ArmId::parse(&kubelet.resource_id?)?,
            })
        });
        let control_plane = body.identity.and_then(|identity| {
            let assigned = || identity.user_assigned_identities.unwrap_or_default().into_values().find_map(|one| one.principal_id);
            identity.principal_id.or_else(assigned)
        });
        let enabled = |addons: BTreeMap<String, Addon>| {
            addons.into_iter().filter(|(_, addon)| addon.enabled == Some(true)).map(|(name, _)| name).collect()
        };
        Cluster {
            id: body.id,
            location: body.location,
            fqdn: p.fqdn,
            private_fqdn: p.private_fqdn,
            node_resource_group: p.node_resource_group,
            kubelet,
            service_principal_client_id: p
                .service_principal_profile
                .and_then(|sp| sp.client_id)
                .filter(|id| !id.eq_ignore_ascii_case("msi")),
            control_plane_principal_id: control_plane,
            oidc_issuer: p.oidc_issuer_profile.and_then(|oidc| oidc.issuer_url),
            kubernetes_version: p.current_kubernetes_version.or(p.kubernetes_version),
            network_plugin: p.network_profile.and_then(|network| network.network_plugin),
            provisioning: p.provisioning_state,
            addons: p.addon_profiles.map(enabled).unwrap_or_default(),
            pod_identity_addon: p.pod_identity_profile.and_then(|profile| profile.enabled).unwrap_or(false),
        }
    }
}
