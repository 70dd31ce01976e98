//! Lists as kubectl prints them: `Table` objects with the columns of each kind (kubernetes, `pkg/printers/internalversion`), or of its CRD.

use super::resource::Resource;
use serde_json::{Value, json};

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// What goes with each row: `Metadata` (default), `Object`, `None`.
pub fn table(resource: &Resource, objects: &[Value], metadata: Value, include: &str) -> Value {
    let rows: Vec<Value> = objects.iter().map(|object| row(resource, object, include)).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns(resource), "rows": rows})
}

pub fn row(resource: &Resource, object: &Value, include: &str) -> Value {
    let shown = match include {
        // an item of a list does not repeat its kind, a row does
        "Object" => {
            let mut object = object.clone();
            super::prepare::stamp(resource, &mut object);
            object
        }
        "None" => Value::Null,
        _ => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]}),
    };
    json!({"cells": cells(resource, object), "object": shown})
}

fn column(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
}

pub fn columns(resource: &Resource) -> Vec<Value> {
    let mut out = vec![column("Name", "string", "name", NAME, 0)];
    if resource.custom.is_some() {
        for c in custom_columns(resource) {
            let path = c["jsonPath"].as_str().unwrap_or_default();
            let description = c["description"]
                .as_str()
                .map_or_else(|| format!("Custom resource definition column (in JSONPath format): {path}"), str::to_owned);
            let text = |name: &str| c[name].as_str().unwrap_or_default().to_owned();
            out.push(column(&text("name"), &text("type"), &text("format"), &description, c["priority"].as_i64().unwrap_or_default()));
        }
        return out;
    }
    out.extend(
        plan(resource).iter().map(|(name, kind, priority, _)| column(name, kind, if *name == "Name" { "name" } else { "" }, "", *priority)),
    );
    if resource.kind == "Event" {
        out.remove(0);
    }
    out
}

fn custom_columns(resource: &Resource) -> Vec<Value> {
    let own = resource.custom.as_ref().and_then(|v| v["additionalPrinterColumns"].as_array().cloned()).unwrap_or_default();
    if own.is_empty() {
        vec![json!({"name": "Age", "type": "date", "description": CREATED, "jsonPath": ".metadata.creationTimestamp"})]
    } else {
        own
    }
}

fn cells(resource: &Resource, object: &Value) -> Vec<Value> {
    let mut out = vec![object["metadata"]["name"].clone()];
    if resource.custom.is_some() {
        out.extend(custom_columns(resource).iter().map(|c| {
            let value = path(object, c["jsonPath"].as_str().unwrap_or_default());
            match (c["type"].as_str(), value) {
                (Some("date"), value) => json!(age(&value)),
                (Some("string"), Value::Number(n)) => json!(n.to_string()),
                (_, value) => value,
            }
        }));
        return out;
    }
    out.extend(plan(resource).iter().map(|(.., cell)| cell(object)));
    if resource.kind == "Event" {
        out.remove(0);
    }
    out
}

/// A JSONPath of names only, as printer columns have them.
fn path(object: &Value, path: &str) -> Value {
    path.trim_start_matches('.').split('.').fold(object, |value, name| &value[name]).clone()
}

type Cell = fn(&Value) -> Value;
type Plan = Vec<(&'static str, &'static str, i64, Cell)>;

fn created(object: &Value) -> Value {
    json!(age(&object["metadata"]["creationTimestamp"]))
}

fn count(object: &Value, list: &str) -> Value {
    json!(object[list].as_object().map_or(0, serde_json::Map::len))
}

