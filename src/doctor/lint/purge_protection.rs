//! Vaults whose secrets can be purged for good at once.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};
use std::collections::BTreeSet;

static PAGE: Page = Page::info(
    9012,
    "a vault has no purge protection",
    "Whoever may purge can delete the vault, or a secret, for good before its retention is over. Purge protection cannot be turned off again.",
)
.causes(&["the vault was made with the defaults"])
.podid(&["podid vault create -n VAULT -g GROUP --purge-protection"])
.native(&["az keyvault update -n VAULT --enable-purge-protection true"]);

pub static LINT: Lint = Lint { name: "purge-protection", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut open: BTreeSet<String> = BTreeSet::new();
    for vault in evidence.vaults_of_spec().filter(|vault| vault.purge_protection != Some(true)) {
        open.insert(crate::spec::names::name_in(&vault.name).to_ascii_lowercase());
    }
    if let Some(cluster) = evidence.cluster {
        let used = cluster.vaults();
        for vault in cluster.survey.azure.vaults.iter() {
            let name = vault.id.name().to_ascii_lowercase();
            if vault.purge_protection {
                open.remove(&name);
            } else if used.contains(&name) {
                open.insert(name);
            }
        }
    }
    let finding = |name: String| {
        let turn_on = format!("podid vault create -n {name} -g GROUP --purge-protection");
        Finding::new(&PAGE, format!("vault/{name}"), format!("the vault {name} has no purge protection"))
            .hint(format!("Turn it on, which cannot be undone: `purgeProtection: true` in the spec, or `{turn_on}`."))
    };
    open.into_iter().map(finding).collect()
}
