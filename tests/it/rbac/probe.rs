//! `cluster rbac --for probe` prints what a probe asks of a cluster.

use super::{granted, printed, used};
use crate::common::World;
use serde_json::json;

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-rights, model: rbac, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, secrets: [{name: conn}]}
";

#[test]
fn a_probe_uses_no_right_that_is_not_printed() {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    let all = granted(&printed(&world, &["-f", "podid.yaml", "--for", "probe", "--make-namespaces", "--optional"]));
    let needed = granted(&printed(&world, &["-f", "podid.yaml", "--for", "probe"]));
    let by = |words: &[&str], code: i32| {
        let mark = world.mark();
        world.podid(&[&["probe"], words].concat()).exits(code);
        used(&world.since(mark))
    };
    let sent = by(&["--all-nodes"], 0);
    assert!(sent.is_subset(&all), "{:?}", sent.difference(&all).collect::<Vec<_>>());
    assert!(needed.is_subset(&sent), "{:?}", needed.difference(&sent).collect::<Vec<_>>());
    assert!(sent.contains("list nodes") && sent.contains("create pods"), "{sent:?}");
    // without a token the chain is looked at
    let absent = json!({ "error": "invalid_request", "error_description": "Identity not found" });
    world.settings(&json!({ "fail": [{ "by": "nmi", "path": "/metadata/identity", "status": 400, "body": absent }] }));
    let sent = by(&[], 1);
    assert!(sent.is_subset(&all), "{:?}", sent.difference(&all).collect::<Vec<_>>());
}