fn plan(resource: &Resource) -> Plan {
    const AGE: (&str, &str, i64, Cell) = ("Age", "string", 0, created);
    const CONTAINERS: (&str, &str, i64, Cell) = ("Containers", "string", 1, |o| containers(o, "name"));
    const IMAGES: (&str, &str, i64, Cell) = ("Images", "string", 1, |o| containers(o, "image"));
    const SELECTOR: (&str, &str, i64, Cell) = ("Selector", "string", 1, |o| labels(&o["spec"]["selector"]["matchLabels"]));
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => vec![
            ("Ready", "string", 0, |o| {
                let all = o["spec"]["containers"].as_array().map_or(0, Vec::len);
                let ready = o["status"]["containerStatuses"].as_array().into_iter().flatten().filter(|s| s["ready"] == true).count();
                json!(format!("{ready}/{all}"))
            }),
            ("Status", "string", 0, pod_status),
            ("Restarts", "string", 0, |o| {
                let all: u64 =
                    o["status"]["containerStatuses"].as_array().into_iter().flatten().filter_map(|s| s["restartCount"].as_u64()).sum();
                json!(all.to_string())
            }),
            AGE,
            ("IP", "string", 1, |o| some(&o["status"]["podIP"])),
            ("Node", "string", 1, |o| some(&o["spec"]["nodeName"])),
            ("Nominated Node", "string", 1, |o| some(&o["status"]["nominatedNodeName"])),
            ("Readiness Gates", "string", 1, |_| json!("<none>")),
        ],
        ("", "Namespace") => vec![("Status", "string", 0, |o| o["status"]["phase"].clone()), AGE],
        ("", "Secret") => vec![("Type", "string", 0, |o| o["type"].clone()), ("Data", "string", 0, |o| count(o, "data")), AGE],
        ("", "ConfigMap") => vec![("Data", "string", 0, |o| count(o, "data")), AGE],
        ("", "ServiceAccount") => vec![("Secrets", "string", 0, |o| json!(o["secrets"].as_array().map_or(0, Vec::len))), AGE],
        (_, "Event") => vec![
            ("Last Seen", "string", 0, |o| {
                let last = ["lastTimestamp", "deprecatedLastTimestamp", "eventTime"].iter().map(|f| &o[*f]).find(|t| t.is_string());
                json!(age(last.unwrap_or(&o["metadata"]["creationTimestamp"])))
            }),
            ("Type", "string", 0, |o| o["type"].clone()),
            ("Reason", "string", 0, |o| o["reason"].clone()),
            ("Object", "string", 0, |o| {
                let about = if o["involvedObject"].is_object() { &o["involvedObject"] } else { &o["regarding"] };
                let text = |name: &str| about[name].as_str().unwrap_or_default().to_lowercase();
                json!(format!("{}/{}", text("kind"), text("name")))
            }),
            ("Subobject", "string", 1, |o| json!(o["involvedObject"]["fieldPath"].as_str().unwrap_or_default())),
            ("Source", "string", 1, |o| {
                let first =
                    |paths: [&Value; 3]| paths.iter().find_map(|p| p.as_str().filter(|t| !t.is_empty())).unwrap_or_default().to_owned();
                let component = first([&o["source"]["component"], &o["reportingComponent"], &o["reportingController"]]);
                let instance = first([&o["source"]["host"], &o["reportingInstance"], &Value::Null]);
                json!(if instance.is_empty() { component } else { format!("{component}, {instance}") })
            }),
            ("Message", "string", 0, |o| {
                let text = o["message"].as_str().or_else(|| o["note"].as_str()).unwrap_or_default();
                json!(text.trim())
            }),
            ("First Seen", "string", 1, |o| {
                let first = ["firstTimestamp", "eventTime"].iter().map(|f| &o[*f]).find(|t| t.is_string());
                json!(age(first.unwrap_or(&o["metadata"]["creationTimestamp"])))
            }),
            ("Count", "string", 1, |o| json!(o["count"].as_u64().unwrap_or(1))),
            ("Name", "string", 1, |o| o["metadata"]["name"].clone()),
        ],
        ("", "Node") => vec![
            ("Status", "string", 0, |o| {
                let ready =
                    o["status"]["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
                json!(if ready { "Ready" } else { "NotReady" })
            }),
            ("Roles", "string", 0, |_| json!("<none>")),
            AGE,
            ("Version", "string", 0, |o| o["status"]["nodeInfo"]["kubeletVersion"].clone()),
            ("Internal-IP", "string", 1, |o| {
                let all = o["status"]["addresses"].as_array();
                some(all.into_iter().flatten().find(|a| a["type"] == "InternalIP").map_or(&Value::Null, |a| &a["address"]))
            }),
            ("External-IP", "string", 1, |_| json!("<none>")),
            ("OS-Image", "string", 1, |o| o["status"]["nodeInfo"]["osImage"].clone()),
            ("Kernel-Version", "string", 1, |o| o["status"]["nodeInfo"]["kernelVersion"].clone()),
            ("Container-Runtime", "string", 1, |o| o["status"]["nodeInfo"]["containerRuntimeVersion"].clone()),
        ],
        ("apps", "Deployment") => vec![
            ("Ready", "string", 0, |o| {
                json!(format!("{}/{}", o["status"]["readyReplicas"].as_u64().unwrap_or(0), o["spec"]["replicas"].as_u64().unwrap_or(0)))
            }),
            ("Up-to-date", "string", 0, |o| json!(o["status"]["updatedReplicas"].as_u64().unwrap_or(0))),
            ("Available", "string", 0, |o| json!(o["status"]["availableReplicas"].as_u64().unwrap_or(0))),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        ("apps", "ReplicaSet") => vec![
            ("Desired", "integer", 0, |o| json!(o["spec"]["replicas"].as_u64().unwrap_or(0))),
            ("Current", "integer", 0, |o| json!(o["status"]["replicas"].as_u64().unwrap_or(0))),
            ("Ready", "integer", 0, |o| json!(o["status"]["readyReplicas"].as_u64().unwrap_or(0))),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        ("apps", "DaemonSet") => vec![
            ("Desired", "integer", 0, |o| json!(o["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0))),
            ("Current", "integer", 0, |o| json!(o["status"]["currentNumberScheduled"].as_u64().unwrap_or(0))),
            ("Ready", "integer", 0, |o| json!(o["status"]["numberReady"].as_u64().unwrap_or(0))),
            ("Up-to-date", "integer", 0, |o| json!(o["status"]["updatedNumberScheduled"].as_u64().unwrap_or(0))),
            ("Available", "integer", 0, |o| json!(o["status"]["numberAvailable"].as_u64().unwrap_or(0))),
            ("Node Selector", "string", 0, |o| labels(&o["spec"]["template"]["spec"]["nodeSelector"])),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
            vec![("Created At", "date", 0, |o| o["metadata"]["creationTimestamp"].clone())]
        }
        ("rbac.authorization.k8s.io", _) => vec![
            ("Role", "string", 0, |o| {
                let reference = &o["roleRef"];
                json!(format!("{}/{}", reference["kind"].as_str().unwrap_or_default(), reference["name"].as_str().unwrap_or_default()))
            }),
            AGE,
            ("Users", "string", 1, |o| subjects(o, "User")),
            ("Groups", "string", 1, |o| subjects(o, "Group")),
            ("ServiceAccounts", "string", 1, |o| subjects(o, "ServiceAccount")),
        ],
        ("apiextensions.k8s.io", _) => vec![("Created At", "date", 0, |o| o["metadata"]["creationTimestamp"].clone())],
        ("storage.k8s.io", _) => vec![
            ("AttachRequired", "boolean", 0, |o| json!(o["spec"]["attachRequired"] == true)),
            ("PodInfoOnMount", "boolean", 0, |o| json!(o["spec"]["podInfoOnMount"] == true)),
            ("StorageCapacity", "boolean", 0, |o| json!(o["spec"]["storageCapacity"] == true)),
            ("TokenRequests", "string", 0, |o| {
                let all: Vec<&str> =
                    o["spec"]["tokenRequests"].as_array().into_iter().flatten().filter_map(|t| t["audience"].as_str()).collect();
                json!(if all.is_empty() { "<unset>".into() } else { all.join(",") })
            }),
            ("RequiresRepublish", "boolean", 0, |o| json!(o["spec"]["requiresRepublish"] == true)),
            ("Modes", "string", 0, |o| {
                let all: Vec<&str> = o["spec"]["volumeLifecycleModes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                json!(all.join(","))
            }),
            AGE,
        ],
        ("coordination.k8s.io", _) => vec![("Holder", "string", 0, |o| o["spec"]["holderIdentity"].clone()), AGE],
        _ => vec![AGE],
    }
}

fn containers(object: &Value, field: &str) -> Value {
    let all = object["spec"]["template"]["spec"]["containers"].as_array();
    let all: Vec<&str> = all.into_iter().flatten().filter_map(|c| c[field].as_str()).collect();
    json!(all.join(","))
}

fn labels(value: &Value) -> Value {
    let all: Vec<String> =
        value.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    json!(if all.is_empty() { "<none>".to_owned() } else { all.join(",") })
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let all = binding["subjects"].as_array().into_iter().flatten().filter(|s| s["kind"] == kind);
    let all: Vec<String> = all
        .map(|s| {
            let name = s["name"].as_str().unwrap_or_default();
            s["namespace"].as_str().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
        })
        .collect();
    json!(all.join(", "))
}

fn some(value: &Value) -> Value {
    if value.as_str().is_none_or(str::is_empty) { json!("<none>") } else { value.clone() }
}

fn pod_status(pod: &Value) -> Value {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return json!("Terminating");
    }
    let states = pod["status"]["containerStatuses"].as_array();
    let waiting = states.into_iter().flatten().find_map(|s| s["state"]["waiting"]["reason"].as_str());
    let ended = states.into_iter().flatten().find_map(|s| s["state"]["terminated"]["reason"].as_str());
    let reason = pod["status"]["reason"].as_str();
    json!(waiting.or(ended).or(reason).or_else(|| pod["status"]["phase"].as_str()).unwrap_or("Unknown"))
}

/// As kubectl says how long ago something was (apimachinery, `duration.HumanDuration`).
fn age(time: &Value) -> String {
    let Some(then) = time.as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok()) else { return "<unknown>".into() };
    human(jiff::Timestamp::now().as_second() - then.as_second())
}

fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with =
        |n: i64, unit: &str, rest: i64, small: &str| if rest == 0 { format!("{n}{unit}") } else { format!("{n}{unit}{rest}{small}") };
    match seconds {
        ..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10800 => format!("{minutes}m"),
        10800..28800 => with(hours, "h", minutes % 60, "m"),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_kubectl_tells_them() {
        let told: Vec<String> = [5, 119, 125, 660, 10860, 90000, 200_000].into_iter().map(human).collect();
        assert_eq!(told, ["5s", "119s", "2m5s", "11m", "3h1m", "25h", "2d7h"]);
    }
}
