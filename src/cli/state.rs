//! `podid state` and `podid output`: what podid remembers.

use super::check;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const OUTPUT: &str = "\
Examples:
  podid output identity/claims-api-mid client_id
  podid output identity/claims-api-mid       all outputs";

/// Print the outputs of a resource, unquoted, for scripts
#[derive(Debug, Args)]
#[command(after_help = OUTPUT)]
pub(super) struct Output {
    /// Key of the resource as `podid state list` shows it, such as identity/NAME
    #[arg(value_parser = check::key)]
    pub(super) key: String,
    /// Name of an output, such as client_id or principal_id; default: all
    #[arg(value_parser = check::filled)]
    pub(super) field: Option<String>,
}

const FORGET: &str = "\
Examples:
  podid state forget identity/claims-api-mid";

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum StateCommand {
    /// List the resources in the state
    List,
    /// Show the whole state, or one entry of it
    Show {
        /// Key of the entry as `podid state list` shows it
        #[arg(value_parser = check::key)]
        key: Option<String>,
    },
    /// Remove an entry from the state; the resource itself is kept
    #[command(after_help = FORGET)]
    Forget {
        /// Key of the entry as `podid state list` shows it
        #[arg(value_parser = check::key)]
        key: String,
    },
    /// Rebuild the state from what exists, by names, tags and labels
    Rebuild {
        /// Path of the spec; default: podid.yaml if it exists
        #[arg(short, long, value_name = "SPEC")]
        file: Option<PathBuf>,
    },
}
