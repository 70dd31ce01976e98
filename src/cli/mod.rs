//! argv in, an `Invocation` out. No I/O, no printing; it calls nothing. One file per noun.
//! Names are checked here, so that a wrong one is wrong use (exit 2) and never gets near a URL.

pub mod app;
mod bind;
mod check;
pub mod cluster;
mod error;
pub mod global;
mod identity;
mod mount;
pub mod read;
mod redact;
mod role;
pub mod sandbox;
pub mod state;
mod vault;
pub mod verify;

pub use cluster::Rbac;
pub use error::Error;
#[cfg(feature = "sandbox")]
pub use global::Lateness;
pub use global::{DryRun, Events, Format, Global, Only};
pub use read::ReadCommand;
pub use sandbox::SandboxCommand;
#[cfg(feature = "sandbox")]
pub use sandbox::{CallerCommand, SandboxComponent, StandIn};
pub use state::StateCommand;
pub use verify::Verify;

use crate::{engine::key::Key, spec::request::Request};
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser, parser::ValueSource};
use std::{env, ffi::OsString, path::PathBuf};

/// Where the spec lies if nobody says.
pub const DEFAULT_SPEC: &str = "podid.yaml";

#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    pub global: Global,
    pub command: Command,
}

/// `file` None: `DEFAULT_SPEC`, if it is there; `-`: standard input.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Up {
        file: Option<PathBuf>,
        /// A saved plan that must still hold.
        plan: Option<PathBuf>,
        verify: bool,
    },
    Plan {
        file: Option<PathBuf>,
        out: Option<PathBuf>,
        /// Exit 3 if something would change.
        exit_code: bool,
    },
    Diff {
        file: Option<PathBuf>,
        /// Exit 3 if something differs.
        exit_code: bool,
    },
    Down {
        file: Option<PathBuf>,
    },
    Status {
        file: Option<PathBuf>,
    },
    Verify(Verify),
    /// A single command: one wish, to come true or to be taken back.
    Change {
        request: Request,
        remove: bool,
    },
    Read(ReadCommand),
    Output {
        key: Key,
        field: Option<String>,
    },
    State(StateCommand),
    /// What podid needs of a cluster's RBAC.
    Rbac(Rbac),
    Sandbox(SandboxCommand),
}

const EXAMPLES: &str = "\
Examples:
  podid up -f podid.yaml                     identity, roles, vault, secrets, binding, mount
  podid up --sandbox --yes --verify -f templates/labs/004.yaml
                                             the same on an embedded Azure and cluster, and prove it
  podid plan                                 what `up` would do
  podid down                                 take away what podid made

Every flag but a consent can be given by environment: --resource-group as PODID_RESOURCE_GROUP.
A flag goes before the environment, that before the spec, that before the state.
Exit codes: 0 done, 1 failed, 2 wrong use, 3 differs (--exit-code), 4 needs a decision,
5 state, 70 bug, 130 interrupted.";

/// Gets an app on AKS to read its Key Vault secrets with an identity of its own, and proves it
#[derive(Debug, Parser)]
#[command(name = "podid", version, max_term_width = 100, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
struct Argv {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    subcommand: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    Up(app::Up),
    Plan(app::Plan),
    Diff(app::Diff),
    Down(app::Down),
    Status(app::Status),
    Verify(verify::Verify),
    /// Managed identities: create, show, list, delete
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Role assignments: assign, list, remove
    #[command(subcommand)]
    Role(role::Role),
    /// Key vaults, who may read them, and their secrets
    #[command(subcommand)]
    Vault(vault::Vault),
    Bind(bind::Bind),
    Unbind(bind::Unbind),
    /// What pods mount: the SecretProviderClass
    #[command(subcommand)]
    Mount(mount::Mount),
    Output(state::Output),
    /// What podid needs of a cluster: the Roles
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// What podid remembers: list, show, forget, rebuild
    #[command(subcommand)]
    State(StateCommand),
    /// An embedded Azure and cluster to try everything on
    #[command(subcommand)]
    Sandbox(SandboxCommand),
}

