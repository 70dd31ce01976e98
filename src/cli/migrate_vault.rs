//! `podid vault migrate-to-rbac`.

use super::check;
use crate::spec::reference::NameOrId;
use clap::Args;
use std::time::Duration;

pub(super) const MIGRATE: &str = "\
Examples:
  podid vault migrate-to-rbac kv-claims --dry-run
                                             show which role each access policy gets, and what it gives beside
  podid vault migrate-to-rbac kv-claims -g podid-lab

The roles come first. The vault is switched once they are all listed and the newest is old enough
(--settle): before the switch nobody can see whether a role counts at the vault's data. Azure keeps
the access policies, without effect, and podid prints the command that makes them count again.
Roles that were assigned on the vault, its group or the subscription before count from then on, too.";

/// The arguments of `vault migrate-to-rbac`.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct MigrateVault {
    /// Name or full id of the vault
    #[arg(value_name = "VAULT", value_parser = check::vault_or_id)]
    pub vault: NameOrId,
    /// Go on although no role fits some of the policies; who has them loses that access
    #[arg(long)]
    pub skip_unmatched: bool,
    /// How old the newest role assignment must be before the switch, such as 10m, which is what Azure says it can take
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = check::duration)]
    pub settle: Duration,
}
