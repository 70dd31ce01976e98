//! Server-side apply: who owns which field, who may change it, and which fields are removed.

use super::*;

fn entry<'a>(object: &'a Value, manager: &str) -> &'a Value {
    let all = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|e| e["manager"] == manager).unwrap_or(&Value::Null)
}

fn configmap(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
}

async fn apply_map(kube: &Arc<Kube>, manager: &str, body: Value) -> Answer {
    ask(kube, "PATCH", &format!("{CONFIGMAPS}/m?fieldManager={manager}"), APPLY, body).await
}

#[tokio::test]
async fn an_apply_of_a_missing_object_creates_it_and_owns_what_it_names() {
    let kube = cluster();
    let made = apply(&kube, "podid", identity(json!({"type": 0, "clientID": "c"})), "").await;
    assert_eq!(made.code, 201);
    assert_eq!(entry(&made.body, "podid")["operation"], "Apply");
    assert_eq!(entry(&made.body, "podid")["fieldsV1"], json!({"f:spec": {"f:clientID": {}, "f:type": {}}}));
    assert_eq!(made.body["metadata"]["generation"], 1);
}

#[tokio::test]
async fn an_equal_apply_changes_no_version() {
    let kube = cluster();
    let first = apply(&kube, "podid", identity(json!({"type": 0})), "").await;
    let second = apply(&kube, "podid", identity(json!({"type": 0})), "").await;
    assert_eq!(second.code, 200);
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_changes_no_version() {
    let kube = cluster();
    let before = kube.snapshot().version;
    let made = apply(&kube, "podid", identity(json!({"type": 0})), "&dryRun=All").await;
    assert_eq!((made.code, made.body["spec"]["type"].as_i64()), (201, Some(0)));
    assert_eq!(get(&kube, &format!("{IDENTITIES}/a")).await.code, 404);
    apply(&kube, "podid", identity(json!({"type": 0})), "").await;
    let version = kube.snapshot().version;
    assert_eq!(version, before + 1);
    let would = apply(&kube, "podid", identity(json!({"type": 1})), "&dryRun=All").await;
    assert_eq!((would.code, would.body["spec"]["type"].as_i64(), kube.snapshot().version), (200, Some(1), version));
}

#[tokio::test]
async fn a_field_that_another_manager_patched_is_a_conflict_with_its_name_and_version() {
    let kube = cluster();
    apply(&kube, "podid", identity(json!({"clientID": "c"})), "").await;
    ask(&kube, "PATCH", &format!("{IDENTITIES}/a?fieldManager=kubectl-patch"), MERGE, json!({"spec": {"clientID": "x"}})).await;
    let refused = apply(&kube, "podid", identity(json!({"clientID": "c"})), "").await;
    assert_eq!((refused.code, refused.body["reason"].as_str()), (409, Some("Conflict")));
    assert_eq!(
        refused.message(),
        "Apply failed with 1 conflict: conflict with \"kubectl-patch\" using aadpodidentity.k8s.io/v1: .spec.clientID"
    );
    let cause = json!({
        "reason": "FieldManagerConflict", "message": "conflict with \"kubectl-patch\" using aadpodidentity.k8s.io/v1", "field": ".spec.clientID",
    });
    assert_eq!(refused.body["details"]["causes"], json!([cause]));
    let forced = apply(&kube, "podid", identity(json!({"clientID": "c"})), "&force=true").await;
    assert_eq!((forced.code, forced.body["spec"]["clientID"].as_str()), (200, Some("c")));
    assert!(entry(&forced.body, "kubectl-patch").is_null(), "{}", forced.body);
}

#[tokio::test]
async fn several_conflicts_are_listed_by_owner() {
    let kube = cluster();
    apply(&kube, "one", identity(json!({"clientID": "c", "type": 0})), "").await;
    apply(&kube, "two", identity(json!({"resourceID": "r"})), "").await;
    let refused = apply(&kube, "three", identity(json!({"clientID": "d", "type": 1, "resourceID": "s"})), "").await;
    assert_eq!(
        refused.message(),
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .spec.clientID\n- .spec.type\nconflicts with \"two\":\n- .spec.resourceID"
    );
}

#[tokio::test]
async fn equal_values_are_shared_and_stay_until_the_last_owner_drops_them() {
    let kube = cluster();
    apply(&kube, "one", identity(json!({"clientID": "c"})), "").await;
    assert_eq!(apply(&kube, "two", identity(json!({"clientID": "c"})), "").await.code, 200);
    let kept = apply(&kube, "one", identity(json!({})), "").await;
    assert_eq!(kept.body["spec"]["clientID"], "c");
    let gone = apply(&kube, "two", identity(json!({})), "").await;
    assert!(gone.body["spec"].get("clientID").is_none(), "{}", gone.body);
}

#[tokio::test]
async fn a_field_owned_by_an_updater_is_not_removed_by_an_applier() {
    let kube = cluster();
    apply(&kube, "podid", identity(json!({"clientID": "c"})), "").await;
    ask(&kube, "PATCH", &format!("{IDENTITIES}/a"), MERGE, json!({"spec": {"type": 1}})).await;
    let left = apply(&kube, "podid", identity(json!({})), "").await;
    assert_eq!(left.body["spec"], json!({"type": 1}));
}

#[tokio::test]
async fn an_atomic_list_has_one_owner_and_a_keyed_list_many() {
    let kube = cluster();
    let class = |body: Value| json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "s"}, "spec": body});
    let path = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/s?fieldManager=";
    let send = async |manager: &str, body: Value| ask(&kube, "PATCH", &format!("{path}{manager}"), APPLY, class(body)).await;
    send("one", json!({"parameters": {"a": "1"}, "secretObjects": [{"secretName": "x"}]})).await;
    assert_eq!(send("two", json!({"parameters": {"b": "2"}})).await.body["spec"]["parameters"], json!({"a": "1", "b": "2"}));
    let refused = send("two", json!({"secretObjects": [{"secretName": "y"}]})).await;
    assert_eq!(refused.message(), "Apply failed with 1 conflict: conflict with \"one\": .spec.secretObjects");

    let pod = |containers: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}});
    let path = "/api/v1/namespaces/default/pods/p?fieldManager=";
    ask(&kube, "PATCH", &format!("{path}one"), APPLY, pod(json!([{"name": "a", "image": "i"}]))).await;
    let refused = ask(&kube, "PATCH", &format!("{path}two"), APPLY, pod(json!([{"name": "a", "image": "j"}]))).await;
    assert_eq!(refused.message(), "Apply failed with 1 conflict: conflict with \"one\": .spec.containers[name=\"a\"].image");
}

