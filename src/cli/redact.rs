//! What an error may repeat of a command line. Somebody may have typed a secret's value there, so a value is cut after `NAME=`, and around
//! secrets it is not repeated at all.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Stands for what is not repeated.
const LEFT_OUT: &str = "...";

/// Whether a command line is about secrets. A mistyped one counts too: `podid secret set`, `--secret NAME=VALUE`.
pub(super) fn is_about_secrets(argv: &[OsString]) -> bool {
    let about = |word: &OsString| word.to_string_lossy().trim_start_matches('-').to_ascii_lowercase().starts_with("secret");
    argv.iter().skip(1).any(about)
}

/// Takes values out of an error of clap before it is rendered. Returns whether something was taken out.
pub(super) fn redact(error: &mut clap::Error, about_secrets: bool) -> bool {
    let mut changed = false;
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        // clap names its own arguments here, unless it does not know this one
        if kind == ContextKind::InvalidArg && error.kind() != ErrorKind::UnknownArgument {
            continue;
        }
        let shown = if kind == ContextKind::InvalidValue { value(text, about_secrets) } else { word(text, about_secrets) };
        changed |= shown != *text;
        error.insert(kind, ContextValue::String(shown));
    }
    if changed {
        // tips repeat the word
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(Vec::new()));
    }
    changed
}

fn value(text: &str, about_secrets: bool) -> String {
    match text.split_once('=') {
        Some((name, _)) => format!("{}={LEFT_OUT}", self::name(name)),
        // an empty one is a missing one, and said to be so
        None if about_secrets && !matches!(text, "" | "-") => LEFT_OUT.to_owned(),
        None => text.to_owned(),
    }
}

/// An unknown flag or command. A flag that clap does not know comes without its value.
fn word(text: &str, about_secrets: bool) -> String {
    match text.split_once('=') {
        Some((name, _)) => format!("{}={LEFT_OUT}", self::name(name)),
        None if about_secrets && !is_plain(text) => LEFT_OUT.to_owned(),
        None => text.to_owned(),
    }
}

/// What stands before the `=`, if it looks like a name.
pub(super) fn name(text: &str) -> &str {
    if text.trim_start_matches('-').chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')) {
        text
    } else {
        LEFT_OUT
    }
}

/// Whether a word is one of letters, as commands and flags are.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}
