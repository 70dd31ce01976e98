//! `podid verify`.

use super::check;
use clap::Args;
use std::path::PathBuf;

const VERIFY: &str = "\
Examples:
  podid verify                               verify every workload of podid.yaml
  podid verify -n dev-claims-podid           verify what earlier commands created in this namespace
  podid verify --image registry.example.com/pause@sha256:DIGEST";

/// Prove with a short-lived pod that workloads can read their secrets
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = VERIFY)]
pub struct Verify {
    /// Path of the spec; default: the recorded state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Verify only the workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Verify only this workload or SecretProviderClass
    #[arg(long, value_name = "WORKLOAD", value_parser = check::dns_subdomain)]
    pub name: Option<String>,
    /// Image of the pod, preferably by digest; for the delivery `sdk` it needs sh and curl
    #[arg(long, value_parser = check::image)]
    pub image: Option<String>,
}
