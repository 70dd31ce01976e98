//! Each command of podid that podid prints, in hints, pages, helps and help topics, is one that it understands.

use crate::cli::{Error, command, parse};
use sources::VALUE;

#[expect(dead_code, reason = "tests/it uses the rest")]
#[path = "../../../tests/it/common/printed.rs"]
mod sources;
#[path = "../../../tests/it/common/words.rs"]
mod words;

/// Puts a value in for each word in capitals.
fn named(word: &str) -> String {
    let is_name = |part: &str| {
        let letters = part.chars().filter(char::is_ascii_uppercase).count();
        letters > 1 && part.chars().all(|c| c.is_ascii_uppercase() || c == '-')
    };
    let parts = word.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let filled = |part: &str| {
        let name = part.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        match is_name(name) {
            true if name.ends_with("GUID") => part.replace(name, "00000000-0000-0000-0000-000000000000"),
            true => part.replace(name, VALUE),
            false => part.to_owned(),
        }
    };
    parts.map(filled).collect()
}

/// The words as podid gets them: of alternatives the first, and without what may be left out.
fn arguments(line: &str) -> Vec<String> {
    let line = line.split(" [").next().unwrap_or_default();
    let given = sources::first(line).into_iter().map(|word| named(word.split('|').next().unwrap_or_default()));
    let mut given: Vec<String> = given.map(|word| word.replace("...", VALUE)).collect();
    if sources::is_mention(line) {
        given.push("--help".to_owned());
    }
    given
}

fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    command().get_subcommands().any(|sub| sub.get_name() == word)
}

/// Whether only a value is wrong that a user puts in.
fn is_of_a_value(error: &Error) -> bool {
    let Error::Usage(failure) = error else { return false };
    let of =
        |lead: &str| failure.message.strip_prefix(lead).and_then(|rest| rest.split('\'').next()).is_some_and(|word| word.contains(VALUE));
    of("invalid value '") || of("unrecognized subcommand '") || failure.message.starts_with("invalid value for `--to`")
}

#[test]
fn every_command_that_podid_prints_is_one_that_it_understands() {
    let all: Vec<sources::Printed> = sources::of("podid").into_iter().filter(|one| is_command(&one.command)).collect();
    assert!(all.len() > 200, "{}", all.len());
    let mut wrong = Vec::new();
    for one in &all {
        match parse(arguments(&one.command)) {
            Ok(_) | Err(Error::Text(_) | Error::Help(_)) => {}
            Err(error) if is_of_a_value(&error) => {}
            Err(error) => wrong.push(format!("{}: `{}`: {error:?}", one.at, one.command)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let refused = parse(arguments("podid vault grant kv-shop --to identity/shop"));
    assert!(refused.is_err_and(|error| !is_of_a_value(&error)), "a word too many is told");
}
