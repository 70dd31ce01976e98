//! Objects that `kubectl apply` created on the client side: podid takes over their fields once, so that unwanted ones are removed; fields of
//! other managers stay until the user decides otherwise.

use crate::common::{
    Output, World,
    both::Side,
    log::Line,
    log::Mark,
    same,
    specs::{CLASSES, IDENTITIES, LAB_000, LAB_004, NAMESPACES, vault_of},
};
use serde_json::{Value, json};

both! {
    objects_applied_by_kubectl_are_adopted_with_one_write,
    an_object_in_the_old_casing_is_repaired,
    podids_own_objects_are_adopted_without_consent,
    fields_created_or_edited_by_hand_keep_their_manager,
    foreign_labels_of_a_namespace_stay,
    a_field_of_another_manager_is_refused_by_every_command_unless_forced,
    a_field_with_the_same_value_is_shared,
}

const CONTEXT: &str = "aks-mi";
const CSA: &str = "kubectl-client-side-apply";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn identities() -> String {
    format!("{IDENTITIES}/default/azureidentities")
}

fn identity() -> String {
    format!("{}/aks-kv-identity", identities())
}

fn class() -> String {
    format!("{CLASSES}/default/secretproviderclasses/spc-myk8skv")
}

/// Creates an object as kubectl does: with its field manager, and the configuration in an annotation.
fn made(world: &World, manager: &str, list: &str, mut object: Value) -> Value {
    object["metadata"]["namespace"] = json!("default");
    let applied = object.to_string();
    if manager == CSA {
        object["metadata"]["annotations"][LAST_APPLIED] = json!(applied);
    }
    world.kube("POST", CONTEXT, &format!("{list}?fieldManager={manager}"), Some(object)).ok()
}

fn get(world: &World, path: &str) -> Value {
    world.kube("GET", CONTEXT, path, None).ok()
}

fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let mut all: Vec<String> =
        entries.iter().map(|e| format!("{} {}", e["manager"].as_str().unwrap(), e["operation"].as_str().unwrap())).collect();
    all.sort();
    all
}

/// Creates the managed identity of lab 004, and returns its ids.
fn with_identity(world: &World) -> (String, String) {
    world.podid(&["identity", "create", "--app", "lab-004", "-g", "podid-lab", "-n", "aks2kvIdentity", "--yes"]).ok();
    let of = |field: &str| {
        let words = ["output", "identity/aks2kvIdentity", field, "--app", "lab-004"];
        world.podid(&words).ok().stdout.trim().to_owned()
    };
    (of("id"), of("client_id"))
}

fn azure_identity(spec: Value) -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": { "name": "aks-kv-identity", "annotations": { "team": "claims" } }, "spec": spec,
    })
}

/// Creates lab 004's own objects as the lab does, with fields that podid would leave out.
fn as_the_lab_does(world: &World, manager: &str) {
    let (id, client_id) = with_identity(world);
    made(world, manager, &identities(), azure_identity(json!({ "type": 0, "resourceID": id, "clientID": client_id })));
    let binding = json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding",
        "metadata": { "name": "azure-pod-identity-binding" },
        "spec": { "azureIdentity": "aks-kv-identity", "selector": "azure-pod-identity-binding-selector" },
    });
    made(world, manager, &format!("{IDENTITIES}/default/azureidentitybindings"), binding);
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": { "name": "spc-myk8skv" },
        "spec": { "provider": "azure", "parameters": { "usePodIdentity": "true", "keyvaultName": "myk8skv", "resourceGroup": "podid-lab" } },
    });
    made(world, manager, &format!("{CLASSES}/default/secretproviderclasses"), class);
}

fn patches(world: &World, mark: Mark, of: &str) -> Vec<String> {
    let lines = world.since(mark);
    lines.iter().filter(|l| l.is_write() && l.path.contains(of)).map(Line::short).collect()
}

