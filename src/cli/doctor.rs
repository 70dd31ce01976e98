//! `podid doctor`, and the flags that reports of findings have in common.

use super::check;
use crate::{
    azure::{ArmId, id},
    chain::page::Severity,
    doctor::{case::Selected, suppress::Suppression},
    spec::{names, reference::NameOrId},
};
use clap::Args;
use std::path::PathBuf;

const DOCTOR: &str = "\
Examples:
  podid doctor                               every workload of spec and state
  podid doctor deployment/web -n shop        one workload, whoever set it up
  podid doctor -A                            every workload of the cluster that uses identities or vaults
  podid doctor -n shop -o sarif --exit-code  for a pipeline
  podid doctor --watch                       while something is being mended

It only reads: no pod is made and no token is asked for. The first broken link of each chain is a finding; what
follows from it is listed with it. Where a chain is broken or pods are not ready, the logs of its components are
read, too, from the creation of the pods on, and what they say is told with it. A finding is suppressed by `--suppress`, or by `suppress:` in the spec with a
reason.";

/// Find the broken link between workloads and their secrets, without any change
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = DOCTOR)]
pub struct Doctor {
    /// Workload to examine: `deployment/NAME`, `pod/NAME`, `serviceaccount/NAME`, or a name in spec or cluster; default: those of spec and
    /// state
    #[arg(value_name = "WORKLOAD", value_parser = workload)]
    pub workload: Option<(Option<String>, String)>,
    /// Examine only the workloads of this namespace, also those that podid did not set up
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Examine the workloads of all namespaces, also those that podid did not set up
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Path of the spec; default: podid.yaml, if it is there
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
    /// Full id of a vault that the pods read and that podid does not find by itself, because it is in another subscription; repeatable
    #[arg(long = "vault-id", value_name = "ID", value_parser = vault_id)]
    pub vault_ids: Vec<ArmId>,
    /// Look again every few seconds, and print the findings when they change, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub verdict: Verdict,
}

/// What a report ends with.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Verdict {
    /// Exit with 3 if there is a finding of this severity or a worse one: `error` where none is given, `warning` or `info`
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, require_equals = true, default_value = "never", default_missing_value = "error",
        hide_default_value = true, value_parser = threshold)]
    pub exit_code: Threshold,
    /// Do not count findings of this code, or only those about one resource; repeatable
    #[arg(long, value_name = "CODE[=RESOURCE]", value_parser = |text: &str| text.parse::<Suppression>())]
    pub suppress: Vec<Suppression>,
}

/// From which severity on findings change the exit code; None: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(pub Option<Severity>);

fn threshold(text: &str) -> Result<Threshold, String> {
    match text.to_ascii_lowercase().as_str() {
        "error" | "1" | "true" | "yes" | "on" => Ok(Threshold(Some(Severity::Error))),
        "warning" => Ok(Threshold(Some(Severity::Warning))),
        "info" => Ok(Threshold(Some(Severity::Info))),
        "never" | "0" | "false" | "no" | "off" | "" => Ok(Threshold(None)),
        _ => Err("expected `--exit-code`, `--exit-code=warning` or `--exit-code=info`".into()),
    }
}

/// Kinds with the short names of kubectl.
const KINDS: &[(&str, &[&str])] = &[
    ("deployment", &["deploy", "deployments"]),
    ("statefulset", &["sts", "statefulsets"]),
    ("daemonset", &["ds", "daemonsets"]),
    ("cronjob", &["cj", "cronjobs"]),
    ("job", &["jobs"]),
    ("replicaset", &["rs", "replicasets"]),
    ("pod", &["po", "pods"]),
    ("serviceaccount", &["sa", "serviceaccounts"]),
];

pub fn workload(text: &str) -> Result<(Option<String>, String), String> {
    let Some((kind, name)) = text.split_once('/') else {
        names::dns_subdomain(text)?;
        return Ok((None, text.to_owned()));
    };
    names::dns_subdomain(name)?;
    let folded = kind.to_ascii_lowercase();
    let known = KINDS.iter().find(|(kind, short)| *kind == folded || short.contains(&folded.as_str()));
    let (kind, _) = known.ok_or_else(|| {
        let all: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        format!("unknown kind `{kind}`; the known ones are: {}", all.join(", "))
    })?;
    Ok((Some((*kind).to_owned()), name.to_owned()))
}

fn vault_id(text: &str) -> Result<ArmId, String> {
    let found = ArmId::parse(text).filter(|id| id.is_kind(id::VAULT));
    found.ok_or_else(|| "expected /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.KeyVault/vaults/NAME".into())
}

impl Doctor {
    pub fn selected(&self) -> Selected {
        Selected::of(self.workload.clone(), self.namespace.clone())
    }

    /// Whether workloads count that neither spec nor state knows.
    pub fn is_wide(&self) -> bool {
        self.all_namespaces || self.namespace.is_some() || self.workload.is_some()
    }
}
