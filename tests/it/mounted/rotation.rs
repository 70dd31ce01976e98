//! `vault secret rotate`: a new version that every pod gets, or the reason why not before anything is changed.

use super::{VAULT, world};
use crate::common::{World, until};
use serde_json::{Value, json};

const DRIVER: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/csi-secrets-store-csi-driver";

fn rotate(world: &World, more: &[&str]) -> crate::common::Output {
    world.of_shop(&[&["vault", "secret", "rotate", "conn", "--vault", VAULT], more].concat())
}

/// Lets the driver mount again all the time, as its chart does with `enableSecretRotation`.
pub fn turn_on(world: &World) {
    let mut set = world.kube("GET", "aks-mi", DRIVER, None).ok();
    let containers = set["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
    let driver = containers.iter_mut().find(|c| c["image"].as_str().unwrap().contains("secrets-store/driver")).unwrap();
    driver["args"] = json!(["--nodeid=$(KUBE_NODE_NAME)", "--enable-secret-rotation=true", "--rotation-poll-interval=200ms"]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    world.kube("PATCH", "aks-mi", DRIVER, Some(patch)).ok();
    let rolled =
        |set: &Value| set["status"]["observedGeneration"] == set["metadata"]["generation"] && set["status"]["numberAvailable"] == 1;
    until("the driver has restarted", || Some(world.kube("GET", "aks-mi", DRIVER, None).ok()).filter(rolled));
}

fn version(world: &World) -> String {
    world.shop_secret("conn")["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[test]
fn without_rotation_nothing_is_changed_and_the_switch_is_named() {
    let world = world();
    world.deploy("web");
    let before = version(&world);
    let components = world.podid(&["cluster", "components", "--cluster", "aks-mi", "-g", "podid-lab"]).ok();
    components.says("mounted secrets stay as they were when a pod started: rotation is off").says("helm upgrade csi");
    rotate(&world, &[]).exits(4).says("2 pods mount conn").says("rotation is off").says("helm upgrade csi").says("--restart");
    // a restart does not change the synced Secret that they read
    rotate(&world, &["--restart"]).exits(4).says("the synced Secret web would keep the old value");
    assert_eq!(version(&world), before);
}

#[test]
fn a_new_version_reaches_every_pod_and_what_reads_variables_is_named_or_restarted() {
    let world = world();
    world.deploy("web");
    turn_on(&world);
    let components = world.podid(&["cluster", "components", "--cluster", "aks-mi", "-g", "podid-lab", "-o", "json"]).ok().json();
    assert_eq!(components["rotation"], json!({ "on": true, "intervalSeconds": 0.2 }));
    let (before, old_value) = (version(&world), world.shop_secret("conn")["value"].clone());
    let done = rotate(&world, &[]).ok();
    assert!(done.stdout.contains("2 pods have the new version of conn"), "{}", done.stdout);
    assert!(done.stdout.contains("kubectl rollout restart deployment web -n shop"), "{}", done.stdout);
    let now = version(&world);
    assert_ne!(now, before);
    assert_ne!(world.shop_secret("conn")["value"], old_value);
    assert_eq!(world.mounted_versions(), [now.clone(), now.clone()]);
    world.plan("podid.yaml").ok();

    let done = rotate(&world, &["--restart", "--disable-old", "-o", "json"]).ok().json();
    assert_eq!((&done["rotation"]["restarted"], &done["rotation"]["disabled"]), (&json!(["deployment shop/web"]), &json!(now)));
    let old = world.vault("GET", VAULT, &format!("/secrets/conn/{now}"), None);
    assert_eq!(old.status, 403, "it is disabled");
    assert!(world.mounted_versions().iter().all(|mounted| *mounted == version(&world)));
    world.plan("podid.yaml").ok();
}

#[test]
fn the_old_version_stays_enabled_while_variables_have_it() {
    let world = world();
    world.deploy("web");
    turn_on(&world);
    let before = version(&world);
    rotate(&world, &["--disable-old"]).exits(4).says("the old version stays enabled");
    world.vault("GET", VAULT, &format!("/secrets/conn/{before}"), None).ok();
}

#[test]
fn a_secret_that_nobody_mounts_is_rotated_at_once_and_an_unknown_one_is_refused() {
    let world = world();
    let before = version(&world);
    rotate(&world, &[]).ok().says("no pod mounts conn");
    assert_ne!(version(&world), before);
    world.write("same.txt", world.shop_secret("conn")["value"].as_str().unwrap());
    rotate(&world, &["--file", "same.txt"]).exits(4).says("is the current one");
    world.of_shop(&["vault", "secret", "rotate", "nothing", "--vault", VAULT]).exits(4).says("podid vault secret set nothing");
    rotate(&world, &["hunter2"]).exits(2).says("do not pass a secret's value");
}
