//! The columns of each kind, and the values of their cells.

use super::super::resource::Resource;
use super::age::{age, human};
use super::cells::{AGE, Cell, Columns, labels, or_none, selector};
use super::{pods, services};
use serde_json::{Value, json};

fn count(object: &Value, list: &str) -> Value {
    json!(object[list].as_object().map_or(0, serde_json::Map::len))
}

pub fn columns(resource: &Resource) -> Columns {
    const CONTAINERS: (&str, &str, i64, Cell) = ("Containers", "string", 1, |o| containers(o, "name"));
    const IMAGES: (&str, &str, i64, Cell) = ("Images", "string", 1, |o| containers(o, "image"));
    const SELECTOR: (&str, &str, i64, Cell) = ("Selector", "string", 1, |o| selector(&o["spec"]["selector"]));
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pods::columns(),
        ("", "Namespace") => vec![("Status", "string", 0, |o| o["status"]["phase"].clone()), AGE],
        ("", "Secret") => vec![("Type", "string", 0, |o| o["type"].clone()), ("Data", "string", 0, |o| count(o, "data")), AGE],
        ("", "ConfigMap") => {
            let all = |o: &Value| json!(["data", "binaryData"].iter().filter_map(|list| count(o, list).as_u64()).sum::<u64>());
            vec![("Data", "string", 0, all), AGE]
        }
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
        ("", "Node") => nodes(),
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
        ("apps", "StatefulSet") => vec![
            ("Ready", "string", 0, |o| {
                json!(format!("{}/{}", o["status"]["readyReplicas"].as_u64().unwrap_or(0), o["spec"]["replicas"].as_u64().unwrap_or(0)))
            }),
            AGE,
            CONTAINERS,
            IMAGES,
        ],
        ("apps", "ControllerRevision") => vec![
            ("Controller", "string", 0, |o| {
                let owners = o["metadata"]["ownerReferences"].as_array();
                let owner = owners.into_iter().flatten().find(|r| r["controller"] == true);
                json!(owner.map_or("<none>".to_owned(), |r| {
                    let text = |name: &str| r[name].as_str().unwrap_or_default();
                    let group = text("apiVersion").split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
                    format!("{}{group}/{}", text("kind").to_lowercase(), text("name"))
                }))
            }),
            ("Revision", "string", 0, |o| o["revision"].clone()),
            AGE,
        ],
        ("batch", "Job") => vec![
            ("Status", "string", 0, job_status),
            ("Completions", "string", 0, |o| {
                let done = o["status"]["succeeded"].as_u64().unwrap_or_default();
                let most = o["spec"]["parallelism"].as_u64().filter(|p| *p > 1).map(|p| format!("1 of {p}")).unwrap_or("1".into());
                json!(format!("{done}/{}", o["spec"]["completions"].as_u64().map_or(most, |n| n.to_string())))
            }),
            ("Duration", "string", 0, |o| {
                let time = |name: &str| o["status"][name].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
                let end = time("completionTime").unwrap_or_else(jiff::Timestamp::now);
                json!(time("startTime").map(|start| human(end.as_second() - start.as_second())).unwrap_or_default())
            }),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        ("batch", "CronJob") => vec![
            ("Schedule", "string", 0, |o| o["spec"]["schedule"].clone()),
            ("Timezone", "string", 0, |o| or_none(&o["spec"]["timeZone"])),
            ("Suspend", "boolean", 0, |o| {
                json!(match o["spec"]["suspend"].as_bool() {
                    Some(true) => "True",
                    Some(false) => "False",
                    None => "<unset>",
                })
            }),
            ("Active", "integer", 0, |o| json!(o["status"]["active"].as_array().map_or(0, Vec::len))),
            ("Last Schedule", "string", 0, |o| {
                let last = &o["status"]["lastScheduleTime"];
                json!(if last.is_null() { "<none>".into() } else { age(last) })
            }),
            AGE,
            ("Containers", "string", 1, |o| containers(&o["spec"]["jobTemplate"], "name")),
            ("Images", "string", 1, |o| containers(&o["spec"]["jobTemplate"], "image")),
            ("Selector", "string", 1, |o| selector(&o["spec"]["jobTemplate"]["spec"]["selector"])),
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
        _ => services::columns(resource),
    }
}

fn nodes() -> Columns {
    fn address(node: &Value, kind: &str) -> Value {
        let all = node["status"]["addresses"].as_array();
        or_none(all.into_iter().flatten().find(|a| a["type"] == kind).map_or(&Value::Null, |a| &a["address"]))
    }
    fn known(value: &Value) -> Value {
        if value.as_str().is_none_or(str::is_empty) { json!("<unknown>") } else { value.clone() }
    }
    vec![
        ("Status", "string", 0, |o| {
            let ready = o["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
            let status = ready.map_or("Unknown", |c| if c["status"] == "True" { "Ready" } else { "NotReady" });
            json!(if o["spec"]["unschedulable"] == true { format!("{status},SchedulingDisabled") } else { status.to_owned() })
        }),
        ("Roles", "string", 0, |o| {
            let labels = o["metadata"]["labels"].as_object();
            let mut roles: Vec<&str> = labels
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| match name.strip_prefix("node-role.kubernetes.io/") {
                    Some(role) => Some(role),
                    None => value.as_str().filter(|_| name == "kubernetes.io/role"),
                })
                .filter(|role| !role.is_empty())
                .collect();
            roles.sort_unstable();
            roles.dedup();
            or_none(&json!(roles.join(",")))
        }),
        AGE,
        ("Version", "string", 0, |o| o["status"]["nodeInfo"]["kubeletVersion"].clone()),
        ("Internal-IP", "string", 1, |o| address(o, "InternalIP")),
        ("External-IP", "string", 1, |o| address(o, "ExternalIP")),
        ("OS-Image", "string", 1, |o| known(&o["status"]["nodeInfo"]["osImage"])),
        ("Kernel-Version", "string", 1, |o| known(&o["status"]["nodeInfo"]["kernelVersion"])),
        ("Container-Runtime", "string", 1, |o| known(&o["status"]["nodeInfo"]["containerRuntimeVersion"])),
    ]
}

fn job_status(job: &Value) -> Value {
    let has = |kind: &str| job["status"]["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True");
    json!(match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if !job["metadata"]["deletionTimestamp"].is_null() => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    })
}

pub fn containers(object: &Value, field: &str) -> Value {
    let all = object["spec"]["template"]["spec"]["containers"].as_array();
    let all: Vec<&str> = all.into_iter().flatten().filter_map(|c| c[field].as_str()).collect();
    json!(all.join(","))
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let all = binding["subjects"].as_array().into_iter().flatten().filter(|s| s["kind"] == kind);
    let all: Vec<String> = all
        .map(|s| {
            let text = |name: &str| s[name].as_str().unwrap_or_default();
            if kind == "ServiceAccount" { format!("{}/{}", text("namespace"), text("name")) } else { text("name").to_owned() }
        })
        .collect();
    json!(all.join(", "))
}
