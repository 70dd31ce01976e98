//! The garbage collector: deletes objects without an owner, and keeps owners that are deleted in the foreground until their dependents are gone.

use super::super::lifecycle::{delete, no_finalizers};
use super::super::store::{Store, meta, now, parts};
use super::super::{managed, schema};
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs the collector once.
pub fn collect(store: &mut Store) {
    let uids: BTreeMap<String, (String, String)> =
        store.state.objects.iter().map(|(at, o)| (meta(o, "uid").to_owned(), (parts(at).1.to_owned(), at.clone()))).collect();
    let dependents: Vec<String> = store
        .state
        .objects
        .iter()
        .filter(|(_, o)| o["metadata"]["ownerReferences"].as_array().is_some_and(|r| !r.is_empty()))
        .map(|(at, _)| at.clone())
        .collect();
    // Owners that are deleted in the foreground (true), or that leave their dependents behind (false).
    let mut owners: Vec<(String, bool)> = with_finalizer(store, "foregroundDeletion").into_iter().map(|at| (at, true)).collect();
    owners.extend(with_finalizer(store, "orphan").into_iter().map(|at| (at, false)));
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
                remove_owner(&mut object, &uid);
                store.put(dependent, object);
            }
        }
        if !blocking {
            let finalizer = if waits { "foregroundDeletion" } else { "orphan" };
            let mut owner = owner;
            if let Some(list) = owner["metadata"]["finalizers"].as_array_mut() {
                list.retain(|f| f != finalizer);
            }
            if no_finalizers(&owner) {
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
        // The collector does not judge references to kinds that are not served.
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
            uids.iter().for_each(|uid| remove_owner(&mut object, uid));
            store.put(&at, object);
        }
    }
}

fn with_finalizer(store: &Store, finalizer: &str) -> Vec<String> {
    let held = |o: &Value| o["metadata"]["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == finalizer));
    store.state.objects.iter().filter(|(_, o)| !o["metadata"]["deletionTimestamp"].is_null() && held(o)).map(|(at, _)| at.clone()).collect()
}

fn remove_owner(object: &mut Value, uid: &str) {
    let before = object.clone();
    if let Some(refs) = object["metadata"]["ownerReferences"].as_array_mut() {
        refs.retain(|r| r["uid"] != uid);
        if refs.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.shift_remove("ownerReferences");
        }
    }
    // The collector has a field manager of its own.
    let kind = schema::Type::named("Pod");
    let now = now();
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let manager = managed::FieldManager {
        name: "kube-controller-manager",
        version: &version,
        subresource: "",
        now: &now,
        ignored: &["f:spec", "f:status"],
    };
    let owners = managed::updated(&kind, &before, object, managed::owners(&before), &manager);
    managed::write(object, owners);
}
