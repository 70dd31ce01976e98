//! What comes of a command line that is not a command.

use super::{redact, vault::NO_VALUE};
use crate::{exit::Exit, failure::Failure};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Help or version were asked for: for stdout, exit 0.
    Text(String),
    /// Nothing was asked for: help, for stderr, exit 2.
    Help(String),
    /// Wrong use, exit 2.
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
    /// An error of clap, without the values that it repeats where one may be a secret's.
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
                    failure.hints.insert(0, format!("A secret's value is never an argument. {NO_VALUE}"));
                }
                Self::Usage(failure)
            }
        }
    }
}

/// clap's text is `error: MESSAGE`, then tips, usage and a pointer to help, each after an empty line.
fn failure(error: &clap::Error, text: &str) -> Failure {
    let mut message = String::new();
    let mut hints = Vec::new();
    for part in text.split("\n\n") {
        if let Some(first) = part.strip_prefix("error: ") {
            // a list of arguments has a line for each
            let mut lines = first.lines().map(str::trim).filter(|line| !line.is_empty());
            let lead = lines.next().unwrap_or_default().to_owned();
            let list = lines.collect::<Vec<_>>().join(", ");
            message = if list.is_empty() { lead } else { format!("{lead} {list}") };
        } else if let Some(usage) = part.strip_prefix("Usage: ") {
            hints.push(format!("The usage is: {}", usage.split_whitespace().collect::<Vec<_>>().join(" ")));
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
    // clap takes the next word for one of its own: the value of this flag is optional
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand))
        && matches!(word.as_str(), "server" | "client" | "plan")
    {
        hints.insert(0, format!("Write `--dry-run={word}`, with the equals sign."));
    }
    Failure { kind: Exit::Usage, message, causes: Vec::new(), hints }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
