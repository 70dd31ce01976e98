//! The flags of every command, before and after its name.

use super::{Error, check};
use crate::spec::names;
use clap::{Args, ValueEnum};
use std::{env, path::PathBuf, time::Duration};

const WORLD: &str = "Which world";
const AZURE: &str = "Azure";
const KUBERNETES: &str = "Kubernetes";
const STATE: &str = "State";
const RUN: &str = "How to run";
const CONSENT: &str = "Consent";
const OUTPUT: &str = "Output";

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Global {
    /// Use the embedded Azure and cluster
    #[arg(long, global = true, help_heading = WORLD)]
    pub sandbox: bool,
    /// Where the sandbox keeps its world
    #[arg(long, global = true, value_name = "DIR", default_value = ".podid", help_heading = WORLD, hide_short_help = true)]
    pub sandbox_dir: PathBuf,
    /// Simulated propagation delay of the sandbox [default: quick, or what a sandbox that is served has]
    #[arg(long, global = true, value_enum, help_heading = WORLD, hide_short_help = true)]
    pub lateness: Option<Lateness>,

    /// Resource group, a name or a full id
    #[arg(short = 'g', long, global = true, value_name = "GROUP", value_parser = check::group_or_id, help_heading = AZURE)]
    pub resource_group: Option<String>,
    /// Id of the subscription; AZURE_SUBSCRIPTION_ID is read too
    #[arg(long, global = true, value_name = "ID", value_parser = check::guid, help_heading = AZURE)]
    pub subscription: Option<String>,
    /// AZURE_SUBSCRIPTION_ID, where the sandbox is not used
    #[arg(skip)]
    pub azure_subscription_id: Option<String>,

    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "CONTEXT", value_parser = check::filled, help_heading = KUBERNETES)]
    pub context: Option<String>,
    /// The kubeconfig; default: KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = KUBERNETES, hide_short_help = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Do not compare the context's server with the cluster's address (for tunnels)
    #[arg(long, global = true, help_heading = KUBERNETES, hide_short_help = true)]
    pub any_server: bool,
    /// Take fields of Kubernetes objects that others set
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub force_conflicts: bool,

    /// The state file; default: podid.state.json beside the spec or here
    #[arg(long, global = true, value_name = "FILE", help_heading = STATE)]
    pub state: Option<PathBuf>,
    /// How long to wait for another podid that holds the state
    #[arg(long, global = true, value_name = "DURATION", default_value = "0s", value_parser = check::duration, help_heading = STATE, hide_short_help = true)]
    pub lock_timeout: Duration,
    /// The app whose resources these are; default: the spec's, or `default`
    #[arg(long, global = true, value_name = "APP", value_parser = check::dns_label, help_heading = STATE)]
    pub app: Option<String>,

    /// Do only one half; the rest must be there already and is read from spec and state
    #[arg(long, global = true, value_enum, help_heading = RUN, hide_short_help = true)]
    pub only: Option<Only>,
    /// How long a single thing may take: 90, 90s, 5m, 1h30m
    #[arg(long, global = true, value_name = "DURATION", value_parser = check::duration, help_heading = RUN)]
    pub timeout: Option<Duration>,
    /// How many things at once
    #[arg(long, global = true, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = RUN, hide_short_help = true)]
    pub parallelism: u16,
    /// Only show what would be done; `server`: the cluster also checks its part, and keeps nothing
    #[arg(long, global = true, value_name = "plan|server", num_args = 0..=1, require_equals = true, default_value = "none",
        default_missing_value = "plan", hide_default_value = true, value_parser = dry_run, help_heading = RUN)]
    pub dry_run: DryRun,

    /// Do it without asking
    #[arg(short = 'y', long, global = true, help_heading = CONSENT)]
    pub yes: bool,
    /// Take over things that are there, are not podid's, and differ
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub adopt: bool,
    /// Bring soft-deleted vaults and secrets back
    #[arg(long, global = true, help_heading = CONSENT, hide_short_help = true)]
    pub recover: bool,
    /// Delete this data: a vault with all that is in it, or one secret as VAULT/SECRET; repeatable
    #[arg(long, global = true, value_name = "NAME", value_parser = check::filled, help_heading = CONSENT, hide_short_help = true)]
    pub delete_data: Vec<String>,

    /// How to print answers
    #[arg(short = 'o', long, global = true, value_enum, default_value = "table", help_heading = OUTPUT)]
    pub output: Format,
    /// Also write what happens as JSON lines to a file; `-`: to stderr, which then holds nothing else
    #[arg(long, global = true, value_name = "FILE", value_parser = events, help_heading = OUTPUT, hide_short_help = true)]
    pub events: Option<Events>,
    /// Say more; twice: requests too; thrice: everything but secrets
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,
    /// Say only answers and errors
    #[arg(short = 'q', long, global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Print without colour
    #[arg(long, global = true, help_heading = OUTPUT, hide_short_help = true)]
    pub no_color: bool,
}

/// What is done instead of what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is done.
    None,
    /// It is planned and shown.
    Plan,
    /// And every write to a cluster is sent with dryRun=All.
    Server,
}

impl DryRun {
    pub fn is_on(self) -> bool {
        self != Self::None
    }
}

/// With kubectl's words for it, and those of an environment variable that is a switch.
fn dry_run(text: &str) -> Result<DryRun, String> {
    match text.to_ascii_lowercase().as_str() {
        "plan" | "client" | "1" | "true" | "yes" | "on" => Ok(DryRun::Plan),
        "server" => Ok(DryRun::Server),
        "none" | "0" | "false" | "no" | "off" | "" => Ok(DryRun::None),
        _ => Err("it is `--dry-run` (or `--dry-run=plan`) to only plan, or `--dry-run=server` to let the cluster check it too".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lateness {
    /// Everything at once
    None,
    /// Late by counts, not by time
    Quick,
    /// The delays that Azure has
    Realistic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    Azure,
    Kubernetes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// Exactly one document on stdout
    Json,
    /// The same document as YAML
    Yaml,
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
    /// From flag, PODID_SUBSCRIPTION, or AZURE_SUBSCRIPTION_ID.
    pub fn subscription(&self) -> Option<&str> {
        self.subscription.as_deref().or(self.azure_subscription_id.as_deref())
    }

    /// The sandbox has subscriptions of its own: there a variable that is meant for Azure says nothing.
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
