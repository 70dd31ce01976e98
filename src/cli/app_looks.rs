//! The commands about apps that only look: `podid app status`, and `podid app wire --patch`.

use super::check;
use crate::{apps::patches::PatchFormat, spec::request};
use clap::Args;

const STATUS: &str = "\
Examples:
  podid app status
  podid app status claims-api -n dev-claims-podid -o json";

/// Which apps are shown.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = STATUS)]
pub struct Status {
    /// Name of the app; default: all that podid deployed or wired
    #[arg(value_parser = check::dns_subdomain)]
    pub name: Option<String>,
    /// Show only the apps of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
}

/// What `podid app wire --patch` prints.
#[derive(Clone, Debug, PartialEq)]
pub struct PrintPatch {
    pub wire: request::Wire,
    pub format: PatchFormat,
}
