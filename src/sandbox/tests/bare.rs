//! Bare worlds: their clusters are as AKS makes them, and the simulated components run only while a cluster holds their workloads.

use super::lab::{Cluster, NAMESPACE, azure, kubernetes, mounted, node};
use super::*;
use crate::{Error, Options, commands, export, kube, open, reset};

const DAEMONS: &str = "/apis/apps/v1/daemonsets";
const MIC: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17";
const NMI: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.17";
const DRIVER: &str = "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.6";
const PROVIDER: &str = "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2";

/// Returns the items of a list.
async fn items(cluster: &Cluster, path: &str) -> Vec<Value> {
    cluster.ask("GET", path, None).await.body["items"].as_array().unwrap().clone()
}

fn bare(dir: &Path) -> Options {
    Options { bare: true, ..options(dir, Lateness::None) }
}

async fn bare_lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let options = bare(dir.path());
    Lab::with(dir, options).await
}

#[tokio::test]
async fn the_clusters_of_a_bare_world_have_nothing_of_a_lab() {
    let lab = bare_lab().await;
    for (at, name) in ["aks-mi", "aks-sp"].into_iter().enumerate() {
        let cluster = Cluster::new(&lab, at);
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for path in [definitions, "/apis/apps/v1/deployments", "/apis/apps/v1/daemonsets", "/apis/storage.k8s.io/v1/csidrivers"] {
            assert!(items(&cluster, path).await.is_empty(), "{name} {path}");
        }
        assert_eq!(items(&cluster, "/api/v1/nodes").await.len(), 1);
        assert!(items(&cluster, "/api/v1/pods").await.is_empty());
    }
    let text = lab.control("GET", "/export", None).await.body.to_string();
    for word in ["aadpodidentity", "secrets-store"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(lab.control("GET", "/settings", None).await.body["counts"].get("mic"), None);
}

#[tokio::test]
async fn a_world_remembers_that_it_is_bare() {
    let lab = bare_lab().await;
    lab.identity("kept").await;
    // without the option, too
    let lab = lab.again(Lateness::None).await;
    assert_eq!(lab.control("GET", "/settings", None).await.body["bare"], true);
    assert!(items(&Cluster::new(&lab, 0), DAEMONS).await.is_empty());
    lab.sandbox.close().await;
    // with the option again
    let options = bare(lab.dir.path());
    let lab = Lab::with(lab.dir, options).await;
    assert!(lab.control("GET", "/export", None).await.body.to_string().contains("/kept\""));
    lab.sandbox.close().await;
}

#[tokio::test]
async fn a_world_with_components_does_not_become_bare() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("kept").await;
    let before = lab.control("GET", "/export", None).await.body;
    lab.sandbox.close().await;
    let refused = open(bare(lab.dir.path())).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::Use { .. }) && refused.to_string().contains("`podid sandbox reset --bare`"), "{refused}");
    assert!(export(lab.dir.path()).await.unwrap() == before);
    // a world of a podid that did not know of bare worlds
    let path = lab.dir.path().join("world.json");
    assert!(!std::fs::read_to_string(&path).unwrap().contains("\"bare\""));
}

#[tokio::test]
async fn a_reset_makes_a_world_bare_or_not() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("gone").await;
    lab.sandbox.close().await;
    let dir = lab.dir.path().to_owned();
    let text = async || export(&dir).await.unwrap().to_string();
    let full = text().await;
    reset(&dir, true).await.unwrap();
    let now = text().await;
    assert!(!now.contains("/gone\"") && !now.contains("aadpodidentity"));
    // the caller's and the cluster's secrets are those of the new world in each process
    let first = commands::callers(&dir, &crate::CallerRequest::Nodes { cluster: "aks-sp".into() }).await.unwrap();
    assert_eq!(commands::callers(&dir, &crate::CallerRequest::Nodes { cluster: "aks-sp".into() }).await.unwrap(), first);
    reset(&dir, false).await.unwrap();
    assert!(text().await.contains("aadpodidentity") && full.contains("/gone\""));
}

#[tokio::test]
async fn a_served_world_is_reset_to_a_bare_one() {
    let lab = Lab::new(Lateness::None).await;
    let now = lab.control("POST", "/reset", Some(json!({"bare": true}))).await;
    assert_eq!((now.status, &now.body["bare"]), (200, &json!(true)));
    assert!(items(&Cluster::new(&lab, 0), DAEMONS).await.is_empty());
    let now = lab.control("POST", "/reset", None).await;
    assert_eq!((now.status, &now.body["bare"]), (200, &json!(false)));
    assert_eq!(items(&Cluster::new(&lab, 0), DAEMONS).await.len(), 3);
}

