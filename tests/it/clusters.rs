//! Clusters and resource groups that podid creates, and the credentials of clusters.

use crate::common::{World, until};
use serde_json::{Value, json};

const VERSION: &str = "api-version=2026-07-01";
const CLUSTER: &str = "aks-new";

/// A whole lab in a group that does not exist yet.
const FROM_NOTHING: &str = "\
apiVersion: podid/v1
kind: App
metadata:
  name: fresh
resourceGroup: fresh-lab
location: eastus
resourceGroups:
  - name: fresh-lab
cluster:
  name: aks-new
  create:
    nodeCount: 1
    networkPolicy: calico
    oidcIssuer: true
  components: [pod-identity, csi]
vault:
  name: kv-fresh-lab
  secrets:
    - name: password
      value: { generate: 20 }
workloads:
  - name: web
    namespace: web
    identity:
      name: fresh-identity
    secrets:
      - name: password
";

fn arm_id(world: &World, group: &str, name: &str) -> String {
    format!("/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}", world.subscription())
}

fn document(world: &World, group: &str, name: &str) -> Value {
    world.arm("GET", &format!("{}?{VERSION}", arm_id(world, group, name)), None).ok()
}

/// How often a cluster was put.
fn puts(world: &World) -> usize {
    let is_put = |path: &str| path.split('?').next().unwrap().contains("/managedClusters/");
    world.requests().iter().filter(|line| line.method == "PUT" && is_put(&line.path)).count()
}

fn group_status(world: &World, name: &str) -> u16 {
    world.arm("GET", &format!("/subscriptions/{}/resourceGroups/{name}?api-version=2021-04-01", world.subscription()), None).status
}

#[test]
fn a_group_a_cluster_and_an_app_come_from_nothing_in_one_run_and_go_again() {
    let world = World::served();
    world.write("fresh.yaml", FROM_NOTHING);
    let planned = world.podid(&["plan", "-f", "fresh.yaml"]).ok();
    assert!(planned.stdout.contains("cluster/aks-new") && planned.stdout.contains("(after cluster/aks-new)"), "{}", planned.stdout);
    world.up("fresh.yaml", &["--verify"]).ok();
    assert_eq!(puts(&world), 1, "one creation, and no change after it");
    let made = document(&world, "fresh-lab", CLUSTER);
    let properties = &made["properties"];
    assert_eq!(properties["agentPoolProfiles"][0]["type"], "VirtualMachineScaleSets");
    assert_eq!(
        (&properties["networkProfile"]["networkPluginMode"], &properties["networkProfile"]["networkPolicy"]),
        (&json!("overlay"), &json!("calico"))
    );
    assert_eq!((&made["tags"]["managed-by"], &made["tags"]["podid-app"]), (&json!("podid"), &json!("fresh")));
    world.up("fresh.yaml", &[]).ok().says("nothing to do");
    world.down("fresh.yaml", &["--delete-data", "kv-fresh-lab"]).ok();
    assert_eq!(group_status(&world, "fresh-lab"), 404);
}

#[test]
fn a_new_cluster_is_reached_with_the_credential_that_azure_returns() {
    let world = World::served().without_the_flag();
    world.write("empty.kubeconfig", "apiVersion: v1\nkind: Config\n");
    world.write("fresh.yaml", FROM_NOTHING);
    world.up("fresh.yaml", &["--kubeconfig", "empty.kubeconfig", "--verify"]).ok();
    let asked = world.requests().iter().filter(|line| line.path.to_ascii_lowercase().contains("/listclusterusercredential")).count();
    assert!(asked > 0, "the credential was requested");
    let state = world.read("podid.state.json");
    assert!(!state.contains("certificate-authority-data") && !state.contains("\"token\""), "no credential is in the state");
}

#[test]
fn a_lost_state_is_rebuilt_with_the_group_and_the_cluster_and_neither_with_those_of_others() {
    let world = World::served();
    world.podid(&["group", "create", "-n", "fresh-lab", "-l", "eastus", "--yes"]).ok();
    world.podid(&["cluster", "create", "-g", "fresh-lab", "-n", CLUSTER, "--node-count", "1", "--yes"]).ok();
    std::fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok();
    let listed = world.podid(&["state", "list", "-o", "json"]).ok().stdout;
    assert!(listed.contains("\"group/fresh-lab\"") && listed.contains("\"cluster/aks-new\""), "{listed}");
    // AKS gives a node resource group the tags of its cluster
    assert!(!listed.contains("group/podid-lab") && !listed.to_ascii_lowercase().contains("\"group/mc_"), "{listed}");
    world.podid(&["cluster", "delete", "-g", "fresh-lab", "-n", CLUSTER, "--yes"]).ok();
    world.podid(&["group", "delete", "-n", "fresh-lab", "--yes"]).ok();
    assert_eq!(group_status(&world, "fresh-lab"), 404);
}

