//! `podid verify`.

use super::check;
use clap::Args;
use std::path::PathBuf;

const VERIFY: &str = "\
Examples:
  podid verify                               every workload of podid.yaml
  podid verify -n dev-claims-podid           what earlier commands made in this namespace
  podid verify --image registry.example.com/pause@sha256:DIGEST";

/// Prove by a short-lived pod that workloads read their secrets
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = VERIFY)]
pub struct Verify {
    /// The spec; without one: from the state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Only workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Only this workload, or SecretProviderClass
    #[arg(long, value_name = "WORKLOAD", value_parser = check::dns_subdomain)]
    pub name: Option<String>,
    /// The pod's image, best by digest
    #[arg(long, value_parser = check::image)]
    pub image: Option<String>,
}
