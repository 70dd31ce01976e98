//! The columns of kinds for networks, storage and limits.

use super::super::resource::Resource;
use super::cells::{AGE, Columns, labels, or_none, selector};
use serde_json::{Value, json};

/// How many items of a list kubectl shows.
const SHOWN: usize = 3;

pub fn columns(resource: &Resource) -> Columns {
    match resource.kind.as_str() {
        "Service" => vec![
            ("Type", "string", 0, |o| o["spec"]["type"].clone()),
            ("Cluster-IP", "string", 0, |o| or_none(&o["spec"]["clusterIPs"][0])),
            ("External-IP", "string", 0, external),
            ("Port(s)", "string", 0, |o| or_none(&json!(ports(o)))),
            AGE,
            ("Selector", "string", 1, |o| labels(&o["spec"]["selector"])),
        ],
        "Endpoints" => vec![("Endpoints", "string", 0, |o| json!(endpoints(o))), AGE],
        "EndpointSlice" => vec![
            ("AddressType", "string", 0, |o| o["addressType"].clone()),
            ("Ports", "string", 0, |o| {
                let port = |p: &Value| p["port"].as_u64().map_or_else(|| p["name"].as_str().unwrap_or("*").to_owned(), |n| n.to_string());
                json!(first(o["ports"].as_array().into_iter().flatten().map(port).collect(), "<unset>"))
            }),
            ("Endpoints", "string", 0, |o| {
                let all = o["endpoints"].as_array().into_iter().flatten();
                let all = all.flat_map(|e| e["addresses"].as_array().into_iter().flatten()).filter_map(Value::as_str);
                json!(first(all.map(str::to_owned).collect(), "<unset>"))
            }),
            AGE,
        ],
        "Ingress" => vec![
            ("Class", "string", 0, |o| or_none(&o["spec"]["ingressClassName"])),
            ("Hosts", "string", 0, |o| {
                let all = o["spec"]["rules"].as_array().into_iter().flatten().filter_map(|r| r["host"].as_str());
                json!(first(all.filter(|h| !h.is_empty()).map(str::to_owned).collect(), "*"))
            }),
            ("Address", "string", 0, |o| json!(balanced(o))),
            ("Ports", "string", 0, |o| json!(if o["spec"]["tls"].is_array() { "80, 443" } else { "80" })),
            AGE,
        ],
        "IngressClass" => vec![
            ("Controller", "string", 0, |o| o["spec"]["controller"].clone()),
            ("Parameters", "string", 0, |o| {
                let parameters = &o["spec"]["parameters"];
                let text = |name: &str| parameters[name].as_str().unwrap_or_default();
                let group = parameters["apiGroup"].as_str().map(|group| format!(".{group}")).unwrap_or_default();
                json!(if parameters.is_object() { format!("{}{group}/{}", text("kind"), text("name")) } else { "<none>".into() })
            }),
            AGE,
        ],
        "NetworkPolicy" => vec![("Pod-Selector", "string", 0, |o| selector(&o["spec"]["podSelector"])), AGE],
        "PodDisruptionBudget" => vec![
            ("Min Available", "string", 0, |o| number_or_share(&o["spec"]["minAvailable"])),
            ("Max Unavailable", "string", 0, |o| number_or_share(&o["spec"]["maxUnavailable"])),
            ("Allowed Disruptions", "integer", 0, |o| json!(o["status"]["disruptionsAllowed"].as_u64().unwrap_or_default())),
            AGE,
        ],
        "PersistentVolumeClaim" => vec![
            ("Status", "string", 0, |o| {
                if o["metadata"]["deletionTimestamp"].is_null() { o["status"]["phase"].clone() } else { json!("Terminating") }
            }),
            ("Volume", "string", 0, |o| json!(o["spec"]["volumeName"].as_str().unwrap_or_default())),
            ("Capacity", "string", 0, |o| bound(o, &o["status"]["capacity"]["storage"])),
            ("Access Modes", "string", 0, |o| {
                let short = |mode: &Value| match mode.as_str() {
                    Some("ReadWriteOnce") => Some("RWO"),
                    Some("ReadOnlyMany") => Some("ROX"),
                    Some("ReadWriteMany") => Some("RWX"),
                    Some("ReadWriteOncePod") => Some("RWOP"),
                    _ => None,
                };
                let modes: Vec<&str> = o["status"]["accessModes"].as_array().into_iter().flatten().filter_map(short).collect();
                bound(o, &json!(modes.join(",")))
            }),
            ("StorageClass", "string", 0, |o| json!(o["spec"]["storageClassName"].as_str().unwrap_or_default())),
            ("VolumeAttributesClass", "string", 0, |o| json!(o["spec"]["volumeAttributesClassName"].as_str().unwrap_or("<unset>"))),
            AGE,
            ("VolumeMode", "string", 1, |o| json!(o["spec"]["volumeMode"].as_str().unwrap_or("<unset>"))),
        ],
        "StorageClass" => vec![
            ("Provisioner", "string", 0, |o| o["provisioner"].clone()),
            ("ReclaimPolicy", "string", 0, |o| json!(o["reclaimPolicy"].as_str().unwrap_or("Delete"))),
            ("VolumeBindingMode", "string", 0, |o| json!(o["volumeBindingMode"].as_str().unwrap_or("Immediate"))),
            ("AllowVolumeExpansion", "string", 0, |o| json!(o["allowVolumeExpansion"] == true)),
            AGE,
        ],
        "ResourceQuota" => vec![("Request", "string", 0, |_| json!("")), ("Limit", "string", 0, |_| json!("")), AGE],
        "LimitRange" => vec![("Created At", "date", 0, |o| o["metadata"]["creationTimestamp"].clone())],
        _ => vec![AGE],
    }
}

