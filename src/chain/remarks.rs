//! What a plan should say of modes and deliveries although nothing stands in its way. What cannot be looked at is not guessed.

use super::commands::Commands;
use crate::{
    cluster::{self, Api},
    engine::{
        desired::{Desired, Intent, Node},
        input::{KnownOutputs, resolve},
        key::Key,
        observe::Observed,
        plan::{Act, Plan, Refusal, Warning},
        resource::Kind as _,
    },
    resources::{Reader, secret::Secret, vault, world::ClusterTarget},
    spec::suggest::nearest,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

/// A plan before it is shown, and what it was made from.
pub struct Planned<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub plan: &'a Plan,
    pub reader: &'a Reader,
    pub commands: &'a Commands,
}

#[derive(Default)]
pub struct Remarks {
    pub refused: Vec<Refusal>,
    pub warnings: Vec<Warning>,
}

impl Remarks {
    pub fn add(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.warnings.extend(other.warnings);
    }
}

/// The nodes of a kind that are to be made.
pub fn wanted<'a>(desired: &'a Desired, kind: &'a str) -> impl Iterator<Item = &'a Node> {
    desired.nodes.values().filter(move |n| n.kind == kind && n.intent == Intent::Present)
}

/// The specs of a kind that are to be made, with all values that are known.
pub fn resolved<T: DeserializeOwned>(desired: &Desired, kind: &str, known: &KnownOutputs) -> Vec<T> {
    wanted(desired, kind).filter_map(|node| serde_json::from_value(resolve(&node.spec, known)).ok()).collect()
}

impl Planned<'_> {
    /// A node's spec with the values that the observation found.
    pub fn placed<T: DeserializeOwned>(&self, node: &Node) -> Option<T> {
        T::deserialize(&**self.observed.placed.get(&node.key).unwrap_or(&node.spec)).ok()
    }
}

/// Objects of a kind that a mode asks for while everything else is looked at, so that they take no time of their own.
pub struct ListAhead {
    pub target: ClusterTarget,
    pub api: Api,
    pub namespace: String,
}

/// Lists of clusters, by context; where a login may only look into namespaces, of these.
#[derive(Default)]
pub struct Lists {
    everywhere: BTreeMap<(String, String), Vec<Value>>,
    within: BTreeMap<(String, String, String), Vec<Value>>,
}

impl Lists {
    /// Whether the objects of all namespaces were listed at once.
    pub fn is_whole(&self, target: &ClusterTarget, api: &Api) -> bool {
        self.everywhere.contains_key(&(target.context.clone(), api.kind.clone()))
    }

    /// Asks what was not asked before.
    pub async fn of(&mut self, cluster: &cluster::Read, ahead: &ListAhead) -> &[Value] {
        let place = (ahead.target.context.clone(), ahead.api.kind.clone());
        let namespace = (ahead.target.context.clone(), ahead.api.kind.clone(), ahead.namespace.clone());
        if !self.everywhere.contains_key(&place) && !self.within.contains_key(&namespace) {
            match cluster.list(&ahead.api, None, None).await {
                Err(cluster::Error::Forbidden { .. }) => {
                    let found = cluster.list(&ahead.api, Some(&ahead.namespace), None).await.unwrap_or_default();
                    self.within.insert(namespace.clone(), found);
                }
                found => drop(self.everywhere.insert(place.clone(), found.unwrap_or_default())),
            }
        }
        self.everywhere.get(&place).or_else(|| self.within.get(&namespace)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Pods that a cluster gives a managed identity, whoever bound them.
pub struct IdentityUser {
    /// Of the managed identity.
    pub resource_id: String,
    pub namespace: String,
    /// How the pods are told apart, as in `Bound`.
    pub subject: String,
}

/// Secrets of one vault that pods are to get.
pub struct SecretsOf {
    /// The resource that says so.
    pub key: Key,
    /// `shop/web`
    pub shown: String,
    pub vault: String,
    pub names: Vec<String>,
    /// What happens without one of them: `mounts: its pods will not start`.
    pub effect: &'static str,
}

/// Warns of secrets that neither this graph makes nor the vault has.
pub async fn unknown_secrets(planned: &Planned<'_>, all: &[SecretsOf]) -> Vec<Warning> {
    let mut made: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for node in wanted(planned.desired, Secret::KIND) {
        if let Ok(secret) = Secret::deserialize(&*node.spec) {
            made.entry(secret.vault_key).or_default().push(secret.name);
        }
    }
    let mut warnings = Vec::new();
    for SecretsOf { key, shown, vault, names, effect } in all {
        let vault_key = vault::key(vault);
        let made = made.get(&vault_key).map(Vec::as_slice).unwrap_or_default();
        let is_made = |name: &str| made.iter().any(|m| m.eq_ignore_ascii_case(name));
        let open: Vec<&String> = names.iter().filter(|name| !is_made(name)).collect();
        if open.is_empty() {
            continue;
        }
        let Some(there) = in_vault(planned, &vault_key).await else { continue };
        for name in open.into_iter().filter(|name| !there.iter().any(|t| t.eq_ignore_ascii_case(name))) {
            let known = made.iter().chain(&there).map(String::as_str);
            let near = nearest(name, known).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
            let text = format!("the vault {vault} has no secret {name}, which {shown} {effect}");
            let set = planned.commands.podid(&["vault", "secret", "set", name, "--vault", vault, "--prompt"]);
            let hint = format!("{near}Correct the name, add the secret to the vault's `secrets:` in the spec, or set it: {set}.");
            warnings.push(Warning { key: key.clone(), text, hint: Some(hint) });
        }
    }
    warnings
}

/// The names of the vault's secrets; none for a vault that is made in this very run. None: this login may not list them.
async fn in_vault(planned: &Planned<'_>, vault: &Key) -> Option<Vec<String>> {
    if planned.plan.action(vault).is_some_and(|a| a.act == Act::Create) {
        return Some(Vec::new());
    }
    let uri = planned.observed.known.get(vault)?.get(vault::URI.0)?.as_str()?;
    let listed = planned.reader.azure.secrets(uri).await.ok()?;
    Some(listed.into_iter().map(|s| s.name).collect())
}
