//! `podid group`.

use super::{Command, ReadCommand, check};
use crate::spec::request::Request;
use clap::{Args, Subcommand};

const CREATE: &str = "\
Examples:
  podid group create -n podid-lab -l westeurope";

const SHOW: &str = "\
Examples:
  podid group show -n podid-lab";

const DELETE: &str = "\
Examples:
  podid group delete -n podid-lab";

#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// Create a resource group
    #[command(after_help = CREATE)]
    Create(Create),
    /// Show a resource group and what is in it
    #[command(after_help = SHOW)]
    Show(GroupName),
    /// Delete a resource group that podid created and that is empty
    #[command(after_help = DELETE)]
    Delete(GroupName),
}

#[derive(Debug, Args)]
pub(super) struct GroupName {
    /// Name of the resource group
    #[arg(short, long, value_parser = check::resource_group)]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    named: GroupName,
    /// Azure region
    #[arg(short, long, value_parser = check::location)]
    location: String,
}

impl Group {
    pub(super) fn command(self) -> Command {
        match self {
            Self::Create(Create { named, location }) => {
                Command::Change { request: Request::ResourceGroup { name: named.name, location: Some(location) }, remove: false }
            }
            Self::Show(named) => Command::Read(ReadCommand::ResourceGroup { name: named.name }),
            Self::Delete(named) => Command::Change { request: Request::ResourceGroup { name: named.name, location: None }, remove: true },
        }
    }
}
