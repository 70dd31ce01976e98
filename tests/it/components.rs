//! Components of a cluster: installed on a bare world, adopted where they are, uninstalled, by command and by spec.

mod charts;
mod ingress;
mod logs;
mod pinned;

use crate::common::{World, same};
use serde_json::{Value, json};

const BARE: &[&str] = &["--bare"];

fn bare() -> World {
    let mut world = World::new();
    world.serve_with(BARE);
    world
}

/// Lab 004 with its components in the spec.
fn lab_004(world: &World) -> &'static str {
    let text = world.read("004.yaml");
    let cluster = "cluster:\n  name: aks-mi\n";
    assert!(text.contains(cluster));
    world.write("bare.yaml", &text.replace(cluster, &format!("{cluster}  components:\n    - pod-identity\n    - csi\n")));
    "bare.yaml"
}

fn components(world: &World, cluster: &str) -> Vec<Value> {
    let found = world.podid(&["cluster", "components", "--cluster", cluster, "-g", "podid-lab", "-o", "json"]).ok().json();
    found["components"].as_array().unwrap().clone()
}

fn install(world: &World, more: &[&str]) -> crate::common::Output {
    world.podid(&[&["cluster", "install"], more, &["--cluster", "aks-mi", "-g", "podid-lab", "--yes"]].concat())
}

fn uninstall(world: &World, component: &str) -> crate::common::Output {
    world.podid(&["cluster", "uninstall", component, "--cluster", "aks-mi", "-g", "podid-lab", "--yes", "--timeout", "20s"])
}

#[test]
fn pod_identity_is_installed_in_a_namespace_of_its_own_and_uninstalled_without_a_trace() {
    let world = bare();
    let before = world.export();
    assert_eq!(components(&world, "aks-mi"), Vec::<Value>::new());
    install(&world, &["pod-identity"]).ok().says("is retired");
    let found = components(&world, "aks-mi");
    let shown: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|one| (one["program"].as_str().unwrap(), one["namespace"].as_str().unwrap(), one["version"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, [("nmi", "aad-pod-identity", "v1.8.17"), ("mic", "aad-pod-identity", "v1.8.17")]);
    assert!(found.iter().all(|one| one["ready"] == one["wanted"] && one["installedBy"] == "podid (app default)"), "{found:?}");

    let arguments = |kind: &str, name: &str| {
        let path = format!("/apis/apps/v1/namespaces/aad-pod-identity/{kind}/{name}");
        let object = world.kube("GET", "aks-mi", &path, None).ok();
        object.pointer("/spec/template/spec/containers/0/args").unwrap().to_string()
    };
    let (mic, nmi) = (arguments("deployments", "mic"), arguments("daemonsets", "nmi"));
    assert!(mic.contains("--forceNamespaced=true") && mic.contains("--leader-election-namespace=aad-pod-identity"), "{mic}");
    assert!(nmi.contains("--forceNamespaced=true") && nmi.contains("--MICNamespace=aad-pod-identity"), "{nmi}");

    install(&world, &["pod-identity"]).ok().says("nothing to do");
    uninstall(&world, "pod-identity").ok();
    assert_eq!(world.export(), before);
}

#[test]
fn a_spec_takes_a_bare_cluster_to_the_proved_read_and_back() {
    let world = bare();
    let spec = lab_004(&world);
    let before = world.export();
    world.up(spec, &["--verify"]).ok().says("proved");
    world.plan(spec).ok().says("nothing to do");
    world.down(spec, &["--delete-data", "myk8skv"]).ok();
    same("after `down`", &before, &world.export());
}

/// The add-on of the CSI driver, as ARM has it.
fn addon(world: &World) -> Value {
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-03-01", world.group_id());
    world.arm("GET", &path, None).ok()["properties"]["addonProfiles"]["azureKeyvaultSecretsProvider"]["enabled"].clone()
}

#[test]
fn only_azure_turns_the_add_on_on_asks_no_cluster_and_says_what_it_left_out() {
    let world = bare();
    let spec = lab_004(&world);
    let before = world.export();
    let only = |side: &str, more: &[&str]| world.up(spec, &[&["--only", side], more].concat());
    let mark = world.mark();
    let first = only("azure", &["-o", "json"]).ok().json();
    let to_clusters: Vec<String> =
        world.since(mark).iter().filter(|l| l.by == "client" && l.host.ends_with(".azmk8s.io")).map(|l| l.path.clone()).collect();
    assert_eq!(to_clusters, Vec::<String>::new());
    let left_out = first["left_out"].as_array().unwrap();
    assert!(
        left_out.contains(&json!("component/aks-mi/pod-identity")) && left_out.contains(&json!("component/aks-mi/csi")),
        "{left_out:?}"
    );
    assert_eq!(addon(&world), true);
    // again, and with the rest
    let again = only("azure", &[]).ok().says("nothing to do");
    assert!(again.stdout.contains("left out because of --only azure: "), "{}", again.stdout);
    only("kubernetes", &[]).ok().says("left out because of --only kubernetes: ");
    world.plan(spec).ok().says("nothing to do");
    only("azure", &[]).ok().says("nothing to do");
    assert_eq!(addon(&world), true, "what only the other half knows takes nothing away");
    world.podid(&["verify", "-f", spec]).ok().says("proved");
    world.down(spec, &["--delete-data", "myk8skv"]).ok();
    same("after `down`", &before, &world.export());
}

#[test]
fn workload_identity_works_once_its_webhook_changes_a_pod_that_nobody_keeps() {
    let world = bare();
    let mark = world.mark();
    install(&world, &["workload-identity"]).ok();
    let is_check = |path: &str| path.starts_with("/api/v1/namespaces/default/pods?") && path.contains("dryRun=All");
    let asked: Vec<u64> = world.since(mark).iter().filter(|l| l.method == "POST" && is_check(&l.path)).map(|l| l.status).collect();
    assert!(asked.last() == Some(&201), "{asked:?}");
    assert!(!world.export().contains("podid-webhook-check"), "it was a dry run");
    install(&world, &["workload-identity"]).ok().says("nothing to do");
}

#[test]
fn what_somebody_else_installed_is_not_uninstalled_and_the_way_is_told() {
    let world = World::served();
    let before = world.export();
    let kept = uninstall(&world, "csi").ok();
    kept.says("csi is installed by Helm").says("not by this app: it stays").says("`helm uninstall csi -n kube-system`");
    assert_eq!(world.export(), before);
}

#[test]
fn a_component_that_is_there_is_used_whoever_installed_it() {
    let world = World::served();
    let spec = lab_004(&world);
    world.up(spec, &["--verify"]).ok().says("installed by Helm (release kube-system/csi");
    world.plan(spec).ok();
    world.down(spec, &["--delete-data", "myk8skv"]).ok();
    assert_eq!(components(&world, "aks-mi").len(), 4, "they stay");
    // another way of installing it is another installation
    let refused = install(&world, &["csi", "--via", "addon"]).exits(4);
    refused.says("csi is installed by Helm").says("`helm uninstall csi -n kube-system`");
}

#[test]
fn two_installations_of_one_component_are_refused_before_anything_is_written() {
    let world = World::served();
    let nmi = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "nmi", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "c": "nmi" } }, "template": { "metadata": { "labels": { "c": "nmi" } },
            "spec": { "containers": [{ "name": "nmi", "image": "mirror.example/aad-pod-identity/nmi:v1.8.13" }] } } },
    });
    world.kube("POST", "aks-mi", "/apis/apps/v1/namespaces/default/daemonsets", Some(nmi)).ok();
    let before = world.export();
    let refused = install(&world, &["pod-identity"]).exits(4);
    refused.says("installed twice").says("namespace default");
    assert_eq!(world.export(), before);
}

