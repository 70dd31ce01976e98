//! Defaults that the API server fills in (kubernetes, `pkg/apis/*/v1/defaults.go`). Does not use the store.

mod fields;
mod others;
mod pods;

use super::resource::Resource;
use base64::Engine as _;
use fields::set;
use pods::{pod_spec, requests};
use serde_json::{Value, json};

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
    fn a_pod_gets_its_defaults() {
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
