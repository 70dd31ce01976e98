//! How objects are created and deleted: namespaces, finalizers, owners, pods, CRDs, and what outlives the process.

use super::*;

#[tokio::test]
async fn a_namespace_gets_default_objects_and_is_deleted_with_its_content() {
    let kube = cluster();
    post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": "app"}})).await;
    assert_eq!(get(&kube, "/api/v1/namespaces/app/serviceaccounts/default").await.code, 200);
    assert_eq!(get(&kube, "/api/v1/namespaces/app/configmaps/kube-root-ca.crt").await.code, 200);
    post(&kube, "/api/v1/namespaces/app/configmaps", json!({"metadata": {"name": "m"}})).await;
    let going = delete(&kube, "/api/v1/namespaces/app").await;
    assert_eq!(going.body["status"]["phase"], "Terminating");
    let late = post(&kube, "/api/v1/namespaces/app/configmaps", json!({"metadata": {"name": "late"}})).await;
    assert_eq!(
        late.message(),
        "configmaps \"late\" is forbidden: unable to create new content in namespace app because it is being terminated"
    );
    assert_eq!(late.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert!(!kube.idle());
    idle(&kube).await;
    assert_eq!(get(&kube, "/api/v1/namespaces/app").await.code, 404);
    assert!(!kube.snapshot().objects.keys().any(|k| k.contains("/app/")));
}

#[tokio::test]
async fn a_namespace_waits_for_the_finalizers_of_its_content() {
    let kube = cluster();
    post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": "app"}})).await;
    let path = "/api/v1/namespaces/app/configmaps";
    post(&kube, path, json!({"metadata": {"name": "m", "finalizers": ["a.b/c"]}})).await;
    delete(&kube, "/api/v1/namespaces/app").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = get(&kube, "/api/v1/namespaces/app").await;
    let conditions = waiting.body["status"]["conditions"].as_array().unwrap().clone();
    let held = conditions.iter().find(|c| c["type"] == "NamespaceFinalizersRemaining").unwrap();
    assert_eq!(held["message"], "Some content in the namespace has finalizers remaining: a.b/c in 1 resource instances");
    assert!(!kube.idle());
    ask(&kube, "PATCH", &format!("{path}/m"), MERGE, json!({"metadata": {"finalizers": null}})).await;
    idle(&kube).await;
    assert_eq!(get(&kube, "/api/v1/namespaces/app").await.code, 404);
}

#[tokio::test]
async fn system_namespaces_cannot_be_deleted() {
    let kube = cluster();
    let refused = delete(&kube, "/api/v1/namespaces/kube-system").await;
    assert_eq!((refused.code, refused.message()), (403, "namespaces \"kube-system\" is forbidden: this namespace may not be deleted"));
}

#[tokio::test]
async fn an_object_with_a_finalizer_is_marked_and_removed_with_its_last_finalizer() {
    let kube = cluster();
    let path = format!("{CONFIGMAPS}/m");
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "m", "finalizers": ["a.b/c"]}})).await;
    let marked = delete(&kube, &path).await;
    assert!(marked.body["metadata"]["deletionTimestamp"].is_string());
    let more = ask(&kube, "PATCH", &path, MERGE, json!({"metadata": {"finalizers": ["a.b/c", "d.e/f"]}})).await;
    assert!(more.message().contains("no new finalizers can be added if the object is being deleted"), "{}", more.message());
    ask(&kube, "PATCH", &path, MERGE, json!({"metadata": {"finalizers": []}})).await;
    assert_eq!(get(&kube, &path).await.code, 404);
}

#[tokio::test]
async fn objects_without_an_owner_are_collected() {
    let kube = cluster();
    let owner = post(&kube, CONFIGMAPS, json!({"metadata": {"name": "owner"}})).await;
    let refs = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.body["metadata"]["uid"]}]);
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "owned", "ownerReferences": refs}})).await;
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "orphan", "ownerReferences": refs}})).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/owned")).await.code, 200);
    delete(&kube, &format!("{CONFIGMAPS}/owner")).await;
    idle(&kube).await;
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/owned")).await.code, 404);
}

