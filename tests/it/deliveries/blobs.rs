//! `podid verify --storage`: a pod writes, reads and deletes a blob with the workload's identity; each broken link is named.

use super::{CONTEXT, world_with};
use crate::common::{Output, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-delivery, model: rbac, secrets: [{name: conn, value: {file: conn.txt}}]}
storage: [{name: shopdata, containers: [uploads]}]
workloads:
  - name: web
    namespace: shop
    identity: {name: shop-mid}
    secrets: [{name: conn}]
    storage: [{account: shopdata, container: uploads}]
";
const PLACE: &str = "shopdata/uploads";

fn account_id(world: &World) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/shopdata", world.group_id())
}

fn fails(world: &World, place: &str) -> (Value, Output) {
    let begun = Instant::now();
    let output = world.podid(&["verify", "--storage", place, "-o", "json", "--timeout", "60s"]).exits(1);
    // the proof of the secrets, and at most 10 s until it is known that waiting does not help
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}: {}", begun.elapsed(), output.stderr);
    let proofs = output.json()["proofs"].take();
    assert_eq!((&proofs[0]["proved"], &proofs[1]["proved"]), (&json!(true), &json!(false)), "{}", output.stderr);
    (proofs[1].clone(), output)
}

#[track_caller]
fn breaks_at(world: &World, place: &str, link: &str, said: &[&str]) {
    let (proof, output) = fails(world, place);
    assert_eq!(proof["link"], link, "{}", output.stderr);
    for said in said {
        assert!(output.stderr.contains(said), "{said:?} in {}", output.stderr);
    }
}

#[test]
fn a_workload_writes_reads_and_deletes_a_blob_beside_its_secrets() {
    let world = world_with(SPEC, &[]);
    world.podid(&["up", "--yes"]).ok();
    let before = world.export();
    let verify = world.podid(&["verify", "--storage", PLACE]).ok();
    assert!(verify.stdout.contains("proved shop/web reads conn from kv-shop-delivery as shop-mid"), "{}", verify.stdout);
    assert!(
        verify.stdout.contains("proved shop/web writes, reads and deletes a blob in shopdata/uploads as shop-mid"),
        "{}",
        verify.stdout
    );
    let client_id = world.podid(&["output", "identity/shop-mid", "client_id"]).ok().stdout;
    assert!(verify.stdout.contains(&format!("token     client id {}", client_id.trim())), "{}", verify.stdout);
    assert_eq!(world.export(), before, "neither pod nor blob stays");
    let proofs = world.podid(&["verify", "--storage", PLACE, "-o", "json"]).ok().json()["proofs"].take();
    assert_eq!((&proofs[1]["storage"], proofs[1].get("vault")), (&json!(PLACE), None), "{proofs:#}");
    // without the flag nothing is written
    assert!(!world.podid(&["verify"]).ok().stdout.contains("blob"));
    world.podid(&["verify", "--storage", PLACE, "--dry-run"]).ok().says("would create pod shop/podid-verify-web-*");
}

#[test]
fn a_missing_right_names_the_role_and_the_scope() {
    let world = world_with(&SPEC.replace("    storage: [{account: shopdata, container: uploads}]\n", ""), &[]);
    world.podid(&["up", "--yes"]).ok();
    let said = [
        "the identity shop-mid may not write blobs in shopdata/uploads",
        "It needs the role Storage Blob Data Contributor at storage/shopdata/uploads",
        "`podid role assign 'Storage Blob Data Contributor' --to identity/shop-mid --scope storage/shopdata/uploads`",
    ];
    breaks_at(&world, PLACE, "role", &said);
    // one who may read cannot write either
    let reader = SPEC.replace("container: uploads}]\n", "container: uploads, access: read}]\n");
    world.write("podid.yaml", &reader);
    world.podid(&["up", "--yes"]).ok();
    breaks_at(&world, PLACE, "role", &said[..2]);
    breaks_at(&world, PLACE, "role", &["its roles there are: Storage Blob Data Reader"]);
    // the state knows of a role that is gone
    world.write("podid.yaml", SPEC);
    world.podid(&["up", "--yes"]).ok();
    world.podid(&["verify", "--storage", PLACE]).ok();
    let container = format!("{}/blobServices/default/containers/uploads", account_id(&world));
    for role in world.assignments(&container) {
        let id = role["id"].as_str().unwrap();
        world.arm("DELETE", &format!("{id}?api-version=2022-04-01"), None).ok();
    }
    let said = "the role Storage Blob Data Contributor of the identity shop-mid at storage/shopdata/uploads is missing";
    breaks_at(&world, PLACE, "role", &[said, "podid up"]);
}

