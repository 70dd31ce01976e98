//! MIC of AAD Pod Identity 1.8 in standard mode: matches pods with bindings, writes AzureAssignedIdentities, and has the scale set carry just the
//! identities that some pod needs. What it cannot match it passes over without a word, as the real one does.

use super::arm::{Arm, Failed};
use super::desk::{Desk, Pauses};
use super::events::{Events, Weight};
use super::kube::{Kube, Refusal};
use super::mirror::{Key, Mirror, keep, key};
use super::wire::Azure;
use super::{Config, Players};
use crate::attempt::caught_while;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const GROUP: &str = "/apis/aadpodidentity.k8s.io/v1";
const FINALIZER: &str = "azureassignedidentity.finalizers.aadpodidentity.k8s.io";
/// MIC shows the Go type's name.
const BINDING_KIND: &str = "v1.AzureIdentityBinding";

struct Mic {
    kube: Kube,
    arm: Arm,
    events: Events,
    pods: Arc<Mirror>,
    identities: Arc<Mirror>,
    bindings: Arc<Mirror>,
    assigned: Arc<Mirror>,
}

/// One identity for one pod, as it should be.
struct Wish {
    namespace: String,
    pod: Key,
    node: String,
    identity: Arc<Value>,
    binding: Arc<Value>,
}

pub(super) fn start(config: &Config, players: &mut Players) -> Result<(), String> {
    let (kube, azure) = (Kube::new(&config.kube, "mic", "mic/v1.8.17")?, Azure::new(config, "mic")?);
    let desk = players.desk();
    let mut mirror = |path| {
        let (mirror, keeping) = keep(&kube, path, &desk, true);
        players.play(keeping);
        mirror
    };
    let pods = mirror("/api/v1/pods");
    let identities = mirror("/apis/aadpodidentity.k8s.io/v1/azureidentities");
    let bindings = mirror("/apis/aadpodidentity.k8s.io/v1/azureidentitybindings");
    let assigned = mirror("/apis/aadpodidentity.k8s.io/v1/azureassignedidentities");
    let events = Events::new(&kube, "azureassignedidentitiescontroller");
    let mic = Mic { arm: Arm::new(config, azure), events, kube, pods, identities, bindings, assigned };
    players.play(mic.run(desk));
    Ok(())
}

impl Mic {
    async fn run(self, desk: Arc<Desk>) {
        let mut pauses = Pauses::default();
        let mut pause = None;
        loop {
            let work = desk.next(pause).await;
            pause = if caught_while(self.round()).await.unwrap_or(false) {
                pauses.reset();
                None
            } else {
                Some(pauses.next())
            };
            drop(work);
        }
    }

    /// Brings everything to where it should be. False: something has to be tried again.
    async fn round(&self) -> bool {
        // a list that is not there yet must not look like one that is empty: that would take identities away
        if ![&self.pods, &self.identities, &self.bindings, &self.assigned].iter().all(|m| m.listed()) {
            return true;
        }
        let wishes = self.wishes();
        let there: BTreeMap<Key, Arc<Value>> = self.assigned.all().into_iter().map(|o| (key(&o), o)).collect();
        let mut well = true;
        let (mut waiting, mut add, mut remove) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (place, wish) in &wishes {
            let (now, name) = (there.get(place), &place.1);
            if let Some(old) = now.filter(|old| !fits(old, wish)) {
                remove.extend(carried(old).filter(|id| !in_use(id, &wishes)));
            }
            match now {
                Some(now) if fits(now, wish) && status(now) == "Assigned" => continue,
                Some(now) if fits(now, wish) && status(now) == "Created" => {}
                other => {
                    if let Err(e) = self.write(name, wish, other.map(Arc::as_ref)).await {
                        let text = format!("Creating assigned identity for pod {name} resulted in error {}", e.text);
                        self.events.say(&wish.binding, BINDING_KIND, Weight::Warning, "binding apply error", &text).await;
                        well = false;
                        continue;
                    }
                }
            }
            add.extend(resource_id(&wish.identity));
            waiting.push((name, wish));
        }
        let leaving: Vec<&Arc<Value>> = there.iter().filter(|(place, _)| !wishes.contains_key(*place)).map(|(_, o)| o).collect();
        remove.extend(leaving.iter().flat_map(|old| carried(old)).filter(|id| !in_use(id, &wishes)));
        let updated = if add.is_empty() && remove.is_empty() { Ok(()) } else { self.arm.update(&add, &remove).await };
        well &= updated.is_ok();
        for (name, wish) in waiting {
            well &= self.settle(name, wish, updated.as_ref().err()).await;
        }
        for old in leaving {
            let stays = updated.as_ref().err().is_some_and(|e| {
                carried(old).filter(|id| !in_use(id, &wishes)).any(|id| e.present.as_ref().is_none_or(|present| present.contains(&id)))
            });
            well &= !stays && self.take_away(old).await;
        }
        well
    }

