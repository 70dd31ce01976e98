//! `podid exception`.

use super::{Command, Error, check};
use crate::spec::{
    names,
    reference::NameOrId,
    request::{self, Request},
};
use clap::{Args, Subcommand};

const ADD: &str = "\
Examples:
  podid exception add monitoring -n observe --label app=agent

A pod with any one of the labels gets a token of every identity of its node: give exceptions to
few pods, with one label each. Where the cluster runs the pod identity add-on of AKS, the exception
is one of the add-on, and AKS makes the object.";

const REMOVE: &str = "\
Examples:
  podid exception remove monitoring -n observe";

const LIST: &str = "\
Examples:
  podid exception list                       in all namespaces";

#[derive(Debug, Subcommand)]
pub(super) enum Exception {
    /// Let pods ask for tokens as if there were no pod identity
    #[command(after_help = ADD)]
    Add(Add),
    /// List the exceptions of a cluster, and the pods that they match
    #[command(after_help = LIST)]
    List(List),
    /// Remove an exception that podid created
    #[command(after_help = REMOVE)]
    Remove(Name),
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// Name of the AzurePodIdentityException
    #[arg(value_name = "NAME", value_parser = check::dns_subdomain)]
    name: String,
    /// Namespace of the pods
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    which: Name,
    /// Label of the pods; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", required = true, value_parser = label)]
    labels: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Namespace to look into; default: all
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as `app=agent`")?;
    names::label_key(key)?;
    names::label_value(value)?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Exception {
    pub(super) fn command(self) -> Result<Command, Error> {
        let request = |Name { name, namespace, cluster }, labels| {
            Request::Exception(request::Exception { namespace, name, labels, cluster, of_addon: false })
        };
        Ok(match self {
            Self::Add(Add { which, labels }) => Command::Change { request: request(which, labels.into_iter().collect()), remove: false },
            Self::Remove(which) => Command::Change { request: request(which, std::collections::BTreeMap::new()), remove: true },
            Self::List(List { namespace, cluster }) => Command::Exceptions { namespace, cluster },
        })
    }
}
