//! What a control plane does by itself: furnishes namespaces, empties those that go, ends pods that were deleted, collects what has lost its
//! owner, takes a deleted CRD's objects along. One `settle` after each burst of changes; knows the store, answers nobody.

use super::erase::finished;
use super::store::{Store, meta, now, parts};
use super::{Facts, managed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What every namespace has: the `default` service account and the cluster's CA.
pub fn furnish(store: &mut Store, facts: &Facts, namespace: &str) {
    let account = format!("serviceaccounts/{namespace}/default");
    if store.get(&account).is_none() {
        add(store, facts, &account, json!({"apiVersion": "v1", "kind": "ServiceAccount"}));
    }
    let ca = format!("configmaps/{namespace}/kube-root-ca.crt");
    let data = json!({"ca.crt": facts.ca_pem});
    match store.get(&ca).cloned() {
        Some(there) if there["data"] == data => {}
        Some(mut there) => {
            there["data"] = data;
            store.put(&ca, there);
        }
        None => {
            const WHAT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
            let metadata = json!({"annotations": {"kubernetes.io/description": WHAT}});
            add(store, facts, &ca, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
        }
    }
}

/// Stores an object that no client made.
pub fn add(store: &mut Store, facts: &Facts, at: &str, mut object: Value) -> Value {
    let (_, namespace, name) = parts(at);
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = json!(name);
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object["metadata"]["uid"] = json!(store.uid(&facts.uid_seed, at));
    object["metadata"]["creationTimestamp"] = json!(now());
    store.put(at, object)
}

/// One round of all controllers; true: something changed, go on.
pub fn settle(store: &mut Store, facts: &Facts) -> bool {
    let before = store.state.version;
    end_pods(store);
    empty_namespaces(store);
    empty_crds(store);
    collect(store);
    let alive: Vec<String> = store
        .under("namespaces//")
        .filter(|(_, n)| n["metadata"]["deletionTimestamp"].is_null())
        .map(|(_, n)| meta(n, "name").to_owned())
        .collect();
    alive.iter().for_each(|name| furnish(store, facts, name));
    store.state.version != before
}

/// Something waits for its end.
pub fn pending(store: &Store) -> bool {
    store.state.objects.values().any(|o| !o["metadata"]["deletionTimestamp"].is_null())
}

/// The kubelet's part: a deleted pod ends at once.
fn end_pods(store: &mut Store) {
    let ending: Vec<String> = store
        .under("pods/")
        .filter(|(_, p)| !p["metadata"]["deletionTimestamp"].is_null())
        .filter(|(_, p)| finished(p) || p["metadata"]["deletionGracePeriodSeconds"] != 0)
        .map(|(at, _)| at.clone())
        .collect();
    for at in ending {
        let Some(mut pod) = store.get(&at).cloned() else { continue };
        if finished(&pod) {
            store.remove(&at);
        } else {
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            store.put(&at, pod);
        }
    }
}

/// Marks an object deleted, or takes it away.
fn delete(store: &mut Store, at: &str) {
    let Some(mut object) = store.get(at).cloned() else { return };
    if finished(&object) {
        store.remove(at);
    } else if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        store.put(at, object);
    }
}

fn empty_namespaces(store: &mut Store) {
    let going: Vec<(String, Value)> = store
        .under("namespaces//")
        .filter(|(_, n)| !n["metadata"]["deletionTimestamp"].is_null())
        .map(|(at, n)| (at.clone(), n.clone()))
        .collect();
    for (at, mut namespace) in going {
        let name = meta(&namespace, "name").to_owned();
        let content: Vec<String> = store.state.objects.keys().filter(|k| parts(k).1 == name).cloned().collect();
        content.iter().for_each(|k| delete(store, k));
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        for (k, object) in store.state.objects.iter().filter(|(k, _)| parts(k).1 == name) {
            *left.entry(parts(k).0.to_owned()).or_default() += 1;
            for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                *held.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
        if left.is_empty() {
            if !namespace["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
                namespace["spec"] = json!({});
                namespace = store.put(&at, namespace);
            }
            if finished(&namespace) {
                store.remove(&at);
            }
            continue;
        }
        let conditions = conditions(&left, &held);
        let told = |n: &Value| -> Vec<(Value, Value)> {
            n["status"]["conditions"].as_array().into_iter().flatten().map(|c| (c["type"].clone(), c["message"].clone())).collect()
        };
        let mut told_now = namespace.clone();
        told_now["status"]["conditions"] = conditions;
        if told(&told_now) != told(&namespace) {
            store.put(&at, told_now);
        }
    }
}

fn conditions(left: &BTreeMap<String, usize>, held: &BTreeMap<String, usize>) -> Value {
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": now(), "reason": reason, "message": message})
    };
    let some: Vec<String> = left.iter().map(|(kind, n)| format!("{kind} has {n} resource instances")).collect();
    let by: Vec<String> = held.iter().map(|(finalizer, n)| format!("{finalizer} in {n} resource instances")).collect();
    let remaining = format!("Some resources are remaining: {}", some.join(", "));
    let finalizers = format!("Some content in the namespace has finalizers remaining: {}", by.join(", "));
    json!([
        condition("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"),
        condition("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        condition(
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization"
        ),
        condition("NamespaceContentRemaining", true, "SomeResourcesRemain", &remaining),
        condition("NamespaceFinalizersRemaining", !held.is_empty(), "SomeFinalizersRemain", &finalizers),
    ])
}

/// A deleted CRD goes when none of its objects is left.
fn empty_crds(store: &mut Store) {
    const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
    let going: Vec<(String, String)> = store
        .under("customresourcedefinitions.apiextensions.k8s.io/")
        .filter(|(_, crd)| !crd["metadata"]["deletionTimestamp"].is_null())
        .map(|(at, crd)| (at.clone(), meta(crd, "name").to_owned()))
        .collect();
    for (at, name) in going {
        let prefix = format!("{name}/");
        let objects: Vec<String> = store.under(&prefix).map(|(k, _)| k.clone()).collect();
        objects.iter().for_each(|k| delete(store, k));
        if store.under(&prefix).next().is_some() {
            continue;
        }
        let Some(mut crd) = store.get(&at).cloned() else { continue };
        if let Some(finalizers) = crd["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|f| f != CLEANUP);
        }
        if finished(&crd) {
            store.remove(&at);
        }
    }
}

/// The garbage collector: owners by uid.
fn collect(store: &mut Store) {
    let uids: BTreeMap<String, (String, String)> =
        store.state.objects.iter().map(|(at, o)| (meta(o, "uid").to_owned(), (parts(at).1.to_owned(), at.clone()))).collect();
    let dependents: Vec<String> = store
        .state
        .objects
        .iter()
        .filter(|(_, o)| o["metadata"]["ownerReferences"].as_array().is_some_and(|r| !r.is_empty()))
        .map(|(at, _)| at.clone())
        .collect();
    // Owners that are deleted in the foreground, or let go of what they own.
    let mut owners: Vec<(String, bool)> = held_by(store, "foregroundDeletion").into_iter().map(|at| (at, true)).collect();
    owners.extend(held_by(store, "orphan").into_iter().map(|at| (at, false)));
    for (at, waits) in owners {
        let Some(owner) = store.get(&at).cloned() else { continue };
        let uid = meta(&owner, "uid").to_owned();
        let mut blocking = false;
        for dependent in &dependents {
            let Some(mut object) = store.get(dependent).cloned() else { continue };
            let refs = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            let Some(own) = refs.iter().find(|r| r["uid"] == uid.as_str()) else { continue };
            if waits {
                delete(store, dependent);
                blocking |= own["blockOwnerDeletion"] == true && store.get(dependent).is_some();
            } else {
                release(&mut object, &uid);
                store.put(dependent, object);
            }
        }
        if !blocking {
            let finalizer = if waits { "foregroundDeletion" } else { "orphan" };
            let mut owner = owner;
            if let Some(list) = owner["metadata"]["finalizers"].as_array_mut() {
                list.retain(|f| f != finalizer);
            }
            if finished(&owner) {
                store.remove(&at);
            } else {
                store.put(&at, owner);
            }
        }
    }
    for at in dependents {
        let Some(mut object) = store.get(&at).cloned() else { continue };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let namespace = parts(&at).1.to_owned();
        let refs = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        // Of kinds that are not served nothing can be said.
        let known =
            |r: &Value| store.catalog.kind(r["apiVersion"].as_str().unwrap_or_default(), r["kind"].as_str().unwrap_or_default()).is_some();
        let alive = |r: &Value| {
            uids.get(r["uid"].as_str().unwrap_or_default())
                .is_some_and(|(ns, at)| (ns.is_empty() || *ns == namespace) && store.get(at).is_some())
        };
        let (lost, kept): (Vec<&Value>, Vec<&Value>) = refs.iter().partition(|r| known(r) && !alive(r));
        if lost.is_empty() {
            continue;
        }
        if kept.is_empty() {
            delete(store, &at);
        } else {
            let uids: Vec<String> = lost.iter().map(|r| r["uid"].as_str().unwrap_or_default().to_owned()).collect();
            uids.iter().for_each(|uid| release(&mut object, uid));
            store.put(&at, object);
        }
    }
}

fn held_by(store: &Store, finalizer: &str) -> Vec<String> {
    let held = |o: &Value| o["metadata"]["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == finalizer));
    store.state.objects.iter().filter(|(_, o)| !o["metadata"]["deletionTimestamp"].is_null() && held(o)).map(|(at, _)| at.clone()).collect()
}

fn release(object: &mut Value, uid: &str) {
    let before = object.clone();
    if let Some(refs) = object["metadata"]["ownerReferences"].as_array_mut() {
        refs.retain(|r| r["uid"] != uid);
        if refs.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.shift_remove("ownerReferences");
        }
    }
    // The collector writes as a manager of its own.
    let kind = super::schema::Type::named("Pod");
    let now = now();
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let writer = managed::Writer {
        name: "kube-controller-manager",
        version: &version,
        subresource: "",
        now: &now,
        ignored: &["f:spec", "f:status"],
    };
    let owners = managed::updated(&kind, &before, object, managed::read(&before), &writer);
    managed::write(object, owners);
}
