//! MIC of AAD Pod Identity 1.8 in standard mode: it matches pods with bindings, writes AzureAssignedIdentities, and assigns to the scale
//! set exactly the identities that some pod needs. Like the real one, it silently ignores what it cannot match.

use super::activity::{Activity, Backoff};
use super::arm::{ArmClient, UpdateError};
use super::config::Config;
use super::events::{EventType, Events};
use super::klog::Klog;
use super::kube::{KubeClient, KubeError};
use super::mirror::{Mirror, ObjectKey, keep, key};
use super::tasks::RunningComponents;
use super::wire::AzureClient;
use super::workloads::Workloads;
use crate::attempt::caught_while;
use crate::programs::Program;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const GROUP: &str = "/apis/aadpodidentity.k8s.io/v1";
const FINALIZER: &str = "azureassignedidentity.finalizers.aadpodidentity.k8s.io";
/// MIC uses the name of the Go type.
const BINDING_KIND: &str = "v1.AzureIdentityBinding";

struct Mic {
    kube: KubeClient,
    arm: ArmClient,
    events: Events,
    pods: Arc<Mirror>,
    identities: Arc<Mirror>,
    bindings: Arc<Mirror>,
    assigned: Arc<Mirror>,
    workloads: Workloads,
    log: Klog,
    /// What the last round ignored, which is in the log already.
    ignored: Mutex<BTreeSet<Ignored>>,
}

/// A line of the log about something that MIC leaves out, and its place in MIC's code.
type Ignored = (u32, String);

/// Where MIC reports an identity that is not valid, as an error; the rest is no error to it.
const INVALID_IDENTITY: u32 = 963;

/// An identity that a pod should have.
struct DesiredAssignment {
    namespace: String,
    pod: ObjectKey,
    node: String,
    identity: Arc<Value>,
    binding: Arc<Value>,
}

pub(super) fn start(config: &Config, components: &mut RunningComponents) -> Result<(), String> {
    let (kube, azure) = (KubeClient::new(&config.kube, "mic", "mic/v1.8.17")?, AzureClient::new(config, "mic")?);
    let activity = components.activity();
    let mut mirror = |path| {
        let (mirror, keeping) = keep(&kube, path, &activity, true);
        components.spawn(keeping);
        mirror
    };
    let pods = mirror("/api/v1/pods");
    let identities = mirror("/apis/aadpodidentity.k8s.io/v1/azureidentities");
    let bindings = mirror("/apis/aadpodidentity.k8s.io/v1/azureidentitybindings");
    let assigned = mirror("/apis/aadpodidentity.k8s.io/v1/azureassignedidentities");
    let events = Events::new(&kube, "azureassignedidentitiescontroller");
    let workloads = Workloads::new(pods.clone(), config.by_workload);
    let (log, ignored) = (Klog::new(&config.logs, Program::Mic), Mutex::default());
    let mic = Mic { arm: ArmClient::new(config, azure), events, kube, pods, identities, bindings, assigned, workloads, log, ignored };
    components.spawn(mic.run(activity));
    Ok(())
}

impl Mic {
    async fn run(self, activity: Arc<Activity>) {
        let mut pauses = Backoff::default();
        let mut pause = None;
        loop {
            let work = activity.next(pause).await;
            pause = if caught_while(self.reconcile()).await.unwrap_or(false) {
                pauses.reset();
                None
            } else {
                Some(pauses.next())
            };
            drop(work);
        }
    }

