//! `doctor` and `inventory` read everything with exactly the rights that `cluster rbac` prints for them, in the cluster and in Azure.

use super::{ACCOUNT, as_account, granted, printed, put, used, wait_for_right};
use crate::common::World;
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi, components: [workload-identity]}
vault: {name: kv-shop-look, model: rbac, secrets: [{name: conn, value: {generate: 20}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, secrets: [{name: conn}], app: {image: 'nginx:1.29'}}
  - {name: api, namespace: back, mode: workload-identity, identity: {name: shop-wi}, serviceAccount: {name: api}, secrets: [{name: conn}], app: {image: 'nginx:1.29'}}
";

/// A login that may do exactly this in Azure: its variables.
fn login(world: &World, azure: &Value) -> Vec<(String, String)> {
    let subscription = format!("/subscriptions/{}", world.subscription());
    let guid = "0b5a1f6e-0000-4000-8000-00000000100c";
    let role = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}?api-version=2022-04-01");
    let permissions = json!([{ "actions": azure["actions"], "notActions": [], "dataActions": azure["dataActions"], "notDataActions": [] }]);
    let properties = json!({ "roleName": "podid-look", "type": "CustomRole", "description": "", "assignableScopes": [subscription], "permissions": permissions });
    world.arm("PUT", &role, Some(json!({ "properties": properties }))).ok();
    let added = world.podid(&["sandbox", "caller", "add", "look", "--role", guid]).ok().stdout;
    let lines = added.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

#[test]
fn doctor_and_inventory_read_everything_with_exactly_the_printed_rights() {
    let mut world = World::served();
    world.write("podid.yaml", SPEC);
    world.podid(&["up", "--yes"]).ok();
    let commands: [&[&str]; 2] = [&["doctor", "-A", "-o", "json"], &["inventory", "-A", "-o", "json"]];
    let run = |world: &World| commands.map(|words| world.podid(words).ok().json());
    // what they ask of the cluster is all printed
    let mark = world.mark();
    let whole = run(&world);
    let asked = used(&world.since(mark));
    let list = world.podid(&["cluster", "rbac", "--for", "doctor,inventory", "-o", "json"]).ok().json();
    let objects = printed(&world, &["--for", "doctor,inventory", "--subject", ACCOUNT]);
    let rights = granted(&objects);
    let missing: Vec<&String> = asked.difference(&rights).collect();
    assert!(missing.is_empty(), "asked and not printed: {missing:?}");
    assert!(granted(&objects).iter().all(|right| right.starts_with("get ") || right.starts_with("list ")), "they only look");
    assert!(!granted(&objects).iter().any(|right| right.ends_with(" secrets") || right.ends_with(" configmaps")), "nobody's values");
    // and is enough
    let azure = login(&world, &list["azure"]);
    as_account(&mut world, CONTEXT);
    objects.iter().for_each(|object| put(&world, CONTEXT, object));
    wait_for_right(&world, CONTEXT, "shop", ("", "pods", "", "list"), true);
    world.env.retain(|(name, _)| !azure.iter().any(|(own, _)| own == name));
    world.env.extend(azure);
    let mark = world.mark();
    let narrow = run(&world);
    let refused: Vec<String> =
        world.since(mark).iter().filter(|line| line.by == "client" && line.status == 403).map(|line| line.short()).collect();
    assert_eq!(refused, Vec::<String>::new());
    let [doctor, inventory] = &narrow;
    assert_eq!((&doctor["unseen"], &doctor["findings"]), (&json!([]), &whole[0]["findings"]), "{doctor:#}");
    assert_eq!(inventory["workloads"], whole[1]["workloads"]);
    assert_eq!(inventory["notRead"], whole[1]["notRead"], "{:#}", inventory["notRead"]);
}

#[test]
fn rights_in_azure_are_printed_only_where_something_looks() {
    let world = World::new();
    let text = |words: &[&str]| world.podid(&[&["cluster", "rbac"], words].concat()).ok().stdout;
    let look = text(&["--for", "doctor,inventory"]);
    assert!(
        look.contains("# in Azure") && look.contains("Microsoft.Authorization/denyAssignments/read") && look.contains("Key Vault Reader"),
        "{look}"
    );
    assert!(look.contains("kind: ClusterRole\n"), "{look}");
    let one = text(&["--for", "doctor", "-n", "shop"]);
    assert!(one.contains("kind: Role\n") && one.contains("kind: ClusterRole\n") && one.contains("namespace: shop"), "{one}");
    assert!(!text(&["-n", "shop"]).contains("Azure, at"), "the default is as it was");
    let all = text(&["-n", "shop", "--for", "all"]);
    assert!(all.contains("# in Azure") && all.contains("kind: Role\n") && all.contains("- create\n"), "{all}");
    assert!(text(&["--for", "inventory", "-o", "table"]).contains("in Azure, at the subscription"));
}
