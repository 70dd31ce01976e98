//! Asks the directory for the groups of those principals whose rights depend on them, and of no others.

use super::{
    holder::{Doubt, Holding, holder},
    right::AzureRight,
    verdict::verdict,
};
use crate::{
    azure::{ArmId, Read},
    survey::Survey,
};
use std::collections::BTreeSet;

/// Whether a principal may read these secrets of a vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    pub principal: String,
    /// The vault's name.
    pub vault: String,
    /// Empty: no secret in particular.
    pub secrets: Vec<String>,
}

impl Question {
    /// The secrets one by one; None where no one in particular is meant.
    fn each(&self) -> Vec<Option<&str>> {
        if self.secrets.is_empty() { vec![None] } else { self.secrets.iter().map(|secret| Some(secret.as_str())).collect() }
    }

    fn needs_groups(&self, survey: &Survey) -> bool {
        let vault = survey.azure.vault(&self.vault);
        vault.is_some_and(|vault| self.each().into_iter().any(|secret| verdict(survey, vault, &self.principal, secret).needs_groups()))
    }
}

pub async fn ask_readers(survey: &mut Survey, azure: &Read, questions: &BTreeSet<Question>) {
    let open: BTreeSet<String> = questions.iter().filter(|one| one.needs_groups(survey)).map(|one| one.principal.clone()).collect();
    survey.azure.read_groups(azure, &open).await;
}

/// Of rights at resources: each a principal, the right, and the resource.
pub async fn ask_holders(survey: &mut Survey, azure: &Read, questions: &[(String, AzureRight, ArmId)]) {
    let needs_groups = |(principal, right, resource): &&(String, AzureRight, ArmId)| {
        matches!(holder(&survey.azure, principal, *right, resource), Holding::Unknown(Doubt::Member { .. }))
    };
    let open: BTreeSet<String> = questions.iter().filter(needs_groups).map(|(principal, ..)| principal.clone()).collect();
    survey.azure.read_groups(azure, &open).await;
}