#[tokio::test]
async fn finalizers_are_a_set_of_many_owners() {
    let kube = cluster();
    let with = |finalizers: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": finalizers}});
    apply_map(&kube, "one", with(json!(["a.b/1", "a.b/2"]))).await;
    let both = apply_map(&kube, "two", with(json!(["a.b/3"]))).await;
    assert_eq!(both.body["metadata"]["finalizers"], json!(["a.b/1", "a.b/2", "a.b/3"]));
    let less = apply_map(&kube, "one", with(json!(["a.b/2"]))).await;
    assert_eq!(less.body["metadata"]["finalizers"], json!(["a.b/2", "a.b/3"]));
}

#[tokio::test]
async fn only_kubectl_takes_over_what_kubectl_applied_on_the_client_side() {
    let kube = cluster();
    let last = configmap(json!({"a": "1"})).to_string();
    let mut made = configmap(json!({"a": "1"}));
    made["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    post(&kube, &format!("{CONFIGMAPS}?fieldManager=kubectl-client-side-apply"), made).await;
    assert_eq!(apply_map(&kube, "podid", configmap(json!({"a": "2"}))).await.code, 409);
    let taken = apply_map(&kube, "kubectl", configmap(json!({"a": "2"}))).await;
    assert_eq!((taken.code, taken.body["data"]["a"].as_str()), (200, Some("2")));
    let told = taken.body["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    assert!(told.contains("\"a\":\"2\""), "{told}");
}

