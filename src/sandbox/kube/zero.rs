//! Objects without content, by kind.

use super::prepare;
use super::resource::Resource;
use serde_json::{Value, json};

/// Returns an empty object of a kind, as the server has it before a create: Go's zero value, with the structs that Go always writes.
pub fn object(resource: &Resource) -> Value {
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    let mut out = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => json!({"spec": {"containers": null}, "status": {}}),
        ("", "Namespace" | "Node") => json!({"spec": {}, "status": {}}),
        ("", "Event") => json!({
            "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        }),
        ("apps", "Deployment") => json!({"spec": {"selector": null, "template": template, "strategy": {}}, "status": {}}),
        ("apps", "DaemonSet") => json!({"spec": {"selector": null, "template": template, "updateStrategy": {}}, "status": {}}),
        ("apps", "ReplicaSet") => json!({"spec": {"selector": null, "template": template}, "status": {}}),
        ("", "Service") => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        ("", "PersistentVolumeClaim") => json!({"spec": {"resources": {}}, "status": {}}),
        ("", "ResourceQuota" | "LimitRange") => json!({"spec": {}}),
        ("apps", "StatefulSet") => json!({"spec": {"selector": null, "template": template, "updateStrategy": {}}, "status": {}}),
        ("batch", "Job") => json!({"spec": {"template": template}, "status": {}}),
        ("batch", "CronJob") => json!({"spec": {"jobTemplate": {"metadata": {}, "spec": {"template": template}}}, "status": {}}),
        ("networking.k8s.io", "Ingress") => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        ("networking.k8s.io", "NetworkPolicy") => json!({"spec": {"podSelector": {}}}),
        ("networking.k8s.io", _) => json!({"spec": {}}),
        ("policy", _) => json!({"spec": {}, "status": {}}),
        ("storage.k8s.io", "StorageClass") => json!({"provisioner": ""}),
        ("discovery.k8s.io", _) => json!({"endpoints": null}),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => json!({"rules": null}),
        ("rbac.authorization.k8s.io", _) => json!({"roleRef": {"apiGroup": "", "kind": "", "name": ""}}),
        ("storage.k8s.io" | "coordination.k8s.io", _) => json!({"spec": {}}),
        ("apiextensions.k8s.io", _) => json!({
            "spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": null},
            "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": null},
        }),
        _ => json!({}),
    };
    out["metadata"] = json!({});
    prepare::set_type(resource, &mut out);
    out
}
