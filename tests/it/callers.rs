//! Additional callers of a sandbox, created by a command, with and without a running server.

use crate::common::World;
use serde_json::{Value, json};

/// Returns the status of an ARM request with these exported variables.
fn reads(world: &World, exports: &str, path: &str) -> (u16, Value) {
    let of = |name: &str| {
        let line = exports.lines().find_map(|line| line.strip_prefix(&format!("export {name}='")));
        line.unwrap_or_else(|| panic!("no {name}: {exports}")).trim_end_matches('\'').to_owned()
    };
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &of("AZURE_CLIENT_ID"))
        .append_pair("client_secret", &of("AZURE_CLIENT_SECRET"))
        .append_pair("scope", "https://management.azure.com/.default")
        .finish();
    let url = format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", of("AZURE_TENANT_ID"));
    let token = world.send("POST", &url, "", "application/x-www-form-urlencoded", Some(form)).ok();
    let url = format!("https://management.azure.com{path}?api-version=2024-07-01");
    let answer = world.send("GET", &url, token["access_token"].as_str().unwrap(), "application/json", None);
    (answer.status, answer.body)
}

#[test]
fn a_caller_has_the_rights_of_its_role_with_and_without_a_server() {
    let mut world = World::new();
    let embedded = world.podid(&["sandbox", "caller", "add", "ci", "--role", "Reader"]).ok().stdout;
    world.serve();
    let served = world.podid(&["sandbox", "caller", "add", "ci", "--role", "reader"]).ok().stdout;
    assert_eq!(embedded, served, "the same caller, the same credential");
    let group = world.group_id();
    assert_eq!(reads(&world, &served, &group).0, 200);
    let narrow = world.podid(&["sandbox", "caller", "add", "app", "--role", "Reader", "--scope", &world.identity_id("mid")]).ok().stdout;
    let (status, body) = reads(&world, &narrow, &group);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("'Microsoft.Resources/subscriptions/resourceGroups/read'") && message.contains(&group), "{message}");
}

#[test]
fn callers_are_listed_without_secrets_and_deleted_once() {
    let world = World::new();
    let added = world.podid(&["sandbox", "caller", "add", "ci", "--role", "Contributor", "-o", "json"]).ok().json();
    let secret = added["clientSecret"].as_str().unwrap();
    assert_eq!(added["roles"][0]["role"], "Contributor");
    let listed = world.podid(&["sandbox", "caller", "list"]).ok().says("Contributor").says(added["clientId"].as_str().unwrap());
    let as_json = world.podid(&["sandbox", "caller", "list", "-o", "json"]).ok();
    assert_eq!(as_json.json()[0]["name"], "ci");
    assert!(!listed.stdout.contains(secret) && !as_json.stdout.contains(secret));
    world.podid(&["sandbox", "caller", "delete", "ci"]).ok().says("deleted ci and its role assignments");
    world.podid(&["sandbox", "caller", "delete", "ci"]).ok().says("nothing to do");
    world.podid(&["sandbox", "caller", "list"]).ok().says("no callers added");
}

#[test]
fn an_invalid_role_or_scope_is_refused_with_and_without_a_server() {
    let mut world = World::new();
    for served in [false, true] {
        if served {
            world.serve();
        }
        let role = world.podid(&["sandbox", "caller", "add", "ci", "--role", "Rader"]).exits(2);
        role.says("the sandbox has no role \"Rader\"").says("az role definition list");
        let scope = world.podid(&["sandbox", "caller", "add", "ci", "--role", "Reader", "--scope", "podid-lab"]).exits(2);
        scope.says("\"podid-lab\" is not a scope of the sandbox").says("/subscriptions/");
    }
}

#[test]
fn the_nodes_of_a_cluster_log_in_with_their_credential_file() {
    let mut world = World::new();
    let file = |world: &World, cluster: &str| world.podid(&["sandbox", "cloud-config", cluster]).ok().json();
    let embedded = file(&world, "aks-sp");
    world.serve();
    let (file, group) = (file(&world, "aks-sp"), world.group_id());
    assert_eq!((&embedded, &file["useManagedIdentityExtension"], &file["vmType"]), (&file, &json!(false), &json!("vmss")));
    let env = world.podid(&["sandbox", "env"]).ok().stdout;
    let text = |name: &str| file[name].as_str().unwrap();
    let nodes = format!(
        "export AZURE_TENANT_ID='{}'\nexport AZURE_CLIENT_ID='{}'\nexport AZURE_CLIENT_SECRET='{}'\n",
        text("tenantId"),
        text("aadClientId"),
        text("aadClientSecret")
    );
    // The login succeeds, but it has no role.
    let (status, body) = reads(&world, &nodes, &group);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let managed = world.podid(&["sandbox", "cloud-config"]).ok().json();
    let (_, cluster) = reads(&world, &env, &format!("{group}/providers/Microsoft.ContainerService/managedClusters/aks-mi"));
    let told = &cluster["properties"];
    assert_eq!(managed["userAssignedIdentityID"], told["identityProfile"]["kubeletidentity"]["clientId"]);
    assert_eq!(managed["resourceGroup"], told["nodeResourceGroup"]);
    world.podid(&["sandbox", "cloud-config", "aks-x"]).exits(2).says("the sandbox has no cluster \"aks-x\"").says("aks-mi, aks-sp");
}
