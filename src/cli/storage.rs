//! `podid storage`: accounts and their blob containers.

use super::{Command, Global, ReadCommand, check};
use crate::spec::{reference::NameOrId, request::Request};
use clap::{Args, Subcommand};

const CREATE: &str = "\
Examples:
  podid storage create claimsdocs -g podid-lab
  podid storage create claimsdocs -g podid-lab --sku Standard_ZRS

The account accepts no account keys: apps use it with tokens and a data role, such as
  podid role assign \"Storage Blob Data Contributor\" --to identity/claims-api-mid \\
    --scope storage/claimsdocs/documents";

const SHOW: &str = "\
Examples:
  podid storage show claimsdocs -g podid-lab -o json";

const DELETE: &str = "\
Examples:
  podid storage delete claimsdocs -g podid-lab --delete-data claimsdocs";

const CREATE_CONTAINER: &str = "\
Examples:
  podid storage container create documents --account claimsdocs";

const LIST_CONTAINERS: &str = "\
Examples:
  podid storage container list --account claimsdocs";

const DELETE_CONTAINER: &str = "\
Examples:
  podid storage container delete documents --account claimsdocs";

#[derive(Debug, Subcommand)]
pub(super) enum Storage {
    /// Create a storage account that accepts no account keys
    #[command(after_help = CREATE)]
    Create(Create),
    /// Show a storage account and its settings
    #[command(after_help = SHOW)]
    Show(Account),
    /// List the storage accounts of a resource group or subscription
    List,
    /// Delete a storage account that podid created, with its containers
    #[command(after_help = DELETE)]
    Delete(Account),
    /// Create, list and delete blob containers
    #[command(subcommand)]
    Container(Container),
}

#[derive(Debug, Args)]
pub(super) struct Account {
    /// Name or full id of the storage account
    #[arg(value_name = "NAME", required_unless_present = "name", value_parser = check::storage_account_or_id)]
    account: Option<NameOrId>,
    /// The same as NAME
    #[arg(short, long, value_name = "NAME", value_parser = check::storage_account_or_id)]
    name: Option<NameOrId>,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    named: Account,
    /// Azure region; default: that of the resource group
    #[arg(short, long, value_parser = check::location)]
    location: Option<String>,
    /// Redundancy, such as Standard_ZRS; default: Standard_LRS
    #[arg(long, value_parser = check::storage_sku)]
    sku: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct InAccount {
    /// Name or full id of the storage account
    #[arg(long, value_parser = check::storage_account_or_id)]
    account: NameOrId,
}

#[derive(Debug, Args)]
pub(super) struct ContainerName {
    /// Name of the container
    #[arg(value_name = "NAME", value_parser = check::container)]
    container: String,
    #[command(flatten)]
    place: InAccount,
}

#[derive(Debug, Subcommand)]
pub(super) enum Container {
    /// Create a private container
    #[command(after_help = CREATE_CONTAINER)]
    Create(ContainerName),
    /// List the containers of a storage account
    #[command(after_help = LIST_CONTAINERS)]
    List(InAccount),
    /// Delete a container that podid created, with its blobs
    #[command(after_help = DELETE_CONTAINER)]
    Delete(ContainerName),
}

impl Account {
    /// clap requires one of the two.
    fn name(self) -> NameOrId {
        self.account.or(self.name).unwrap_or_else(|| NameOrId::Name(String::new()))
    }
}

impl Storage {
    pub(super) fn command(self, global: &Global) -> Command {
        let group = global.resource_group.clone();
        match self {
            Self::Create(Create { named, location, sku }) => {
                Command::Change { request: Request::StorageAccount { name: named.name(), group, location, sku }, remove: false }
            }
            Self::Delete(account) => Command::Change {
                request: Request::StorageAccount { name: account.name(), group, location: None, sku: None },
                remove: true,
            },
            Self::Show(account) => Command::Read(ReadCommand::StorageAccount { name: account.name(), group }),
            Self::List => Command::Read(ReadCommand::StorageAccounts { group }),
            Self::Container(container) => container.command(group),
        }
    }
}

impl Container {
    fn command(self, group: Option<String>) -> Command {
        let request = |ContainerName { container, place }: ContainerName, group| Request::Container {
            account: place.account,
            group,
            name: container,
        };
        match self {
            Self::Create(named) => Command::Change { request: request(named, group), remove: false },
            Self::Delete(named) => Command::Change { request: request(named, group), remove: true },
            Self::List(InAccount { account }) => Command::Read(ReadCommand::Containers { account, group }),
        }
    }
}
