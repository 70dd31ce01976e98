//! Bare worlds (`--bare`): made on a new folder, by a reset and by `serve`, and remembered.

use crate::common::World;
use serde_json::Value;

fn kubernetes(world: &World) -> Value {
    serde_json::from_str::<Value>(&world.export()).unwrap()["kubernetes"].clone()
}

/// Returns whether a cluster has anything of a lab's components.
fn has_components(world: &World) -> bool {
    let text = kubernetes(world).to_string();
    text.contains("aadpodidentity") || text.contains("secrets-store")
}

#[test]
fn a_new_folder_becomes_bare_and_stays_so() {
    let world = World::new();
    world.podid(&["identity", "list", "-g", "podid-lab", "--bare"]).ok();
    assert!(!has_components(&world));
    // later commands need not say it again, and may
    world.podid(&["identity", "list", "-g", "podid-lab"]).ok();
    world.podid(&["identity", "list", "-g", "podid-lab", "--bare"]).ok();
    assert!(!has_components(&world));
    world.podid(&["sandbox", "reset"]).ok();
    assert!(has_components(&world));
}

#[test]
fn an_existing_world_is_not_changed_by_the_flag() {
    let world = World::new();
    world.podid(&["identity", "list", "-g", "podid-lab"]).ok();
    let before = world.export();
    for command in [["identity", "list", "-g", "podid-lab", "--bare"].as_slice(), &["sandbox", "serve", "--bare"]] {
        let refused = world.podid(command).exits(2);
        assert!(refused.stderr.contains("is not bare") && refused.stderr.contains("`podid sandbox reset --bare`"), "{}", refused.stderr);
    }
    assert!(world.export() == before);
    world.podid(&["sandbox", "reset", "--bare"]).ok();
    assert!(!has_components(&world));
}

#[test]
fn a_served_world_is_bare_and_reset_to_either_kind() {
    let mut world = World::new();
    world.serve_with(&["--bare"]);
    assert!(!has_components(&world));
    world.podid(&["sandbox", "reset"]).ok();
    assert!(has_components(&world));
    world.podid(&["identity", "list", "-g", "podid-lab", "--bare"]).exits(2);
    world.podid(&["sandbox", "reset", "--bare"]).ok();
    world.podid(&["identity", "list", "-g", "podid-lab", "--bare"]).ok();
    assert!(!has_components(&world));
}

#[test]
fn the_flag_without_the_sandbox_is_wrong_use() {
    let world = World::served().without_the_flag();
    let refused = world.podid(&["identity", "list", "-g", "podid-lab", "--bare"]).exits(2);
    assert!(refused.stderr.contains("Add --sandbox"), "{}", refused.stderr);
}
