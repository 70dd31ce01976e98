//! Who has a right at a resource by role assignments.

use super::{
    denial::{Denied, denied, is_group},
    right::{AzureRight, allows},
};
use crate::{
    azure::{ArmId, RoleGrant},
    survey::{AzureSurvey, Gap},
};

/// A role assignment by which a principal has a right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder<'a> {
    pub grant: &'a RoleGrant,
    /// The group that has the role, where the principal has it as a member.
    pub group: Option<&'a str>,
}

/// Whether a principal has a right.
#[derive(Clone, Debug, PartialEq)]
pub enum Holding<'a> {
    Given(Holder<'a>),
    /// Something that decides could not be read.
    Unknown(Doubt),
    /// The deny assignment of this name takes it away.
    Denied(String),
    Missing,
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A list could not be read: a clause.
    Unread(String),
    /// Whether the principal is in this group.
    Member { group: String },
}

impl Doubt {
    pub fn of(gap: &Gap) -> Self {
        Self::Unread(format!("the {} could not be read: {}", gap.what, gap.why))
    }
}

/// The role assignments of a principal, and those of the groups that it is known to be in.
pub fn grants_of<'a>(azure: &'a AzureSurvey, principal: &str) -> impl Iterator<Item = Holder<'a>> {
    azure.grants.iter().filter_map(move |grant| {
        if grant.principal_id.eq_ignore_ascii_case(principal) {
            return Some(Holder { grant, group: None });
        }
        let is_its = grant.principal_kind.as_deref().is_none_or(is_group) && azure.is_member(principal, &grant.principal_id) == Some(true);
        is_its.then_some(Holder { grant, group: Some(&grant.principal_id) })
    })
}

/// The role assignments by which anybody has a right at a resource, whatever their conditions are. `is_meant`: of these principals.
pub fn holders<'a>(
    azure: &'a AzureSurvey,
    right: AzureRight,
    resource: &ArmId,
    is_meant: impl Fn(&RoleGrant) -> bool,
) -> impl Iterator<Item = &'a RoleGrant> {
    let all = azure.grants.iter().filter(move |grant| is_meant(grant));
    all.filter(move |grant| grant.covers(resource) && allows(azure, &grant.role, right) == Some(true))
}

/// Whether a principal has a right at a resource without a condition. Its own assignments come before those of its groups.
pub fn holder<'a>(azure: &'a AzureSurvey, principal: &str, right: AzureRight, resource: &ArmId) -> Holding<'a> {
    let denied = match denied(azure, principal, right, resource) {
        Denied::By(by) => return Holding::Denied(by.name.clone()),
        Denied::Perhaps(group) => Some(Doubt::Member { group }),
        Denied::No => None,
    };
    let counts = |one: &Holder<'_>| one.grant.covers(resource) && one.grant.condition.is_none();
    let own = || grants_of(azure, principal).filter(counts);
    let given = own().filter(|one| allows(azure, &one.grant.role, right) == Some(true)).min_by_key(|one| one.group.is_some());
    match (given, denied) {
        (Some(_), Some(doubt)) => return Holding::Unknown(doubt),
        (Some(one), None) => return Holding::Given(one),
        (None, _) => {}
    }
    if let Some(gap) = &azure.grants.gap {
        return Holding::Unknown(Doubt::of(gap));
    }
    let is_open = |one: Holder<'_>| allows(azure, &one.grant.role, right).is_none();
    if let Some(gap) = azure.roles.gap.as_ref().filter(|_| own().any(is_open)) {
        return Holding::Unknown(Doubt::of(gap));
    }
    let is_doubtful = |grant: &RoleGrant| {
        grant.condition.is_none()
            && grant.principal_kind.as_deref().is_none_or(is_group)
            && azure.is_member(principal, &grant.principal_id).is_none()
    };
    match holders(azure, right, resource, is_doubtful).next() {
        Some(grant) => Holding::Unknown(Doubt::Member { group: grant.principal_id.clone() }),
        None => Holding::Missing,
    }
}

/// Whether a principal may have one of these role assignments by a group, and it is not known whether it is in it.
pub fn is_undecided(azure: &AzureSurvey, principal: &str, is_meant: impl Fn(&RoleGrant) -> bool) -> bool {
    let is_open = |grant: &&RoleGrant| {
        grant.principal_kind.as_deref().is_some_and(is_group)
            && is_meant(grant)
            && azure.is_member(principal, &grant.principal_id).is_none()
    };
    azure.grants.iter().any(|grant| is_open(&grant))
}