#[tokio::test]
async fn dependents_stay_when_orphaning_is_requested() {
    let kube = cluster();
    let owner = post(&kube, CONFIGMAPS, json!({"metadata": {"name": "owner"}})).await;
    let refs = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.body["metadata"]["uid"]}]);
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "owned", "ownerReferences": refs}})).await;
    delete(&kube, &format!("{CONFIGMAPS}/owner?propagationPolicy=Orphan")).await;
    idle(&kube).await;
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/owner")).await.code, 404);
    let left = get(&kube, &format!("{CONFIGMAPS}/owned")).await;
    assert!(left.code == 200 && left.body["metadata"].get("ownerReferences").is_none(), "{}", left.body);
}

#[tokio::test]
async fn a_pod_gets_a_node_a_service_account_and_a_token_and_is_removed_when_deleted() {
    let kube = cluster();
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"generateName": "verify-"}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let made = post(&kube, pods, pod).await;
    assert_eq!((made.body["spec"].get("nodeName"), made.body["status"].get("conditions")), (None, None));
    assert_eq!(made.body["spec"]["serviceAccountName"], "default");
    assert_eq!(made.body["status"]["phase"], "Pending");
    assert_eq!(made.body["spec"]["containers"][0]["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    let name = made.body["metadata"]["name"].as_str().unwrap();
    assert!(name.len() == 12 && name.starts_with("verify-"), "{name}");
    idle(&kube).await;
    let placed = get(&kube, &format!("{pods}/{name}")).await;
    assert_eq!(
        (&placed.body["spec"]["nodeName"], &placed.body["status"]["conditions"][0]["type"]),
        (&json!("aks-nodepool1-vmss000000"), &json!("PodScheduled"))
    );
    let ending = delete(&kube, &format!("{pods}/{name}")).await;
    assert_eq!(ending.body["metadata"]["deletionGracePeriodSeconds"], 30);
    idle(&kube).await;
    assert_eq!(get(&kube, &format!("{pods}/{name}")).await.code, 404);
}

#[tokio::test]
async fn a_custom_kind_exists_as_long_as_its_crd() {
    let kube = cluster();
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let crd = format!("{crds}/azureidentities.aadpodidentity.k8s.io");
    post(&kube, IDENTITIES, identity(json!({}))).await;
    let definition = get(&kube, &crd).await.body;
    delete(&kube, &crd).await;
    idle(&kube).await;
    assert_eq!((get(&kube, IDENTITIES).await.code, get(&kube, IDENTITIES).await.text), (404, "404 page not found\n".into()));
    let again = json!({"apiVersion": definition["apiVersion"], "kind": definition["kind"], "metadata": {"name": definition["metadata"]["name"], "annotations": definition["metadata"]["annotations"]}, "spec": definition["spec"]});
    assert_eq!(post(&kube, crds, again).await.code, 201);
    let empty = get(&kube, IDENTITIES).await;
    assert_eq!((empty.code, empty.body["items"].as_array().map(Vec::len)), (200, Some(0)));
}

#[tokio::test]
async fn equal_requests_give_equal_ids_and_an_equal_export() {
    let build = async || {
        let kube = cluster();
        post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": "app"}})).await;
        post(&kube, "/api/v1/namespaces/app/secrets", json!({"metadata": {"name": "s"}, "stringData": {"a": "canary"}})).await;
        kube
    };
    let (one, two) = (build().await, build().await);
    assert_eq!(one.export(), two.export());
    assert!(!one.export().to_string().contains("Y2FuYXJ5"));
    let uid = |kube: &Arc<Kube>| kube.snapshot().objects["secrets/app/s"]["metadata"]["uid"].clone();
    assert_eq!(uid(&one), uid(&two));
    let before = one.export();
    post(&one, CONFIGMAPS, json!({"metadata": {"name": "m"}})).await;
    assert_ne!(one.export(), before);
    delete(&one, &format!("{CONFIGMAPS}/m")).await;
    assert_eq!(one.export(), before);
}

#[test]
fn an_assignment_to_a_generated_pod_is_exported_without_generated_names() {
    let build = |pod: &str, version: &str| {
        let assigned = format!("{pod}-app-web");
        let objects = [
            (format!("pods/app/{pod}"), json!({"metadata": {"name": pod, "namespace": "app", "generateName": "web-7d9f-"}})),
            (
                format!("azureassignedidentities.aadpodidentity.k8s.io/default/{assigned}"),
                json!({
                    "metadata": {"name": assigned, "namespace": "default"},
                    "spec": {"pod": pod, "podNamespace": "app", "azureIdentityRef": {"metadata": {"name": "web", "resourceVersion": version}}},
                }),
            ),
        ];
        super::super::export::export(&objects.into())
    };
    let one = build("web-7d9f-x2x4z", "7");
    assert_eq!(one, build("web-7d9f-bbbbb", "9"));
    let assigned = &one["azureassignedidentities.aadpodidentity.k8s.io"]["default"]["web-7d9f-*-app-web"];
    assert_eq!(assigned["metadata"]["name"], "web-7d9f-*-app-web");
    assert_eq!(assigned["spec"], json!({"pod": "web-7d9f-*", "podNamespace": "app", "azureIdentityRef": {"metadata": {"name": "web"}}}));
}

#[tokio::test]
async fn a_cluster_continues_from_its_saved_state() {
    let kube = cluster();
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "m"}})).await;
    post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": "app"}})).await;
    delete(&kube, "/api/v1/namespaces/app").await;
    let left: State = serde_json::from_str(&serde_json::to_string(&kube.snapshot()).unwrap()).unwrap();
    drop(kube);
    let kube = cluster_of(left);
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/m")).await.code, 200);
    idle(&kube).await;
    assert_eq!(get(&kube, "/api/v1/namespaces/app").await.code, 404);
}