#[tokio::test]
async fn an_object_without_owners_gets_one_for_all_its_fields_at_the_first_apply() {
    let kube = cluster();
    post(&kube, CONFIGMAPS, configmap(json!({"a": "1"}))).await;
    ask(&kube, "PATCH", &format!("{CONFIGMAPS}/m"), MERGE, json!({"metadata": {"managedFields": [{}]}})).await;
    let refused = apply_map(&kube, "podid", configmap(json!({"a": "2"}))).await;
    assert_eq!(refused.message(), "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a");
}

#[tokio::test]
async fn more_than_ten_updaters_become_ancient_changes() {
    let kube = cluster();
    post(&kube, CONFIGMAPS, configmap(json!({"a": "b"}))).await;
    for i in 0..14 {
        let path = format!("{CONFIGMAPS}/m?fieldManager=m{i:02}");
        ask(&kube, "PATCH", &path, MERGE, json!({"data": {format!("k{i}"): "v"}})).await;
    }
    let object = get(&kube, &format!("{CONFIGMAPS}/m")).await.body;
    assert_eq!(object["metadata"]["managedFields"].as_array().unwrap().len(), 10);
    assert_eq!(entry(&object, "ancient-changes")["operation"], "Update");
}

#[tokio::test]
async fn the_status_is_written_by_its_own_endpoint_only() {
    let kube = cluster();
    let pods = "/api/v1/namespaces/default/pods";
    post(&kube, pods, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i"}]}})).await;
    idle(&kube).await;
    let main = ask(&kube, "PATCH", &format!("{pods}/p"), MERGE, json!({"status": {"phase": "Running"}})).await;
    assert_eq!(main.body["status"]["phase"], "Pending");
    let own =
        ask(&kube, "PATCH", &format!("{pods}/p/status"), MERGE, json!({"status": {"phase": "Running"}, "spec": {"nodeName": "x"}})).await;
    assert_eq!(
        (own.body["status"]["phase"].as_str(), own.body["spec"]["nodeName"].as_str()),
        (Some("Running"), Some("aks-nodepool1-vmss000000"))
    );
    let entries = own.body["metadata"]["managedFields"].as_array().unwrap().clone();
    assert!(entries.iter().any(|e| e["subresource"] == "status" && e["fieldsV1"]["f:status"]["f:phase"] == json!({})), "{entries:?}");
}

#[tokio::test]
async fn an_apply_must_name_its_manager_and_the_object_of_the_path() {
    let kube = cluster();
    let send = async |query: &str, body: Value| ask(&kube, "PATCH", &format!("{IDENTITIES}/a{query}"), APPLY, body).await;
    let unnamed = send("", identity(json!({}))).await;
    assert_eq!(unnamed.message(), "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
    let mut other = identity(json!({}));
    other["metadata"]["name"] = json!("b");
    assert_eq!(send("?fieldManager=x", other).await.message(), "the name of the object (b) does not match the name on the URL (a)");
    let mut managed = identity(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    assert_eq!(send("?fieldManager=x", managed).await.message(), "metadata.managedFields must be nil");
    let unknown = send("?fieldManager=x", identity(json!({"ClientID": "c"}))).await;
    assert_eq!(
        (unknown.code, unknown.message()),
        (
            500,
            "failed to create typed patch object (/a; aadpodidentity.k8s.io/v1, Kind=AzureIdentity): .spec.ClientID: field not declared in schema"
        )
    );
    let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/nope/azureidentities/a?fieldManager=x";
    let nowhere = ask(&kube, "PATCH", path, APPLY, identity(json!({}))).await;
    assert_eq!((nowhere.code, nowhere.message()), (404, "namespaces \"nope\" not found"));
}

#[tokio::test]
async fn yaml_can_be_applied() {
    let kube = cluster();
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  a: |\n    one\n    two\n";
    let path = format!("{CONFIGMAPS}/m?fieldManager=x");
    assert_eq!(send(&kube, &request("admin", "PATCH", &path, APPLY, body)).await.body["data"]["a"], "one\ntwo\n");
}
