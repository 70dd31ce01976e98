//! Rights that an identity or the cluster has by a group, and those that only look like one: what `doctor`, `why`, `who-can` and `inventory`
//! say of them, and what they say where the directory may not be asked.

use super::{CONTEXT, SPEC, VAULT, identity, made};
use crate::common::{World, doctor::errors};
use serde_json::{Value, json};

const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const OPERATOR: &str = "f1a07417-d97a-45cb-824c-7a7467783830";
const CONTRIBUTOR: &str = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c";

fn graph(world: &World, path: &str, body: Value) -> Value {
    let url = format!("https://graph.microsoft.com/v1.0/{path}");
    world.send("POST", &url, &world.token("https://graph.microsoft.com"), "application/json", Some(body.to_string())).ok()
}

/// Makes a group with these members. Returns its object id.
fn group(world: &World, name: &str, members: &[&Value]) -> Value {
    let made = graph(world, "groups", json!({ "displayName": name, "mailEnabled": false, "mailNickname": name, "securityEnabled": true }));
    members.iter().for_each(|member| join(world, &made["id"], member));
    made["id"].clone()
}

fn join(world: &World, group: &Value, member: &Value) {
    let member = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", member.as_str().unwrap()) });
    graph(world, &format!("groups/{}/members/$ref", group.as_str().unwrap()), member);
}

fn leave(world: &World, group: &Value, member: &Value) {
    let (group, member) = (group.as_str().unwrap(), member.as_str().unwrap());
    let url = format!("https://graph.microsoft.com/v1.0/groups/{group}/members/{member}/$ref");
    world.send("DELETE", &url, &world.token("https://graph.microsoft.com"), "application/json", None);
}

fn assign(world: &World, n: usize, scope: &str, role: &str, principal: &Value) {
    let role = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{role}", world.subscription());
    let name = format!("00000000-0000-4000-8000-00000000000{n}");
    let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
    let properties = json!({ "roleDefinitionId": role, "principalId": principal, "principalType": "Group" });
    world.arm("PUT", &path, Some(json!({ "properties": properties }))).ok();
}

fn principal(world: &World) -> Value {
    world.arm("GET", &identity(world), None).ok()["properties"]["principalId"].clone()
}

/// Removes the role assignments of a principal at a scope.
fn unassign(world: &World, scope: &str, principal: &Value) {
    for one in world.assignments(scope).into_iter().filter(|one| one["properties"]["principalId"] == *principal) {
        world.arm("DELETE", &format!("{}?api-version=2022-04-01", one["id"].as_str().unwrap()), None).ok();
    }
}

/// Neither spec nor state knows the workload.
fn forget(world: &World) {
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    std::fs::rename(world.path("podid.yaml"), world.path("shop.yaml")).unwrap();
}

fn of_roles() -> World {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("model: access-policy", "model: rbac"));
    world.podid(&["up", "--yes"]).ok();
    forget(&world);
    world
}

fn why(world: &World) -> String {
    world.podid(&["why", "deployment/web", "conn", "-n", "shop", "--context", CONTEXT]).ok().stdout
}

/// The only error is that the identity lacks the right.
fn lacks_the_right(world: &World, says: &str) {
    let found = errors(world, &["-A"]);
    let first = found.first().unwrap_or_else(|| panic!("{says}: nothing is found"));
    assert_eq!((&first["link"], &first["code"], found.len()), (&json!("grant"), &json!("PODID6001"), 1), "{found:#?}");
    let text = format!("{} {}", first["title"], first["causes"]);
    assert!(text.contains("may not read") && text.contains(says), "{text}");
}

