//! Parses argv into an `Invocation`. It does no I/O and prints nothing. One file per noun.
//! Names are checked here, so that an invalid one is a usage error (exit 2) and never reaches a URL.

pub mod app;
pub mod app_looks;
mod apps;
mod bind;
mod check;
pub mod cluster;
mod cluster_create;
pub mod cluster_credentials;
mod clusters;
mod command;
pub mod doctor;
mod error;
mod exception;
pub mod explain;
mod federation;
pub mod global;
mod graph;
mod group;
mod identity;
mod import;
mod inventory;
pub mod lint;
mod logs;
mod migrate_vault;
mod mode_flags;
mod mount;
mod probe;
pub mod read;
mod redact;
mod role;
pub mod sandbox;
pub mod state;
mod storage;
mod topics;
mod vault;
pub mod verify;
mod why;

pub use cluster::Rbac;
pub use cluster_credentials::Credentials;
pub use command::{Command, Invocation};
pub use doctor::Doctor;
pub use error::Error;
pub use explain::Explain;
pub use global::Lateness;
pub use global::{Auth, DryRun, Events, Format, Global, Only, ReportFormat};
pub use graph::Graph;
pub use import::Import;
pub use inventory::Inventory;
pub use lint::Lint;
pub use logs::Logs;
pub use migrate_vault::MigrateVault;
pub use probe::Probe;
pub use read::ReadCommand;
pub use sandbox::SandboxCommand;
#[cfg(feature = "sandbox")]
pub use sandbox::{CallerCommand, SandboxComponent, StandIn};
pub use state::StateCommand;
pub use verify::Verify;
pub use why::{WhoCan, Why};

use crate::engine::key::Key;
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser, parser::ValueSource};
use std::{env, ffi::OsString};

/// The spec that is read if no other is given.
pub const DEFAULT_SPEC: &str = "podid.yaml";

const EXAMPLES: &str = "\
Examples:
  podid up -f podid.yaml                     create identity, vault, secrets, binding and mount
  podid up --sandbox --yes --verify -f templates/labs/004.yaml
                                             the same on an embedded Azure and cluster, with proof
  podid plan                                 show what `up` would change
  podid down                                 delete what podid created

Environment variables set every flag except those that consent, such as PODID_RESOURCE_GROUP for
--resource-group. A flag overrides the environment, which overrides the spec, then the state.
Exit codes: 0 done, 1 failed, 2 usage error, 3 differences (--exit-code), 4 needs a decision,
5 state error, 70 bug in podid, 130 interrupted.

Help topics (podid help TOPIC): environment, exit-codes, formats, ownership, sandbox-world,
security, spec, state-file.";

/// Set up an AKS app to read Key Vault secrets with its own identity, and prove that it can
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
    Probe(probe::Probe),
    Inventory(inventory::Inventory),
    Why(why::Why),
    WhoCan(why::WhoCan),
    Import(import::Import),
    Graph(graph::Graph),
    /// Create, show and delete resource groups
    #[command(subcommand)]
    Group(group::Group),
    /// Create, show, list and delete managed identities, and federate them
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Assign, list, remove and prune roles
    #[command(subcommand)]
    Role(role::Role),
    /// Create key vaults, grant access to them, and set their secrets
    #[command(subcommand)]
    Vault(vault::Vault),
    /// Create storage accounts and their blob containers
    #[command(subcommand)]
    Storage(storage::Storage),
    Bind(bind::Bind),
    Unbind(bind::Unbind),
    /// Create and delete the SecretProviderClass that pods mount
    #[command(subcommand)]
    Mount(mount::Mount),
    /// Add, list and remove pods that pod identity leaves alone
    #[command(subcommand)]
    Exception(exception::Exception),
    Logs(logs::Logs),
    Doctor(doctor::Doctor),
    Lint(lint::Lint),
    Explain(explain::Explain),
    /// Deploy apps, and give existing ones what they need
    #[command(subcommand)]
    App(apps::App),
    Output(state::Output),
    /// Create, show and delete clusters, and install what must run in them
    #[command(subcommand)]
    Cluster(clusters::Cluster),
    /// List, show, forget and rebuild the entries of the state file
    #[command(subcommand)]
    State(StateCommand),
    /// Run an embedded Azure and cluster for trials and tests
    #[command(subcommand)]
    Sandbox(SandboxCommand),
}