fn objects_applied_by_kubectl_are_adopted_with_one_write(side: Side) {
    let world = World::on(side, CONTEXT);
    as_the_lab_does(&world, CSA);
    let uids = || [identity(), class()].map(|path| get(&world, &path)["metadata"]["uid"].clone());
    let before = uids();
    world.up(LAB_004, &[]).exits(4).says("--adopt");
    let plan = world.podid(&["plan", "-f", LAB_004, "--adopt"]).ok().stdout;
    assert!(plan.contains("taken over by --adopt; takes over the fields of kubectl-client-side-apply"), "{plan}");
    assert!(plan.contains("metadata.annotations.team: claims -> (none)"), "{plan}");
    let mark = world.mark();
    world.up(LAB_004, &["--adopt", "--verify"]).ok().says("proved ");
    assert_eq!(patches(&world, mark, "/azureidentities/"), vec!["PATCH azureidentities/aks-kv-identity"; 2]);
    assert_eq!(patches(&world, mark, "/secretproviderclasses/"), vec!["PATCH secretproviderclasses/spc-myk8skv"; 2]);
    assert_eq!(uids(), before, "nothing was replaced");
    let (identity, class) = (get(&world, &identity()), get(&world, &class()));
    for object in [&identity, &class] {
        assert_eq!(managers(object), ["podid Apply"]);
        assert_eq!(object["metadata"]["annotations"].get(LAST_APPLIED), None);
    }
    assert_eq!(identity["metadata"]["annotations"], json!({ "aadpodidentity.k8s.io/Behavior": "namespaced" }));
    assert_eq!(class["spec"]["parameters"].get("resourceGroup"), None, "what the spec does not have is gone");
    let (export, mark) = (world.export(), world.mark());
    for more in [&["--adopt"][..], &[]] {
        world.up(LAB_004, more).ok().says("nothing to do");
    }
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    same("after further runs", &export, &world.export());
    // An adopted object was not created by podid, so it stays.
    world.down(LAB_004, &["--delete-data", vault_of(LAB_004)]).ok().says("not podid's to delete");
}

fn an_object_in_the_old_casing_is_repaired(side: Side) {
    let world = World::on(side, CONTEXT);
    let (id, client_id) = with_identity(&world);
    let object = made(&world, CSA, &identities(), azure_identity(json!({ "type": 0, "ResourceID": id, "ClientID": client_id })));
    assert_eq!(object["spec"], json!({ "type": 0 }), "what the CRD does not know was pruned");
    world.up(LAB_004, &[]).exits(4);
    world.up(LAB_004, &["--adopt", "--verify"]).ok().says("proved ");
    let object = get(&world, &identity());
    assert_eq!(object["spec"], json!({ "type": 0, "resourceID": id, "clientID": client_id }));
    assert_eq!(managers(&object), ["podid Apply"]);
    world.plan(LAB_004).ok();
}

fn podids_own_objects_are_adopted_without_consent(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let mut applied = get(&world, &class());
    applied["metadata"] = json!({ "annotations": { "team": "claims", LAST_APPLIED: "{}" } });
    world.kube("PATCH", CONTEXT, &format!("{}?fieldManager={CSA}", class()), Some(applied)).ok();
    assert_eq!(managers(&get(&world, &class())), ["kubectl-client-side-apply Update", "podid Apply"]);
    let mark = world.mark();
    world.up(LAB_004, &[]).ok();
    assert_eq!(world.writes_since(mark), vec!["PATCH secretproviderclasses/spc-myk8skv"; 2]);
    let object = get(&world, &class());
    assert_eq!(managers(&object), ["podid Apply"]);
    assert_eq!(object["metadata"].get("annotations"), None);
    let mark = world.mark();
    world.up(LAB_004, &[]).ok();
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[test]
fn a_concurrent_write_is_not_overwritten() {
    let world = World::served();
    as_the_lab_does(&world, CSA);
    let conflict = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict", "code": 409,
        "message": "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
    });
    // Of the three PATCH requests the first is the dry run.
    world.settings(&json!({ "fail": [{ "method": "PATCH", "path": "/azureidentities/aks-kv-identity?fieldManager=podid", "status": 409, "body": conflict, "skip": 1, "times": 2 }] }));
    world.up(LAB_004, &["--adopt"]).ok();
    assert_eq!(managers(&get(&world, &identity())), ["podid Apply"]);
    world.plan(LAB_004).ok();
}

