//! Clusters, the scale sets of their nodes, and the metadata service.

use super::{Answer, Lab, Lateness, OPERATOR, READER, VM_CONTRIBUTOR, claims};
use serde_json::{Value, json};

async fn cluster(lab: &Lab, name: &str) -> Value {
    lab.arm("GET", &format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", lab.group()), None).await.body
}

async fn scale_set(lab: &Lab, name: &str) -> Value {
    let node_group = cluster(lab, name).await["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned();
    let list = format!("{}/resourceGroups/{node_group}/providers/Microsoft.Compute/virtualMachineScaleSets", lab.subscription());
    lab.arm("GET", &list, None).await.body["value"][0].clone()
}

async fn imds(lab: &Lab, node: &str, query: &str) -> Answer {
    let url = format!("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
    let answer =
        lab.client.get(url).header("metadata", "true").header("x-podid-node", node).header("x-podid-player", "nmi").send().await.unwrap();
    Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body: answer.json().await.unwrap() }
}

#[tokio::test]
async fn both_clusters_return_the_identities_of_their_nodes() {
    let lab = Lab::new(Lateness::None).await;
    let mi = cluster(&lab, "aks-mi").await;
    assert_eq!(mi["type"], "Microsoft.ContainerService/ManagedClusters");
    assert!(mi["id"].as_str().unwrap().contains("/resourcegroups/podid-lab/"));
    let p = &mi["properties"];
    assert_eq!(
        (&p["servicePrincipalProfile"]["clientId"], &p["nodeResourceGroup"]),
        (&json!("msi"), &json!("MC_podid-lab_aks-mi_westeurope"))
    );
    assert!(p["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().ends_with('/'));
    assert!(mi["identity"]["principalId"].is_string());
    let kubelet = p["identityProfile"]["kubeletidentity"].clone();
    let identity = lab.arm("GET", kubelet["resourceId"].as_str().unwrap(), None).await;
    assert_eq!(identity.body["properties"]["principalId"], kubelet["objectId"]);
    let sp = cluster(&lab, "aks-sp").await;
    assert!(sp.get("identity").is_none() && sp["properties"].get("identityProfile").is_none());
    assert_eq!(sp["properties"]["oidcIssuerProfile"], json!({"enabled": false}));
    let client = sp["properties"]["servicePrincipalProfile"]["clientId"].as_str().unwrap().to_owned();
    let graph = lab.token("https://graph.microsoft.com/.default").await;
    let url = format!("https://graph.microsoft.com/v1.0/servicePrincipals?$filter=appId%20eq%20'{client}'");
    assert_eq!(lab.send("GET", &url, Some(&graph), None).await.body["value"][0]["servicePrincipalType"], "Application");
}

#[tokio::test]
async fn a_node_gets_tokens_only_for_identities_of_its_scale_set() {
    let lab = Lab::new(Lateness::None).await;
    let kubelet = cluster(&lab, "aks-mi").await["properties"]["identityProfile"]["kubeletidentity"].clone();
    let client = kubelet["clientId"].as_str().unwrap().to_owned();
    let query = format!("resource=https://management.azure.com/&client_id={client}");
    let token = imds(&lab, "aks-mi", &query).await;
    assert_eq!(token.status, 200);
    assert!(token.body["expires_on"].is_string());
    assert_eq!(claims(token.body["access_token"].as_str().unwrap())["oid"], kubelet["objectId"]);
    assert_eq!(imds(&lab, "aks-mi", "resource=https://vault.azure.net").await.body["client_id"], client);
    let other = imds(&lab, "aks-sp", &query).await;
    assert_eq!((other.status, &other.body), (400, &json!({"error": "invalid_request", "error_description": "Identity not found"})));
    let bare =
        lab.client.get("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x").send().await.unwrap();
    assert_eq!(bare.status(), 400);
}

#[tokio::test]
async fn a_patch_of_the_scale_set_merges_and_requires_both_roles() {
    let lab = Lab::new(Lateness::None).await;
    let set = scale_set(&lab, "aks-mi").await;
    let set_id = set["id"].as_str().unwrap().to_owned();
    let identity = lab.identity("pod-mid").await;
    let id = identity["id"].as_str().unwrap().to_lowercase();
    let kubelet = cluster(&lab, "aks-mi").await["properties"]["identityProfile"]["kubeletidentity"].clone();
    let query = format!("resource=https://management.azure.com/&client_id={}", kubelet["clientId"].as_str().unwrap());
    let token = imds(&lab, "aks-mi", &query).await.body["access_token"].as_str().unwrap().to_owned();
    let patch = async |requested: Value| {
        let body = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id.clone(): requested}}});
        lab.send("PATCH", &format!("https://management.azure.com{set_id}?api-version=2019-12-01"), Some(&token), Some(&body)).await
    };
    assert_eq!(patch(json!({})).await.code(), "AuthorizationFailed");
    let object = kubelet["objectId"].as_str().unwrap();
    let node_group = set_id.split("/providers/").next().unwrap();
    assert_eq!(lab.assign(node_group, VM_CONTRIBUTOR, object).await.status, 201);
    let linked = patch(json!({})).await;
    assert_eq!((linked.status, linked.code()), (403, "LinkedAuthorizationFailed"));
    assert!(linked.message().contains(&format!("'{id}'")), "{}", linked.message());
    assert_eq!(lab.assign(identity["id"].as_str().unwrap(), OPERATOR, object).await.status, 201);
    let merged = patch(json!({})).await;
    assert_eq!(merged.status, 200);
    assert_eq!(merged.body["identity"]["userAssignedIdentities"].as_object().unwrap().len(), 2);
    assert_eq!(merged.body["identity"]["userAssignedIdentities"][&id]["clientId"], identity["properties"]["clientId"]);
    let mine = format!("resource=https://vault.azure.net&client_id={}", identity["properties"]["clientId"].as_str().unwrap());
    assert_eq!(imds(&lab, "aks-mi", &mine).await.status, 200);
    // an identity that was deleted and created again is a different one, which the node does not have
    lab.arm("DELETE", identity["id"].as_str().unwrap(), None).await;
    assert_eq!(imds(&lab, "aks-mi", &mine).await.body["error_description"], "Identity not found");
    assert_eq!(lab.assign(&lab.group(), OPERATOR, object).await.status, 201);
    let failed = patch(json!({})).await;
    assert_eq!((failed.status, failed.code()), (400, "FailedIdentityOperation"));
    assert!(failed.message().contains(&format!("'{id}'")));
    let taken = patch(Value::Null).await;
    assert_eq!(taken.body["identity"]["userAssignedIdentities"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn the_credential_of_a_cluster_is_a_kubeconfig_that_its_api_accepts() {
    use base64::Engine as _;
    let lab = Lab::new(Lateness::None).await;
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi/listClusterUserCredential", lab.group());
    let answer = lab.arm("POST", &path, None).await;
    let text = base64::engine::general_purpose::STANDARD.decode(answer.body["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
    let config: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(config["current-context"], "aks-mi");
    let written: Value = serde_json::from_slice(&std::fs::read(&lab.sandbox.access().kubeconfig).unwrap()).unwrap();
    assert_eq!(written["clusters"][0]["cluster"]["proxy-url"], lab.sandbox.access().proxy);
    let names: Vec<&str> = written["contexts"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!((written["current-context"].as_str().unwrap(), names), ("aks-mi", vec!["aks-mi", "aks-sp"]));
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    assert!(server.contains(".hcp.westeurope.azmk8s.io:443"), "{server}");
    let token = config["users"][0]["user"]["token"].as_str().unwrap();
    assert_eq!(lab.send("GET", &format!("{server}/version"), Some(token), None).await.status, 200);
}

#[tokio::test]
async fn a_scale_set_has_a_system_assigned_identity_while_its_type_says_so() {
    let lab = Lab::new(Lateness::None).await;
    let id = scale_set(&lab, "aks-mi").await["id"].as_str().unwrap().to_owned();
    let typed = async |kind: &str| lab.arm("PATCH", &id, Some(json!({"identity": {"type": kind}}))).await;
    let both = typed("SystemAssigned, UserAssigned").await.body;
    assert_eq!(both["identity"]["type"], "SystemAssigned, UserAssigned");
    let principal = both["identity"]["principalId"].as_str().unwrap().to_owned();
    // without a parameter, the node's token is that identity's
    let token = imds(&lab, "aks-mi", "resource=https://vault.azure.net").await;
    assert_eq!(claims(token.body["access_token"].as_str().unwrap())["oid"], principal);
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.status, 201);
    assert_eq!(typed("SystemAssigned,UserAssigned").await.body["identity"]["principalId"], principal);
    let users = typed("UserAssigned").await.body;
    assert_eq!((&users["identity"]["type"], users["identity"].get("principalId")), (&json!("UserAssigned"), None));
    assert_eq!(lab.assign(&lab.vault_path("none"), READER, &principal).await.code(), "ResourceNotFound");
    assert_eq!(lab.assign(&lab.subscription(), READER, &principal).await.code(), "PrincipalNotFound");
    let own = typed("SystemAssigned").await.body;
    assert_eq!((&own["identity"]["type"], own["identity"].get("userAssignedIdentities")), (&json!("SystemAssigned"), None));
    assert_ne!(own["identity"]["principalId"], principal);
    assert!(typed("None").await.body.get("identity").is_none());
    assert_eq!(typed("Whatever").await.code(), "InvalidIdentityType");
}

#[tokio::test]
async fn a_patch_can_be_an_operation_that_is_polled() {
    let lab = Lab::new(Lateness::None).await;
    assert_eq!(lab.control("POST", "/settings", Some(json!({"scale_set_polls": 2}))).await.status, 200);
    let id = scale_set(&lab, "aks-mi").await["id"].as_str().unwrap().to_owned();
    let state = async || lab.arm("GET", &id, None).await.body["properties"]["provisioningState"].as_str().map(str::to_owned);
    let answer = lab.arm("PATCH", &id, Some(json!({"identity": {"type": "SystemAssigned"}}))).await;
    assert_eq!((answer.status, &answer.body["properties"]["provisioningState"]), (200, &json!("Updating")));
    let url = answer.header("azure-asyncoperation").trim_start_matches("https://management.azure.com").to_owned();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push((state().await.unwrap(), lab.arm("GET", &url, None).await.body["status"].as_str().unwrap().to_owned()));
    }
    let pair = |state: &str, status: &str| (state.to_owned(), status.to_owned());
    assert_eq!(seen, [pair("Updating", "InProgress"), pair("Updating", "InProgress"), pair("Succeeded", "Succeeded")]);
    let gone = lab.arm("DELETE", &id, None).await;
    let url = gone.header("azure-asyncoperation").trim_start_matches("https://management.azure.com").to_owned();
    assert_eq!((gone.status, state().await.as_deref()), (202, Some("Deleting")));
    for _ in 0..3 {
        lab.arm("GET", &url, None).await;
    }
    assert_eq!(lab.arm("GET", &id, None).await.code(), "ResourceNotFound");
}
