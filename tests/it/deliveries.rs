//! The deliveries beside the CSI driver: the app that reads the vault by itself, and FlexVolume. Each is set up, proved, looked at again and
//! removed; each broken link is named within seconds; and the script of the proof does with a real curl what the sandbox's kubelet plays.

mod blobs;
mod script;

use crate::common::{Output, World, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONTEXT: &str = "aks-mi";
const VAULT: &str = "kv-shop-delivery";
const VALUE: &str = "not-a-real-secret";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/kv/daemonsets";
const SDK: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-delivery, model: access-policy, secrets: [{name: conn, value: {file: conn.txt}}, {name: key, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, delivery: sdk, secrets: [{name: conn}, {name: key}]}
";

fn flex() -> String {
    SDK.replace("delivery: sdk", "delivery: flexvolume").replace("{name: conn}, {name: key}", "{name: conn, alias: conn.txt}, {name: key}")
}

fn world_with(spec: &str, serve: &[&str]) -> World {
    let mut world = World::new();
    world.serve_with(serve);
    world.write("podid.yaml", spec);
    world.write("conn.txt", VALUE);
    world
}

fn daemon_set() -> Value {
    serde_saphyr::from_str(include_str!("../../templates/components/flexvolume/workloads.yaml")).unwrap()
}

/// Applies the manifest of the component, as kubectl would, and waits until its pods run.
fn install_flexvolume(world: &World) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kv" } });
    world.kube("POST", CONTEXT, "/api/v1/namespaces", Some(namespace)).ok();
    world.kube("POST", CONTEXT, DAEMON_SETS, Some(daemon_set())).ok();
    until("the driver runs", || {
        let set = world.kube("GET", CONTEXT, &format!("{DAEMON_SETS}/keyvault-flexvolume"), None).ok();
        let (ready, wanted) = (&set["status"]["numberReady"], &set["status"]["desiredNumberScheduled"]);
        (ready.as_u64() > Some(0) && ready == wanted).then_some(())
    });
}

/// Runs a proof that may take 5 minutes and that fails long before that.
#[track_caller]
fn fails(world: &World) -> Output {
    let begun = Instant::now();
    let output = world.podid(&["verify", "-o", "json"]).exits(1);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}: {}", output.stderr);
    assert!(!output.stderr.contains(VALUE) && !output.stdout.contains(VALUE));
    output
}

#[track_caller]
fn breaks_at(world: &World, link: &str, said: &str) {
    let output = fails(world);
    assert_eq!(output.json()["proofs"][0]["link"], link, "{}", output.stderr);
    assert!(output.stderr.contains(said), "{said:?} in {}", output.stderr);
}

fn policy(world: &World, operation: &str, permissions: &[&str]) {
    let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id("shop-mid")), None).ok();
    let properties = &identity["properties"];
    let entry =
        json!({ "tenantId": properties["tenantId"], "objectId": properties["principalId"], "permissions": { "secrets": permissions } });
    let path = format!("{}/accessPolicies/{operation}?api-version=2023-07-01", world.vault_id(VAULT));
    world.arm("PUT", &path, Some(json!({ "properties": { "accessPolicies": [entry] } }))).ok();
}

