//! Options of a vault that are set when it is created, and purge protection, which can be turned on and never off.

use super::VAULT;
use crate::common::World;
use serde_json::{Value, json};

fn create(world: &World, more: &[&str]) -> crate::common::Output {
    world.podid(&[&["vault", "create", "-g", "podid-lab", "-n", VAULT, "--yes", "--app", "shop"], more].concat())
}

fn properties(world: &World) -> Value {
    world.arm("GET", &format!("{}?api-version=2026-02-01", world.vault_id(VAULT)), None).ok()["properties"].clone()
}

#[test]
fn a_vault_gets_its_options_on_creation_and_only_purge_protection_later() {
    let world = World::served();
    let options = ["--sku", "premium", "--retention", "7"];
    create(&world, &options).ok();
    let made = properties(&world);
    assert_eq!((&made["sku"]["name"], &made["softDeleteRetentionInDays"]), (&json!("premium"), &json!(7)));
    assert!(made.get("enablePurgeProtection").is_none());
    assert!(create(&world, &options).ok().stdout.contains("nothing to do"));
    create(&world, &["--retention", "30"]).exits(4).says("keeps deleted objects for 7 days");
    create(&world, &["--sku", "standard"]).exits(4).says("is premium, not standard");
    create(&world, &["--purge-protection", "--dry-run"]).ok().says("cannot be turned off again");
    assert!(properties(&world).get("enablePurgeProtection").is_none());
    create(&world, &["--purge-protection"]).ok();
    assert_eq!(properties(&world)["enablePurgeProtection"], true);
    assert!(create(&world, &["--purge-protection"]).ok().stdout.contains("nothing to do"));
    let spec = "apiVersion: podid/v1\nkind: App\nmetadata: {name: shop}\nresourceGroup: podid-lab\n\
        vault: {name: kv-shop-x2, retentionDays: 7, purgeProtection: false}\n";
    world.write("app.yaml", spec);
    world.podid(&["plan", "-f", "app.yaml"]).exits(4).says("purge protection, which cannot be turned off");
    world.write("app.yaml", &spec.replace("retentionDays: 7", "retentionDays: 6"));
    world.podid(&["plan", "-f", "app.yaml"]).exits(2).says("kept for 7 to 90 days");
    world.write("app.yaml", &spec.replace("retentionDays: 7", "sku: gold"));
    world.podid(&["plan", "-f", "app.yaml"]).exits(2).says("standard, premium");
}

#[test]
fn purge_protection_of_a_foreign_vault_needs_consent() {
    let world = World::served();
    let tenant = world.environment().into_iter().find(|(name, _)| name == "AZURE_TENANT_ID").unwrap().1;
    let body = json!({ "location": "westeurope", "properties": { "tenantId": tenant, "sku": { "family": "A", "name": "standard" },
        "enableRbacAuthorization": true } });
    world.arm("PUT", &format!("{}?api-version=2026-02-01", world.vault_id(VAULT)), Some(body)).ok();
    create(&world, &["--purge-protection"]).exits(4).says("--adopt");
    assert!(properties(&world).get("enablePurgeProtection").is_none());
    create(&world, &["--purge-protection", "--adopt"]).ok();
    assert_eq!(properties(&world)["enablePurgeProtection"], true);
}
