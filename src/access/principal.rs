//! The names of principals.

use crate::survey::Survey;

/// The name of a principal: of an identity of the subscription, as the directory has it, or its object id.
pub fn shown_principal(survey: &Survey, id: &str) -> String {
    let identity = survey.azure.identities.iter().find(|one| one.principal_id.eq_ignore_ascii_case(id)).map(|one| one.id.name().to_owned());
    let named = || survey.azure.names.get(&id.to_ascii_lowercase()).map(|one| one.name.clone());
    identity.or_else(named).unwrap_or_else(|| id.to_owned())
}