    /// Compares the actual with the desired assignments and changes them. Returns false if something must be retried.
    async fn reconcile(&self) -> bool {
        // a list that was not read yet must not count as empty, because identities would be removed
        if ![&self.pods, &self.identities, &self.bindings, &self.assigned].iter().all(|m| m.listed()) {
            return true;
        }
        if !self.workloads.run(Program::Mic, None) {
            return true;
        }
        let desired = self.desired();
        let existing: BTreeMap<ObjectKey, Arc<Value>> = self.assigned.all().into_iter().map(|o| (key(&o), o)).collect();
        let mut complete = true;
        let (mut waiting, mut add, mut remove) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (place, assignment) in &desired {
            let (now, name) = (existing.get(place), &place.1);
            if let Some(old) = now.filter(|old| !fits(old, assignment)) {
                remove.extend(assigned_identity(old).filter(|id| !in_use(id, &desired)));
            }
            match now {
                Some(now) if fits(now, assignment) && status(now) == "Assigned" => continue,
                Some(now) if fits(now, assignment) && status(now) == "Created" => {}
                other => {
                    if let Err(e) = self.write(name, assignment, other.map(Arc::as_ref)).await {
                        let text = format!("Creating assigned identity for pod {name} resulted in error {}", e.text);
                        self.error(1068, &text);
                        self.events.record(&assignment.binding, BINDING_KIND, EventType::Warning, "binding apply error", &text).await;
                        complete = false;
                        continue;
                    }
                }
            }
            add.extend(resource_id(&assignment.identity));
            waiting.push((name, assignment));
        }
        let leaving: Vec<&Arc<Value>> = existing.iter().filter(|(place, _)| !desired.contains_key(*place)).map(|(_, o)| o).collect();
        remove.extend(leaving.iter().flat_map(|old| assigned_identity(old)).filter(|id| !in_use(id, &desired)));
        let updated = if add.is_empty() && remove.is_empty() { Ok(()) } else { self.arm.update(&add, &remove).await };
        if let Err(failed) = &updated {
            let (more, less, set) = (add.len(), remove.len(), self.arm.set());
            let text = &failed.text;
            self.error(
                1111,
                &format!("failed to update user-assigned identities on node {set} (add [{more}], del [{less}], update[0]), error: {text}"),
            );
        }
        complete &= updated.is_ok();
        for (name, assignment) in waiting {
            complete &= self.finish(name, assignment, updated.as_ref().err()).await;
        }
        for old in leaving {
            let stays = updated.as_ref().err().is_some_and(|e| {
                assigned_identity(old)
                    .filter(|id| !in_use(id, &desired))
                    .any(|id| e.present.as_ref().is_none_or(|present| present.contains(&id)))
            });
            complete &= !stays && self.remove_assigned(old).await;
        }
        complete
    }