    /// By the place of the AzureAssignedIdentity.
    fn wishes(&self) -> BTreeMap<Key, Wish> {
        let identities: BTreeMap<Key, Arc<Value>> = self.identities.all().into_iter().filter(|i| valid(i)).map(|i| (key(&i), i)).collect();
        let bindings = self.bindings.all();
        let mut wishes = BTreeMap::new();
        for pod in self.pods.all() {
            let (node, label) = (&pod["spec"]["nodeName"], &pod["metadata"]["labels"]["aadpodidbinding"]);
            let (Some(node), Some(label)) = (node.as_str().filter(|n| !n.is_empty()), label.as_str().filter(|l| !l.is_empty())) else {
                continue;
            };
            if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
                continue;
            }
            let (pod_namespace, pod_name) = key(&pod);
            for binding in bindings.iter().filter(|b| b["spec"]["selector"] == label) {
                let (namespace, _) = key(binding);
                let wanted = binding["spec"]["azureIdentity"].as_str().unwrap_or_default();
                let Some(identity) = identities.get(&(namespace.clone(), wanted.to_owned())) else { continue };
                let own_namespace = is_namespaced(identity);
                if own_namespace && namespace != pod_namespace {
                    continue;
                }
                let name = format!("{pod_name}-{pod_namespace}-{wanted}");
                let namespace = if own_namespace { namespace } else { "default".into() };
                let wish = Wish {
                    namespace: namespace.clone(),
                    pod: (pod_namespace.clone(), pod_name.clone()),
                    node: node.to_owned(),
                    identity: identity.clone(),
                    binding: binding.clone(),
                };
                wishes.insert((namespace, name), wish);
            }
        }
        wishes
    }

    async fn write(&self, name: &str, wish: &Wish, old: Option<&Value>) -> Result<(), Refusal> {
        let path = format!("{GROUP}/namespaces/{}/azureassignedidentities", wish.namespace);
        let mut object = json!({
            "apiVersion": "aadpodidentity.k8s.io/v1",
            "kind": "AzureAssignedIdentity",
            "metadata": { "name": name, "namespace": wish.namespace, "labels": { "nodename": wish.node }, "finalizers": [FINALIZER] },
            "spec": {
                "azureIdentityRef": embedded(&wish.identity, "AzureIdentity"),
                "azureBindingRef": embedded(&wish.binding, "AzureIdentityBinding"),
                "pod": wish.pod.1,
                "podNamespace": wish.pod.0,
                "nodename": wish.node,
            },
            "status": { "availableReplicas": 1, "status": "Created" },
        });
        let written = match old {
            Some(old) => {
                object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
                self.kube.put(&format!("{path}/{name}"), &object).await
            }
            None => self.kube.post(&path, &object).await,
        };
        match written {
            // it is there already: the mirror is late, the next round knows
            Err(e) if e.status == 409 => Ok(()),
            other => other.map(drop),
        }
    }

    async fn settle(&self, name: &str, wish: &Wish, failed: Option<&Failed>) -> bool {
        let (binding_namespace, binding) = key(&wish.binding);
        let missing = |failed: &Failed| match (resource_id(&wish.identity), &failed.present) {
            (Some(id), Some(present)) => !present.contains(&id),
            _ => true,
        };
        if let Some(failed) = failed.filter(|f| missing(f)) {
            // where even the scale set could not be read, MIC has nothing but a line in its log
            if failed.present.is_some() {
                let text = format!(
                    "failed to apply binding {binding_namespace}/{binding} node {} for pod {}/{}, error: {}",
                    wish.node, wish.pod.0, wish.pod.1, failed.text
                );
                self.events.say(&wish.binding, BINDING_KIND, Weight::Warning, "binding apply error", &text).await;
            } else {
                tracing::debug!("MIC: {}", failed.text);
            }
            return false;
        }
        let path = format!("{GROUP}/namespaces/{}/azureassignedidentities/{name}", wish.namespace);
        match self.kube.merge(&path, &json!({ "status": { "status": "Assigned" } })).await {
            Ok(_) => {
                let text = format!("Binding {binding} applied on node {} for pod {name}", wish.node);
                self.events.say(&wish.binding, BINDING_KIND, Weight::Normal, "binding applied", &text).await;
                true
            }
            Err(e) => e.is_absent(),
        }
    }

    async fn take_away(&self, old: &Value) -> bool {
        let (namespace, name) = key(old);
        let path = format!("{GROUP}/namespaces/{namespace}/azureassignedidentities/{name}");
        let gone = |done: Result<Value, Refusal>| done.map(drop).or_else(|e| if e.is_absent() { Ok(()) } else { Err(e) });
        let all = async {
            if status(old) != "Unassigned" {
                gone(self.kube.merge(&path, &json!({ "status": { "status": "Unassigned" } })).await)?;
            }
            self.kube.delete(&path, &json!({ "preconditions": { "uid": old["metadata"]["uid"] } })).await?;
            gone(self.kube.merge(&path, &json!({ "metadata": { "finalizers": null } })).await)
        };
        all.await.map_err(|e| tracing::debug!("MIC: {name} cannot be taken away: {}", e.text)).is_ok()
    }
}

