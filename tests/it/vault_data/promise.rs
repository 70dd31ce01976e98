//! Applying a saved plan does what was planned, whatever changed in the spec, the values and the flags since.

use super::{SPEC, VAULT, world};
use crate::common::World;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

const KEPT: &str = "changed since the plan was saved; nothing was changed";

/// Returns a world with a plan of the spec as it is; then the spec is changed.
fn planned(change: impl FnOnce(&World)) -> World {
    let world = world();
    world.shop(&["plan", "--out", "plan.json"]).ok();
    change(&world);
    world
}

/// Checks that applying the plan is refused, names the resource, and writes nothing.
#[track_caller]
fn refused(world: &World, flags: &[&str], why: &str) {
    let mark = world.mark();
    let args = [&["up", "--plan", "plan.json", "--yes"], flags].concat();
    world.shop(&args).exits(4).says(KEPT).says(why);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[test]
fn a_changed_value_of_the_same_source_is_not_set() {
    let world = planned(|world| world.write("conn.txt", "another"));
    refused(&world, &[], "secret/kv-shop-x1/conn: the value of its source changed since the plan was saved");
    world.write("conn.txt", "mine");
    world.shop(&["up", "--plan", "plan.json", "--yes"]).ok();
    assert_eq!(world.secret()["value"], "mine");
}

#[test]
fn a_plan_reveals_nothing_about_values() {
    let world = planned(|_| {});
    let (plan, digest) = (world.read("plan.json"), Sha256::digest(b"mine"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for telling in ["mine", &hex, &STANDARD.encode(digest)] {
        assert!(!plan.contains(telling), "{telling}");
    }
    // Not even whether two plans, or two secrets, have the same value.
    let value = || serde_json::from_str::<serde_json::Value>(&world.read("plan.json")).unwrap()["promise"]["values"].clone();
    let before = value();
    assert_eq!(before.as_object().unwrap().len(), 1);
    world.shop(&["plan", "--out", "plan.json"]).ok();
    assert_ne!(value(), before);
}

#[test]
fn a_synced_secret_outside_the_plan_is_not_created() {
    let synced = SPEC.replace("- {name: conn}\n", "- {name: conn, sync: {secret: leak, key: conn}}\n");
    let world = planned(|world| world.write("shop.yaml", &synced));
    refused(&world, &[], "secretproviderclass/aks-mi/shop/web: still create, but differs in sync");
    let plan = world.shop(&["plan"]).ok();
    assert!(plan.stdout.contains("sync: conn to Secret leak, key conn"), "{}", plan.stdout);
}

#[test]
fn another_secret_under_the_same_file_name_is_not_mounted() {
    let two = SPEC.replace(
        "    - {name: conn, value: {file: conn.txt}}\n",
        "    - {name: conn, value: {file: conn.txt}}\n    - {name: root, value: {file: conn.txt}}\n",
    );
    let aliased = two.replace("      - {name: conn}\n", "      - {name: conn, alias: db.txt}\n");
    let world = world();
    world.write("shop.yaml", &aliased);
    let plan = world.shop(&["plan", "--out", "plan.json"]).ok();
    assert!(plan.stdout.contains("objects: conn as db.txt"), "{}", plan.stdout);
    world.write("shop.yaml", &aliased.replace("{name: conn, alias: db.txt}", "{name: root, alias: db.txt}"));
    refused(&world, &[], "secretproviderclass/aks-mi/shop/web: still create, but differs in objects");
    world.write("shop.yaml", &aliased);
    world.shop(&["up", "--plan", "plan.json", "--yes"]).ok();
    // A change that changes nothing in the cluster still counts: the proof reads by it.
    world.shop(&["plan", "--out", "plan.json"]).ok().says("nothing to do");
    world.write("shop.yaml", &aliased.replace("metadata: {name: shop}", "metadata: {name: shop}\nlocation: northeurope"));
    refused(&world, &[], "the spec of this resource changed since the plan was saved");
}

#[test]
fn a_plan_file_does_not_select_the_spec() {
    let world = planned(|_| {});
    let mark = world.mark();
    world
        .podid(&["up", "--plan", "plan.json", "--yes"])
        .exits(2)
        .says("shop.yaml. If that is the spec you want: `podid up --plan plan.json -f ");
    // A spec in the folder is used, and not the one that the file names.
    world.write("podid.yaml", &SPEC.replace("name: shop}", "name: bank}"));
    world.podid(&["up", "--plan", "plan.json", "--yes"]).exits(4).says(KEPT);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[test]
fn other_flags_invalidate_a_saved_plan() {
    let world = planned(|_| {});
    refused(&world, &["--adopt"], "the plan was saved without --adopt");
    refused(&world, &["--delete-data", VAULT], "the plan was saved without --delete-data kv-shop-x1");
    world.shop(&["plan", "--adopt", "--out", "plan.json"]).ok();
    refused(&world, &[], "the plan was saved with --adopt: give it again");
}

#[test]
fn a_plan_of_an_older_podid_is_refused_with_a_hint() {
    let world = world();
    world.write("plan.json", r#"{"version":1,"app":"shop","actions":[],"refused":[]}"#);
    world
        .shop(&["up", "--plan", "plan.json", "--yes"])
        .exits(2)
        .says("it has format 1, and this podid reads format 2")
        .says("podid plan --out FILE");
}
