//! Generic resources: what is stored of them, and role assignments at them; and custom roles.

use super::{Lab, Lateness, READER};
use serde_json::json;

const ROLE: &str = "293cdceb-2ebc-5434-ab6b-97255f060ed3";

fn vnet(lab: &Lab) -> String {
    format!("{}/providers/Microsoft.Network/virtualNetworks/net", lab.group())
}

#[tokio::test]
async fn a_resource_of_any_known_type_is_stored_and_is_a_scope() {
    let lab = Lab::new(Lateness::None).await;
    let caller = lab.caller().await;
    let refused = lab.assign(&vnet(&lab), READER, &caller).await;
    assert_eq!((refused.status, refused.code()), (404, "ResourceNotFound"));
    let body = json!({"location": "West Europe", "tags": {"a": "b"}, "properties": {"adminPassword": "hidden", "addressSpace": {}}});
    let made = lab.arm("PUT", &vnet(&lab), Some(body.clone())).await;
    assert_eq!((made.status, &made.body["location"], &made.body["id"]), (201, &json!("westeurope"), &json!(vnet(&lab))));
    assert_eq!(made.body["properties"], json!({"addressSpace": {}, "provisioningState": "Succeeded"}));
    assert_eq!(lab.arm("PUT", &vnet(&lab), Some(body)).await.status, 200);
    let patched = lab.arm("PATCH", &vnet(&lab), Some(json!({"tags": {"c": "d"}}))).await;
    assert_eq!((&patched.body["tags"], &patched.body["properties"]["addressSpace"]), (&json!({"c": "d"}), &json!({})));
    assert_eq!(lab.assign(&vnet(&lab), READER, &caller).await.status, 201);
    let subnet = format!("{}/subnets/one", vnet(&lab));
    assert_eq!(lab.arm("PUT", &subnet, Some(json!({}))).await.status, 201);
    assert_eq!(lab.arm("GET", &format!("{}/subnets", vnet(&lab)), None).await.body["value"][0]["id"], json!(subnet));
    assert_eq!(lab.arm("DELETE", &vnet(&lab), None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &vnet(&lab), None).await.status, 204);
    assert_eq!(lab.arm("GET", &subnet, None).await.code(), "ResourceNotFound");
    assert_eq!(lab.arm("PUT", &subnet, Some(json!({}))).await.code(), "ParentResourceNotFound");
}

#[tokio::test]
async fn an_unregistered_namespace_refuses_writes() {
    let lab = Lab::new(Lateness::None).await;
    let path = format!("{}/providers/Microsoft.Dashboard/grafana/g", lab.group());
    let refused = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_eq!((refused.status, refused.code()), (409, "MissingSubscriptionRegistration"));
    lab.arm("POST", &format!("{}/providers/microsoft.dashboard/register", lab.subscription()), None).await;
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await.status, 201);
    let unknown = format!("{}/providers/Contoso.None/things/t", lab.group());
    assert_eq!(lab.arm("PUT", &unknown, Some(json!({}))).await.code(), "InvalidResourceNamespace");
}

#[tokio::test]
async fn a_custom_role_can_be_assigned_and_not_deleted_while_it_is() {
    let lab = Lab::new(Lateness::None).await;
    let path = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}", lab.group());
    let body = |name: &str| {
        json!({"properties": {"roleName": name, "type": "customRole", "assignableScopes": [lab.group()],
        "permissions": [{"actions": ["Microsoft.KeyVault/vaults/read"]}]}})
    };
    let made = lab.arm("PUT", &path, Some(body("vault looker"))).await;
    let p = &made.body["properties"];
    assert_eq!((made.status, &p["type"], &p["createdBy"], &p["description"]), (201, &json!("CustomRole"), &json!(null), &json!(null)));
    assert_eq!(p["permissions"][0]["notDataActions"], json!([]));
    assert_eq!(lab.arm("GET", &path, None).await.body["properties"]["createdBy"], json!(lab.caller().await));
    assert_eq!(lab.arm("PUT", &path, Some(body("Reader"))).await.code(), "RoleDefinitionWithSameNameExists");
    let foreign =
        json!({"properties": {"roleName": "x", "assignableScopes": [lab.group()], "permissions": [{"actions": ["Contoso.None/read"]}]}});
    assert_eq!(lab.arm("PUT", &path, Some(foreign)).await.code(), "InvalidActionOrNotAction");
    // it cannot be assigned outside of its scopes
    let caller = lab.caller().await;
    assert_eq!(lab.assign(&lab.subscription(), ROLE, &caller).await.code(), "RoleDefinitionDoesNotExist");
    assert_eq!(lab.assign(&lab.group(), ROLE, &caller).await.status, 201);
    assert_eq!(lab.arm("DELETE", &path, None).await.code(), "RoleDefinitionHasAssignments");
    let all = format!("{}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()", lab.group());
    let all = lab.arm("GET", &all, None).await;
    let mine = all.body["value"].as_array().unwrap().iter().find(|a| a["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(ROLE));
    lab.arm("DELETE", mine.unwrap()["id"].as_str().unwrap(), None).await;
    assert_eq!(lab.arm("DELETE", &path, None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &path, None).await.status, 204);
    let root = "/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'AcrPush'";
    let root = lab.arm("GET", root, None).await;
    assert!(root.body["value"][0]["id"].as_str().unwrap().starts_with("/providers/"));
}
