//! What is refused, and with which message.

use super::*;

#[tokio::test]
async fn unknown_fields_are_refused_warned_about_or_dropped_as_requested() {
    let kube = cluster();
    let wrong = || identity(json!({"ClientID": "c", "zz": 1, "type": 0}));
    let strict = post(&kube, &format!("{IDENTITIES}?fieldValidation=Strict"), wrong()).await;
    assert_eq!(
        (strict.code, strict.message()),
        (
            400,
            "AzureIdentity in version \"v1\" cannot be handled as a AzureIdentity: strict decoding error: unknown field \"spec.ClientID\", unknown field \"spec.zz\""
        )
    );
    let warned = post(&kube, &format!("{IDENTITIES}?dryRun=All"), wrong()).await;
    assert_eq!(warned.warnings(), ["299 - \"unknown field \\\"spec.ClientID\\\"\"", "299 - \"unknown field \\\"spec.zz\\\"\""]);
    let quiet = post(&kube, &format!("{IDENTITIES}?fieldValidation=Ignore"), wrong()).await;
    assert_eq!((quiet.code, quiet.warnings().len()), (201, 0));
    assert_eq!(quiet.body["spec"], json!({"type": 0}));
}

#[tokio::test]
async fn a_wrong_type_is_a_422_for_custom_kinds_and_a_400_for_built_in_ones() {
    let kube = cluster();
    let custom = post(&kube, IDENTITIES, identity(json!({"type": "0"}))).await;
    assert_eq!(
        (custom.code, custom.message()),
        (
            422,
            "AzureIdentity.aadpodidentity.k8s.io \"a\" is invalid: spec.type: Invalid value: \"string\": spec.type in body must be of type integer: \"string\""
        )
    );
    assert_eq!(custom.body["details"]["causes"][0]["reason"], "FieldValueTypeInvalid");
    let built_in = post(&kube, CONFIGMAPS, json!({"metadata": {"name": "m"}, "data": {"a": 1}})).await;
    assert_eq!(
        (built_in.code, built_in.message()),
        (
            400,
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        )
    );
}

#[tokio::test]
async fn booleans_among_the_parameters_of_a_secret_provider_class_are_refused() {
    let kube = cluster();
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "s"},
        "spec": {"parameters": {"usePodIdentity": true}},
    });
    let refused = post(&kube, "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses", class).await;
    assert_eq!((refused.code, refused.body["details"]["causes"][0]["field"].as_str()), (422, Some("spec.parameters.usePodIdentity")));
}

#[tokio::test]
async fn missing_objects_are_named_with_their_group() {
    let kube = cluster();
    let missing = get(&kube, &format!("{IDENTITIES}/x")).await;
    assert_eq!((missing.code, missing.message()), (404, "azureidentities.aadpodidentity.k8s.io \"x\" not found"));
    let exists = {
        post(&kube, IDENTITIES, identity(json!({}))).await;
        post(&kube, IDENTITIES, identity(json!({}))).await
    };
    assert_eq!((exists.code, exists.body["reason"].as_str()), (409, Some("AlreadyExists")));
    assert_eq!(delete(&kube, "/api/v1/namespaces").await.code, 405);
    assert_eq!(get(&kube, "/apis/foo.io/v1/namespaces/default/bars").await.text, "404 page not found\n");
    assert_eq!(get(&kube, "/api/v1/namespaces/default/bars").await.message(), "the server could not find the requested resource");
}

#[tokio::test]
async fn a_stale_version_and_a_wrong_uid_are_conflicts() {
    let kube = cluster();
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "m"}})).await;
    let path = format!("{CONFIGMAPS}/m");
    let stale = ask(&kube, "PUT", &path, "application/json", json!({"metadata": {"name": "m", "resourceVersion": "1"}})).await;
    assert_eq!(
        (stale.code, stale.message()),
        (
            409,
            "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to the latest version and try again"
        )
    );
    let other = ask(&kube, "DELETE", &path, "application/json", json!({"preconditions": {"uid": "x"}})).await;
    assert_eq!((other.code, other.body["reason"].as_str()), (409, Some("Conflict")));
    assert_eq!(get(&kube, &path).await.code, 200);
}

#[tokio::test]
async fn a_made_up_token_is_unauthorized() {
    let kube = cluster();
    let refused = send(&kube, &request("bogus", "GET", "/api/v1/pods", "", "")).await;
    assert_eq!((refused.code, refused.message()), (401, "Unauthorized"));
}

#[tokio::test]
async fn a_service_account_may_do_what_its_roles_allow_and_learns_what_they_do_not() {
    let kube = cluster();
    let token = post(&kube, "/api/v1/namespaces/default/serviceaccounts/default/token", json!({})).await;
    let token = token.body["status"]["token"].as_str().unwrap().to_owned();
    let list = async || send(&kube, &request(&token, "GET", "/api/v1/namespaces/default/pods", "", "")).await;
    assert_eq!(
        list().await.message(),
        "pods is forbidden: User \"system:serviceaccount:default:default\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let rules = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]);
    post(&kube, &format!("{rbac}/roles"), json!({"metadata": {"name": "r"}, "rules": rules})).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]);
    let binding = json!({"metadata": {"name": "r"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": subjects});
    post(&kube, &format!("{rbac}/rolebindings"), binding).await;
    assert_eq!(list().await.code, 200);
    assert_eq!(send(&kube, &request(&token, "GET", "/apis", "", "")).await.code, 200);
    delete(&kube, "/api/v1/namespaces/default/serviceaccounts/default").await;
    assert_eq!(list().await.code, 401);
}

#[tokio::test]
async fn an_apply_that_creates_needs_the_right_to_create() {
    let kube = cluster();
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let rules = json!([{"verbs": ["patch"], "apiGroups": [""], "resources": ["configmaps"]}]);
    post(&kube, &format!("{rbac}/roles"), json!({"metadata": {"name": "r"}, "rules": rules})).await;
    let binding = json!({"metadata": {"name": "r"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]});
    post(&kube, &format!("{rbac}/rolebindings"), binding).await;
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    let mut asked = request("admin", "PATCH", &format!("{CONFIGMAPS}/m?fieldManager=x"), APPLY, &body.to_string());
    asked.headers.push(("impersonate-user".into(), "u".into()));
    let refused = send(&kube, &asked).await;
    assert_eq!(
        refused.message(),
        "configmaps \"m\" is forbidden: User \"u\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    post(&kube, CONFIGMAPS, json!({"metadata": {"name": "m"}})).await;
    assert_eq!(send(&kube, &asked).await.code, 200);
}

#[tokio::test]
async fn a_namespace_with_the_restricted_level_refuses_other_pods() {
    let kube = cluster();
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": "safe", "labels": labels}})).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let refused = post(&kube, "/api/v1/namespaces/safe/pods", pod).await;
    assert_eq!(refused.code, 403);
    assert!(
        refused
            .message()
            .starts_with("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false")
    );
}

#[tokio::test]
async fn debug_output_contains_no_secrets() {
    let mut facts = facts();
    facts.admin_token = "canary".into();
    assert!(!format!("{facts:?}").contains("canary"));
    let kube = cluster();
    post(&kube, "/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "s"}, "data": {"a": "Y2FuYXJ5"}})).await;
    assert!(!format!("{:?}", kube.snapshot()).contains("Y2FuYXJ5"));
}
