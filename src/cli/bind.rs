//! `podid bind` and `podid unbind`.

use super::{Command, Error, Global, check, mode_flags::ModeFlags};
use crate::{
    modes,
    spec::{
        reference::NameOrId,
        request::{self, Request},
        settings::{Settings, foreign},
    },
};
use clap::{Args, builder::PossibleValuesParser};

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
    #[command(flatten)]
    flags: ModeFlags<false>,
}

/// Remove a binding, and the roles that only it needed
#[derive(Debug, Args)]
#[command(after_help = UNBIND)]
pub(super) struct Unbind {
    #[command(flatten)]
    which: BindingArgs,
    #[command(flatten)]
    flags: ModeFlags<true>,
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
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

impl BindingArgs {
    fn request(self, settings: Settings, global: &Global) -> Result<request::Bind, Error> {
        if let Ok(mode) = modes::named(self.mode.as_deref()) {
            let all: Vec<_> = modes::all().map(modes::owner).collect();
            if let Some(found) = foreign(&settings, &[modes::owner(mode)], &all) {
                let flag = found.setting.flag.as_ref().map(|flag| flag.name).unwrap_or_default();
                return Err(Error::usage(
                    format!("--{flag} is a flag of the mode {}, but the mode is `{}`", found.owners, found.used),
                    format!("Leave it out, or add --mode {}.", found.owner.name),
                ));
            }
        }
        let Self { mode, namespace, identity, cluster } = self;
        Ok(request::Bind { mode, namespace, identity, group: global.resource_group.clone(), cluster, settings })
    }
}

impl Bind {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let request = self.which.request(self.flags.settings, global)?;
        if let Ok(mode) = modes::named(request.mode.as_deref()) {
            mode.check_bind(&request).map_err(|wrong| Error::usage(wrong.message, wrong.hint.unwrap_or_default()))?;
        }
        Ok(Command::Change { request: Request::Bind(request), remove: false })
    }
}

impl Unbind {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let request = self.which.request(self.flags.settings, global)?;
        Ok(Command::Change { request: Request::Bind(request), remove: true })
    }
}
