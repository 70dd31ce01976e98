//! `podid diff` shows line by line what `up` would change. It changes nothing, and uses the server's dry run wherever that is possible.

use crate::common::{
    World,
    both::Side,
    specs::{CLASSES, IDENTITIES, LAB_000, LAB_004},
};
use serde_json::{Value, json};

both! {
    everything_to_be_created_is_shown_and_nothing_is_changed,
    unchanged_objects_are_not_shown,
    a_change_of_the_spec_is_shown_in_context,
    resources_removed_from_the_spec_are_shown_as_deleted,
    foreign_fields_are_refused_with_their_manager_and_shown_as_with_force,
    fields_that_will_be_adopted_are_shown_as_removed,
    a_new_identity_leaves_its_ids_open,
}

const CONTEXT: &str = "aks-mi";

fn class() -> String {
    format!("{CLASSES}/default/secretproviderclasses/spc-myk8skv")
}

fn diff(world: &World, spec: &str, more: &[&str]) -> crate::common::Output {
    world.podid(&[&["diff", "-f", spec], more].concat())
}

fn without_noise(text: &str) {
    for noise in ["managedFields", "resourceVersion", "generation", "uid:", "creationTimestamp", "status:"] {
        assert!(!text.contains(noise), "{noise} in\n{text}");
    }
}

/// Returns the part about one object.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let from = text.find(&format!("--- live/{name}\n")).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    let rest = &text[from..];
    &rest[..rest[4..].find("\n--- live/").map_or(rest.len(), |at| at + 5)]
}

fn everything_to_be_created_is_shown_and_nothing_is_changed(side: Side) {
    let world = World::on(side, "aks-sp");
    let before = world.export();
    let mark = world.mark();
    let shown = diff(&world, LAB_000, &[]).ok();
    without_noise(&shown.stdout);
    let namespace = part(&shown.stdout, "Namespace/dev-claims-podid");
    assert!(namespace.contains("\n+  finalizers:\n+  - kubernetes\n"), "the server's own answer: {namespace}");
    assert_eq!(
        part(&shown.stdout, "dev-claims-podid/AzureIdentityBinding/claims-api-podid-binding"),
        "\
--- live/dev-claims-podid/AzureIdentityBinding/claims-api-podid-binding
+++ merged/dev-claims-podid/AzureIdentityBinding/claims-api-podid-binding
@@ -0,0 +1,13 @@
+apiVersion: aadpodidentity.k8s.io/v1
+kind: AzureIdentityBinding
+metadata:
+  annotations:
+    aadpodidentity.k8s.io/Behavior: namespaced
+  labels:
+    managed-by: podid
+    podid-app: lab-000
+  name: claims-api-podid-binding
+  namespace: dev-claims-podid
+spec:
+  azureIdentity: claims-api-podid
+  selector: claims-api-kv-mid
"
    );
    assert!(part(&shown.stdout, "azure/identity/claims-api-mid").contains("+location: westeurope"));
    let line = "the namespace dev-claims-podid does not exist yet; shown as planned: azureidentity/aks-sp/";
    assert!(shown.stderr.contains(line), "{}", shown.stderr);
    assert_eq!(diff(&world, LAB_000, &["--exit-code"]).exits(3).stdout, shown.stdout);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert!(!world.path(".podid/state.json").exists(), "not even a state");
    crate::common::same("after a diff", &before, &world.export());
}

fn unchanged_objects_are_not_shown(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let mark = world.mark();
    let shown = diff(&world, LAB_004, &["--exit-code"]).ok();
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("", ""));
    let asked = world.since(mark).len();
    let mark = world.mark();
    world.plan(LAB_004).ok();
    assert_eq!(asked, world.since(mark).len(), "a diff asks what a plan asks");
}

fn a_change_of_the_spec_is_shown_in_context(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    world.write("changed.yaml", &world.read(LAB_004).replace("key: key", "key: other"));
    let shown = diff(&world, "changed.yaml", &["--exit-code"]).exits(3);
    without_noise(&shown.stdout);
    let name = "default/SecretProviderClass/spc-myk8skv";
    assert_eq!(part(&shown.stdout, name), shown.stdout, "nothing else differs");
    assert!(shown.stdout.contains("\n-    - key: key\n+    - key: other\n"), "{}", shown.stdout);
    let mark = world.mark();
    let document = diff(&world, "changed.yaml", &["-o", "json"]).ok().json();
    let asked = world.since(mark);
    let dry = asked.iter().filter(|l| l.path.contains("/secretproviderclasses/") && l.path.contains("dryRun=All")).count();
    assert_eq!(dry, 1, "the server is asked once");
    assert_eq!(document["differs"], true);
    let [change] = document["changes"].as_array().unwrap().as_slice() else { panic!("{document:#}") };
    assert_eq!((&change["act"], &change["by"], &change["name"]), (&json!("update"), &json!("server"), &json!(name)));
    assert_eq!(change["diff"].as_str().unwrap(), shown.stdout);
    assert_eq!(change["live"]["spec"]["secretObjects"][0]["data"][0]["key"], "key");
    assert_eq!(change["merged"]["spec"]["secretObjects"][0]["data"][0]["key"], "other");
    let yaml = diff(&world, "changed.yaml", &["-o", "yaml"]).ok().stdout;
    assert!(yaml.contains("differs: true"), "{yaml}");
}

