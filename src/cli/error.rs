//! The outcomes of a command line that holds no command: help, version, or a usage error.

use super::redact;
use crate::{exit::Exit, failure::Failure};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// How to give the value of a secret.
pub(super) const NO_VALUE: &str =
    "Give it with --file FILE, --env VARIABLE, --stdin or --prompt, or let podid generate one with --generate=LENGTH.";

#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Help or version was requested: print to stdout, exit 0.
    Text(String),
    /// No command was given: print help to stderr, exit 2.
    Help(String),
    /// A usage error, exit 2.
    Usage(Failure),
}

impl Error {
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(Failure::new(Exit::Usage, message).hint(hint))
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Text(_) => Exit::Done,
            Self::Help(_) | Self::Usage(_) => Exit::Usage,
        }
    }
}

impl Error {
    /// Converts an error of clap. Values that clap repeats are left out where one may be a secret.
    pub(super) fn of_clap(mut error: clap::Error, argv: &[OsString]) -> Self {
        let about_secrets = redact::is_about_secrets(argv);
        let has_value = redact::redact(&mut error, about_secrets);
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self::Text(text),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Help(text),
            _ => {
                let mut failure = failure(&error, &text);
                let is_value = failure.hints.iter().any(|hint| hint == NO_VALUE);
                if about_secrets && has_value && !is_value {
                    failure.hints.insert(0, format!("Do not pass a secret's value as an argument. {NO_VALUE}"));
                }
                Self::Usage(failure)
            }
        }
    }
}

/// Splits clap's text: `error: MESSAGE`, then tips, usage and a pointer to help, each after an empty line.
fn failure(error: &clap::Error, text: &str) -> Failure {
    let mut message = String::new();
    let mut hints = Vec::new();
    for part in text.split("\n\n") {
        if let Some(first) = part.strip_prefix("error: ") {
            // each argument of a list is on a line of its own
            let mut lines = first.lines().map(str::trim).filter(|line| !line.is_empty());
            let lead = lines.next().unwrap_or_default().to_owned();
            let list = lines.collect::<Vec<_>>().join(", ");
            message = if list.is_empty() { lead } else { format!("{lead} {list}") };
        } else if let Some(usage) = part.strip_prefix("Usage: ") {
            hints.push(format!("Usage: {}", usage.split_whitespace().collect::<Vec<_>>().join(" ")));
        } else if part.trim_start().starts_with("tip: ") {
            hints.extend(part.split("tip: ").map(str::trim).filter(|tip| !tip.is_empty()).map(sentence));
        }
    }
    if let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg)
        && error.kind() == ErrorKind::UnknownArgument
        && arg.starts_with("--value")
    {
        hints.insert(0, NO_VALUE.to_owned());
    }
    // the value of this flag is optional, so clap reads the next word as a command
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand))
        && matches!(word.as_str(), "server" | "client" | "plan")
    {
        hints.insert(0, format!("Write `--dry-run={word}` with an equals sign."));
    }
    Failure { kind: Exit::Usage, message, causes: Vec::new(), hints }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
