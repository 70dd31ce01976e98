//! A component from the user's own chart, by the user's helm: installed, found, used, compared, and uninstalled.

use super::{bare, components, install, lab_004, uninstall};
use crate::common::{World, helm, same, until};
use serde_json::{Value, json};
use std::fs;

const NAMESPACE: &str = "{{ .Release.Namespace }}";

fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// Makes the manifests of podid's own templates objects of a chart.
fn of_chart(mut object: Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    if !object["kind"].as_str().unwrap().starts_with("ClusterRole") && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(NAMESPACE);
    }
    for subject in object.pointer_mut("/subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        subject["namespace"] = json!(NAMESPACE);
    }
    if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
        container["image"] = json!(format!("mcr.microsoft.com/oss/azure/aad-pod-identity/{name}:v1.8.17"));
        let namespace = if name == "mic" { "--leader-election-namespace" } else { "--MICNamespace" };
        let arguments = container["args"].as_array_mut().unwrap();
        arguments.extend([json!("--forceNamespaced=true"), json!(format!("{namespace}={NAMESPACE}"))]);
    }
    object
}

/// Writes the folder `chart`: MIC, NMI, and their definitions as a cluster has them that podid furnished.
fn write_chart(world: &World) {
    let furnished = bare();
    install(&furnished, &["pod-identity"]).ok();
    let definitions = furnished.kube("GET", "aks-mi", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None).ok();
    for folder in ["chart/crds", "chart/templates"] {
        fs::create_dir_all(world.path(folder)).unwrap();
    }
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: our-pod-identity\nversion: 1.2.3\n");
    for definition in definitions["items"].as_array().unwrap() {
        let name = definition["metadata"]["name"].as_str().unwrap();
        if name.ends_with(".aadpodidentity.k8s.io") {
            let plain = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": name, "annotations": definition["metadata"]["annotations"] }, "spec": definition["spec"] });
            world.write(&format!("chart/crds/{name}.yaml"), &plain.to_string());
        }
    }
    let access = include_str!("../../../templates/components/pod-identity/access.yaml");
    let exceptions = include_str!("../../../templates/components/pod-identity/exceptions.yaml");
    let workloads = include_str!("../../../templates/components/pod-identity/workloads.yaml");
    let all = [access, exceptions, workloads].into_iter().flat_map(documents).map(|object| of_chart(object).to_string());
    world.write("chart/templates/all.yaml", &all.collect::<Vec<_>>().join("\n---\n"));
}

#[test]
fn pod_identity_comes_from_a_chart_of_ones_own_and_goes_again() {
    let Some(helm) = helm::program() else { return };
    let world = bare();
    write_chart(&world);
    let before = world.export();
    let words = ["pod-identity", "--via", "helm", "--chart", "./chart", "--helm", helm.to_str().unwrap()];
    install(&world, &words).ok().says("helmrelease/aks-mi/aad-pod-identity/aad-pod-identity");
    let found = components(&world, "aks-mi");
    let ready =
        |one: &Value| one["ready"] == one["wanted"] && one["installedBy"].as_str().unwrap().contains("aad-pod-identity/aad-pod-identity");
    assert!(found.len() == 2 && found.iter().all(ready), "{found:?}");
    install(&world, &words).ok().says("nothing to do");
    // a lab on these components
    install(&world, &["csi"]).ok();
    world.up("004.yaml", &["--verify"]).ok().says("proved");
    world.down("004.yaml", &["--delete-data", "myk8skv"]).ok();
    let by_hand =
        world.podid(&["cluster", "uninstall", "pod-identity", "--cluster", "aks-mi", "-g", "podid-lab", "--yes", "--helm", words[6]]);
    by_hand.ok();
    uninstall(&world, "csi").ok();
    assert_eq!(components(&world, "aks-mi"), Vec::<Value>::new());
    // helm leaves definitions where they are
    let without_definitions = |export: &str| {
        let mut export: Value = serde_json::from_str(export).unwrap();
        let kinds = export["kubernetes"]["aks-mi"].as_object_mut().unwrap();
        kinds.retain(|kind, _| !kind.starts_with("customresourcedefinitions"));
        format!("{export:#}")
    };
    same("after `uninstall`", &without_definitions(&before), &without_definitions(&world.export()));
}

#[test]
fn what_a_chart_cannot_do_is_refused_with_the_reason() {
    let world = bare();
    let pinned = install(&world, &["pod-identity", "--via", "helm", "--pin"]).exits(2);
    assert!(pinned.stderr.contains("pin"), "{}", pinned.stderr);
}