#[test]
fn what_others_use_is_not_uninstalled() {
    let world = bare();
    install(&world, &["csi"]).ok();
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": { "name": "theirs", "namespace": "default" },
        "spec": { "provider": "azure", "parameters": {} },
    });
    let classes = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses";
    world.kube("POST", "aks-mi", classes, Some(class)).ok();
    uninstall(&world, "csi").exits(4).says("SecretProviderClass default/theirs");
    assert_eq!(components(&world, "aks-mi").len(), 2);
    world.kube("DELETE", "aks-mi", &format!("{classes}/theirs"), None).ok();
    uninstall(&world, "csi").ok();
    assert_eq!(components(&world, "aks-mi"), Vec::<Value>::new());
}

#[test]
fn an_app_that_is_bound_keeps_the_component() {
    let world = bare();
    install(&world, &["pod-identity"]).ok();
    world.podid(&["identity", "create", "-g", "podid-lab", "-n", "mid", "--yes"]).ok();
    world.podid(&["bind", "-n", "shop", "--cluster", "aks-mi", "-g", "podid-lab", "--yes"]).ok();
    uninstall(&world, "pod-identity").exits(4).says("needs it");
    assert_eq!(components(&world, "aks-mi").len(), 2);
    world.podid(&["unbind", "-n", "shop", "--cluster", "aks-mi", "-g", "podid-lab", "--yes"]).ok();
    uninstall(&world, "pod-identity").ok();
}

#[test]
fn the_labs_own_choices_need_flags_and_are_warned_of() {
    let world = bare();
    let output = install(&world, &["pod-identity", "--namespace", "default", "--not-namespaced"]).ok();
    let output = output.says("every pod of a ReplicaSet whose name begins with `mic`").says("without namespaced mode");
    assert!(!output.stderr.contains("--forceNamespaced"), "{}", output.stderr);
    assert_eq!(components(&world, "aks-mi")[0]["namespace"], "default");
    install(&world, &["csi", "--not-namespaced"]).exits(2).says("has no option `namespaced`");
    install(&world, &["pod-identity", "--namespace", "kube-system"]).exits(2).says("namespace of the AKS add-on");
}

#[test]
fn an_exception_is_added_listed_with_its_pods_and_removed() {
    let world = World::served();
    let exception = |words: &[&str]| world.podid(&[&["exception"], words, &["--cluster", "aks-mi", "-g", "podid-lab", "--yes"]].concat());
    exception(&["add", "agents", "-n", "kube-system", "--label", "app.kubernetes.io/component=nmi"]).ok();
    let listed = exception(&["list", "-n", "kube-system", "-o", "json"]).ok().json();
    let found = listed["exceptions"].as_array().unwrap().iter().find(|one| one["name"] == "agents").unwrap().clone();
    assert_eq!(found["owner"], "podid app default");
    assert!(!found["pods"].as_array().unwrap().is_empty(), "{found}");
    exception(&["remove", "agents", "-n", "kube-system"]).ok();
    let listed = exception(&["list", "-n", "kube-system"]).ok();
    assert!(!listed.stdout.contains("agents"));
}

#[test]
fn a_log_is_asked_of_the_right_pods() {
    let world = World::served();
    let logs = |words: &[&str]| world.podid(&[&["logs"], words, &["--cluster", "aks-mi", "-g", "podid-lab"]].concat());
    // nothing has happened that MIC would write down
    assert_eq!(logs(&["mic"]).ok().stdout, "");
    logs(&["mic", "-n", "default", "--workload", "nobody"]).exits(4).says("has no pod in namespace default");
    let bare = bare();
    let output = bare.podid(&["logs", "nmi", "--cluster", "aks-mi", "-g", "podid-lab"]).exits(4);
    output.says("`podid cluster install pod-identity`");
}