#[test]
fn a_role_of_a_group_counts_for_its_members_alone_also_for_nested_ones() {
    let world = of_roles();
    let own = principal(&world);
    unassign(&world, &world.vault_id(VAULT), &own);
    let inner = group(&world, "inner", &[]);
    let readers = group(&world, "readers", &[&inner]);
    assign(&world, 1, &world.vault_id(VAULT), SECRETS_USER, &readers);
    lacks_the_right(&world, "has role Key Vault Secrets User, at the vault, and the identity is not a member of it");
    assert!(why(&world).contains("no role of Identity shop-mid lets it read secrets of kv-shop-doctor"), "{}", why(&world));
    // a member
    join(&world, &readers, &own);
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "a member");
    let mark = world.mark();
    let way = "role Key Vault Secrets User, at the vault, through the group readers";
    let told = why(&world);
    assert!(told.starts_with("yes ") && told.contains(way), "{told}");
    let asked = world.since(mark).iter().filter(|line| line.path.contains("transitiveMemberOf")).count();
    assert_eq!(asked, 1, "one request for one identity");
    let who = world.podid(&["who-can", "conn", "--vault", VAULT, "--context", CONTEXT, "-o", "json"]).ok().json();
    let member = who["readers"].as_array().unwrap().iter().find(|one| one["principal"] == "shop-mid").unwrap_or_else(|| panic!("{who:#}"));
    assert_eq!((&member["groupName"], &member["users"][0]["workload"]), (&json!("readers"), &json!("deployment shop/web")));
    // by another group
    leave(&world, &readers, &own);
    lacks_the_right(&world, "may not read the secrets of the vault");
    join(&world, &inner, &own);
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "nested");
    assert!(why(&world).contains(way), "{}", why(&world));
    // a deny assignment of a group that it is in, which spares a group that it is in, too
    let denial = |except: &Value| {
        json!({ "deny_assignments": [{
            "name": "5f0b4b5e-0c7f-4b0f-9b1e-0b7f4b5e0c7f", "denyAssignmentName": "stack-shop", "scope": world.vault_id(VAULT),
            "permissions": [{ "dataActions": ["Microsoft.KeyVault/vaults/secrets/*"] }],
            "principals": [{ "id": readers, "type": "Group" }], "excludePrincipals": except,
        }] })
    };
    world.settings(&denial(&json!([])));
    let found = errors(&world, &["-A"]);
    assert_eq!((&found[0]["code"], found.len()), (&json!("PODID6004"), 1), "{found:#?}");
    assert!(why(&world).contains("the deny assignment stack-shop takes it away again"), "{}", why(&world));
    world.settings(&denial(&json!([{ "id": inner, "type": "Group" }])));
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "excepted");
    // who may not ask the directory is told no fault, and that something could not be seen
    leave(&world, &inner, &own);
    world.settings(&json!({ "deny_assignments": null, "deny": ["graph"] }));
    let output = world.podid(&["doctor", "-A", "-o", "json"]).ok().json();
    assert!(output["findings"].as_array().unwrap().iter().all(|one| one["link"] != "grant"), "{output:#}");
    assert!(output["unseen"].to_string().contains("groups of the identity shop-mid: "), "{:#}", output["unseen"]);
    let unknown = why(&world);
    assert!(
        unknown.starts_with("unknown ") && unknown.contains("whether Identity shop-mid is a member of it could not be read"),
        "{unknown}"
    );
}

#[test]
fn a_policy_of_a_group_counts_for_its_members() {
    let world = made();
    forget(&world);
    let own = principal(&world);
    super::policies(&world, &[]);
    let readers = group(&world, "readers", &[]);
    let vault = format!("{}?api-version=2023-07-01", world.vault_id(VAULT));
    let mut found = world.arm("GET", &vault, None).ok();
    let entry = json!({ "tenantId": found["properties"]["tenantId"], "objectId": readers, "permissions": { "secrets": ["get"] } });
    found["properties"]["accessPolicies"].as_array_mut().unwrap().push(entry);
    world.arm("PUT", &vault, Some(found)).ok();
    lacks_the_right(&world, "may not read the secrets of the vault");
    join(&world, &readers, &own);
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "a member");
    assert!(why(&world).contains("access policy (get), through the group readers"), "{}", why(&world));
    world.settings(&json!({ "deny": ["graph"] }));
    assert_eq!(errors(&world, &["-A"]), Vec::<Value>::new(), "what is not known is no fault");
    // this login's own policy is not one of a group
    let mut found = world.arm("GET", &vault, None).ok();
    found["properties"]["accessPolicies"].as_array_mut().unwrap().retain(|entry| entry["objectId"] != readers);
    world.arm("PUT", &vault, Some(found)).ok();
    lacks_the_right(&world, "may not read the secrets of the vault");
}

