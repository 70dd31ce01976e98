//! Discovery in all its forms, and OpenAPI. A real API server serves more kinds; for the kinds of the sandbox both must answer the same. The
//! snapshots were recorded from a real server (`PODID_RECORD=1`).

use crate::common::both::Side;
use crate::common::cluster::Cluster;
use crate::common::{same, yaml};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The sandbox serves these read-only, because it does not enforce such limits.
const READ_ONLY: [&str; 2] = ["limitranges", "resourcequotas"];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

fn get(cluster: &Cluster, path: &str, accept: &str) -> Value {
    cluster.ask("GET", path, &[("accept".to_owned(), accept.to_owned())], None).ok()
}

fn hold(side: Side, file: &str, told: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api").join(file);
    if side == Side::ControlPlane && std::env::var_os("PODID_RECORD").is_some() {
        std::fs::write(&path, told).unwrap();
        return;
    }
    same(&format!("{file}: - as recorded from a real API server, + now"), &std::fs::read_to_string(&path).unwrap(), told);
}

/// Returns group/version and plural, with the subresources, of all that the sandbox serves.
fn served() -> BTreeMap<(String, String), BTreeSet<String>> {
    let sandbox = Cluster::shared(Side::Sandbox);
    let mut out = BTreeMap::new();
    for (version, resource) in ["/api", "/apis"].into_iter().flat_map(|path| entries(&get(sandbox, path, AGGREGATED))) {
        let subs = resource["subresources"].as_array().into_iter().flatten().map(|s| text(&s["subresource"])).collect();
        out.insert((version, text(&resource["resource"])), subs);
    }
    out
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the resources of an aggregated document, each with its `group/version`.
fn entries(document: &Value) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for group in document["items"].as_array().into_iter().flatten() {
        for version in group["versions"].as_array().into_iter().flatten() {
            let name = match group["metadata"]["name"].as_str() {
                Some(group) => format!("{group}/{}", text(&version["version"])),
                None => text(&version["version"]),
            };
            // Another tape that defines a kind may be running.
            if name.contains(".podid.test/") {
                continue;
            }
            out.extend(version["resources"].as_array().into_iter().flatten().map(|r| (name.clone(), r.clone())));
        }
    }
    out
}

pub fn resources(side: Side) {
    let (cluster, served) = (Cluster::shared(side), served());
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for (version, mut resource) in ["/api", "/apis"].into_iter().flat_map(|path| entries(&get(cluster, path, AGGREGATED))) {
        let name = text(&resource["resource"]);
        let Some(subs) = served.get(&(version.clone(), name.clone())).filter(|_| !READ_ONLY.contains(&name.as_str())) else { continue };
        let mut list: Vec<Value> = resource["subresources"].as_array().cloned().unwrap_or_default();
        list.retain(|s| subs.contains(&text(&s["subresource"])));
        list.sort_by_key(|s| text(&s["subresource"]));
        resource.as_object_mut().unwrap().shift_remove("subresources");
        if !list.is_empty() {
            resource["subresources"] = json!(list);
        }
        told.insert(format!("{version} {name}"), resource);
    }
    hold(side, "discovery.yaml", &yaml::print(&json!(told)));
}

pub fn old_resources(side: Side) {
    let (cluster, served) = (Cluster::shared(side), served());
    let versions: BTreeSet<&String> = served.keys().map(|(version, _)| version).collect();
    let mut told = BTreeMap::new();
    for version in versions {
        let path = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        let list = get(cluster, &path, "application/json");
        for resource in list["resources"].as_array().unwrap() {
            let name = text(&resource["name"]);
            let (plural, sub) = name.split_once('/').unwrap_or((&name, ""));
            let known = served.get(&(version.clone(), plural.to_owned())).is_some_and(|subs| sub.is_empty() || subs.contains(sub));
            if known && !READ_ONLY.contains(&plural) {
                let mut resource = resource.clone();
                // This hash depends on the stored group, version and kind, which differ in the sandbox.
                resource.as_object_mut().unwrap().shift_remove("storageVersionHash");
                told.insert(format!("{version} {name}"), resource);
            }
        }
    }
    hold(side, "discovery-old.yaml", &yaml::print(&json!(told)));
}

pub fn groups(side: Side) {
    let (cluster, served) = (Cluster::shared(side), served());
    let known: BTreeSet<&str> = served.keys().filter_map(|(version, _)| Some(version.split_once('/')?.0)).collect();
    let all = get(cluster, "/apis", "application/json");
    let mut told = BTreeMap::new();
    for group in all["groups"].as_array().unwrap().iter().filter(|g| known.contains(g["name"].as_str().unwrap())) {
        let name = text(&group["name"]);
        let mut group = group.clone();
        if let Some(versions) = group["versions"].as_array_mut() {
            versions.retain(|v| served.keys().any(|(version, _)| *version == text(&v["groupVersion"])));
        }
        let mut alone = get(cluster, &format!("/apis/{name}"), "application/json");
        alone["versions"] = group["versions"].clone();
        told.insert(name, json!({"in the list": group, "alone": alone}));
    }
    hold(side, "discovery-groups.yaml", &yaml::print(&json!(told)));
}

