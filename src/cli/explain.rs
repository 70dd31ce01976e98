//! `podid explain`.

use clap::Args;

const EXPLAIN: &str = "\
Examples:
  podid explain PODID3010                    print the page of a code
  podid explain AADSTS70021                  what an error of Entra means
  kubectl describe pod web-0 -n shop | podid explain -
                                             what the texts in an output mean
  podid explain                              list all codes";

/// Explain a code of a finding, or the text of an error; works offline
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXPLAIN)]
pub struct Explain {
    /// Code such as PODID3010, text of an error, or `-` to read the text from standard input; default: list all codes
    #[arg(value_name = "CODE|TEXT|-", num_args = 0..)]
    pub text: Vec<String>,
}
