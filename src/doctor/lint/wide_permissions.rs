//! Identities of workloads that may do more with secrets than read those that they are told.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};

static PAGE: Page = Page::warning(
    9010,
    "an identity may do more with secrets than read them",
    "A mount or an app that knows its secrets' names needs `get` only. With `list` it finds all others, too, and with `set` it can change them.",
)
.causes(&["the policy was copied from a guide with `get list`", "the role is Key Vault Secrets Officer or Administrator in place of Secrets User"])
.podid(&["podid vault grant --vault VAULT --to identity/IDENTITY"])
.native(&["az keyvault set-policy -n VAULT --object-id PRINCIPAL-ID --secret-permissions get"]);

pub static LINT: Lint = Lint { name: "wide-permissions", pages: &[&PAGE], run };

const SET: &str = "Microsoft.KeyVault/vaults/secrets/setSecret/action";

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(cluster) = evidence.cluster else { return Vec::new() };
    let azure = &cluster.survey.azure;
    let (principals, vaults) = (cluster.principals(), cluster.vaults());
    let name = |principal: &str| {
        let found = azure.identities.iter().find(|identity| identity.principal_id.eq_ignore_ascii_case(principal));
        found.map_or_else(|| principal.to_owned(), |identity| identity.id.name().to_owned())
    };
    let mut found = Vec::new();
    for vault in azure.vaults.iter().filter(|vault| vaults.contains(&vault.id.name().to_ascii_lowercase())) {
        let of = vault.id.name();
        for policy in vault.policies.iter().filter(|policy| !vault.rbac && principals.contains(&policy.object_id.to_ascii_lowercase())) {
            let more: Vec<&str> = policy.secrets.iter().map(String::as_str).filter(|one| !one.eq_ignore_ascii_case("get")).collect();
            if !more.is_empty() {
                let who = name(&policy.object_id);
                let set = format!("az keyvault set-policy -n {of} --object-id {} --secret-permissions get", policy.object_id);
                let what = format!("the identity {who} has {} on the secrets of the vault {of}, beside get", more.join(", "));
                found.push(
                    Finding::new(&PAGE, format!("vault/{of}"), what)
                        .hint(format!("Leave `get`, where the app knows its secrets' names: `{set}`.")),
                );
            }
        }
        let covering = azure.grants.iter().filter(|grant| vault.rbac && grant.covers(&vault.id));
        for grant in covering.filter(|grant| principals.contains(&grant.principal_id.to_ascii_lowercase())) {
            let role = azure.roles.iter().find(|role| role.role == grant.role);
            if let Some(role) = role.filter(|role| role.allows_data(SET)) {
                let who = name(&grant.principal_id);
                let what = format!("the identity {who} may change the secrets of the vault {of} ({} at {})", role.name, grant.scope);
                found.push(Finding::new(&PAGE, format!("vault/{of}"), what).hint(format!(
                    "Give it Key Vault Secrets User: `podid vault grant --vault {of} --to identity/{who}`; then remove the role."
                )));
            }
        }
    }
    found
}
