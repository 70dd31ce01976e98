//! The action and scope of each request, as Azure names them when it refuses a caller without a role.

use super::*;

/// An additional caller with one role.
struct Guest {
    client_id: String,
    secret: String,
}

impl Guest {
    async fn new(lab: &Lab, role: &str, scope: &str) -> Self {
        let requested = json!({"add": {"name": "guest", "role": role, "scopes": [scope]}});
        let made = lab.control("POST", "/callers", Some(requested)).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
        Self { client_id: text("clientId"), secret: text("clientSecret") }
    }

    async fn token(&self, lab: &Lab, audience: &str) -> String {
        let scope = format!("{audience}/.default");
        let form =
            [("grant_type", "client_credentials"), ("client_id", &self.client_id), ("client_secret", &self.secret), ("scope", &scope)];
        let answer = lab.form(&format!("{}/oauth2/v2.0/token", lab.sandbox.access().tenant), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn asks(&self, lab: &Lab, method: &str, path: &str) -> Answer {
        let token = self.token(lab, "https://management.azure.com").await;
        let body = json!({"location": "westeurope", "properties": {}});
        let body = matches!(method, "PUT" | "PATCH" | "POST").then_some(&body);
        lab.send(method, &format!("https://management.azure.com{path}?api-version=2024-01-01"), Some(&token), body).await
    }
}

/// `S` is the subscription, `G` the group podid-lab, `N` the scale sets of aks-mi's nodes, `R` the cluster's name; each row has method,
/// path, action and scope (the path if it is empty).
const ROUTES: &[(&str, &str, &str, &str)] = &[
    ("GET", "S", "Microsoft.Resources/subscriptions/read", ""),
    ("PUT", "S/resourceGroups/new", "Microsoft.Resources/subscriptions/resourceGroups/write", ""),
    ("GET", "G", "Microsoft.Resources/subscriptions/resourceGroups/read", ""),
    ("PATCH", "G", "Microsoft.Resources/subscriptions/resourceGroups/write", ""),
    ("DELETE", "G", "Microsoft.Resources/subscriptions/resourceGroups/delete", ""),
    ("GET", "S/providers/Microsoft.KeyVault", "Microsoft.Resources/subscriptions/providers/read", "S"),
    ("POST", "S/providers/Microsoft.KeyVault/register", "Microsoft.KeyVault/register/action", "S"),
    ("GET", "S/providers/Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.ManagedIdentity/userAssignedIdentities/read", "S"),
    ("GET", "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.ManagedIdentity/userAssignedIdentities/read", "G"),
    ("GET", "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a", "Microsoft.ManagedIdentity/userAssignedIdentities/read", ""),
    ("PUT", "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a", "Microsoft.ManagedIdentity/userAssignedIdentities/write", ""),
    (
        "PATCH",
        "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a",
        "Microsoft.ManagedIdentity/userAssignedIdentities/write",
        "",
    ),
    (
        "DELETE",
        "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a",
        "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
        "",
    ),
    (
        "GET",
        "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/f",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
        "",
    ),
    (
        "PUT",
        "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/f",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
        "",
    ),
    (
        "DELETE",
        "G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/f",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
        "",
    ),
    ("GET", "G/providers/Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleAssignments/read", "G"),
    (
        "GET",
        "G/providers/Microsoft.Authorization/roleAssignments/30000000-0000-0000-0000-000000000003",
        "Microsoft.Authorization/roleAssignments/read",
        "",
    ),
    (
        "PUT",
        "G/providers/Microsoft.Authorization/roleAssignments/30000000-0000-0000-0000-000000000003",
        "Microsoft.Authorization/roleAssignments/write",
        "",
    ),
    (
        "DELETE",
        "G/providers/Microsoft.Authorization/roleAssignments/30000000-0000-0000-0000-000000000003",
        "Microsoft.Authorization/roleAssignments/delete",
        "",
    ),
    ("GET", "G/providers/Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/roleDefinitions/read", "G"),
    (
        "PUT",
        "S/providers/Microsoft.Authorization/roleDefinitions/30000000-0000-0000-0000-000000000003",
        "Microsoft.Authorization/roleDefinitions/write",
        "",
    ),
    (
        "DELETE",
        "S/providers/Microsoft.Authorization/roleDefinitions/30000000-0000-0000-0000-000000000003",
        "Microsoft.Authorization/roleDefinitions/delete",
        "",
    ),
    ("GET", "S/providers/Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/read", "S"),
    ("GET", "G/providers/Microsoft.KeyVault/vaults/kv", "Microsoft.KeyVault/vaults/read", ""),
    ("PUT", "G/providers/Microsoft.KeyVault/vaults/kv", "Microsoft.KeyVault/vaults/write", ""),
    ("PATCH", "G/providers/Microsoft.KeyVault/vaults/kv", "Microsoft.KeyVault/vaults/write", ""),
    ("DELETE", "G/providers/Microsoft.KeyVault/vaults/kv", "Microsoft.KeyVault/vaults/delete", ""),
    (
        "PUT",
        "G/providers/Microsoft.KeyVault/vaults/kv/accessPolicies/add",
        "Microsoft.KeyVault/vaults/accessPolicies/write",
        "G/providers/Microsoft.KeyVault/vaults/kv",
    ),
    ("POST", "S/providers/Microsoft.KeyVault/checkNameAvailability", "Microsoft.KeyVault/checkNameAvailability/read", "S"),
    ("GET", "S/providers/Microsoft.KeyVault/deletedVaults", "Microsoft.KeyVault/deletedVaults/read", "S"),
    ("GET", "S/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv", "Microsoft.KeyVault/locations/deletedVaults/read", "S"),
    (
        "POST",
        "S/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv/purge",
        "Microsoft.KeyVault/locations/deletedVaults/purge/action",
        "S",
    ),
    ("GET", "S/providers/Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/managedClusters/read", "S"),
    ("GET", "G/providers/Microsoft.ContainerService/managedClusters/aks-mi", "Microsoft.ContainerService/managedClusters/read", ""),
    ("PUT", "G/providers/Microsoft.ContainerService/managedClusters/aks-mi", "Microsoft.ContainerService/managedClusters/write", ""),
    ("DELETE", "G/providers/Microsoft.ContainerService/managedClusters/aks-mi", "Microsoft.ContainerService/managedClusters/delete", ""),
    (
        "POST",
        "G/providers/Microsoft.ContainerService/managedClusters/aks-mi/listClusterUserCredential",
        "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
        "G/providers/Microsoft.ContainerService/managedClusters/aks-mi",
    ),
    ("GET", "N", "Microsoft.Compute/virtualMachineScaleSets/read", "R"),
    ("GET", "N/v", "Microsoft.Compute/virtualMachineScaleSets/read", ""),
    ("PATCH", "N/v", "Microsoft.Compute/virtualMachineScaleSets/write", ""),
    ("DELETE", "N/v", "Microsoft.Compute/virtualMachineScaleSets/delete", ""),
    ("GET", "G/providers/Microsoft.Network/virtualNetworks/n", "Microsoft.Network/virtualNetworks/read", ""),
    ("PUT", "G/providers/Microsoft.Network/virtualNetworks/n", "Microsoft.Network/virtualNetworks/write", ""),
    ("DELETE", "G/providers/Microsoft.Network/virtualNetworks/n", "Microsoft.Network/virtualNetworks/delete", ""),
];

#[tokio::test]
async fn each_request_to_arm_requires_the_action_that_azure_names() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-routes", true).await;
    let guest = Guest::new(&lab, "Reader", &lab.vault_path("none")).await;
    let (subscription, group) = (lab.subscription(), lab.group());
    let nodes = format!("{subscription}/resourceGroups/MC_podid-lab_aks-mi_westeurope");
    let sets = format!("{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets");
    let full = |text: &str| {
        let (head, rest) = text.split_at(1);
        let head = match head {
            "S" => &subscription,
            "G" => &group,
            "N" => &sets,
            _ => &nodes,
        };
        format!("{head}{rest}")
    };
    let mut wrong = Vec::new();
    for (method, path, action, scope) in ROUTES {
        let answer = guest.asks(&lab, method, &full(path)).await;
        let wanted = format!("perform action '{action}' over scope '{}'", full(if scope.is_empty() { path } else { scope }));
        if answer.status != 403
            || answer.code() != "AuthorizationFailed"
            || !answer.message().to_lowercase().contains(&wanted.to_lowercase())
        {
            wrong.push(format!("{method} {path}: {} {}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_request_to_an_rbac_vault_requires_the_data_action_that_azure_names() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-routes", true).await;
    // permissions for the whole control plane do not include a vault's contents
    let guest = Guest::new(&lab, "Owner", &lab.vault_path("kv-routes")).await;
    let token = guest.token(&lab, "https://vault.azure.net").await;
    let all = [
        ("GET", "/secrets", "readMetadata"),
        ("GET", "/secrets/s", "getSecret"),
        ("GET", "/secrets/s/versions", "readMetadata"),
        ("PUT", "/secrets/s", "setSecret"),
        ("PATCH", "/secrets/s", "update"),
        ("DELETE", "/secrets/s", "delete"),
        ("GET", "/deletedsecrets", "readMetadata"),
        ("GET", "/deletedsecrets/s", "readMetadata"),
        ("POST", "/deletedsecrets/s/recover", "recover"),
        ("DELETE", "/deletedsecrets/s", "purge"),
    ];
    for (method, path, action) in all {
        let body = json!({"value": "x"});
        let url = format!("https://kv-routes.vault.azure.net{path}?api-version=7.4");
        let answer = lab.send(method, &url, Some(&token), Some(&body)).await;
        assert_eq!((answer.status, answer.inner()), (403, "ForbiddenByRbac"), "{method} {path}: {}", answer.body);
        let named = answer.message().split("Action: '").nth(1).unwrap().split('\'').next().unwrap();
        let wanted = if action == "delete" { "delete".to_owned() } else { format!("{action}/action") };
        assert_eq!(named, format!("Microsoft.KeyVault/vaults/secrets/{wanted}"), "{method} {path}");
    }
}

#[tokio::test]
async fn a_list_leaves_out_what_the_caller_may_not_read() {
    let lab = Lab::new(Lateness::None).await;
    let id = lab.identity("seen").await["id"].as_str().unwrap().to_owned();
    lab.identity("unseen").await;
    let guest = Guest::new(&lab, "Reader", &id).await;
    let names = async |path: String| {
        let answer = guest.asks(&lab, "GET", &path).await;
        let list = answer.body["value"].as_array().unwrap_or_else(|| panic!("{}", answer.body)).clone();
        list.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(format!("{}/resources", lab.subscription())).await, ["seen"]);
    assert_eq!(names(format!("{}/resourcegroups", lab.subscription())).await, Vec::<String>::new());
    Guest::new(&lab, "Reader", &lab.group()).await;
    assert_eq!(names(format!("{}/resourcegroups", lab.subscription())).await, ["podid-lab"]);
}

#[tokio::test]
async fn the_permissions_of_a_caller_are_listed_at_every_scope() {
    let lab = Lab::new(Lateness::None).await;
    let id = lab.identity("one").await["id"].as_str().unwrap().to_owned();
    let guest = Guest::new(&lab, "Reader", &lab.group()).await;
    let shown = async |scope: &str| {
        let answer = guest.asks(&lab, "GET", &format!("{scope}/providers/Microsoft.Authorization/permissions")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["value"].as_array().unwrap().iter().map(|p| p["actions"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&lab.subscription()).await, Vec::<Value>::new());
    assert_eq!(shown(&lab.group()).await, [json!(["*/read"])]);
    assert_eq!(shown(&id).await, [json!(["*/read"])]);
}
