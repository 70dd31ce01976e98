//! Storage accounts and containers: as parts of a spec, by single commands, and by what others have done.

use crate::common::{World, same};
use serde_json::{Value, json};

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata:
  name: docs
resourceGroup: podid-lab
cluster:
  name: aks-mi
storage:
  - name: labdocs
    sku: Standard_ZRS
    containers:
      - incoming
      - name: archive
workloads:
  - name: reader
    namespace: docs
    identity:
      name: docs-mid
    storage:
      - account: labdocs
        container: incoming
      - account: labdocs
        container: archive
        access: read
    roles:
      - role: Contributor
        scope: storage/labdocs
";
const NOTE: &str = "a role of the control plane: it does not let a token read or write blobs";

fn account_id(world: &World, name: &str) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/{name}", world.group_id())
}

fn container_id(world: &World, account: &str, name: &str) -> String {
    format!("{}/blobServices/default/containers/{name}", account_id(world, account))
}

fn shown(world: &World, id: &str) -> Value {
    world.arm("GET", &format!("{id}?api-version=2025-08-01"), None).ok()
}

/// An account of somebody else, with the settings of the portal some years ago.
fn foreign(world: &World, id: &str) {
    let body = json!({"kind": "StorageV2", "location": "westeurope", "sku": {"name": "Standard_LRS"},
        "properties": {"allowSharedKeyAccess": true, "minimumTlsVersion": "TLS1_0"}});
    world.arm("PUT", &format!("{id}?api-version=2025-08-01"), Some(body)).ok();
}

