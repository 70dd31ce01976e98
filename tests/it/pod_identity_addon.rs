//! The identity mode `pod-identity-addon`: by a spec and by commands, again and back, retargeted, killed, and refused where it cannot work.

use crate::{
    common::{World, both::Side, same},
    faults::{at_every_request, killed_at},
};
use serde_json::{Value, json};

const SPEC: &str = "addon.yaml";
const NAMESPACE: &str = "identity-demo";
const VERSION: &str = "api-version=2025-08-01";

fn write_spec(world: &World, cluster: &str, more: &str) {
    world.write("conn.txt", "a connection string");
    let text = format!(
        "apiVersion: podid/v1
kind: App
metadata:
  name: addon
resourceGroup: podid-lab
cluster:
  name: {cluster}
vault:
  name: kv-addon-demo
  model: rbac
  secrets:
    - name: conn
      value:
        file: conn.txt
workloads:
  - name: web
    namespace: {NAMESPACE}
    mode: pod-identity-addon
    identity:
      name: demo-identity
    names:
      azureIdentity: demo
    secrets:
      - name: conn
{more}"
    );
    world.write(SPEC, &text);
}

fn with_spec(world: World) -> World {
    write_spec(&world, "aks-mi", "");
    world
}

fn served() -> World {
    with_spec(World::served())
}

fn cluster_path(world: &World, name: &str) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}?{VERSION}", world.group_id())
}

fn cluster(world: &World) -> Value {
    world.arm("GET", &cluster_path(world, "aks-mi"), None).ok()
}

