//! Help topics: texts that are longer than a flag's help, shown by `podid help TOPIC` (as `gh help TOPIC` does).

use clap::Command;

/// Name, one line about it, and the text.
const TOPICS: &[(&str, &str, &str)] = &[
    ("environment", "Environment variables and logins", include_str!("topics/environment.txt")),
    ("exit-codes", "Exit codes", include_str!("topics/exit-codes.txt")),
    ("formats", "JSON, events and escapes", include_str!("topics/formats.txt")),
    ("ownership", "What podid owns, adopts and deletes", include_str!("topics/ownership.txt")),
    ("sandbox-world", "The embedded Azure and Kubernetes", include_str!("topics/sandbox-world.txt")),
    ("security", "What podid defends against", include_str!("topics/security.txt")),
    ("spec", "All fields of podid.yaml", include_str!("topics/spec.txt")),
    ("state-file", "The state file and its journal", include_str!("topics/state-file.txt")),
];

/// Adds the topics to the help, hidden among the commands.
pub(super) fn with_topics(command: Command) -> Command {
    command.subcommands(TOPICS.iter().map(|(name, about, text)| {
        Command::new(*name).about(*about).override_help(*text).hide(true).arg_required_else_help(true).disable_help_flag(true)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Error, parse};

    #[test]
    fn each_topic_is_shown_by_help() {
        for (name, _, text) in TOPICS {
            let words = ["podid", "help", name].map(str::to_owned);
            match parse(words) {
                Err(Error::Text(shown)) => assert_eq!(shown.trim(), text.trim(), "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_spec_of_the_topic_is_one() {
        let (_, _, text) = TOPICS.iter().find(|(name, ..)| *name == "spec").unwrap();
        let lines = text.lines().skip_while(|line| !line.trim_start().starts_with("apiVersion")).collect::<Vec<_>>().join("\n");
        let loaded = crate::spec::load::parse(std::path::Path::new("podid.yaml"), &lines);
        assert!(loaded.is_ok(), "{}", loaded.err().unwrap());
    }

    #[test]
    fn a_topic_fits_a_terminal_and_has_no_markup() {
        for (name, about, text) in TOPICS {
            assert!(!about.is_empty() && text.lines().all(|line| line.len() <= 110), "{name}");
        }
    }
}
