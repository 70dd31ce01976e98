//! Applications and their service principals in Graph, and signing in with an added password.

use super::{Answer, Lab, Lateness, READER};
use serde_json::{Value, json};

async fn graph(lab: &Lab, method: &str, path: &str, body: Option<Value>) -> Answer {
    of_version(lab, method, &format!("/v1.0{path}"), body).await
}

async fn of_version(lab: &Lab, method: &str, path: &str, body: Option<Value>) -> Answer {
    let token = lab.token("https://graph.microsoft.com/.default").await;
    lab.send(method, &format!("https://graph.microsoft.com{path}"), Some(&token), body.as_ref()).await
}

#[tokio::test]
async fn an_application_gets_a_principal_and_a_password_and_logs_in() {
    let lab = Lab::new(Lateness::None).await;
    assert_eq!(graph(&lab, "POST", "/applications", Some(json!({}))).await.code(), "Request_BadRequest");
    let made = graph(&lab, "POST", "/applications", Some(json!({"displayName": "ci", "identifierUris": ["api://ci"]}))).await;
    let (id, app) = (made.body["id"].as_str().unwrap(), made.body["appId"].as_str().unwrap());
    assert_eq!(made.status, 201);
    let principal = graph(&lab, "POST", "/servicePrincipals", Some(json!({ "appId": app }))).await;
    assert_eq!((principal.status, &principal.body["servicePrincipalNames"]), (201, &json!([app, "api://ci"])));
    let twice = graph(&lab, "POST", "/servicePrincipals", Some(json!({ "appId": app }))).await;
    assert_eq!((twice.status, twice.code()), (409, "Request_MultipleObjectsWithSameKeyValue"));
    let password = graph(&lab, "POST", &format!("/applications/{id}/addPassword"), None).await;
    let secret = password.body["secretText"].as_str().unwrap();
    // the secret is returned only once
    let shown = graph(&lab, "GET", &format!("/applications(appId='{app}')"), None).await;
    assert_eq!(shown.body["passwordCredentials"][0]["secretText"], Value::Null);
    assert!(!shown.body.to_string().contains(secret));
    let tenant = lab.sandbox.access().tenant.clone();
    let login = [
        ("grant_type", "client_credentials"),
        ("client_id", app),
        ("client_secret", secret),
        ("scope", "https://management.azure.com/.default"),
    ];
    let token = lab.form(&format!("{tenant}/oauth2/v2.0/token"), &login).await;
    let token = token.body["access_token"].as_str().unwrap();
    let url = format!("https://management.azure.com{}?api-version=2022-09-01", lab.group());
    assert_eq!(lab.send("GET", &url, Some(token), None).await.code(), "AuthorizationFailed");
    lab.assign(&lab.group(), READER, principal.body["id"].as_str().unwrap()).await;
    assert_eq!(lab.send("GET", &url, Some(token), None).await.status, 200);
    let gone = json!({"keyId": password.body["keyId"]});
    assert_eq!(graph(&lab, "POST", &format!("/applications/{id}/removePassword"), Some(gone)).await.status, 204);
    assert_eq!(lab.form(&format!("{tenant}/oauth2/v2.0/token"), &login).await.status, 401);
    // deleting an application deletes its principal
    assert_eq!(graph(&lab, "DELETE", &format!("/applications/{id}"), None).await.status, 204);
    let existing = graph(&lab, "GET", &format!("/servicePrincipals/{}", principal.body["id"].as_str().unwrap()), None).await;
    assert_eq!((existing.status, existing.code()), (404, "Request_ResourceNotFound"));
}

#[tokio::test]
async fn a_principal_can_be_changed_and_those_of_microsoft_need_no_registration() {
    let lab = Lab::new(Lateness::None).await;
    let made = graph(&lab, "POST", "/servicePrincipals", Some(json!({"appId": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}))).await;
    assert_eq!((made.status, &made.body["displayName"], &made.body["createdDateTime"]), (201, &json!("Azure Key Vault"), &Value::Null));
    let path = format!("/servicePrincipals/{}", made.body["id"].as_str().unwrap());
    assert_eq!(graph(&lab, "PATCH", &path, Some(json!({"tags": ["a"], "id": "other"}))).await.status, 204);
    let existing = graph(&lab, "GET", &path, None).await;
    assert_eq!((&existing.body["tags"], &existing.body["id"]), (&json!(["a"]), &made.body["id"]));
    assert_eq!(graph(&lab, "POST", "/servicePrincipals", Some(json!({"appId": "5d5f1d0e-0000-4000-8000-00000000c0de"}))).await.status, 400);
    assert_eq!(graph(&lab, "PUT", &path, Some(json!({}))).await.status, 405);
    assert_eq!(graph(&lab, "DELETE", &path, None).await.status, 204);
}

