//! Whether an identity may read secrets of a vault, and by what, as far as a survey tells: a role at any scope, with or without a condition,
//! a policy of the vault, or a deny assignment. Members of groups are not known.

use crate::{
    azure::{RoleGrant, Vault, condition},
    resources::ownership,
    survey::Survey,
};

/// The action on data that reads a secret's value.
const GET: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";

pub enum Right {
    /// By what: `Key Vault Secrets User at /subscriptions/…`.
    Given(String),
    /// Only under a condition.
    Conditional(Conditional),
    Denied(String),
    /// What decides was not read, or a group may have the right.
    Unknown,
    /// With what comes near it.
    Missing(Option<String>),
}

/// A role with a condition.
pub struct Conditional {
    /// `Key Vault Secrets User at /subscriptions/…`
    pub role: String,
    /// Whether it keeps one of the secrets out. None: podid does not understand the condition.
    pub is_kept_out: Option<bool>,
    /// Whether it is at the vault itself, where Azure allows no second one.
    pub is_at_vault: bool,
    /// Whether podid assigned it.
    pub is_own: bool,
}

pub fn right(survey: &Survey, vault: &Vault, principal: &str, secrets: &[&str]) -> Right {
    if vault.rbac { by_role(survey, vault, principal, secrets) } else { by_policy(survey, vault, principal) }
}

fn by_role(survey: &Survey, vault: &Vault, principal: &str, secrets: &[&str]) -> Right {
    if let Some(denial) = survey.azure.denials.iter().find(|one| one.denies_data(GET, &vault.id, principal)) {
        return Right::Denied(denial.name.clone());
    }
    let role = |grant: &RoleGrant| survey.azure.roles.iter().find(|role| role.role == grant.role);
    let reads = |grant: &&RoleGrant| role(grant).is_some_and(|role| role.allows_data(GET));
    let shown = |grant: &RoleGrant| format!("{} at {}", role(grant).map_or(grant.role.as_str(), |role| &role.name), grant.scope);
    let reading: Vec<&RoleGrant> = survey.azure.grants.iter().filter(reads).collect();
    let own = || reading.iter().filter(|grant| grant.principal_id.eq_ignore_ascii_case(principal));
    let whole = || own().filter(|grant| grant.covers(&vault.id));
    if let Some(grant) = whole().find(|grant| grant.condition.is_none()) {
        return Right::Given(shown(grant));
    }
    let of_one = |secret: &&str| {
        let scope = format!("{}/secrets/{secret}", vault.id);
        own().any(|grant| grant.condition.is_none() && grant.scope.eq_ignore_ascii_case(&scope))
    };
    if !secrets.is_empty() && secrets.iter().all(of_one) {
        return Right::Given("a role at each of the secrets".to_owned());
    }
    let passed = |grant: &RoleGrant| -> Option<bool> {
        let condition = grant.condition.as_deref().unwrap_or_default();
        let each: Vec<Option<bool>> = secrets.iter().map(|secret| condition::passes(condition, GET, secret)).collect();
        if each.contains(&Some(false)) { Some(false) } else { each.iter().all(|one| *one == Some(true)).then_some(!each.is_empty()) }
    };
    if let Some(grant) = whole().find(|grant| passed(grant) == Some(true)) {
        return Right::Given(format!("{}, whose condition the secrets fulfil", shown(grant)));
    }
    if let Some(grant) = whole().next() {
        return Right::Conditional(Conditional {
            role: shown(grant),
            is_kept_out: passed(grant).filter(|_| !secrets.is_empty()).map(|passed| !passed),
            is_at_vault: grant.is_at(&vault.id),
            is_own: ownership::app_of(grant.description.as_deref()).is_some(),
        });
    }
    if survey.azure.grants.gap.is_some() || survey.azure.roles.gap.is_some() {
        return Right::Unknown;
    }
    let is_group = |grant: &&RoleGrant| grant.principal_kind.as_deref() == Some("Group") && grant.covers(&vault.id);
    // whether the identity is a member was not read
    if reading.iter().any(is_group) {
        return Right::Unknown;
    }
    let policy = vault.policy_of(principal).is_some();
    Right::Missing(policy.then(|| "there is an access policy for it, but the vault asks Azure roles only".to_owned()))
}

fn by_policy(survey: &Survey, vault: &Vault, principal: &str) -> Right {
    let reads = |permissions: &[String]| permissions.iter().any(|one| ["get", "all"].contains(&one.to_ascii_lowercase().as_str()));
    if let Some(policy) = vault.policy_of(principal) {
        if reads(&policy.secrets) {
            return Right::Given(format!("an access policy of the vault {}", vault.id.name()));
        }
        let has = if policy.secrets.is_empty() { "nothing of secrets".to_owned() } else { policy.secrets.join(", ") };
        return Right::Missing(Some(format!("its access policy lacks `get` and allows {has}")));
    }
    // a policy may be that of a group
    let is_known = |id: &str| survey.azure.identities.iter().any(|identity| identity.principal_id.eq_ignore_ascii_case(id));
    if let Some(other) = vault.policies.iter().find(|policy| reads(&policy.secrets) && !is_known(&policy.object_id)) {
        let group = survey
            .azure
            .grants
            .iter()
            .any(|grant| grant.principal_id.eq_ignore_ascii_case(&other.object_id) && grant.principal_kind.as_deref() == Some("Group"));
        if group {
            return Right::Unknown;
        }
    }
    let role = survey.azure.grants.iter().any(|grant| grant.principal_id.eq_ignore_ascii_case(principal) && grant.covers(&vault.id));
    Right::Missing(role.then(|| "it has a role at the vault, but the vault has access policies, which are asked alone".to_owned()))
}