#[test]
fn without_a_usable_helm_nothing_is_written_at_all() {
    let world = bare();
    let before = world.export();
    let via = |helm: &str, more: &[&str]| install(&world, &[&["pod-identity", "--via", "helm", "--helm", helm], more].concat());
    for more in [&[][..], &["--dry-run=server"]] {
        via("./no-such-helm", more).exits(1).says("there is no such program").says("nothing was changed").says("--helm FILE");
    }
    via("./no-such-helm", &["--dry-run"]).ok().says("helmrelease/aks-mi/aad-pod-identity/aad-pod-identity");
    #[cfg(unix)]
    {
        world.write("old-helm", "#!/bin/sh\necho v3.2.4\n");
        std::fs::set_permissions(world.path("old-helm"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        via("./old-helm", &[]).exits(1).says("it is v3.2.4, and podid needs 3.13 or newer");
    }
    // the same from a spec, with all that it makes in Azure
    let spec = world.read(lab_004(&world)).replace("- pod-identity", "- name: pod-identity\n      via: helm");
    world.write("chart.yaml", &spec);
    world.up("chart.yaml", &["--helm", "./no-such-helm"]).exits(1).says("nothing was changed");
    same("after the refusals", &before, &world.export());
}

/// Writes the folder `chart`: the webhook of Workload ID, as the add-on of a furnished cluster has it. Its tenant comes from the values.
fn write_webhook_chart(world: &World) {
    let furnished = bare();
    install(&furnished, &["workload-identity"]).ok();
    let within = |collection: &str, name: &str| format!("{collection}/namespaces/kube-system/{name}");
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let paths = [
        within("/api/v1", "serviceaccounts/azure-wi-webhook-admin"),
        within("/api/v1", "configmaps/azure-wi-webhook-config"),
        within("/api/v1", "services/azure-wi-webhook-webhook-service"),
        within("/apis/apps/v1", "deployments/azure-wi-webhook-controller-manager"),
        format!("{rbac}/clusterroles/azure-wi-webhook-manager-role"),
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/azure-wi-webhook-mutating-webhook-configuration".to_owned(),
    ];
    let of_chart = |path: &String| {
        let mut object = furnished.kube("GET", "aks-mi", path, None).ok();
        let kept = json!({ "name": object["metadata"]["name"], "labels": { "app": "wi-webhook" } });
        object["metadata"] = kept;
        if path.contains("/namespaces/") {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        for gone in ["status", "secrets"] {
            object.as_object_mut().unwrap().remove(gone);
        }
        for (pointer, value) in [
            ("/data/AZURE_TENANT_ID", json!("{{ required \"azureTenantID\" .Values.azureTenantID }}")),
            ("/webhooks/0/clientConfig/service/namespace", json!(NAMESPACE)),
        ] {
            if let Some(there) = object.pointer_mut(pointer) {
                *there = value;
            }
        }
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            for field in ["clusterIP", "clusterIPs"] {
                spec.remove(field);
            }
        }
        object.to_string().replace("{{ required \\\"azureTenantID\\\"", "{{ required `azureTenantID`")
    };
    fs::create_dir_all(world.path("chart/templates")).unwrap();
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: our-webhook\nversion: 1.6.0\n");
    world.write("chart/templates/all.yaml", &paths.iter().map(of_chart).collect::<Vec<_>>().join("\n---\n"));
}

/// A cluster that Azure does not know has no add-ons: there the webhook comes from its chart, with the tenant of podid's login.
#[test]
fn the_webhook_of_workload_id_comes_from_its_chart_outside_of_azure() {
    let Some(helm) = helm::program() else { return };
    let world = bare();
    write_webhook_chart(&world);
    // the sandbox's cluster has its issuer once the add-on was on
    install(&world, &["workload-identity"]).ok();
    uninstall(&world, "workload-identity").ok();
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2025-10-01", world.group_id());
    let issuer = world.arm("GET", &id, None).ok()["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().to_owned();
    let spec = |component: &str| {
        format!(
            "apiVersion: podid/v1\nkind: App\nmetadata: {{name: shop}}\nresourceGroup: podid-lab\n\
             cluster: {{name: edge, context: aks-mi, issuer: '{issuer}', components: [{component}]}}\n\
             vault: {{name: kv-shop-wi, model: rbac, secrets: [{{name: conn, value: {{file: conn.txt}}}}]}}\n\
             workloads:\n  - {{name: web, namespace: shop, mode: workload-identity, identity: {{name: shop-wi}}, delivery: sdk, \
             secrets: [{{name: conn}}]}}\n"
        )
    };
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &spec("{name: workload-identity, via: addon}"));
    let refused = world.podid(&["up", "--yes"]).exits(4);
    assert!(
        refused.stderr.contains("cannot install workload-identity via addon: the cluster edge is not one of AKS"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("It can be installed via: helm."), "{}", refused.stderr);
    world.write("podid.yaml", &spec("{name: workload-identity, via: helm, chart: ./chart}"));
    let with = ["--helm", helm.to_str().unwrap()];
    world.podid(&[&["up", "--yes", "--verify"][..], &with].concat()).ok().says("proved shop/web");
    world.podid(&[&["plan"][..], &with].concat()).ok().says("nothing to do");
    world.podid(&[&["down", "--yes"][..], &with].concat()).ok();
    let left = world.kube("GET", "aks-mi", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", None).ok();
    assert_eq!(left["items"], json!([]));
}

#[test]
#[cfg(unix)]
fn a_chart_of_a_registry_is_named_by_its_reference_and_version() {
    let world = bare();
    world.write("fake-helm", "#!/bin/sh\nif [ \"$1\" = version ]; then echo v4.0.1; exit 0; fi\necho \"$@\" >>helm.args\n");
    std::fs::set_permissions(world.path("fake-helm"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let via = |more: &[&str]| install(&world, &[&["pod-identity", "--via", "helm", "--helm", "./fake-helm"], more].concat());
    let chart = "oci://registry.example/charts/aad-pod-identity";
    let shown = via(&["--chart", chart, "--component-version", "4.1.18", "--dry-run"]).ok();
    assert!(shown.stdout.contains(&format!("chart: {chart} 4.1.18")), "{}", shown.stdout);
    // this helm installs nothing
    via(&["--chart", chart, "--component-version", "4.1.18"]).exits(4).says("its Secret is not in namespace");
    let asked = world.read("helm.args");
    assert!(asked.contains(" --version 4.1.18 ") && asked.trim().ends_with(&format!("-- aad-pod-identity {chart}")), "{asked}");
    let refused = via(&["--chart", "oci://user:hunter2@registry.example/charts/x"]);
    assert!(refused.stderr.contains("holds a password") && !world.read("helm.args").contains("hunter2"), "{}", refused.stderr);
}

/// A helm that says that it works, and does so until somebody ends it.
#[cfg(target_os = "linux")]
const BUSY: &str = "#!/bin/sh
if [ \"$1\" = version ]; then echo v3.19.0; exit 0; fi
echo $$ >>helm.pids
exec sleep 120
";

#[test]
#[cfg(target_os = "linux")]
fn helm_ends_with_a_podid_that_is_killed_and_its_credentials_are_removed_by_the_next() {
    let world = bare();
    world.write("busy-helm", BUSY);
    std::fs::set_permissions(world.path("busy-helm"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let words =
        ["cluster", "install", "pod-identity", "--via", "helm", "--helm", "./busy-helm", "--cluster", "aks-mi", "-g", "podid-lab", "--yes"];
    let pids = || fs::read_to_string(world.path("helm.pids")).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let runs = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("sleep"));
    let begun = |count: usize| until("helm works", || pids().get(count - 1).filter(|pid| runs(pid)).cloned());
    let folder = |podid: u32| {
        let all = fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
        all.map(|entry| entry.file_name().into_string().unwrap()).find(|name| name.starts_with(&format!("podid-helm-{podid}-")))
    };
    let first = world.start(&words);
    let (id, helm) = (first.id(), begun(1));
    assert!(folder(id).is_some());
    first.kill();
    until("helm has ended, too", || (!runs(&helm)).then_some(()));
    let second = world.start(&words);
    let helm = begun(2);
    assert_eq!(folder(id), None, "what the first one left is gone");
    // Ctrl-C ends both, and nothing is left
    let id = second.id();
    second.interrupt();
    second.wait().exits(130);
    assert!(!runs(&helm) && folder(id).is_none());
}

#[test]
fn a_lost_state_is_found_again_with_the_components_that_podid_installed() {
    let world = bare();
    install(&world, &["pod-identity", "--app", "infra"]).ok();
    let keys = |world: &World| {
        let listed = world.podid(&["state", "list", "-o", "json"]).ok().json();
        let of = |entry: &Value| (entry["key"].as_str().unwrap().to_owned(), entry["origin"].as_str().unwrap().to_owned());
        listed["entries"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let before = keys(&world);
    fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok().says("of app infra");
    let missing: Vec<_> = before.iter().filter(|one| !keys(&world).contains(one)).cloned().collect();
    assert_eq!(missing, []);
    world.podid(&["cluster", "uninstall", "pod-identity", "--cluster", "aks-mi", "-g", "podid-lab", "--yes", "--app", "infra"]).ok();
    assert_eq!(components(&world, "aks-mi"), Vec::<Value>::new());
}

#[test]
fn a_release_of_podids_is_found_again_without_its_state_and_uninstalled() {
    let Some(helm) = helm::program() else { return };
    let world = bare();
    write_chart(&world);
    let words = ["pod-identity", "--via", "helm", "--chart", "./chart", "--helm", helm.to_str().unwrap()];
    install(&world, &words).ok();
    fs::remove_file(world.path(".podid/state.json")).unwrap();
    world.podid(&["state", "rebuild"]).ok();
    let listed = world.podid(&["state", "list", "-o", "json"]).ok().json();
    let key = "helmrelease/aks-mi/aad-pod-identity/aad-pod-identity";
    let entry = listed["entries"].as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
    assert_eq!(entry["origin"], "created");
    install(&world, &words).ok().says("nothing to do");
    let uninstall = ["cluster", "uninstall", "pod-identity", "--cluster", "aks-mi", "-g", "podid-lab", "--yes", "--helm", words[6]];
    world.podid(&uninstall).ok();
    assert_eq!(components(&world, "aks-mi"), Vec::<Value>::new());
}