fn entries(world: &World) -> Vec<(String, String)> {
    let cluster = cluster(world);
    let all = cluster["properties"]["podIdentityProfile"]["userAssignedIdentities"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter().map(|e| (text(&e["name"]), text(&e["identity"]["resourceId"]).rsplit('/').next().unwrap().to_owned())).collect()
}

/// Returns the world without what stays: the preview feature, and the word that the add-on was on once.
fn settled(export: &str) -> String {
    let mut world: Value = serde_json::from_str(export).unwrap();
    let resources = world["resources"].as_object_mut().unwrap();
    resources.retain(|id, _| !id.contains("/features/EnablePodIdentityPreview"));
    for resource in resources.values_mut().filter(|resource| resource["properties"]["podIdentityProfile"] == json!({})) {
        resource["properties"].as_object_mut().unwrap().shift_remove("podIdentityProfile");
    }
    format!("{world:#}\n")
}

/// Adds an entry as `az aks pod-identity add` does, for an identity that the control plane may assign.
fn add_by_hand(world: &World, name: &str) -> Value {
    let id = world.identity_id(name);
    let identity = world.arm("PUT", &format!("{id}?api-version=2023-01-31"), Some(json!({"location": "westeurope"}))).ok();
    let mut cluster = cluster(world);
    let principal = cluster["identity"]["principalId"].clone();
    let role = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/f1a07417-d97a-45cb-824c-7a7467783830",
        world.subscription()
    );
    let assignment =
        format!("{id}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000c0de?api-version=2022-04-01");
    let body = json!({"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}});
    world.arm("PUT", &assignment, Some(body)).ok();
    let entry = json!({"name": name, "namespace": "other", "identity": {"resourceId": identity["id"],
        "clientId": identity["properties"]["clientId"], "objectId": identity["properties"]["principalId"]}});
    let list = &mut cluster["properties"]["podIdentityProfile"]["userAssignedIdentities"];
    match list.as_array_mut() {
        Some(list) => list.push(entry),
        None => *list = json!([entry]),
    }
    world.arm("PUT", &cluster_path(world, "aks-mi"), Some(cluster)).ok()
}

fn is_proved_and_undone(side: Side) {
    let world = with_spec(World::on(side, "aks-mi"));
    let before = world.export();
    let up = world.up(SPEC, &["--verify"]).ok().says("left support in September 2025").says("feature/aks-mi/pod-identity");
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    assert_eq!(entries(&world), [("demo".to_owned(), "demo-identity".to_owned())]);
    let (export, mark) = (world.export(), world.mark());
    let again = world.up(SPEC, &[]).ok();
    assert!(again.last_line().starts_with("nothing to do"), "{}", again.stdout);
    assert!(!again.stderr.contains("left support"), "a plan that changes nothing does not repeat it: {}", again.stderr);
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    same("after a second run", &export, &world.export());
    world.down(SPEC, &["--delete-data", "kv-addon-demo"]).ok().says("az feature unregister");
    assert_eq!(cluster(&world)["properties"]["podIdentityProfile"], json!({}));
    world.collected("aks-mi");
    same("after `down`", &settled(&before), &settled(&world.export()));
}

both! { a_spec_is_proved_repeated_and_undone, is_proved_and_undone }

#[test]
fn single_commands_do_the_same_as_the_spec() {
    let (whole, steps) = (served(), served());
    whole.up(SPEC, &["--verify"]).ok();
    for words in [
        "vault create -n kv-addon-demo --model rbac",
        "vault secret set conn --vault kv-addon-demo --file conn.txt",
        "identity create -n demo-identity",
        "vault grant --vault kv-addon-demo --to identity/demo-identity",
        "bind --mode pod-identity-addon --namespace identity-demo --identity demo-identity --name demo --context aks-mi",
        "mount apply --namespace identity-demo --name web --vault kv-addon-demo --secret conn",
    ] {
        let mut all: Vec<&str> = words.split(' ').collect();
        all.extend(["--app", "addon", "-g", "podid-lab", "--yes"]);
        steps.podid(&all).ok();
    }
    let proved = steps.podid(&["verify", "--app", "addon"]).ok();
    assert!(proved.last_line().starts_with("proved "), "{}", proved.stdout);
    same("by single commands instead of `up`", &whole.export(), &steps.export());
    let unbind = ["unbind", "--mode", "pod-identity-addon", "--namespace", NAMESPACE, "--identity", "demo-identity", "--name", "demo"];
    steps.podid(&[&unbind, ["--app", "addon", "--context", "aks-mi", "--yes"].as_slice()].concat()).ok();
    assert_eq!(cluster(&steps)["properties"]["podIdentityProfile"], json!({}));
    let operators = steps.assignments(&steps.identity_id("demo-identity"));
    assert!(operators.is_empty(), "the role of the control plane is left: {operators:?}");
}

#[test]
fn an_entry_that_leads_to_another_identity_is_deleted_and_added_again() {
    let world = served();
    world.up(SPEC, &[]).ok();
    let text = world.read(SPEC).replace("name: demo-identity", "name: other-identity");
    world.write(SPEC, &text);
    let mark = world.mark();
    let up = world.up(SPEC, &["--verify"]).ok().says("deleted and added again");
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    assert_eq!(entries(&world), [("demo".to_owned(), "other-identity".to_owned())]);
    let puts = world.writes_since(mark).into_iter().filter(|write| write == "PUT managedClusters/aks-mi").count();
    assert_eq!(puts, 2, "AKS refuses to retarget a name in one change");
    world.plan(SPEC).ok();
}

#[test]
fn an_entry_whose_identity_is_gone_is_named_before_anything_is_written() {
    let world = served();
    world.up(SPEC, &[]).ok();
    add_by_hand(&world, "lost");
    world.arm("DELETE", &format!("{}?api-version=2023-01-31", world.identity_id("lost")), None);
    let text = world.read(SPEC).replace("azureIdentity: demo", "azureIdentity: renamed");
    world.write(SPEC, &text);
    let mark = world.mark();
    let refused = world.up(SPEC, &[]).exits(4).says("other/lost").says("does not exist any more");
    assert!(refused.stderr.contains("az aks pod-identity delete -g podid-lab --cluster-name aks-mi --namespace other --name lost"));
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    // the same where the control plane lost its role on the identity
    let world = served();
    world.up(SPEC, &[]).ok();
    add_by_hand(&world, "lost");
    let assignment = world.assignments(&world.identity_id("lost"))[0]["id"].as_str().unwrap().to_owned();
    world.arm("DELETE", &format!("{assignment}?api-version=2022-04-01"), None).ok();
    world.write(SPEC, &text);
    world.up(SPEC, &[]).exits(4).says("other/lost").says("lacks Managed Identity Operator");
}

#[test]
fn entries_of_others_stay_and_keep_the_add_on() {
    let world = served();
    world.up(SPEC, &[]).ok();
    add_by_hand(&world, "foreign");
    world.up(SPEC, &[]).ok().says("nothing to do");
    world.down(SPEC, &["--delete-data", "kv-addon-demo"]).ok().says("pod identities of others need it: other/foreign");
    assert_eq!(entries(&world), [("foreign".to_owned(), "foreign".to_owned())]);
    assert_eq!(cluster(&world)["properties"]["podIdentityProfile"]["enabled"], true);
}

#[test]
fn a_cluster_on_which_the_add_on_cannot_work_is_refused() {
    let world = served();
    write_spec(&world, "aks-sp", "");
    let mark = world.mark();
    world.up(SPEC, &["--context", "aks-sp"]).exits(4).says("it has a service principal, and the add-on requires a managed identity");
    // kubenet takes a word of consent
    let mut body = cluster(&world);
    body["properties"]["networkProfile"] = json!({"networkPlugin": "kubenet"});
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.arm("PUT", &cluster_path(&world, "aks-mi"), Some(body)).ok();
    write_spec(&world, "aks-mi", "");
    world.up(SPEC, &[]).exits(4).says("it uses kubenet").says("--kubenet allow");
    write_spec(&world, "aks-mi", "    kubenet: allow\n");
    world.up(SPEC, &["--verify"]).ok();
    assert_eq!(cluster(&world)["properties"]["podIdentityProfile"]["allowNetworkPluginKubenet"], true);
}

#[test]
fn the_registration_of_the_preview_feature_is_awaited() {
    let mut world = World::new();
    world.env.retain(|(name, _)| name != "PODID_LATENESS");
    world.env.push(("PODID_LATENESS".into(), "quick".into()));
    world.serve();
    write_spec(&world, "aks-mi", "");
    let up = world.up(SPEC, &[]).ok();
    let text = "waiting until the preview feature Microsoft.ContainerService/EnablePodIdentityPreview is registered (Registering)";
    assert!(up.stderr.contains(text), "{}", up.stderr);
    let writes: Vec<String> = world.requests().iter().filter(|line| line.is_write()).map(|line| line.path.clone()).collect();
    let at = |what: &str| writes.iter().position(|write| write.contains(what)).unwrap_or_else(|| panic!("no {what} in {writes:?}"));
    let registered = at("/features/EnablePodIdentityPreview/register");
    let provider = at("/providers/Microsoft.ContainerService/register");
    assert!(registered < provider && provider < at("/managedClusters/aks-mi"), "{writes:?}");
}

/// The bind is killed at every request, before and after its effect; the next one finishes it.
#[test]
fn a_bind_survives_a_kill_at_every_request() {
    let bind = ["bind", "--mode", "pod-identity-addon", "-n", NAMESPACE, "--identity", "demo", "--context", "aks-mi", "--yes"];
    let create = ["identity", "create", "-n", "demo", "-g", "podid-lab", "--yes"];
    let exported = |world: &World| format!("{:#}\n", world.control("GET", "/export", None).ok());
    let unbroken = {
        let world = World::served();
        world.podid(&create).ok();
        world.podid(&bind).ok();
        exported(&world)
    };
    let kills = at_every_request(|slot, n, when| {
        let world = slot.get_or_insert_with(World::served);
        world.control("POST", "/reset", None).ok();
        world.podid(&create).ok();
        let held = killed_at(world, &bind, n, when);
        if held {
            let again = world.podid(&bind);
            assert_eq!(again.code, Some(0), "killed {when} request {n}\n{}{}", again.stdout, again.stderr);
            world.podid(&bind).ok().says("nothing to do");
            same(&format!("killed {when} request {n}"), &unbroken, &exported(world));
        }
        held
    });
    println!("bind: {kills} kills");
    assert!(kills >= 30, "{kills} kills only");
}

/// Seed 002 gives the identity Reader on the nodes' resource group.
#[test]
fn the_identity_may_have_roles_on_the_nodes() {
    let world = served();
    world.up(SPEC, &[]).ok();
    let role = ["role", "assign", "Reader", "--to", "identity/demo-identity", "--scope", "cluster/aks-mi/nodes"];
    world.podid(&[&role, ["--app", "addon", "-g", "podid-lab", "--yes"].as_slice()].concat()).ok();
    let group = cluster(&world)["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned();
    let all = world.assignments(&format!("/subscriptions/{}/resourceGroups/{group}", world.subscription()));
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn an_exception_is_one_of_the_add_on_where_the_cluster_runs_it() {
    let world = served();
    world.up(SPEC, &[]).ok();
    let exception = |words: &[&str]| {
        world.podid(
            &[&["exception"], words, &["-n", NAMESPACE, "--cluster", "aks-mi", "-g", "podid-lab", "--app", "addon", "--yes"]].concat(),
        )
    };
    let kept = || cluster(&world)["properties"]["podIdentityProfile"]["userAssignedIdentityExceptions"].clone();
    let made = format!("/apis/aadpodidentity.k8s.io/v1/namespaces/{NAMESPACE}/azurepodidentityexceptions/agents");
    exception(&["add", "agents", "--label", "app=agent"]).ok().says("addonexception/aks-mi/identity-demo/agents");
    assert_eq!(kept(), json!([{ "name": "agents", "namespace": NAMESPACE, "podLabels": { "app": "agent" } }]));
    assert_eq!(world.kube("GET", "aks-mi", &made, None).ok()["spec"]["podLabels"], json!({ "app": "agent" }));
    exception(&["add", "agents", "--label", "app=agent"]).ok().says("nothing to do");
    exception(&["add", "agents", "--label", "app=other"]).ok().says("1 updated");
    let listed = exception(&["list", "-o", "json"]).ok().json();
    let shown = listed["exceptions"].as_array().unwrap().iter().find(|one| one["name"] == "agents").unwrap();
    assert_eq!((&shown["podLabels"], &shown["owner"]), (&json!({ "app": "other" }), &json!("AKS (pod identity add-on)")));
    // the entries of identities are untouched, and the spec has nothing against it
    assert_eq!(entries(&world).len(), 1);
    world.plan(SPEC).ok();
    exception(&["remove", "agents"]).ok().says("1 deleted");
    assert_eq!(kept(), Value::Null);
    assert_eq!(world.kube("GET", "aks-mi", &made, None).status, 404);
    // one of somebody else keeps the add-on
    let mut by_hand = cluster(&world);
    by_hand["properties"]["podIdentityProfile"]["userAssignedIdentityExceptions"] =
        json!([{ "name": "agents", "namespace": "other", "podLabels": { "app": "x" } }]);
    world.arm("PUT", &cluster_path(&world, "aks-mi"), Some(by_hand)).ok();
    world.down(SPEC, &["--delete-data", "kv-addon-demo"]).ok().says("the exception other/agents");
    assert_eq!(kept()[0]["namespace"], "other");
}