/// `argv` with the program's name first. Reads the environment for flags that are not given.
pub fn parse<T: Into<OsString> + Clone>(argv: impl IntoIterator<Item = T>) -> Result<Invocation, Error> {
    let argv: Vec<OsString> = argv.into_iter().map(Into::into).collect();
    let matches = command().try_get_matches_from(&argv).map_err(|error| Error::of_clap(error, &argv))?;
    let Argv { mut global, subcommand } = Argv::from_arg_matches(&matches).map_err(|error| Error::of_clap(error, &argv))?;
    global.read_azure_environment()?;
    let command = match subcommand {
        Subcommands::Up(up) => Command::Up { file: up.file, plan: up.plan, verify: up.verify },
        Subcommands::Plan(plan) => Command::Plan { file: plan.file, out: plan.out, exit_code: plan.exit_code },
        Subcommands::Diff(diff) => Command::Diff { file: diff.file, exit_code: diff.exit_code },
        Subcommands::Down(down) => Command::Down { file: down.file },
        Subcommands::Status(status) => Command::Status { file: status.file },
        Subcommands::Verify(verify) => Command::Verify(verify),
        Subcommands::Identity(identity) => identity.command(&global),
        Subcommands::Role(role) => role.command(),
        Subcommands::Vault(vault) => vault.command(&global)?,
        Subcommands::Bind(bind) => bind.command(&global)?,
        Subcommands::Unbind(unbind) => unbind.command(&global),
        Subcommands::Mount(mount) => mount.command(&global)?,
        Subcommands::Output(output) => Command::Output { key: Key::from(output.key.as_str()), field: output.field },
        // to be piped into kubectl, unless somebody says otherwise
        Subcommands::Cluster(cluster::Cluster::Rbac(rbac)) => Command::Rbac(Rbac { as_yaml: !said(&matches, "output"), ..rbac }),
        Subcommands::State(state) => Command::State(state),
        Subcommands::Sandbox(sandbox) => Command::Sandbox(sandbox),
    };
    Ok(Invocation { global, command })
}

/// Whether stderr is to hold nothing but events, also for a command line that cannot be parsed.
pub fn asks_for_events_on_stderr(argv: &[OsString]) -> bool {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).take_while(|word| word != "--").collect();
    let separate = |pair: &[String]| (pair[0] == "--events").then(|| pair[1].clone());
    let joined = |word: &String| word.strip_prefix("--events=").map(str::to_owned);
    let given = words.windows(2).find_map(separate).or_else(|| words.iter().find_map(joined));
    given.or_else(|| env::var("PODID_EVENTS").ok()).is_some_and(|to| to == "-")
}

/// Whether a flag was given, by hand or by environment.
fn said(matches: &clap::ArgMatches, flag: &str) -> bool {
    let mut leaf = matches;
    while let Some((_, sub)) = leaf.subcommand() {
        leaf = sub;
    }
    leaf.value_source(flag).is_some_and(|source| source != ValueSource::DefaultValue)
}

/// The whole of the command line, for help, completions and man pages.
pub fn command() -> clap::Command {
    with_environment(Argv::command())
}

/// Consents are given by hand; where a secret's value comes from is said where it is set.
const NO_ENVIRONMENT: &[&str] =
    &["yes", "adopt", "reveal", "force-conflicts", "delete-data", "file", "env", "stdin", "prompt", "generate", "value", "help", "version"];

/// `PODID_` and the flag, for every flag that may have one. An empty variable, as pipelines like to set them, says nothing.
fn with_environment(command: clap::Command) -> clap::Command {
    let of_a_secret = command.get_name() == "set";
    command
        .mut_args(|arg| match environment_of(&arg, of_a_secret).filter(|name| env::var_os(name).is_some_and(|v| !v.is_empty())) {
            Some(name) => switch(arg.env(name).hide_env(true)),
            None => arg,
        })
        .mut_subcommands(with_environment)
}

fn environment_of(arg: &Arg, of_a_secret: bool) -> Option<String> {
    let spec = |long: &str| long == "file" && !of_a_secret;
    // PODID_CLUSTER is the managed cluster's name, `serve --cluster` a kubeconfig
    if arg.get_id() == sandbox::STAND_INS {
        return None;
    }
    let long = arg.get_long().filter(|long| !NO_ENVIRONMENT.contains(long) || spec(long))?;
    Some(format!("PODID_{}", long.replace('-', "_").to_ascii_uppercase()))
}

/// `PODID_SANDBOX=0` means no.
fn switch(arg: Arg) -> Arg {
    if matches!(arg.get_action(), ArgAction::SetTrue) { arg.value_parser(FalseyValueParser::new()) } else { arg }
}

#[cfg(test)]
mod tests;
