//! Checks and additions between a valid request and the store: the namespace must exist and not be terminating, and new pods get a service
//! account, a token volume, what a webhook adds, tolerations and Pod Security checks. Reads the store and does not write to it.

use super::call::Call;
use super::facts::Facts;
use super::status::{Outcome, Refusal};
use super::store::{Store, now};
use super::{allocate, prepare, security, webhook};
use serde_json::{Value, json};

/// Refuses objects in a namespace that does not exist or is being deleted.
pub fn namespace(store: &Store, call: &Call, object: &Value) -> Outcome<()> {
    let Some(name) = call.namespace.as_deref() else { return Ok(()) };
    let spaces = super::status::About { group: "", plural: "namespaces" };
    let Some(namespace) = store.namespace(name) else { return Err(Refusal::not_found(spaces, name)) };
    if namespace["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut refusal = Refusal::forbidden(call.resource.about(), object["metadata"]["name"].as_str().unwrap_or_default(), &why);
    refusal.details["causes"] = json!([{"reason": "NamespaceTerminating", "message": format!("namespace {name} is being terminated"), "field": "metadata.namespace"}]);
    Err(refusal)
}

/// Adds what a control plane adds to a new object, and returns warnings for the client.
pub fn create(store: &mut Store, facts: &Facts, call: &Call, object: &mut Value) -> Outcome<Vec<String>> {
    let mut warnings = add_defaults(store, facts, call, object)?;
    let others = |webhook: &Value| webhook["name"] != webhook::NAME;
    if call.resource.kind == "MutatingWebhookConfiguration" && object["webhooks"].as_array().into_iter().flatten().any(others) {
        warnings.push(format!("the sandbox stores webhooks, but calls only {}", webhook::NAME));
    }
    if call.resource.inert {
        warnings.push(format!("the sandbox stores {}, but does nothing with them", call.resource.plural));
    }
    Ok(warnings)
}

fn add_defaults(store: &mut Store, facts: &Facts, call: &Call, object: &mut Value) -> Outcome<Vec<String>> {
    match (call.resource.group.as_str(), call.resource.kind.as_str()) {
        ("", "Pod") => pod(store, facts, call, object),
        ("", "Namespace") => {
            // The name may have been generated; nobody owns this label then.
            if object["metadata"]["labels"].is_null() {
                object["metadata"]["labels"] = json!({});
            }
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = object["metadata"]["name"].clone();
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
            Ok(Vec::new())
        }
        ("apiextensions.k8s.io", _) => {
            super::resource::set_established(object, &now());
            Ok(Vec::new())
        }
        ("", "Node") => {
            if object["spec"].is_null() {
                object["spec"] = json!({});
            }
            if object["status"].is_null() {
                let names = ["architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion"];
                let names = names.into_iter().chain(["machineID", "operatingSystem", "osImage", "systemUUID"]);
                let info: serde_json::Map<String, Value> = names.map(|name| (name.to_owned(), json!(""))).collect();
                object["status"] = json!({"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": info});
            }
            Ok(Vec::new())
        }
        ("apps" | "batch", _) => {
            allocate::create(store, facts, call, object)?;
            let template = object.pointer("/spec/template").or_else(|| object.pointer("/spec/jobTemplate/spec/template"));
            Ok(template.map(|pod| security::template(store, call.namespace.as_deref().unwrap_or_default(), pod)).unwrap_or_default())
        }
        _ => {
            allocate::create(store, facts, call, object)?;
            Ok(Vec::new())
        }
    }
}

fn pod(store: &mut Store, facts: &Facts, call: &Call, object: &mut Value) -> Outcome<Vec<String>> {
    let namespace = call.namespace.as_deref().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if object["spec"]["serviceAccountName"].as_str().unwrap_or_default().is_empty() {
        object["spec"]["serviceAccountName"] = json!("default");
    }
    let account = object["spec"]["serviceAccountName"].as_str().unwrap_or_default().to_owned();
    object["spec"]["serviceAccount"] = json!(account);
    let Some(found) = store.get(&format!("serviceaccounts/{namespace}/{account}")) else {
        let why = format!("error looking up service account {namespace}/{account}: serviceaccount {} not found", json!(account));
        return Err(Refusal::forbidden(call.resource.about(), &name, &why));
    };
    let wants = &object["spec"]["automountServiceAccountToken"];
    let mount = if wants.is_null() { found["automountServiceAccountToken"] != false } else { wants != false };
    let at = format!("{namespace}/{name}");
    if mount {
        token_volume(store, facts, &at, object);
    }
    if webhook::call(store, object)? {
        prepare::fill_defaults(&call.resource, object, false);
        // a webhook may add containers
        if mount {
            token_volume(store, facts, &at, object);
        }
    }
    if object["spec"]["tolerations"].is_null() {
        object["spec"]["tolerations"] = json!([]);
    }
    if let Some(tolerations) = object["spec"]["tolerations"].as_array_mut() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            if !tolerations.iter().any(|t| t["key"] == key && (t["effect"] == "NoExecute" || t["effect"].is_null())) {
                tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
            }
        }
    }
    for (name, value) in [("priority", json!(0)), ("preemptionPolicy", json!("PreemptLowerPriority"))] {
        if object["spec"][name].is_null() {
            object["spec"][name] = value;
        }
    }
    let warnings = security::pod(store, namespace, &name, object)?;
    object["status"] = json!({"phase": "Pending", "qosClass": qos_class(object)});
    Ok(warnings)
}

/// Adds the projected token volume that every pod gets (kubernetes, `plugin/pkg/admission/serviceaccount`).
fn token_volume(store: &mut Store, facts: &Facts, pod: &str, object: &mut Value) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    const PREFIX: &str = "kube-api-access-";
    let mut names = object["spec"]["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str());
    let existing = names.find(|name| name.starts_with(PREFIX)).map(str::to_owned);
    let exists = existing.is_some();
    let name = existing.unwrap_or_else(|| format!("{PREFIX}{}", store.suffix(&facts.uid_seed, &format!("token-volume/{pod}"))));
    let mut used = false;
    for list in ["containers", "initContainers"] {
        for container in object["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if container["volumeMounts"].is_null() {
                container["volumeMounts"] = json!([]);
            }
            if let Some(mounts) = container["volumeMounts"].as_array_mut()
                && !mounts.iter().any(|m| m["mountPath"] == PATH)
            {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": PATH}));
                used = true;
            }
        }
    }
    if !used || exists {
        return;
    }
    if object["spec"]["volumes"].is_null() {
        object["spec"]["volumes"] = json!([]);
    }
    if let Some(volumes) = object["spec"]["volumes"].as_array_mut() {
        volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}));
    }
}

fn qos_class(pod: &Value) -> &'static str {
    let containers = || ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let some = |kind: &str| containers().any(|c| c["resources"][kind].as_object().is_some_and(|r| !r.is_empty()));
    if !some("requests") && !some("limits") {
        return "BestEffort";
    }
    let full = containers().all(|c| {
        let (limits, requests) = (&c["resources"]["limits"], &c["resources"]["requests"]);
        ["cpu", "memory"].iter().all(|r| !limits[*r].is_null() && (requests[*r].is_null() || requests[*r] == limits[*r]))
    });
    if full { "Guaranteed" } else { "Burstable" }
}
