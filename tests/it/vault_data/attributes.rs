//! The attributes of a secret: content type, dates, tags of others, and whether it is enabled.

use super::{OF_VAULT, VAULT, World, world};
use serde_json::{Value, json};

const FUTURE: i64 = 1_999_999_999;
const PAST: i64 = 1_000_000_000;

fn patch(world: &World, change: Value) {
    world.vault("PATCH", VAULT, "/secrets/conn", Some(change)).ok();
}

fn show(world: &World, more: &[&str]) -> crate::common::Output {
    world.podid(&[&["vault", "secret", "show", "conn"], OF_VAULT, more].concat())
}

#[test]
fn a_new_version_keeps_foreign_attributes() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let attributes = json!({ "exp": FUTURE, "nbf": PAST });
    let tags = json!({ "owner": "dba", "rotate": "90d", "managed-by": "podid", "podid-app": "shop" });
    patch(&world, json!({ "contentType": "application/x-pem-file", "attributes": attributes, "tags": tags }));
    world.write("conn.txt", "newer");
    world.up("shop.yaml", &[]).ok();
    let now = world.secret();
    assert_eq!((&now["value"], &now["contentType"], &now["tags"]), (&json!("newer"), &json!("application/x-pem-file"), &tags));
    assert_eq!((&now["attributes"]["exp"], &now["attributes"]["nbf"]), (&json!(FUTURE), &json!(PAST)));
    world.plan("shop.yaml").ok();
}

#[test]
fn a_disabled_secret_is_recognized_in_every_form_of_azures_answer() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let enable = format!("`az keyvault secret set-attributes --vault-name {VAULT} --name conn --enabled true`");
    let refused = |world: &World| {
        world.shop(&["plan"]).exits(4).says("the secret conn is disabled in vault/kv-shop-x1").says(&enable);
        world.up("shop.yaml", &[]).exits(4).says(&enable);
        world.shop(&["status"]).ok().says("is disabled");
        let set = [&["vault", "secret", "set", "conn", "--file", "conn.txt", "--yes", "--app", "shop"], OF_VAULT].concat();
        world.podid(&set).exits(4).says(&enable);
        show(world, &["--reveal"]).exits(4).says(&enable);
    };
    patch(&world, json!({ "attributes": { "enabled": false } }));
    refused(&world);
    show(&world, &[]).ok().says("disabled");
    let list = world.podid(&[&["vault", "secret", "list"], OF_VAULT].concat()).ok();
    assert!(list.stdout.lines().any(|line| line.starts_with("conn") && line.contains("disabled")), "{}", list.stdout);
    patch(&world, json!({ "attributes": { "enabled": true } }));
    world.plan("shop.yaml").ok();

    let body = json!({ "error": { "code": "Forbidden", "message": "Operation get is not allowed on a disabled secret.",
        "innererror": { "code": "SecretDisabled" } } });
    world.settings(&json!({ "fail": [{ "method": "GET", "path": "/secrets/conn/?", "status": 403, "body": body }] }));
    refused(&world);
    world.settings(&json!({ "fail": null }));
    world.plan("shop.yaml").ok();
}

#[test]
fn a_disabled_secret_of_the_app_is_deleted_with_it() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    patch(&world, json!({ "attributes": { "enabled": false } }));
    world.down("shop.yaml", &["--delete-data", VAULT]).ok();
    assert_eq!(world.listed()["entries"], json!([]));
}

#[test]
fn a_secret_that_the_spec_no_longer_names_is_deleted_with_consent_only() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    world.write(
        "shop.yaml",
        &super::SPEC
            .replace("  secrets:\n    - {name: conn, value: {file: conn.txt}}\n", "")
            .replace("    secrets:\n      - {name: conn}\n", ""),
    );
    let up = world.up("shop.yaml", &[]).ok();
    assert!(up.stdout.contains("kept secret/kv-shop-x1/conn: it is data: `--delete-data kv-shop-x1/conn` deletes it"), "{}", up.stdout);
    assert_eq!(world.secret()["value"], "mine");
    // The secret stays podid's, so that it can still be deleted.
    world.up("shop.yaml", &["--delete-data", "KV-Shop-x1/Conn"]).ok();
    assert_eq!(world.vault("GET", VAULT, "/secrets/conn", None).status, 404);
}

#[test]
fn a_secret_in_a_vault_of_others_is_deleted_with_consent_or_by_its_name() {
    for delete in [
        &["down", "-f", "shop.yaml", "--yes", "--delete-data", "kv-shop-x1/conn"][..],
        &["vault", "secret", "delete", "conn", "--vault", VAULT, "--app", "shop", "--yes"],
    ] {
        let world = world();
        world.podid(&[&["vault", "create", "-n", VAULT, "-g", "podid-lab", "--app", "other", "--yes"][..]].concat()).ok();
        world.write(
            "shop.yaml",
            &super::SPEC.replace("    secrets:\n      - {name: conn}\n", "").replace("model: access-policy", "model: rbac"),
        );
        world.up("shop.yaml", &["--state", "shop.json"]).ok();
        let down = world.podid(&["down", "-f", "shop.yaml", "--yes", "--dry-run", "--state", "shop.json"]).ok();
        assert!(down.stdout.contains("`--delete-data kv-shop-x1/conn` deletes it"), "{}", down.stdout);
        world.podid(&[delete, &["--state", "shop.json"]].concat()).ok();
        assert_eq!(world.vault("GET", VAULT, "/secrets/conn", None).status, 404, "{delete:?}");
    }
}

#[test]
fn dates_are_reported_where_they_matter() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    patch(&world, json!({ "attributes": { "exp": FUTURE, "nbf": PAST } }));
    let plan = world.plan("shop.yaml").ok();
    assert!(!plan.stdout.contains("expired") && !plan.stdout.contains("not valid"), "{}", plan.stdout);
    for (attributes, said) in [
        (json!({ "exp": PAST }), "expired on 2001-09-09T01:46:40Z"),
        (json!({ "exp": FUTURE, "nbf": FUTURE }), "not valid before 2033-05-18T03:33:19Z"),
    ] {
        patch(&world, json!({ "attributes": attributes }));
        world.plan("shop.yaml").ok().says(said).says(&format!("--vault-name {VAULT} --name conn"));
        world.shop(&["status"]).ok().says(said);
        show(&world, &[]).ok().says(said);
        world.podid(&[&["vault", "secret", "list"], OF_VAULT].concat()).ok().says(said);
        show(&world, &["--reveal"]).ok().says("mine");
    }
}
