//! Deleting objects: preconditions, grace period, finalizers, propagation. Uses the store; the controllers do what follows a deletion.

use super::call::{Call, Reply, parse};
use super::lifecycle::no_finalizers;
use super::lookup;
use super::select::Selector;
use super::status::{About, Cause, Outcome, Refusal};
use super::store::{Store, key, meta, now};
use super::{prepare, view};
use crate::http::Request;
use serde_json::{Value, json};

/// Namespaces that cannot be deleted.
const PROTECTED_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub uid: Option<String>,
    pub version: Option<String>,
    pub propagation: Option<String>,
    pub grace: Option<i64>,
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options from the body, or from the query.
    pub fn read(request: &Request) -> Outcome<Self> {
        let body = if request.body.is_empty() { Value::Null } else { body(&request.body)? };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let options = Self {
            uid: text(&body["preconditions"]["uid"]),
            version: text(&body["preconditions"]["resourceVersion"]),
            propagation: text(&body["propagationPolicy"]).or_else(|| request.query("propagationPolicy")),
            grace: body["gracePeriodSeconds"].as_i64().or_else(|| request.query("gracePeriodSeconds").and_then(|g| g.parse().ok())),
            dry_run: body["dryRun"].as_array().is_some_and(|d| d.iter().any(|d| d == "All"))
                || request.query("dryRun").is_some_and(|d| d == "All"),
        };
        if body["orphanDependents"].is_boolean()
            && let Some(policy) = &options.propagation
        {
            let cause = Cause::invalid("propagationPolicy", &json!(policy), "orphanDependents and deletionPropagation cannot be both set");
            return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]).without_name());
        }
        if let Some(policy) = options.propagation.as_deref().filter(|p| !["Foreground", "Background", "Orphan"].contains(p)) {
            let allowed = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
            let cause = Cause::unsupported("propagationPolicy", &json!(policy), &allowed);
            return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]).without_name());
        }
        Ok(options)
    }
}

/// Parses DeleteOptions. The real server answers other bodies with a 500.
fn body(bytes: &[u8]) -> Outcome<Value> {
    let fault = |why: String| Refusal::new(500, "", why);
    let cut = serde_json::from_slice::<Value>(bytes).is_err_and(|e| e.is_eof());
    if cut {
        return Err(fault("couldn't get version/kind; json parse error: unexpected end of JSON input".into()));
    }
    let body = parse(bytes).map_err(Refusal::bad_request)?;
    let kind = body["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "DeleteOptions") {
        let version = body["apiVersion"].as_str().unwrap_or_default();
        let why = format!("no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:110\"");
        return Err(fault(why));
    }
    Ok(body)
}

pub fn delete(store: &mut Store, call: &Call, options: &DeleteOptions) -> Outcome<Reply> {
    let r = call.resource.clone();
    let object = lookup::existing(store, call)?;
    if r.group.is_empty() && r.kind == "Namespace" && PROTECTED_NAMESPACES.contains(&call.name.as_str()) {
        return Err(Refusal::forbidden(r.about(), &call.name, "this namespace may not be deleted"));
    }
    let uid = meta(&object, "uid").to_owned();
    // The server puts the kind here instead of the resource.
    let about = About { group: &r.group, plural: &r.kind };
    if let Some(wanted) = options.uid.as_deref().filter(|wanted| *wanted != uid) {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        );
        return Err(Refusal::conflict(about, &call.name, &why));
    }
    let version = meta(&object, "resourceVersion");
    if let Some(wanted) = options.version.as_deref().filter(|wanted| *wanted != version) {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        );
        return Err(Refusal::conflict(about, &call.name, &why));
    }
    let (remaining, last) = start_deletion(store, call, object, options);
    let body = match remaining {
        Some(object) => object,
        None if matches!(r.kind.as_str(), "Pod" | "ServiceAccount") && r.group.is_empty() => last,
        None => {
            let mut details = json!({"name": call.name});
            if !r.group.is_empty() {
                details["group"] = json!(r.group);
            }
            details["kind"] = json!(r.plural);
            details["uid"] = json!(uid);
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        }
    };
    Ok(Reply::ok(body))
}

