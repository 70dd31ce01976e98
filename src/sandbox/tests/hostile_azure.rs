//! Values of wrong types sent to ARM, Graph and Key Vault: they are refused with the error of the service, nothing is stored, and all
//! stored resources can still be listed.

use super::{
    Lab, Lateness,
    hostile::running,
    hostile_values::{any_change, kinds, places, replaced},
};
use crate::{azure, http::Request};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

const ARM: &str = "management.azure.com";

#[tokio::test]
async fn values_of_wrong_types_are_refused_with_the_error_of_the_service() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-hostile", true).await;
    assert_eq!(lab.assign(&lab.group(), super::SECRETS_OFFICER, &lab.caller().await).await.status, 201);
    let cluster = |properties: Value| {
        let mut all = json!({"dnsPrefix": "new", "agentPoolProfiles": [{"name": "first", "count": 1}]});
        all.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": all})
    };
    let provider = |rest: &str| format!("{}/providers/{rest}", lab.group());
    let (clusters, vaults) = (provider("Microsoft.ContainerService/managedClusters/new"), lab.vault_path("kv-new"));
    let network = provider("Microsoft.Network/virtualNetworks/net");
    let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/5d5f1d0e-0000-4000-8000-00000000c0de", lab.subscription());
    let tenant = lab.sandbox.access().tenant.clone();
    let vault = |more: Value| {
        let mut all = json!({"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"location": "westeurope", "properties": all})
    };
    let deep = (0..110).fold(json!(1), |inner, _| json!({ "a": inner }));
    for (path, body, code) in [
        (&clusters, cluster(json!({"agentPoolProfiles": ["x"]})), "UnmarshalError"),
        (&clusters, cluster(json!({"agentPoolProfiles": {"name": "first"}})), "UnmarshalError"),
        (&clusters, cluster(json!({"agentPoolProfiles": [{"name": "first", "count": "3"}]})), "UnmarshalError"),
        (&clusters, cluster(json!({"agentPoolProfiles": [{"name": "first", "count": 1e9 as i64}]})), "InvalidParameter"),
        (&clusters, cluster(json!({"agentPoolProfiles": [{"name": "first", "count": -1}]})), "InvalidParameter"),
        (&clusters, cluster(json!({"agentPoolProfiles": [{"name": "a/b", "count": 1}]})), "InvalidParameter"),
        (&clusters, cluster(json!({"dnsPrefix": "é.a/b"})), "InvalidParameter"),
        (&clusters, cluster(json!({"podIdentityProfile": {"userAssignedIdentities": ["x"]}})), "UnmarshalError"),
        (&clusters, cluster(json!({"networkProfile": "azure"})), "UnmarshalError"),
        (&clusters, cluster(json!({"addonProfiles": {"x": 1}})), "UnmarshalError"),
        (&clusters, cluster(json!({"kubernetesVersion": "é"})), "K8sVersionNotSupported"),
        (&clusters, json!({"location": "westeurope", "properties": ["x"]}), "InvalidRequestContent"),
        (&clusters, json!({"location": "westeurope", "identity": "SystemAssigned", "properties": {}}), "InvalidRequestContent"),
        (&network, json!({"location": "westeurope", "properties": "x"}), "InvalidRequestContent"),
        (&network, json!({"location": "westeurope", "properties": deep}), "InvalidRequestContent"),
        (&network, json!({"location": "westeurope", "tags": ["a"]}), "InvalidRequestContent"),
        (&network, json!({"location": "westeurope", "tags": {"a": {"b": "c"}}}), "InvalidRequestContent"),
        (&network, json!({"location": 1}), "InvalidRequestContent"),
        (&vaults, vault(json!({"sku": "standard"})), "BadRequest"),
        (&vaults, vault(json!({"softDeleteRetentionInDays": u64::MAX})), "BadRequest"),
        (&vaults, vault(json!({"networkAcls": {"ipRules": ["10.0.0.1"]}})), "BadRequest"),
        (&vaults, vault(json!({"accessPolicies": ["x"]})), "BadRequest"),
        (&vaults, vault(json!({"enableRbacAuthorization": "true"})), "BadRequest"),
        (&role, json!({"properties": {"roleName": ["x"], "assignableScopes": [lab.subscription()]}}), "InvalidCreateRoleDefinitionRequest"),
        (&role, json!({"properties": {"roleName": "x", "assignableScopes": [1]}}), "InvalidCreateRoleDefinitionRequest"),
    ] {
        let answer = lab.arm("PUT", path, Some(body.clone())).await;
        let found = answer.body["code"].as_str().unwrap_or(answer.code()).to_owned();
        assert_eq!((answer.status, found.as_str()), (400, code), "{path} {}", body.to_string().chars().take(200).collect::<String>());
        assert_eq!(lab.arm("GET", path, None).await.status, 404, "nothing of it is stored");
    }
    for body in [
        json!({"value": "v", "attributes": {"exp": "soon"}}),
        json!({"value": "v", "attributes": {"exp": u64::MAX}}),
        json!({"value": "v", "attributes": ["x"]}),
        json!({"value": "v", "tags": {"a": []}}),
        json!({"value": 1}),
    ] {
        let answer = lab.vault("kv-hostile", "PUT", "/secrets/s", Some(body.clone())).await;
        assert_eq!((answer.status, answer.code()), (400, "BadParameter"), "{body}");
    }
    assert_eq!(lab.vault("kv-hostile", "GET", "/secrets/s", None).await.status, 404);
    let graph = lab.token("https://graph.microsoft.com/.default").await;
    for body in [json!({"displayName": "a", "tags": "x"}), json!({"displayName": "a", "web": ["x"]}), json!({"displayName": {"a": 1}})] {
        let answer = lab.send("POST", "https://graph.microsoft.com/v1.0/applications", Some(&graph), Some(&body)).await;
        assert_eq!((answer.status, answer.code()), (400, "Request_BadRequest"), "{body}");
    }
}

/// Returns valid requests; each is sent with an invalid value in it.
fn valid(group: &str, subscription: &str, tenant: &str, caller: &str) -> Vec<(&'static str, &'static str, String, Value)> {
    let provider = |rest: &str| format!("{group}/providers/{rest}");
    let guid = "5d5f1d0e-0000-4000-8000-00000000c0de";
    let role = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", super::SECRETS_USER);
    let policy = json!({"tenantId": tenant, "objectId": guid, "applicationId": guid, "permissions": {"secrets": ["get"], "keys": ["all"]}});
    let cluster = json!({"location": "westeurope", "tags": {"a": "b"}, "identity": {"type": "SystemAssigned"}, "sku": {"name": "Base", "tier": "Free"},
        "properties": {"dnsPrefix": "new", "kubernetesVersion": "1.33", "agentPoolProfiles": [{"name": "first", "count": 2, "type": "VirtualMachineScaleSets",
        "securityProfile": {"enableVTPM": true}, "nodeLabels": {"a": "b"}}], "networkProfile": {"networkPlugin": "azure", "loadBalancerSku": "basic"},
        "podIdentityProfile": {"enabled": false, "userAssignedIdentities": [{"name": "a"}]}, "oidcIssuerProfile": {"enabled": true},
        "addonProfiles": {"x": {"enabled": true, "config": {"a": "b"}}}, "servicePrincipalProfile": {"clientId": "msi"}}});
    let vault = json!({"location": "westeurope", "tags": {}, "properties": {"tenantId": tenant, "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": false, "softDeleteRetentionInDays": 7, "accessPolicies": [policy],
        "networkAcls": {"bypass": "None", "defaultAction": "Deny", "ipRules": [{"value": "1.2.3.4"}], "virtualNetworkRules": []}}});
    vec![
        ("PUT", ARM, group.replace("podid-lab", "other"), json!({"location": "westeurope", "tags": {"a": "b"}, "managedBy": "x"})),
        ("PATCH", ARM, group.to_owned(), json!({"tags": {"a": "b"}, "managedBy": "x"})),
        (
            "PUT",
            ARM,
            provider("Microsoft.ManagedIdentity/userAssignedIdentities/id-a"),
            json!({"location": "westeurope", "tags": {"a": "b"}}),
        ),
        (
            "PUT",
            ARM,
            provider("Microsoft.ManagedIdentity/userAssignedIdentities/id-a/federatedIdentityCredentials/fic"),
            json!({"properties": {"issuer": "https://issuer", "subject": "s", "audiences": ["a"]}}),
        ),
        ("PUT", ARM, provider("Microsoft.KeyVault/vaults/kv-new"), vault.clone()),
        ("PATCH", ARM, provider("Microsoft.KeyVault/vaults/kv-new"), vault),
        ("PUT", ARM, provider("Microsoft.KeyVault/vaults/kv-new/accessPolicies/add"), json!({"properties": {"accessPolicies": [policy]}})),
        ("PUT", ARM, provider("Microsoft.ContainerService/managedClusters/new"), cluster.clone()),
        ("PUT", ARM, provider("Microsoft.ContainerService/managedClusters/aks-mi"), cluster),
        ("PATCH", ARM, provider("Microsoft.ContainerService/managedClusters/aks-mi"), json!({"tags": {"a": "b"}})),
        (
            "PUT",
            ARM,
            provider("Microsoft.Network/virtualNetworks/net"),
            json!({"location": "westeurope", "tags": {"a": "b"}, "sku": {"name": "x"}, "zones": ["1"], "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}}),
        ),
        ("PATCH", ARM, provider("Microsoft.Network/virtualNetworks/net"), json!({"properties": {"a": {"b": 1}}, "tags": {}})),
        (
            "PUT",
            ARM,
            format!("{group}/providers/Microsoft.Authorization/roleAssignments/{guid}"),
            json!({"properties": {"roleDefinitionId": role, "principalId": caller, "principalType": "ServicePrincipal", "description": "d",
                "condition": "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'a'", "conditionVersion": "2.0"}}),
        ),
        (
            "PUT",
            ARM,
            format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}"),
            json!({"properties": {"roleName": "r", "description": "d", "assignableScopes": [subscription],
                "permissions": [{"actions": ["Microsoft.Resources/*"], "notActions": [], "dataActions": [], "notDataActions": []}]}}),
        ),
        (
            "PUT",
            ARM,
            format!("{group}/providers/Microsoft.Authorization/locks/l"),
            json!({"properties": {"level": "CanNotDelete", "notes": "n"}}),
        ),
        ("POST", ARM, format!("{subscription}/providers/Microsoft.KeyVault/checkNameAvailability"), json!({"name": "kv-a", "type": "x"})),
        (
            "POST",
            "graph.microsoft.com",
            "/v1.0/applications".into(),
            json!({"displayName": "a", "web": {"redirectUris": ["x"]}, "tags": ["t"], "api": {"oauth2PermissionScopes": [{}]}}),
        ),
        ("POST", "graph.microsoft.com", "/v1.0/groups".into(), json!({"displayName": "a", "mailNickname": "g", "description": "d"})),
        ("POST", "graph.microsoft.com", "/v1.0/users".into(), json!({"displayName": "a", "mailNickname": "g", "userPrincipalName": "a@b"})),
        ("POST", "graph.microsoft.com", "/v1.0/directoryObjects/getByIds".into(), json!({"ids": [caller], "types": ["servicePrincipal"]})),
        ("POST", "graph.microsoft.com", "/v1.0/servicePrincipals".into(), json!({"appId": guid, "tags": ["a"], "notes": "n"})),
        (
            "PUT",
            "kv-hostile.vault.azure.net",
            "/secrets/s".into(),
            json!({"value": "v", "contentType": "c", "tags": {"a": "b"}, "attributes": {"enabled": true, "exp": 1, "nbf": 2}}),
        ),
        ("PATCH", "kv-hostile.vault.azure.net", "/secrets/s".into(), json!({"tags": {"a": "b"}, "attributes": {"enabled": false}})),
        ("POST", "kv-hostile.vault.azure.net", "/secrets/restore".into(), json!({"value": "KUF6dXJl"})),
        ("POST", "login.microsoftonline.com", format!("/{tenant}/oauth2/v2.0/token"), json!({"grant_type": "client_credentials"})),
    ]
}

/// Returns all lists.
fn lists(group: &str, subscription: &str) -> Vec<(&'static str, String)> {
    let under = |rest: &str| (ARM, format!("{subscription}/{rest}"));
    let mut all: Vec<_> = [
        "resourceGroups",
        "resources",
        "resources?$filter=resourceType eq 'x' and name eq 'é'",
        "resourceGroups?$filter=tagName eq 'a'&$top=18446744073709551615",
        "providers",
        "providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        "providers/Microsoft.KeyVault/vaults?$top=99999999999999999999",
        "providers/Microsoft.KeyVault/deletedVaults",
        "providers/Microsoft.ContainerService/managedClusters",
        "providers/Microsoft.Compute/virtualMachineScaleSets",
        "providers/Microsoft.Network/virtualNetworks",
        "providers/Microsoft.Authorization/roleAssignments",
        "providers/Microsoft.Authorization/roleDefinitions?$filter=roleName eq 'é",
        "providers/Microsoft.Authorization/locks",
        "providers/Microsoft.Features/features",
    ]
    .map(under)
    .to_vec();
    all.push((
        ARM,
        format!(
            "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-a/federatedIdentityCredentials?$skiptoken=-1&$top=1"
        ),
    ));
    all.extend(["applications", "servicePrincipals", "groups", "users"].map(|kind| ("graph.microsoft.com", format!("/v1.0/{kind}"))));
    all.push(("kv-hostile.vault.azure.net", "/secrets?maxresults=25".into()));
    all.push(("kv-hostile.vault.azure.net", "/secrets/s/versions".into()));
    all
}

#[tokio::test]
async fn after_any_request_azure_can_still_list() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-hostile", true).await;
    let caller = lab.caller().await;
    assert_eq!(lab.assign(&lab.group(), super::SECRETS_OFFICER, &caller).await.status, 201);
    let mut tokens = std::collections::BTreeMap::new();
    for (host, scope) in [
        (ARM, "https://management.azure.com"),
        ("graph.microsoft.com", "https://graph.microsoft.com"),
        ("kv-hostile.vault.azure.net", "https://vault.azure.net"),
    ] {
        tokens.insert(host, lab.token(&format!("{scope}/.default")).await);
    }
    let (group, subscription) = (lab.group(), lab.subscription());
    let templates = valid(&group, &subscription, &lab.sandbox.access().tenant, &caller);
    let lists = lists(&group, &subscription);
    let (rules, first) = (running(&lab).settings.rules(), serde_json::to_value(&*running(&lab).azure()).unwrap());
    let ask = |state: &mut azure::state::State, method: &str, host: &str, path: &str, version: &str, body: &str| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let token = tokens.get(host).map_or("", String::as_str);
        let request = Request {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: format!("{query}&api-version={version}"),
            headers: vec![("authorization".into(), format!("Bearer {token}")), ("content-type".into(), "application/json".into())],
            body: body.to_owned().into(),
        };
        azure::answer(state, &request, &rules, azure::times::now()).map_or(404, |(response, _)| response.status)
    };
    for (method, host, path, body) in &templates {
        let mut state: azure::state::State = serde_json::from_value(first.clone()).unwrap();
        let status = ask(&mut state, method, host, path, "2025-08-01", &body.to_string());
        assert!(status < 500, "{method} {host}{path}: {status}");
    }
    let lists_all = |state: &mut azure::state::State| -> Result<(), String> {
        for (host, path) in &lists {
            let status = ask(state, "GET", host, path, "2025-08-01", "");
            if status >= 500 {
                return Err(format!("{path}: {status}"));
            }
        }
        let text = serde_json::to_string(&*state).map_err(|why| why.to_string())?;
        serde_json::from_str::<azure::state::State>(&text).map(drop).map_err(|why| format!("the world cannot be read again: {why}"))
    };
    // each part of each body, with each type
    for (method, host, path, body) in &templates {
        let mut state: azure::state::State = serde_json::from_value(first.clone()).unwrap();
        for place in places(body) {
            for value in kinds() {
                let body = replaced(body, &place, value);
                let status = ask(&mut state, method, host, path, "2025-08-01", &body.to_string());
                assert!(status < 500, "{method} {host}{path} {body}: {status}");
                if status < 300 {
                    lists_all(&mut state).unwrap_or_else(|why| panic!("after {method} {host}{path} {body}: {why}"));
                }
            }
        }
    }
    // several changes one after the other
    let change = (0..templates.len(), any_change(), any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    let done = runner.run(&prop::collection::vec(change, 1..8), |changes| {
        let mut state: azure::state::State = serde_json::from_value(first.clone()).unwrap();
        // the vault, the identity and the network must exist first
        for (method, host, path, body) in templates.iter().filter(|(method, ..)| *method == "PUT") {
            ask(&mut state, method, host, path, "2025-08-01", &body.to_string());
        }
        for (at, (place, value), old) in changes {
            let (method, host, path, body) = &templates[at];
            let places = places(body);
            let body = replaced(body, place.get::<Vec<usize>>(&places), value);
            let status = ask(&mut state, method, host, path, if old { "2019-04-01" } else { "2026-02-01" }, &body.to_string());
            prop_assert!(status < 500, "{method} {host}{path} {body}: {status}");
        }
        prop_assert_eq!(lists_all(&mut state), Ok(()));
        Ok(())
    });
    done.unwrap();
}