#[test]
fn operator_roles_of_a_group_that_the_clusters_identity_is_in_are_not_missing() {
    let world = made();
    let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/{CONTEXT}?api-version=2025-08-01", world.group_id());
    let cluster = world.arm("GET", &cluster, None).ok();
    let kubelet = cluster["properties"]["identityProfile"]["kubeletidentity"]["objectId"].clone();
    let nodes =
        format!("/subscriptions/{}/resourceGroups/{}", world.subscription(), cluster["properties"]["nodeResourceGroup"].as_str().unwrap());
    let id = world.identity_id("shop-mid");
    unassign(&world, &id, &kubelet);
    unassign(&world, &nodes, &kubelet);
    let operators = group(&world, "operators", &[]);
    assign(&world, 1, &id, OPERATOR, &operators);
    assign(&world, 2, &nodes, CONTRIBUTOR, &operators);
    let found = errors(&world, &[]);
    assert!(!found.is_empty() && found.iter().all(|one| one["code"] == "PODID5010"), "{found:#?}");
    let inventory = || {
        let all = world.podid(&["inventory", "-o", "json"]).ok().json();
        all["identities"].as_array().unwrap().iter().find(|one| one["name"] == "shop-mid").unwrap()["operators"].clone()
    };
    assert_eq!(inventory(), json!([]));
    join(&world, &operators, &kubelet);
    assert_eq!(errors(&world, &[]), Vec::<Value>::new(), "a member");
    let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
    let roles: Vec<&Value> = warned["findings"].as_array().unwrap().iter().filter(|one| one["link"] == "role").collect();
    assert_eq!(roles.len(), 2, "{warned:#}");
    for one in roles {
        assert!(one["severity"] == "warning" && one["causes"].to_string().contains("through the group"), "{one:#}");
        assert!(one["title"].as_str().unwrap().ends_with(" is missing, but not needed"), "{one:#}");
    }
    let operator = inventory();
    assert_eq!((&operator[0]["principal"], &operator[0]["throughGroup"]), (&json!("nodes"), &operators), "{operator:#}");
    let table = world.podid(&["inventory"]).ok().stdout;
    assert!(table.contains("nodes (Managed Identity Operator, through the group operators)"), "{table}");
    // MIC works with it, and a proof that fails for another reason does not name it
    world.podid(&["verify"]).ok();
    super::policies(&world, &[]);
    let failed = world.podid(&["verify"]).exits(1).stdout;
    assert!(!failed.contains("Managed Identity Operator"), "{failed}");
    // what is written for it is no role of podid's
    forget(&world);
    world.podid(&["import", "--out", "imported.yaml", "--context", CONTEXT, "-n", "shop"]).ok();
    let spec = world.read("imported.yaml");
    assert!(spec.contains("operatorScope: none") && spec.contains("contributorScope: none"), "{spec}");
    // a wide role is one of the cluster's, too
    let wide = || -> Vec<Value> {
        let all = world.podid(&["lint", "-o", "json", "--context", CONTEXT]).ok().json()["findings"].clone();
        all.as_array().unwrap().iter().filter(|one| one["code"] == "PODID9002").cloned().collect()
    };
    let before = wide();
    assign(&world, 3, &world.group_id(), OPERATOR, &operators);
    let found: Vec<Value> = wide().into_iter().filter(|one| !before.contains(one)).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0]["title"].as_str().unwrap().ends_with(", through the group operators"), "{found:#?}");
}
