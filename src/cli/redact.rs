//! Removes values from errors about a command line, because one may be a secret. A value is cut after `NAME=`, and left out entirely in
//! commands about secrets.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Replaces what is left out.
const LEFT_OUT: &str = "...";

/// Returns whether a command line is about secrets. A mistyped one counts, too: `podid secret set`, `--secret NAME=VALUE`.
pub(super) fn is_about_secrets(argv: &[OsString]) -> bool {
    let about = |word: &OsString| word.to_string_lossy().trim_start_matches('-').to_ascii_lowercase().starts_with("secret");
    argv.iter().skip(1).any(about)
}

/// Removes values from an error of clap before it is rendered. Returns whether one was removed.
pub(super) fn redact(error: &mut clap::Error, about_secrets: bool) -> bool {
    let mut changed = false;
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let Some(ContextValue::String(text)) = error.get(kind) else { continue };
        // this is a name that clap knows, unless the argument is unknown
        if kind == ContextKind::InvalidArg && error.kind() != ErrorKind::UnknownArgument {
            continue;
        }
        let shown = if kind == ContextKind::InvalidValue { value(text, about_secrets) } else { word(text, about_secrets) };
        changed |= shown != *text;
        error.insert(kind, ContextValue::String(shown));
    }
    if changed {
        // tips repeat the value
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(Vec::new()));
    }
    changed
}

fn value(text: &str, about_secrets: bool) -> String {
    match text.split_once('=') {
        Some((name, _)) => format!("{}={LEFT_OUT}", self::name(name)),
        // clap reports an empty value as a missing one
        None if about_secrets && !matches!(text, "" | "-") => LEFT_OUT.to_owned(),
        None => text.to_owned(),
    }
}

/// Redacts an unknown flag or command. clap reports an unknown flag without its value.
fn word(text: &str, about_secrets: bool) -> String {
    match text.split_once('=') {
        Some((name, _)) => format!("{}={LEFT_OUT}", self::name(name)),
        None if about_secrets && !is_plain(text) => LEFT_OUT.to_owned(),
        None => text.to_owned(),
    }
}

/// Returns the text before the `=` if it looks like a name.
pub(super) fn name(text: &str) -> &str {
    if text.trim_start_matches('-').chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')) {
        text
    } else {
        LEFT_OUT
    }
}

/// Returns whether a word consists of lower-case letters and dashes, as commands and flags do.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}
