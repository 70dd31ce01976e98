//! The flags that every command has, before or after its name.

use super::{Error, check};
use crate::{azure::LoginMethod, spec::names};
use clap::{Args, ValueEnum};
use std::{env, path::PathBuf, time::Duration};

const WORLD: &str = "Target";
const AZURE: &str = "Azure";
const KUBERNETES: &str = "Kubernetes";
const STATE: &str = "State";
const RUN: &str = "Run";
const CONSENT: &str = "Consent";
const OUTPUT: &str = "Output";

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Global {
    /// Use the embedded Azure and cluster
    #[arg(long, global = true, help_heading = WORLD)]
    pub sandbox: bool,
    /// Folder in which the sandbox keeps its data
    #[arg(long, global = true, value_name = "DIR", default_value = ".podid", help_heading = WORLD, hide_short_help = true)]
    pub sandbox_dir: PathBuf,
    /// Give a new sandbox clusters as AKS makes them: without MIC, NMI, the CSI driver and their CRDs
    #[arg(long, global = true, help_heading = WORLD, hide_short_help = true)]
    pub bare: bool,
    /// Simulated propagation delay [default: quick, or that of a served sandbox]
    #[arg(long, global = true, value_enum, help_heading = WORLD, hide_short_help = true)]
    pub lateness: Option<Lateness>,

    /// Name or full id of the resource group
    #[arg(short = 'g', long, global = true, value_name = "GROUP", value_parser = check::group_or_id, help_heading = AZURE)]
    pub resource_group: Option<String>,
    /// Id of the subscription; default: AZURE_SUBSCRIPTION_ID
    #[arg(long, global = true, value_name = "ID", value_parser = check::guid, help_heading = AZURE)]
    pub subscription: Option<String>,
    /// The value of AZURE_SUBSCRIPTION_ID; None with the sandbox.
    #[arg(skip)]
    pub azure_subscription_id: Option<String>,
    /// Login method to use and no other; default: the first that is there, see `podid help environment`
    #[arg(long, global = true, value_name = "METHOD", value_enum, help_heading = AZURE, hide_short_help = true)]
    pub auth: Option<Auth>,

    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "CONTEXT", value_parser = check::filled, help_heading = KUBERNETES)]
    pub context: Option<String>,
    /// Path of the kubeconfig; default: KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBERNETES, hide_short_help = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Do not compare the context's server with the cluster's address, for use with tunnels
    #[arg(long, global = true, help_heading = KUBERNETES, hide_short_help = true)]
    pub any_server: bool,
    /// Path of the helm that installs charts; default: the one in PATH
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBERNETES, hide_short_help = true)]
    pub helm: Option<PathBuf>,
    /// Take over fields of Kubernetes objects that other managers own
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub force_conflicts: bool,

    /// Path of the state file; default: podid.state.json next to the spec, or in this folder
    #[arg(long, global = true, value_name = "FILE", help_heading = STATE)]
    pub state: Option<PathBuf>,
    /// Time to wait for another podid that holds the state
    #[arg(long, global = true, value_name = "DURATION", default_value = "0s", value_parser = check::duration, help_heading = STATE, hide_short_help = true)]
    pub lock_timeout: Duration,
    /// Name of the app that owns the resources; default: that of the spec, or `default`
    #[arg(long, global = true, value_name = "APP", value_parser = check::dns_label, help_heading = STATE)]
    pub app: Option<String>,

    /// Change only one side; the other must exist and is read from spec and state
    #[arg(long, global = true, value_enum, help_heading = RUN, hide_short_help = true)]
    pub only: Option<Only>,
    /// Time limit of each operation: 90, 90s, 5m, 1h30m
    #[arg(long, global = true, value_name = "DURATION", value_parser = check::duration, help_heading = RUN)]
    pub timeout: Option<Duration>,
    /// Number of operations that run at once
    #[arg(long, global = true, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = RUN, hide_short_help = true)]
    pub parallelism: u16,
    /// Show what would change without changing it; `server` also validates the Kubernetes objects by a server-side dry run
    #[arg(long, global = true, value_name = "plan|server", num_args = 0..=1, require_equals = true, default_value = "none",
        default_missing_value = "plan", hide_default_value = true, value_parser = dry_run, help_heading = RUN)]
    pub dry_run: DryRun,

    /// Answer yes to every question
    #[arg(short = 'y', long, global = true, help_heading = CONSENT)]
    pub yes: bool,
    /// Take over existing resources that podid did not create and that differ
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub adopt: bool,
    /// Recover soft-deleted vaults and secrets
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub recover: bool,
    /// Delete this data: VAULT with everything in it, or VAULT/SECRET; repeatable
    #[arg(long, global = true, value_name = "NAME", value_parser = check::filled, help_heading = CONSENT, hide_short_help = true)]
    pub delete_data: Vec<String>,

    /// Output format; `sarif` and `junit` are for doctor and lint
    #[arg(short = 'o', long = "output", id = "output", value_name = "OUTPUT", global = true, value_enum, default_value = "table", help_heading = OUTPUT)]
    pub asked: OutputFormat,
    #[arg(skip)]
    pub output: Format,
    /// A format of reports only; `output` is then JSON.
    #[arg(skip)]
    pub report: Option<ReportFormat>,
    /// Write events as JSON lines to a file; `-` writes them to stderr, and nothing else
    #[arg(long, global = true, value_name = "FILE", value_parser = events, help_heading = OUTPUT, hide_short_help = true)]
    pub events: Option<Events>,
    /// Increase verbosity (-vv shows requests, -vvv everything but secrets)
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    /// Print only answers and errors
    #[arg(short = 'q', long, global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Print without color
    #[arg(long, global = true, help_heading = OUTPUT, hide_short_help = true)]
    pub no_color: bool,
}

