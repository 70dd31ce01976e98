//! Pod Security: what the labels `pod-security.kubernetes.io/enforce` and `…/warn` of a namespace require of its pods (pod-security-admission,
//! the checks `baseline` and `restricted`, as far as the pods of a lab can violate them).

use super::status::{About, Outcome, Refusal};
use super::store::Store;
use serde_json::{Value, json};

/// Refuses a pod that violates the enforced level, and returns the warnings of the warn level.
pub fn pod(store: &Store, namespace: &str, name: &str, pod: &Value) -> Outcome<Vec<String>> {
    let labels = store.namespace(namespace).map(|n| n["metadata"]["labels"].clone()).unwrap_or_default();
    let level = |mode: &str| labels[format!("pod-security.kubernetes.io/{mode}")].as_str().unwrap_or("privileged").to_owned();
    let version = |mode: &str| labels[format!("pod-security.kubernetes.io/{mode}-version")].as_str().unwrap_or("latest").to_owned();
    let enforced = violations(&level("enforce"), pod);
    if !enforced.is_empty() {
        let why =
            format!("violates PodSecurity {}: {}", json!(format!("{}:{}", level("enforce"), version("enforce"))), enforced.join(", "));
        return Err(Refusal::forbidden(About { group: "", plural: "pods" }, name, &why));
    }
    Ok(template(store, namespace, pod))
}

/// Returns the warnings of a namespace for the pod template of a workload.
pub fn template(store: &Store, namespace: &str, pod: &Value) -> Vec<String> {
    let labels = store.namespace(namespace).map(|n| n["metadata"]["labels"].clone()).unwrap_or_default();
    let level = labels["pod-security.kubernetes.io/warn"].as_str().unwrap_or("privileged");
    let version = labels["pod-security.kubernetes.io/warn-version"].as_str().unwrap_or("latest");
    let warned = violations(level, pod);
    if warned.is_empty() {
        return Vec::new();
    }
    vec![format!("would violate PodSecurity {}: {}", json!(format!("{level}:{version}")), warned.join(", "))]
}

fn violations(level: &str, pod: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if level == "privileged" {
        return out;
    }
    let spec = &pod["spec"];
    let containers: Vec<&Value> =
        ["initContainers", "containers"].into_iter().flat_map(|list| spec[list].as_array().into_iter().flatten()).collect();
    let named = |bad: &[&Value]| {
        let names: Vec<String> = bad.iter().map(|c| c["name"].to_string()).collect();
        if names.len() == 1 { format!("container {}", names.concat()) } else { format!("containers {}", names.join(", ")) }
    };
    let bad =
        |wrong: &dyn Fn(&Value) -> bool| -> Vec<&Value> { containers.iter().copied().filter(|c| wrong(&c["securityContext"])).collect() };
    let privileged = bad(&|s| s["privileged"] == true);
    if !privileged.is_empty() {
        out.push(format!("privileged ({} must not set securityContext.privileged=true)", named(&privileged)));
    }
    let host: Vec<String> =
        ["hostNetwork", "hostPID", "hostIPC"].iter().filter(|f| spec[**f] == true).map(|f| format!("{f}=true")).collect();
    if !host.is_empty() {
        out.push(format!("host namespaces ({})", host.join(", ")));
    }
    let volumes: Vec<&Value> = spec["volumes"].as_array().into_iter().flatten().collect();
    let paths: Vec<String> = volumes.iter().filter(|v| v["hostPath"].is_object()).map(|v| v["name"].to_string()).collect();
    if !paths.is_empty() {
        out.push(format!("hostPath volumes (volume{} {})", if paths.len() == 1 { "" } else { "s" }, paths.join(", ")));
    }
    if level != "restricted" {
        return out;
    }
    let escalating = bad(&|s| s["allowPrivilegeEscalation"] != false);
    if !escalating.is_empty() {
        out.push(format!(
            "allowPrivilegeEscalation != false ({} must set securityContext.allowPrivilegeEscalation=false)",
            named(&escalating)
        ));
    }
    let capable = bad(&|s| !s["capabilities"]["drop"].as_array().is_some_and(|d| d.iter().any(|c| c == "ALL")));
    if !capable.is_empty() {
        out.push(format!("unrestricted capabilities ({} must set securityContext.capabilities.drop=[\"ALL\"])", named(&capable)));
    }
    let pod_level = &spec["securityContext"];
    let rooted = bad(&|s| s["runAsNonRoot"] != true && (pod_level["runAsNonRoot"] != true || s["runAsNonRoot"] == false));
    if !rooted.is_empty() {
        out.push(format!("runAsNonRoot != true (pod or {} must set securityContext.runAsNonRoot=true)", named(&rooted)));
    }
    let ok = |profile: &Value| matches!(profile["type"].as_str(), Some("RuntimeDefault" | "Localhost"));
    // The container's own profile, or else that of the pod.
    let open = bad(&|s| !ok(if s["seccompProfile"].is_null() { &pod_level["seccompProfile"] } else { &s["seccompProfile"] }));
    if !open.is_empty() {
        out.push(format!(
            "seccompProfile (pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            named(&open)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_pod_sets_four_fields() {
        let bare = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(violations("restricted", &bare).len(), 4);
        let good = json!({"spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "a", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        }});
        assert!(violations("restricted", &good).is_empty());
        assert!(violations("baseline", &bare).is_empty());
    }
}
