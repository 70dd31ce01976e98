//! What real programs do that was found by running them: MIC that is not namespaced, events about bindings that outlive their pods, and a
//! webhook that refuses only the pods of a new template.

use super::{BASE, CLASS, CONTEXT, DEPLOYMENT, SPEC, edited, made, policies};
use crate::common::{World, doctor::errors, until};
use serde_json::{Value, json};

fn refused_long_ago(world: &World) {
    refused_at(world, "2024-01-01T00:00:00Z");
}

/// As MIC 1.8.17 writes it.
fn refused_at(world: &World, at: &str) {
    let message = "failed to apply binding shop/shop-mid-binding node aks-nodepool1-1-vmss000000 for pod shop/web-0, error: failed to update identities for aks-nodepool1-1-vmss in MC_x, error: compute.VirtualMachineScaleSetsClient#Update: Failure sending request: StatusCode=403 -- Original Error: Code=\"LinkedAuthorizationFailed\" Message=\"The client has permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write'\"";
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "old", "namespace": "shop" }, "type": "Warning",
        "reason": "binding apply error", "message": message, "lastTimestamp": at,
        "involvedObject": { "kind": "v1.AzureIdentityBinding", "name": "shop-mid-binding", "namespace": "shop" },
    });
    world.kube("POST", CONTEXT, "/api/v1/namespaces/shop/events", Some(event)).ok();
}

#[test]
fn what_mic_reported_of_former_pods_is_no_cause_and_no_consequence() {
    let world = made();
    refused_long_ago(&world);
    edited(&world, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "selector": "other" } }));
    let found = errors(&world, &[]);
    assert_eq!(found[0]["code"], "PODID3003", "{found:#?}");
    let text = Value::from(found).to_string();
    assert!(!text.contains("Managed Identity Operator"), "{text}");
}

/// The pod that MIC could not serve got its identity when the role was there again; what it lacks now is another right.
#[test]
fn what_mic_reported_before_it_served_the_same_pod_is_over() {
    let world = made();
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    refused_at(&world, &now.to_string());
    policies(&world, &["list"]);
    let found = errors(&world, &[]);
    assert_eq!(found[0]["code"], "PODID6001", "{found:#?}");
    let told = world.podid(&["doctor", "-A"]);
    assert!(!told.stdout.contains("Managed Identity Operator"), "{}", told.stdout);
    // while it waits for its identity, the same event is evidence
    edited(&world, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "selector": "other" } }));
    let text = Value::from(errors(&world, &[])).to_string();
    assert!(text.contains("Managed Identity Operator"), "{text}");
}

/// Objects of another namespace, as the guides of AAD Pod Identity have them: identity and binding in one namespace, pods in others.
#[test]
fn a_binding_of_another_namespace_counts_where_mic_is_not_namespaced() {
    let world = made();
    for namespace in ["other", "hand"] {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        world.kube("POST", CONTEXT, "/api/v1/namespaces", Some(object)).ok();
    }
    let copied = |from: &str, to: &str, name: &str, namespace: &str| {
        let mut object = world.kube("GET", CONTEXT, from, None).ok();
        object["metadata"] = json!({ "name": name, "namespace": namespace });
        world.kube("POST", CONTEXT, to, Some(object)).ok();
    };
    let kinds = "/apis/aadpodidentity.k8s.io/v1/namespaces/other";
    copied(&format!("{BASE}/azureidentities/shop-mid"), &format!("{kinds}/azureidentities"), "far", "other");
    let binding = json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding", "metadata": { "name": "far" },
        "spec": { "azureIdentity": "far", "selector": "far" },
    });
    world.kube("POST", CONTEXT, &format!("{kinds}/azureidentitybindings"), Some(binding)).ok();
    copied(CLASS, &CLASS.replace("/shop/", "/hand/").replace("/web", ""), "web", "hand");
    let volume = json!({ "name": "s", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": { "secretProviderClass": "web" } } });
    let template = json!({
        "metadata": { "labels": { "app": "far", "aadpodidbinding": "far" } },
        "spec": { "containers": [{ "name": "app", "image": "nginx:1.29" }], "volumes": [volume] },
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "far" },
        "spec": { "selector": { "matchLabels": { "app": "far" } }, "template": template },
    });
    let all = DEPLOYMENT.replace("/shop/", "/hand/").replace("/web", "");
    world.kube("POST", CONTEXT, &all, Some(deployment)).ok();
    until("the pod has its secrets", || {
        (world.kube("GET", CONTEXT, &format!("{all}/far"), None).ok()["status"]["readyReplicas"] == 1).then_some(())
    });
    assert_eq!(errors(&world, &["-n", "hand"]), Vec::<Value>::new());
    // an AzureIdentity that is namespaced itself leads nowhere else
    let annotated = json!({ "metadata": { "annotations": { "aadpodidentity.k8s.io/Behavior": "namespaced" } } });
    edited(&world, &format!("{kinds}/azureidentities/far"), annotated);
    let found = errors(&world, &["-n", "hand"]);
    assert!(found.first().is_some_and(|first| first["code"] == "PODID3003"), "{found:#?}");
}

#[test]
fn a_webhook_that_refuses_the_pods_of_a_new_template_is_named_while_the_former_ones_run() {
    let world = World::served();
    let spec = SPEC.replace("namespace: shop,", "namespace: shop, mode: workload-identity, serviceAccount: {name: web},");
    world.write("podid.yaml", &spec.replace("cluster: {name: aks-mi}", "cluster: {name: aks-mi, components: [workload-identity]}"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let short = json!({ "azure.workload.identity/service-account-token-expiration": "60" });
    edited(&world, DEPLOYMENT, json!({ "spec": { "template": { "metadata": { "annotations": short } } } }));
    until("its controller says so", || {
        let conditions = world.kube("GET", CONTEXT, DEPLOYMENT, None).ok()["status"]["conditions"].take();
        conditions.as_array()?.iter().any(|one| one["type"] == "ReplicaFailure" && one["status"] == "True").then_some(())
    });
    assert_eq!(world.kube("GET", CONTEXT, DEPLOYMENT, None).ok()["status"]["readyReplicas"], 1, "the former pod runs");
    let found = errors(&world, &[]);
    assert!(found.first().is_some_and(|first| first["code"] == "PODID1104"), "{found:#?}");
    assert!(Value::from(found).to_string().contains("ReplicaFailure of the deployment web"));
}
