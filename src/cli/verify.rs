//! `podid verify`.

use super::check;
use crate::deliveries::blobs::Place;
use clap::Args;
use std::path::PathBuf;

const VERIFY: &str = "\
Examples:
  podid verify                               verify every workload of podid.yaml
  podid verify -n dev-claims-podid           verify what earlier commands created in this namespace
  podid verify --name claims-api --storage claimsdata/uploads
                                             verify that its pods write, read and delete a blob, too
  podid verify --no-pod                      exchange a token and read the secrets from here, without a pod (Workload ID)
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
    /// Also write, read and delete a blob in this container with each workload's identity, from inside a pod
    #[arg(long, value_name = "ACCOUNT/CONTAINER", value_parser = check::blob_place)]
    pub storage: Option<Place>,
    /// Make no pod: get a token of the service account, exchange it at Entra and read the secrets from here. This needs only the right to create
    /// tokens of the service account, and does not look at webhook and CSI driver
    #[arg(long, conflicts_with_all = ["storage", "image"])]
    pub no_pod: bool,
    /// Image of the pod, preferably by digest; for the delivery `sdk` and for `--storage` it needs sh and curl
    #[arg(long, value_parser = check::image)]
    pub image: Option<String>,
}