#[test]
fn a_wrong_name_and_a_firewall_are_told_in_words() {
    let world = world_with(SPEC, &[]);
    world.podid(&["up", "--yes"]).ok();
    breaks_at(&world, "shopdatum/uploads", "storage", &["the storage account shopdatum does not exist", "Did you mean `shopdata`?"]);
    breaks_at(&world, "shopdata/upload", "container", &["the storage account shopdata has no container upload", "Did you mean `uploads`?"]);
    let acls = json!({ "properties": { "networkAcls": { "defaultAction": "Deny" } } });
    world.arm("PATCH", &format!("{}?api-version=2025-08-01", account_id(&world)), Some(acls)).ok();
    breaks_at(
        &world,
        PLACE,
        "storage",
        &["the storage account's firewall blocks the cluster's nodes", "network-rule add --account-name shopdata"],
    );
    for wrong in ["shopdata", "Shop/uploads", "shopdata/Uploads", "shopdata/uploads/x"] {
        world.podid(&["verify", "--storage", wrong]).exits(2);
    }
}

#[test]
fn another_identity_breaks_the_proof() {
    let world = world_with(SPEC, &[]);
    world.podid(&["up", "--yes"]).ok();
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "other-mid", "--yes"]).ok();
    let other = world.podid(&["output", "identity/other-mid", "client_id"]).ok().stdout.trim().to_owned();
    // AzureIdentity and state disagree on whose client id it is
    let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentities/shop-mid";
    let patch = json!({ "spec": { "resourceID": world.identity_id("other-mid"), "clientID": other } });
    world.kube("PATCH", CONTEXT, path, Some(patch)).ok();
    let output = world.podid(&["verify", "--storage", PLACE, "-o", "json", "--timeout", "40s"]).exits(1);
    let proofs = output.json()["proofs"].take();
    assert_eq!(proofs[1]["proved"], false, "{proofs:#}");
    // what podid wrote is compared before a token is awaited any longer
    assert!(output.stderr.contains("the AzureIdentity shop/shop-mid differs from what podid wrote"), "{}", output.stderr);
}

#[test]
fn a_workload_without_secrets_is_proved_too() {
    let spec = SPEC.replace("    secrets: [{name: conn}]\n", "");
    let world = world_with(&spec, &[]);
    world.podid(&["up", "--yes"]).ok();
    world.podid(&["verify"]).exits(4);
    world.podid(&["verify", "--storage", PLACE, "--name", "shop-mid"]).ok().says("proved shop/shop-mid writes, reads and deletes a blob");
    world.podid(&["verify", "--storage", PLACE, "--name", "nobody"]).exits(4);
}

#[test]
fn a_new_role_from_above_that_the_state_does_not_know_is_waited_for() {
    let world = world_with(&SPEC.replace("    storage: [{account: shopdata, container: uploads}]\n", ""), &[]);
    world.podid(&["up", "--yes"]).ok();
    let principal = world.podid(&["output", "identity/shop-mid", "principal_id"]).ok().stdout.trim().to_owned();
    let role = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        world.subscription()
    );
    let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal" } });
    let name = "11111111-2222-4333-8444-666666666666";
    let path = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01", world.group_id());
    world.arm("PUT", &path, Some(body)).ok();
    // the data plane does not know it yet
    let refusal = json!({ "error": { "code": "AuthorizationPermissionMismatch", "message": "no" } });
    world.settings(&json!({ "fail": [{ "host": "shopdata.blob.core.windows.net", "status": 403, "body": refusal }] }));
    let begun = Instant::now();
    let run = world.start(&["verify", "--storage", PLACE, "--timeout", "60s"]);
    std::thread::sleep(Duration::from_secs(11));
    world.settings(&json!({ "fail": null }));
    run.wait().ok().says("proved shop/web writes, reads and deletes a blob in shopdata/uploads as shop-mid");
    assert!(begun.elapsed() > Duration::from_secs(10));
}