    /// Returns the desired assignments by namespace and name of the AzureAssignedIdentity.
    fn desired(&self) -> BTreeMap<ObjectKey, DesiredAssignment> {
        let mut ignored = BTreeSet::new();
        let mut identities = BTreeMap::new();
        for identity in self.identities.all().into_iter().filter(|identity| !is_of_aks(identity)) {
            let (namespace, name) = key(&identity);
            match fault(&identity) {
                Some(fault) => {
                    ignored.insert((INVALID_IDENTITY, format!("ignoring azure identity {namespace}/{name}, error: {fault}")));
                }
                None => drop(identities.insert((namespace, name), identity)),
            }
        }
        let bindings = self.bindings.all();
        let forced = self.workloads.force_namespaced(Program::Mic, None);
        let mut desired = BTreeMap::new();
        for pod in self.pods.all() {
            let (node, label) = (&pod["spec"]["nodeName"], &pod["metadata"]["labels"]["aadpodidbinding"]);
            let (Some(node), Some(label)) = (node.as_str().filter(|n| !n.is_empty()), label.as_str().filter(|l| !l.is_empty())) else {
                continue;
            };
            if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
                continue;
            }
            let (pod_namespace, pod_name) = key(&pod);
            if !bindings.iter().any(|binding| binding["spec"]["selector"] == label) {
                let of = format!("{pod_namespace}/{pod_name} that matches selector: {label}");
                ignored.insert((608, format!("No AzureIdentityBinding found for pod {of}. it will be ignored")));
            }
            for binding in bindings.iter().filter(|b| b["spec"]["selector"] == label) {
                let (namespace, binding_name) = key(binding);
                let wanted = binding["spec"]["azureIdentity"].as_str().unwrap_or_default();
                let Some(identity) = identities.get(&(namespace.clone(), wanted.to_owned())) else {
                    ignored.insert((648, format!("{wanted} identity not found when using {namespace}/{binding_name} binding")));
                    continue;
                };
                let own_namespace = forced || is_namespaced(identity);
                if own_namespace && namespace != pod_namespace {
                    continue;
                }
                let name = format!("{pod_name}-{pod_namespace}-{wanted}");
                let namespace = if own_namespace { namespace } else { "default".into() };
                let assignment = DesiredAssignment {
                    namespace: namespace.clone(),
                    pod: (pod_namespace.clone(), pod_name.clone()),
                    node: node.to_owned(),
                    identity: identity.clone(),
                    binding: binding.clone(),
                };
                desired.insert((namespace, name), assignment);
            }
        }
        self.tell(ignored);
        desired
    }

    async fn write(&self, name: &str, assignment: &DesiredAssignment, old: Option<&Value>) -> Result<(), KubeError> {
        let path = format!("{GROUP}/namespaces/{}/azureassignedidentities", assignment.namespace);
        let mut object = json!({
            "apiVersion": "aadpodidentity.k8s.io/v1",
            "kind": "AzureAssignedIdentity",
            "metadata": { "name": name, "namespace": assignment.namespace, "labels": { "nodename": assignment.node }, "finalizers": [FINALIZER] },
            "spec": {
                "azureIdentityRef": embedded(&assignment.identity, "AzureIdentity"),
                "azureBindingRef": embedded(&assignment.binding, "AzureIdentityBinding"),
                "pod": assignment.pod.1,
                "podNamespace": assignment.pod.0,
                "nodename": assignment.node,
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
            // the object exists already: the mirror is behind, and the next round handles it
            Err(e) if e.status == 409 => Ok(()),
            other => other.map(drop),
        }
    }

    async fn finish(&self, name: &str, assignment: &DesiredAssignment, failed: Option<&UpdateError>) -> bool {
        let (binding_namespace, binding) = key(&assignment.binding);
        let missing = |failed: &UpdateError| match (resource_id(&assignment.identity), &failed.present) {
            (Some(id), Some(present)) => !present.contains(&id),
            _ => true,
        };
        if let Some(failed) = failed.filter(|f| missing(f)) {
            // if the scale set could not be read, MIC only writes a line to its log
            if failed.present.is_some() {
                let text = format!(
                    "failed to apply binding {binding_namespace}/{binding} node {} for pod {}/{}, error: {}",
                    assignment.node, assignment.pod.0, assignment.pod.1, failed.text
                );
                self.error(1129, &text);
                self.events.record(&assignment.binding, BINDING_KIND, EventType::Warning, "binding apply error", &text).await;
            } else {
                let text = format!("failed to get a list of user-assigned identites from node {}, error: {}", self.arm.set(), failed.text);
                self.error(1114, &text);
            }
            return false;
        }
        let path = format!("{GROUP}/namespaces/{}/azureassignedidentities/{name}", assignment.namespace);
        match self.kube.merge(&path, &json!({ "status": { "status": "Assigned" } })).await {
            Ok(_) => {
                let (namespace, identity) = key(&assignment.identity);
                let text = format!("identity {namespace}/{identity} has successfully been assigned to node {}", assignment.node);
                self.log.info("", "mic.go:1136", &text);
                let text = format!("Binding {binding} applied on node {} for pod {name}", assignment.node);
                self.events.record(&assignment.binding, BINDING_KIND, EventType::Normal, "binding applied", &text).await;
                true
            }
            Err(e) => e.is_absent(),
        }
    }

    async fn remove_assigned(&self, old: &Value) -> bool {
        let (namespace, name) = key(old);
        let path = format!("{GROUP}/namespaces/{namespace}/azureassignedidentities/{name}");
        let ignore_missing = |done: Result<Value, KubeError>| done.map(drop).or_else(|e| if e.is_absent() { Ok(()) } else { Err(e) });
        let all = async {
            if status(old) != "Unassigned" {
                ignore_missing(self.kube.merge(&path, &json!({ "status": { "status": "Unassigned" } })).await)?;
            }
            self.kube.delete(&path, &json!({ "preconditions": { "uid": old["metadata"]["uid"] } })).await?;
            ignore_missing(self.kube.merge(&path, &json!({ "metadata": { "finalizers": null } })).await)
        };
        let removed = all.await;
        match &removed {
            Ok(()) => self.log.info("", "mic.go:1189", &format!("deleted assigned identity {namespace}/{name}")),
            Err(e) => self.error(1246, &format!("failed to remove AzureAssignedIdentity {namespace}/{name}, error: {}", e.text)),
        }
        removed.is_ok()
    }

    fn error(&self, line: u32, text: &str) {
        self.log.error("", &format!("mic.go:{line}"), text);
    }

    /// Writes what the round before did not ignore. The real MIC repeats it all in each round.
    fn tell(&self, ignored: BTreeSet<Ignored>) {
        let mut before = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        for (line, text) in ignored.difference(&before) {
            match *line {
                INVALID_IDENTITY => self.error(INVALID_IDENTITY, text),
                line => self.log.info("", &format!("mic.go:{line}"), text),
            }
        }
        *before = ignored;
    }
}

/// Returns whether the object has this identity, binding, pod and node. A changed identity or binding requires a new object.
fn fits(old: &Value, assignment: &DesiredAssignment) -> bool {
    let spec = &old["spec"];
    let same = |embedded: &Value, now: &Value| {
        ["name", "resourceVersion"].iter().all(|field| embedded["metadata"][*field] == now["metadata"][*field])
    };
    same(&spec["azureIdentityRef"], &assignment.identity)
        && same(&spec["azureBindingRef"], &assignment.binding)
        && spec["pod"] == assignment.pod.1.as_str()
        && spec["podNamespace"] == assignment.pod.0.as_str()
        && spec["nodename"] == assignment.node.as_str()
}

fn status(assigned: &Value) -> &str {
    assigned["status"]["status"].as_str().unwrap_or_default()
}

/// Returns the identity that an AzureAssignedIdentity added to the scale set; none if it was only created.
fn assigned_identity(old: &Value) -> impl Iterator<Item = String> + use<> {
    let existing = matches!(status(old), "Assigned" | "");
    resource_id(&old["spec"]["azureIdentityRef"]).filter(|_| existing).into_iter()
}

fn in_use(id: &str, desired: &BTreeMap<ObjectKey, DesiredAssignment>) -> bool {
    desired.values().any(|assignment| resource_id(&assignment.identity).as_deref() == Some(id))
}

/// Returns the resource id in lower case, as MIC sends it; None for a service principal (types 1 and 2).
fn resource_id(identity: &Value) -> Option<String> {
    (identity["spec"]["type"].as_i64().unwrap_or_default() == 0)
        .then(|| identity["spec"]["resourceID"].as_str().unwrap_or_default().to_lowercase())
}

pub(super) fn is_namespaced(identity: &Value) -> bool {
    let behavior = identity["metadata"]["annotations"]["aadpodidentity.k8s.io/Behavior"].as_str();
    behavior.is_some_and(|b| b.eq_ignore_ascii_case("namespaced"))
}

/// Returns whether the add-on of AKS made it, which puts identities on the nodes itself. The real MIC would take them off again with the last
/// pod; the sandbox's worlds have both so that each can be tried.
fn is_of_aks(identity: &Value) -> bool {
    identity["metadata"]["labels"]["kubernetes.azure.com/managedby"] == "aks"
}

/// Checks MIC's pattern for type 0: any case, not anchored, no empty part.
fn fault(identity: &Value) -> Option<String> {
    let id = resource_id(identity)?;
    let invalid = || {
        const PATTERN: &str =
            "/subscriptions/<subid>/resourcegroups/<resourcegroup>/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>";
        Some(format!("invalid resource id: {id:?}, must match {PATTERN}"))
    };
    let parts = ["/subscriptions/", "/resourcegroups/", "/providers/microsoft.managedidentity/userassignedidentities/"];
    let mut rest = id.as_str();
    for (i, part) in parts.iter().enumerate() {
        // there must be at least one character between two parts
        let from = usize::from(i > 0);
        let Some(at) = rest.get(from..).and_then(|r| r.find(part)).map(|at| at + from) else {
            return invalid();
        };
        rest = &rest[at + part.len()..];
    }
    if rest.is_empty() { invalid() } else { None }
}

/// Returns an object for embedding, without the fields that belong to its own storage.
fn embedded(object: &Value, kind: &str) -> Value {
    let mut metadata = object["metadata"].clone();
    if let Value::Object(fields) = &mut metadata {
        fields.shift_remove("managedFields");
    }
    json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": object["spec"] })
}
