//! Roles by which a cluster may put any identity of a group or subscription on its nodes.

use super::{check::Lint, evidence::Evidence};
use crate::{azure::ArmId, chain::page::Page, doctor::finding::Finding, modes, resources::roles};

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
    let operator = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
    let of_cluster = cluster.survey.azure.cluster.as_ref();
    let principals: Vec<&str> = of_cluster
        .into_iter()
        .flat_map(|one| one.kubelet.iter().map(|kubelet| kubelet.object_id.as_str()).chain(one.control_plane_principal_id.as_deref()))
        .collect();
    for grant in cluster.survey.azure.grants.iter().filter(|grant| grant.role.eq_ignore_ascii_case(operator)) {
        let is_wide =
            ArmId::parse(&grant.scope).is_none_or(|id| id.name().eq_ignore_ascii_case(id.group_name().unwrap_or(id.subscription_id())));
        // the identities in the nodes' group are the cluster's own
        let nodes = of_cluster.and_then(|one| one.node_resource_group.as_deref());
        let own = nodes.is_some_and(|nodes| {
            ArmId::parse(&grant.scope).is_some_and(|id| id.group_name().is_some_and(|group| group.eq_ignore_ascii_case(nodes)))
        });
        if is_wide && !own && principals.iter().any(|principal| principal.eq_ignore_ascii_case(&grant.principal_id)) {
            let name = of_cluster.map(|one| one.id.name()).unwrap_or_default();
            let what = format!("the cluster {name} has Managed Identity Operator at {}", grant.scope);
            let remove = format!("az role assignment delete --ids {}", grant.id);
            found.push(
                Finding::new(&PAGE, format!("cluster/{name}"), what)
                    .hint(format!("Assign it at single identities, then remove this one: `{remove}`.")),
            );
        }
    }
    found
}
