//! What is read, how often, and what a missing resource returns.

use super::fake::{Fake, SUB, error, pass, reply};
use crate::azure::{ArmId, Error, PolicyEntry, id};
use serde_json::{Value, json};

const ARM: &str = "management.azure.com";

fn vault_body(name: &str, properties: Value) -> Value {
    let mut body = json!({
        "id": format!("/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{name}"),
        "name": name, "type": "Microsoft.KeyVault/vaults", "location": "westeurope", "tags": { "a": "b" },
        "properties": { "sku": { "family": "A", "name": "Standard" }, "tenantId": "tenant", "accessPolicies": [], "vaultUri": format!("https://{name}.vault.azure.net/"), "provisioningState": "Succeeded" }
    });
    let (Some(all), Value::Object(more)) = (body["properties"].as_object_mut(), properties) else { panic!() };
    all.extend(more);
    body
}

#[tokio::test]
async fn two_callers_that_need_the_same_send_one_request() {
    let fake =
        Fake::slow(
            std::time::Duration::from_millis(30),
            |seen, _| if seen.host == ARM { reply(200, vault_body("v", json!({}))) } else { pass() },
        )
        .await;
    let read = fake.azure().read();
    let id = ArmId::resource(SUB, "g", id::VAULT, "v");
    let same = ArmId::resource(SUB, "G", id::VAULT, "V");
    let (one, two) = tokio::join!(read.vault(&id), read.vault(&same));
    assert_eq!(one.unwrap(), two.unwrap());
    assert!(read.vault(&id).await.unwrap().is_some());
    assert_eq!(fake.on(ARM).len(), 1);
    assert!(fake.on(ARM)[0].path.ends_with("?api-version=2026-02-01"), "{:?}", fake.on(ARM));
}

