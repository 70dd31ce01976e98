//! az reads what podid created, and changes it: `plan` reports each change by its field, `up` repairs it, and what else az wrote stays.

use crate::az::program::Az;
use crate::common::{World, objects::text};
use serde_json::{Value, json};

const LAB: &str = "004.yaml";

#[test]
fn changes_by_az_are_reported_and_repaired() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    world.up(LAB, &[]).ok();
    let marks = json!({"managed-by": "podid", "podid-app": "lab-004"});

    let identity = az.json("identity show -g podid-lab -n aks2kvIdentity");
    let principal = text(&identity, "/principalId");
    let vault = az.json("keyvault show -n myk8skv");
    assert_eq!((&identity["tags"], &vault["tags"]), (&marks, &marks));
    let secret = az.json("keyvault secret show --vault-name myk8skv -n ExamplePassword");
    assert_eq!((text(&secret, "/value"), &secret["tags"]), (&*world.read("004.ExamplePassword.txt"), &marks));
    let roles = az.json(&format!("role assignment list --all --assignee {principal} --query [].[roleDefinitionName,scope,description]"));
    assert_eq!(roles, json!([["Reader", format!("/subscriptions/{}", world.subscription()), "managed-by=podid podid-app=lab-004"]]));

    // This removes podid's marks: az writes all the tags.
    az.json("identity create -g podid-lab -n aks2kvIdentity --tags team=shop");
    az.json("keyvault secret set --vault-name myk8skv -n ExamplePassword --value other");
    az.run(&format!("role assignment delete --role Reader --assignee {principal} --scope /subscriptions/{}", world.subscription())).ok();
    az.json(&format!("keyvault set-policy -n myk8skv --secret-permissions list --object-id {principal}"));
    let plan = world.podid(&["plan", "--exit-code", "-f", LAB, "-o", "json"]).exits(3).json();
    let changed = |action: &&Value| text(action, "/act") != "keep";
    let told = plan["actions"].as_array().unwrap().iter().filter(changed).flat_map(|action| {
        let changes = action["changes"].as_array().unwrap().iter();
        changes.map(|c| json!([action["act"], action["key"], c["field"], c["from"], c["to"]])).collect::<Vec<Value>>()
    });
    let tagged = |more: &str, value: &str| json!({more: value, "managed-by": "podid", "podid-app": "lab-004"});
    let (grant, reader) = ("grant/myk8skv/aks2kvIdentity", "role/reader/identity/aks2kvIdentity/subscription");
    let expected = json!([
        ["create", reader, "principal", null, principal],
        ["create", reader, "role", null, "Reader"],
        ["create", reader, "scope", null, format!("/subscriptions/{}", world.subscription())],
        ["update", grant, "secrets", ["list"], ["list", "get"]],
        ["update", "identity/aks2kvIdentity", "tags", {"team": "shop"}, tagged("team", "shop")],
        ["update", "secret/myk8skv/ExamplePassword", "tags", {"file-encoding": "utf-8"}, tagged("file-encoding", "utf-8")],
        ["update", "secret/myk8skv/ExamplePassword", "value", "(another value)", "from file 004.ExamplePassword.txt"],
    ]);
    let mut told: Vec<Value> = told.collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(json!(told), expected);

    world.up(LAB, &["--verify"]).ok().says("proved ");
    world.plan(LAB).ok();
    assert_eq!(az.json("identity show -g podid-lab -n aks2kvIdentity --query tags"), tagged("team", "shop"));
    assert_eq!(
        az.text("keyvault secret show --vault-name myk8skv -n ExamplePassword --query value"),
        world.read("004.ExamplePassword.txt")
    );
    // What az granted besides stays.
    let entry = format!("properties.accessPolicies[?objectId=='{principal}'].permissions.secrets[] | sort(@)");
    assert_eq!(az.json(&format!("keyvault show -n myk8skv --query \"{entry}\"")), json!(["get", "list"]));
}

#[test]
fn objects_that_az_deletes_are_created_again() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    world.up(LAB, &[]).ok();
    let first = az.json("identity show -g podid-lab -n aks2kvIdentity");
    az.run("identity delete -g podid-lab -n aks2kvIdentity").ok();
    let plan = world.plan(LAB).exits(3);
    for line in [
        "+ create  identity/aks2kvIdentity",
        "~ replace grant/myk8skv/aks2kvIdentity",
        "~ replace role/reader/identity/aks2kvIdentity/subscription",
        "~ update  azureidentity/aks-mi/default/aks-kv-identity",
    ] {
        assert!(plan.stdout.contains(line), "{line}:\n{}", plan.stdout);
    }
    world.up(LAB, &["--verify"]).ok().says("proved ");
    world.plan(LAB).ok();
    let second = az.json("identity show -g podid-lab -n aks2kvIdentity");
    assert_eq!(second["id"], first["id"]);
    assert_ne!(second["principalId"], first["principalId"]);
}
