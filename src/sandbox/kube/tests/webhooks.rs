//! The webhook of Azure Workload ID: which pods it changes, how, and what happens while it does not answer.

use super::*;

const HOOKS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const PODS: &str = "/api/v1/namespaces/default/pods";
const SYSTEM: &str = "azure-workload-identity-system";
const CLIENT: &str = "11111111-1111-1111-1111-111111111111";

/// Stores what the chart of the webhook installs, with one pod. `image` is the tag of the webhook's image.
async fn installed(image: &str) -> Arc<Kube> {
    let kube = cluster();
    let labels = json!({"app": "workload-identity-webhook", "azure-workload-identity.io/system": "true"});
    let within = format!("/api/v1/namespaces/{SYSTEM}");
    post(&kube, "/api/v1/namespaces", json!({"metadata": {"name": SYSTEM}})).await;
    let data = json!({"AZURE_ENVIRONMENT": "AzurePublicCloud", "AZURE_TENANT_ID": "tenant-of-cluster"});
    post(&kube, &format!("{within}/configmaps"), json!({"metadata": {"name": "azure-wi-webhook-config"}, "data": data})).await;
    let service = json!({"metadata": {"name": "azure-wi-webhook-webhook-service"}, "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": 9443}]}});
    assert_eq!(post(&kube, &format!("{within}/services"), service).await.code, 201);
    let manager = json!({
        "name": "manager", "image": format!("mcr.microsoft.com/oss/azure/workload-identity/webhook:{image}"),
        "envFrom": [{"configMapRef": {"name": "azure-wi-webhook-config"}}],
    });
    let pod = json!({"metadata": {"name": "webhook", "labels": labels}, "spec": {"containers": [manager]}});
    assert_eq!(post(&kube, &format!("{within}/pods"), pod).await.code, 201);
    let webhook = json!({
        "name": "mutation.azure-workload-identity.io", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
        "clientConfig": {"service": {"name": "azure-wi-webhook-webhook-service", "namespace": SYSTEM, "path": "/mutate-v1-pod"}},
        "objectSelector": {"matchLabels": {"azure.workload.identity/use": "true"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    });
    let hook = json!({"metadata": {"name": "azure-wi-webhook-mutating-webhook-configuration"}, "webhooks": [webhook]});
    let made = post(&kube, HOOKS, hook).await;
    assert_eq!((made.code, made.warnings().len()), (201, 0), "{}", made.text);
    set_ready(&kube, "True").await;
    annotate(&kube, json!({"azure.workload.identity/client-id": CLIENT})).await;
    kube
}

async fn set_ready(kube: &Arc<Kube>, ready: &str) {
    let conditions = json!([{"type": "Ready", "status": ready}]);
    let path = format!("/api/v1/namespaces/{SYSTEM}/pods/webhook/status");
    assert_eq!(ask(kube, "PATCH", &path, MERGE, json!({"status": {"phase": "Running", "conditions": conditions}})).await.code, 200);
}

/// Sets the annotations of the service account `default`.
async fn annotate(kube: &Arc<Kube>, annotations: Value) {
    let path = "/api/v1/namespaces/default/serviceaccounts/default";
    assert_eq!(ask(kube, "PATCH", path, MERGE, json!({"metadata": {"annotations": annotations}})).await.code, 200);
}

fn pod(name: &str, annotations: Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "labels": {"azure.workload.identity/use": "true"}, "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "app:1"}]},
    });
    change(&mut pod);
    pod
}

async fn made(kube: &Arc<Kube>, pod: Value) -> Value {
    let answer = post(kube, PODS, pod).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    answer.body
}

fn env(container: &Value) -> Vec<(&str, &str)> {
    let all = container["env"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|e| (e["name"].as_str().unwrap(), e["value"].as_str().unwrap())).collect()
}

