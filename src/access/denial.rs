//! Deny assignments: whatever roles allow, they take it away.

use super::right::AzureRight;
use crate::{
    azure::{ArmId, DeniedPrincipal, DenyAssignment},
    survey::AzureSurvey,
};

/// Whether a deny assignment takes a right away.
#[derive(Clone, Debug, PartialEq)]
pub enum Denied<'a> {
    No,
    By(&'a DenyAssignment),
    /// One names this group, of which it is not known whether the principal is in it.
    Perhaps(String),
}

pub fn denied<'a>(azure: &'a AzureSurvey, principal: &str, right: AzureRight, resource: &ArmId) -> Denied<'a> {
    let mut perhaps = Denied::No;
    for by in azure.denials.iter().filter(|one| right.actions().iter().any(|action| one.covers(*action, resource))) {
        match (names(azure, &by.principals, principal), names(azure, &by.except, principal)) {
            (Named::No, _) | (_, Named::Yes) => {}
            (Named::Yes, Named::No) => return Denied::By(by),
            (Named::Perhaps(group), _) | (_, Named::Perhaps(group)) => perhaps = Denied::Perhaps(group),
        }
    }
    perhaps
}

/// The groups that the deny assignments of a right name.
pub fn denied_groups<'a>(azure: &'a AzureSurvey, right: AzureRight, resource: &ArmId) -> impl Iterator<Item = &'a str> {
    let all = azure.denials.iter().filter(move |one| right.actions().iter().any(|action| one.covers(*action, resource)));
    let named = all.flat_map(|one| one.principals.iter().chain(&one.except));
    named.filter(|one| one.kind.as_deref().is_some_and(is_group)).map(|one| one.id.as_str())
}

enum Named {
    Yes,
    No,
    /// By this group, if at all.
    Perhaps(String),
}

fn names(azure: &AzureSurvey, all: &[DeniedPrincipal], principal: &str) -> Named {
    let mut found = Named::No;
    for one in all {
        let is_group = one.kind.as_deref().is_some_and(is_group);
        let is_it = one.is_everybody() || one.id.eq_ignore_ascii_case(principal);
        match if is_it || !is_group { Some(is_it) } else { azure.is_member(principal, &one.id) } {
            Some(true) => return Named::Yes,
            Some(false) => {}
            None => found = Named::Perhaps(one.id.clone()),
        }
    }
    found
}

/// Whether the word by which Azure calls the kind of a principal is one for groups: those of other tenants are `ForeignGroup`.
pub fn is_group(kind: &str) -> bool {
    kind.to_ascii_lowercase().ends_with("group")
}
