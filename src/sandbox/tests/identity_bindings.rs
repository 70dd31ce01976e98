//! Identity bindings: the resource of ARM, and the token proxy of a cluster that works with it.

use super::workload_identity::{Bench, VAULT};
use super::*;

const API: &str = "api-version=2026-04-01";

fn path(lab: &Lab, name: &str) -> String {
    let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", lab.group());
    format!("{cluster}/identityBindings{}{name}", if name.is_empty() { "" } else { "/" })
}

/// The id of an identity, with the capital letter that the pattern wants.
fn requested(identity: &Value) -> Value {
    let id = identity["id"].as_str().unwrap().replace("/resourcegroups/", "/resourceGroups/");
    json!({"properties": {"managedIdentity": {"resourceId": id}}})
}

async fn ask(lab: &Lab, method: &str, name: &str, body: Option<Value>) -> Answer {
    lab.arm(method, &format!("{}?{API}", path(lab, name)), body).await
}

#[tokio::test]
async fn a_binding_is_created_listed_and_deleted_and_leaves_its_credential() {
    let lab = Lab::new(Lateness::Quick).await;
    let identity = lab.identity("shop").await;
    let (client, tenant) = (identity["properties"]["clientId"].as_str().unwrap(), lab.sandbox.access().tenant.clone());
    let made = ask(&lab, "PUT", "shop", Some(requested(&identity))).await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")), "{}", made.body);
    let operation = made.header("azure-asyncoperation").trim_start_matches("https://management.azure.com").to_owned();
    for expected in ["InProgress", "Succeeded"] {
        assert_eq!(lab.arm("GET", &operation, None).await.body["status"], expected);
    }
    let read = ask(&lab, "GET", "shop", None).await.body;
    let properties = &read["properties"];
    assert_eq!(
        (&read["type"], &properties["provisioningState"]),
        (&json!("Microsoft.ContainerService/managedClusters/identityBindings"), &json!("Succeeded"))
    );
    assert!(read["eTag"].is_string() && read["id"].as_str().unwrap().ends_with("/managedClusters/aks-mi/identityBindings/shop"));
    let issuer = format!("https://ib.oic.prod-aks.azure.com/{tenant}/{client}");
    assert_eq!(properties["oidcIssuer"]["oidcIssuerUrl"], issuer);
    assert_eq!((&properties["managedIdentity"]["clientId"], &properties["managedIdentity"]["tenantId"]), (&json!(client), &json!(tenant)));
    assert_eq!(ask(&lab, "GET", "", None).await.body["value"], json!([read]));
    // the same again is no change, another identity is refused
    assert_eq!(ask(&lab, "PUT", "shop", Some(requested(&identity))).await.status, 200);
    let other = ask(&lab, "PUT", "shop", Some(requested(&lab.identity("other").await))).await;
    assert_eq!((other.status, &other.body["code"]), (400, &json!("PropertyChangeNotAllowed")));
    let credential = format!("{}/federatedIdentityCredentials/aks-identity-binding", identity["id"].as_str().unwrap());
    assert_eq!(lab.arm("GET", &credential, None).await.body["properties"]["issuer"], issuer);
    let deleted = ask(&lab, "DELETE", "shop", None).await;
    assert_eq!(deleted.status, 202);
    let place = deleted.header("location").trim_start_matches("https://management.azure.com").to_owned();
    assert_eq!(ask(&lab, "GET", "shop", None).await.body["properties"]["provisioningState"], "Deleting");
    assert_eq!(lab.arm("GET", &place, None).await.status, 204);
    assert_eq!(ask(&lab, "GET", "shop", None).await.status, 404);
    assert_eq!(ask(&lab, "DELETE", "shop", None).await.status, 204);
    assert_eq!(lab.arm("GET", &credential, None).await.status, 200);
}

#[tokio::test]
async fn names_ids_and_versions_follow_the_specification() {
    let lab = Lab::new(Lateness::None).await;
    let identity = lab.identity("shop").await;
    for name in ["Shop", "1shop", "my-shop", &"a".repeat(65)] {
        let refused = ask(&lab, "PUT", name, Some(requested(&identity))).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("InvalidParameter")), "{name}");
    }
    let unchanged = json!({"properties": {"managedIdentity": {"resourceId": identity["id"]}}});
    for body in [unchanged, requested(&lab.identity("my_shop").await), json!({"properties": {}})] {
        assert_eq!(ask(&lab, "PUT", "shop", Some(body.clone())).await.status, 400, "{body}");
    }
    let early = lab.arm("PUT", &format!("{}?api-version=2026-02-01", path(&lab, "shop")), Some(requested(&identity))).await;
    assert_eq!((early.status, early.code()), (404, "InvalidResourceType"));
    // nothing of the identity itself may be written
    lab.control("POST", "/settings", Some(json!({"deny": ["Microsoft.ManagedIdentity/*/federatedIdentityCredentials/write"]}))).await;
    let refused = ask(&lab, "PUT", "shop", Some(requested(&identity))).await;
    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_proxy_needs_the_binding_and_the_right_in_the_cluster() {
    let bench = Bench::new().await;
    let proxy = json!({"useAzureTokenProxy": "true"});
    let unbound = bench.mount("unbound", proxy.clone()).await.unwrap_err();
    assert!(unbound.contains("no identity binding of the cluster is for the managed identity with client id"), "{unbound}");
    assert_eq!(ask(&bench.lab, "PUT", "shop", Some(requested(&bench.identity))).await.status, 201);
    let forbidden = bench.mount("forbidden", proxy.clone()).await.unwrap_err();
    let why = "cannot use-managed-identity resource";
    assert!(forbidden.contains(why) && forbidden.contains("system:serviceaccount:shop:web"), "{forbidden}");
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let name = format!("use-mi-{}", bench.client_id());
    let rules = json!([{"verbs": ["use-managed-identity"], "apiGroups": ["cid.wi.aks.azure.com"], "resources": [bench.client_id()]}]);
    bench.cluster.make(&format!("{rbac}/clusterroles"), json!({"metadata": {"name": name}, "rules": rules})).await;
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    let subjects = json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}]);
    let binding = json!({"metadata": {"name": name}, "roleRef": reference, "subjects": subjects});
    bench.cluster.make(&format!("{rbac}/clusterrolebindings"), binding).await;
    assert_eq!(bench.mount("bound", proxy.clone()).await, Ok(()));
    // an app with the annotation gets its token from the proxy, too
    let annotation = json!({"azure.workload.identity/use-identity-binding": "true"});
    let (exit, message) = bench.check("app", |pod| pod["metadata"]["annotations"] = annotation).await;
    assert!(exit == 0 && message.starts_with(&format!("token 200 {} ", bench.client_id())), "{message}");
    assert!(message.contains("\n1 200 "), "{VAULT}: {message}");
    // without it the token goes to Entra, which knows no credential of the cluster's issuer
    let (_, message) = bench.check("direct", |_| {}).await;
    assert!(message.contains("AADSTS700211: "), "{message}");
    // and nothing works without the credential of AKS
    let credential = format!("{}/federatedIdentityCredentials/aks-identity-binding", bench.id());
    assert_eq!(bench.lab.arm("DELETE", &credential, None).await.status, 200);
    let lost = bench.mount("lost", proxy).await.unwrap_err();
    assert!(lost.contains("AADSTS70021: "), "{lost}");
}
