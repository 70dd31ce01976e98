//! Daemon sets: a pod on each node that fits, replaced after a change of the template, counted and deleted.

use super::*;

const DAEMONS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const PODS: &str = "/api/v1/namespaces/default/pods";
const NODES: &str = "/api/v1/nodes";
const FIRST: &str = "aks-nodepool1-vmss000000";

fn daemon_set(image: &str, more: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "nmi", "image": image}], "nodeSelector": {"kubernetes.io/os": "linux"}});
    more.as_object().unwrap().iter().for_each(|(name, value)| spec[name] = value.clone());
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "nmi"},
        "spec": {"selector": {"matchLabels": {"app": "nmi"}}, "template": {"metadata": {"labels": {"app": "nmi"}}, "spec": spec}},
    })
}

async fn pods(kube: &Arc<Kube>) -> Vec<Value> {
    get(kube, PODS).await.body["items"].as_array().unwrap().clone()
}

/// Returns the sorted names of the nodes that have a pod.
async fn placed(kube: &Arc<Kube>) -> Vec<String> {
    let mut all: Vec<String> = pods(kube).await.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap_or("none").to_owned()).collect();
    all.sort();
    all
}

async fn node(kube: &Arc<Kube>, name: &str, os: &str, spec: Value) {
    let labels = json!({"kubernetes.io/os": os});
    let made = post(kube, NODES, json!({"metadata": {"name": name, "labels": labels}, "spec": spec})).await;
    assert_eq!(made.code, 201, "{}", made.text);
}

/// Acts as a kubelet that runs all pods, until nothing changes any more.
async fn run_pods(kube: &Arc<Kube>) {
    let mut quiet = 0;
    while quiet < 3 {
        idle(kube).await;
        let waiting: Vec<Value> = pods(kube).await.into_iter().filter(|pod| pod["status"]["phase"] == "Pending").collect();
        quiet = if waiting.is_empty() { quiet + 1 } else { 0 };
        for pod in waiting.iter().filter(|pod| pod["spec"]["nodeName"].is_string()) {
            let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
            let path = format!("{PODS}/{}/status", pod["metadata"]["name"].as_str().unwrap());
            let kind = "application/strategic-merge-patch+json";
            ask(kube, "PATCH", &path, kind, json!({"status": {"phase": "Running", "conditions": ready}})).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn status(kube: &Arc<Kube>) -> Value {
    get(kube, &format!("{DAEMONS}/nmi")).await.body["status"].clone()
}

#[tokio::test]
async fn each_node_that_fits_gets_a_pod() {
    let kube = cluster();
    node(&kube, "windows", "windows", json!({})).await;
    node(&kube, "second", "linux", json!({})).await;
    node(&kube, "tainted", "linux", json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]})).await;
    let made = post(&kube, DAEMONS, daemon_set("i:1", json!({}))).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert!(!made.headers.iter().any(|(name, _)| name == "warning"), "{:?}", made.headers);
    run_pods(&kube).await;
    assert_eq!(placed(&kube).await, [FIRST, "second"]);
    let expected = json!({
        "currentNumberScheduled": 2, "numberMisscheduled": 0, "desiredNumberScheduled": 2, "numberReady": 2, "observedGeneration": 1,
        "updatedNumberScheduled": 2, "numberAvailable": 2,
    });
    assert_eq!(status(&kube).await, expected);
    let pod = &pods(&kube).await[0];
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "DaemonSet");
    assert!(pod["metadata"]["labels"]["controller-revision-hash"].is_string());
    // a new node gets its pod, too, and a cordoned one keeps it
    node(&kube, "third", "linux", json!({})).await;
    ask(&kube, "PATCH", &format!("{NODES}/second"), MERGE, json!({"spec": {"unschedulable": true}})).await;
    run_pods(&kube).await;
    assert_eq!(placed(&kube).await, [FIRST, "second", "third"]);
}

#[tokio::test]
async fn tolerations_decide_which_tainted_nodes_get_a_pod() {
    let kube = cluster();
    node(&kube, "tainted", "linux", json!({"taints": [{"key": "gpu", "effect": "NoExecute"}]})).await;
    post(&kube, DAEMONS, daemon_set("i:1", json!({"tolerations": [{"operator": "Exists"}]}))).await;
    run_pods(&kube).await;
    assert_eq!(placed(&kube).await, [FIRST, "tainted"]);
    // without the toleration the pod is deleted, because the taint has the effect NoExecute
    ask(&kube, "PATCH", &format!("{DAEMONS}/nmi"), MERGE, json!({"spec": {"template": {"spec": {"tolerations": null}}}})).await;
    run_pods(&kube).await;
    assert_eq!(placed(&kube).await, [FIRST]);
    assert_eq!(status(&kube).await["desiredNumberScheduled"], 1);
}

#[tokio::test]
async fn a_new_template_replaces_the_pods_one_by_one() {
    let kube = cluster();
    node(&kube, "second", "linux", json!({})).await;
    post(&kube, DAEMONS, daemon_set("i:1", json!({}))).await;
    run_pods(&kube).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "nmi", "image": "i:2"}]}}}});
    ask(&kube, "PATCH", &format!("{DAEMONS}/nmi"), MERGE, image).await;
    idle(&kube).await;
    // the second pod waits until the first one is available
    let images = |pods: Vec<Value>| -> Vec<String> {
        let mut all: Vec<String> = pods.iter().map(|p| p["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(images(pods(&kube).await), ["i:1", "i:2"]);
    let during = status(&kube).await;
    assert_eq!((&during["updatedNumberScheduled"], &during["numberUnavailable"]), (&json!(1), &json!(1)));
    run_pods(&kube).await;
    assert_eq!(images(pods(&kube).await), ["i:2", "i:2"]);
    let after = status(&kube).await;
    assert_eq!(
        (&after["observedGeneration"], &after["updatedNumberScheduled"], &after["numberAvailable"]),
        (&json!(2), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn the_strategy_on_delete_leaves_the_replacement_to_the_user() {
    let kube = cluster();
    let mut set = daemon_set("i:1", json!({}));
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    post(&kube, DAEMONS, set).await;
    run_pods(&kube).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "nmi", "image": "i:2"}]}}}});
    ask(&kube, "PATCH", &format!("{DAEMONS}/nmi"), MERGE, image).await;
    run_pods(&kube).await;
    let old = pods(&kube).await.remove(0);
    assert_eq!(old["spec"]["containers"][0]["image"], "i:1");
    delete(&kube, &format!("{PODS}/{}", old["metadata"]["name"].as_str().unwrap())).await;
    run_pods(&kube).await;
    assert_eq!(pods(&kube).await[0]["spec"]["containers"][0]["image"], "i:2");
}

#[tokio::test]
async fn the_pods_are_deleted_with_their_set() {
    let kube = cluster();
    post(&kube, DAEMONS, daemon_set("i:1", json!({}))).await;
    run_pods(&kube).await;
    assert_eq!(pods(&kube).await.len(), 1);
    delete(&kube, &format!("{DAEMONS}/nmi")).await;
    idle(&kube).await;
    assert!(pods(&kube).await.is_empty());
}

/// The components of a new cluster were created together with their pods, which the controller must not touch.
#[tokio::test]
async fn the_daemon_sets_of_a_new_cluster_stay_as_they_are() {
    let kube = cluster();
    let all = |kube: &Arc<Kube>| (kube.export().to_string(), kube.snapshot().version);
    let before = all(&kube);
    idle(&kube).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(all(&kube) == before);
}