fn pods(world: &World) -> usize {
    world.kube("GET", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok()["items"].as_array().unwrap().len()
}

#[test]
fn an_app_that_reads_the_vault_itself_is_set_up_proved_and_removed() {
    let world = world_with(SDK, &[]);
    let before = world.export();
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web reads conn, key from kv-shop-delivery as shop-mid");
    let classes = world.kube("GET", CONTEXT, "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses", None).ok();
    assert_eq!(classes["items"], json!([]), "nothing is added to the cluster");
    assert_eq!(pods(&world), 0);
    world.podid(&["plan", "--exit-code"]).ok();
    let proof = world.podid(&["verify", "-o", "json"]).ok().json()["proofs"][0].take();
    let steps: Vec<&str> = proof["hops"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert!(steps.ends_with(&["token", "read", "version"]), "{steps:?}");
    let client_id = world.podid(&["output", "identity/shop-mid", "client_id"]).ok().stdout;
    assert!(proof["hops"].to_string().contains(&format!("client id {}", client_id.trim())), "{proof:#}");
    let current = world.vault("GET", VAULT, "/secrets/conn", None).ok();
    assert!(current["id"].as_str().unwrap().ends_with(proof["objects"]["conn"].as_str().unwrap()), "{proof:#}");
    // Another version is read at once.
    world.write("conn.txt", "another-value");
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web");
    world.podid(&["down", "--yes", "--delete-data", VAULT]).ok();
    assert_eq!(world.listed()["entries"].as_array().map_or(0, Vec::len), 0);
    assert_eq!(world.export(), before);
}

#[test]
fn a_single_binding_is_enough_for_an_app_that_reads_the_vault_itself() {
    let world = world_with(SDK, &[]);
    world.podid(&["up", "--yes"]).ok();
    // The secrets are recorded, so that no spec is needed.
    std::fs::remove_file(world.path("podid.yaml")).unwrap();
    world.podid(&["verify", "--namespace", "shop", "--app", "shop"]).ok().says("proved shop/web reads conn, key");
}

#[test]
fn each_broken_link_of_an_app_that_reads_the_vault_itself_is_named_within_seconds() {
    let world = world_with(SDK, &[]);
    world.podid(&["up", "--yes"]).ok();
    let secret = |method: &str, body: Option<Value>| world.vault(method, VAULT, "/secrets/conn", body);
    secret("PATCH", Some(json!({ "attributes": { "enabled": false } }))).ok();
    breaks_at(&world, "secret", "the secret conn is disabled in the vault kv-shop-delivery");
    secret("PATCH", Some(json!({ "attributes": { "enabled": true } }))).ok();
    policy(&world, "replace", &["list"]);
    breaks_at(&world, "grant", "lacks the permission `get`");
    world.podid(&["up", "--yes"]).ok();
    let binding = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentitybindings/shop-mid-binding";
    world.kube("DELETE", CONTEXT, binding, None).ok();
    breaks_at(&world, "binding", "the AzureIdentityBinding shop/shop-mid-binding does not exist");
    world.podid(&["up", "--yes"]).ok();
    secret("DELETE", None).ok();
    until("the secret is gone", || (secret("GET", None).status == 404).then_some(()));
    breaks_at(&world, "secret", "the secret conn was deleted from the vault kv-shop-delivery");
    assert_eq!(pods(&world), 0);
}

#[test]
fn flexvolume_is_set_up_proved_and_removed() {
    let world = world_with(&flex(), &[]);
    install_flexvolume(&world);
    let before = world.export();
    let up = world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web reads conn.txt, key from kv-shop-delivery as shop-mid");
    assert!(up.stderr.contains("never rotated") && up.stdout.contains("FlexVolume does not report versions"), "{}{}", up.stdout, up.stderr);
    world.podid(&["plan", "--exit-code"]).ok();
    let proof = world.podid(&["verify", "-o", "json"]).ok().json()["proofs"][0].take();
    assert_eq!(proof["objects"], json!({ "conn.txt": null, "key": null }));
    world.podid(&["down", "--yes", "--delete-data", VAULT]).ok();
    assert_eq!(world.export(), before);
}

#[test]
fn the_driver_is_installed_and_uninstalled_by_podid() {
    let world = World::new();
    let before = world.export();
    let place = ["--cluster", CONTEXT, "-g", "podid-lab", "--app", "driver", "--yes"];
    let install = world.podid(&[&["cluster", "install", "flexvolume"], &place[..]].concat()).ok();
    assert!(install.stderr.contains("its last release is of January 2021"), "{}", install.stderr);
    world
        .podid(&["cluster", "components", "--cluster", CONTEXT, "-g", "podid-lab"])
        .ok()
        .says("flexvolume      v0.0.17  kv           1 of 1");
    world.podid(&[&["cluster", "uninstall", "flexvolume"], &place[..]].concat()).ok();
    assert_eq!(world.export(), before);
}

#[test]
fn each_broken_link_of_flexvolume_is_named_within_seconds() {
    let world = world_with(&flex(), &[]);
    world.podid(&["up", "--yes"]).ok();
    breaks_at(&world, "driver", "the FlexVolume driver is not on the pod's node");
    install_flexvolume(&world);
    world.podid(&["verify"]).ok();
    let secret = |method: &str, body: Option<Value>| world.vault(method, VAULT, "/secrets/conn", body);
    policy(&world, "replace", &["list"]);
    breaks_at(&world, "grant", "lacks the permission `get`");
    world.podid(&["up", "--yes"]).ok();
    world.kube("DELETE", CONTEXT, &format!("{DAEMON_SETS}/keyvault-flexvolume"), None).ok();
    until("the driver is gone", || {
        (world.kube("GET", CONTEXT, "/api/v1/namespaces/kv/pods", None).ok()["items"] == json!([])).then_some(())
    });
    breaks_at(&world, "driver", "the FlexVolume driver is not on the pod's node");
    world.kube("POST", CONTEXT, DAEMON_SETS, Some(daemon_set())).ok();
    secret("DELETE", None).ok();
    until("the secret is gone", || (secret("GET", None).status == 404).then_some(()));
    breaks_at(&world, "secret", "the secret conn was deleted from the vault kv-shop-delivery");
}

#[test]
fn flexvolume_without_nmi_breaks_at_the_token() {
    let world = world_with(&flex(), &["--without", "nmi"]);
    install_flexvolume(&world);
    world.podid(&["up", "--yes"]).ok();
    let verify = world.podid(&["verify", "--timeout", "8s", "-o", "json"]).exits(1);
    assert_eq!(verify.json()["proofs"][0]["link"], "token", "{}", verify.stderr);
    assert!(verify.stderr.contains("NMI does not answer on the pod's node"), "{}", verify.stderr);
}

#[test]
fn what_a_delivery_cannot_do_is_refused_with_its_place() {
    let world = World::new();
    world.write("conn.txt", VALUE);
    let sync = "sync: {secret: web, key: CONN}";
    for (spec, said, hint) in [
        (SDK.replace("{name: conn}", "{name: conn, alias: conn.txt}"), "workloads[0].secrets[0].alias", "delivery: csi"),
        (SDK.replace("{name: conn}", &format!("{{name: conn, {sync}}}")), "workloads[0].secrets[0].sync", "delivery: csi"),
        (flex().replace("alias: conn.txt", sync), "workloads[0].secrets[0].sync", "delivery: csi"),
        (flex().replace("conn.txt}, {name: key}", "'my conn'}"), "workloads[0].secrets[0].alias", "letters, digits"),
        (SDK.replace("delivery: sdk", "delivery: sdks"), "workloads[0].delivery", "Did you mean `sdk`?"),
    ] {
        world.write("podid.yaml", &spec);
        let refused = world.podid(&["plan"]).exits(2);
        assert!(refused.stderr.contains(said) && refused.stderr.contains(hint), "{said}: {}", refused.stderr);
    }
}

#[test]
fn another_delivery_takes_the_place_of_the_former_one() {
    let world = world_with(&SDK.replace("delivery: sdk, ", ""), &[]);
    world.podid(&["up", "--yes", "--verify"]).ok();
    world.write("podid.yaml", SDK);
    world.podid(&["up", "--yes", "--verify"]).ok().says("secretproviderclass/aks-mi/shop/web").says("proved shop/web reads conn, key");
    world.write("podid.yaml", &SDK.replace("delivery: sdk, ", ""));
    world.podid(&["up", "--yes", "--verify"]).ok().says("proved shop/web reads conn, key");
    let entries = world.listed().to_string();
    assert!(!entries.contains(r#""key":"delivery/"#), "{entries}");
}