#[tokio::test]
async fn the_components_of_a_lab_are_healthy() {
    let kube = cluster();
    let pods = get(&kube, "/api/v1/namespaces/kube-system/pods?fieldSelector=status.phase=Running").await;
    assert_eq!(pods.body["items"].as_array().unwrap().len(), 5);
    let mic = get(&kube, "/apis/apps/v1/namespaces/kube-system/deployments/aad-pod-identity-mic").await;
    assert_eq!(mic.body["status"]["availableReplicas"], 2);
    let driver = get(&kube, "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io").await;
    assert_eq!(driver.body["spec"]["tokenRequests"][0]["audience"], "api://AzureADTokenExchange");
    let node = get(&kube, "/api/v1/nodes/aks-nodepool1-vmss000000").await;
    assert!(node.body["spec"]["providerID"].as_str().unwrap().starts_with("azure:///"));
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let kube = cluster();
    for i in 0..5 {
        post(&kube, CONFIGMAPS, json!({"metadata": {"name": format!("m{i}"), "labels": {"l": "x"}}})).await;
    }
    let first = get(&kube, &format!("{CONFIGMAPS}?labelSelector=l%3Dx&limit=3")).await.body;
    assert_eq!((first["items"].as_array().unwrap().len(), first["metadata"]["remainingItemCount"].as_u64()), (3, Some(2)));
    let next = first["metadata"]["continue"].as_str().unwrap();
    let second = get(&kube, &format!("{CONFIGMAPS}?labelSelector=l%3Dx&limit=3&continue={next}")).await.body;
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert!(second["metadata"].get("continue").is_none());
}

#[tokio::test]
async fn all_objects_that_match_a_selector_are_deleted() {
    let kube = cluster();
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        post(&kube, CONFIGMAPS, json!({"metadata": {"name": name, "labels": {"l": label}}})).await;
    }
    let gone = delete(&kube, &format!("{CONFIGMAPS}?labelSelector=l%3Dx")).await;
    assert_eq!(gone.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/c")).await.code, 200);
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/a")).await.code, 404);
}
