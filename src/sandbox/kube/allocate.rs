//! Values that only the server can choose for a new object: addresses and ports of services, the selector of a job, the finalizer of a
//! claim (kubernetes, `pkg/registry/*/strategy.go`). Reads the store and does not write to it.

use super::call::Call;
use super::facts::Facts;
use super::status::{Cause, Outcome, Refusal};
use super::store::{Store, key};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The fields of a service that keep their value once they have one.
const ALLOCATED_FIELDS: [&str; 4] = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];
const FIRST_NODE_PORT: u64 = 30000;
const NODE_PORTS: u64 = 2768;

pub fn create(store: &Store, facts: &Facts, call: &Call, object: &mut Value) -> Outcome<()> {
    let at = key(&call.resource, call.namespace.as_deref(), object["metadata"]["name"].as_str().unwrap_or_default());
    match (call.resource.group.as_str(), call.resource.kind.as_str()) {
        ("", "Service") => return service(store, facts, &at, object),
        ("batch", "Job") => job(&store.uid(&facts.uid_seed, &at), object),
        ("", "PersistentVolumeClaim") => {
            object["status"] = json!({"phase": "Pending"});
            let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(json!("kubernetes.io/pvc-protection"));
            object["metadata"]["finalizers"] = finalizers.into();
        }
        ("policy", _) => object["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}),
        ("apps", "StatefulSet") => object["status"] = json!({"replicas": 0, "availableReplicas": 0}),
        ("batch", "CronJob") => object["status"] = json!({}),
        ("networking.k8s.io", "Ingress") => object["status"] = json!({"loadBalancer": {}}),
        _ => {}
    }
    Ok(())
}

/// Restores allocated values that an update leaves out.
pub fn update(call: &Call, old: &Value, new: &mut Value) {
    if !call.resource.group.is_empty() || call.resource.kind != "Service" || new["spec"]["type"] == "ExternalName" {
        return;
    }
    for name in ALLOCATED_FIELDS {
        if new["spec"][name].is_null() && !old["spec"][name].is_null() {
            new["spec"][name] = old["spec"][name].clone();
        }
    }
    let of_node = matches!(new["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"));
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten().filter(|_| of_node) {
        let same = |p: &&Value| p["port"] == port["port"] && p["protocol"] == port["protocol"];
        let before = old["spec"]["ports"].as_array().into_iter().flatten().find(same).map(|p| p["nodePort"].clone());
        if let Some(before) = before.filter(|before| port["nodePort"].is_null() && !before.is_null()) {
            port["nodePort"] = before;
        }
    }
}

fn service(store: &Store, facts: &Facts, at: &str, object: &mut Value) -> Outcome<()> {
    object["status"] = json!({"loadBalancer": {}});
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &mut object["spec"];
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    let others = || store.with_prefix("services/").map(|(_, other)| other);
    let taken: BTreeSet<String> = others().filter_map(|o| o["spec"]["clusterIP"].as_str().map(str::to_owned)).collect();
    let asked = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    let address = match asked.as_str() {
        "None" => asked,
        "" => free_address(&format!("{}/{at}", facts.uid_seed), |address| !taken.contains(address)),
        _ if !taken.contains(&asked) => asked,
        _ => {
            let why = "failed to allocate IP ".to_owned() + &asked + ": provided IP is already allocated";
            let cause = Cause::invalid("spec.clusterIPs", &json!([asked]), &why);
            return Err(Refusal::invalid("", "Service", &name, &[cause]));
        }
    };
    spec["clusterIP"] = json!(address);
    spec["clusterIPs"] = json!([address]);
    for (name, value) in [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack"))] {
        if spec[name].is_null() {
            spec[name] = value;
        }
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        let ports = others().flat_map(|o| o["spec"]["ports"].as_array().into_iter().flatten());
        let mut taken: BTreeSet<u64> = ports.filter_map(|p| p["nodePort"].as_u64()).collect();
        for port in spec["ports"].as_array_mut().into_iter().flatten().filter(|p| p["nodePort"].is_null()) {
            let from = stable_number(&format!("{at}/{}", port["port"])) % NODE_PORTS;
            let next = (0..NODE_PORTS).map(|n| FIRST_NODE_PORT + (from + n) % NODE_PORTS).find(|n| taken.insert(*n));
            port["nodePort"] = json!(next);
        }
    }
    Ok(())
}

fn stable_number(of: &str) -> u64 {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, of.as_bytes());
    id.as_bytes().iter().take(4).fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// Returns a free address of 10.0.0.0/16, derived from the service's name. The lowest addresses are left to services that ask for one.
fn free_address(of: &str, fits: impl Fn(&str) -> bool) -> String {
    let from = stable_number(of);
    let address = |n: u64| format!("10.0.{}.{}", (from + n) % 255 + 1, (from / 255 + n / 255) % 254 + 1);
    (0..65_000).map(address).find(|a| fits(a)).unwrap_or_default()
}

fn job(uid: &str, object: &mut Value) {
    object["status"] = json!({});
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let name = object["metadata"]["name"].clone();
    for (label, value) in [("controller-uid", json!(uid)), ("job-name", name)] {
        for label in [format!("batch.kubernetes.io/{label}"), label.to_owned()] {
            object["spec"]["template"]["metadata"]["labels"][label] = value.clone();
        }
    }
    object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
}
