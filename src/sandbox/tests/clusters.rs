//! Clusters that are created, changed and deleted over ARM, with what belongs to them, and their API servers.

use super::{Lab, Lateness};
use serde_json::{Value, json};

fn path(lab: &Lab) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/new", lab.group())
}

fn body() -> Value {
    json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"dnsPrefix": "new", "kubernetesVersion": "",
        "agentPoolProfiles": [{"name": "first", "count": 2, "mode": "System", "vmSize": "Standard_D4s_v5"}],
        "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay"}, "podIdentityProfile": {"enabled": false},
        "windowsProfile": {"adminUsername": "azure", "adminPassword": "hidden"}}})
}

#[tokio::test]
async fn a_new_cluster_has_nodes_and_serves_kubernetes() {
    let lab = Lab::new(Lateness::Quick).await;
    let made = lab.arm("PUT", &path(&lab), Some(body())).await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")));
    let outbound = |body: &Value| body["properties"]["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"].is_array();
    let has = |body: &Value| (body["eTag"].is_string(), body["properties"]["identityProfile"].is_object(), outbound(body));
    assert_eq!(has(&made.body), (false, false, false), "these fields come after the creation");
    let poll = made.header("azure-asyncoperation").trim_start_matches("https://management.azure.com").to_owned();
    assert_eq!(lab.arm("GET", &poll, None).await.body["status"], "InProgress");
    let over = lab.arm("GET", &poll, None).await;
    assert_eq!((over.body["status"].as_str(), over.body["endTime"].is_string()), (Some("Succeeded"), true));
    let existing = lab.arm("GET", &path(&lab), None).await;
    assert_eq!(has(&existing.body), (true, true, true));
    let p = &existing.body["properties"];
    assert_eq!((&p["provisioningState"], &p["networkProfile"]["podCidr"]), (&json!("Succeeded"), &json!("10.244.0.0/16")));
    assert_eq!((&p["kubernetesVersion"], &p["currentKubernetesVersion"]), (&json!("1.33"), &json!("1.33.5")));
    assert_eq!((&p["agentPoolProfiles"][0]["maxPods"], &p["agentPoolProfiles"][0]["count"]), (&json!(250), &json!(2)));
    assert_eq!((&p["podIdentityProfile"], &p["windowsProfile"]), (&json!({}), &json!({"adminUsername": "azure"})));
    assert!(existing.body["identity"]["principalId"].is_string() && p["identityProfile"]["kubeletidentity"]["clientId"].is_string());
    let nodes = format!("{}/resourceGroups/{}", lab.subscription(), p["nodeResourceGroup"].as_str().unwrap());
    let sets = lab.arm("GET", &format!("{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets"), None).await;
    assert_eq!(sets.body["value"][0]["sku"]["capacity"], 2);
    let url = format!("https://{}/version", p["fqdn"].as_str().unwrap());
    let token = lab.sandbox_admin();
    assert_eq!(lab.send("GET", &url, Some(&token), None).await.status, 200);

    // after a restart the cluster has the changed values
    let mut requested = body();
    requested["properties"]["oidcIssuerProfile"] = json!({"enabled": true});
    assert_eq!(lab.arm("PUT", &path(&lab), Some(requested)).await.status, 200);
    let lab = lab.again(Lateness::Quick).await;
    assert!(lab.arm("GET", &path(&lab), None).await.body["properties"]["oidcIssuerProfile"]["issuerURL"].is_string());
    assert_eq!(lab.send("GET", &url, Some(&token), None).await.status, 200);
}

#[tokio::test]
async fn an_older_cluster_has_the_aks_defaults_of_its_day() {
    let lab = Lab::new(Lateness::None).await;
    assert_eq!(lab.control("POST", "/settings", Some(json!({"aks_day": "2024-06-01"}))).await.status, 200);
    let mut requested = body();
    requested["properties"]["agentPoolProfiles"][0]["securityProfile"] = json!({"enableVTPM": true});
    let (path, newer) = (path(&lab), format!("{}er", path(&lab)));
    assert_eq!(lab.arm("PUT", &path, Some(requested)).await.status, 201);
    assert_eq!(lab.control("POST", "/settings", Some(json!({"aks_day": null}))).await.status, 200);
    let lab = lab.again(Lateness::None).await;
    assert_eq!(lab.arm("PUT", &newer, Some(body())).await.status, 201);
    let pools = async |path: &str| lab.arm("GET", path, None).await.body["properties"]["agentPoolProfiles"][0].clone();
    let (old, new) = (pools(&path).await, pools(&newer).await);
    assert_eq!((&old["scaleDownMode"], &new["scaleDownMode"]), (&Value::Null, &json!("Delete")));
    assert_eq!(old["securityProfile"]["enableVTPM"], true, "it was asked for");
    assert!(old["upgradeSettings"].is_object(), "older than the cluster");
}

