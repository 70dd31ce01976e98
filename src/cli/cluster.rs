//! `podid cluster rbac`.

pub mod component;

use super::check;
use crate::modes;
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use std::path::PathBuf;

const RBAC: &str = "\
Examples:
  podid cluster rbac -f shop.yaml --subject serviceaccount/ci/podid | kubectl apply -f -
  podid cluster rbac -n dev-claims --for up,verify --name ci -o table
  podid cluster rbac -n dev-claims --for bind,mount,deploy,rotate
                                             for pipelines that use single commands
  podid cluster rbac --for plan,diff         use the namespaces of podid.yaml
  podid cluster rbac --for doctor,inventory  to look at all of a cluster, with the roles in Azure

Without --make-namespaces the namespaces must exist before you apply these Roles: podid then
uses them, and needs no permission outside of them.";

/// Print the Kubernetes Roles with exactly the permissions that podid needs
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = RBAC)]
pub struct Rbac {
    /// Commands that the Roles must allow
    #[arg(long = "for", value_enum, value_delimiter = ',', value_name = "COMMAND", default_value = "up,verify,down")]
    pub commands: Vec<RbacCommand>,
    /// Path of the spec, for its namespaces and names; `-` reads stdin
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Namespace of the app; repeatable; default: those of the spec
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = check::dns_label)]
    pub namespaces: Vec<String>,
    /// How pods get their identity; repeatable; default: the modes of the spec, or pod-identity
    #[arg(long = "mode", value_name = "MODE", value_parser = PossibleValuesParser::new(modes::names()), hide_short_help = true)]
    pub modes: Vec<String>,
    /// Name of the Roles and RoleBindings; default: podid-APP, or podid
    #[arg(long, value_parser = check::dns_subdomain)]
    pub name: Option<String>,
    /// Subject of the RoleBindings: user/NAME, group/NAME or serviceaccount/NAMESPACE/NAME; repeatable
    #[arg(long = "subject", value_name = "SUBJECT", value_parser = subject)]
    pub subjects: Vec<Subject>,
    /// Allow creating and deleting the namespaces, which needs cluster-wide permissions
    #[arg(long)]
    pub make_namespaces: bool,
    /// Include optional permissions
    #[arg(long)]
    pub optional: bool,
    /// Whether a format was requested; set by `parse`.
    #[arg(skip)]
    pub as_yaml: bool,
}

impl Rbac {
    /// The commands that were asked for, each by itself.
    pub fn commands(&self) -> Vec<RbacCommand> {
        if self.commands.contains(&RbacCommand::All) {
            return RbacCommand::value_variants().iter().copied().filter(|command| *command != RbacCommand::All).collect();
        }
        self.commands.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RbacCommand {
    Up,
    Plan,
    Diff,
    Status,
    Down,
    Verify,
    Probe,
    Bind,
    Unbind,
    /// `mount apply` and `mount delete`
    Mount,
    /// `mount keep`
    Keep,
    /// `app deploy`
    Deploy,
    /// `app wire` and `app unwire`
    Wire,
    /// `vault secret rotate`
    Rotate,
    /// `state rebuild` without a spec
    Rebuild,
    /// `doctor`, also the rights in Azure
    Doctor,
    /// `inventory`, `why`, `who-can`, `import` and `graph`, also the rights in Azure
    Inventory,
    /// All of these
    All,
}

impl RbacCommand {
    /// Whether it only looks, wherever there is something, and also in Azure.
    pub fn looks(self) -> bool {
        matches!(self, Self::Doctor | Self::Inventory | Self::All)
    }

    /// Returns the word for it on the command line.
    pub fn word(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

fn subject(text: &str) -> Result<Subject, String> {
    let (kind, rest) = text.split_once('/').filter(|(_, rest)| !rest.is_empty()).unwrap_or((text, ""));
    match (kind, rest.split_once('/')) {
        ("user", _) if !rest.is_empty() => Ok(Subject::User(rest.to_owned())),
        ("group", _) if !rest.is_empty() => Ok(Subject::Group(rest.to_owned())),
        ("serviceaccount", Some((namespace, name))) => {
            Ok(Subject::ServiceAccount { namespace: check::dns_label(namespace)?, name: check::dns_subdomain(name)? })
        }
        _ => Err("expected user/NAME, group/NAME or serviceaccount/NAMESPACE/NAME".into()),
    }
}