#[test]
fn a_creation_that_was_killed_is_picked_up_by_the_next_run() {
    let mut world = World::new();
    world.serve_with(&["--lateness", "quick"]);
    let create = ["cluster", "create", "-g", "podid-lab", "-n", CLUSTER, "--node-count", "1", "--yes", "--lateness", "quick"];
    let run = world.start(&create);
    until("the cluster is being created", || (puts(&world) == 1).then_some(()));
    run.kill();
    world.podid(&create).ok();
    assert_eq!(puts(&world), 1, "the operation of the killed run was awaited, and no other one was started");
    assert_eq!(document(&world, "podid-lab", CLUSTER)["properties"]["provisioningState"], "Succeeded");
    world.podid(&create).ok().says("nothing to do");
    world.podid(&["cluster", "delete", "-g", "podid-lab", "-n", CLUSTER, "--yes", "--lateness", "quick"]).ok();
    assert_eq!(world.arm("GET", &format!("{}?{VERSION}", arm_id(&world, "podid-lab", CLUSTER)), None).status, 404);
}

#[test]
fn a_cluster_with_things_of_others_and_one_of_others_stay() {
    let world = World::served();
    world.podid(&["cluster", "create", "-g", "podid-lab", "-n", CLUSTER, "--yes"]).ok();
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "theirs" }, "data": { "a": "b" } });
    world.kube("POST", CLUSTER, "/api/v1/namespaces/default/configmaps", Some(foreign)).ok();
    let kept = world.podid(&["cluster", "delete", "-g", "podid-lab", "-n", CLUSTER, "--yes"]).exits(4);
    assert!(kept.stderr.contains("configmap/theirs in namespace default"), "{}", kept.stderr);
    document(&world, "podid-lab", CLUSTER);
    world.podid(&["cluster", "create", "-g", "podid-lab", "-n", "aks-mi", "--yes"]).ok();
    world.podid(&["cluster", "delete", "-g", "podid-lab", "-n", "aks-mi", "--yes"]);
    document(&world, "podid-lab", "aks-mi");
}