/// Compares paths with their methods, and types with their fields.
pub fn openapi(side: Side) {
    let cluster = Cluster::shared(side);
    let sandbox = Cluster::shared(Side::Sandbox);
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let documents = get(sandbox, "/openapi/v3", "application/json");
    for name in documents["paths"].as_object().unwrap().keys().filter(|name| !name.contains(".podid.test/")) {
        let path = format!("/openapi/v3/{name}");
        // a real server describes a new definition a moment after it serves it
        crate::common::until("the server describes the group", || {
            let accept = [("accept".to_owned(), "application/json".to_owned())];
            (cluster.ask("GET", &path, &accept, None).status == 200).then_some(())
        });
        let (known, document) = (get(sandbox, &path, "application/json"), get(cluster, &path, "application/json"));
        let methods: Map<String, Value> = known["paths"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, known)| (path.clone(), operations(known, &document["paths"][path])))
            .collect();
        // The names of types contain Go packages, which the sandbox does not imitate: only the last part is compared.
        let named: BTreeMap<&str, &Value> =
            document["components"]["schemas"].as_object().unwrap().iter().map(|(name, schema)| (last(name), schema)).collect();
        let wanted: BTreeSet<&str> = known["components"]["schemas"].as_object().unwrap().keys().map(|name| last(name)).collect();
        let types: Map<String, Value> = wanted
            .iter()
            .map(|name| ((*name).to_owned(), json!(named.get(name).map_or("(none)".to_owned(), |schema| fields(schema, &named)))))
            .collect();
        told.insert(name.clone(), json!({"paths": methods, "types": types}));
    }
    hold(side, "openapi.yaml", &yaml::print(&json!(told)));
}

fn last(name: &str) -> &str {
    match name.rsplit('.').next().unwrap_or_default() {
        // Where two packages have a type of the same name, the sandbox renames one.
        "SliceEndpoint" => "Endpoint",
        "SlicePort" => "EndpointPort",
        "EventsEventSeries" => "EventSeries",
        "CSITokenRequest" => "TokenRequest",
        name => name,
    }
}

fn operations(known: &Value, there: &Value) -> Value {
    let mut out = Map::new();
    for method in ["get", "put", "post", "delete", "patch"] {
        if known[method].is_object() {
            let kind = &there[method]["x-kubernetes-group-version-kind"];
            let kind = format!("{}/{} {}", text(&kind["group"]), text(&kind["version"]), text(&kind["kind"]));
            out.insert(method.to_owned(), json!(format!("{} {kind}", text(&there[method]["x-kubernetes-action"]))));
        }
    }
    Value::Object(out)
}

/// Formats fields in one line: `name:type`, with `!` for required ones.
fn fields(schema: &Value, named: &BTreeMap<&str, &Value>) -> String {
    let due: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let all: BTreeMap<&String, &Value> = schema["properties"].as_object().into_iter().flatten().collect();
    if all.is_empty() {
        return kind(schema, named);
    }
    let one =
        |(name, of): (&&String, &&Value)| format!("{name}:{}{}", kind(of, named), if due.contains(&name.as_str()) { "!" } else { "" });
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Resolves a reference to a type without fields.
fn kind(of: &Value, named: &BTreeMap<&str, &Value>) -> String {
    let of = if of["allOf"].is_array() { &of["allOf"][0] } else { of };
    if let Some(reference) = of["$ref"].as_str() {
        let name = last(reference);
        return match named.get(name).filter(|schema| schema["properties"].as_object().is_none_or(Map::is_empty)) {
            Some(schema) => kind(schema, named),
            None => name.to_owned(),
        };
    }
    match (of["type"].as_str(), of["format"].as_str()) {
        (Some("array"), _) => format!("[{}]", kind(&of["items"], named)),
        (Some("object"), _) if of["additionalProperties"].is_object() => format!("{{{}}}", kind(&of["additionalProperties"], named)),
        (Some("object"), _) if of["properties"].as_object().is_some_and(|all| !all.is_empty()) => format!("({})", fields(of, named)),
        (None | Some("object"), _) | (_, Some("int-or-string")) => "any".to_owned(),
        (Some(name), Some(format)) => format!("{name}/{format}"),
        (Some(name), None) => name.to_owned(),
    }
}
