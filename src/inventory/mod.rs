//! The workloads of a cluster with the identities and secrets of their pods, whoever set that up: made of a survey alone, as a pure function.
//! What each identity mode and each delivery says of a pod is in its own file (`Mode::uses`, `Delivery::mounts`).

mod document;
pub mod grants;
pub mod graph;
pub mod import;
mod node_identity;
mod operators;
mod origin;
mod owners;
pub mod paths;
pub mod questions;
mod who_can;
mod workload;

pub use document::{Users, age, class_mode, document, owner, running};
pub use node_identity::node_identities;
pub use operators::{operating, operator_questions, operators};
pub use origin::origin;
pub use who_can::{User, Way, who_can};
pub use workload::{Mount, Token, Workload, WorkloadPod};

use crate::{
    azure::{ArmId, Vault},
    survey::Survey,
};
use std::collections::BTreeMap;

/// The workloads of a survey, sorted by namespace, kind and name.
pub fn workloads(survey: &Survey, namespace: Option<&str>) -> Vec<Workload> {
    let mut found: Vec<Workload> = owners::owners(survey, namespace).iter().map(|owner| Workload::of(owner, survey)).collect();
    found.sort_by(|a, b| (&a.namespace, &a.kind, &a.name).cmp(&(&b.namespace, &b.kind, &b.name)));
    found
}

/// The identities whose federated credentials decide what these workloads get, those of the most pods first.
pub fn federated(workloads: &[Workload], survey: &Survey) -> Vec<ArmId> {
    let mut users: BTreeMap<String, (usize, ArmId)> = BTreeMap::new();
    for workload in workloads {
        for one in workload.all_identities().filter(|one| one.by_credential) {
            let Some(found) = one.identity.found(survey) else { continue };
            users.entry(found.id.folded()).or_insert_with(|| (0, found.id.clone())).0 += workload.pods.len() + 1;
        }
    }
    let mut found: Vec<(usize, ArmId)> = users.into_values().collect();
    found.sort_by_key(|(users, _)| std::cmp::Reverse(*users));
    found.into_iter().map(|(_, id)| id).collect()
}

/// The vaults that these workloads read, as far as they are in the subscription; those of the most workloads first.
pub fn used_vaults(workloads: &[Workload], survey: &Survey) -> Vec<Vault> {
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    for name in workloads.iter().flat_map(|workload| &workload.mounts).filter_map(|mount| mount.secrets.vault.as_ref()) {
        *users.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    let mut found: Vec<(usize, Vault)> =
        users.iter().filter_map(|(name, users)| Some((*users, survey.azure.vault(name)?.clone()))).collect();
    found.sort_by_key(|(users, _)| std::cmp::Reverse(*users));
    found.into_iter().map(|(_, vault)| vault).collect()
}
