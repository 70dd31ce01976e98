//! Azure ignores case in names: a spec with other casing changes nothing, and nothing of it, or of another app, is deleted.

use crate::common::{World, same};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRng, TestRunner},
};

const ONE: &str = "apiVersion: podid/v1
kind: App
metadata: {name: one}
resourceGroup: ~podid-lab~
location: ~westeurope~
cluster: {name: ~aks-mi~}
vault:
  name: ~kv-shop-x1~
  model: access-policy
  secrets:
    - {name: ~conn~, value: {file: conn.txt}}
    - {name: ~Other-One~, value: {file: conn.txt}}
vaults:
  - {name: ~kv-shop-x2~, resourceGroup: ~podid-lab~, secrets: [{name: ~key~, value: {file: conn.txt}}]}
workloads:
  - name: web
    namespace: shop
    identity: {name: ~shop-mid~}
    secrets:
      - {name: ~conn~, vault: ~kv-shop-x1~, sync: {secret: web, key: conn}}
      - {name: ~key~, vault: ~kv-shop-x2~}
    roles: [{role: ~Reader~, scope: vault/~kv-shop-x1~}, {role: ~Reader~, scope: group/~podid-lab~}]
  - name: api
    namespace: shop
    identity: {name: ~shop-mid~, resourceGroup: ~podid-lab~}
    secrets: [{name: ~Other-One~, vault: ~kv-shop-x1~, alias: other}]
";

const TWO: &str = "apiVersion: podid/v1
kind: App
metadata: {name: two}
resourceGroup: ~podid-lab~
cluster: {name: ~aks-mi~, resourceGroup: ~podid-lab~}
vault: {name: ~kv-shop-x1~, secrets: [{name: ~conn~, value: {file: conn.txt}}]}
workloads:
  - {name: job, namespace: jobs, identity: {name: ~shop-mid~}, secrets: [{name: ~conn~}, {name: ~Other-One~}]}
";

/// Returns the spec with each marked name as it is, or with the case of each letter changed.
fn spelled(spec: &str, mut upper: impl FnMut() -> Option<bool>) -> String {
    let mut text = String::new();
    for (at, part) in spec.split('~').enumerate() {
        let one = |c: char| match upper() {
            Some(true) => c.to_ascii_uppercase(),
            Some(false) => c.to_ascii_lowercase(),
            None => c,
        };
        if at % 2 == 1 { text.extend(part.chars().map(one)) } else { text.push_str(part) }
    }
    text
}

fn nothing_to_do(world: &World, app: &str, spec: &str) {
    world.write("spec.yaml", spec);
    let plan = world.podid(&["plan", "--exit-code", "-f", "spec.yaml"]);
    assert_eq!(plan.code, Some(0), "app {app}\n{spec}\n{}{}", plan.stdout, plan.stderr);
}

#[test]
fn a_respelled_spec_changes_nothing() {
    let world = World::served();
    world.write("conn.txt", "x");
    for (name, spec) in [("one.yaml", ONE), ("two.yaml", TWO)] {
        world.write(name, &spelled(spec, || None));
        world.up(name, &[]).ok();
    }
    let before = world.export();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(Default::default()));
    for round in 0..12 {
        // A few names, or many.
        let share = [5, 60][round % 2];
        let rng = runner.rng();
        let (mut one, mut two) = (TestRng::clone(rng), rng.clone());
        rng.next_u32();
        let flips = |rng: &mut TestRng| (rng.next_u32() % 100 < share).then(|| rng.next_u32() & 1 == 0);
        nothing_to_do(&world, "one", &spelled(ONE, || flips(&mut one)));
        nothing_to_do(&world, "two", &spelled(TWO, || flips(&mut two)));
        if round % 4 == 3 {
            world.up("spec.yaml", &[]).ok().says("nothing to do");
            world.write("one-spelled.yaml", &spelled(ONE, || flips(&mut one)));
            world.up("one-spelled.yaml", &["--verify"]).ok().says("proved shop/web");
        }
    }
    same("respelled", &before, &world.export());
    // Back to the first spelling.
    world.plan("one.yaml").ok();
    world.plan("two.yaml").ok();
}

/// Two apps spell shared resources differently: the first one is deleted, and the other one keeps all that it needs.
#[test]
fn deleting_an_app_keeps_what_another_app_spells_differently() {
    let world = World::served();
    world.write("conn.txt", "x");
    world.write("one.yaml", &spelled(ONE, || None));
    world.write("two.yaml", &spelled(TWO, || Some(true)));
    world.up("one.yaml", &[]).ok();
    world.up("two.yaml", &["--verify"]).ok();
    world.down("one.yaml", &["--delete-data", "KV-SHOP-X1", "--delete-data", "KV-shop-x2"]).ok();
    world.podid(&["verify", "-f", "two.yaml"]).ok().says("proved jobs/job");
    world.plan("two.yaml").ok();
    world.down("two.yaml", &["--delete-data", "kv-shop-x1"]).ok();
    assert!(!world.export().contains("kv-shop"), "{}", world.export());
}

#[test]
fn flags_ignore_the_case_of_names() {
    let world = World::served();
    let (group, yes) = (["-g", "podid-lab"], ["--yes"]);
    let podid = |words: &[&str]| world.podid(&[words, &yes[..]].concat());
    podid(&[&["identity", "create", "-n", "claims-mid"], &group[..]].concat()).ok();
    podid(&[&["identity", "create", "-n", "Claims-MID"], &group[..]].concat()).ok().says("nothing to do");
    podid(&[&["vault", "create", "-n", "kv-claims-1"], &group[..]].concat()).ok();
    podid(&["vault", "grant", "--vault", "KV-Claims-1", "--to", "identity/CLAIMS-mid"]).ok().says("1 created");
    podid(&["vault", "grant", "--vault", "kv-claims-1", "--to", "claims-mid"]).ok().says("nothing to do");
    assert!(!world.podid(&["output", "identity/CLAIMS-MID", "client_id"]).ok().stdout.is_empty());
    podid(&["vault", "revoke", "--vault", "KV-CLAIMS-1", "--to", "identity/claims-MID"]).ok().says("1 deleted");
    podid(&["identity", "delete", "--name", "CLAIMS-MID"]).ok().says("1 deleted");
    podid(&["down", "--delete-data", "KV-CLAIMS-1"]).ok();
    assert!(!world.export().contains("kv-claims-1"));
}