fn roles(world: &World, scope: &str) -> Vec<String> {
    let name = |one: &Value| one["properties"]["roleDefinitionId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    world.assignments(scope).iter().map(name).collect()
}

#[test]
fn a_spec_makes_accounts_and_containers_and_the_roles_on_their_blobs() {
    let mut world = World::new();
    // a new account is then an operation that is polled, and a new role has no effect at once
    world.env.retain(|(name, _)| name != "PODID_LATENESS");
    world.env.push(("PODID_LATENESS".to_owned(), "quick".to_owned()));
    world.serve();
    let before = world.export();
    world.write("docs.yaml", SPEC);
    let plan = world.podid(&["plan", "-f", "docs.yaml"]).ok();
    assert!(plan.stdout.contains("container/labdocs/archive"), "{}", plan.stdout);
    assert_eq!(plan.stdout.matches(NOTE).count(), 1, "{}", plan.stdout);
    world.up("docs.yaml", &[]).ok();
    let account = shown(&world, &account_id(&world, "labdocs"));
    let p = &account["properties"];
    assert_eq!((&p["allowSharedKeyAccess"], &p["allowBlobPublicAccess"]), (&json!(false), &json!(false)));
    assert_eq!((&p["minimumTlsVersion"], &p["supportsHttpsTrafficOnly"]), (&json!("TLS1_2"), &json!(true)));
    assert_eq!((&account["sku"]["name"], &account["kind"]), (&json!("Standard_ZRS"), &json!("StorageV2")));
    assert_eq!(account["tags"], json!({ "managed-by": "podid", "podid-app": "docs" }));
    let container = shown(&world, &container_id(&world, "labdocs", "archive"));
    assert_eq!(container["properties"]["publicAccess"], "None");
    assert_eq!(container["properties"]["metadata"], json!({ "managed_by": "podid", "podid_app": "docs" }));
    assert_eq!(roles(&world, &container_id(&world, "labdocs", "incoming")), ["ba92f5b4-2d11-453d-a403-e96b0029c9fe"]);
    assert_eq!(roles(&world, &container_id(&world, "labdocs", "archive")), ["2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"]);
    assert_eq!(roles(&world, &account_id(&world, "labdocs")), ["b24988ac-6180-42a0-ab88-20f7382dd24c"]);
    world.up("docs.yaml", &[]).ok().says("nothing to do");

    // without consent the data stays, and the access goes
    world.down("docs.yaml", &[]).ok().says("--delete-data labdocs");
    shown(&world, &container_id(&world, "labdocs", "archive"));
    assert!(roles(&world, &container_id(&world, "labdocs", "archive")).is_empty());
    world.down("docs.yaml", &["--delete-data", "labdocs"]).ok();
    same("after `down` with its data", &before, &world.export());
}

#[test]
fn a_container_that_the_spec_drops_stays_until_its_deletion_is_consented_to() {
    let world = World::served();
    world.write("docs.yaml", SPEC);
    world.up("docs.yaml", &[]).ok();
    let less = SPEC
        .replace("      - name: archive\n", "")
        .replace("      - account: labdocs\n        container: archive\n        access: read\n", "");
    world.write("docs.yaml", &less);
    world.up("docs.yaml", &[]).ok();
    let archive = container_id(&world, "labdocs", "archive");
    shown(&world, &archive);
    assert!(roles(&world, &archive).is_empty());
    world.up("docs.yaml", &["--delete-data", "labdocs/archive"]).ok();
    assert_eq!(world.arm("GET", &format!("{archive}?api-version=2025-08-01"), None).status, 404);
}

#[test]
fn single_commands_make_show_and_delete_accounts_and_containers() {
    let world = World::served();
    let before = world.export();
    world.podid(&["storage", "create", "labdocs", "-g", "podid-lab", "--yes"]).ok();
    world.podid(&["storage", "create", "-n", "labdocs", "-g", "podid-lab", "--yes"]).ok().says("nothing to do");
    world.podid(&["storage", "container", "create", "incoming", "--account", "labdocs", "--yes"]).ok();
    world.podid(&["storage", "container", "create", "archive", "--account", "labdocs", "--yes"]).ok();
    let account = world.podid(&["storage", "show", "labdocs", "-o", "json"]).ok().json();
    assert_eq!((&account["shared_key_access"], &account["sku"]), (&json!(false), &json!("Standard_LRS")));
    assert_eq!(account["blob_endpoint"], "https://labdocs.blob.core.windows.net/");
    world.podid(&["storage", "list"]).ok().says("labdocs");
    let containers = world.podid(&["storage", "container", "list", "--account", "labdocs", "-o", "json"]).ok().json();
    let names: Vec<&str> = containers["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["archive", "incoming"]);
    // the command names the container, so it needs no second consent
    world.podid(&["storage", "container", "delete", "archive", "--account", "labdocs", "--yes"]).ok();
    world.podid(&["storage", "delete", "labdocs", "--yes"]).exits(4).says("--delete-data labdocs");
    world.podid(&["storage", "delete", "labdocs", "--delete-data", "labdocs", "--yes"]).ok();
    same("after `storage delete`", &before, &world.export());
    assert!(!world.podid(&["state", "list"]).ok().stdout.contains("container/"));
    world.podid(&["storage", "show", "labdocs", "-g", "podid-lab"]).exits(4).says("`podid storage list`");
}

#[test]
fn a_role_at_a_container_is_assigned_by_its_short_scope() {
    let world = World::served();
    world.podid(&["storage", "create", "labdocs", "-g", "podid-lab", "--yes"]).ok();
    world.podid(&["storage", "container", "create", "incoming", "--account", "labdocs", "--yes"]).ok();
    world.podid(&["identity", "create", "-n", "one", "-g", "podid-lab", "--yes"]).ok();
    let words = ["role", "assign", "Storage Blob Data Reader", "--to", "one", "--scope", "storage/labdocs/incoming", "--yes"];
    world.podid(&words).ok();
    assert_eq!(roles(&world, &container_id(&world, "labdocs", "incoming")).len(), 1);
    world.podid(&["role", "list", "--scope", "storage/labdocs/incoming"]).ok().says("Storage Blob Data Reader");
    let output = world.podid(&["role", "assign", "Contributor", "--to", "one", "--scope", "storage/labdocs", "--dry-run"]).ok();
    assert!(output.stdout.contains(NOTE), "{}", output.stdout);
    let missing = ["role", "assign", "Reader", "--to", "one", "--scope", "storage/labdocs/nothing", "--yes"];
    world.podid(&missing).exits(4).says("podid storage container create nothing --account labdocs");
}

#[test]
fn a_taken_name_is_told_before_anything_is_made() {
    let world = World::served();
    let other = format!("/subscriptions/{}/resourceGroups/other", world.subscription());
    world.arm("PUT", &format!("{other}?api-version=2021-04-01"), Some(json!({ "location": "westeurope" }))).ok();
    foreign(&world, &format!("{other}/providers/Microsoft.Storage/storageAccounts/labdocs"));
    let mark = world.mark();
    let output = world.podid(&["storage", "create", "labdocs", "-g", "podid-lab", "--yes"]).exits(4);
    assert!(output.stderr.contains("labdocs is taken") && output.stderr.contains("Choose another name"), "{}", output.stderr);
    let writes: Vec<String> = world.writes_since(mark).into_iter().filter(|line| !line.contains("checkNameAvailability")).collect();
    assert_eq!(writes, Vec::<String>::new());
}

#[test]
fn an_account_of_somebody_else_is_changed_only_with_consent() {
    let world = World::served();
    let id = account_id(&world, "labdocs");
    foreign(&world, &id);
    let create = ["storage", "create", "labdocs", "-g", "podid-lab", "--yes"];
    let refused = world.podid(&create).exits(4);
    assert!(refused.stderr.contains("differs in allowSharedKeyAccess, minimumTlsVersion"), "{}", refused.stderr);
    assert_eq!(shown(&world, &id)["properties"]["allowSharedKeyAccess"], true);
    world.podid(&[&create[..], &["--adopt"]].concat()).ok();
    let account = shown(&world, &id);
    assert_eq!((&account["properties"]["allowSharedKeyAccess"], &account["tags"]), (&json!(false), &json!({})));
    // what was adopted is not deleted
    world.podid(&["storage", "delete", "labdocs", "--delete-data", "labdocs", "--yes"]).exits(4);
    shown(&world, &id);
}

#[test]
fn a_lost_state_is_rebuilt_with_accounts_containers_and_roles() {
    let world = World::served();
    world.write("docs.yaml", SPEC);
    world.up("docs.yaml", &[]).ok();
    let keys = |world: &World| -> Vec<String> {
        let listed = world.podid(&["state", "list", "-o", "json"]).ok().stdout;
        let mut keys: Vec<String> =
            listed.split('"').filter(|word| word.contains("labdocs") && word.contains('/')).map(str::to_owned).collect();
        keys.retain(|key| !key.starts_with('/') && !key.starts_with("https"));
        keys.sort();
        keys.dedup();
        keys
    };
    let known = keys(&world);
    assert!(known.iter().any(|key| key == "container/labdocs/archive"), "{known:?}");
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok();
    assert_eq!(keys(&world), known);
    world.up("docs.yaml", &[]).ok().says("nothing to do");
}
