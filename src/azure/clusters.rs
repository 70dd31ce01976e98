//! Reads managed clusters. No generated crate has their current API version.

use super::{ArmId, Cluster, Error, KubeletIdentity, Pool, Read, Result, Tags, hosts, id::CLUSTER};
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

/// Reads a document that a write returned.
pub fn parse(document: &Value) -> Result<Cluster> {
    let body = ClusterBody::deserialize(document).map_err(|e| Error::Protocol(format!("{}: {:?}", hosts::ARM, e.classify())))?;
    Ok(Cluster::from(body))
}

#[derive(Deserialize)]
struct ClusterBody {
    id: ArmId,
    #[serde(default)]
    location: String,
    tags: Option<Tags>,
    sku: Option<Sku>,
    identity: Option<ControlPlane>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
struct Sku {
    name: Option<String>,
    tier: Option<String>,
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
    agent_pool_profiles: Option<Vec<PoolBody>>,
    security_profile: Option<Security>,
    node_provisioning_profile: Option<NodeProvisioning>,
    node_resource_group_profile: Option<NodeGroup>,
    safeguards_profile: Option<Safeguards>,
    status: Option<Status>,
    #[serde(rename = "resourceUID")]
    uid: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolBody {
    name: String,
    r#type: Option<String>,
    os_type: Option<String>,
    vm_size: Option<String>,
    count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    workload_identity: Option<Addon>,
}

#[derive(Deserialize)]
struct NodeProvisioning {
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeGroup {
    restriction_level: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Safeguards {
    level: Option<String>,
    excluded_namespaces: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    provisioning_error: Option<ProvisioningError>,
}

#[derive(Deserialize)]
struct ProvisioningError {
    message: Option<String>,
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
    network_plugin_mode: Option<String>,
    network_policy: Option<String>,
    pod_link_local_access: Option<String>,
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
        let (network_plugin, network_plugin_mode, network_policy, pod_link_local_access) = match p.network_profile {
            Some(network) => (network.network_plugin, network.network_plugin_mode, network.network_policy, network.pod_link_local_access),
            None => (None, None, None, None),
        };
        let pool = |pool: PoolBody| Pool { name: pool.name, kind: pool.r#type, os: pool.os_type, vm_size: pool.vm_size, count: pool.count };
        let safeguards = p.safeguards_profile.unwrap_or_default();
        let (sku, tier) = body.sku.map_or((None, None), |sku| (sku.name, sku.tier));
        let is_failed = p.provisioning_state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("Failed"));
        let reason =
            || p.status.and_then(|status| status.provisioning_error?.message).unwrap_or_else(|| "Azure gives no reason".to_owned());
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
                .filter(|id| !id.is_empty() && !id.eq_ignore_ascii_case("msi")),
            control_plane_principal_id: control_plane,
            oidc_issuer: p.oidc_issuer_profile.and_then(|oidc| oidc.issuer_url),
            kubernetes_version: p.current_kubernetes_version.or(p.kubernetes_version),
            network_plugin,
            network_plugin_mode,
            network_policy,
            pod_link_local_access,
            provisioning: p.provisioning_state,
            addons: p.addon_profiles.map(enabled).unwrap_or_default(),
            pod_identity_addon: p.pod_identity_profile.and_then(|profile| profile.enabled).unwrap_or(false),
            tags: body.tags.unwrap_or_default(),
            failed: is_failed.then(reason),
            uid: p.uid,
            workload_identity: p.security_profile.and_then(|s| s.workload_identity?.enabled).unwrap_or(false),
            sku,
            tier,
            pools: p.agent_pool_profiles.unwrap_or_default().into_iter().map(pool).collect(),
            node_provisioning: p.node_provisioning_profile.and_then(|profile| profile.mode),
            node_group_restriction: p.node_resource_group_profile.and_then(|profile| profile.restriction_level),
            safeguards_exclude: safeguards.excluded_namespaces.unwrap_or_default(),
            safeguards: safeguards.level,
        }
    }
}
