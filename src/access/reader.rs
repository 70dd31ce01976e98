//! The grants by which somebody may read the secrets of a vault: access policies, or roles by the actions of their definitions.

use super::{
    denial::{Denied, denied, is_group},
    holder::holders,
    principal::shown_principal,
    right::{AzureRight, role_name},
};
use crate::{
    azure::{ArmId, AzureAction, ObjectKind, Principal, RoleGrant, Vault, condition},
    resources::{ownership, role::one_line},
    survey::{AzureSurvey, List, Survey},
};

/// A principal that may read, by one grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    pub principal_id: String,
    /// As Azure calls its kind, where a grant says it.
    pub kind: Option<String>,
    pub grant: Grant,
    /// The group that has the grant, of which the principal is a member.
    pub group: Option<String>,
    /// The deny assignment that takes it away again.
    pub denied: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    Policy {
        permissions: Vec<String>,
    },
    Role {
        name: String,
        scope: String,
        is_inherited: bool,
        condition: Option<String>,
        passes: Passes,
        /// Whether podid assigned it.
        is_own: bool,
    },
}

/// Whether a grant counts for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    Yes,
    /// Its condition keeps the secret out.
    No,
    /// Its condition says something that podid does not understand, or no secret in particular is meant.
    Unknown,
}

impl Passes {
    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "passes",
            Self::No => "keptOut",
            Self::Unknown => "notUnderstood",
        }
    }
}

impl Grant {
    /// `role Key Vault Secrets User, at the vault`, `access policy (get, list)`
    pub fn short(&self) -> String {
        match self {
            Self::Policy { permissions } => format!("access policy ({})", permissions.join(", ")),
            Self::Role { name, scope, is_inherited, .. } => {
                let place = if *is_inherited { format!("inherited from {scope}") } else { "at the vault".to_owned() };
                format!("role {name}, {place}")
            }
        }
    }

    /// The same with its condition.
    pub fn shown(&self) -> String {
        let condition = self.condition().map(|text| format!(", if {text}")).unwrap_or_default();
        format!("{}{condition}", self.short())
    }

    /// On one line.
    pub fn condition(&self) -> Option<String> {
        match self {
            Self::Role { condition, .. } => condition.as_deref().map(one_line),
            Self::Policy { .. } => None,
        }
    }

    pub fn passes(&self) -> Passes {
        match self {
            Self::Role { passes, .. } => *passes,
            Self::Policy { .. } => Passes::Yes,
        }
    }
}

impl Reader {
    /// The grant, and the group through which the principal has it.
    pub fn way(&self, survey: &Survey) -> String {
        let group = self.group.as_deref().map(|group| format!(", through the group {}", shown_principal(survey, group)));
        format!("{}{}", self.grant.shown(), group.unwrap_or_default())
    }

    /// Whether podid can give the same role at the vault only by changing what somebody else made: Azure allows one assignment of a role to a
    /// principal at a scope.
    pub fn is_in_the_way(&self, vault: &Vault) -> bool {
        let is_here = |scope: &str| scope.trim_end_matches('/').eq_ignore_ascii_case(vault.id.as_str());
        matches!(&self.grant, Grant::Role { scope, is_own: false, .. } if self.group.is_none() && is_here(scope))
    }

    /// The same as a member of the group has it.
    pub fn of_member(&self, azure: &AzureSurvey, member: &str, resource: &ArmId) -> Self {
        let denied = self.denied.clone().or_else(|| denial(azure, &self.grant, member, resource));
        Self { principal_id: member.to_owned(), kind: None, group: Some(self.principal_id.clone()), denied, grant: self.grant.clone() }
    }
}

/// The resource of a secret; of no secret in particular the vault.
pub fn resource(vault: &Vault, secret: Option<&str>) -> ArmId {
    secret.map_or_else(|| vault.id.clone(), |name| vault.id.child("secrets", name))
}

/// The principals that may read a secret of a vault, groups as they are. `secret`: grants at this secret alone count too.
pub fn readers(survey: &Survey, vault: &Vault, secret: Option<&str>) -> Vec<Reader> {
    if vault.rbac { by_roles(&survey.azure, vault, secret, |_| true) } else { by_policies(vault) }
}

