//! Validates objects of built-in kinds, on their own and against their former state (kubernetes, `pkg/apis/*/validation`), as far as the
//! sandbox needs it. Does not use the store.

use super::names;
use super::resource::{self, Resource};
use super::status::Cause;
use super::typed::equal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const IMMUTABLE: &str = "field is immutable";

/// Validates a new or updated object.
pub fn causes(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut out = Vec::new();
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => pod_spec(&object["spec"], "spec", &mut out),
        ("", "Secret" | "ConfigMap") => {
            for name in object["data"].as_object().into_iter().flatten().map(|(name, _)| name) {
                if object["binaryData"].get(name).is_some() {
                    let message = "duplicate of key present in binaryData";
                    out.push(Cause::invalid(&format!("data[{name}]"), &json!(name), message));
                }
                let ok = !name.is_empty() && name.len() <= 253 && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
                if !ok || name == "." || name == ".." {
                    let message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                    out.push(Cause::invalid(&format!("data[{name}]"), &json!(name), message));
                }
            }
            let due: &[&str] = match object["type"].as_str() {
                Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
                Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
                Some("kubernetes.io/dockercfg") => &[".dockercfg"],
                Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
                _ => &[],
            };
            out.extend(
                due.iter().filter(|key| object["data"].get(**key).is_none()).map(|key| Cause::required(&format!("data[{key}]"), "")),
            );
        }
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => workload(object, &mut out),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => role(object, resource.namespaced, &mut out),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            subjects(object, resource.namespaced, &mut out);
            let reference = &object["roleRef"];
            let kinds: &[&str] = if resource.kind == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
            if !kinds.iter().any(|k| reference["kind"] == *k) {
                let kinds: Vec<String> = kinds.iter().map(|k| (*k).to_owned()).collect();
                out.push(Cause::unsupported("roleRef.kind", &json!(reference["kind"].as_str().unwrap_or_default()), &kinds));
            }
            if reference["name"].as_str().unwrap_or_default().is_empty() {
                out.push(Cause::required("roleRef.name", ""));
            }
        }
        ("apiextensions.k8s.io", _) => {
            let spec = &object["spec"];
            let wanted = format!("{}.{}", spec["names"]["plural"].as_str().unwrap_or_default(), spec["group"].as_str().unwrap_or_default());
            if object["metadata"]["name"] != wanted.as_str() {
                out.push(Cause::invalid("metadata.name", &object["metadata"]["name"], "must be spec.names.plural+\".\"+spec.group"));
            }
            if resource::protected(spec["group"].as_str().unwrap_or_default())
                && object["metadata"]["annotations"][resource::APPROVED].is_null()
            {
                let field = format!("metadata.annotations[{}]", resource::APPROVED);
                let why = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
                out.push(Cause::required(&field, why));
            }
            let stored = spec["versions"].as_array().into_iter().flatten().filter(|v| v["storage"] == true).count();
            if stored != 1 {
                out.push(Cause::invalid("spec.versions", &spec["versions"], "must have exactly one version marked as storage version"));
            }
        }
        ("", "Event") => {
            let about = object["involvedObject"]["namespace"].as_str().unwrap_or_default();
            let is = object["metadata"]["namespace"].as_str().unwrap_or_default();
            if about != is && !(about.is_empty() && is == "default") {
                out.push(Cause::invalid("involvedObject.namespace", &json!(about), "does not match event.namespace"));
            }
        }
        _ => {}
    }
    out
}

