//! A state file that was edited or copied claims what another app created: the marks of that app decide, and nothing is deleted.

use crate::common::World;
use serde_json::{Value, json};

fn spec(app: &str) -> String {
    format!(
        "apiVersion: podid/v1\nkind: App\nmetadata: {{name: {app}}}\nresourceGroup: podid-lab\ncluster: {{name: aks-mi}}\n\
         vault: {{name: kv-{app}-x1, model: rbac, secrets: [{{name: conn, value: {{file: conn.txt}}}}]}}\n\
         workloads:\n  - {{name: web, namespace: {app}, identity: {{name: {app}-mid}}, secrets: [{{name: conn}}]}}\n"
    )
}

/// Creates two apps with a state each; the second state claims everything that the first app created.
fn claimed() -> World {
    let world = World::served();
    world.write("conn.txt", "x");
    for app in ["bank", "shop"] {
        let (file, state) = (format!("{app}.yaml"), format!("{app}.json"));
        world.write(&file, &spec(app));
        world.podid(&["up", "--yes", "-f", &file, "--state", &state]).ok();
    }
    let read = |file: &str| serde_json::from_str::<Value>(&world.read(file)).unwrap();
    let (bank, mut shop) = (read("bank.json"), read("shop.json"));
    for entry in bank["entries"].as_array().unwrap() {
        let mut entry = entry.clone();
        entry["app"] = json!("shop");
        entry["by"] = json!("spec");
        if entry["origin"] != "existing" {
            entry["origin"] = json!("created");
        }
        let entries = shop["entries"].as_array_mut().unwrap();
        if entries.iter().all(|known| known["key"] != entry["key"]) {
            entries.push(entry);
        }
    }
    world.write("shop.json", &shop.to_string());
    world
}

#[test]
fn a_claimed_object_with_another_apps_marks_is_not_deleted() {
    let world = claimed();
    let said = "it carries the marks of app bank, although the state says that podid made it for this app: not podid's to delete";
    let up = world.podid(&["up", "--yes", "-f", "shop.yaml", "--state", "shop.json"]).ok();
    for key in ["identity/bank-mid", "azureidentity/aks-mi/bank/bank-mid", "secretproviderclass/aks-mi/bank/web", "vault/kv-bank-x1"] {
        assert!(up.stdout.contains(&format!("kept {key}: {said}")), "{key}\n{}{}", up.stdout, up.stderr);
    }
    world.podid(&["plan", "--exit-code", "-f", "bank.yaml", "--state", "bank.json"]).ok().says("nothing to do");
}

#[test]
fn down_with_all_consents_does_not_delete_claimed_objects() {
    let world = claimed();
    let data = ["--delete-data", "kv-bank-x1", "--delete-data", "kv-shop-x1", "--delete-data", "kv-bank-x1/conn"];
    let down = [&["down", "--yes", "-f", "shop.yaml", "--state", "shop.json", "--adopt", "--recover"], &data[..]].concat();
    let down = world.podid(&down).ok();
    assert!(down.stdout.contains("kept vault/kv-bank-x1: it carries the marks of app bank"), "{}", down.stdout);
    world.podid(&["plan", "--exit-code", "-f", "bank.yaml", "--state", "bank.json"]).ok().says("nothing to do");
}
