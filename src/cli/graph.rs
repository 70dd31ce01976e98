//! `podid graph`.

use super::check;
use crate::{inventory::graph::GraphFormat, spec::reference::NameOrId};
use clap::{Args, ValueEnum, builder::PossibleValue};

const EXAMPLES: &str = "\
Examples:
  podid graph -n dev-claims-podid
  podid graph --format mermaid >graph.mmd
  podid graph --format dot | dot -Tsvg >graph.svg";

/// Draw how workloads, identities, vaults and secrets are connected
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Graph {
    /// Format of the graph; default: text
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,
    /// Only workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}

impl ValueEnum for GraphFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Dot, Self::Mermaid, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
            Self::Json => "json",
        }))
    }
}