fn first(all: Vec<String>, none: &str) -> String {
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(",");
    match all.len() {
        0 => none.to_owned(),
        1..=SHOWN => shown,
        more => format!("{shown} + {} more...", more - SHOWN),
    }
}

fn number_or_share(value: &Value) -> Value {
    match value {
        Value::Null => json!("N/A"),
        Value::String(_) => value.clone(),
        other => json!(other.to_string()),
    }
}

fn bound(claim: &Value, value: &Value) -> Value {
    json!(value.as_str().filter(|_| !claim["spec"]["volumeName"].is_null()).unwrap_or_default())
}

fn balanced(object: &Value) -> String {
    let all = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    all.filter_map(|i| i["ip"].as_str().or_else(|| i["hostname"].as_str())).collect::<Vec<_>>().join(",")
}

fn external(service: &Value) -> Value {
    let own: Vec<&str> = service["spec"]["externalIPs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let all: Vec<String> = [balanced(service), own.join(",")].into_iter().filter(|text| !text.is_empty()).collect();
    json!(match service["spec"]["type"].as_str() {
        Some("ExternalName") => service["spec"]["externalName"].as_str().unwrap_or_default().to_owned(),
        Some("LoadBalancer") if all.is_empty() => "<pending>".into(),
        Some("LoadBalancer") => all.join(","),
        _ if own.is_empty() => "<none>".into(),
        _ => own.join(","),
    })
}

fn ports(service: &Value) -> String {
    let port = |p: &Value| {
        let (port, protocol) = (&p["port"], p["protocol"].as_str().unwrap_or_default());
        match p["nodePort"].as_u64() {
            Some(node) => format!("{port}:{node}/{protocol}"),
            None => format!("{port}/{protocol}"),
        }
    };
    service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>().join(",")
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in object["subsets"].as_array().into_iter().flatten() {
        let addresses: Vec<&str> = subset["addresses"].as_array().into_iter().flatten().filter_map(|a| a["ip"].as_str()).collect();
        match subset["ports"].as_array() {
            Some(ports) => all.extend(ports.iter().flat_map(|p| addresses.iter().map(move |a| format!("{a}:{}", p["port"])))),
            None => all.extend(addresses.iter().map(|a| (*a).to_owned())),
        }
    }
    first(all, "<none>")
}
