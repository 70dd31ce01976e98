//! What the API server fills in where a client left it out (kubernetes, `pkg/apis/*/v1/defaults.go`). Knows no store.

mod others;

use super::resource::Resource;
use base64::Engine as _;
use serde_json::{Value, json};

fn set(value: &mut Value, name: &str, default: Value) {
    if let Some(map) = value.as_object_mut() {
        map.entry(name).or_insert(default);
    }
}

pub fn fill(resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => {
            pod_spec(&mut object["spec"]);
            requests(&mut object["spec"]);
            set(&mut object["spec"], "enableServiceLinks", json!(true));
        }
        ("", "Secret") => secret(object),
        ("apps", "Deployment") => {
            let spec = &mut object["spec"];
            set(spec, "replicas", json!(1));
            set(spec, "strategy", json!({}));
            set(&mut spec["strategy"], "type", json!("RollingUpdate"));
            if spec["strategy"]["type"] == "RollingUpdate" {
                set(&mut spec["strategy"], "rollingUpdate", json!({}));
                set(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", json!("25%"));
                set(&mut spec["strategy"]["rollingUpdate"], "maxSurge", json!("25%"));
            }
            set(spec, "revisionHistoryLimit", json!(10));
            set(spec, "progressDeadlineSeconds", json!(600));
            pod_spec(&mut spec["template"]["spec"]);
        }
        ("apps", "DaemonSet") => {
            set(&mut object["metadata"], "annotations", json!({}));
            set(&mut object["metadata"]["annotations"], "deprecated.daemonset.template.generation", json!("1"));
            let spec = &mut object["spec"];
            set(spec, "updateStrategy", json!({}));
            set(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                set(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
                set(&mut spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", json!(1));
                set(&mut spec["updateStrategy"]["rollingUpdate"], "maxSurge", json!(0));
            }
            set(spec, "revisionHistoryLimit", json!(10));
            pod_spec(&mut spec["template"]["spec"]);
        }
        ("apps", "ReplicaSet") => {
            set(&mut object["spec"], "replicas", json!(1));
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            if object["roleRef"].is_object() {
                set(&mut object["roleRef"], "apiGroup", json!("rbac.authorization.k8s.io"));
            }
            for subject in object["subjects"].as_array_mut().into_iter().flatten() {
                if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
                    set(subject, "apiGroup", json!("rbac.authorization.k8s.io"));
                }
            }
        }
        ("apiextensions.k8s.io", _) => {
            let kind = object["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            set(&mut object["spec"], "conversion", json!({"strategy": "None"}));
            set(&mut object["spec"]["names"], "listKind", json!(format!("{kind}List")));
            set(&mut object["spec"]["names"], "singular", json!(kind.to_lowercase()));
        }
        ("storage.k8s.io", "CSIDriver") => {
            let spec = &mut object["spec"];
            set(spec, "attachRequired", json!(true));
            set(spec, "podInfoOnMount", json!(false));
            set(spec, "volumeLifecycleModes", json!(["Persistent"]));
            set(spec, "storageCapacity", json!(false));
            set(spec, "fsGroupPolicy", json!("ReadWriteOnceWithFSType"));
            set(spec, "requiresRepublish", json!(false));
            set(spec, "seLinuxMount", json!(false));
        }
        ("", "Event") => {
            set(object, "source", json!({}));
            for name in ["reportingComponent", "reportingInstance"] {
                set(object, name, json!(""));
            }
        }
        ("", "Namespace") => {
            if let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned).filter(|n| !n.is_empty()) {
                set(&mut object["metadata"], "labels", json!({}));
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
            }
        }
        (group, kind) => others::fill(group, kind, object),
    }
}

fn secret(object: &mut Value) {
    if let Some(text) = object.as_object_mut().and_then(|o| o.shift_remove("stringData")) {
        for (name, value) in text.as_object().into_iter().flatten() {
            if object["data"].is_null() {
                object["data"] = json!({});
            }
            object["data"][name] = json!(base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default()));
        }
    }
    set(object, "type", json!("Opaque"));
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            fill_container(container);
        }
    }
    if spec["initContainers"].is_null() {
        drop_null(spec, "initContainers");
    }
    drop_null(spec, "ephemeralContainers");
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        fill_volume(volume);
    }
    drop_null(spec, "volumes");
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", json!("default-scheduler"));
    // The old name of the field is kept equal.
    match (spec["serviceAccountName"].as_str().map(str::to_owned), spec["serviceAccount"].as_str().map(str::to_owned)) {
        (Some(name), _) => spec["serviceAccount"] = json!(name),
        (None, Some(name)) => spec["serviceAccountName"] = json!(name),
        (None, None) => {
            drop_null(spec, "serviceAccountName");
            drop_null(spec, "serviceAccount");
        }
    }
}

/// What a pod's containers may use at most they also ask for.
fn requests(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(limits) = container["resources"]["limits"].as_object().cloned() else { continue };
            set(&mut container["resources"], "requests", json!({}));
            for (name, limit) in limits {
                set(&mut container["resources"]["requests"], &name, limit);
            }
        }
    }
}

/// Reading by index puts a null where nothing was.
fn drop_null(value: &mut Value, name: &str) {
    if value.get(name).is_some_and(Value::is_null)
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove(name);
    }
}

fn fill_container(container: &mut Value) {
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set(port, "protocol", json!("TCP"));
    }
    for env in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(reference) = env.pointer_mut("/valueFrom/fieldRef") {
            set(reference, "apiVersion", json!("v1"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (name, default) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)] {
            set(probe, name, json!(default));
        }
        if let Some(get) = probe.get_mut("httpGet") {
            set(get, "path", json!("/"));
            set(get, "scheme", json!("HTTP"));
        }
    }
    set(container, "resources", json!({}));
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    let image = container["image"].as_str().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    set(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
    drop_null(container, "image");
}

fn fill_volume(volume: &mut Value) {
    for kind in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(kind) {
            set(source, "defaultMode", json!(420));
        }
    }
    if let Some(source) = volume.get_mut("hostPath") {
        set(source, "type", json!(""));
    }
    for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            set(token, "expirationSeconds", json!(3600));
        }
        for item in source.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(reference) = item.get_mut("fieldRef") {
                set(reference, "apiVersion", json!("v1"));
            }
        }
    }
    if volume.as_object().is_some_and(|v| v.len() == 1) {
        set(volume, "emptyDir", json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::super::resource::Catalog;
    use super::*;

    fn filled(group: &str, plural: &str, mut object: Value) -> Value {
        let resource = Catalog::new(std::iter::empty()).find(group, "v1", plural).unwrap();
        fill(&resource, &mut object);
        object
    }

    #[test]
    fn a_pod_gets_what_every_pod_has() {
        let pod = filled("", "pods", json!({"spec": {"containers": [{"name": "a", "image": "r/i:1", "ports": [{"containerPort": 80}]}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(pod["spec"]["restartPolicy"], "Always");
        assert!(pod["spec"].as_object().unwrap().values().all(|v| !v.is_null()), "{pod}");
    }

    #[test]
    fn string_data_becomes_data() {
        let secret = filled("", "secrets", json!({"stringData": {"a": "b"}}));
        assert_eq!(secret, json!({"data": {"a": "Yg=="}, "type": "Opaque"}));
    }
}