/// Parses `argv`, which begins with the program's name. Flags that are not given are read from the environment.
pub fn parse<T: Into<OsString> + Clone>(argv: impl IntoIterator<Item = T>) -> Result<Invocation, Error> {
    let argv: Vec<OsString> = argv.into_iter().map(Into::into).collect();
    let matches = command().try_get_matches_from(&argv).map_err(|error| Error::of_clap(error, &argv))?;
    let Argv { mut global, subcommand } = Argv::from_arg_matches(&matches).map_err(|error| Error::of_clap(error, &argv))?;
    global.read_azure_environment()?;
    global.take_output();
    if global.bare && !global.sandbox && !matches!(subcommand, Subcommands::Sandbox(_)) {
        return Err(Error::usage("--bare is for the sandbox, which this command does not use", "Add --sandbox, or leave --bare out."));
    }
    let command = match subcommand {
        Subcommands::Up(up) => Command::Up { file: up.file, plan: up.plan, verify: up.verify },
        Subcommands::Plan(plan) => Command::Plan { file: plan.file, out: plan.out, exit_code: plan.exit_code },
        Subcommands::Diff(diff) => Command::Diff { file: diff.file, exit_code: diff.exit_code },
        Subcommands::Down(down) => Command::Down { file: down.file },
        Subcommands::Status(status) => Command::Status { file: status.file },
        Subcommands::Verify(verify) => Command::Verify(verify),
        Subcommands::Probe(probe) => Command::Probe(probe),
        Subcommands::Inventory(inventory) => Command::Inventory(inventory),
        Subcommands::Why(why) => Command::Why(why),
        Subcommands::WhoCan(who) => Command::WhoCan(who),
        Subcommands::Import(import) => Command::Import(import),
        Subcommands::Graph(graph) => Command::Graph(graph),
        Subcommands::Group(group) => group.command(),
        Subcommands::Identity(identity) => identity.command(&global)?,
        Subcommands::Role(role) => role.command(),
        Subcommands::Vault(vault) => vault.command(&global)?,
        Subcommands::Storage(storage) => storage.command(&global),
        Subcommands::Bind(bind) => bind.command(&global)?,
        Subcommands::Unbind(unbind) => unbind.command(&global)?,
        Subcommands::Mount(mount) => mount.command(&global)?,
        Subcommands::Exception(exception) => exception.command()?,
        Subcommands::Logs(logs) => Command::Logs(logs),
        Subcommands::Doctor(doctor) => Command::Doctor(doctor),
        Subcommands::Lint(lint) => Command::Lint(lint),
        Subcommands::Explain(explain) => Command::Explain(explain),
        Subcommands::App(app) => app.command()?,
        Subcommands::Output(output) => Command::Output { key: Key::from(output.key.as_str()), field: output.field },
        Subcommands::Cluster(cluster) => cluster.command(&global, is_given(&matches, "output"))?,
        Subcommands::State(state) => Command::State(state),
        Subcommands::Sandbox(sandbox) => Command::Sandbox(sandbox),
    };
    if let Some(report) = global.report.filter(|_| !command.reports()) {
        let message = format!("`-o {}` is a format of `podid doctor` and `podid lint`", report.word());
        return Err(Error::usage(message, "Use `-o json`, which every command has."));
    }
    Ok(Invocation { global, command })
}

/// Returns whether stderr may hold only events. Works for a command line that cannot be parsed, too.
pub fn asks_for_events_on_stderr(argv: &[OsString]) -> bool {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).take_while(|word| word != "--").collect();
    let separate = |pair: &[String]| (pair[0] == "--events").then(|| pair[1].clone());
    let joined = |word: &String| word.strip_prefix("--events=").map(str::to_owned);
    let given = words.windows(2).find_map(separate).or_else(|| words.iter().find_map(joined));
    given.or_else(|| env::var("PODID_EVENTS").ok()).is_some_and(|to| to == "-")
}

/// Returns whether a flag was given on the command line or by the environment.
fn is_given(matches: &clap::ArgMatches, flag: &str) -> bool {
    let mut leaf = matches;
    while let Some((_, sub)) = leaf.subcommand() {
        leaf = sub;
    }
    leaf.value_source(flag).is_some_and(|source| source != ValueSource::DefaultValue)
}

/// Returns the whole command line, for help, completions and man pages.
pub fn command() -> clap::Command {
    topics::with_topics(with_environment(Argv::command()))
}

/// Flags without an environment variable: those that give consent, and the sources of a secret's value.
const NO_ENVIRONMENT: &[&str] = &[
    "yes",
    "adopt",
    "reveal",
    "force-conflicts",
    "delete-data",
    "overwrite",
    "file",
    "env",
    "stdin",
    "prompt",
    "generate",
    "value",
    "restart",
    "disable-old",
    "skip-unmatched",
    "remove",
    "help",
    "version",
];

/// Gives every other flag its variable `PODID_FLAG`. An empty variable counts as not set, because pipelines set empty ones.
fn with_environment(command: clap::Command) -> clap::Command {
    // their --file is not the spec
    let own_file = ["set", "add", "rotate", "credentials"].contains(&command.get_name());
    command
        .mut_args(|arg| match environment_of(&arg, own_file).filter(|name| env::var_os(name).is_some_and(|v| !v.is_empty())) {
            Some(name) => switch(arg.env(name).hide_env(true)),
            None => arg,
        })
        .mut_subcommands(with_environment)
}

fn environment_of(arg: &Arg, own_file: bool) -> Option<String> {
    let spec = |long: &str| long == "file" && !own_file;
    // PODID_CLUSTER is the managed cluster's name, `serve --cluster` a kubeconfig
    if arg.get_id() == sandbox::STAND_INS {
        return None;
    }
    let long = arg.get_long().filter(|long| !NO_ENVIRONMENT.contains(long) || spec(long))?;
    Some(format!("PODID_{}", long.replace('-', "_").to_ascii_uppercase()))
}

/// Lets `PODID_SANDBOX=0` turn a flag off.
fn switch(arg: Arg) -> Arg {
    if matches!(arg.get_action(), ArgAction::SetTrue) { arg.value_parser(FalseyValueParser::new()) } else { arg }
}

#[cfg(test)]
mod tests;
