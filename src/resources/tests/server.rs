//! An API server on loopback with just enough of a memory: it applies, returns, lists and deletes whole manifests, defines kinds with a delay,
//! and rolls workloads out step by step.

use crate::cluster::tests::fake::{Fake, Reply, Seen, kubeconfig, refusal};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// Kind, plural, and whether it is namespaced.
type ServedKind = (&'static str, &'static str, bool);

/// The kinds of a group and version, by its path.
const SERVED: &[(&str, &[ServedKind])] = &[
    ("/api/v1", &[("Namespace", "namespaces", false), ("ConfigMap", "configmaps", true), ("Pod", "pods", true)]),
    ("/apis/apps/v1", &[("Deployment", "deployments", true), ("DaemonSet", "daemonsets", true)]),
    ("/apis/apiextensions.k8s.io/v1", &[("CustomResourceDefinition", "customresourcedefinitions", false)]),
    ("/apis/rbac.authorization.k8s.io/v1", &[("ClusterRole", "clusterroles", false), ("ClusterRoleBinding", "clusterrolebindings", false)]),
];

#[derive(Default)]
pub struct State {
    /// By path.
    pub objects: BTreeMap<String, Value>,
    /// How often each was read since it was applied.
    reads: BTreeMap<String, usize>,
    /// How often discovery was asked for a group that is defined.
    discovered: BTreeMap<String, usize>,
    /// How many reads a rollout takes; a definition is established after two.
    pub steps: usize,
    uids: usize,
}

pub struct Server {
    pub fake: Fake,
    pub state: Arc<Mutex<State>>,
    dir: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State { steps: 2, ..State::default() }));
        let shared = Arc::clone(&state);
        let fake = Fake::start(move |seen, _| answer(&mut shared.lock().unwrap(), seen)).await;
        let dir = tempfile::tempdir().unwrap();
        kubeconfig(&dir, &fake.url, json!({ "token": "t0ken" }));
        Self { fake, state, dir }
    }

    pub fn lab(&self) -> super::lab::Lab {
        super::lab::Lab::new(&self.dir.path().join("config"), "lab")
    }

    pub fn put(&self, path: &str, object: Value) {
        self.state.lock().unwrap().objects.insert(path.to_owned(), object);
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }
}

fn list(kinds: &[(&str, &str, bool)]) -> Reply {
    let resource = |(kind, plural, namespaced): &(&str, &str, bool)| json!({ "name": plural, "kind": kind, "namespaced": namespaced });
    let with_status = kinds
        .iter()
        .map(|(kind, plural, namespaced)| json!({ "name": format!("{plural}/status"), "kind": kind, "namespaced": namespaced }));
    Reply::Json(200, json!({ "kind": "APIResourceList", "resources": kinds.iter().map(resource).chain(with_status).collect::<Vec<_>>() }))
}

/// The kinds of a group and version that a definition defines and that are served by now.
fn custom(state: &mut State, path: &str) -> Option<Reply> {
    let definitions = state.objects.iter().filter(|(path, _)| path.contains("/customresourcedefinitions/"));
    let defined = definitions
        .map(|(_, definition)| &definition["spec"])
        .find(|spec| path == format!("/apis/{}/v1", spec["group"].as_str().unwrap()))?;
    let (kind, plural) = (defined["names"]["kind"].as_str()?.to_owned(), defined["names"]["plural"].as_str()?.to_owned());
    let asked = state.discovered.entry(path.to_owned()).or_default();
    *asked += 1;
    // discovery is a little behind
    Some(if *asked > 1 { list(&[(&kind, &plural, true)]) } else { list(&[]) })
}

fn not_found(path: &str) -> Reply {
    let mut parts = path.rsplit('/');
    let (name, plural) = (parts.next().unwrap(), parts.next().unwrap());
    refusal(404, "NotFound", &format!("{plural} {name:?} not found"), json!({ "name": name, "kind": plural }))
}

/// Makes of an object what its controllers would have made of it after so many reads.
fn roll_out(object: &mut Value, reads: usize, steps: usize) {
    let done = reads >= steps;
    let generation = object["metadata"]["generation"].clone();
    match object["kind"].as_str().unwrap() {
        "Deployment" => {
            let all = object["spec"]["replicas"].as_i64().unwrap_or(1);
            let available = if done { all } else { 0 };
            object["status"] =
                json!({ "observedGeneration": generation, "replicas": all, "updatedReplicas": all, "availableReplicas": available });
        }
        "DaemonSet" => {
            let available = if done { 3 } else { 1 };
            object["status"] = json!({ "observedGeneration": generation, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": available });
        }
        "CustomResourceDefinition" => {
            let established = if reads >= 2 { "True" } else { "False" };
            object["status"] = json!({ "conditions": [{ "type": "Established", "status": established }] });
        }
        _ => {}
    }
}

fn applied(state: &mut State, path: &str, manifest: &Value, dry: bool) -> Reply {
    let before = state.objects.get(path);
    let mut object = manifest.clone();
    let generation = before.map_or(0, |before| before["metadata"]["generation"].as_i64().unwrap_or_default());
    let same = before.is_some_and(|before| before["spec"] == object["spec"]);
    let uid = before.map(|before| before["metadata"]["uid"].clone()).unwrap_or_else(|| {
        state.uids += 1;
        json!(format!("uid-{}", state.uids))
    });
    let before = state.objects.get(path);
    object["metadata"]["uid"] = uid;
    object["metadata"]["generation"] = json!(if same { generation } else { generation + 1 });
    if let Some(before) = before {
        object["status"] = before["status"].clone();
    }
    let code = if before.is_some() { 200 } else { 201 };
    if !dry {
        state.objects.insert(path.to_owned(), object.clone());
        if !same {
            state.reads.remove(path);
        }
    }
    Reply::Json(code, object)
}

fn answer(state: &mut State, seen: &Seen) -> Reply {
    let (path, query) = seen.uri.split_once('?').unwrap_or((&seen.uri, ""));
    if let Some((_, kinds)) = SERVED.iter().find(|(served, _)| *served == path) {
        return list(kinds);
    }
    if path.split('/').count() == 4 {
        return custom(state, path).unwrap_or(Reply::Text(404, "404 page not found"));
    }
    match seen.method.as_str() {
        "PATCH" => applied(state, path, &seen.body, query.contains("dryRun=All")),
        "DELETE" => match state.objects.remove(path) {
            Some(_) => Reply::Json(200, json!({ "kind": "Status", "status": "Success" })),
            None => not_found(path),
        },
        _ => {
            let steps = state.steps;
            if let Some(object) = state.objects.get_mut(path) {
                let reads = state.reads.entry(path.to_owned()).or_default();
                *reads += 1;
                roll_out(object, *reads, steps);
                return Reply::Json(200, object.clone());
            }
            let below = format!("{path}/");
            let items: Vec<&Value> = state.objects.iter().filter(|(key, _)| key.starts_with(&below)).map(|(_, object)| object).collect();
            let plural = path.rsplit('/').next().unwrap();
            let is_list = plural == "gates" || SERVED.iter().flat_map(|(_, kinds)| *kinds).any(|(_, known, _)| *known == plural);
            if is_list {
                Reply::Json(200, json!({ "kind": "List", "metadata": { "resourceVersion": "1" }, "items": items }))
            } else {
                not_found(path)
            }
        }
    }
}
