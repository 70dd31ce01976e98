//! `podid bind` and `podid unbind`.

use super::{Command, Error, Global, check};
use crate::{
    modes,
    spec::{
        reference::NameOrId,
        request::{self, OperatorScope, Request},
    },
};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};

const BIND: &str = "\
Examples:
  podid bind --namespace dev-claims-podid    use the only identity in spec and state
  podid bind -n dev-claims-podid --identity claims-api-mid --selector claims-api --context aks-mi";

const UNBIND: &str = "\
Examples:
  podid unbind --namespace dev-claims-podid";

/// Bind an identity to the pods of a namespace, and assign the roles it needs
#[derive(Debug, Args)]
#[command(after_help = BIND)]
pub(super) struct Bind {
    #[command(flatten)]
    which: BindingArgs,
    /// Value of the pod label aadpodidbinding; default: name of the AzureIdentity
    #[arg(long, value_parser = check::label_value)]
    selector: Option<String>,
    /// Scope at which the cluster gets the role Managed Identity Operator
    #[arg(long, value_enum, default_value = "identity", hide_short_help = true)]
    operator_scope: OperatorScopeArg,
}

/// Remove a binding, and the roles that only it needed
#[derive(Debug, Args)]
#[command(after_help = UNBIND)]
pub(super) struct Unbind {
    #[command(flatten)]
    which: BindingArgs,
}

#[derive(Debug, Args)]
struct BindingArgs {
    /// How pods get their identity; default: pod-identity
    #[arg(long, value_name = "MODE", value_parser = PossibleValuesParser::new(modes::names()), hide_short_help = true)]
    mode: Option<String>,
    /// Namespace of the pods
    #[arg(short, long, value_parser = check::dns_label)]
    namespace: String,
    /// Name or full id of the managed identity; default: the only one in spec and state
    #[arg(long, value_parser = check::identity_or_id)]
    identity: Option<NameOrId>,
    /// Name of the AzureIdentity; default: name of the managed identity
    #[arg(long, value_parser = check::dns_subdomain)]
    name: Option<String>,
    /// Name of the AzureIdentityBinding; default: NAME-binding
    #[arg(long, value_parser = check::dns_subdomain)]
    binding: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OperatorScopeArg {
    /// The identity itself
    Identity,
    /// The identity's resource group
    ResourceGroup,
    /// The subscription
    Subscription,
}

impl BindingArgs {
    fn request(self, global: &Global) -> request::Bind {
        request::Bind {
            mode: self.mode,
            namespace: self.namespace,
            identity: self.identity,
            group: global.resource_group.clone(),
            name: self.name,
            binding: self.binding,
            selector: None,
            cluster: self.cluster,
            operator_scope: OperatorScope::default(),
        }
    }
}

impl Bind {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let operator_scope = match self.operator_scope {
            OperatorScopeArg::Identity => OperatorScope::Identity,
            OperatorScopeArg::ResourceGroup => OperatorScope::ResourceGroup,
            OperatorScopeArg::Subscription => OperatorScope::Subscription,
        };
        let request = request::Bind { selector: self.selector, operator_scope, ..self.which.request(global) };
        if let Some(mode) = modes::all().find(|mode| request.mode.as_deref().is_none_or(|name| name == mode.name())) {
            mode.check_bind(&request).map_err(|wrong| Error::usage(wrong.message, wrong.hint.unwrap_or_default()))?;
        }
        Ok(Command::Change { request: Request::Bind(request), remove: false })
    }
}

impl Unbind {
    pub(super) fn command(self, global: &Global) -> Command {
        Command::Change { request: Request::Bind(self.which.request(global)), remove: true }
    }
}
