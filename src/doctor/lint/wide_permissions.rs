//! Identities of workloads that may do more with secrets than read those that they are told.

use super::{
    check::Lint,
    evidence::{Cluster, Evidence},
};
use crate::{
    access::{self, AzureRight, Holder},
    azure::{PolicyEntry, RoleGrant, Vault},
    chain::page::Page,
    doctor::finding::Finding,
};
use std::collections::BTreeSet;

static PAGE: Page = Page::warning(
    9010,
    "an identity may do more with secrets than read them",
    "A mount or an app that knows its secrets' names needs `get` only. With `list` it finds all others, too, and with `set` it can change them.",
)
.causes(&["the policy was copied from a guide with `get list`", "the role is Key Vault Secrets Officer or Administrator in place of Secrets User"])
.podid(&["podid vault grant --vault VAULT --to identity/IDENTITY"])
.native(&["az keyvault set-policy -n VAULT --object-id PRINCIPAL-ID --secret-permissions get"]);

pub static LINT: Lint = Lint { name: "wide-permissions", pages: &[&PAGE], run };

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
        let is_used = |policy: &&PolicyEntry| vault.counts(policy) && principals.contains(&policy.object_id.to_ascii_lowercase());
        for policy in vault.policies.iter().filter(|policy| !vault.rbac && is_used(policy)) {
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
        for principal in principals.iter().filter(|_| vault.rbac) {
            for Holder { grant, group } in access::grants_of(azure, principal) {
                if !grant.covers(&vault.id) || access::allows(azure, &grant.role, AzureRight::ChangeSecrets) != Some(true) {
                    continue;
                }
                let (who, role) = (name(principal), access::role_name(azure, &grant.role));
                let through =
                    group.map(|id| format!(", through the group {}", access::shown_principal(cluster.survey, id))).unwrap_or_default();
                let what = format!("the identity {who} may change the secrets of the vault {of} ({role} at {}{through})", grant.scope);
                let instead = if group.is_some() { "take it out of the group" } else { "remove the role" };
                found.push(Finding::new(&PAGE, format!("vault/{of}"), what).hint(format!(
                    "Give it Key Vault Secrets User: `podid vault grant --vault {of} --to identity/{who}`; then {instead}."
                )));
            }
        }
    }
    found
}

/// The identities of workloads whose groups decide what is found.
pub(super) fn undecided(cluster: &Cluster<'_>) -> BTreeSet<String> {
    let (azure, names) = (&cluster.survey.azure, cluster.vaults());
    let vaults: Vec<&Vault> =
        azure.vaults.iter().filter(|vault| vault.rbac && names.contains(&vault.id.name().to_ascii_lowercase())).collect();
    let changes = |grant: &RoleGrant| {
        vaults.iter().any(|vault| grant.covers(&vault.id)) && access::allows(azure, &grant.role, AzureRight::ChangeSecrets) == Some(true)
    };
    cluster.principals().into_iter().filter(|principal| access::is_undecided(azure, principal, changes)).collect()
}