/// How far a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Changes are applied.
    None,
    /// Changes are planned and shown.
    Plan,
    /// In addition, every write to a cluster is sent with dryRun=All.
    Server,
}

impl DryRun {
    pub fn is_on(self) -> bool {
        self != Self::None
    }
}

/// Accepts the words of kubectl, and those of a boolean environment variable.
fn dry_run(text: &str) -> Result<DryRun, String> {
    match text.to_ascii_lowercase().as_str() {
        "plan" | "client" | "1" | "true" | "yes" | "on" => Ok(DryRun::Plan),
        "server" => Ok(DryRun::Server),
        "none" | "0" | "false" | "no" | "off" | "" => Ok(DryRun::None),
        _ => Err("expected `--dry-run`, `--dry-run=plan` or `--dry-run=server` (which also validates the Kubernetes objects)".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lateness {
    /// No delay
    None,
    /// A delay of a few requests
    Quick,
    /// The delays of Azure
    Realistic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// The login of az
    Az,
    /// The login of azd
    Azd,
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET
    Environment,
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE
    WorkloadIdentity,
    /// The job's token of GitHub Actions, AZURE_TENANT_ID, AZURE_CLIENT_ID
    Github,
    /// The service connection of an AzureCLI task, SYSTEM_ACCESSTOKEN
    AzurePipelines,
    /// The managed identity of the machine; AZURE_CLIENT_ID chooses one
    ManagedIdentity,
}

impl Auth {
    pub fn method(self) -> LoginMethod {
        match self {
            Self::Az => LoginMethod::Az,
            Self::Azd => LoginMethod::Azd,
            Self::Environment => LoginMethod::Environment,
            Self::WorkloadIdentity => LoginMethod::WorkloadIdentity,
            Self::Github => LoginMethod::GitHub,
            Self::AzurePipelines => LoginMethod::AzurePipelines,
            Self::ManagedIdentity => LoginMethod::ManagedIdentity,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    Azure,
    Kubernetes,
}

/// The values of `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A table for people
    Table,
    /// Exactly one JSON document on stdout
    Json,
    /// The same document as YAML
    Yaml,
    /// Findings as SARIF 2.1.0
    Sarif,
    /// Findings as JUnit XML
    Junit,
}

/// The formats that every command has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// The formats that only reports of findings have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    Sarif,
    Junit,
}

impl ReportFormat {
    pub fn word(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    Stderr,
    File(PathBuf),
}

fn events(text: &str) -> Result<Events, String> {
    Ok(if text == "-" { Events::Stderr } else { Events::File(check::filled(text)?.into()) })
}

impl Global {
    /// Returns the subscription given by flag, PODID_SUBSCRIPTION or AZURE_SUBSCRIPTION_ID.
    pub fn subscription(&self) -> Option<&str> {
        self.subscription.as_deref().or(self.azure_subscription_id.as_deref())
    }

    /// Divides the value of `--output` into what every command has and what only reports have.
    pub(super) fn take_output(&mut self) {
        (self.output, self.report) = match self.asked {
            OutputFormat::Table => (Format::Table, None),
            OutputFormat::Json => (Format::Json, None),
            OutputFormat::Yaml => (Format::Yaml, None),
            OutputFormat::Sarif => (Format::Json, Some(ReportFormat::Sarif)),
            OutputFormat::Junit => (Format::Json, Some(ReportFormat::Junit)),
        };
    }

    /// Reads AZURE_SUBSCRIPTION_ID, except with the sandbox, which has subscriptions of its own.
    pub(super) fn read_azure_environment(&mut self) -> Result<(), Error> {
        let Some(id) = env::var("AZURE_SUBSCRIPTION_ID").ok().filter(|id| !id.is_empty() && !self.sandbox) else { return Ok(()) };
        if self.subscription.is_none()
            && let Err(rule) = names::guid(&id)
        {
            return Err(Error::usage(
                format!("AZURE_SUBSCRIPTION_ID is not valid: {rule}"),
                "Set it to the subscription's id, or give --subscription.",
            ));
        }
        self.azure_subscription_id = Some(id);
        Ok(())
    }
}