#[test]
fn a_cluster_may_use_a_service_principal_and_pull_from_a_registry() {
    let world = World::served();
    let client = document(&world, "podid-lab", "aks-sp")["properties"]["servicePrincipalProfile"]["clientId"].as_str().unwrap().to_owned();
    world.write("secret.txt", "not-a-real-one");
    let words = [
        "cluster",
        "create",
        "-g",
        "podid-lab",
        "-n",
        CLUSTER,
        "--client-id",
        &client,
        "--secret-file",
        "secret.txt",
        "--attach-registry",
        "podidlab",
        "--network-plugin",
        "kubenet",
        "--yes",
    ];
    let registry = format!("{}/providers/Microsoft.ContainerRegistry/registries/podidlab", world.group_id());
    let register = "providers/Microsoft.ContainerRegistry/register?api-version=2021-04-01";
    world.arm("POST", &format!("/subscriptions/{}/{register}", world.subscription()), None).ok();
    let sku = json!({ "location": "eastus", "sku": { "name": "Basic" }, "properties": {} });
    world.arm("PUT", &format!("{registry}?api-version=2023-07-01"), Some(sku)).ok();
    world.podid(&words).ok();
    let properties = document(&world, "podid-lab", CLUSTER)["properties"].clone();
    assert_eq!(
        (&properties["servicePrincipalProfile"]["clientId"], &properties["networkProfile"]["networkPlugin"]),
        (&json!(client), &json!("kubenet"))
    );
    assert_eq!(world.assignments(&registry).len(), 1);
    assert!(!world.read(".podid/state.json").contains("not-a-real-one"));
    let shown = world.podid(&["cluster", "show", "-g", "podid-lab", "-n", CLUSTER, "-o", "json"]).ok().json();
    let signs: Vec<&str> = shown["obstacles"].as_array().unwrap().iter().map(|one| one["sign"].as_str().unwrap()).collect();
    assert_eq!(signs, ["service-principal", "kubenet", "version"]);
    world.podid(&["cluster", "delete", "-g", "podid-lab", "-n", CLUSTER, "--yes"]).ok();
    assert_eq!(world.assignments(&registry).len(), 0, "its right to pull goes with it");
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_asked() {
    let world = World::new();
    let create = |more: &[&'static str]| -> Vec<&'static str> { [&["cluster", "create", "-g", "podid-lab", "-n", CLUSTER], more].concat() };
    world.podid(&create(&["--network-plugin", "kubenet", "--network-policy", "azure"])).exits(2);
    world.podid(&create(&["--client-id", "00000000-0000-0000-0000-000000000000"])).exits(2);
    world.podid(&create(&["--node-count", "0"])).exits(2);
    let wrong = world.podid(&create(&["--network-plugin", "flannel"])).exits(2);
    assert!(wrong.stderr.contains("overlay") && wrong.stderr.contains("kubenet"), "{}", wrong.stderr);
    world.write("bad.yaml", &FROM_NOTHING.replace("oidcIssuer: true", "oidcIssuer: false\n    workloadIdentity: true"));
    let wrong = world.podid(&["plan", "-f", "bad.yaml"]).exits(2);
    assert!(wrong.stderr.contains("workload identity needs the OIDC issuer"), "{}", wrong.stderr);
}

#[test]
fn a_resource_group_is_created_shown_and_deleted_when_it_is_empty() {
    let world = World::served();
    world.podid(&["group", "create", "-n", "new-group", "-l", "eastus", "--yes"]).ok();
    world.podid(&["group", "create", "-n", "new-group", "-l", "eastus", "--yes"]).ok().says("nothing to do");
    let path = format!(
        "/subscriptions/{}/resourceGroups/new-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/theirs?api-version=2023-01-31",
        world.subscription()
    );
    world.arm("PUT", &path, Some(json!({ "location": "eastus" }))).ok();
    let shown = world.podid(&["group", "show", "-n", "new-group", "-o", "json"]).ok().json();
    assert_eq!((&shown["owner"], &shown["resources"][0]["name"]), (&json!("podid app default"), &json!("theirs")));
    let kept = world.podid(&["group", "delete", "-n", "new-group", "--yes"]).exits(4);
    assert!(kept.stderr.contains("theirs") && kept.stderr.contains("is not podid's"), "{}", kept.stderr);
    world.arm("DELETE", &path, None);
    world.podid(&["group", "delete", "-n", "new-group", "--yes"]).ok();
    assert_eq!(group_status(&world, "new-group"), 404);
    world.podid(&["group", "delete", "-n", "podid-lab", "--yes"]);
    assert_eq!(group_status(&world, "podid-lab"), 200, "it was there before podid");
}

#[test]
fn a_group_stays_while_a_vault_in_it_keeps_its_data() {
    let world = World::served();
    let spec = "apiVersion: podid/v1\nkind: App\nmetadata: { name: data }\nresourceGroup: data-lab\nlocation: eastus\n\
        resourceGroups: [{ name: data-lab }]\nvault: { name: kv-data-lab, secrets: [{ name: a, value: { generate: 20 } }] }\n";
    world.write("data.yaml", spec);
    world.up("data.yaml", &[]).ok();
    let down = world.down("data.yaml", &[]).ok();
    assert!(down.stdout.contains("stays in it") || down.stderr.contains("stays in it"), "{}\n{}", down.stdout, down.stderr);
    assert_eq!(group_status(&world, "data-lab"), 200);
    world.down("data.yaml", &["--delete-data", "kv-data-lab"]).ok();
    assert_eq!(group_status(&world, "data-lab"), 404);
}

#[test]
fn credentials_are_merged_into_a_kubeconfig_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::served();
    let get = |more: &[&'static str]| -> Vec<&'static str> {
        [&["cluster", "credentials", "-g", "podid-lab", "-n", "aks-mi", "--file", "config"], more].concat()
    };
    let other = "apiVersion: v1\nkind: Config\ncurrent-context: theirs\ncontexts:\n- name: theirs\n  context: {cluster: theirs, user: theirs, namespace: n}\n";
    world.write("config", other);
    world.podid(&get(&[])).ok().says("Merged \"aks-mi\" as current context");
    let mode = std::fs::metadata(world.path("config")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = world.read("config");
    assert!(text.contains("theirs") && text.contains("clusterUser_podid-lab_aks-mi"), "{text}");
    world.podid(&get(&[])).ok();
    world.write("config", &text.replace("server: ", "server: https://elsewhere:443 # "));
    let refused = world.podid(&get(&[])).exits(4);
    assert!(refused.stderr.contains("cluster aks-mi") && refused.stderr.contains("--overwrite"), "{}", refused.stderr);
    world.podid(&get(&["--overwrite"])).ok();
    world.podid(&get(&["--admin", "--context", "boss"])).ok().says("\"boss\"");
    assert!(world.read("config").contains("clusterAdmin_podid-lab_aks-mi"));
}
