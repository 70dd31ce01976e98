//! What has to be known about the rights of workloads' identities: each with the vault and the secrets that pods read with it.

use super::workload::{Mount, Token, Workload};
use crate::{access::Question, azure::Vault, survey::Survey};
use std::collections::BTreeSet;

/// Of what workloads mount.
pub fn of_mounts<'a>(workloads: impl Iterator<Item = &'a Workload>, survey: &Survey) -> BTreeSet<Question> {
    let mut found = BTreeSet::new();
    for mount in workloads.flat_map(|workload| workload.mounts.iter().chain(workload.pods.iter().flat_map(|pod| &pod.mounts))) {
        let Some(vault) = &mount.secrets.vault else { continue };
        let secrets: Vec<String> =
            mount.secrets.objects.iter().filter(|object| object.kind.is_secret()).map(|object| object.name.clone()).collect();
        let question = |principal: String| Question { principal, vault: vault.to_ascii_lowercase(), secrets: secrets.clone() };
        found.extend(principals(mount, survey).map(question));
    }
    found
}

/// Of one secret, by every identity that these workloads get.
pub fn of_secret<'a>(workloads: impl Iterator<Item = &'a Workload>, vaults: &[Vault], secret: &str, survey: &Survey) -> BTreeSet<Question> {
    let mut all = BTreeSet::new();
    for workload in workloads {
        let mounts = workload.mounts.iter().chain(workload.pods.iter().flat_map(|pod| &pod.mounts));
        all.extend(mounts.flat_map(|mount| principals(mount, survey)));
        all.extend(workload.all_identities().filter_map(|one| one.identity.found(survey)).map(|found| found.principal_id.clone()));
    }
    let question = |principal: &String, vault: &Vault| Question {
        principal: principal.clone(),
        vault: vault.id.name().to_ascii_lowercase(),
        secrets: vec![secret.to_owned()],
    };
    all.iter().flat_map(|principal| vaults.iter().map(move |vault| question(principal, vault))).collect()
}

/// The object ids of the identities with which a mount reads.
fn principals(mount: &Mount, survey: &Survey) -> impl Iterator<Item = String> {
    let of_node = match &mount.token {
        Token::Node(Some(client_id)) => survey.azure.identity(Some(client_id), None),
        _ => None,
    };
    let all = mount.identities().iter().filter_map(|one| one.identity.found(survey));
    all.chain(of_node).map(|found| found.principal_id.clone())
}
