//! `podid logs`.

use super::check;
use crate::{components, spec::reference::NameOrId};
use clap::{Args, builder::PossibleValuesParser};
use std::time::Duration;

const LOGS: &str = "\
Examples:
  podid logs mic                             the last lines of every pod of MIC
  podid logs nmi -n dev-claims-podid --workload claims-api --since 10m
                                             only on the nodes of the workload's pods, and about it";

/// Print the log of a component's program
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = LOGS)]
pub struct Logs {
    /// The program
    #[arg(value_name = "PROGRAM", value_parser = PossibleValuesParser::new(programs()))]
    pub program: String,
    /// Only lines about a workload, and only of the nodes of its pods; needs --namespace
    #[arg(long, value_name = "WORKLOAD", requires = "namespace", value_parser = check::dns_subdomain)]
    pub workload: Option<String>,
    /// Namespace of the workload
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Only lines that are younger, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = check::duration)]
    pub since: Option<Duration>,
    /// Number of lines of each pod
    #[arg(long, default_value_t = 200)]
    pub tail: u32,
    /// Log of the containers before their last restart
    #[arg(long)]
    pub previous: bool,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}

fn programs() -> Vec<&'static str> {
    components::all().flat_map(components::Component::programs).map(|program| program.name).collect()
}
