//! Vaults that answer all networks.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};

static PAGE: Page = Page::info(
    9014,
    "a vault answers all networks",
    "Only its roles or policies keep others out. A firewall with the nodes' network, or a private endpoint, keeps a stolen token from being used elsewhere.",
)
.causes(&["the vault was made with the defaults"])
.podid(&["podid vault show -n VAULT -g GROUP"])
.native(&["az keyvault network-rule add --name VAULT --subnet SUBNET-ID", "az keyvault update -n VAULT --default-action Deny"]);

pub static LINT: Lint = Lint { name: "public-vaults", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(cluster) = evidence.cluster else { return Vec::new() };
    let used = cluster.vaults();
    let open = cluster.survey.azure.vaults.iter().filter(|vault| vault.is_public && used.contains(&vault.id.name().to_ascii_lowercase()));
    let finding = |vault: &crate::azure::Vault| {
        let name = vault.id.name();
        let add = format!("az keyvault network-rule add --name {name} --subnet SUBNET-ID");
        let deny = format!("az keyvault update -n {name} --default-action Deny");
        Finding::new(&PAGE, format!("vault/{name}"), format!("the vault {name} answers all networks"))
            .hint(format!("Allow the nodes' network first: `{add}`; then deny the others: `{deny}`."))
    };
    open.map(finding).collect()
}