/// The same, without those that are neither the principal nor may be a group that it is in.
pub(super) fn near_readers(survey: &Survey, vault: &Vault, secret: Option<&str>, principal: &str) -> Vec<Reader> {
    if !vault.rbac {
        return by_policies(vault);
    }
    let is_near =
        |grant: &RoleGrant| grant.principal_id.eq_ignore_ascii_case(principal) || grant.principal_kind.as_deref().is_none_or(is_group);
    by_roles(&survey.azure, vault, secret, is_near)
}

fn by_policies(vault: &Vault) -> Vec<Reader> {
    let reads = vault.policies.iter().filter(|entry| vault.counts(entry) && entry.of(ObjectKind::Secret).iter().any(|word| is_get(word)));
    reads
        .map(|entry| Reader {
            principal_id: entry.object_id.clone(),
            kind: None,
            grant: Grant::Policy { permissions: entry.secrets.iter().map(|word| word.to_ascii_lowercase()).collect() },
            group: None,
            denied: None,
        })
        .collect()
}

/// Whether a permission of an access policy lets one read.
pub fn is_get(word: &str) -> bool {
    word.eq_ignore_ascii_case("get") || word.eq_ignore_ascii_case("all")
}

fn by_roles(azure: &AzureSurvey, vault: &Vault, secret: Option<&str>, is_meant: impl Fn(&RoleGrant) -> bool) -> Vec<Reader> {
    let resource = resource(vault, secret);
    let reader = |grant: &RoleGrant| {
        let role = Grant::Role {
            name: role_name(azure, &grant.role),
            scope: grant.scope.clone(),
            is_inherited: !grant.is_at(&vault.id) && !grant.is_at(&resource),
            condition: grant.condition.clone(),
            passes: passes(grant.condition.as_deref(), secret),
            is_own: ownership::app_of(grant.description.as_deref()).is_some(),
        };
        let denied = denial(azure, &role, &grant.principal_id, &resource);
        Reader { principal_id: grant.principal_id.clone(), kind: grant.principal_kind.clone(), grant: role, group: None, denied }
    };
    holders(azure, AzureRight::ReadSecrets, &resource, is_meant).map(reader).collect()
}

fn passes(condition: Option<&str>, secret: Option<&str>) -> Passes {
    let Some(condition) = condition else { return Passes::Yes };
    let passed = |action: &AzureAction| match (action, secret) {
        (AzureAction::Data(action), Some(secret)) => condition::passes(condition, action, secret),
        _ => None,
    };
    match AzureRight::ReadSecrets.actions().iter().find_map(passed) {
        Some(true) => Passes::Yes,
        Some(false) => Passes::No,
        None => Passes::Unknown,
    }
}

/// Deny assignments count for roles alone: a vault with access policies asks only these.
fn denial(azure: &AzureSurvey, grant: &Grant, principal: &str, resource: &ArmId) -> Option<String> {
    let is_role = matches!(grant, Grant::Role { .. });
    match denied(azure, principal, AzureRight::ReadSecrets, resource) {
        Denied::By(by) if is_role => Some(by.name.clone()),
        _ => None,
    }
}

/// The same with the members of groups, as far as they are known.
pub fn expanded(survey: &Survey, vault: &Vault, secret: Option<&str>) -> Vec<Reader> {
    let (azure, resource) = (&survey.azure, resource(vault, secret));
    let mut found = Vec::new();
    for reader in readers(survey, vault, secret) {
        let listed = azure.members.get(&reader.principal_id.to_ascii_lowercase());
        let mut members: Vec<String> =
            listed.into_iter().flat_map(|members| members.iter()).map(|one| one.id.to_ascii_lowercase()).collect();
        let is_in = |groups: &List<Principal>| groups.iter().any(|group| group.id.eq_ignore_ascii_case(&reader.principal_id));
        members.extend(azure.groups.iter().filter(|(_, groups)| is_in(groups)).map(|(member, _)| member.clone()));
        members.sort();
        members.dedup();
        found.extend(members.iter().map(|member| reader.of_member(azure, member, &resource)));
        found.push(reader);
    }
    found
}