fn resources_removed_from_the_spec_are_shown_as_deleted(side: Side) {
    let world = World::on(side, "aks-sp");
    let more =
        "  - name: reports\n    namespace: dev-reports\n    identity:\n      name: reports-mid\n    secrets:\n      - name: sqldbconn\n";
    world.write("two.yaml", &format!("{}{more}", world.read(LAB_000)));
    world.up("two.yaml", &[]).ok();
    let shown = diff(&world, LAB_000, &["--exit-code"]).exits(3).stdout;
    without_noise(&shown);
    for name in [
        "dev-reports/AzureIdentity/reports-mid",
        "dev-reports/SecretProviderClass/reports",
        "Namespace/dev-reports",
        "azure/identity/reports-mid",
    ] {
        let part = part(&shown, name);
        assert!(part.lines().skip(3).all(|l| l.starts_with('-')), "{part}");
    }
    assert!(!shown.contains("claims-api-podid"), "{shown}");
}

fn foreign_fields_are_refused_with_their_manager_and_shown_as_with_force(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let theirs = json!({ "spec": { "parameters": { "keyvaultName": "theirs" } } });
    world.kube("PATCH", CONTEXT, &format!("{}?fieldManager=helm", class()), Some(theirs)).ok();
    let refused = diff(&world, LAB_004, &[]).ok();
    for words in [".spec.parameters.keyvaultName is owned by helm", "--force-conflicts"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    diff(&world, LAB_004, &["--exit-code"]).exits(3);
    let forced = diff(&world, LAB_004, &["--force-conflicts", "--exit-code"]).exits(3);
    assert_eq!(forced.stderr, "");
    assert!(forced.stdout.contains("\n-    keyvaultName: theirs\n+    keyvaultName: myk8skv\n"), "{}", forced.stdout);
    assert_eq!(refused.stdout, forced.stdout);
    world.up(LAB_004, &["--force-conflicts"]).ok();
    diff(&world, LAB_004, &["--exit-code"]).ok();
}

fn fields_that_will_be_adopted_are_shown_as_removed(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let applied = json!({ "metadata": { "annotations": { "team": "claims" } } });
    world.kube("PATCH", CONTEXT, &format!("{}?fieldManager=kubectl-client-side-apply", class()), Some(applied)).ok();
    let shown = diff(&world, LAB_004, &["--exit-code"]).exits(3).stdout;
    assert!(shown.contains("\n-  annotations:\n-    team: claims\n"), "{shown}");
    world.up(LAB_004, &[]).ok();
    diff(&world, LAB_004, &["--exit-code"]).ok();
}

#[test]
fn the_value_of_a_secret_is_never_shown() {
    let world = World::served();
    world.up(LAB_000, &[]).ok();
    world.write("000.sqldbconn.txt", "canary-of-the-diff");
    for more in [&[][..], &["-o", "json"], &["-vvv"]] {
        let shown = diff(&world, LAB_000, more).ok();
        assert!(shown.stdout.contains("another value"), "{}", shown.stdout);
        assert!(!format!("{}{}", shown.stdout, shown.stderr).contains("canary"), "{}", shown.stdout);
    }
}

/// Only values that are not known yet are left open.
fn a_new_identity_leaves_its_ids_open(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let identity = format!("{}?api-version=2023-01-31", world.identity_id("aks2kvIdentity"));
    world.arm("DELETE", &identity, None).ok();
    let shown = diff(&world, LAB_004, &[]).ok();
    let part = part(&shown.stdout, "default/AzureIdentity/aks-kv-identity");
    assert!(part.contains("\n+  clientID: (after identity/aks2kvIdentity)\n"), "{part}");
    assert!(part.contains("\n   type: 0\n"), "{part}");
    assert!(shown.stderr.contains("waiting for outputs of identity/aks2kvIdentity"), "{}", shown.stderr);
}

#[test]
fn a_diff_that_is_forbidden_says_what_is_missing() {
    let world = World::served();
    let message = "azureidentities.aadpodidentity.k8s.io \"aks-kv-identity\" is forbidden: User \"dev\" cannot get resource \"azureidentities\" in API group \"aadpodidentity.k8s.io\" in the namespace \"default\"";
    let status: Value = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403, "message": message,
        "details": { "name": "aks-kv-identity", "group": "aadpodidentity.k8s.io", "kind": "azureidentities" },
    });
    world.settings(
        &json!({ "fail": [{ "method": "GET", "path": &format!("{IDENTITIES}/default/azureidentities/"), "status": 403, "body": status }] }),
    );
    diff(&world, LAB_004, &[])
        .exits(1)
        .says("may not get azureidentities.aadpodidentity.k8s.io in namespace default")
        .says("podid cluster rbac");
}
