//! Ownership: what existed before podid is used, but never changed silently and never deleted; shared things stay until the last user is gone.

mod claimed;
mod spelling;

use crate::common::{
    World, same,
    specs::{IDENTITIES, LAB_000, NAMESPACES, context_of, vault_of},
};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-sp";
const NAMESPACE: &str = "dev-claims-podid";

fn identity(world: &World) -> String {
    format!("{}?api-version=2023-01-31", world.identity_id("claims-api-mid"))
}

fn make_namespace(world: &World, name: &str) {
    let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "team": "claims" } } });
    world.kube("POST", CONTEXT, NAMESPACES, Some(body)).ok();
}

both! { a_foreign_identity_and_a_foreign_namespace_are_used_and_stay, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.arm("PUT", &identity(&world), Some(json!({ "location": "westeurope", "tags": { "team": "claims" } }))).ok();
    make_namespace(&world, NAMESPACE);
    let before = world.export();
    let up = world.up(LAB_000, &["-o", "json", "--verify"]).ok().json();
    let adopted: Vec<&Value> = up["actions"].as_array().unwrap().iter().filter(|a| a["act"] == "adopt").map(|a| &a["key"]).collect();
    assert_eq!(adopted, ["identity/claims-api-mid", "namespace/aks-sp/dev-claims-podid"]);
    world.plan(LAB_000).ok();
    world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok().says("not podid's to delete");
    same("after `down`", &before, &world.export());
} }

both! { a_foreign_object_that_differs_is_adopted_only_with_consent, |side| {
    let world = World::on(side, context_of(LAB_000));
    make_namespace(&world, NAMESPACE);
    let foreign = json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureIdentity",
        "metadata": { "name": "claims-api-podid", "namespace": NAMESPACE },
        "spec": { "type": 0, "resourceID": "/subscriptions/another", "clientID": "another" }
    });
    world.kube("POST", CONTEXT, &format!("{IDENTITIES}/{NAMESPACE}/azureidentities"), Some(foreign)).ok();
    // Its ids are compared once the identity has some.
    world.podid(&["identity", "create", "--app", "lab-000", "-g", "podid-lab", "-n", "claims-api-mid", "--yes"]).ok();
    let mark = world.mark();
    world.up(LAB_000, &[]).exits(4).says("--adopt");
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.up(LAB_000, &["--adopt", "--verify"]).ok().says("proved ");
    world.plan(LAB_000).ok();
    // An adopted object was not created by podid, so it stays.
    world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok();
    let left = world.kube("GET", CONTEXT, &format!("{IDENTITIES}/{NAMESPACE}/azureidentities/claims-api-podid"), None);
    assert_eq!(left.status, 200);
} }

// Recovering a vault does not make it podid's, even if `down` is told to delete data.
both! { a_foreign_vault_that_was_recovered_stays, |side| {
    let world = World::on(side, context_of(LAB_000));
    let vault = format!("{}?api-version=2026-02-01", world.vault_id("claims-api-kv"));
    let tenant = world.environment().into_iter().find(|(name, _)| name == "AZURE_TENANT_ID").unwrap().1;
    let sku = json!({ "family": "A", "name": "standard" });
    let properties = json!({ "tenantId": tenant, "sku": sku, "enableRbacAuthorization": true });
    world.arm("PUT", &vault, Some(json!({ "location": "westeurope", "properties": properties }))).ok();
    let before = world.export();
    world.arm("DELETE", &vault, None).ok();
    let create = ["vault", "create", "-g", "podid-lab", "-n", "claims-api-kv", "--yes"];
    world.podid(&create).exits(4).says("--recover");
    world.podid(&[&create[..], &["--recover"]].concat()).ok();
    same("after the recovery", &before, &world.export());
    world.podid(&["down", "--yes", "--delete-data", "claims-api-kv"]).ok().says("not podid's to delete");
    same("after `down`", &before, &world.export());
} }

both! { resources_of_another_app_are_not_deleted, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.podid(&["identity", "create", "--app", "another", "-g", "podid-lab", "-n", "claims-api-mid", "--yes"]).ok();
    let before = world.export();
    world.up(LAB_000, &[]).ok();
    world.down(LAB_000, &["--delete-data", vault_of(LAB_000)]).ok();
    same("after `down`", &before, &world.export());
} }

both! { a_state_of_another_world_is_refused, |side| {
    let world = World::on(side, context_of(LAB_000));
    world.up(LAB_000, &[]).ok();
    let state = world.read(".podid/state.json");
    let mut other: Value = serde_json::from_str(&state).unwrap();
    other["world"]["tenant"] = json!("00000000-0000-0000-0000-000000000001");
    world.write("other.json", &other.to_string());
    let export = world.export();
    for words in [["up", "--yes"], ["plan", "--exit-code"], ["down", "--yes"]] {
        world
            .podid(&[&words[..], &["-f", LAB_000, "--state", "other.json"]].concat())
            .exits(5)
            .says("00000000-0000-0000-0000-000000000001");
    }
    same("after refusals", &export, &world.export());
    assert_eq!(world.read("other.json"), other.to_string());
} }

