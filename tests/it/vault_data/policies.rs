//! Entries of access policies are removed in the vault's own spelling, and the result is read back.

use super::{VAULT, World, world};
use serde_json::{Value, json};

fn identity(world: &World) -> String {
    world.podid(&["output", "identity/shop-mid", "principal_id", "--app", "shop"]).ok().stdout.trim().to_owned()
}

/// Sets the entry of the workload's identity.
fn replace(world: &World, object_id: &str, permissions: &Value) {
    let path = format!("{}/accessPolicies/replace?api-version=2026-02-01", world.vault_id(VAULT));
    let entry = world.entry(object_id, permissions);
    world.arm("PUT", &path, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
}

#[test]
fn an_entry_with_another_spelling_is_removed_in_that_spelling() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let id = identity(&world);
    replace(&world, &id, &json!({ "secrets": ["Get"] }));
    world.down("shop.yaml", &[]).ok();
    assert_eq!(world.policies(), Vec::<Value>::new());
}

#[test]
fn only_podids_part_of_an_extended_entry_is_removed() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let id = identity(&world);
    replace(&world, &id, &json!({ "secrets": ["GET", "List"], "keys": ["Sign"], "certificates": ["get"] }));
    world.podid(&["vault", "revoke", "--vault", VAULT, "-g", "podid-lab", "--to", "identity/shop-mid", "--app", "shop", "--yes"]).ok();
    let left = world.policies().into_iter().find(|p| p["objectId"] == json!(id)).unwrap();
    let permissions = &left["permissions"];
    assert_eq!(
        (&permissions["secrets"], &permissions["keys"], &permissions["certificates"]),
        (&json!(["List"]), &json!(["Sign"]), &json!(["get"]))
    );
}

#[test]
fn an_answer_that_removed_nothing_is_an_error_and_the_grant_stays_recorded() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let answer =
        json!({ "id": "x/accessPolicies/", "type": "Microsoft.KeyVault/vaults/accessPolicies", "properties": { "accessPolicies": [] } });
    world.settings(&json!({ "fail": [{ "method": "PUT", "path": "/accessPolicies/remove", "status": 200, "body": answer }] }));
    let id = identity(&world);
    let down = world.down("shop.yaml", &["--timeout", "2s"]).exits(1);
    down.says(&format!("the vault {VAULT} still lets {id} use get of its secrets"))
        .says(&format!("az keyvault delete-policy --name {VAULT} --object-id {id}"));
    assert_eq!(world.origin_of("grant/kv-shop-x1/shop-mid").as_deref(), Some("created"));
    assert!(world.origin_of("identity/shop-mid").is_some(), "who still has a right stays");
    world.settings(&json!({ "fail": null }));
    world.down("shop.yaml", &[]).ok();
    assert_eq!(world.policies(), Vec::<Value>::new());
}