fn fields_created_or_edited_by_hand_keep_their_manager(side: Side) {
    for manager in ["kubectl-create", "kubectl-edit", "helm"] {
        let world = World::on(side, CONTEXT);
        as_the_lab_does(&world, manager);
        world.up(LAB_004, &["--adopt"]).ok();
        let object = get(&world, &identity());
        assert_eq!(object["metadata"]["annotations"]["team"], "claims", "{manager}");
        assert_eq!(managers(&object), [format!("{manager} Update"), "podid Apply".to_owned()]);
        world.plan(LAB_004).ok();
    }
}

fn foreign_labels_of_a_namespace_stay(side: Side) {
    let world = World::on(side, "aks-sp");
    let mut namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "dev-claims-podid", "labels": { "team": "claims" } },
    });
    namespace["metadata"]["annotations"][LAST_APPLIED] = json!(namespace.to_string());
    world.kube("POST", "aks-sp", &format!("{NAMESPACES}?fieldManager={CSA}"), Some(namespace)).ok();
    let path = format!("{NAMESPACES}/dev-claims-podid");
    let before = world.kube("GET", "aks-sp", &path, None).ok();
    world.up(LAB_000, &["--adopt"]).ok();
    assert_eq!(world.kube("GET", "aks-sp", &path, None).ok(), before);
}

/// Runs one command in a world whose object has a field set by helm.
fn refused(world: &World, words: &[&str], path: &str) -> Output {
    let mark = world.mark();
    let output = world.podid(words).exits(4).says(path).says("helm").says("--force-conflicts");
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    output
}

fn a_field_of_another_manager_is_refused_by_every_command_unless_forced(side: Side) {
    let world = World::on(side, CONTEXT);
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "shop-mid", "--yes"]).ok();
    world.podid(&["vault", "create", "-g", "podid-lab", "-n", "kv-takeover", "--yes"]).ok();
    let bind = ["bind", "-n", "shop", "--identity", "shop-mid", "-g", "podid-lab", "--context", CONTEXT, "--yes"];
    let mount =
        ["mount", "apply", "-n", "shop", "--name", "shop", "--vault", "kv-takeover", "--secret", "conn", "--context", CONTEXT, "--yes"];
    world.podid(&bind).ok();
    world.podid(&mount).ok();
    let set = |path: &str, change: Value| {
        world.kube("PATCH", CONTEXT, &format!("{path}?fieldManager=helm"), Some(change)).ok();
    };
    set(&format!("{NAMESPACES}/shop"), json!({ "metadata": { "labels": { "managed-by": "helm" } } }));
    refused(&world, &bind, ".metadata.labels.managed-by");
    world.podid(&[&bind[..], &["--force-conflicts"]].concat()).ok();
    set(&format!("{IDENTITIES}/shop/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "selector": "theirs" } }));
    refused(&world, &bind, ".spec.selector");
    world.podid(&[&bind[..], &["--force-conflicts"]].concat()).ok();
    set(&format!("{CLASSES}/shop/secretproviderclasses/shop"), json!({ "spec": { "parameters": { "keyvaultName": "theirs" } } }));
    refused(&world, &mount, ".spec.parameters.keyvaultName");
    world.podid(&[&mount[..], &["--force-conflicts"]].concat()).ok();
    for words in [&bind[..], &mount] {
        world.podid(words).ok().says("nothing to do");
    }
}

fn a_field_with_the_same_value_is_shared(side: Side) {
    let world = World::on(side, CONTEXT);
    world.up(LAB_004, &[]).ok();
    let path = format!("{}?fieldManager=helm&force=true", class());
    let mut applied = get(&world, &class());
    applied["metadata"] = json!({ "name": "spc-myk8skv" });
    world.apply(CONTEXT, &path, &applied).ok();
    assert_eq!(managers(&get(&world, &class())), ["helm Apply", "podid Apply"]);
    world.up(LAB_004, &[]).ok().says("nothing to do");
}