#[tokio::test]
async fn a_failed_request_is_not_cached() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), nth) {
        (ARM, 0) => error(403, "AuthorizationFailed", "no"),
        (ARM, _) => reply(200, vault_body("v", json!({}))),
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    let id = ArmId::resource(SUB, "g", id::VAULT, "v");
    assert!(matches!(read.vault(&id).await, Err(Error::Forbidden { .. })));
    assert!(read.vault(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_vault_is_read_even_if_the_sdk_cannot_parse_it() {
    let policies = json!([{ "tenantId": "tenant", "objectId": "o", "permissions": { "secrets": ["Get"], "keys": null } }]);
    let fake = Fake::new(move |seen, _| {
        if seen.host == ARM {
            reply(200, vault_body("v", json!({ "accessPolicies": policies, "enableRbacAuthorization": null, "provisioningState": "New" })))
        } else {
            pass()
        }
    })
    .await;
    let vault = fake.azure().read().vault(&ArmId::resource(SUB, "g", id::VAULT, "v")).await.unwrap().unwrap();
    assert!(!vault.rbac && vault.uri == "https://v.vault.azure.net/" && vault.tags["a"] == "b");
    let entry = PolicyEntry {
        tenant_id: "tenant".into(),
        object_id: "o".into(),
        application_id: None,
        keys: vec![],
        secrets: vec!["Get".into()],
        certificates: vec![],
        storage: vec![],
    };
    assert_eq!(vault.policies, [entry]);
}

#[tokio::test]
async fn assignments_follow_pages_and_leave_out_the_inherited() {
    let scope = ArmId::resource(SUB, "g", id::VAULT, "v");
    let assigned = |name: &str, scope: &str| {
        json!({ "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"), "type": "Microsoft.Authorization/roleAssignments", "name": name,
            "properties": { "roleDefinitionId": "/r", "principalId": "p", "principalType": "ServicePrincipal", "scope": scope, "condition": null, "createdOn": "2026-01-01T00:00:00.1234567Z", "createdBy": null } })
    };
    let upper = scope.as_str().replace("resourceGroups", "resourcegroups");
    let first = json!([assigned("one", "/"), assigned("two", &format!("/subscriptions/{SUB}")), assigned("three", scope.as_str())]);
    let second = json!([assigned("four", &upper)]);
    let fake = Fake::new(move |seen, _| {
        let next = format!("https://management.azure.com{}&$skiptoken=x", seen.path);
        match seen.host.as_str() {
            ARM if seen.path.contains("skiptoken") => reply(200, json!({ "value": second })),
            ARM => reply(200, json!({ "value": first, "nextLink": next })),
            _ => pass(),
        }
    })
    .await;
    let found = fake.azure().read().role_assignments(&scope).await.unwrap();
    assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["three", "four"]);
    assert_eq!(found[0].principal_kind.as_deref(), Some("ServicePrincipal"));
    let asked = fake.on(ARM);
    assert_eq!(asked.len(), 2);
    assert!(asked[0].path.contains("filter=atScope%28%29"), "{}", asked[0].path);
    assert!(!asked[0].path.starts_with("//"));
}

#[tokio::test]
async fn a_list_that_goes_on_at_another_host_is_not_followed() {
    let fake = Fake::new(|seen, _| {
        if seen.host == ARM { reply(200, json!({ "value": [], "nextLink": "https://graph.microsoft.com/more" })) } else { pass() }
    })
    .await;
    let read = fake.azure().read();
    let scope = ArmId::subscription(SUB);
    assert!(matches!(read.role_assignments(&scope).await, Err(Error::Protocol(_))));
    assert!(matches!(read.identities(&scope).await, Err(Error::Protocol(_))));
    assert!(matches!(read.vaults(&scope).await, Err(Error::Protocol(_))));
    assert!(fake.on("graph.microsoft.com").is_empty());
}

#[tokio::test]
async fn an_absent_resource_is_none_but_a_wrong_subscription_is_an_error() {
    let fake = Fake::new(|seen, _| match (seen.host.as_str(), seen.path.contains("/resourceGroups/wrong")) {
        (ARM, true) => error(404, "SubscriptionNotFound", "The subscription could not be found."),
        (ARM, false) => error(404, "ResourceGroupNotFound", "Resource group 'g' could not be found."),
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    for kind in [id::IDENTITY, id::VAULT, id::CLUSTER] {
        let of = |group: &str| ArmId::resource(SUB, group, kind, "n");
        let (gone, wrong) = match kind {
            id::IDENTITY => (read.identity(&of("g")).await.map(|x| x.is_none()), read.identity(&of("wrong")).await.map(|x| x.is_none())),
            id::VAULT => (read.vault(&of("g")).await.map(|x| x.is_none()), read.vault(&of("wrong")).await.map(|x| x.is_none())),
            _ => (read.cluster(&of("g")).await.map(|x| x.is_none()), read.cluster(&of("wrong")).await.map(|x| x.is_none())),
        };
        assert!(gone.unwrap(), "{kind}");
        assert!(matches!(wrong, Err(Error::NotFound { ref code, .. }) if code == "SubscriptionNotFound"), "{kind}: {wrong:?}");
    }
    assert_eq!(read.role_assignments(&ArmId::group(SUB, "g")).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_name_with_dot_segments_is_never_sent() {
    let fake = Fake::new(|_, _| pass()).await;
    let (azure, up) = (fake.azure(), "../x");
    let read = azure.read();
    let refused = |answer: Result<(), Error>| matches!(answer, Err(Error::Refused { ref code, .. }) if code == "NameNotValid");
    assert!(refused(read.identity(&ArmId::resource(SUB, "g", id::IDENTITY, up)).await.map(drop)));
    assert!(refused(read.vault(&ArmId::resource(SUB, up, id::VAULT, "v")).await.map(drop)));
    assert!(refused(read.group(&ArmId::group(SUB, up)).await.map(drop)));
    assert!(refused(read.deleted_vault(SUB, "westeurope", up).await.map(drop)));
    assert!(refused(read.secret("https://v.vault.azure.net/", up).await.map(drop)));
    assert!(fake.on(ARM).is_empty() && fake.on("v.vault.azure.net").is_empty());
}

#[tokio::test]
async fn a_cluster_is_read_as_aks_writes_it() {
    let body = json!({
        "id": format!("/subscriptions/{SUB}/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/c"),
        "type": "Microsoft.ContainerService/ManagedClusters", "location": "westeurope",
        "identity": { "type": "UserAssigned", "userAssignedIdentities": { "/subscriptions/x": { "principalId": "cp", "clientId": "cc" } } },
        "properties": {
            "provisioningState": "Succeeded", "fqdn": "c.hcp", "privateFQDN": "p.hcp", "nodeResourceGroup": "MC_g", "kubernetesVersion": "1.33",
            "servicePrincipalProfile": { "clientId": "msi" }, "podIdentityProfile": {}, "oidcIssuerProfile": { "enabled": true, "issuerURL": "https://oidc/" },
            "identityProfile": { "kubeletidentity": { "resourceId": format!("/subscriptions/{SUB}/resourcegroups/MC_g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/k"), "clientId": "kc", "objectId": "ko" } },
            "networkProfile": { "networkPlugin": "azure" }, "addonProfiles": { "azureKeyvaultSecretsProvider": { "enabled": true, "config": null }, "httpApplicationRouting": { "enabled": false } }
        }
    });
    let missing = json!({ "code": "NotFound", "details": null, "message": "Could not find managed cluster resource: d.", "subcode": "X" });
    let fake = Fake::new(move |seen, _| match seen.host.as_str() {
        ARM if seen.path.contains("/d?") => reply(404, missing.clone()),
        ARM => reply(200, body.clone()),
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    let cluster = read.cluster(&ArmId::resource(SUB, "g", id::CLUSTER, "c")).await.unwrap().unwrap();
    assert_eq!((cluster.private_fqdn.as_deref(), cluster.oidc_issuer.as_deref()), (Some("p.hcp"), Some("https://oidc/")));
    assert_eq!(cluster.kubelet.unwrap().object_id, "ko");
    assert_eq!((cluster.service_principal_client_id, cluster.control_plane_principal_id.as_deref()), (None, Some("cp")));
    assert_eq!((cluster.addons, cluster.pod_identity_addon), (vec!["azureKeyvaultSecretsProvider".to_owned()], false));
    assert_eq!(read.cluster(&ArmId::resource(SUB, "g", id::CLUSTER, "d")).await.unwrap(), None);
}

#[tokio::test]
async fn a_role_is_found_by_its_name() {
    let role = json!({ "id": format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/guid"), "name": "guid", "type": "x",
        "properties": { "roleName": "It's ours", "type": "CustomRole", "description": "d", "assignableScopes": ["/"], "permissions": [{ "actions": ["*/read"], "notActions": [] }] } });
    let fake = Fake::new(move |seen, _| if seen.host == ARM { reply(200, json!({ "value": [role] })) } else { pass() }).await;
    let found = fake.azure().read().role_definition(&ArmId::group(SUB, "g"), "it's ours").await.unwrap().unwrap();
    assert!(found.id.ends_with("/guid") && found.name == "It's ours");
    assert!(fake.on(ARM)[0].path.contains("roleName+eq+%27it%27%27s+ours%27"), "{}", fake.on(ARM)[0].path);
}

#[tokio::test]
async fn a_flexible_credential_has_its_expression_where_the_preview_is_there() {
    let credential = |name: &str, more: Value| {
        let mut properties =
            json!({ "issuer": "https://token.actions.githubusercontent.com", "audiences": ["api://AzureADTokenExchange"] });
        let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) else { panic!() };
        all.extend(more);
        json!({ "name": name, "properties": properties })
    };
    const EXPRESSION: &str = "claims['sub'] matches 'repo:acme/shop:ref:refs/heads/*'";
    for is_there in [true, false] {
        let fake = Fake::new(move |seen, _| {
            let preview = seen.path.contains("2025-05-31-preview");
            let of = |more: Value| reply(200, json!({ "value": [credential("one", json!({ "subject": "a" })), credential("two", more)] }));
            match (seen.host.as_str(), preview, is_there) {
                (ARM, false, _) => of(json!({})),
                (ARM, true, true) => of(json!({ "claimsMatchingExpression": { "value": EXPRESSION, "languageVersion": 1 } })),
                (ARM, true, false) => error(400, "NoRegisteredProviderFound", "no such version"),
                _ => pass(),
            }
        })
        .await;
        let identity = ArmId::resource(SUB, "g", id::IDENTITY, "ci");
        let found = fake.azure().read().federated_credentials(&identity).await.unwrap().unwrap();
        assert_eq!((found[0].subject.as_deref(), found[1].subject.as_deref()), (Some("a"), None));
        assert_eq!(found[1].claims_matching_expression.as_deref(), is_there.then_some(EXPRESSION));
    }
}

#[tokio::test]
async fn groups_are_read_page_by_page_and_roles_of_the_directory_are_none() {
    const GRAPH: &str = "graph.microsoft.com";
    let one = |kind: &str, id: &str| json!({ "@odata.type": format!("#microsoft.graph.{kind}"), "id": id, "displayName": id });
    let fake = Fake::new(move |seen, _| match (seen.host.as_str(), seen.path.as_str()) {
        (GRAPH, "/v1.0/servicePrincipals/web/transitiveMemberOf") => {
            let next = format!("https://{GRAPH}/v1.0/servicePrincipals/web/transitiveMemberOf?$skiptoken=2");
            reply(200, json!({ "value": [one("group", "team"), one("directoryRole", "readers")], "@odata.nextLink": next }))
        }
        (GRAPH, "/v1.0/servicePrincipals/web/transitiveMemberOf?$skiptoken=2") => reply(200, json!({ "value": [one("group", "outer")] })),
        (GRAPH, "/v1.0/servicePrincipals/gone/transitiveMemberOf") => error(404, "Request_ResourceNotFound", "no"),
        (GRAPH, "/v1.0/servicePrincipals/hidden/transitiveMemberOf") => error(403, "Authorization_RequestDenied", "no"),
        // a list of v1.0 has no service principals
        (GRAPH, "/beta/groups/team/transitiveMembers") => {
            reply(200, json!({ "value": [one("group", "inner"), one("servicePrincipal", "web")] }))
        }
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    let ids = |all: Vec<crate::azure::Principal>| all.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(read.groups_of("web").await.unwrap()), ["team", "outer"]);
    assert_eq!(ids(read.groups_of("gone").await.unwrap()), Vec::<String>::new());
    assert!(matches!(read.groups_of("hidden").await, Err(Error::Forbidden { .. })));
    assert_eq!(ids(read.group_members("team").await.unwrap()), ["web"]);
    assert!(read.groups_of("../me").await.is_err());
}
