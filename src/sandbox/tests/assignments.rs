//! Groups, identities and role assignments: documents, refusals, delays and permissions.

use super::{Lab, Lateness, OPERATOR, READER};
use serde_json::json;

#[tokio::test]
async fn creating_an_identity_is_201_updating_is_200_and_ids_have_a_lower_case_group() {
    let lab = Lab::new(Lateness::None).await;
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/claims", lab.group());
    let first = lab.arm("PUT", &path, Some(json!({"location": "westeurope", "tags": {"a": "b"}}))).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("content-type"), "application/json; charset=utf-8");
    let id = first.body["id"].as_str().unwrap();
    assert!(id.contains("/resourcegroups/podid-lab/"), "{id}");
    assert_eq!(first.header("location"), id);
    assert_eq!(first.body["properties"]["isolationScope"], "None");
    let second = lab.arm("PUT", &path, Some(json!({"location": "West Europe"}))).await;
    assert_eq!((second.status, second.header("location")), (200, ""));
    assert_eq!(second.body["properties"]["principalId"], first.body["properties"]["principalId"]);
    assert_eq!(second.body["tags"], json!({}));
    let moved = lab.arm("PUT", &path, Some(json!({"location": "eastus"}))).await;
    assert_eq!((moved.status, moved.code()), (409, "InvalidResourceLocation"));
    let old = lab.arm("GET", &format!("/{}?api-version=2018-11-30", path.to_uppercase()), None).await;
    assert_eq!(old.status, 200);
    assert!(old.body["properties"].get("isolationScope").is_none());
    assert_eq!(lab.arm("DELETE", &path, None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &path, None).await.status, 204);
    let absent = lab.arm("GET", &path, None).await;
    assert_eq!((absent.status, absent.code(), absent.header("x-ms-failure-cause")), (404, "ResourceNotFound", "gateway"));
    let anew = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_ne!(anew.body["properties"]["principalId"], first.body["properties"]["principalId"]);
}

#[tokio::test]
async fn a_missing_group_is_reported_before_a_missing_resource() {
    let lab = Lab::new(Lateness::None).await;
    let path = format!("{}/resourceGroups/nowhere/providers/Microsoft.KeyVault/vaults/x", lab.subscription());
    let answer = lab.arm("GET", &path, None).await;
    assert_eq!((answer.status, answer.code()), (404, "ResourceGroupNotFound"));
    assert_eq!(answer.message(), "Resource group 'nowhere' could not be found.");
    let other = lab.arm("GET", "/subscriptions/00000000-0000-0000-0000-000000000009", None).await;
    assert_eq!(other.code(), "SubscriptionNotFound");
    let bare = lab.token("https://management.azure.com/.default").await;
    let unversioned = lab.send("GET", "https://management.azure.com/subscriptions", Some(&bare), None).await;
    assert_eq!((unversioned.status, unversioned.code()), (400, "MissingApiVersionParameter"));
}

#[tokio::test]
async fn deleting_a_group_deletes_its_resources() {
    let lab = Lab::new(Lateness::Quick).await;
    let path = format!("{}/resourcegroups/brief", lab.subscription());
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "nowhere"}))).await.code(), "LocationNotAvailableForResourceGroup");
    let made = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_eq!((made.status, made.keys()), (201, vec!["id", "name", "type", "location", "properties"]));
    assert!(made.body["id"].as_str().unwrap().contains("/resourceGroups/"));
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await.status, 200);
    let identity = format!("{path}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/inner");
    assert_eq!(lab.arm("PUT", &identity, Some(json!({"location": "westeurope"}))).await.status, 201);
    let gone = lab.arm("DELETE", &path, None).await;
    assert_eq!((gone.status, &gone.body), (202, &json!(null)));
    let rest = gone.header("location").strip_prefix("https://management.azure.com").unwrap().to_owned();
    let running = lab.arm("GET", &rest, None).await;
    assert_eq!(running.status, 202);
    assert_eq!(lab.arm("GET", &rest, None).await.status, 200);
    assert_eq!(lab.arm("GET", &identity, None).await.code(), "ResourceGroupNotFound");
    assert_eq!(lab.arm("HEAD", &path, None).await.status, 404);
}

