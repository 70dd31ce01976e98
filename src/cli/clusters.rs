//! `podid cluster`.

use super::{
    Command, Error, Global, Rbac, ReadCommand, check,
    cluster::component::{Components, Install, Uninstall},
    cluster_create::Create,
    cluster_credentials::CredentialsArgs,
};
use crate::spec::{creation::ClusterCreate, reference::NameOrId, request::Request};
use clap::{Args, Subcommand};

const SHOW: &str = "\
Examples:
  podid cluster show -g podid-lab -n aks-lab";

const DELETE: &str = "\
Examples:
  podid cluster delete -g podid-lab -n aks-lab";

#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    Create(Create),
    /// Show a cluster, and what stands in the way of pod identity there
    #[command(after_help = SHOW)]
    Show(ClusterName),
    Credentials(CredentialsArgs),
    /// Delete a cluster that podid created
    #[command(after_help = DELETE)]
    Delete(ClusterName),
    Install(Install),
    Uninstall(Uninstall),
    Components(Components),
    Rbac(Rbac),
}

#[derive(Debug, Args)]
pub(super) struct ClusterName {
    /// Name or full id of the cluster
    #[arg(short, long, value_parser = check::cluster_or_id)]
    name: NameOrId,
}

impl Cluster {
    /// `format`: whether a format was requested; the default of `rbac` is YAML, because the document is piped into kubectl.
    pub(super) fn command(self, global: &Global, format: bool) -> Result<Command, Error> {
        let group = global.resource_group.clone();
        Ok(match self {
            Self::Create(create) => create.command(group)?,
            Self::Show(named) => Command::Read(ReadCommand::Cluster { name: named.name, group }),
            Self::Credentials(credentials) => Command::Credentials(credentials.request(group)),
            Self::Delete(named) => Command::Change {
                request: Request::Cluster { name: named.name, group, create: Box::new(ClusterCreate::default()) },
                remove: true,
            },
            Self::Install(install) => install.command()?,
            Self::Uninstall(uninstall) => uninstall.command(),
            Self::Components(components) => Command::Components { cluster: components.cluster },
            Self::Rbac(rbac) => Command::Rbac(Rbac { as_yaml: !format, ..rbac }),
        })
    }
}
