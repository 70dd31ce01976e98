//! Discovery: the groups, versions and kinds that are served, as lists (the old form) and as one aggregated document (apidiscovery.k8s.io v2
//! and v2beta1). Uses the catalog only.

use super::facts::Facts;
use super::resource::{Catalog, Resource, group_version};
use crate::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const GIT_VERSION: &str = "v1.34.4";

pub fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "emulationMajor": "1", "emulationMinor": "34", "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
        "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.24.9",
        "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Answers a discovery request. `parts` are the segments of the path: `api` or `apis` first, or none.
pub fn answer(catalog: &Catalog, parts: &[&str], request: &Request, facts: &Facts) -> Option<Response> {
    let plain = |body: &Value| Response::json(200, "application/json", body);
    match parts {
        [] => {
            let mut paths = vec!["/api".to_owned(), "/api/v1".into(), "/apis".into()];
            for (group, versions) in catalog.groups().into_iter().filter(|(group, _)| !group.is_empty()) {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
            }
            paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
            Some(plain(&json!({"paths": paths})))
        }
        ["api" | "apis"] => {
            let core = parts == ["api"];
            if let Some(version) = aggregated(request) {
                let kind = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
                return Some(Response::json(200, &kind, &whole(catalog, core, version)).with("vary", "Accept"));
            }
            if core {
                return Some(plain(&json!({
                    "kind": "APIVersions", "versions": ["v1"],
                    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": format!("{}:443", facts.fqdn)}],
                })));
            }
            let groups: Vec<Value> = catalog.groups().iter().filter(|(g, _)| !g.is_empty()).map(|(g, v)| group(g, v)).collect();
            Some(plain(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})))
        }
        ["apis", name] => {
            let (name, versions) = catalog.groups().into_iter().find(|(g, _)| g == name)?;
            let mut body = json!({"kind": "APIGroup", "apiVersion": "v1"});
            for (field, value) in group(&name, &versions).as_object().into_iter().flatten() {
                body[field] = value.clone();
            }
            Some(plain(&body))
        }
        ["api", version] => resources(catalog, "", version).map(|body| plain(&body)),
        ["apis", group, version] => resources(catalog, group, version).map(|body| plain(&body)),
        _ => None,
    }
}

/// Returns the aggregated version that the client prefers to the plain form.
fn aggregated(request: &Request) -> Option<&'static str> {
    for accepted in request.header("accept").unwrap_or_default().split(',') {
        let has = |wanted: &str| accepted.split(';').any(|p| p.trim() == wanted);
        if !has("application/json") {
            continue;
        }
        if has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io") {
            for version in ["v2", "v2beta1"] {
                if has(&format!("v={version}")) {
                    return Some(version);
                }
            }
        } else if !accepted.contains("as=") {
            return None;
        }
    }
    None
}

fn group(name: &str, versions: &[String]) -> Value {
    let all: Vec<Value> = versions.iter().map(|v| json!({"groupVersion": group_version(name, v), "version": v})).collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

fn of<'a>(catalog: &'a Catalog, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
    catalog.resources.iter().map(AsRef::as_ref).filter(move |r| r.group == group && r.version == version)
}

fn resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    if !catalog.serves(group, version) {
        return None;
    }
    let mut all = Vec::new();
    for r in of(catalog, group, version) {
        let mut entry = json!({"name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind, "verbs": r.verbs});
        if !r.short.is_empty() {
            entry["shortNames"] = json!(r.short);
        }
        if !r.categories.is_empty() {
            entry["categories"] = json!(r.categories);
        }
        if r.verbs.contains(&"get") && r.verbs != ["get", "list"] {
            entry["storageVersionHash"] = json!(storage_hash(r));
        }
        all.push(entry);
        for sub in &r.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", r.plural, sub.name), "singularName": "", "namespaced": r.namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            if !sub.version.is_empty() {
                entry["group"] = json!(sub.group);
                entry["version"] = json!(sub.version);
            }
            all.push(entry);
        }
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version), "resources": all}))
}

/// Returns a hash that changes when objects are stored in another version (apiserver, `discovery.StorageVersionHash`).
fn storage_hash(r: &Resource) -> String {
    // The newer group of events stores the objects of the older one.
    let group = if r.group == "events.k8s.io" { "" } else { &r.group };
    let hash = Sha256::digest(format!("{group}/{}/{}", r.storage, r.kind));
    STANDARD.encode(&hash[..8])
}

fn whole(catalog: &Catalog, core: bool, version: &str) -> Value {
    let items: Vec<Value> = catalog
        .groups()
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|v| {
                    let all: Vec<Value> = of(catalog, group, v).map(entry).collect();
                    json!({"version": v, "resources": all, "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {}, "items": items})
}

fn entry(r: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    // For a built-in kind the group is not repeated.
    let (group, version) = if r.custom.is_some() { (r.group.as_str(), r.version.as_str()) } else { ("", "") };
    let mut out = json!({
        "resource": r.plural, "responseKind": kind(group, version, &r.kind), "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": r.singular, "verbs": r.verbs,
    });
    if !r.short.is_empty() {
        out["shortNames"] = json!(r.short);
    }
    if !r.categories.is_empty() {
        out["categories"] = json!(r.categories);
    }
    if !r.subresources.is_empty() {
        let subs = r.subresources.iter().map(|s| {
            let (group, version) = if s.version.is_empty() { (group, version) } else { (s.group.as_str(), s.version.as_str()) };
            json!({"subresource": s.name, "responseKind": kind(group, version, &s.kind), "verbs": s.verbs})
        });
        out["subresources"] = subs.collect::<Vec<_>>().into();
    }
    out
}