#[tokio::test]
async fn an_assignment_is_always_201_and_keeps_the_casing_of_its_scope() {
    let lab = Lab::new(Lateness::None).await;
    let principal = lab.identity("mid").await["properties"]["principalId"].as_str().unwrap().to_owned();
    let scope = lab.group().replace("podid-lab", "PODID-lab");
    let first = lab.assign(&scope, READER, &principal).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.keys(), ["properties", "id", "type", "name"]);
    let p = &first.body["properties"];
    assert_eq!(p["scope"], scope);
    assert!(p["createdBy"].is_null() && p["condition"].is_null() && p["description"].is_null());
    assert_eq!(p["roleDefinitionId"], format!("{}/providers/Microsoft.Authorization/roleDefinitions/{READER}", lab.subscription()));
    let created = p["createdOn"].as_str().unwrap();
    assert_eq!((created.len(), &created[27..]), ("2020-01-01T00:00:00.0000000Z".len(), "Z"));
    assert_eq!(lab.assign(&scope, READER, &principal).await.status, 201);
    let path = first.body["id"].as_str().unwrap().to_owned();
    assert_eq!(lab.arm("GET", &path, None).await.body["properties"]["createdBy"], lab.caller().await);
    let deleted = lab.arm("DELETE", &path, None).await;
    assert_eq!((deleted.status, &deleted.body["name"]), (200, &first.body["name"]));
    assert_eq!(lab.arm("DELETE", &path, None).await.status, 204);
    assert_eq!(lab.arm("GET", &path, None).await.code(), "RoleAssignmentNotFound");
}

#[tokio::test]
async fn an_invalid_assignment_is_refused_with_its_code() {
    let lab = Lab::new(Lateness::None).await;
    let principal = lab.identity("mid").await["properties"]["principalId"].as_str().unwrap().to_owned();
    let caller = lab.caller().await;
    let put = async |name: &str, properties: serde_json::Value| {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", lab.group());
        let answer = lab.arm("PUT", &path, Some(json!({ "properties": properties }))).await;
        (answer.status, answer.code().to_owned())
    };
    let role = |guid: &str| format!("{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", lab.subscription());
    let (one, two) = ("10000000-0000-0000-0000-000000000001", "10000000-0000-0000-0000-000000000002");
    assert_eq!(put(one, json!({"roleDefinitionId": role(READER), "principalId": "wow"})).await, (400, "InvalidPrincipalId".into()));
    assert_eq!(
        put(one, json!({"roleDefinitionId": role(one), "principalId": principal})).await,
        (404, "RoleDefinitionDoesNotExist".into())
    );
    assert_eq!(put(one, json!({"roleDefinitionId": role(READER), "principalId": two})).await, (400, "PrincipalNotFound".into()));
    assert_eq!(
        put(one, json!({"roleDefinitionId": role(READER), "principalId": principal, "principalType": "Group"})).await,
        (400, "UnmatchedPrincipalType".into())
    );
    assert_eq!(put(one, json!({"roleDefinitionId": role(READER), "principalId": principal})).await.0, 201);
    assert_eq!(put(two, json!({"roleDefinitionId": role(READER), "principalId": principal})).await, (409, "RoleAssignmentExists".into()));
    assert_eq!(
        put(one, json!({"roleDefinitionId": role(READER), "principalId": caller})).await,
        (400, "RoleAssignmentUpdateNotPermitted".into())
    );
}

#[tokio::test]
async fn a_new_principal_is_unknown_to_its_first_two_assignments() {
    let lab = Lab::new(Lateness::Quick).await;
    let principal = lab.identity("late").await["properties"]["principalId"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let late = lab.assign(&lab.group(), READER, &principal).await;
        assert_eq!((late.status, late.code()), (400, "PrincipalNotFound"));
        assert!(late.message().contains(&principal.replace('-', "")) && late.message().contains(".  See https"), "{}", late.message());
    }
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.status, 201);
    assert_eq!(lab.assign(&lab.group(), OPERATOR, &principal).await.status, 201);
}

#[tokio::test]
async fn a_realistic_principal_is_unknown_for_its_delay() {
    let lab = Lab::new(Lateness::Realistic).await;
    let principal = lab.identity("late").await["properties"]["principalId"].as_str().unwrap().to_owned();
    for _ in 0..4 {
        assert_eq!(lab.assign(&lab.group(), READER, &principal).await.code(), "PrincipalNotFound");
    }
    lab.control("POST", "/settings", Some(json!({"lateness": "none"}))).await;
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.status, 201);
}

#[tokio::test]
async fn lists_include_scopes_above_and_below_as_filtered() {
    let lab = Lab::new(Lateness::None).await;
    let identity = lab.identity("mid").await;
    let principal = identity["properties"]["principalId"].as_str().unwrap().to_owned();
    let id = identity["id"].as_str().unwrap().to_owned();
    lab.assign(&lab.group(), READER, &principal).await;
    lab.assign(&id, OPERATOR, &principal).await;
    let list = async |scope: &str, filter: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        lab.arm("GET", &path, None).await.body["value"].as_array().unwrap().len()
    };
    // the caller's Owner assignment at the subscription is visible at every scope below
    assert_eq!(list(&lab.group(), "atScope()").await, 2);
    assert_eq!(list(&id, "atScope()").await, 3);
    assert_eq!(list(&lab.group(), &format!("principalId%20eq%20'{principal}'")).await, 2);
    assert_eq!(list(&lab.subscription(), &format!("assignedTo('{principal}')")).await, 2);
    assert_eq!(list(&lab.group(), &format!("atScope()%20and%20assignedTo('{principal}')")).await, 1);
    lab.arm("DELETE", &id, None).await;
    // the assignment at the identity was deleted with it; that of its principal stays as an orphan
    assert_eq!(list(&lab.subscription(), &format!("principalId%20eq%20'{principal}'")).await, 1);
}

