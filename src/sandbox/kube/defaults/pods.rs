//! Defaults of a pod's spec, in a pod or in the template of a workload.

use super::fields::{drop_null, set};
use serde_json::{Value, json};

pub fn pod_spec(spec: &mut Value) {
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
    // The deprecated field has the same value.
    match (spec["serviceAccountName"].as_str().map(str::to_owned), spec["serviceAccount"].as_str().map(str::to_owned)) {
        (Some(name), _) => spec["serviceAccount"] = json!(name),
        (None, Some(name)) => spec["serviceAccountName"] = json!(name),
        (None, None) => {
            drop_null(spec, "serviceAccountName");
            drop_null(spec, "serviceAccount");
        }
    }
}

/// Sets the requests of containers that only have limits.
pub fn requests(spec: &mut Value) {
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
