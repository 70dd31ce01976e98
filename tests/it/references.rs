//! What a scope or a principal refers to: another cluster than the spec's own, and principals of each kind.

use crate::common::{World, specs::LAB_004};
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com";

/// A principal of the directory, made past podid.
fn made(world: &World, collection: &str, body: &Value) -> String {
    let token = world.token(GRAPH);
    let answer = world.send("POST", &format!("{GRAPH}/v1.0/{collection}"), &token, "application/json", Some(body.to_string()));
    answer.ok()["id"].as_str().unwrap().to_owned()
}

fn user(world: &World) -> String {
    let body = json!({ "displayName": "Ann", "userPrincipalName": "ann@example.com", "accountEnabled": true, "mailNickname": "ann",
        "passwordProfile": { "password": "x-Y-9-not-a-real-one" } });
    made(world, "users", &body)
}

fn group(world: &World) -> String {
    made(world, "groups", &json!({ "displayName": "team", "mailEnabled": false, "mailNickname": "team", "securityEnabled": true }))
}

/// The kind of principal of each assignment to `principal` on the lab's resource group.
fn kinds(world: &World, principal: &str) -> Vec<String> {
    let all = world.assignments(&world.group_id());
    let to_it = all.iter().filter(|a| a["properties"]["principalId"].as_str().unwrap().eq_ignore_ascii_case(principal));
    to_it.map(|a| a["properties"]["principalType"].as_str().unwrap().to_owned()).collect()
}

fn assign(to: &str) -> Vec<&str> {
    vec!["role", "assign", "Reader", "--to", to, "--scope", "group/podid-lab", "--yes"]
}

#[test]
fn the_directory_tells_the_kind_of_an_object_id() {
    let world = World::served();
    for (id, kind) in [(user(&world), "User"), (group(&world), "Group")] {
        world.podid(&assign(&id)).ok();
        assert_eq!(kinds(&world, &id), [kind]);
        world.podid(&assign(&id)).ok().says("nothing to do");
        let remove = ["role", "remove", "Reader", "--to", &id, "--scope", "group/podid-lab", "--yes"];
        world.podid(&remove).ok();
        assert!(kinds(&world, &id).is_empty());
    }
}

#[test]
fn a_kind_that_was_given_is_used() {
    let world = World::served();
    let (ann, team) = (user(&world), group(&world));
    for (id, prefix, kind) in [(&ann, "user", "User"), (&team, "group", "Group")] {
        world.podid(&assign(&format!("{prefix}/{id}"))).ok();
        assert_eq!(kinds(&world, id), [kind]);
    }
    world.podid(&["role", "list", "--to", &format!("user/{ann}"), "-g", "podid-lab", "--scope", "group/podid-lab"]).ok().says(&ann);
}

#[test]
fn a_user_or_a_group_is_found_by_its_name() {
    let world = World::served();
    let (ann, team) = (user(&world), group(&world));
    for (id, to, kind) in [(&ann, "user/ann@example.com", "User"), (&team, "group/team", "Group")] {
        world.podid(&assign(to)).ok();
        assert_eq!(kinds(&world, id), [kind]);
        world.podid(&assign(to)).ok().says("nothing to do");
        world.podid(&["role", "list", "--to", to, "--scope", "group/podid-lab"]).ok().says(id);
        world.podid(&["role", "remove", "Reader", "--to", to, "--scope", "group/podid-lab", "--yes"]).ok();
        assert!(kinds(&world, id).is_empty());
    }
}

#[test]
fn a_name_that_means_nobody_or_several_is_refused() {
    let world = World::served();
    let nobody = world.podid(&assign("user/nobody@example.com")).exits(4);
    assert!(nobody.stderr.contains("no user of this tenant has the user principal name nobody@example.com"), "{}", nobody.stderr);
    let team = json!({ "displayName": "team", "mailEnabled": false, "mailNickname": "team2", "securityEnabled": true });
    let (one, other) = (group(&world), made(&world, "groups", &team));
    let several = world.podid(&assign("group/team")).exits(4);
    assert!([&one, &other].iter().all(|id| several.stderr.contains(id.as_str())), "{}", several.stderr);
    world.settings(&json!({ "deny": ["graph"] }));
    let blind = world.podid(&assign("user/ann@example.com")).exits(4);
    assert!(
        blind.stderr.contains("podid may not read the user ann@example.com") && blind.stderr.contains("`user/GUID`"),
        "{}",
        blind.stderr
    );
}

