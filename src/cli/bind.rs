//! `podid bind` and `podid unbind`.

use super::{Command, Error, Global, check};
use crate::spec::{
    names,
    reference::NameOrId,
    request::{self, OperatorScope, Request},
};
use clap::{Args, ValueEnum};

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

/// Delete a binding
#[derive(Debug, Args)]
#[command(after_help = UNBIND)]
pub(super) struct Unbind {
    #[command(flatten)]
    which: BindingArgs,
}

#[derive(Debug, Args)]
struct BindingArgs {
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
        // Azure takes names that Kubernetes does not
        if let (Some(identity), None) = (&self.which.identity, &self.which.name)
            && let Err(rule) = names::dns_subdomain(identity.name())
        {
            let name = identity.name();
            let message = format!("the AzureIdentity cannot be called `{name}` as the identity is: {rule}");
            return Err(Error::usage(message, "Give it a name of its own with --name."));
        }
        let operator_scope = match self.operator_scope {
            OperatorScopeArg::Identity => OperatorScope::Identity,
            OperatorScopeArg::ResourceGroup => OperatorScope::ResourceGroup,
            OperatorScopeArg::Subscription => OperatorScope::Subscription,
        };
        let request = request::Bind { selector: self.selector, operator_scope, ..self.which.request(global) };
        Ok(Command::Change { request: Request::Bind(request), remove: false })
    }
}

impl Unbind {
    pub(super) fn command(self, global: &Global) -> Command {
        Command::Change { request: Request::Bind(self.which.request(global)), remove: true }
    }
}