#[tokio::test]
async fn a_directory_administrator_can_elevate_access() {
    let lab = Lab::new(Lateness::None).await;
    let caller = lab.caller().await;
    assert_eq!(lab.assign("", READER, &caller).await.code(), "AuthorizationFailed");
    assert_eq!(lab.arm("POST", "/providers/Microsoft.Authorization/elevateAccess", None).await.status, 200);
    assert_eq!(lab.assign("", READER, &caller).await.body["properties"]["scope"], "/");
    let top = format!("/providers/Microsoft.Management/managementGroups/{}", lab.sandbox.access().tenant);
    assert_eq!(lab.assign(&top, READER, &caller).await.status, 201);
    let other = "/providers/Microsoft.Management/managementGroups/other";
    assert_eq!(lab.assign(other, READER, &caller).await.code(), "NotFound");
    let all = lab.arm("GET", &format!("{}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()", lab.group()), None).await;
    let scopes: Vec<&str> = all.body["value"].as_array().unwrap().iter().filter_map(|a| a["properties"]["scope"].as_str()).collect();
    assert!(scopes.contains(&"/") && scopes.contains(&top.as_str()), "{scopes:?}");
}

#[tokio::test]
async fn members_have_the_permissions_of_their_group() {
    let lab = Lab::new(Lateness::None).await;
    let group = graph(&lab, "POST", "/groups", Some(json!({"displayName": "team", "mailNickname": "team"}))).await;
    let group = group.body["id"].as_str().unwrap();
    let member = lab.identity("one").await["properties"]["principalId"].as_str().unwrap().to_owned();
    let reference = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{member}")});
    let members = format!("/groups/{group}/members");
    for (status, code) in [(204, ""), (400, "Request_BadRequest")] {
        let answer = graph(&lab, "POST", &format!("{members}/$ref"), Some(reference.clone())).await;
        assert_eq!((answer.status, answer.code()), (status, code));
    }
    // service principals are in the lists of beta only, and a group's own groups count
    let outer = graph(&lab, "POST", "/groups", Some(json!({"displayName": "outer", "mailNickname": "outer"}))).await;
    let outer = outer.body["id"].as_str().unwrap();
    let nested = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{group}")});
    assert_eq!(graph(&lab, "POST", &format!("/groups/{outer}/members/$ref"), Some(nested)).await.status, 204);
    let ids = |answer: &Value| answer["value"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&graph(&lab, "GET", &members, None).await.body), Vec::<Value>::new());
    for (path, found) in [
        (format!("/beta/groups/{group}/members"), vec![json!(member)]),
        (format!("/beta/groups/{outer}/transitiveMembers"), vec![json!(group), json!(member)]),
        (format!("/v1.0/groups/{outer}/transitiveMembers"), vec![json!(group)]),
        (format!("/v1.0/servicePrincipals/{member}/transitiveMemberOf"), vec![json!(group), json!(outer)]),
    ] {
        assert_eq!(ids(&of_version(&lab, "GET", &path, None).await.body), found, "{path}");
    }
    let body = json!({"properties": {"principalId": group, "principalType": "Group",
        "roleDefinitionId": format!("{}/providers/Microsoft.Authorization/roleDefinitions/{READER}", lab.subscription())}});
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/5d5f1d0e-0000-4000-8000-00000000c0de", lab.group());
    assert_eq!(lab.arm("PUT", &path, Some(body)).await.status, 201);
    let list = |filter: String| {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}", lab.group());
        let lab = &lab;
        async move { lab.arm("GET", &path, None).await.body["value"].as_array().unwrap().len() }
    };
    let (assigned, own) = (format!("assignedTo('{member}')"), format!("principalId%20eq%20'{member}'"));
    assert_eq!((list(assigned.clone()).await, list(own).await), (1, 0));
    assert_eq!(graph(&lab, "DELETE", &format!("{members}/{member}/$ref"), None).await.status, 204);
    assert_eq!(list(assigned).await, 0);
}
