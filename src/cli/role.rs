//! `podid role`.

use super::{Command, ReadCommand, check};
use crate::spec::{
    reference::{Principal, Scope},
    request::Request,
};
use clap::{Args, Subcommand};

const ASSIGN: &str = "\
Examples:
  podid role assign Reader --to identity/claims-api-mid --scope vault/kv-claims
  podid role assign \"Virtual Machine Contributor\" --to identity/claims-api-mid --scope cluster/aks-mi/nodes";

const REMOVE: &str = "\
Examples:
  podid role remove Reader --to identity/claims-api-mid --scope vault/kv-claims";

const PRUNE: &str = "\
Examples:
  podid role prune --dry-run                 show the orphaned assignments that podid made
  podid role prune --scope group/podid-lab --all --yes

Azure keeps the assignments of deleted users, groups and identities. They do no harm, but they count
towards the limit of 4000 in a subscription. A principal that is restored within 30 days does not get
its roles back.";

#[derive(Debug, Subcommand)]
pub(super) enum Role {
    /// Assign a role to an identity
    #[command(after_help = ASSIGN)]
    Assign(Assignment),
    /// List role assignments
    List(Filter),
    /// Remove a role assignment
    #[command(after_help = REMOVE)]
    Remove(Assignment),
    /// Remove role assignments whose principal no longer exists
    #[command(after_help = PRUNE)]
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Look only at this scope and below it; default: the whole subscription
    #[arg(long, value_parser = check::scope)]
    scope: Option<Scope>,
    /// Also remove orphaned assignments that podid did not make
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Assignment {
    /// Name or GUID of the role
    #[arg(value_parser = check::role)]
    role: String,
    /// Principal: `identity/NAME`, an identity's id, `cluster/NAME`, `caller`, an object id, `user/` with an object id or user principal name, `group/` with an object id or display name, or `service-principal/` with an object id
    #[arg(long, value_name = "WHO", value_parser = check::principal)]
    to: Principal,
    /// Scope: `vault/NAME`, `identity/NAME`, `group/NAME`, `storage/ACCOUNT[/CONTAINER]`, `cluster/NAME/nodes`, `subscription`, or a full id
    #[arg(long, value_parser = check::scope)]
    scope: Scope,
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// List only the assignments of this identity or principal
    #[arg(long, value_name = "WHO", value_parser = check::principal)]
    to: Option<Principal>,
    /// List only the assignments at this scope
    #[arg(long, value_parser = check::scope)]
    scope: Option<Scope>,
}

impl Role {
    pub(super) fn command(self) -> Command {
        let change = |Assignment { role, to, scope }, remove| Command::Change { request: Request::Role { role, to, scope }, remove };
        match self {
            Self::Assign(assignment) => change(assignment, false),
            Self::Remove(assignment) => change(assignment, true),
            Self::Prune(Prune { scope, all }) => Command::Prune { scope, all },
            Self::List(Filter { to, scope }) => Command::Read(ReadCommand::Roles { to, scope }),
        }
    }
}
