//! A colleague's secret in a vault that podid can read only after the run has made its grant.

use super::{SPEC, VAULT, World, world};
use serde_json::{Value, json};

/// podid created the vault, but its right to read was lost, and a colleague has a secret under the name that the spec now uses.
fn with_a_colleagues_secret(value: &str) -> World {
    let world = world();
    let without =
        SPEC.replace("  secrets:\n    - {name: conn, value: {file: conn.txt}}\n", "").replace("    secrets:\n      - {name: conn}\n", "");
    world.write("shop.yaml", &without);
    world.up("shop.yaml", &[]).ok();
    world.write_vault(&json!([world.entry(&world.login(), &json!({ "secrets": ["all"] }))]));
    let dressed = json!({ "value": value, "contentType": "text/plain", "tags": { "owner": "dba" } });
    world.vault("PUT", VAULT, "/secrets/conn", Some(dressed)).ok();
    world.write_vault(&json!([]));
    world.write("shop.yaml", SPEC);
    world
}

fn versions(world: &World) -> usize {
    world.vault("GET", VAULT, "/secrets/conn/versions", None).ok()["value"].as_array().unwrap().len()
}

#[test]
fn a_secret_that_could_not_be_read_is_not_overwritten_without_consent() {
    let world = with_a_colleagues_secret("COLLEAGUE");
    let plan = world.shop(&["plan"]).ok();
    assert!(!plan.stdout.contains("(none)"), "{}", plan.stdout);
    plan.says("value: from file").says("(compared once podid may read vault/kv-shop-x1)").says("refused if it is another's and differs");
    world.shop(&["status"]).ok().says("cannot be read yet");

    world.up("shop.yaml", &[]).exits(4).says("is not podid's (app shop), and differs in value").says("--adopt");
    let kept = world.secret();
    assert_eq!(
        (&kept["value"], &kept["contentType"], &kept["tags"]),
        (&json!("COLLEAGUE"), &json!("text/plain"), &json!({ "owner": "dba" }))
    );
    assert_eq!(versions(&world), 1);
    assert_eq!(world.origin_of("secret/kv-shop-x1/conn"), None);
    // The secret can be read from now on.
    world.shop(&["plan"]).exits(4).says("--adopt");

    world.down("shop.yaml", &[]).ok();
    world.write_vault(&json!([world.entry(&login_of(&world), &json!({ "secrets": ["all"] }))]));
    assert_eq!(world.secret()["value"], "COLLEAGUE");
}

/// Returns the object id of the login, also after the app was deleted with its state.
fn login_of(world: &World) -> String {
    world.write(
        "login.yaml",
        "apiVersion: podid/v1\nkind: App\nmetadata: {name: shop}\nresourceGroup: podid-lab\nvault: {name: kv-shop-x1}\n",
    );
    world.up("login.yaml", &[]).ok();
    world.login()
}

#[test]
fn with_consent_it_is_adopted_in_the_same_run_and_keeps_foreign_attributes() {
    let world = with_a_colleagues_secret("COLLEAGUE");
    world.up("shop.yaml", &["--adopt"]).ok();
    let taken = world.secret();
    assert_eq!(
        (&taken["value"], &taken["contentType"], &taken["tags"]),
        (&json!("mine"), &json!("text/plain"), &json!({ "owner": "dba" }))
    );
    assert_eq!(world.origin_of("secret/kv-shop-x1/conn").as_deref(), Some("adopted"));
    world.plan("shop.yaml").ok();
}

#[test]
fn an_equal_secret_is_adopted_and_stays_when_the_spec_drops_it() {
    let world = with_a_colleagues_secret("mine");
    let up = world.up("shop.yaml", &["-o", "json"]).ok().json();
    assert_eq!(up["summary"]["adopt"], 1, "{up:#}");
    assert_eq!(versions(&world), 1);
    assert_eq!(world.origin_of("secret/kv-shop-x1/conn").as_deref(), Some("adopted"));
    let without =
        SPEC.replace("  secrets:\n    - {name: conn, value: {file: conn.txt}}\n", "").replace("    secrets:\n      - {name: conn}\n", "");
    world.write("shop.yaml", &without);
    world.up("shop.yaml", &[]).ok();
    assert_eq!(world.secret()["value"], "mine");
}

#[test]
fn a_secret_recovered_with_its_vault_is_not_overwritten() {
    let world = with_a_colleagues_secret("COLLEAGUE");
    world.arm("DELETE", &world.vault_path(), None);
    let up = world.up("shop.yaml", &["--recover"]).exits(4);
    up.says("secret/kv-shop-x1/conn is there, is not podid's");
    assert_eq!(world.secret()["value"], "COLLEAGUE");
}

#[test]
fn a_recovered_secret_keeps_its_value_without_consent() {
    let world = world();
    world.write(
        "shop.yaml",
        &SPEC.replace("  secrets:\n    - {name: conn, value: {file: conn.txt}}\n", "").replace("    secrets:\n      - {name: conn}\n", ""),
    );
    world.up("shop.yaml", &[]).ok();
    world.vault("PUT", VAULT, "/secrets/conn", Some(json!({ "value": "COLLEAGUE", "tags": { "owner": "dba" } }))).ok();
    world.vault("DELETE", VAULT, "/secrets/conn", None).ok();
    world.write("shop.yaml", SPEC);
    world.up("shop.yaml", &["--recover"]).exits(4).says("was brought back").says("--adopt");
    assert_eq!(world.secret()["value"], "COLLEAGUE");
    world.up("shop.yaml", &["--adopt"]).ok();
    let taken: Value = world.secret();
    assert_eq!((&taken["value"], &taken["tags"]), (&json!("mine"), &json!({ "owner": "dba" })));
}