fn mounts(container: &Value) -> Vec<&str> {
    container["volumeMounts"].as_array().unwrap().iter().map(|m| m["mountPath"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_labelled_pod_gets_a_token_and_the_environment_of_the_sdks() {
    let kube = installed("v1.5.1").await;
    let init = json!([{"name": "first", "image": "app:1", "env": [{"name": "AZURE_CLIENT_ID", "value": "of-the-app"}]}]);
    let asked = pod("app", json!({}), |pod| pod["spec"]["initContainers"] = init);
    for (path, code) in [(format!("{PODS}?dryRun=All"), 201), (PODS.to_owned(), 201)] {
        let answer = post(&kube, &path, asked.clone()).await;
        assert_eq!(answer.code, code, "{}", answer.text);
        let spec = &answer.body["spec"];
        let file = "/var/run/secrets/azure/tokens/azure-identity-token";
        let rest = [
            ("AZURE_TENANT_ID", "tenant-of-cluster"),
            ("AZURE_FEDERATED_TOKEN_FILE", file),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ];
        for (container, client) in [(&spec["containers"][0], CLIENT), (&spec["initContainers"][0], "of-the-app")] {
            let expected: Vec<(&str, &str)> = [("AZURE_CLIENT_ID", client)].into_iter().chain(rest).collect();
            assert_eq!(env(container), expected);
            assert_eq!(mounts(container), ["/var/run/secrets/kubernetes.io/serviceaccount", "/var/run/secrets/azure/tokens"]);
        }
        let volumes = spec["volumes"].as_array().unwrap();
        let token = volumes.iter().find(|v| v["name"] == "azure-identity-token").unwrap();
        let source = json!({"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": "azure-identity-token"});
        assert_eq!(token["projected"], json!({"defaultMode": 420, "sources": [{"serviceAccountToken": source}]}));
    }
}

#[tokio::test]
async fn a_pod_without_the_label_or_in_kube_system_stays_as_it_is() {
    let kube = installed("v1.5.1").await;
    let plain = made(&kube, pod("plain", json!({}), |pod| pod["metadata"]["labels"] = json!({"azure.workload.identity/use": "yes"}))).await;
    assert!(env(&plain["spec"]["containers"][0]).is_empty() && plain["spec"]["volumes"].as_array().unwrap().len() == 1);
    let system = post(&kube, "/api/v1/namespaces/kube-system/pods", pod("app", json!({}), |_| {})).await;
    assert_eq!(system.code, 201);
    assert!(env(&system.body["spec"]["containers"][0]).is_empty());
}

#[tokio::test]
async fn an_account_without_a_client_id_gives_the_pod_none_and_may_name_another_tenant() {
    let kube = installed("v1.5.1").await;
    annotate(&kube, json!({"azure.workload.identity/client-id": null, "azure.workload.identity/tenant-id": "other"})).await;
    let pod = made(&kube, pod("app", json!({}), |_| {})).await;
    let env = env(&pod["spec"]["containers"][0]);
    assert_eq!((env[0], env.len()), (("AZURE_TENANT_ID", "other"), 3));
}

#[tokio::test]
async fn skipped_containers_stay_as_they_are() {
    let kube = installed("v1.5.1").await;
    let annotations = json!({"azure.workload.identity/skip-containers": "other; main"});
    let more = json!([{"name": "main", "image": "a:1"}, {"name": "app", "image": "a:1"}, {"name": "other", "image": "a:1"}]);
    let pod = made(&kube, pod("app", annotations, |pod| pod["spec"]["containers"] = more)).await;
    let counts: Vec<usize> = pod["spec"]["containers"].as_array().unwrap().iter().map(|c| env(c).len()).collect();
    assert_eq!(counts, [0, 4, 0]);
}

#[tokio::test]
async fn the_lifetime_of_the_token_is_an_annotation_of_pod_or_account() {
    const LIFETIME: &str = "azure.workload.identity/service-account-token-expiration";
    let kube = installed("v1.5.1").await;
    annotate(&kube, json!({LIFETIME: "7200"})).await;
    for (name, annotation, expected) in [("a", Value::Null, 7200), ("b", json!("86400"), 86400), ("c", json!(""), 7200)] {
        let pod = made(&kube, pod(name, json!({LIFETIME: annotation}), |_| {})).await;
        let volume = pod["spec"]["volumes"].as_array().unwrap().iter().find(|v| v["name"] == "azure-identity-token").unwrap();
        assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], expected);
    }
    let denied = "admission webhook \"mutation.azure-workload-identity.io\" denied the request: ";
    for (value, why) in [
        ("3599", "token expiration 3599 not valid. Expected value to be between 3600 and 86400"),
        ("86401", "token expiration 86401 not valid. Expected value to be between 3600 and 86400"),
        ("1h", "strconv.ParseInt: parsing \"1h\": invalid syntax"),
    ] {
        let answer = post(&kube, PODS, pod("no", json!({LIFETIME: value}), |_| {})).await;
        assert_eq!((answer.code, answer.message()), (400, format!("{denied}{why}").as_str()));
    }
}

#[tokio::test]
async fn the_proxy_is_injected_whatever_the_annotation_says() {
    let kube = installed("v1.5.1").await;
    let annotations = json!({"azure.workload.identity/inject-proxy-sidecar": "false"});
    let with_proxy = made(&kube, pod("app", annotations.clone(), |_| {})).await;
    let containers = with_proxy["spec"]["initContainers"].as_array().unwrap();
    let names: Vec<&str> = containers.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["azwi-proxy", "azwi-proxy-init"]);
    assert_eq!(containers[0]["image"], "mcr.microsoft.com/oss/azure/workload-identity/proxy:v1.5.1");
    assert_eq!((&containers[0]["restartPolicy"], &containers[1]["securityContext"]["privileged"]), (&json!("Always"), &json!(true)));
    assert!(containers.iter().all(|c| mounts(c).len() == 2 && c["terminationMessagePath"] == "/dev/termination-log"));
    let refused = post(&kube, PODS, pod("host", annotations.clone(), |pod| pod["spec"]["hostNetwork"] = json!(true))).await;
    assert_eq!(refused.code, 400);
    assert!(refused.message().ends_with("denied the request: hostNetwork is set to true, cannot inject proxy sidecar"));
    // Pod Security sees what the webhook added
    ask(
        &kube,
        "PATCH",
        "/api/v1/namespaces/default",
        MERGE,
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
    )
    .await;
    let insecure = post(&kube, PODS, pod("insecure", annotations, |_| {})).await;
    assert!(insecure.code == 403 && insecure.message().contains("azwi-proxy-init"), "{}", insecure.text);
}

