//! Secrets without an expiry date.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};

static PAGE: Page = Page::info(
    9009,
    "a secret has no expiry date",
    "Nobody is told when the value is to be changed. Key Vault gives out expired secrets all the same; the date is for people, alerts and Azure Policy.",
)
.causes(&["it was set without one"])
.podid(&["podid vault secret rotate NAME --vault VAULT --prompt"])
.native(&["az keyvault secret set-attributes --vault-name VAULT --name NAME --expires DATE"]);

pub static LINT: Lint = Lint { name: "secret-expiry", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(cluster) = evidence.cluster else { return Vec::new() };
    let mut found = Vec::new();
    for (vault, content) in &cluster.survey.azure.secrets {
        let used = |name: &str| {
            let mounts = cluster.workloads.iter().flat_map(|workload| &workload.mounts);
            let own = mounts.filter(|mount| mount.secrets.vault.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(vault)));
            own.into_iter().any(|mount| mount.secrets.objects.iter().any(|object| object.name.eq_ignore_ascii_case(name)))
        };
        for secret in content.secrets.iter().filter(|secret| secret.enabled && secret.expires.is_none() && used(&secret.name)) {
            let name = &secret.name;
            let set = format!("az keyvault secret set-attributes --vault-name {vault} --name {name} --expires DATE");
            let finding =
                Finding::new(&PAGE, format!("secret/{vault}/{name}"), format!("the secret {name} of the vault {vault} has no expiry date"));
            found.push(finding.hint(format!("Give it one: `{set}`.")));
        }
    }
    found
}
