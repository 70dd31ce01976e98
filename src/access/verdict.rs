//! Whether one principal may read a secret of a vault, and by what.

use super::{
    denial::{Denied, denied, is_group},
    holder::{Doubt, grants_of},
    principal::shown_principal,
    reader::{Passes, Reader, is_get, near_readers, resource},
    right::{AzureRight, allows},
};
use crate::{
    azure::{PrincipalKind, RoleGrant, Vault},
    survey::Survey,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Given(Reader),
    /// The condition of its role keeps the secret out.
    KeptOut(Reader),
    /// Its role has a condition that podid does not understand.
    NotUnderstood(Reader),
    Denied {
        /// The deny assignment.
        by: String,
        /// The grant that it takes away again.
        reader: Option<Reader>,
    },
    Unknown {
        doubt: Doubt,
        /// What its group has.
        reader: Option<Reader>,
    },
    /// With what comes near it, as a clause.
    Missing(Option<String>),
}

impl Verdict {
    /// Whether the groups of the principal decide, and were not read.
    pub fn needs_groups(&self) -> bool {
        matches!(self, Self::Unknown { doubt: Doubt::Member { .. }, .. })
    }
}

/// `secret`: None where no one in particular is meant: then grants at single secrets do not count.
pub fn verdict(survey: &Survey, vault: &Vault, principal: &str, secret: Option<&str>) -> Verdict {
    let (azure, resource) = (&survey.azure, resource(vault, secret));
    let (mut own, mut doubtful, mut others) = (Vec::new(), None, None);
    for reader in near_readers(survey, vault, secret, principal) {
        if reader.principal_id.eq_ignore_ascii_case(principal) {
            own.push(reader);
        } else if is_perhaps_group(survey, &reader) {
            match azure.is_member(principal, &reader.principal_id) {
                Some(true) => own.push(reader.of_member(azure, principal, &resource)),
                None if reader.grant.passes() != Passes::No => doubtful = Some(reader),
                None => {}
                Some(false) => others = others.or(Some(reader)),
            }
        }
    }
    // its own grants first
    own.sort_by_key(|reader| (reader.group.is_some(), reader.grant.condition().is_some()));
    let by = |wanted: Passes| own.iter().find(|reader| reader.grant.passes() == wanted).cloned();
    let denial = if vault.rbac { denied(azure, principal, AzureRight::ReadSecrets, &resource) } else { Denied::No };
    let is_denied = match denial {
        Denied::By(by) => return Verdict::Denied { by: by.name.clone(), reader: own.into_iter().next() },
        Denied::Perhaps(group) => Some(Doubt::Member { group }),
        Denied::No => None,
    };
    match (by(Passes::Yes), is_denied) {
        (Some(_), Some(doubt)) => return Verdict::Unknown { doubt, reader: None },
        (Some(reader), None) => return Verdict::Given(reader),
        (None, _) => {}
    }
    if let Some(doubt) = unread(survey, vault, principal, secret) {
        return Verdict::Unknown { doubt, reader: None };
    }
    if let Some(reader) = doubtful {
        return Verdict::Unknown { doubt: Doubt::Member { group: reader.principal_id.clone() }, reader: Some(reader) };
    }
    if let Some(reader) = by(Passes::Unknown) {
        return Verdict::NotUnderstood(reader);
    }
    // a group that has the right shows what was meant; of a policy it is not known whether its principal is one
    let of_group = || {
        let group = others.filter(|reader| reader.kind.is_some())?;
        let name = shown_principal(survey, &group.principal_id);
        Some(format!("the group {name} has {}, and the identity is not a member of it", group.grant.short()))
    };
    by(Passes::No).map_or_else(|| Verdict::Missing(near(survey, vault, principal).or_else(of_group)), Verdict::KeptOut)
}

/// What could not be read, and might have the right.
fn unread(survey: &Survey, vault: &Vault, principal: &str, secret: Option<&str>) -> Option<Doubt> {
    let azure = &survey.azure;
    if !vault.rbac {
        return None;
    }
    if let Some(gap) = &azure.grants.gap {
        return Some(Doubt::of(gap));
    }
    let resource = resource(vault, secret);
    let gap = azure.roles.gap.as_ref()?;
    // a custom role whose definition was not read, of the principal itself or of a group that it may be in
    let is_its = |grant: &&RoleGrant| {
        let is_group = || grant.principal_kind.as_deref().is_none_or(is_group);
        grant.principal_id.eq_ignore_ascii_case(principal) || is_group() && azure.is_member(principal, &grant.principal_id) != Some(false)
    };
    let mut covering = azure.grants.iter().filter(is_its).filter(|grant| grant.covers(&resource));
    covering.any(|grant| allows(azure, &grant.role, AzureRight::ReadSecrets).is_none()).then(|| Doubt::of(gap))
}

/// A role says of what kind its principal is. An access policy does not, and what it names is often known otherwise.
fn is_perhaps_group(survey: &Survey, reader: &Reader) -> bool {
    let azure = &survey.azure;
    let is_it = |id: &str| id.eq_ignore_ascii_case(&reader.principal_id);
    if let Some(kind) = &reader.kind {
        return is_group(kind);
    }
    if azure.identities.iter().any(|identity| is_it(&identity.principal_id)) || azure.caller.as_deref().is_some_and(is_it) {
        return false;
    }
    if let Some(known) = azure.names.get(&reader.principal_id.to_ascii_lowercase()) {
        return matches!(known.kind, PrincipalKind::Group | PrincipalKind::Unknown);
    }
    let kind = azure.grants.iter().find(|grant| is_it(&grant.principal_id)).and_then(|grant| grant.principal_kind.as_deref());
    kind.is_none_or(is_group)
}

/// A grant that looks like one that counts.
fn near(survey: &Survey, vault: &Vault, principal: &str) -> Option<String> {
    let entries = || vault.policies.iter().filter(|entry| entry.object_id.eq_ignore_ascii_case(principal));
    if vault.rbac {
        return entries().next().map(|_| "there is an access policy for it, but the vault asks Azure roles only".to_owned());
    }
    let reads = |words: &[String]| words.iter().any(|word| is_get(word));
    if let Some(entry) = entries().find(|entry| vault.counts(entry)) {
        let has = if entry.secrets.is_empty() { "nothing of secrets".to_owned() } else { entry.secrets.join(", ") };
        return Some(format!("its access policy lacks `get` and allows {has}"));
    }
    let foreign: Vec<String> = entries()
        .filter(|entry| reads(&entry.secrets))
        .map(|entry| match &entry.application_id {
            Some(application) => format!(
                "its access policy counts only for requests through the application {application} (a compound identity), which no pod sends"
            ),
            None => format!("its access policy is for the tenant {}, and the vault is in {}", entry.tenant_id, vault.tenant_id),
        })
        .collect();
    if !foreign.is_empty() {
        return Some(foreign.join("; "));
    }
    let has_role = grants_of(&survey.azure, principal).any(|one| one.grant.covers(&vault.id));
    has_role.then(|| "it has a role at the vault, but the vault has access policies, which are asked alone".to_owned())
}