#[tokio::test]
async fn a_newer_webhook_mounts_elsewhere_and_knows_identity_bindings() {
    let kube = installed("v1.6.0").await;
    let annotations = json!({"azure.workload.identity/use-identity-binding": "true"});
    let before = made(&kube, pod("before", annotations.clone(), |_| {})).await;
    assert_eq!(env(&before["spec"]["containers"][0])[2].1, "/var/run/secrets/azure/wi/token/azure-identity-token");
    assert!(before.to_string().contains("api://AzureADTokenExchange"), "the cluster has no token proxy");
    let data = json!({
        "AZURE_KUBERNETES_TOKEN_PROXY": "https://kubernetes.default.svc", "AZURE_KUBERNETES_SNI_NAME": "a1.ests.aks",
        "AZURE_KUBERNETES_CA_CONFIGMAP_NAME": "kube-root-ca.crt",
    });
    let config = format!("/api/v1/namespaces/{SYSTEM}/configmaps/azure-wi-webhook-config");
    ask(&kube, "PATCH", &config, MERGE, json!({ "data": data })).await;
    let bound = made(&kube, pod("bound", annotations, |_| {})).await;
    let added: Vec<(&str, &str)> = env(&bound["spec"]["containers"][0]).into_iter().skip(4).collect();
    let expected = [
        ("AZURE_KUBERNETES_TOKEN_PROXY", "https://kubernetes.default.svc"),
        ("AZURE_KUBERNETES_SNI_NAME", "a1.ests.aks"),
        ("AZURE_KUBERNETES_CA_FILE", "/var/run/secrets/azure/wi/ca-cert/ca.crt"),
    ];
    assert_eq!(added, expected);
    let volumes = bound["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|v| v["name"].as_str().unwrap().starts_with("azure-workload-identity-reserved-")).unwrap();
    assert_eq!(volume["name"].as_str().unwrap().len(), 63);
    assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["audience"], "api://AKSIdentityBinding");
    assert_eq!(volume["projected"]["sources"][1]["configMap"]["name"], "kube-root-ca.crt");
    // a pod without the annotation stays with the other audience
    assert!(made(&kube, pod("direct", json!({}), |_| {})).await.to_string().contains("api://AzureADTokenExchange"));
}