#[test]
fn a_role_of_a_deleted_principal_can_be_removed() {
    let world = World::served();
    let ann = user(&world);
    world.podid(&assign(&ann)).ok();
    let token = world.token(GRAPH);
    world.send("DELETE", &format!("{GRAPH}/v1.0/users/{ann}"), &token, "application/json", None);
    world.podid(&["role", "remove", "Reader", "--to", &ann, "--scope", "group/podid-lab", "--yes"]).ok();
    assert!(kinds(&world, &ann).is_empty());
}

#[test]
fn an_object_id_that_nobody_has_is_refused_before_anything_is_written() {
    let world = World::served();
    let nobody = "00000000-0000-4000-8000-00000000dead";
    let output = world.podid(&assign(nobody)).exits(4);
    assert!(output.stderr.contains("no user, group or service principal"), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("service-principal/{nobody}")), "{}", output.stderr);
}

#[test]
fn a_client_id_in_place_of_an_object_id_is_told_with_the_right_one() {
    let world = World::served();
    let all = world.environment();
    let client = all.iter().find(|(name, _)| name == "AZURE_CLIENT_ID").map(|(_, value)| value.clone()).unwrap();
    let output = world.podid(&assign(&client)).exits(4);
    assert!(output.stderr.contains(&format!("{client} is the client id")), "{}", output.stderr);
    let right = output.stderr.split("`--to ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    world.podid(&assign(&right)).ok();
}

#[test]
fn who_may_not_read_the_directory_assigns_all_the_same() {
    let world = World::served();
    let ann = user(&world);
    world.settings(&json!({ "deny": ["graph"] }));
    world.podid(&assign(&ann)).ok();
    assert_eq!(kinds(&world, &ann), ["User"], "Azure looks the kind up by itself");
}

/// The node group of a cluster, as ARM shows it.
fn node_group(world: &World, cluster: &str) -> String {
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/{cluster}?api-version=2025-05-01", world.group_id());
    let shown = world.arm("GET", &path, None).ok();
    format!("/subscriptions/{}/resourceGroups/{}", world.subscription(), shown["properties"]["nodeResourceGroup"].as_str().unwrap())
}

#[test]
fn a_scope_may_name_another_cluster_than_the_specs_own() {
    let world = World::served();
    let spec = world.read(LAB_004);
    assert!(spec.contains("    roles:\n"));
    world.write("other.yaml", &spec.replacen("    roles:\n", "    roles:\n      - { role: Reader, scope: cluster/aks-sp/nodes }\n", 1));
    let count = |cluster: &str| {
        let all = world.assignments(&node_group(&world, cluster));
        all.iter().filter(|a| a["properties"]["description"].as_str().is_some_and(|d| d.contains("podid"))).count()
    };
    world.up("other.yaml", &[]).ok();
    assert_eq!((count("aks-sp"), count("aks-mi")), (1, 1), "Reader on the one, the cluster's own role on the other");
    world.up("other.yaml", &[]).ok().says("nothing to do");
}

#[test]
fn a_single_command_finds_a_cluster_by_its_name() {
    let world = World::served();
    world.podid(&["identity", "create", "-n", "one", "-g", "podid-lab", "--yes"]).ok();
    let words = ["role", "assign", "Reader", "--to", "cluster/aks-sp", "--scope", "cluster/aks-mi/nodes", "--yes"];
    world.podid(&words).ok();
    assert_eq!(world.assignments(&node_group(&world, "aks-mi")).len(), 1);
    let output = world.podid(&["role", "assign", "Reader", "--to", "one", "--scope", "cluster/aks-none/nodes", "--yes"]).exits(4);
    assert!(output.stderr.contains("has no cluster aks-none"), "{}", output.stderr);
}
