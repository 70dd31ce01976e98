//! What a plan should say although nothing stands in its way: two identities for one pod, and secrets that are mounted and that no vault has.
//! What cannot be looked at is not guessed.

use super::Goal;
use crate::{
    cluster,
    engine::{
        desired::{Desired, Intent, Node},
        input::resolve,
        key::Key,
        ledger::Ledger,
        observe::Observed,
        plan::{Act, Plan, Refusal, Warning},
        resource::Kind,
    },
    proof::Commands,
    resources::{
        Cloud, Reader,
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::{self, AzureIdentityBinding, Listed, Own},
        secret::Secret,
        secret_provider_class::SecretProviderClass,
        vault,
    },
    spec::suggest,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether the goal is one that makes things, or tells how they are.
fn applies(goal: &Goal) -> bool {
    goal.makes() || matches!(goal, Goal::Plan { .. } | Goal::Status)
}

fn wanted<K: Kind<Cloud>>(desired: &Desired) -> impl Iterator<Item = &Node> {
    desired.nodes.values().filter(|n| n.kind == K::KIND && n.intent == Intent::Present)
}

fn placed<T: DeserializeOwned>(observed: &Observed, node: &Node) -> Option<T> {
    T::deserialize(&**observed.placed.get(&node.key).unwrap_or(&node.spec)).ok()
}

/// Bindings of clusters, by context; where a login may only look into namespaces, of these.
#[derive(Default)]
pub(super) struct Bindings {
    everywhere: BTreeMap<String, Vec<Listed>>,
    within: BTreeMap<(String, String), Vec<Listed>>,
}

impl Bindings {
    /// Asks what was not asked before.
    async fn of(&mut self, cluster: &cluster::Read, context: &str, namespace: &str) -> &[Listed] {
        let place = (context.to_owned(), namespace.to_owned());
        if !self.everywhere.contains_key(context) && !self.within.contains_key(&place) {
            match azure_identity_binding::everywhere(cluster).await {
                Some(all) => drop(self.everywhere.insert(context.to_owned(), all)),
                None => drop(self.within.insert(place.clone(), azure_identity_binding::within(cluster, namespace).await)),
            }
        }
        self.everywhere.get(context).or_else(|| self.within.get(&place)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Asks for the bindings of the clusters while everything else is looked at, as far as the state knows where these are.
pub(super) async fn prepare(goal: &Goal, desired: &Desired, ledger: &Ledger, reader: &Reader) -> Bindings {
    let mut bindings = Bindings::default();
    if !applies(goal) {
        return bindings;
    }
    let known = ledger.known(&desired.app);
    for node in wanted::<AzureIdentityBinding>(desired) {
        if let Ok(binding) = serde_json::from_value::<AzureIdentityBinding>(resolve(&node.spec, &known))
            && binding.target.hosts.known().is_some()
            && !bindings.everywhere.contains_key(&binding.target.context)
            && let Ok(cluster) = reader.cluster(&binding.target).await
        {
            bindings.of(&cluster, &binding.target.context, &binding.namespace).await;
        }
    }
    bindings
}

pub(super) async fn add(
    goal: &Goal,
    (desired, observed): (&Desired, &Observed),
    reader: &Reader,
    listed: Bindings,
    plan: &mut Plan,
    commands: &Commands,
) {
    if !applies(goal) {
        return;
    }
    let (refused, shared) = shared_selectors(desired, observed);
    let rivals = rivals(desired, observed, reader, plan, listed).await;
    let secrets = unknown_secrets(desired, observed, reader, plan, commands).await;
    // what cannot be made as it is needs no decision of its own about this
    plan.refused.extend(refused.into_iter().filter(|r| !plan.refused.iter().any(|other| other.key == r.key)).collect::<Vec<_>>());
    plan.warnings.extend(shared.into_iter().chain(rivals).chain(secrets));
}

/// Two bindings of this graph that give one pod two identities.
fn shared_selectors(desired: &Desired, observed: &Observed) -> (Vec<Refusal>, Vec<Warning>) {
    let (mut refused, mut warnings) = (Vec::new(), Vec::new());
    let mut first: BTreeMap<(String, String, String), (String, Value)> = BTreeMap::new();
    for node in wanted::<AzureIdentityBinding>(desired) {
        let Some(binding) = placed::<AzureIdentityBinding>(observed, node) else { continue };
        let AzureIdentityBinding { target, namespace, azure_identity, selector, .. } = binding;
        let object = desired.nodes.get(&azure_identity::key(&target.name, &namespace, &azure_identity));
        let identity: Value = object.and_then(|n| n.spec.get("resource_id")).cloned().unwrap_or_default();
        let place = (target.name.clone(), namespace.clone(), selector.clone());
        let Some((other, others)) = first.get(&place) else {
            first.insert(place, (azure_identity, identity));
            continue;
        };
        if *others == identity {
            continue;
        }
        let text = format!(
            "pods with the label aadpodidbinding={selector} in namespace {namespace} would get two identities, {other} and {azure_identity}"
        );
        let way = "Give each workload a `selector` of its own in the spec, and its pods that label.".to_owned();
        let mounts = wanted::<SecretProviderClass>(desired).filter_map(|n| placed::<SecretProviderClass>(observed, n)).any(|class| {
            class.target.name == target.name && class.namespace == namespace && class.selector.as_deref().is_none_or(|s| s == selector)
        });
        if mounts {
            let reason = format!("{text}, and the CSI driver reads with either of them: a pod cannot choose");
            refused.push(Refusal { key: node.key.clone(), reason, changes: Vec::new(), way_out: Some(way) });
        } else {
            let text = format!("{text}: they must ask for one by its client id");
            warnings.push(Warning { key: node.key.clone(), text, hint: Some(way) });
        }
    }
    (refused, warnings)
}

/// Bindings of others with the selector of one of this graph.
async fn rivals(desired: &Desired, observed: &Observed, reader: &Reader, plan: &Plan, mut listed: Bindings) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for node in wanted::<AzureIdentityBinding>(desired) {
        let Some(binding) = placed::<AzureIdentityBinding>(observed, node) else { continue };
        let Ok(cluster) = reader.cluster(&binding.target).await else { continue };
        let cluster_name = &binding.target.name;
        let object = desired.nodes.get(&azure_identity::key(cluster_name, &binding.namespace, &binding.azure_identity));
        let identity = object.and_then(|n| placed::<AzureIdentity>(observed, n));
        let own = Own {
            namespace: &binding.namespace,
            binding: &binding.name,
            selector: &binding.selector,
            azure_identity: &binding.azure_identity,
            resource_id: identity.as_ref().and_then(|i| i.resource_id.known()).map(String::as_str),
            client_id: identity.as_ref().and_then(|i| i.client_id.known()).map(String::as_str),
        };
        let bindings = listed.of(&cluster, &binding.target.context, &binding.namespace).await;
        for rival in azure_identity_binding::rivals_among(bindings, &cluster, &own).await {
            let key = azure_identity_binding::key(cluster_name, &rival.namespace, &rival.binding);
            let goes = plan.action(&key).is_some_and(|a| a.act.removes());
            // of two that this graph makes it is said already
            if goes || desired.nodes.get(&key).is_some_and(|n| n.intent == Intent::Present) {
                continue;
            }
            let hint = format!(
                "Give the workload a `selector` of its own, or delete the other binding: `kubectl delete azureidentitybinding {} -n {}`.",
                rival.binding, rival.namespace
            );
            warnings.push(Warning { key: node.key.clone(), text: rival.warning(&binding.selector), hint: Some(hint) });
        }
    }
    warnings
}

/// Secrets that are mounted, and that neither this graph makes nor the vault has.
async fn unknown_secrets(desired: &Desired, observed: &Observed, reader: &Reader, plan: &Plan, commands: &Commands) -> Vec<Warning> {
    let mut made: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for node in wanted::<Secret>(desired) {
        if let Ok(secret) = Secret::deserialize(&*node.spec) {
            made.entry(secret.vault_key).or_default().push(secret.name);
        }
    }
    let mut warnings = Vec::new();
    for node in wanted::<SecretProviderClass>(desired) {
        let Some(class) = placed::<SecretProviderClass>(observed, node) else { continue };
        let vault = vault::key(&class.vault_name);
        let made = made.get(&vault).map(Vec::as_slice).unwrap_or_default();
        let is_made = |name: &str| made.iter().any(|m| m.eq_ignore_ascii_case(name));
        let open: Vec<&str> = class.objects.iter().map(|o| o.name.as_str()).filter(|name| !is_made(name)).collect();
        if open.is_empty() {
            continue;
        }
        let Some(there) = in_vault(&vault, observed, reader, plan).await else { continue };
        for name in open.into_iter().filter(|name| !there.iter().any(|t| t.eq_ignore_ascii_case(name))) {
            let known = made.iter().chain(&there).map(String::as_str);
            let near = suggest::nearest(name, known).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
            let vault = &class.vault_name;
            let text =
                format!("the vault {vault} has no secret {name}, which {}/{} mounts: its pods will not start", class.namespace, class.name);
            let set = commands.podid(&["vault", "secret", "set", name, "--vault", vault, "--prompt"]);
            let hint = format!("{near}Correct the name, add the secret to the vault's `secrets:` in the spec, or set it: {set}.");
            warnings.push(Warning { key: node.key.clone(), text, hint: Some(hint) });
        }
    }
    warnings
}

/// The names of the vault's secrets; none for a vault that is made in this very run. None: this login may not list them.
async fn in_vault(vault: &Key, observed: &Observed, reader: &Reader, plan: &Plan) -> Option<Vec<String>> {
    if plan.action(vault).is_some_and(|a| a.act == Act::Create) {
        return Some(Vec::new());
    }
    let uri = observed.known.get(vault)?.get(vault::URI.0)?.as_str()?;
    let listed = reader.azure.secrets(uri).await.ok()?;
    Some(listed.into_iter().map(|s| s.name).collect())
}
