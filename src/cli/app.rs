//! The commands about a whole app: up, plan, diff, down, status.

use clap::Args;
use std::path::PathBuf;

const UP: &str = "\
Examples:
  podid up                                   use podid.yaml in this folder
  podid up -f shop.yaml --yes --verify       ask nothing, and prove the result with a pod
  podid plan --out p.json && podid up --plan p.json
                                             apply exactly what was shown, or nothing";

/// Create or update an app from its spec: plan, show, ask, apply
#[derive(Debug, Args)]
#[command(after_help = UP)]
pub struct Up {
    /// Path of the spec; `-` reads stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Apply this saved plan, and only if it still holds
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Prove afterwards that each workload can read its secrets
    #[arg(long)]
    pub verify: bool,
}

/// Show what `up` would change
#[derive(Debug, Args)]
pub struct Plan {
    /// Path of the spec; `-` reads stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Save the plan to a file, for `podid up --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 3 if anything would change
    #[arg(long)]
    pub exit_code: bool,
}

const DIFF: &str = "\
Examples:
  podid diff -f shop.yaml
  podid diff --exit-code -q >/dev/null || echo differs
  podid diff --force-conflicts               include the fields that other managers own

The format is that of `kubectl diff`: live/ is what exists, merged/ is what the server would store.";

/// Show a diff of what `up` would change, from a server-side dry run
#[derive(Debug, Args)]
#[command(after_help = DIFF)]
pub struct Diff {
    /// Path of the spec; `-` reads stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Exit with 3 if anything differs
    #[arg(long)]
    pub exit_code: bool,
}

/// Delete what podid created for an app; data is kept unless you name it
#[derive(Debug, Args)]
pub struct Down {
    /// Path of the spec; default: the recorded state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
}

/// Compare what exists with what podid created
#[derive(Debug, Args)]
pub struct Status {
    /// Path of the spec; default: the recorded state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
}
