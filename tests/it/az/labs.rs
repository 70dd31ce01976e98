//! Labs 000, 001 and 004 by their own az commands, in order (tests/labs/NNN.az.sh): the result equals what podid would have created, and
//! podid adopts it.

use crate::az::{program::Az, roads};
use crate::common::{World, flexvolume, objects::text, specs::context_of, until};
use crate::imports;
use serde_json::Value;
use std::{fs, path::Path};

/// Runs tests/labs/NNN.az.sh in a folder with the lab's files; returns the filled-in documents for the cluster.
pub fn by_az(az: &Az<'_>, spec: &str) -> Vec<Value> {
    let world = az.world;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labs")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            continue;
        }
        fs::copy(file.path(), world.dir().join(file.file_name())).unwrap();
    }
    az.script(&spec.replace(".yaml", ".az.sh")).ok();
    let filled = world.read("filled.yaml");
    assert!(!filled.contains(": <"), "a placeholder is left:\n{filled}");
    let documents: Vec<Value> = filled.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
    if !crate::common::objects::have_kubectl() {
        world.kubectl_apply(context_of(spec), &documents);
    }
    documents
}

/// Checks that the application's pods run, and that each has the identity that is bound to it.
pub fn runs(world: &World, spec: &str) {
    let context = context_of(spec);
    until("the lab's pods run with their identity", || {
        let pods = world.all(context, "Pod").into_iter().filter(|pod| text(pod, "/metadata/namespace") != "kube-system");
        let pods: Vec<Value> = pods.collect();
        let assigned = world.all(context, "AzureAssignedIdentity");
        let has = |pod: &Value| {
            text(pod, "/status/phase") == "Running"
                && assigned.iter().any(|a| {
                    (text(a, "/spec/pod"), text(a, "/status/status")) == (text(pod, "/metadata/name"), "Assigned")
                        && text(a, "/spec/podNamespace") == text(pod, "/metadata/namespace")
                })
        };
        let available = |d: &Value| d["status"]["availableReplicas"] == d["spec"]["replicas"];
        (!pods.is_empty() && pods.iter().all(has) && world.all(context, "Deployment").iter().all(available)).then_some(())
    });
}

/// Returns what `up --adopt` does besides recording: each act, its key, and the fields of a change.
fn done_by_adoption(world: &World, spec: &str) -> Vec<String> {
    world.up(spec, &[]).exits(4).says("--adopt");
    let up = world.up(spec, &["--adopt", "-o", "json"]).ok().json();
    let acts = up["actions"].as_array().unwrap().iter().filter(|action| !["keep", "adopt"].contains(&text(action, "/act")));
    let told = acts.map(|action| {
        let changes = action["changes"].as_array().into_iter().flatten().map(|change| text(change, "/field"));
        let changes: Vec<&str> = changes.filter(|_| action["act"] == "update").collect();
        format!("{} {} {}", text(action, "/act"), text(action, "/key"), changes.join(" ")).trim_end().to_owned()
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    world.podid(&["verify", "-f", spec]).ok().says("proved ");
    world.up(spec, &[]).ok().says("nothing to do");
    told
}

/// Applies the lab's Deployment, as its user does.
fn deploy(world: &World, spec: &str, deployment: &Value) {
    world.kubectl_apply(context_of(spec), std::slice::from_ref(deployment));
    runs(world, spec);
}

/// What podid writes into an object that kubectl applied: it excludes pods of other namespaces, and removes kubectl's annotation.
const NAMESPACED: &str = "metadata.annotations.aadpodidentity.k8s.io/Behavior \
    metadata.annotations.kubectl.kubernetes.io/last-applied-configuration metadata.managedFields";

#[test]
fn lab_000_by_az_equals_podids_and_is_adopted() {
    let world = World::served();
    let Some(az) = Az::of(&world) else { return };
    flexvolume::install(&world);
    let documents = by_az(&az, "000.yaml");
    runs(&world, "000.yaml");
    flexvolume::remove(&world);
    roads::compare_exports("000.yaml", &world, |other| {
        flexvolume::install(other);
        deploy(other, "000.yaml", documents.last().unwrap());
        flexvolume::remove(other);
    });
    let expected = [
        // The lab mounts by the FlexVolume driver, which is retired.
        "create secretproviderclass/aks-sp/dev-claims-podid/claims-api".to_owned(),
        format!("update azureidentity/aks-sp/dev-claims-podid/claims-api-podid {NAMESPACED}"),
        format!("update azureidentitybinding/aks-sp/dev-claims-podid/claims-api-podid-binding {NAMESPACED}"),
    ];
    assert_eq!(done_by_adoption(&world, "000.yaml"), expected);
}

#[test]
fn lab_001_by_az_is_adopted() {
    let world = World::served();
    let Some(az) = Az::of(&world) else { return };
    by_az(&az, "001.yaml");
    runs(&world, "001.yaml");
    imports::round_trip(&world, context_of("001.yaml"), &[]);
    let expected = [
        // The lab's service calls the vault itself.
        "create secretproviderclass/aks-sp/default/aadpodidentitydemoapi".to_owned(),
        format!("update azureidentity/aks-sp/default/demoidentity {NAMESPACED}"),
        format!("update azureidentitybinding/aks-sp/default/demo1-azure-identity-binding {NAMESPACED}"),
    ];
    assert_eq!(done_by_adoption(&world, "001.yaml"), expected);
}

#[test]
fn lab_004_by_az_equals_podids_and_is_adopted_with_narrower_roles() {
    let world = World::served();
    let Some(az) = Az::of(&world) else { return };
    let documents = by_az(&az, "004.yaml");
    runs(&world, "004.yaml");
    roads::compare_exports("004.yaml", &world, |other| deploy(other, "004.yaml", documents.last().unwrap()));
    imports::round_trip(&world, context_of("004.yaml"), &[]);
    let parameters = ["resourceGroup", "subscriptionId", "tenantID", "tenantId", "useVMManagedIdentity", "userAssignedIdentityID"];
    let parameters = parameters.map(|name| format!("spec.parameters.{name}")).join(" ");
    let expected = [
        // The lab assigns both at the subscription.
        "create role/managed-identity-operator/cluster/aks-mi/identity/aks2kvIdentity".to_owned(),
        "create role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes".to_owned(),
        format!("update azureidentity/aks-mi/default/aks-kv-identity {NAMESPACED}"),
        format!("update azureidentitybinding/aks-mi/default/azure-pod-identity-binding {NAMESPACED}"),
        // The deprecated tenantId gets its successor, and unused parameters are removed.
        format!("update secretproviderclass/aks-mi/default/spc-myk8skv metadata.annotations {parameters} metadata.managedFields"),
    ];
    assert_eq!(done_by_adoption(&world, "004.yaml"), expected);
}
