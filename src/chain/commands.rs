//! The commands that hints name, written so that they work where this podid was run: with its spec, its state and its world.

use crate::engine::desired::Requester;
use std::fmt::Write as _;

#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// What this command was given to find its world and its state, such as `--sandbox`.
    pub flags: Vec<String>,
    /// The spec that was read; None: this command knows none, and `podid up` would find none.
    pub spec: Option<Spec>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// `podid.yaml` in the working directory.
    Default,
    Named(String),
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

impl Commands {
    /// A command line of podid in backquotes.
    pub fn podid(&self, words: &[&str]) -> String {
        let mut line = "podid".to_owned();
        for word in words.iter().copied().chain(self.flags.iter().map(String::as_str)) {
            let _ = write!(line, " {}", quoted(word));
        }
        format!("`{line}`")
    }

    /// What writes a resource of the app again: `podid up`, or where no spec is known the single command of these words. `more`: flags of consent.
    pub fn write_again(&self, app: &str, by: Requester, single: &[String], more: &[&str]) -> String {
        let mut words: Vec<&str> = Vec::new();
        match (by, &self.spec) {
            (Requester::Spec, Some(Spec::Default)) => words.push("up"),
            (Requester::Spec, Some(Spec::Named(path))) => words.extend(["up", "-f", path]),
            _ => {
                words.extend(single.iter().map(String::as_str));
                words.extend(["--app", app]);
            }
        }
        words.extend(more);
        self.podid(&words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_carries_the_world_in_which_it_is_to_run() {
        let commands = Commands { flags: vec!["--sandbox".into(), "--state".into(), "my state.json".into()], spec: None };
        assert_eq!(commands.podid(&["up", "-f", "shop.yaml"]), "`podid up -f shop.yaml --sandbox --state 'my state.json'`");
    }
}
