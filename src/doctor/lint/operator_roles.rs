//! Roles by which a cluster may put any identity of a group or subscription on its nodes.

use super::{
    check::Lint,
    evidence::{Cluster, Evidence},
};
use crate::{
    access::{self, Holder},
    azure::{self, ArmId, RoleGrant},
    chain::page::Page,
    doctor::finding::Finding,
    inventory, modes,
    resources::roles,
};
use std::collections::BTreeSet;

static PAGE: Page = Page::warning(
    9002,
    "a cluster may use every identity of a resource group or subscription",
    "Managed Identity Operator at a group or subscription lets the cluster, and with that whoever may make AzureIdentities in it, get a token of every identity there. It is needed at single identities only.",
)
.causes(&["the guide of aad-pod-identity assigns it at resource groups, and lab 004 at the subscription"])
.podid(&["podid role assign 'Managed Identity Operator' --to cluster/CLUSTER --scope identity/IDENTITY", "podid role list --scope subscription"])
.native(&["az role assignment list --all --query \"[?roleDefinitionName=='Managed Identity Operator']\"", "az role assignment delete --ids ID"]);

pub static LINT: Lint = Lint { name: "operator-roles", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in evidence.spec.iter().flat_map(|spec| &spec.workloads) {
        if let Some(scope) = workload.settings.get(modes::OPERATOR_SCOPE).filter(|scope| *scope != "identity") {
            let what = format!("the workload {} asks for the operator role at its {scope}", workload.name);
            let finding = Finding::new(&PAGE, format!("{}/{}", workload.namespace, workload.name), what);
            found.push(finding.hint("Leave `operatorScope` out: the role is then assigned at the identity."));
        }
    }
    let Some(cluster) = evidence.cluster else { return found };
    let azure = &cluster.survey.azure;
    let Some(of_cluster) = &azure.cluster else { return found };
    let name = of_cluster.id.name();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (principal, _) in inventory::operating(cluster.survey) {
        for Holder { grant, group } in access::grants_of(azure, principal) {
            if !is_wide(grant, of_cluster) || !known.insert(&grant.id) {
                continue;
            }
            let through =
                group.map(|id| format!(", through the group {}", access::shown_principal(cluster.survey, id))).unwrap_or_default();
            let what = format!("the cluster {name} has Managed Identity Operator at {}{through}", grant.scope);
            let remove = format!("az role assignment delete --ids {}", grant.id);
            found.push(
                Finding::new(&PAGE, format!("cluster/{name}"), what)
                    .hint(format!("Assign it at single identities, then remove this one: `{remove}`.")),
            );
        }
    }
    found
}

/// Whether a role assignment is one of Managed Identity Operator at a group, a subscription or above. The identities in the nodes' group are the
/// cluster's own.
fn is_wide(grant: &RoleGrant, cluster: &azure::Cluster) -> bool {
    let scope = ArmId::parse(&grant.scope);
    let is_place = |id: &ArmId| id.name().eq_ignore_ascii_case(id.group_name().unwrap_or(id.subscription_id()));
    let of_nodes = |id: &ArmId| match (&cluster.node_resource_group, id.group_name()) {
        (Some(nodes), Some(group)) => group.eq_ignore_ascii_case(nodes),
        _ => false,
    };
    roles::guid(roles::MANAGED_IDENTITY_OPERATOR).is_some_and(|guid| grant.role.eq_ignore_ascii_case(guid))
        && scope.is_none_or(|id| is_place(&id) && !of_nodes(&id))
}

/// The principals of the cluster whose groups decide what is found.
pub(super) fn undecided(cluster: &Cluster<'_>) -> BTreeSet<String> {
    let azure = &cluster.survey.azure;
    let Some(of_cluster) = &azure.cluster else { return BTreeSet::new() };
    let all = inventory::operating(cluster.survey).into_iter().map(|(principal, _)| principal);
    all.filter(|principal| access::is_undecided(azure, principal, |grant| is_wide(grant, of_cluster))).map(str::to_owned).collect()
}
