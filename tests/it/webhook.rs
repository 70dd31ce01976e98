//! The webhook of Azure Workload ID on a cluster that stands in: its API server asks the sandbox, and is refused once the webhook's pods are gone.

use crate::common::{World, lent::Lent, plane::Plane, until};
use serde_json::{Value, json};

const HOOK: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/azure-wi-webhook-mutating-webhook-configuration";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/kube-system/deployments/azure-wi-webhook-controller-manager";
const PODS: &str = "/api/v1/namespaces/shop/pods";

fn set_webhook(world: &World, enabled: bool) {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-02-01", world.group_id());
    let mut cluster = world.arm("GET", &id, None).ok();
    cluster["properties"]["securityProfile"] = json!({"workloadIdentity": {"enabled": enabled}});
    world.arm("PUT", &id, Some(cluster)).ok();
}

fn labelled(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"azure.workload.identity/use": "true"}, "annotations": annotations},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn changes_pods(world: &World) {
    set_webhook(world, true);
    let hook = world.kube("GET", "aks-mi", HOOK, None).ok();
    let url = format!("https://localhost:{}/webhooks/aks-mi/mutate-v1-pod", world.port());
    assert_eq!(hook["webhooks"][0]["clientConfig"]["url"], url);
    until("the webhook's pods", || {
        let deployment = world.kube("GET", "aks-mi", DEPLOYMENT, None).ok();
        (deployment["status"]["readyReplicas"] == 2).then_some(())
    });
    let annotations = json!({"azure.workload.identity/client-id": "11111111-1111-1111-1111-111111111111"});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    world.kube("POST", "aks-mi", "/api/v1/namespaces", Some(namespace)).ok();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "annotations": annotations}});
    world.kube("POST", "aks-mi", "/api/v1/namespaces/shop/serviceaccounts", Some(account)).ok();
    let pod = world.kube("POST", "aks-mi", &format!("{PODS}?dryRun=All"), Some(labelled("app", &json!({})))).ok();
    let env: Vec<&str> = pod["spec"]["containers"][0]["env"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(env, ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"]);
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert!(volumes.iter().any(|volume| volume["name"] == "azure-identity-token"), "{volumes:?}");
    let short = json!({"azure.workload.identity/service-account-token-expiration": "60"});
    let refused = world.kube("POST", "aks-mi", PODS, Some(labelled("short", &short)));
    assert!(refused.status == 400 && refused.body.to_string().contains("denied the request: token expiration 60 not valid"));
    // without pods nobody answers
    world.kube("PATCH", "aks-mi", DEPLOYMENT, Some(json!({"spec": {"replicas": 0}}))).ok();
    until("a refusal", || {
        let answer = world.kube("POST", "aks-mi", &format!("{PODS}?dryRun=All"), Some(labelled("app", &json!({}))));
        let called =
            "Internal error occurred: failed calling webhook \\\"mutation.azure-workload-identity.io\\\": failed to call webhook: ";
        (answer.status == 500 && answer.body.to_string().contains(called)).then_some(())
    });
    set_webhook(world, false);
    assert_eq!(world.kube("GET", "aks-mi", HOOK, None).status, 404);
    world.kube("POST", "aks-mi", PODS, Some(labelled("app", &json!({})))).ok();
}

#[test]
fn the_webhook_changes_the_pods_of_a_real_cluster() {
    let Some(plane) = Plane::if_wanted() else { return };
    let mut world = World::new();
    world.serve_with(&["--bare", "--cluster", &format!("aks-mi={}", plane.kubeconfig().display())]);
    world.plane = Some(Lent::alone(plane));
    changes_pods(&world);
}
