//! The commands that hints name, written so that they work where this podid was run: with its spec, its state and its world.

use crate::engine::{desired::Requester, key::Key};
use std::{collections::BTreeMap, fmt::Write as _};

#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// What this command was given to find its world and its state, such as `--sandbox`.
    pub flags: Vec<String>,
    /// What it was given to find the cluster: first `--context` with its value, if that was given.
    pub to_cluster: Vec<String>,
    /// The spec that was read; None: this command knows none, and `podid up` would find none.
    pub spec: Option<Spec>,
    /// The kubeconfig that this command was given.
    pub kubeconfig: Option<String>,
}

/// What kubectl and helm must be given to reach the cluster in which podid looked.
/// Each ends with a space, or is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    kubectl: String,
    helm: String,
}

/// How kubectl and helm reach each cluster, by its name in lower case.
#[derive(Clone, Debug, Default)]
pub struct Reaches(BTreeMap<String, Reach>);

impl Reaches {
    /// Returns how to reach the cluster of a resource; the cluster's name is the first name in its key.
    pub fn of(&self, key: &Key) -> Option<&Reach> {
        self.0.get(&key.names().split('/').next()?.to_lowercase())
    }
}

impl Reach {
    pub fn command(&self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let is_given = words.iter().any(|word| matches!(*word, "--context" | "--kube-context" | "--kubeconfig"));
        // what az runs in the cluster needs no context
        if is_given || words.len() == 1 || matches!(words[0], "az" | "podid") {
            return command.to_owned();
        }
        let begins = |at: usize| at == 0 || matches!(words[at - 1], "|" | "&&" | ";" | "xargs");
        let sent = |(at, word): (usize, &&str)| {
            let flags = match (*word, words.get(at + 1).copied().unwrap_or_default()) {
                ("kubectl", _) => &self.kubectl,
                // these ask no cluster
                ("helm", "version" | "pull" | "repo") => return (*word).to_owned(),
                ("helm", _) => &self.helm,
                _ => return (*word).to_owned(),
            };
            if begins(at) { format!("{word} {flags}").trim_end().to_owned() } else { (*word).to_owned() }
        };
        words.iter().enumerate().map(sent).collect::<Vec<_>>().join(" ")
    }

    /// The commands of a text stand in backquotes.
    pub fn text(&self, text: &str) -> String {
        let part = |(at, part): (usize, &str)| if at % 2 == 1 { self.command(part) } else { part.to_owned() };
        text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
    }

    pub fn texts(&self, texts: &mut [String]) {
        texts.iter_mut().for_each(|text| *text = self.text(text));
    }
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
        let in_azure = matches!(words, ["vault", "secret", ..] | ["storage", ..]);
        let to_cluster = match self.to_cluster.as_slice() {
            _ if in_azure => &[],
            [flag, _, rest @ ..] if flag == "--context" && words.contains(&"--context") => rest,
            all => all,
        };
        for word in words.iter().copied().chain(self.flags.iter().chain(to_cluster).map(String::as_str)) {
            let _ = write!(line, " {}", quoted(word));
        }
        format!("`{line}`")
    }

    /// `context`: that of the cluster in which podid looked, if kubectl uses another one by itself.
    pub fn reach(&self, context: Option<&str>) -> Reach {
        let flag = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {} ", quoted(value))).unwrap_or_default();
        let file = flag("--kubeconfig", self.kubeconfig.as_deref());
        Reach { kubectl: format!("{}{file}", flag("--context", context)), helm: format!("{}{file}", flag("--kube-context", context)) }
    }

    /// `contexts`: for each cluster what `reach` is given.
    pub fn reaches(&self, contexts: &BTreeMap<String, Option<String>>) -> Reaches {
        Reaches(contexts.iter().map(|(cluster, context)| (cluster.to_lowercase(), self.reach(context.as_deref()))).collect())
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
        let flags = vec!["--sandbox".into(), "--state".into(), "my state.json".into()];
        let commands = Commands { flags, ..Commands::default() };
        assert_eq!(commands.podid(&["up", "-f", "shop.yaml"]), "`podid up -f shop.yaml --sandbox --state 'my state.json'`");
    }

    #[test]
    fn the_cluster_is_named_once_and_only_where_a_command_reaches_one() {
        let to_cluster = ["--context", "aks-sp", "--any-server"].map(str::to_owned).into();
        let commands = Commands { to_cluster, ..Commands::default() };
        assert_eq!(commands.podid(&["verify"]), "`podid verify --context aks-sp --any-server`");
        assert_eq!(commands.podid(&["vault", "secret", "list", "--vault", "kv"]), "`podid vault secret list --vault kv`");
        assert_eq!(
            commands.podid(&["cluster", "install", "csi", "--context", "aks-mi"]),
            "`podid cluster install csi --context aks-mi --any-server`"
        );
    }

    #[test]
    fn kubectl_and_helm_are_sent_to_the_cluster_that_was_looked_at() {
        let commands = Commands { kubeconfig: Some("my kube.yaml".into()), ..Commands::default() };
        let reach = commands.reach(Some("aks-sp"));
        assert_eq!(
            reach.text("Look: `kubectl get pods -A | xargs kubectl describe`, and `helm uninstall x`; kubectl says so to `az aks show`."),
            "Look: `kubectl --context aks-sp --kubeconfig 'my kube.yaml' get pods -A | xargs kubectl --context aks-sp --kubeconfig 'my kube.yaml' describe`, \
             and `helm --kube-context aks-sp --kubeconfig 'my kube.yaml' uninstall x`; kubectl says so to `az aks show`."
        );
        let alone = Commands::default().reach(None);
        assert_eq!(alone.text("`kubectl get pods`, `"), "`kubectl get pods`, `");
        assert_eq!(alone.command("kubectl get pods"), "kubectl get pods");
        for as_it_is in ["kubectl --context aks-mi get ns", "kubectl", "helm version", "helm repo add podid https://charts.example"] {
            assert_eq!(reach.command(as_it_is), as_it_is);
        }
        let named = reach.command("kubectl describe deployment my-helm helm -n helm && kubectl get ns");
        assert_eq!(named.matches("--context").count(), 2, "{named}");
        assert!(named.contains(" describe deployment my-helm helm -n helm && kubectl --context aks-sp "), "{named}");
    }

    #[test]
    fn what_is_said_of_a_resource_goes_to_its_own_cluster() {
        let contexts = BTreeMap::from([("aks-sp".to_owned(), Some("sp".to_owned())), ("aks-mi".to_owned(), None)]);
        let reaches = Commands::default().reaches(&contexts);
        let told = |key: &str| reaches.of(&Key::from(key)).map(|reach| reach.command("kubectl get ns"));
        assert_eq!(told("namespace/aks-sp/shop").as_deref(), Some("kubectl --context sp get ns"));
        assert_eq!(told("namespace/aks-mi/shop").as_deref(), Some("kubectl get ns"));
        assert_eq!(told("vault/kv-shop"), None);
    }
}
