//! What a plan with entries of the add-on must say before anything is written: that the add-on left support, why it cannot work on this
//! cluster, and which entry of others would fail the whole cluster.

use crate::{
    azure::{
        ArmId, AssignedRole, PodIdentity, clusters,
        obstacles::{Effect, KUBENET, pod_identity_obstacles},
        pod_identities::entries,
    },
    chain::remarks::{IdentityUser, Planned, Remarks, wanted},
    engine::{
        key::Key,
        plan::{Refusal, Warning},
        resource::Kind as _,
    },
    resources::{
        addon_identity::{self, AddonIdentity},
        feature::{self, Feature},
        role::guid_of,
        roles,
    },
};
use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// The cluster's setting, as a part of a key.
pub(super) const ADDON: &str = "pod-identity";

const UNSUPPORTED: &str = "the pod identity add-on left support in September 2025, and podid was not tried with it on a real AKS cluster";
const CONSENT: &str =
    "Accept it with `--kubenet allow` (in a spec: `kubenet: allow`) if a policy keeps NET_RAW from all pods, or use Azure CNI.";
const MIGRATE: &str = "For new apps use workload identity: <https://learn.microsoft.com/azure/aks/workload-identity-overview>.";
/// The limit of entries in one cluster.
const MOST: usize = 200;
/// Built-in roles that let a principal assign an identity.
const ASSIGNING: [&str; 3] = [roles::MANAGED_IDENTITY_OPERATOR, roles::CONTRIBUTOR, roles::OWNER];

pub(super) async fn remarks(planned: &Planned<'_>) -> Remarks {
    let mut all = Remarks::default();
    let mut seen: Vec<ArmId> = Vec::new();
    for node in wanted(planned.desired, AddonIdentity::KIND) {
        let Some(entry) = planned.placed::<AddonIdentity>(node) else { continue };
        if seen.contains(&entry.cluster) {
            continue;
        }
        seen.push(entry.cluster.clone());
        if planned.plan.action(&node.key).is_some_and(|action| action.act.changes()) {
            all.warnings.push(Warning { key: node.key.clone(), text: UNSUPPORTED.to_owned(), hint: Some(MIGRATE.to_owned()) });
        }
        let mut of_cluster = of_cluster(planned, &node.key, &entry.cluster).await;
        if !planned.plan.has_changes() {
            of_cluster.warnings.clear();
        }
        all.add(of_cluster);
    }
    all
}

async fn of_cluster(planned: &Planned<'_>, key: &Key, cluster: &ArmId) -> Remarks {
    let mut remarks = Remarks::default();
    // a cluster that cannot be read is a fault of its own
    let Ok(Some(document)) = planned.reader.azure.cluster_document(cluster).await else { return remarks };
    let name = cluster.name();
    let addon = planned.desired.nodes.get(&feature::key(name, ADDON)).and_then(|node| Feature::deserialize(&*node.spec).ok());
    let consents = addon.is_some_and(|addon| addon.on.pointer("/podIdentityProfile/allowNetworkPluginKubenet") == Some(&Value::Bool(true)));
    let refuse = |reason: String, way_out: String| Refusal { key: key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) };
    for obstacle in clusters::parse(&document).iter().flat_map(pod_identity_obstacles) {
        let reason = &obstacle.reason;
        let way_out = if obstacle.sign == KUBENET { CONSENT.to_owned() } else { obstacle.way_out_of(cluster) };
        match obstacle.addon_effect {
            Effect::None => {}
            Effect::NeedsConsent if consents => {}
            Effect::NeedsConsent | Effect::Blocks => {
                remarks.refused.push(refuse(format!("the add-on cannot work on the cluster {name}: {reason}"), way_out));
            }
            Effect::Warns => {
                let text = format!("the cluster {name} may not suit the add-on: {reason}");
                remarks.warnings.push(Warning { key: key.clone(), text, hint: Some(way_out) });
            }
        }
    }
    let own: Vec<AddonIdentity> = wanted(planned.desired, AddonIdentity::KIND)
        .filter_map(|node| planned.placed(node))
        .filter(|e: &AddonIdentity| e.cluster == *cluster)
        .collect();
    let is_own = |entry: &PodIdentity| own.iter().any(|own| own.namespace == entry.namespace && own.name == entry.name);
    let others: Vec<PodIdentity> = entries(&document).into_iter().filter(|entry| !is_own(entry)).collect();
    if others.len() + own.len() > MOST {
        let reason = format!("the cluster {name} would have {} pod identities, and AKS allows {MOST}", others.len() + own.len());
        remarks.refused.push(refuse(reason, "Remove entries that are not needed, or use another cluster.".to_owned()));
    }
    for (entry, why) in poisoned(planned, &document, &others).await {
        let reason = format!(
            "the pod identity {}/{} of the cluster {name} {why}: AKS then refuses every change of the cluster",
            entry.namespace, entry.name
        );
        remarks.refused.push(refuse(reason, way_out(&entry, cluster)));
    }
    remarks
}