#[tokio::test]
async fn a_pod_security_policy_is_shown_if_it_was_requested() {
    let lab = Lab::new(Lateness::None).await;
    let mut requested = body();
    assert_eq!(lab.arm("PUT", &format!("{}?api-version=2024-09-01", path(&lab)), Some(requested.clone())).await.status, 201);
    let seen =
        async |version: &str| lab.arm("GET", &format!("{}?api-version={version}", path(&lab)), None).await.body["properties"].clone();
    assert_eq!(seen("2024-09-01").await.get("enablePodSecurityPolicy"), None);
    requested["properties"]["enablePodSecurityPolicy"] = json!(false);
    assert_eq!(lab.arm("PUT", &format!("{}?api-version=2024-09-01", path(&lab)), Some(requested)).await.status, 200);
    assert_eq!(seen("2024-09-01").await["enablePodSecurityPolicy"], false);
    assert_eq!(seen("2025-08-01").await.get("enablePodSecurityPolicy"), None);
}

#[tokio::test]
async fn a_deleted_cluster_is_known_to_arm_longer_than_to_aks() {
    let lab = Lab::new(Lateness::Quick).await;
    let nodes = lab.arm("PUT", &path(&lab), Some(body())).await.body["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned();
    let ended = lab.arm("DELETE", &path(&lab), None).await;
    assert_eq!(ended.status, 202);
    assert_eq!(lab.arm("GET", &path(&lab), None).await.body["properties"]["provisioningState"], "Deleting");
    let by_aks = lab.arm("GET", &path(&lab), None).await;
    assert_eq!((by_aks.status, &by_aks.body["subcode"]), (404, &json!("GetManagedCluster_NotFound_HCPServerError")));
    assert_eq!(lab.arm("GET", &path(&lab), None).await.code(), "ResourceNotFound");
    let poll = ended.header("location").trim_start_matches("https://management.azure.com").to_owned();
    assert_eq!(lab.arm("GET", &poll, None).await.status, 204);
    let group = format!("{}/resourceGroups/{nodes}", lab.subscription());
    assert_eq!(lab.arm("GET", &group, None).await.code(), "ResourceGroupNotFound");
    assert_eq!(lab.arm("DELETE", &path(&lab), None).await.status, 204);
}

#[tokio::test]
async fn an_invalid_cluster_is_refused_as_aks_does() {
    let lab = Lab::new(Lateness::None).await;
    let refused = |change: Value| {
        let mut requested = body();
        for (name, value) in change.as_object().unwrap() {
            requested[name] = value.clone();
        }
        let lab = &lab;
        async move {
            let answer = lab.arm("PUT", &path(lab), Some(requested)).await;
            (answer.status, answer.body["code"].as_str().or(answer.body["error"]["code"].as_str()).unwrap_or_default().to_owned())
        }
    };
    let with = |property: &str, value: Value| {
        let mut properties = body()["properties"].clone();
        properties[property] = value;
        json!({"properties": properties})
    };
    assert_eq!(refused(json!({"identity": null})).await, (400, "InvalidParameter".to_owned()));
    assert_eq!(refused(json!({"location": "nowhere"})).await.0, 400);
    assert_eq!(refused(with("dnsPrefix", Value::Null)).await, (400, "InvalidParameter".to_owned()));
    let nobody = with("servicePrincipalProfile", json!({"clientId": "5d5f1d0e-0000-4000-8000-00000000c0de", "secret": "x"}));
    assert_eq!(refused(nobody).await, (404, "ServicePrincipalNotFound".to_owned()));
    let absent = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/absent", lab.group());
    let identity = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {absent: {}}}});
    assert_eq!(refused(identity).await, (404, "ResourceNotFound".to_owned()));
    assert_eq!(lab.arm("GET", &path(&lab), None).await.code(), "ResourceNotFound");
}
