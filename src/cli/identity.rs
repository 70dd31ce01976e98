//! `podid identity`.

use super::{
    Command, Error, Global, ReadCommand, check,
    federation::{Federate, Federation},
};
use crate::spec::{reference::NameOrId, request::Request};
use clap::{Args, Subcommand};

const CREATE: &str = "\
Examples:
  podid identity create -g podid-lab -n claims-api-mid";

const SHOW: &str = "\
Examples:
  podid identity show -g podid-lab -n claims-api-mid -o json";

const DELETE: &str = "\
Examples:
  podid identity delete -g podid-lab -n claims-api-mid";

#[derive(Debug, Subcommand)]
pub(super) enum Identity {
    /// Create a user-assigned managed identity
    #[command(after_help = CREATE)]
    Create(Create),
    /// Show an identity and its ids
    #[command(after_help = SHOW)]
    Show(IdentityName),
    /// List the identities of a resource group or subscription
    List,
    /// Delete an identity that podid created
    #[command(after_help = DELETE)]
    Delete(IdentityName),
    Federate(Federate),
    /// List and remove the federated credentials of an identity
    #[command(subcommand)]
    Federation(Federation),
}

#[derive(Debug, Args)]
pub(super) struct IdentityName {
    /// Name or full id of the identity
    #[arg(short, long, value_parser = check::identity_or_id)]
    name: NameOrId,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    named: IdentityName,
    /// Azure region; default: that of the resource group
    #[arg(short, long, value_parser = check::location)]
    location: Option<String>,
}

impl Identity {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let group = global.resource_group.clone();
        Ok(match self {
            Self::Create(Create { named, location }) => {
                Command::Change { request: Request::Identity { name: named.name, group, location }, remove: false }
            }
            Self::Delete(named) => Command::Change { request: Request::Identity { name: named.name, group, location: None }, remove: true },
            Self::Show(named) => Command::Read(ReadCommand::Identity { name: named.name, group }),
            Self::List => Command::Read(ReadCommand::Identities { group }),
            Self::Federate(federate) => federate.command(global)?,
            Self::Federation(federation) => federation.command(global)?,
        })
    }
}
