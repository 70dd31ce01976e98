//! The commands about a whole app: up, plan, diff, down, status.

use clap::Args;
use std::path::PathBuf;

const UP: &str = "\
Examples:
  podid up                                   from podid.yaml in this folder
  podid up -f shop.yaml --yes --verify       ask nothing, and prove it with a pod
  podid plan --out p.json && podid up --plan p.json
                                             do just what was shown, or nothing";

/// Make an app as its spec says: plan, show, ask, do
#[derive(Debug, Args)]
#[command(after_help = UP)]
pub struct Up {
    /// The spec; `-`: from stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Go on only if this saved plan still holds
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Then prove that each workload reads its secrets
    #[arg(long)]
    pub verify: bool,
}

/// Show what `up` would do
#[derive(Debug, Args)]
pub struct Plan {
    /// The spec; `-`: from stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Save the plan, for `podid up --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit 3 if anything would change
    #[arg(long)]
    pub exit_code: bool,
}

const DIFF: &str = "\
Examples:
  podid diff -f shop.yaml
  podid diff --exit-code -q >/dev/null || echo differs
  podid diff --force-conflicts               with the fields that others own

In the format of `kubectl diff`: live/ is what is there, merged/ what the server would make of it.";

/// Show line by line what `up` would change, as the server itself foretells it
#[derive(Debug, Args)]
#[command(after_help = DIFF)]
pub struct Diff {
    /// The spec; `-`: from stdin; default: podid.yaml
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Exit 3 if anything differs
    #[arg(long)]
    pub exit_code: bool,
}

/// Take away what podid made for an app; data stays unless it is named
#[derive(Debug, Args)]
pub struct Down {
    /// The spec; without one: from the state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
}

/// Compare what there is with what was made
#[derive(Debug, Args)]
pub struct Status {
    /// The spec; without one: from the state
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
}