#[tokio::test]
async fn without_a_ready_webhook_only_labelled_pods_are_refused() {
    let kube = installed("v1.5.1").await;
    set_ready(&kube, "False").await;
    let unlabelled = |name: &str| pod(name, json!({}), |pod| pod["metadata"]["labels"] = json!({}));
    made(&kube, unlabelled("plain")).await;
    let refused = post(&kube, PODS, pod("app", json!({}), |_| {})).await;
    let start = "Internal error occurred: failed calling webhook \"mutation.azure-workload-identity.io\": failed to call webhook: Post \"https://azure-wi-webhook-webhook-service.azure-workload-identity-system.svc:443/mutate-v1-pod?timeout=10s\": ";
    assert_eq!(refused.message(), format!("{start}no endpoints available for service \"azure-wi-webhook-webhook-service\""));
    assert_eq!((refused.code, &refused.body["reason"]), (500, &json!("InternalError")));
    // a replica set reports it
    let template = json!({"metadata": {"labels": {"app": "a", "azure.workload.identity/use": "true"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template});
    post(&kube, "/apis/apps/v1/namespaces/default/replicasets", json!({"metadata": {"name": "a"}, "spec": spec})).await;
    idle(&kube).await;
    let set = get(&kube, "/apis/apps/v1/namespaces/default/replicasets/a").await.body;
    assert!(set["status"]["conditions"][0]["message"].as_str().unwrap().starts_with(start), "{set}");
    delete(&kube, &format!("/api/v1/namespaces/{SYSTEM}/services/azure-wi-webhook-webhook-service")).await;
    let refused = post(&kube, PODS, pod("app", json!({}), |_| {})).await;
    assert_eq!(refused.message(), format!("{start}service \"azure-wi-webhook-webhook-service\" not found"));
    delete(&kube, &format!("{HOOKS}/azure-wi-webhook-mutating-webhook-configuration")).await;
    assert!(env(&made(&kube, pod("app", json!({}), |_| {})).await["spec"]["containers"][0]).is_empty());
}

#[tokio::test]
async fn other_webhooks_are_stored_and_never_called() {
    let kube = cluster();
    let webhook = json!({
        "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {"url": "https://a.example.com"},
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}],
    });
    let made = post(&kube, HOOKS, json!({"metadata": {"name": "a"}, "webhooks": [webhook]})).await;
    assert_eq!((made.code, &made.body["webhooks"][0]["failurePolicy"]), (201, &json!("Fail")));
    assert!(made.warnings()[0].contains("calls only mutation.azure-workload-identity.io"), "{:?}", made.warnings());
    self::made(&kube, pod("app", json!({}), |_| {})).await;
}

/// An external sandbox may be the cluster of another one, whose address its API server does not call.
#[tokio::test]
async fn a_webhook_by_url_is_answered_by_the_programs_own_pods() {
    let kube = installed("v1.5.1").await;
    let path = format!("{HOOKS}/azure-wi-webhook-mutating-webhook-configuration");
    let mut hook = get(&kube, &path).await.body;
    hook["webhooks"][0]["clientConfig"] = json!({"url": "https://localhost:1/webhooks/a/mutate-v1-pod"});
    assert_eq!(ask(&kube, "PUT", &path, "application/json", hook).await.code, 200);
    assert_eq!(env(&made(&kube, pod("app", json!({}), |_| {})).await["spec"]["containers"][0]).len(), 4);
    set_ready(&kube, "False").await;
    let refused = post(&kube, PODS, pod("late", json!({}), |_| {})).await;
    assert!(refused.message().contains("failed to call webhook: Post \"https://localhost:1/webhooks/a/mutate-v1-pod?timeout=10s\": "));
}
