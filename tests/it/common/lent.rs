//! Control planes that tests reuse: starting one takes seconds of both cores, and its garbage collector looks for new kinds only every half
//! minute. One is reused only if everything that a test created is gone and everything else is unchanged; otherwise it is stopped and the next
//! test starts its own. Does not use podid's types.

use super::cluster::Cluster;
use super::objects::text;
use super::plane::Plane;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Twice the time that a new one takes.
const PATIENCE: Duration = Duration::from_secs(10);

static IDLE: Mutex<Vec<Lent>> = Mutex::new(Vec::new());

pub struct Lent {
    plane: Option<Plane>,
    /// The objects at the beginning of a test, once they are known.
    initial: Option<Objects>,
    /// The position in the audit log where this test begins.
    begins: usize,
}

/// Objects by path, without what a server counts.
type Objects = BTreeMap<String, Value>;

impl Lent {
    /// Returns a control plane that looks unused.
    pub fn any() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Self { plane: Some(Plane::start()), initial: None, begins: 0 })
    }

    /// Returns one that is stopped after its test.
    pub fn alone(plane: Plane) -> Self {
        plane.strike();
        Self { plane: Some(plane), initial: None, begins: 0 }
    }

    /// Takes the current objects as those of every test.
    pub fn is_furnished(&mut self) {
        if self.initial.is_none() {
            self.initial = Some(objects(&Cluster::of_plane(self)));
        }
    }

    /// Returns the audit log from the beginning of this test.
    pub fn audit(&self) -> String {
        let log = fs::read(self.dir().join("audit.log")).unwrap();
        String::from_utf8_lossy(&log[self.begins..]).into_owned()
    }
}

impl Deref for Lent {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        self.plane.as_ref().expect("it is not given back yet")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(plane) = self.plane.take() else { return };
        let Some(initial) = self.initial.take() else { return };
        if plane.is_struck() || std::thread::panicking() || !restore(&Cluster::of_plane(&plane), &initial) {
            return;
        }
        let begins = fs::metadata(plane.dir().join("audit.log")).map_or(0, |log| usize::try_from(log.len()).unwrap());
        let next = Self { plane: Some(plane), initial: Some(initial), begins };
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(next);
    }
}

/// Restores the initial objects; returns whether that succeeded.
fn restore(cluster: &Cluster, initial: &Objects) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        for namespace in ["default", "kube-system"] {
            cluster.ask("DELETE", &format!("/api/v1/namespaces/{namespace}/events"), &[], None);
        }
        let now = objects(cluster);
        if now == *initial {
            return true;
        }
        let new: Vec<(&String, &Value)> = now.iter().filter(|(path, _)| !initial.contains_key(*path)).collect();
        let is_namespace = |path: &str| path.starts_with("/api/v1/namespaces/") && path.matches('/').count() == 4;
        // Namespaces go first, so that nothing is created in them again.
        let (namespaces, others): (Vec<_>, Vec<_>) = new.into_iter().partition(|(path, _)| is_namespace(path));
        for (path, _) in namespaces.iter().chain(&others) {
            take_away(cluster, path, &now[*path]);
        }
        for (path, _) in &namespaces {
            // The namespace controller would wait for five seconds.
            let name = path.rsplit('/').next().unwrap();
            let none = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
            cluster.ask("PUT", &format!("{path}/finalize"), &[], Some(none.to_string()));
        }
    }
    false
}

fn take_away(cluster: &Cluster, path: &str, object: &Value) {
    let at_once = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background"});
    cluster.ask("DELETE", path, &[], Some(at_once.to_string()));
    if object["metadata"]["finalizers"].is_array() {
        let merge = [("content-type".to_owned(), "application/merge-patch+json".to_owned())];
        cluster.ask("PATCH", path, &merge, Some(json!({"metadata": {"finalizers": null}}).to_string()));
    }
}

/// Returns all objects but events and leases, which change by themselves.
fn objects(cluster: &Cluster) -> Objects {
    let groups = cluster.ask("GET", "/apis", &[], None).ok();
    let preferred = groups["groups"].as_array().unwrap().iter().map(|group| text(group, "/preferredVersion/groupVersion"));
    let roots: Vec<String> = ["/api/v1".to_owned()].into_iter().chain(preferred.map(|version| format!("/apis/{version}"))).collect();
    let mut found = Objects::new();
    for root in roots {
        let resources = cluster.ask("GET", &root, &[], None).json();
        for resource in resources["resources"].as_array().into_iter().flatten() {
            let name = text(resource, "/name");
            let can = |verb: &str| resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|v| v == verb));
            if ["events", "leases"].contains(&name) || name.contains('/') || !can("list") || !can("delete") {
                continue;
            }
            let list = cluster.ask("GET", &format!("{root}/{name}"), &[], None).json();
            for object in list["items"].as_array().into_iter().flatten() {
                let metadata = &object["metadata"];
                let within = metadata["namespace"].as_str().map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
                found.insert(format!("{root}{within}/{name}/{}", text(metadata, "/name")), stable_fields(object.clone()));
            }
        }
    }
    found
}

/// Removes what changes without anybody's request.
fn stable_fields(mut object: Value) -> Value {
    object.as_object_mut().unwrap().shift_remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.shift_remove("resourceVersion");
    if let Some(managers) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        managers.retain(|manager| manager["subresource"].is_null());
        for manager in managers {
            manager.as_object_mut().unwrap().shift_remove("time");
        }
    }
    object
}
