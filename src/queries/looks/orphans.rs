//! Role assignments whose principal no longer exists, for `podid role prune`. The directory is asked, and believed only if it shows podid's
//! own principal: to somebody who may read nothing of it, everybody would seem deleted.

use super::{Lookup, failed};
use crate::{
    azure::{self, ArmId, RoleAssignment},
    exit::Exit,
    failure::Failure,
    resources::ownership,
    session::Session,
    spec::reference::Scope,
};
use std::collections::BTreeSet;

/// Types of principals that `getByIds` is asked for. Others (a group of another tenant, a device) cannot be looked up in this directory.
const KINDS: [&str; 4] = ["User", "Group", "ServicePrincipal", "Unknown"];

/// Returns the orphaned assignments at a scope and below it, or in the whole subscription; without `all`, those that podid made.
pub async fn orphans(session: &Session, scope: Option<&Scope>, all: bool) -> Result<Vec<RoleAssignment>, Failure> {
    let lookup = Lookup::open(session)?;
    session.unless_interrupted(lookup.orphans(scope, all)).await?
}

impl Lookup<'_> {
    async fn orphans(&self, scope: Option<&Scope>, all: bool) -> Result<Vec<RoleAssignment>, Failure> {
        let scope = match scope {
            Some(scope) => self.scope(scope)?,
            None => ArmId::subscription(&self.subscription),
        };
        let below = format!("{}/", scope.folded());
        let mut found = self.azure.role_assignments_below(&scope).await.map_err(failed)?;
        found.retain(|a| a.scope == scope || a.scope.folded().starts_with(&below));
        found.retain(|a| a.principal_kind.as_deref().is_none_or(|kind| KINDS.contains(&kind)));
        if found.is_empty() {
            return Ok(found);
        }
        let existing = self.existing(&found).await?;
        found.retain(|a| !existing.contains(&a.principal_id.to_ascii_lowercase()));
        let total = found.len();
        found.retain(|a| all || ownership::app_of(a.description.as_deref()).is_some());
        let left = total - found.len();
        if total == 0 {
            self.session.terminal.say("there are no orphaned role assignments");
        }
        if left > 0 {
            let (word, verb) = if left == 1 { ("assignment", "carries") } else { ("assignments", "carry") };
            self.session.terminal.say(format!("{left} more orphaned role {word} {verb} no mark of podid; `--all` includes them"));
        }
        Ok(found)
    }

    /// Returns the principals of these assignments that exist, in lower case.
    async fn existing(&self, assignments: &[RoleAssignment]) -> Result<BTreeSet<String>, Failure> {
        let unread = |because: String| {
            Failure::new(Exit::Failed, "could not tell which role assignments are orphaned; nothing was changed").because(because).hint(
                "Sign in as somebody who may read the directory: `az login` as a member of the tenant, or give podid's service principal the Graph permission Directory.Read.All.",
            )
        };
        let caller = self.azure.caller().await.map_err(failed)?.object_id.to_ascii_lowercase();
        let mut asked: BTreeSet<String> = assignments.iter().map(|a| a.principal_id.to_ascii_lowercase()).collect();
        asked.insert(caller.clone());
        match self.azure.existing_principals(&asked).await {
            Ok(existing) if existing.contains(&caller) => Ok(existing),
            Ok(_) => Err(unread(format!("the directory does not show podid's own principal {caller}"))),
            Err(error @ azure::Error::Forbidden { .. }) => Err(unread(format!("podid may not read the directory: {error}"))),
            Err(error) => Err(failed(error)),
        }
    }
}