/// Validates a change: some fields are immutable.
pub fn changes(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let mut out = Vec::new();
    let mut fixed = |path: &str, field: &str| {
        let (was, is) = (old.pointer(path).unwrap_or(&Value::Null), new.pointer(path).unwrap_or(&Value::Null));
        if !equal(was, is) {
            out.push(Cause::invalid(field, is, IMMUTABLE));
        }
    };
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Secret") => {
            fixed("/type", "type");
            if old["immutable"] == true {
                frozen(old, new, &mut out);
            }
        }
        ("", "ConfigMap") if old["immutable"] == true => frozen(old, new, &mut out),
        ("", "Service") => {
            let is = &new["spec"]["clusterIPs"][0];
            let was = &old["spec"]["clusterIPs"][0];
            let external = new["spec"]["type"] == "ExternalName" || old["spec"]["type"] == "ExternalName";
            if !external && (was != is || new["spec"]["clusterIP"] != *is) {
                out.push(Cause::invalid("spec.clusterIPs[0]", &json!([new["spec"]["clusterIP"]]), "may not change once set"));
            }
        }
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") => fixed("/spec/selector", "spec.selector"),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") if !equal(&old["roleRef"], &new["roleRef"]) => {
            // The server prints the field names of its Go struct.
            let reference = &new["roleRef"];
            let shown = json!({"APIGroup": reference["apiGroup"], "Kind": reference["kind"], "Name": reference["name"]});
            out.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
        }
        ("", "Pod") => {
            let fixed = |pod: &Value| {
                let mut spec = pod["spec"].clone();
                for list in ["containers", "initContainers"] {
                    for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                        container["image"] = Value::Null;
                    }
                }
                for name in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"] {
                    if let Some(spec) = spec.as_object_mut() {
                        spec.shift_remove(name);
                    }
                }
                spec
            };
            if !equal(&fixed(old), &fixed(new))
                || (!old["spec"]["nodeName"].is_null() && old["spec"]["nodeName"] != new["spec"]["nodeName"])
            {
                let allowed = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
                out.push(Cause::forbidden("spec", allowed));
            }
        }
        _ => {}
    }
    out
}

