//! `podid role prune`: which role assignments count as orphaned, and which of them are removed.

use crate::common::World;
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn user(world: &World, name: &str) -> String {
    let body = json!({ "displayName": name, "userPrincipalName": format!("{name}@example.com"), "accountEnabled": true,
        "mailNickname": name, "passwordProfile": { "password": "x-Y-9-not-a-real-one" } });
    let answer = world.send("POST", &format!("{GRAPH}/v1.0/users"), &world.token(GRAPH), "application/json", Some(body.to_string()));
    answer.ok()["id"].as_str().unwrap().to_owned()
}

fn deleted(world: &World, user: &str) {
    assert_eq!(world.send("DELETE", &format!("{GRAPH}/v1.0/users/{user}"), &world.token(GRAPH), "application/json", None).status, 204);
}

/// An assignment that podid did not make.
fn foreign(world: &World, principal: &str) {
    let name = "11111111-2222-4333-8444-555555555555";
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01", world.group_id());
    let role = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{READER}", world.subscription());
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal, "principalType": "User" } });
    world.arm("PUT", &path, Some(body)).ok();
}

/// The principals that have a role on the lab's group.
fn holders(world: &World) -> Vec<String> {
    let of = |one: &Value| one["properties"]["principalId"].as_str().unwrap().to_owned();
    world.assignments(&world.group_id()).iter().map(of).collect()
}

fn assign(world: &World, to: &str, scope: &str) {
    world.podid(&["role", "assign", "Reader", "--to", to, "--scope", scope, "--yes"]).ok();
}

#[test]
fn only_orphans_that_podid_made_are_removed_unless_all_are_wanted() {
    let world = World::served();
    let (ann, bob, eve) = (user(&world, "ann"), user(&world, "bob"), user(&world, "eve"));
    for id in [&ann, &bob] {
        assign(&world, &format!("user/{id}"), "group/podid-lab");
    }
    foreign(&world, &eve);
    world.podid(&["identity", "create", "-n", "one", "-g", "podid-lab", "--yes"]).ok();
    assign(&world, "identity/one", "subscription");
    world.podid(&["role", "prune", "--yes"]).ok().says("nothing to do");
    deleted(&world, &bob);
    deleted(&world, &eve);
    world.arm("DELETE", &format!("{}?api-version=2024-11-30", world.identity_id("one")), None).ok();

    let mark = world.mark();
    let shown = world.podid(&["role", "prune", "--dry-run"]).ok();
    assert!(shown.stdout.contains(&format!("orphan/reader/{bob}")) && !shown.stdout.contains(&ann), "{}", shown.stdout);
    assert!(shown.stderr.contains("1 more orphaned role assignment carries no mark of podid"), "{}", shown.stderr);
    let posts = |line: &String| !line.contains("getByIds") && !line.contains("/oauth2/");
    assert_eq!(world.writes_since(mark).into_iter().filter(posts).collect::<Vec<_>>(), Vec::<String>::new());

    // at a scope, only what is at it and below it
    world.podid(&["role", "prune", "--scope", "group/podid-lab", "--yes"]).ok().says("1 deleted");
    let mut left = holders(&world);
    left.retain(|id| [&ann, &bob, &eve].contains(&id));
    left.sort();
    let mut wanted = vec![ann.clone(), eve.clone()];
    wanted.sort();
    assert_eq!(left, wanted);
    world.podid(&["role", "prune", "--all", "--yes"]).ok().says("2 deleted");
    assert!(holders(&world).contains(&ann) && !holders(&world).contains(&eve));
    world.podid(&["role", "prune", "--all", "--yes"]).ok().says("nothing to do");
}

#[test]
fn nothing_is_removed_without_the_directory_or_without_consent() {
    let world = World::served();
    let ann = user(&world, "ann");
    assign(&world, &format!("user/{ann}"), "group/podid-lab");
    deleted(&world, &ann);
    let refused = world.podid(&["role", "prune"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("--yes"), "{refused:?}");
    world.settings(&json!({ "deny": ["graph"] }));
    let blind = world.podid(&["role", "prune", "--yes"]).exits(1);
    assert!(blind.stderr.contains("could not tell which role assignments are orphaned; nothing was changed"), "{}", blind.stderr);
    assert!(holders(&world).contains(&ann));
}
