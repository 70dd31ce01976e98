//! Defaults of kinds that a lab contains but podid does not use: services, jobs, stateful sets, claims, policies.

use super::fields::set;
use super::pods::pod_spec;
use serde_json::{Value, json};

pub fn fill(group: &str, kind: &str, object: &mut Value) {
    match (group, kind) {
        ("", "Service") => service(&mut object["spec"]),
        ("", "Endpoints") => {
            for subset in object["subsets"].as_array_mut().into_iter().flatten() {
                protocols(&mut subset["ports"]);
            }
        }
        ("discovery.k8s.io", _) => {
            for port in object["ports"].as_array_mut().into_iter().flatten() {
                set(port, "name", json!(""));
            }
            protocols(&mut object["ports"]);
        }
        ("", "PersistentVolumeClaim") => set(&mut object["spec"], "volumeMode", json!("Filesystem")),
        ("storage.k8s.io", "StorageClass") => {
            set(object, "reclaimPolicy", json!("Delete"));
            set(object, "volumeBindingMode", json!("Immediate"));
        }
        ("networking.k8s.io", "NetworkPolicy") => {
            let spec = &mut object["spec"];
            let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
            set(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
            for rules in ["ingress", "egress"] {
                for rule in spec[rules].as_array_mut().into_iter().flatten() {
                    protocols(&mut rule["ports"]);
                }
            }
        }
        ("apps", "StatefulSet") => {
            let spec = &mut object["spec"];
            set(spec, "podManagementPolicy", json!("OrderedReady"));
            set(spec, "updateStrategy", json!({}));
            set(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                set(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
                set(&mut spec["updateStrategy"]["rollingUpdate"], "partition", json!(0));
            }
            set(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
            for when in ["whenDeleted", "whenScaled"] {
                set(&mut spec["persistentVolumeClaimRetentionPolicy"], when, json!("Retain"));
            }
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            pod_spec(&mut spec["template"]["spec"]);
            for claim in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
                set(claim, "apiVersion", json!("v1"));
                set(claim, "kind", json!("PersistentVolumeClaim"));
                set(&mut claim["spec"], "volumeMode", json!("Filesystem"));
                set(claim, "status", json!({"phase": "Pending"}));
            }
        }
        ("admissionregistration.k8s.io", _) => {
            for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
                set(webhook, "failurePolicy", json!("Fail"));
                set(webhook, "matchPolicy", json!("Equivalent"));
                set(webhook, "namespaceSelector", json!({}));
                set(webhook, "objectSelector", json!({}));
                set(webhook, "reinvocationPolicy", json!("Never"));
                set(webhook, "timeoutSeconds", json!(10));
                for rule in webhook["rules"].as_array_mut().into_iter().flatten() {
                    set(rule, "scope", json!("*"));
                }
                if webhook["clientConfig"]["service"].is_object() {
                    set(&mut webhook["clientConfig"]["service"], "port", json!(443));
                }
            }
        }
        ("batch", "Job") => job(&mut object["spec"]),
        ("batch", "CronJob") => {
            let spec = &mut object["spec"];
            set(spec, "concurrencyPolicy", json!("Allow"));
            set(spec, "suspend", json!(false));
            set(spec, "successfulJobsHistoryLimit", json!(3));
            set(spec, "failedJobsHistoryLimit", json!(1));
            pod_spec(&mut spec["jobTemplate"]["spec"]["template"]["spec"]);
        }
        _ => {}
    }
}

fn protocols(ports: &mut Value) {
    for port in ports.as_array_mut().into_iter().flatten() {
        set(port, "protocol", json!("TCP"));
    }
}

fn service(spec: &mut Value) {
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "type", json!("ClusterIP"));
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    protocols(&mut spec["ports"]);
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        let own = port["port"].clone();
        set(port, "targetPort", own);
    }
}

fn job(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        set_null(spec, "completions", json!(1));
    }
    set_null(spec, "parallelism", json!(1));
    set(spec, "backoffLimit", json!(6));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    set(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
    set(spec, "manualSelector", json!(false));
    pod_spec(&mut spec["template"]["spec"]);
}

/// Sets a field that is null: reading a missing field by index inserts a null.
fn set_null(value: &mut Value, name: &str, default: Value) {
    if value[name].is_null() {
        value[name] = default;
    }
}
