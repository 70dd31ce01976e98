//! The commands with their arguments, as values.

use super::{
    Credentials, Doctor, Explain, Global, Graph, Import, Inventory, Lint, Logs, MigrateVault, Probe, Rbac, ReadCommand, SandboxCommand,
    StateCommand, Verify, WhoCan, Why,
    app_looks::{PrintPatch, Status as AppStatus},
};
use crate::{
    engine::key::Key,
    spec::{
        reference::{NameOrId, Scope},
        request::{Request, Rotate},
    },
};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    pub global: Global,
    pub command: Command,
}

/// A command with its arguments. A `file` of None is `DEFAULT_SPEC` if it exists; `-` is stdin.
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
        /// Whether to exit with 3 if something would change.
        exit_code: bool,
    },
    Diff {
        file: Option<PathBuf>,
        /// Whether to exit with 3 if something differs.
        exit_code: bool,
    },
    Down {
        file: Option<PathBuf>,
    },
    Status {
        file: Option<PathBuf>,
    },
    Verify(Verify),
    /// Check the path from a pod to its vault hop by hop.
    Probe(Probe),
    /// A single change: a request to fulfil, or to undo.
    Change {
        request: Request,
        remove: bool,
    },
    /// Set a new version of a secret, and wait for the pods that mount it.
    Rotate(Rotate),
    /// Change a vault from access policies to Azure RBAC.
    MigrateVault(MigrateVault),
    Read(ReadCommand),
    /// Remove role assignments whose principal no longer exists.
    Prune {
        /// None: the whole subscription.
        scope: Option<Scope>,
        /// Also those that podid did not make.
        all: bool,
    },
    /// Show what runs of apps.
    AppStatus(AppStatus),
    /// Print what an existing workload needs, in place of changing it.
    PrintPatch(PrintPatch),
    Output {
        key: Key,
        field: Option<String>,
    },
    State(StateCommand),
    /// Print the log of a component's program.
    Logs(Logs),
    /// Examine the chains of workloads.
    Doctor(Doctor),
    /// Check spec and cluster for what should not stay.
    Lint(Lint),
    /// Explain a code or a text.
    Explain(Explain),
    /// List the exceptions of a cluster.
    Exceptions {
        /// None: all namespaces.
        namespace: Option<String>,
        cluster: Option<NameOrId>,
    },
    /// List what is there, whoever made it.
    Inventory(Inventory),
    /// Show the path from a workload to a secret.
    Why(Why),
    /// List who can read a secret.
    WhoCan(WhoCan),
    /// Write a spec for what was made by hand.
    Import(Import),
    /// Draw what is connected with what.
    Graph(Graph),
    /// List what runs in a cluster.
    Components {
        cluster: Option<NameOrId>,
    },
    /// Merge the kubeconfig of a managed cluster into the user's.
    Credentials(Credentials),
    /// Print the Kubernetes Roles that podid needs.
    Rbac(Rbac),
    Sandbox(SandboxCommand),
}

impl Command {
    /// Whether it answers with a report of findings, for which there are further formats.
    pub fn reports(&self) -> bool {
        matches!(self, Self::Doctor(_) | Self::Lint(_))
    }
}