/// The entries of others.
pub(super) async fn other_users(planned: &Planned<'_>) -> Vec<IdentityUser> {
    let own: Vec<AddonIdentity> = wanted(planned.desired, AddonIdentity::KIND).filter_map(|node| planned.placed(node)).collect();
    let clusters: BTreeMap<String, &ArmId> = own.iter().map(|entry| (entry.cluster.folded(), &entry.cluster)).collect();
    let mut users = Vec::new();
    for cluster in clusters.into_values() {
        let Ok(Some(document)) = planned.reader.azure.cluster_document(cluster).await else { continue };
        for entry in entries(&document) {
            let key = addon_identity::key(cluster.name(), &entry.namespace, &entry.name);
            if !planned.desired.nodes.contains_key(&key) {
                users.push(IdentityUser { resource_id: entry.resource_id, namespace: entry.namespace, subject: entry.selector });
            }
        }
    }
    users
}

fn way_out(entry: &PodIdentity, cluster: &ArmId) -> String {
    format!(
        "Remove that entry: `az aks pod-identity delete -g {} --cluster-name {} --namespace {} --name {}` (of the extension aks-preview); or make its identity and its role again.",
        cluster.group_name().unwrap_or_default(),
        cluster.name(),
        entry.namespace,
        entry.name
    )
}

/// Entries that fail every change of the cluster (Azure/AKS#2943). What this login may not read is not guessed.
async fn poisoned(planned: &Planned<'_>, document: &Value, others: &[PodIdentity]) -> Vec<(PodIdentity, String)> {
    let mut found = Vec::new();
    let principal = control_plane(document);
    for entry in others {
        let Some(id) = ArmId::parse(&entry.resource_id) else { continue };
        match planned.reader.azure.identity(&id).await {
            Ok(None) => found.push((entry.clone(), format!("leads to the identity {}, which does not exist any more", id.name()))),
            Ok(Some(_)) => {
                let Some(principal) = principal else { continue };
                let subscription = ArmId::subscription(id.subscription_id());
                let Ok(assigned) = planned.reader.azure.assigned_roles_below(&subscription, principal).await else { continue };
                if lacks_operator(&assigned, &id) {
                    let what = format!("leads to the identity {}, on which the control plane lacks Managed Identity Operator", id.name());
                    found.push((entry.clone(), what));
                }
            }
            Err(_) => {}
        }
    }
    found
}

fn control_plane(document: &Value) -> Option<&str> {
    let own = document.pointer("/identity/principalId").and_then(Value::as_str);
    let assigned =
        || document.pointer("/identity/userAssignedIdentities")?.as_object()?.values().find_map(|one| one.get("principalId")?.as_str());
    own.or_else(assigned)
}

/// Whether none of the principal's roles, its groups' among them, lets it assign the identity. A custom role may, so that it counts.
fn lacks_operator(assigned: &[AssignedRole], id: &ArmId) -> bool {
    let covers = |scope: &str| {
        let (scope, id) = (scope.trim_end_matches('/').to_ascii_lowercase(), id.folded());
        let is_above = scope.is_empty() || scope.starts_with("/providers/microsoft.management/");
        is_above || id == scope || id.starts_with(&format!("{scope}/"))
    };
    let mut on_it = assigned.iter().filter(|one| covers(&one.scope));
    !on_it.any(|one| roles::name(guid_of(&one.role_definition_id)).is_none_or(|role| ASSIGNING.contains(&role)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ArmId {
        ArmId::resource("s", "g", "Microsoft.ManagedIdentity/userAssignedIdentities", name)
    }

    fn assigned(role: &str, scope: &str) -> AssignedRole {
        let guid = roles::guid(role).unwrap_or(role);
        let role_definition_id = format!("/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{guid}");
        AssignedRole { role_definition_id, principal_id: "p".into(), scope: scope.to_owned(), condition: None, created_on: None }
    }

    #[test]
    fn a_role_on_the_identity_or_above_it_lets_the_control_plane_assign_it() {
        let lacks = |role: &str, scope: &str| lacks_operator(&[assigned(role, scope)], &id("web"));
        assert!(!lacks("Managed Identity Operator", id("web").as_str()));
        assert!(!lacks("Contributor", ArmId::group("s", "g").as_str()));
        assert!(!lacks("Owner", "/providers/Microsoft.Management/managementGroups/root"));
        assert!(!lacks("00000000-0000-0000-0000-000000000001", ArmId::subscription("s").as_str()), "a custom role may allow it");
        assert!(lacks("Managed Identity Operator", id("we").as_str()));
        assert!(lacks("Reader", id("web").as_str()));
        assert!(lacks_operator(&[], &id("web")));
    }
}