both! { roles_of_two_bindings_stay_until_the_last_is_deleted, |side| {
    let world = World::on(side, context_of(LAB_000));
    let before = world.export();
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shared-mid", "--yes"]).ok();
    let with_identity = world.export();
    for namespace in ["one", "two"] {
        world.podid(&["bind", "--namespace", namespace, "--context", CONTEXT, "-g", "podid-lab", "--yes"]).ok();
    }
    let operators = || world.assignments(&world.identity_id("shared-mid")).len();
    assert_eq!(operators(), 1);
    world.podid(&["unbind", "--namespace", "one", "--yes"]).ok();
    assert_eq!(operators(), 1, "the other namespace needs it");
    assert_eq!(world.kube("GET", CONTEXT, &format!("{NAMESPACES}/one"), None).status, 404);
    assert_eq!(world.kube("GET", CONTEXT, &format!("{IDENTITIES}/two/azureidentities/shared-mid"), None).status, 200);
    world.podid(&["unbind", "--namespace", "two", "--yes"]).ok();
    same("after both were unbound", &with_identity, &world.export());
    world.podid(&["identity", "delete", "-g", "podid-lab", "-n", "shared-mid", "--yes"]).ok();
    same("after the identity went too", &before, &world.export());
} }

both! { a_namespace_in_use_stays_with_a_reason, |side| {
    for (path, body) in [
        ("/api/v1/namespaces/one/configmaps", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "theirs" } })),
        (
            "/apis/aadpodidentity.k8s.io/v1/namespaces/one/azureidentities",
            json!({
                "apiVersion": "aadpodidentity.k8s.io/v1",
                "kind": "AzureIdentity",
                "metadata": { "name": "theirs" },
                "spec": { "type": 0, "resourceID": "/subscriptions/theirs", "clientID": "theirs" }
            }),
        ),
    ] {
        let world = World::on(side, context_of(LAB_000));
        world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shared-mid", "--yes"]).ok();
        world.podid(&["bind", "--namespace", "one", "--context", CONTEXT, "-g", "podid-lab", "--yes"]).ok();
        world.kube("POST", CONTEXT, path, Some(body)).ok();
        world.podid(&["unbind", "--namespace", "one", "--yes"]).ok().says("theirs");
        assert_eq!(world.kube("GET", CONTEXT, &format!("{path}/theirs"), None).status, 200, "{path}");
        assert_eq!(world.kube("GET", CONTEXT, &format!("{IDENTITIES}/one/azureidentities/shared-mid"), None).status, 404);
        assert_eq!(world.assignments(&world.identity_id("shared-mid")).len(), 0);
    }
} }

// The vault and its secret are handed over to the app that still reads it, with its marks.
both! { resources_that_another_app_mounts_are_handed_over_to_it, |side| {
    let world = World::on(side, "aks-mi");
    world.write("conn.txt", "x");
    let spec = |app: &str, secrets: &str| format!(
        "apiVersion: podid/v1\nkind: App\nmetadata: {{name: {app}}}\nresourceGroup: podid-lab\ncluster: {{name: aks-mi}}\n\
         vault: {{name: kv-shop-x1{secrets}}}\n\
         workloads:\n  - {{name: web, namespace: {app}, identity: {{name: {app}-mid}}, secrets: [{{name: conn}}]}}\n"
    );
    world.write("one.yaml", &spec("one", ", secrets: [{name: conn, value: {file: conn.txt}}]"));
    world.write("two.yaml", &spec("two", ""));
    world.up("one.yaml", &[]).ok();
    world.up("two.yaml", &["--verify"]).ok().says("proved two/web");
    let delete = ["vault", "secret", "delete", "conn", "--vault", "kv-shop-x1", "--app", "one", "--yes"];
    world.podid(&delete).exits(4).says("secretproviderclass/aks-mi/one/web needs it");
    let down = world.down("one.yaml", &["--delete-data", "kv-shop-x1"]).ok();
    let down = down.says("hand over secret/kv-shop-x1/conn (app two uses it too, and owns it from now on)").says("hand over vault/kv-shop-x1");
    assert!(!down.stderr.contains("delete  secret/"), "{}", down.stderr);
    world.podid(&["verify", "-f", "two.yaml"]).ok().says("proved two/web");
    world.plan("two.yaml").ok();
    let status = world.podid(&["status", "-f", "two.yaml"]).ok().stdout;
    assert!(!status.contains("differs") && !status.contains("missing"), "{status}");
    let vault = world.arm("GET", &format!("{}?api-version=2023-07-01", world.vault_id("kv-shop-x1")), None).ok();
    assert_eq!(vault["tags"]["podid-app"], "two");
    // Its owner deletes it.
    world.down("two.yaml", &["--delete-data", "kv-shop-x1"]).ok();
    assert!(!world.export().contains("\"podid-app\": \"two\""));
} }
