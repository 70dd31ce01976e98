//! The commands that hints name, written so that they work where this podid was run: with its spec, its state and its world.

use super::target::Target;
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

    /// What writes the app's resources again: `podid up`, or where no spec is known the single command for this kind of resource. `more`: flags of consent.
    pub(super) fn write_again(&self, target: &Target, kind: &str, by: Requester, more: &[&str]) -> String {
        if let (Requester::Spec, Some(spec)) = (by, &self.spec) {
            let mut words = vec!["up"];
            if let Spec::Named(path) = spec {
                words.extend(["-f", path.as_str()]);
            }
            words.extend(more);
            return self.podid(&words);
        }
        let identity = format!("identity/{}", target.identity_name);
        let mut words: Vec<&str> = match kind {
            "identity" => {
                let group = target.identity_group.as_deref().unwrap_or_default();
                vec!["identity", "create", "-g", group, "-n", &target.identity_name]
            }
            "vault" => {
                let group = target.vault_group.as_deref().unwrap_or_default();
                vec!["vault", "create", "-g", group, "-n", &target.class.vault_name]
            }
            "grant" => vec!["vault", "grant", "--vault", &target.class.vault_name, "--to", &identity],
            "secretproviderclass" => vec!["mount", "apply", "--namespace", &target.namespace, "--name", &target.class.name],
            _ => vec!["bind", "--namespace", &target.namespace, "--identity", &target.identity_name, "--selector", &target.selector],
        };
        let mut owned: Vec<String> = Vec::new();
        if kind == "secretproviderclass" {
            owned.extend(["--vault".to_owned(), target.class.vault_name.clone()]);
            for object in &target.class.objects {
                let alias = object.alias.as_ref().map(|alias| format!("={alias}")).unwrap_or_default();
                owned.extend(["--secret".to_owned(), format!("{}{alias}", object.name)]);
            }
            for synced in &target.class.synced {
                owned.extend(["--sync".to_owned(), format!("{}:{}={}", synced.secret, synced.key, synced.file)]);
            }
        }
        let in_cluster = !matches!(kind, "identity" | "vault" | "grant");
        if in_cluster && kind != "secretproviderclass" {
            // only what is not the default
            if target.identity != target.identity_name {
                owned.extend(["--name".to_owned(), target.identity.clone()]);
            }
            if target.binding != format!("{}-binding", target.identity) {
                owned.extend(["--binding".to_owned(), target.binding.clone()]);
            }
            owned.extend(target.operator_scope.iter().flat_map(|scope| ["--operator-scope".to_owned(), scope.clone()]));
        }
        if in_cluster {
            owned.extend(["--cluster".to_owned(), target.cluster.name.clone(), "--context".to_owned(), target.cluster.context.clone()]);
        }
        owned.extend(["--app".to_owned(), target.app.clone()]);
        words.extend(owned.iter().map(String::as_str));
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
