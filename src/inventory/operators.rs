//! Who of a cluster may hand out an identity to its pods.

use super::workload::Workload;
use crate::{
    access::{AzureRight, Holding, allows, grants_of, holder, role_name},
    azure::ArmId,
    modes,
    resources::roles,
    survey::Survey,
};
use std::collections::BTreeMap;

/// A role by which somebody may hand out an identity: the principal, the role, and where it was given.
pub struct Operator {
    pub principal: String,
    pub role: String,
    pub scope: String,
    pub is_inherited: bool,
    /// The object id of the group that has the role.
    pub group: Option<String>,
}

/// The principals of the cluster that hand out identities, with a word for each.
pub fn operating(survey: &Survey) -> Vec<(&str, &'static str)> {
    let Some(cluster) = &survey.azure.cluster else { return Vec::new() };
    let nodes = cluster.kubelet.as_ref().map(|kubelet| (kubelet.object_id.as_str(), "nodes"));
    let control_plane = cluster.control_plane_principal_id.as_deref().map(|id| (id, "control plane"));
    nodes.into_iter().chain(control_plane).collect()
}

/// Who of the cluster may hand out an identity: its nodes and its control plane, also by a group. Others of the directory are left out.
pub fn operators(identity: &ArmId, survey: &Survey) -> Vec<Operator> {
    let mut found = Vec::new();
    for (principal, word) in operating(survey) {
        let own = grants_of(&survey.azure, principal).filter(|one| one.grant.covers(identity));
        let operating = own.filter(|one| allows(&survey.azure, &one.grant.role, AzureRight::HandOut) == Some(true));
        found.extend(operating.map(|one| Operator {
            principal: word.to_owned(),
            role: role_name(&survey.azure, &one.grant.role),
            scope: one.grant.scope.clone(),
            is_inherited: !one.grant.is_at(identity),
            group: one.group.map(str::to_owned),
        }));
    }
    found
}

/// The rights that modes need of the cluster's principals for these workloads, where none of these has them by itself.
pub fn operator_questions(workloads: &[Workload], survey: &Survey) -> Vec<(String, AzureRight, ArmId)> {
    let cluster = survey.azure.cluster.as_ref();
    let nodes = cluster.and_then(|one| Some(ArmId::group(one.id.subscription_id(), one.node_resource_group.as_deref()?)));
    let mut wanted: BTreeMap<String, (AzureRight, ArmId)> = BTreeMap::new();
    for one in workloads.iter().flat_map(Workload::all_identities) {
        let Some(mode) = modes::all().find(|mode| mode.name() == one.mode) else { continue };
        for needed in mode.roles() {
            let at = match needed.role {
                roles::MANAGED_IDENTITY_OPERATOR => one.identity.found(survey).map(|found| (AzureRight::HandOut, found.id.clone())),
                roles::VIRTUAL_MACHINE_CONTRIBUTOR => nodes.clone().map(|nodes| (AzureRight::ChangeNodes, nodes)),
                _ => None,
            };
            wanted.extend(at.map(|(right, resource)| (resource.folded(), (right, resource))));
        }
    }
    let all = operating(survey);
    let is_given = |(right, resource): &(AzureRight, ArmId)| {
        all.iter().any(|(one, _)| matches!(holder(&survey.azure, one, *right, resource), Holding::Given(_)))
    };
    let open = wanted.into_values().filter(|one| !is_given(one));
    open.flat_map(|(right, resource)| all.iter().map(move |(one, _)| ((*one).to_owned(), right, resource.clone()))).collect()
}