fn frozen(old: &Value, new: &Value, out: &mut Vec<Cause>) {
    if new["immutable"] != true {
        out.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    if !equal(&old["data"], &new["data"]) {
        out.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
    }
}

fn role(object: &Value, namespaced: bool, out: &mut Vec<Cause>) {
    for (i, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
        let none = |name: &str| rule[name].as_array().is_none_or(Vec::is_empty);
        let at = |name: &str| format!("rules[{i}].{name}");
        if none("verbs") {
            out.push(Cause::required(&at("verbs"), "verbs must contain at least one value"));
        }
        if !none("nonResourceURLs") {
            let mut invalid = |why: &str| out.push(Cause::invalid(&at("nonResourceURLs"), &rule["nonResourceURLs"], why));
            if namespaced {
                invalid("namespaced rules cannot apply to non-resource URLs");
            }
            if !none("apiGroups") || !none("resources") || !none("resourceNames") {
                invalid("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if none("apiGroups") {
            out.push(Cause::required(&at("apiGroups"), "resource rules must supply at least one api group"));
        }
        if none("resources") {
            out.push(Cause::required(&at("resources"), "resource rules must supply at least one resource"));
        }
    }
}

fn subjects(object: &Value, namespaced: bool, out: &mut Vec<Cause>) {
    for (i, subject) in object["subjects"].as_array().into_iter().flatten().enumerate() {
        let at = |name: &str| format!("subjects[{i}].{name}");
        let text = |name: &str| subject[name].as_str().unwrap_or_default();
        if text("name").is_empty() {
            out.push(Cause::required(&at("name"), ""));
        }
        match text("kind") {
            "ServiceAccount" => {
                out.extend(names::subdomain(text("name")).iter().map(|w| Cause::invalid(&at("name"), &subject["name"], w)));
                if !namespaced && text("namespace").is_empty() {
                    out.push(Cause::required(&at("namespace"), ""));
                }
            }
            "User" | "Group" => {}
            other => {
                let kinds = ["ServiceAccount", "User", "Group"].map(str::to_owned);
                out.push(Cause::unsupported(&at("kind"), &json!(other), &kinds));
            }
        }
    }
}

fn workload(object: &Value, out: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let selector = spec["selector"]["matchLabels"].as_object();
    let labels = &spec["template"]["metadata"]["labels"];
    if spec["selector"].is_null() {
        out.push(Cause::required("spec.selector", ""));
    } else if selector.is_none_or(serde_json::Map::is_empty) && spec["selector"]["matchExpressions"].is_null() {
        out.push(Cause::invalid("spec.selector", &json!({}), "empty selector is invalid for deployment"));
    } else if selector.into_iter().flatten().any(|(name, value)| labels.get(name) != Some(value)) {
        out.push(Cause::invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
    }
    out.extend(names::labels(labels, "spec.template.labels"));
    pod_spec(&spec["template"]["spec"], "spec.template.spec", out);
    if object["kind"] != "ReplicaSet" || !spec["template"].is_null() {
        let policy = &spec["template"]["spec"]["restartPolicy"];
        if !policy.is_null() && policy != "Always" {
            out.push(Cause::unsupported("spec.template.spec.restartPolicy", policy, &["Always".to_owned()]));
        }
    }
}

fn pod_spec(spec: &Value, at: &str, out: &mut Vec<Cause>) {
    let list = |name: &str| spec[name].as_array().cloned().unwrap_or_default();
    let mut volumes = BTreeSet::new();
    for (i, volume) in list("volumes").iter().enumerate() {
        let name = volume["name"].as_str().unwrap_or_default();
        let field = format!("{at}.volumes[{i}].name");
        if name.is_empty() {
            out.push(Cause::required(&field, ""));
        } else {
            out.extend(names::label(name).iter().map(|w| Cause::invalid(&field, &json!(name), w)));
        }
        if !volumes.insert(name.to_owned()) {
            out.push(Cause::duplicate(&field, &json!(name)));
        }
    }
    if list("containers").is_empty() {
        out.push(Cause::required(&format!("{at}.containers"), ""));
    }
    for kind in ["containers", "initContainers"] {
        let mut seen = BTreeSet::new();
        for (i, container) in list(kind).iter().enumerate() {
            let field = |name: &str| format!("{at}.{kind}[{i}].{name}");
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                out.push(Cause::required(&field("name"), ""));
            } else {
                out.extend(names::label(name).iter().map(|w| Cause::invalid(&field("name"), &json!(name), w)));
            }
            // A template may leave the image to admission; a pod may not.
            if container["image"].as_str().unwrap_or_default().is_empty() {
                out.push(Cause::required(&field("image"), ""));
            }
            let mut paths = BTreeSet::new();
            for (j, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
                let field = |name: &str| field(&format!("volumeMounts[{j}].{name}"));
                let volume = mount["name"].as_str().unwrap_or_default();
                if volume.is_empty() {
                    out.push(Cause::required(&field("name"), ""));
                } else if !volumes.contains(volume) {
                    out.push(Cause::not_found(&field("name"), volume));
                }
                let path = mount["mountPath"].as_str().unwrap_or_default();
                if path.is_empty() {
                    out.push(Cause::required(&field("mountPath"), ""));
                } else if !paths.insert(path.to_owned()) {
                    out.push(Cause::invalid(&field("mountPath"), &json!(path), "must be unique"));
                }
            }
            if !name.is_empty() && !seen.insert(name.to_owned()) {
                out.push(Cause::duplicate(&field("name"), &json!(name)));
            }
        }
    }
    let policy = &spec["restartPolicy"];
    if !policy.is_null() && !["Always", "OnFailure", "Never"].iter().any(|p| policy == p) {
        let allowed: Vec<String> = ["Always", "OnFailure", "Never"].map(str::to_owned).to_vec();
        out.push(Cause::unsupported(&format!("{at}.restartPolicy"), policy, &allowed));
    }
}

#[cfg(test)]
mod tests {
    use super::super::resource::Catalog;
    use super::*;

    #[test]
    fn a_mount_needs_its_volume() {
        let pods = Catalog::new(std::iter::empty()).find("", "v1", "pods").unwrap();
        let pod = json!({"spec": {"containers": [{"name": "C_x", "image": "i", "volumeMounts": [{"name": "v"}]}]}});
        let fields: Vec<String> = causes(&pods, &pod).into_iter().map(|c| c.field).collect();
        let at = "spec.containers[0]";
        assert_eq!(fields, [format!("{at}.name"), format!("{at}.volumeMounts[0].name"), format!("{at}.volumeMounts[0].mountPath")]);
    }

    #[test]
    fn the_type_of_a_secret_is_immutable() {
        let secrets = Catalog::new(std::iter::empty()).find("", "v1", "secrets").unwrap();
        let causes = changes(&secrets, &json!({"type": "Opaque"}), &json!({"type": "x"}));
        assert_eq!(causes[0].message, "Invalid value: \"x\": field is immutable");
    }
}
