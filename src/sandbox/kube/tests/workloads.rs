//! Deployments and replica sets: pods are created, scaled, rolled out, counted and reported; and how pods are scheduled.

use super::*;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const PODS: &str = "/api/v1/namespaces/default/pods";
const NODE: &str = "/api/v1/nodes/aks-nodepool1-vmss000000";

fn deployment(replicas: u64, image: &str, more: Value) -> Value {
    let mut spec = json!({
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": image}]}},
    });
    more.as_object().unwrap().iter().for_each(|(name, value)| spec[name] = value.clone());
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

async fn items(kube: &Arc<Kube>, path: &str) -> Vec<Value> {
    get(kube, path).await.body["items"].as_array().unwrap().clone()
}

/// Acts as a kubelet that runs all pods but those of the image `broken`, until nothing changes any more.
async fn play(kube: &Arc<Kube>) {
    let mut quiet = 0;
    while quiet < 3 {
        idle(kube).await;
        let waiting: Vec<Value> = items(kube, &format!("{PODS}?fieldSelector=status.phase%3DPending"))
            .await
            .into_iter()
            .filter(|pod| pod["spec"]["nodeName"].is_string() && pod["spec"]["containers"][0]["image"] != "broken")
            .collect();
        quiet = if waiting.is_empty() { quiet + 1 } else { 0 };
        for pod in waiting {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": now}]);
            let path = format!("{PODS}/{}/status", pod["metadata"]["name"].as_str().unwrap());
            let kind = "application/strategic-merge-patch+json";
            ask(kube, "PATCH", &path, kind, json!({"status": {"phase": "Running", "conditions": ready}})).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn web(kube: &Arc<Kube>) -> Value {
    get(kube, &format!("{DEPLOYMENTS}/web")).await.body
}

fn condition(object: &Value, kind: &str) -> (String, String) {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let one = all.into_iter().find(|c| c["type"] == kind).unwrap_or_default();
    (one["status"].as_str().unwrap_or_default().into(), one["reason"].as_str().unwrap_or_default().into())
}

async fn said(kube: &Arc<Kube>, kind: &str) -> Vec<String> {
    let events = items(kube, "/api/v1/namespaces/default/events").await;
    let mut about: Vec<&Value> = events.iter().filter(|e| e["involvedObject"]["kind"] == kind).collect();
    about.sort_by_key(|e| e["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap());
    about.iter().map(|e| format!("{} {}", e["reason"].as_str().unwrap(), e["message"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_new_cluster_is_idle() {
    let kube = cluster();
    let before = kube.snapshot();
    idle(&kube).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(kube.snapshot().version, before.version);
}

#[tokio::test]
async fn a_deployment_creates_a_replica_set_and_the_set_creates_pods() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(2, "i:1", json!({}))).await;
    idle(&kube).await;
    let waiting = web(&kube).await;
    assert_eq!(waiting["status"]["unavailableReplicas"], 2);
    assert_eq!(condition(&waiting, "Available"), ("False".into(), "MinimumReplicasUnavailable".into()));
    assert_eq!(condition(&waiting, "Progressing"), ("True".into(), "ReplicaSetUpdated".into()));
    play(&kube).await;
    let web = web(&kube).await;
    let sets = items(&kube, SETS).await;
    let (set, hash) = (&sets[0], sets[0]["metadata"]["labels"]["pod-template-hash"].as_str().unwrap());
    assert_eq!(set["metadata"]["name"], format!("web-{hash}").as_str());
    assert_eq!(
        set["metadata"]["annotations"],
        json!({
            "deployment.kubernetes.io/desired-replicas": "2", "deployment.kubernetes.io/max-replicas": "3",
            "deployment.kubernetes.io/revision": "1",
        })
    );
    assert_eq!(
        set["status"],
        json!({"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1})
    );
    let pods = items(&kube, PODS).await;
    assert_eq!(pods.len(), 2);
    assert_eq!(pods[0]["metadata"]["ownerReferences"][0]["name"], set["metadata"]["name"]);
    assert_eq!(pods[0]["spec"]["nodeName"], "aks-nodepool1-vmss000000");
    assert_eq!(condition(&web, "Available"), ("True".into(), "MinimumReplicasAvailable".into()));
    assert_eq!(condition(&web, "Progressing"), ("True".into(), "NewReplicaSetAvailable".into()));
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(said(&kube, "Deployment").await, [format!("ScalingReplicaSet Scaled up replica set web-{hash} from 0 to 2")]);
    assert!(said(&kube, "ReplicaSet").await[0].starts_with(&format!("SuccessfulCreate Created pod: web-{hash}-")));
    assert!(said(&kube, "Pod").await[0].starts_with("Scheduled Successfully assigned default/web-"));
    let manager = |object: &Value| object["metadata"]["managedFields"][0]["manager"].clone();
    assert_eq!((manager(set), manager(&pods[0])), (json!("kube-controller-manager"), json!("kube-controller-manager")));
}

#[tokio::test]
async fn a_deleted_pod_is_replaced_and_scaling_down_deletes_pods() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(3, "i:1", json!({}))).await;
    play(&kube).await;
    let first = items(&kube, PODS).await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    delete(&kube, &format!("{PODS}/{first}")).await;
    play(&kube).await;
    let names: Vec<Value> = items(&kube, PODS).await.iter().map(|p| p["metadata"]["name"].clone()).collect();
    assert!(names.len() == 3 && !names.contains(&json!(first)), "{names:?}");
    ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/web"), MERGE, json!({"spec": {"replicas": 1}})).await;
    play(&kube).await;
    assert_eq!(items(&kube, PODS).await.len(), 1);
    assert!(said(&kube, "Deployment").await[1].ends_with("from 3 to 1"));
    let web = web(&kube).await;
    assert_eq!((&web["status"]["replicas"], &web["status"]["observedGeneration"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_new_template_is_rolled_out_within_its_bounds_and_can_be_rolled_back() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(4, "i:1", json!({"revisionHistoryLimit": 1}))).await;
    play(&kube).await;
    let image = async |image: &str| {
        let body = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}});
        ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/web"), MERGE, body).await;
    };
    image("broken").await;
    play(&kube).await;
    let counts: Vec<(Value, Value)> = {
        let mut sets = items(&kube, SETS).await;
        sets.sort_by_key(|s| s["metadata"]["annotations"]["deployment.kubernetes.io/revision"].to_string());
        sets.iter().map(|s| (s["spec"]["replicas"].clone(), s["status"]["readyReplicas"].clone())).collect()
    };
    // At most one too many, and at most one missing.
    assert_eq!(counts, [(json!(3), json!(3)), (json!(2), Value::Null)]);
    assert_eq!(web(&kube).await["status"]["updatedReplicas"], 2);
    image("i:1").await;
    play(&kube).await;
    let back = web(&kube).await;
    assert_eq!(back["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    let of_one: Vec<Value> = items(&kube, SETS).await.into_iter().filter(|s| s["spec"]["replicas"] == 4).collect();
    assert_eq!(of_one[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    for n in 2..5 {
        image(&format!("i:{n}")).await;
        play(&kube).await;
    }
    assert_eq!(items(&kube, SETS).await.len(), 2);
    assert_eq!(condition(&web(&kube).await, "Progressing").1, "NewReplicaSetAvailable");
}

#[tokio::test]
async fn recreate_deletes_old_pods_before_it_creates_new_ones() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(2, "i:1", json!({"strategy": {"type": "Recreate"}}))).await;
    play(&kube).await;
    let body = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "i:2"}]}}}});
    ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/web"), MERGE, body).await;
    play(&kube).await;
    let said = said(&kube, "Deployment").await;
    let ends: Vec<&str> = said.iter().map(|s| &s[s.find("from").unwrap()..]).collect();
    assert_eq!(ends, ["from 0 to 2", "from 2 to 0", "from 0 to 2"]);
    assert!(items(&kube, PODS).await.iter().all(|p| p["spec"]["containers"][0]["image"] == "i:2"));
}

#[tokio::test]
async fn a_paused_deployment_is_scaled_but_not_rolled_out() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(1, "i:1", json!({}))).await;
    play(&kube).await;
    let change = json!({"spec": {"paused": true, "replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "i:2"}]}}}});
    ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/web"), MERGE, change).await;
    play(&kube).await;
    assert_eq!((items(&kube, SETS).await.len(), items(&kube, PODS).await.len()), (1, 2));
    assert_eq!(condition(&web(&kube).await, "Progressing"), ("Unknown".into(), "DeploymentPaused".into()));
    ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/web"), MERGE, json!({"spec": {"paused": null}})).await;
    play(&kube).await;
    assert_eq!(items(&kube, SETS).await.len(), 2);
    assert_eq!(condition(&web(&kube).await, "Progressing"), ("True".into(), "NewReplicaSetAvailable".into()));
}

#[tokio::test]
async fn dependents_of_a_deployment_are_deleted_with_it_or_stay_when_orphaned() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(2, "i:1", json!({}))).await;
    play(&kube).await;
    delete(&kube, &format!("{DEPLOYMENTS}/web?propagationPolicy=Orphan")).await;
    idle(&kube).await;
    let left = items(&kube, SETS).await;
    assert!(left.len() == 1 && left[0]["metadata"].get("ownerReferences").is_none(), "{left:?}");
    // A deployment that matches adopts objects without an owner.
    post(&kube, DEPLOYMENTS, deployment(2, "i:1", json!({}))).await;
    play(&kube).await;
    assert_eq!((items(&kube, SETS).await.len(), items(&kube, PODS).await.len()), (1, 2));
    delete(&kube, &format!("{DEPLOYMENTS}/web")).await;
    idle(&kube).await;
    assert_eq!((items(&kube, SETS).await.len(), items(&kube, PODS).await.len()), (0, 0));
}

#[tokio::test]
async fn pods_that_are_forbidden_are_reported_and_retried() {
    let kube = cluster();
    let spec = json!({"serviceAccountName": "absent", "containers": [{"name": "a", "image": "i"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": spec});
    post(&kube, DEPLOYMENTS, deployment(1, "i", json!({"template": template}))).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    let told = said(&kube, "ReplicaSet").await;
    assert!(told.len() == 1 && told[0].contains("serviceaccount \"absent\" not found"), "{told:?}");
    assert_eq!(condition(&web(&kube).await, "ReplicaFailure"), ("True".into(), "FailedCreate".into()));
    post(&kube, "/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "absent"}})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    play(&kube).await;
    assert_eq!(web(&kube).await["status"]["availableReplicas"], 1);
    assert_eq!(condition(&web(&kube).await, "ReplicaFailure"), (String::new(), String::new()));
}

#[tokio::test]
async fn a_pod_is_available_when_it_was_ready_for_long_enough() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(1, "i", json!({"minReadySeconds": 2}))).await;
    play(&kube).await;
    let early = web(&kube).await;
    assert_eq!((&early["status"]["readyReplicas"], early["status"].get("availableReplicas")), (&json!(1), None));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(web(&kube).await["status"]["availableReplicas"], 1);
}

#[tokio::test]
async fn a_rollout_without_progress_is_reported_after_its_deadline() {
    let kube = cluster();
    post(&kube, DEPLOYMENTS, deployment(1, "broken", json!({"progressDeadlineSeconds": 4}))).await;
    idle(&kube).await;
    assert_eq!(condition(&web(&kube).await, "Progressing").1, "ReplicaSetUpdated");
    tokio::time::sleep(Duration::from_millis(6200)).await;
    assert_eq!(condition(&web(&kube).await, "Progressing"), ("False".into(), "ProgressDeadlineExceeded".into()));
}

#[tokio::test]
async fn a_pod_that_fits_no_node_waits_and_says_why() {
    let kube = cluster();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeSelector": {"a": "b"}, "containers": [{"name": "a", "image": "i"}]}});
    post(&kube, PODS, pod).await;
    idle(&kube).await;
    let why = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let waiting = get(&kube, &format!("{PODS}/p")).await.body;
    assert_eq!(waiting["status"]["conditions"][0]["message"], why);
    assert_eq!(said(&kube, "Pod").await, [format!("FailedScheduling {why}")]);
    ask(&kube, "PATCH", NODE, MERGE, json!({"metadata": {"labels": {"a": "b"}}})).await;
    idle(&kube).await;
    assert!(get(&kube, &format!("{PODS}/p")).await.body["spec"]["nodeName"].is_string());
    ask(&kube, "PATCH", NODE, MERGE, json!({"spec": {"unschedulable": true}})).await;
    post(&kube, PODS, json!({"metadata": {"name": "q"}, "spec": {"containers": [{"name": "a", "image": "i"}]}})).await;
    idle(&kube).await;
    assert!(said(&kube, "Pod").await.last().unwrap().contains("1 node(s) were unschedulable"));
}

#[tokio::test]
async fn a_client_may_bind_a_pod_that_the_scheduler_ignores() {
    let kube = cluster();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"schedulerName": "mine", "containers": [{"name": "a", "image": "i"}]}});
    post(&kube, PODS, pod).await;
    idle(&kube).await;
    assert!(get(&kube, &format!("{PODS}/p")).await.body["spec"]["nodeName"].is_null());
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    assert_eq!(post(&kube, &format!("{PODS}/p/binding"), binding.clone()).await.code, 201);
    assert_eq!(get(&kube, &format!("{PODS}/p")).await.body["spec"]["nodeName"], "n");
    let again = post(&kube, &format!("{PODS}/p/binding"), binding).await;
    assert_eq!(
        (again.code, again.message()),
        (409, "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"")
    );
}
