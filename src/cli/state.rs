//! `podid state` and `podid output`: what podid remembers.

use super::check;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const OUTPUT: &str = "\
Examples:
  podid output identity/claims-api-mid client_id
  podid output identity/claims-api-mid       all that it published";

/// Print what a resource published, raw, for scripts
#[derive(Debug, Args)]
#[command(after_help = OUTPUT)]
pub(super) struct Output {
    /// As `podid state list` shows it: identity/NAME
    #[arg(value_parser = check::key)]
    pub(super) key: String,
    /// client_id, principal_id, …; default: all of them
    #[arg(value_parser = check::filled)]
    pub(super) field: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum StateCommand {
    /// List what podid remembers
    List,
    /// Show the whole state, or one entry
    Show {
        /// As `podid state list` shows it
        #[arg(value_parser = check::key)]
        key: Option<String>,
    },
    /// Forget an entry; the thing itself stays
    Forget {
        /// As `podid state list` shows it
        #[arg(value_parser = check::key)]
        key: String,
    },
    /// Make the state again from what there is: names, tags and labels
    Rebuild {
        /// The spec; default: podid.yaml, if it is there
        #[arg(short, long, value_name = "SPEC")]
        file: Option<PathBuf>,
    },
}