#[tokio::test]
async fn role_definitions_are_found_by_name_with_their_real_ids() {
    let lab = Lab::new(Lateness::None).await;
    let path = format!(
        "{}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'Managed%20Identity%20Operator'",
        lab.group()
    );
    let answer = lab.arm("GET", &path, None).await;
    assert_eq!(
        answer.body["value"][0]["id"],
        format!("{}/providers/Microsoft.Authorization/roleDefinitions/{OPERATOR}", lab.subscription())
    );
    let absent =
        lab.arm("GET", &format!("{}/providers/Microsoft.Authorization/roleDefinitions/{}", lab.group(), lab.caller().await), None).await;
    assert_eq!((absent.status, absent.code()), (404, "RoleDefinitionDoesNotExist"));
}

#[tokio::test]
async fn a_forbidden_request_is_refused_with_action_and_scope() {
    let lab = Lab::new(Lateness::None).await;
    lab.control("POST", "/settings", Some(json!({"deny": ["Microsoft.Authorization/roleAssignments/write"]}))).await;
    let caller = lab.caller().await;
    let denied = lab.assign(&lab.group(), READER, &caller).await;
    assert_eq!((denied.status, denied.code()), (403, "AuthorizationFailed"));
    let text = denied.message();
    assert!(text.starts_with(&format!("The client '{caller}' with object id '{caller}' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '{}", lab.group())), "{text}");
}

#[tokio::test]
async fn an_unregistered_namespace_is_refused_until_it_is_registered() {
    let lab = Lab::new(Lateness::None).await;
    let provider = format!("{}/providers/Microsoft.ManagedIdentity", lab.subscription());
    assert_eq!(lab.arm("GET", &provider, None).await.body["registrationState"], "Registered");
    lab.arm("POST", &format!("{provider}/unregister"), None).await;
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x-mid", lab.group());
    let refused = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_eq!((refused.status, refused.code()), (409, "MissingSubscriptionRegistration"));
    assert_eq!(lab.arm("POST", &format!("{provider}/register"), None).await.body["registrationState"], "Registering");
    assert_eq!(lab.arm("GET", &provider, None).await.body["registrationState"], "Registered");
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await.status, 201);
}

#[tokio::test]
async fn invalid_json_gets_arms_error() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://management.azure.com/.default").await;
    let url =
        format!("https://management.azure.com{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/xyz?api-version=1", lab.group());
    let send = async |kind: &str, body: &'static str| {
        let answer = lab.client.put(&url).bearer_auth(&token).header("content-type", kind).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<serde_json::Value>().await.unwrap()["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(send("application/json", "{not json").await, (400, "InvalidRequestContent".into()));
    assert_eq!(send("text/plain", "{}").await, (415, "UnsupportedMediaType".into()));
    assert_eq!(send("application/json", "{}").await, (400, "LocationRequired".into()));
}

#[tokio::test]
async fn a_principal_has_its_own_type() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://graph.microsoft.com/.default").await;
    let body =
        json!({"displayName": "Ann", "mailNickname": "ann", "userPrincipalName": "ann@example.com", "passwordProfile": {"password": "x"}});
    let url = "https://graph.microsoft.com/v1.0/users";
    let made = lab.client.post(url).bearer_auth(&token).json(&body).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let ann = made.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let found = lab.client.get(format!("{url}?$filter=userPrincipalName eq 'ann@example.com'")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(found.json::<serde_json::Value>().await.unwrap()["value"][0]["id"], json!(ann));
    let path = |n: u8| format!("{}/providers/Microsoft.Authorization/roleAssignments/88888888-0000-0000-0000-00000000000{n}", lab.group());
    let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    let requested = |sort: &str| json!({"properties": {"roleDefinitionId": role, "principalId": ann, "principalType": sort}});
    let refused = lab.arm("PUT", &path(1), Some(requested("Group"))).await;
    assert_eq!((refused.status, refused.code()), (400, "UnmatchedPrincipalType"));
    assert!(refused.message().contains("has type 'User' , which"));
    assert_eq!(lab.arm("PUT", &path(1), Some(requested("User"))).await.body["properties"]["principalType"], "User");
}