async fn definitions(cluster: &Cluster) {
    for crd in podid_crds::all() {
        cluster.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).await;
    }
}

/// Creates a deployment or a daemon set with one container in kube-system.
async fn workload(cluster: &Cluster, kind: &str, name: &str, image: &str) {
    let labels = json!({"component": name});
    let body = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "kube-system"}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}}}});
    cluster.make(&format!("/apis/apps/v1/namespaces/kube-system/{}s", kind.to_lowercase()), body).await;
}

async fn remove(cluster: &Cluster, path: &str) {
    let answer = cluster.ask("DELETE", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

/// Waits for an event of a pod with this text.
async fn event(cluster: &Cluster, pod: &str, text: &str) {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=involvedObject.name%3D{pod}");
    let mut all = Vec::new();
    for _ in 0..400 {
        all = items(cluster, &path).await;
        if all.iter().any(|event| event["message"].as_str().is_some_and(|message| message.contains(text))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no event of {pod} says {text:?}: {all:?}");
}

/// Each program that is missing makes the mount fail as on AKS, until all of them run.
#[tokio::test(flavor = "multi_thread")]
async fn mounts_work_as_soon_as_all_components_run() {
    let lab = bare_lab().await;
    let (principal, group) = node(&lab, "aks-mi").await;
    let identity = azure(&lab, &principal, &group).await;
    let cluster = Cluster::new(&lab, 0);
    definitions(&cluster).await;
    kubernetes(&lab, &cluster, &identity).await;
    let absent = "MountVolume.NewMounter initialization failed for volume \"s\" : volume mode \"Ephemeral\" not supported by driver secrets-store.csi.k8s.io (no CSIDriver object)";
    event(&cluster, "proof", absent).await;
    cluster.make("/apis/storage.k8s.io/v1/csidrivers", kube::csi_driver()).await;
    let absent = "driver name secrets-store.csi.k8s.io not found in the list of registered CSI drivers";
    event(&cluster, "proof", absent).await;
    workload(&cluster, "DaemonSet", "driver", DRIVER).await;
    event(&cluster, "proof", "error connecting to provider \"azure\": provider not found: provider \"azure\"").await;
    workload(&cluster, "DaemonSet", "provider", PROVIDER).await;
    event(&cluster, "proof", "dial tcp 127.0.0.1:2579: connect: connection refused").await;
    let assigned = "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities";
    assert!(items(&cluster, assigned).await.is_empty());
    workload(&cluster, "Deployment", "mic", MIC).await;
    workload(&cluster, "DaemonSet", "nmi", NMI).await;
    let status = mounted(&cluster).await;
    assert_eq!(status["status"]["objects"][0]["id"], "secret/db");
    assert_eq!(items(&cluster, assigned).await[0]["status"]["status"], "Assigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_stop_with_their_workloads() {
    let lab = bare_lab().await;
    let (principal, group) = node(&lab, "aks-mi").await;
    let identity = azure(&lab, &principal, &group).await;
    let cluster = Cluster::new(&lab, 0);
    definitions(&cluster).await;
    cluster.make("/apis/storage.k8s.io/v1/csidrivers", kube::csi_driver()).await;
    for (kind, name, image) in
        [("DaemonSet", "driver", DRIVER), ("DaemonSet", "provider", PROVIDER), ("DaemonSet", "nmi", NMI), ("Deployment", "mic", MIC)]
    {
        workload(&cluster, kind, name, image).await;
    }
    kubernetes(&lab, &cluster, &identity).await;
    mounted(&cluster).await;
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    remove(&cluster, "/apis/apps/v1/namespaces/kube-system/daemonsets/nmi").await;
    let volume = json!({"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "claims"}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again", "namespace": NAMESPACE, "labels": {"aadpodidbinding": "claims"}},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], "volumes": [volume]}});
    cluster.make(&pods, pod).await;
    event(&cluster, "again", "dial tcp 127.0.0.1:2579: connect: connection refused").await;
    // without MIC, the assignment of a deleted pod stays
    lab.control("GET", "/export", None).await;
    remove(&cluster, "/apis/apps/v1/namespaces/kube-system/deployments/mic").await;
    lab.control("GET", "/export", None).await;
    remove(&cluster, &format!("{pods}/proof")).await;
    remove(&cluster, &format!("{pods}/again")).await;
    lab.control("GET", "/export", None).await;
    let assigned = "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities";
    assert_eq!(items(&cluster, assigned).await.len(), 2);
    // and a new MIC removes it
    workload(&cluster, "Deployment", "mic", MIC).await;
    for _ in 0..200 {
        if items(&cluster, assigned).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("MIC did not remove the assignments");
}