/// Marks an object as deleted, or removes it. Returns the object if it still exists, and its last state.
fn start_deletion(store: &mut Store, call: &Call, mut object: Value, options: &DeleteOptions) -> (Option<Value>, Value) {
    let r = &call.resource;
    let at = key(r, call.namespace.as_deref(), &call.name);
    let marked = !object["metadata"]["deletionTimestamp"].is_null();
    let more = match options.propagation.as_deref() {
        Some("Orphan") => Some("orphan"),
        Some("Foreground") => Some("foregroundDeletion"),
        // The CRD stays until its objects are deleted.
        _ if r.group == "apiextensions.k8s.io" => Some("customresourcecleanup.apiextensions.k8s.io"),
        _ => None,
    };
    if let Some(more) = more.map(|m| json!(m)) {
        let mut finalizers: Vec<Value> = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        if !finalizers.contains(&more) {
            finalizers.push(more);
        }
        object["metadata"]["finalizers"] = finalizers.into();
    }
    let pod = r.group.is_empty() && r.kind == "Pod";
    let namespace = r.group.is_empty() && r.kind == "Namespace";
    let grace = if pod { pod_grace(&object, options.grace) } else { 0 };
    if pod && no_finalizers(&object) && grace == 0 && !options.dry_run {
        // The server marks a pod as deleted even if it removes it at once.
        object["metadata"]["deletionTimestamp"] = json!(now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
        store.put(&at, object.clone());
    }
    if no_finalizers(&object) && !namespace && grace == 0 {
        if !options.dry_run
            && let Some(last) = store.remove(&at)
        {
            object = prepare::requested_version(r, &last);
        }
        return (None, object);
    }
    if marked && !(pod && grace == 0 && object["metadata"]["deletionGracePeriodSeconds"].as_i64() != Some(0)) {
        return (Some(object.clone()), object);
    }
    object["metadata"]["deletionTimestamp"] = json!(if grace > 0 { later(grace) } else { now() });
    if !namespace {
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    } else {
        object["status"]["phase"] = json!("Terminating");
    }
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        object["metadata"]["generation"] = json!(generation + 1);
    }
    if options.dry_run {
        return (Some(object.clone()), object);
    }
    let stored = store.put(&at, prepare::storage_version(r, object));
    let shown = prepare::requested_version(r, &stored);
    (Some(shown.clone()), shown)
}

fn later(seconds: i64) -> String {
    let then = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or_else(|_| jiff::Timestamp::now());
    then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the grace period of a pod; a pod that never ran has none.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    if pod["spec"]["nodeName"].is_null() || matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return 0;
    }
    asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30).max(0)
}

/// Deletes all objects that match a selector, and returns them as they were before.
pub fn delete_collection(store: &mut Store, call: &Call, selector: &Selector, options: &DeleteOptions) -> Reply {
    let r = call.resource.clone();
    let found: Vec<Value> = store
        .list(&r, call.namespace.as_deref())
        .into_iter()
        .filter(|(_, o)| selector.matches(o))
        .map(|(_, o)| prepare::requested_version(&r, o))
        .collect();
    for object in &found {
        let single = Call {
            namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
            name: meta(object, "name").to_owned(),
            ..call.clone()
        };
        start_deletion(store, &single, object.clone(), options);
    }
    let mut metadata = json!({"resourceVersion": store.state.version.to_string()});
    if r.custom.is_some() {
        metadata["continue"] = json!("");
    }
    let items: Vec<Value> = found.into_iter().map(|object| view::item(&r, object)).collect();
    Reply::ok(json!({"kind": r.list_kind, "apiVersion": r.api_version(), "metadata": metadata, "items": items}))
}