/// Same identity, binding, pod and node; a change of the identity or the binding makes it over again.
fn fits(old: &Value, wish: &Wish) -> bool {
    let spec = &old["spec"];
    let same = |embedded: &Value, now: &Value| {
        ["name", "resourceVersion"].iter().all(|field| embedded["metadata"][*field] == now["metadata"][*field])
    };
    same(&spec["azureIdentityRef"], &wish.identity)
        && same(&spec["azureBindingRef"], &wish.binding)
        && spec["pod"] == wish.pod.1.as_str()
        && spec["podNamespace"] == wish.pod.0.as_str()
        && spec["nodename"] == wish.node.as_str()
}

fn status(assigned: &Value) -> &str {
    assigned["status"]["status"].as_str().unwrap_or_default()
}

/// What an AzureAssignedIdentity put onto the scale set; nothing while it was only created.
fn carried(old: &Value) -> impl Iterator<Item = String> + use<> {
    let there = matches!(status(old), "Assigned" | "");
    resource_id(&old["spec"]["azureIdentityRef"]).filter(|_| there).into_iter()
}

fn in_use(id: &str, wishes: &BTreeMap<Key, Wish>) -> bool {
    wishes.values().any(|wish| resource_id(&wish.identity).as_deref() == Some(id))
}

/// In lower case, as MIC sends it; none for a service principal (types 1 and 2).
fn resource_id(identity: &Value) -> Option<String> {
    (identity["spec"]["type"].as_i64().unwrap_or_default() == 0)
        .then(|| identity["spec"]["resourceID"].as_str().unwrap_or_default().to_lowercase())
}

pub(super) fn is_namespaced(identity: &Value) -> bool {
    let behavior = identity["metadata"]["annotations"]["aadpodidentity.k8s.io/Behavior"].as_str();
    behavior.is_some_and(|b| b.eq_ignore_ascii_case("namespaced"))
}

/// MIC's pattern for type 0: any case, not anchored, no empty part.
fn valid(identity: &Value) -> bool {
    let Some(id) = resource_id(identity) else { return true };
    let parts = ["/subscriptions/", "/resourcegroups/", "/providers/microsoft.managedidentity/userassignedidentities/"];
    let mut rest = id.as_str();
    for (i, part) in parts.iter().enumerate() {
        // between two marks there must be something
        let from = usize::from(i > 0);
        let Some(at) = rest.get(from..).and_then(|r| r.find(part)).map(|at| at + from) else {
            let (namespace, name) = key(identity);
            tracing::debug!("MIC: ignoring azure identity {namespace}/{name}, error: invalid resource id: {id:?}");
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    !rest.is_empty()
}

/// An object within another one: without what belongs to its own storage.
fn embedded(object: &Value, kind: &str) -> Value {
    let mut metadata = object["metadata"].clone();
    if let Value::Object(fields) = &mut metadata {
        fields.shift_remove("managedFields");
    }
    json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": object["spec"] })
}
