//! Faults of what is in Kubernetes, planted in the sandbox's cluster and on a real control plane.

use super::{BASE, CLASS, CONTEXT, DEPLOYMENT, Fault, MIC, NMI, SPEC, deleted, each, edited, fault, ready, settle};
use crate::common::{World, both::Side, doctor::errors, until};
use serde_json::{Value, json};

const IMAGES: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity";
const CSI_IMAGES: &str = "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store";
const EXCEPTION: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces/kube-system/azurepodidentityexceptions/mic-exception";

both! {
    each_fault_of_the_cluster_is_named_and_mended, |side| {
        let world = made(side);
        each(&world, faults(), settle);
        old_casing(&world);
        installed_twice(&world);
    };
}

fn workload(world: &World, kind: &str, name: &str, namespace: &str, image: &str) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    let labels = json!({ "app": name, "component": name.rsplit('-').next().unwrap() });
    let template = json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "main", "image": image }] } });
    let object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": namespace },
        "spec": { "selector": { "matchLabels": labels }, "template": template },
    });
    let all = format!("/apis/apps/v1/namespaces/{namespace}/{plural}");
    world.kube("POST", CONTEXT, &all, Some(object)).ok();
    let path = format!("{all}/{name}");
    ready(world, &path, if kind == "DaemonSet" { "numberAvailable" } else { "availableReplicas" });
    path
}

/// On the control plane the sandbox plays the components without any workload: these stand for them.
fn made(side: Side) -> World {
    let world = World::on(side, CONTEXT);
    if side == Side::ControlPlane {
        workload(&world, "Deployment", "aad-pod-identity-mic", "kube-system", &format!("{IMAGES}/mic:v1.8.17"));
        workload(&world, "DaemonSet", "aad-pod-identity-nmi", "kube-system", &format!("{IMAGES}/nmi:v1.8.17"));
        workload(&world, "DaemonSet", "csi-driver", "kube-system", &format!("{CSI_IMAGES}/driver:v1.5.6"));
        workload(&world, "DaemonSet", "csi-provider", "kube-system", "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2");
    }
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    world
}

fn faults() -> Vec<Fault> {
    vec![
        fault("class deleted", "class", "PODID8012", "does not exist", |w| deleted(w, CLASS)),
        fault("class of another mode", "class", "PODID8010", "usePodIdentity", |w| {
            edited(w, CLASS, json!({ "spec": { "parameters": { "usePodIdentity": "false" } } }));
        }),
        fault("binding deleted", "binding", "PODID3003", "AzureIdentityBinding", |w| {
            deleted(w, &format!("{BASE}/azureidentitybindings/shop-mid-binding"));
        }),
        fault("binding of another selector", "binding", "PODID3003", "selector", |w| {
            edited(w, &format!("{BASE}/azureidentitybindings/shop-mid-binding"), json!({ "spec": { "selector": "other" } }));
        }),
        fault("AzureIdentity deleted", "azure-identity", "PODID3001", "AzureIdentity", |w| {
            deleted(w, &format!("{BASE}/azureidentities/shop-mid"));
        }),
        fault("AzureIdentity of another client id", "azure-identity", "PODID3001", "clientID", |w| {
            let spec = json!({ "spec": { "clientID": "00000000-0000-0000-0000-000000000001" } });
            edited(w, &format!("{BASE}/azureidentities/shop-mid"), spec);
        }),
        fault("label missing in the template", "pod", "PODID2003", "has no label aadpodidbinding", |w| {
            edited(w, DEPLOYMENT, json!({ "spec": { "template": { "metadata": { "labels": { "aadpodidbinding": null } } } } }));
        }),
        Fault {
            mend: Some(|w| {
                edited(w, MIC, json!({ "spec": { "replicas": 1 } }));
                ready(w, MIC, "availableReplicas");
            }),
            ..fault("MIC scaled to zero", "assignment", "PODID1112", "scaled to zero", scaled_to_zero)
        },
        Fault {
            mend: Some(|w| {
                edited(w, NMI, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": null } } } } }));
                ready(w, NMI, "numberAvailable");
            }),
            ..fault("NMI on no node", "token", "PODID1110", "NMI is meant for no node", |w| {
                edited(w, NMI, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": "ssd" } } } } }));
                until("NMI is gone", || {
                    (w.kube("GET", CONTEXT, NMI, None).ok()["status"]["numberReady"].as_u64().unwrap_or_default() == 0).then_some(())
                });
            })
        },
        Fault {
            // a crash loop ends with the next start; here the pod is started
            mend: Some(|w| {
                edited(w, MIC, json!({ "spec": { "template": { "spec": { "nodeSelector": null } } } }));
                ready(w, MIC, "availableReplicas");
            }),
            ..fault("MIC without its exception", "assignment", "PODID1114", "no exception lets its own token requests through", |w| {
                deleted(w, EXCEPTION);
                // MIC is not ready, whatever keeps it from that
                scaled_to_zero(w);
                edited(w, MIC, json!({ "spec": { "replicas": 1, "template": { "spec": { "nodeSelector": { "disk": "ssd" } } } } }));
            })
        },
    ]
}

fn scaled_to_zero(world: &World) {
    edited(world, MIC, json!({ "spec": { "replicas": 0 } }));
    until("MIC is gone", || {
        (world.kube("GET", CONTEXT, MIC, None).ok()["status"]["availableReplicas"].as_u64().unwrap_or_default() == 0).then_some(())
    });
}

/// A manifest of before version 1.6, which a cluster takes without a word.
fn old_casing(world: &World) {
    let path = format!("{BASE}/azureidentities/shop-mid");
    let mut found = world.kube("GET", CONTEXT, &path, None).ok();
    let (resource, client) = (found["spec"]["resourceID"].take(), found["spec"]["clientID"].take());
    found["spec"] = json!({ "type": 0, "ResourceID": resource, "ClientID": client });
    world.kube("PUT", CONTEXT, &path, Some(found)).ok();
    assert_eq!(world.kube("GET", CONTEXT, &path, None).ok()["spec"], json!({ "type": 0 }), "the CRD prunes the old fields");
    let found = errors(world, &[]);
    let first = found.first().unwrap();
    assert_eq!((&first["link"], &first["code"]), (&json!("azure-identity"), &json!("PODID3002")), "{found:#?}");
    assert!(first["title"].as_str().unwrap().contains("has no resourceID") && found.len() == 1, "{found:#?}");
    crate::common::doctor::run_fix(world, first).unwrap().ok();
    settle(world);
    assert_eq!(errors(world, &[]), Vec::<Value>::new());
}

/// Two that answer on one node are an error, and what was there before is not hidden by it.
fn installed_twice(world: &World) {
    world.kube("POST", CONTEXT, "/api/v1/namespaces", Some(json!({ "metadata": { "name": "second" } }))).ok();
    let second = [
        ("nmi", format!("{IMAGES}/nmi:v1.8.16"), "token", "PODID1111"),
        ("driver", format!("{CSI_IMAGES}/driver:v1.4.0"), "driver", "PODID1122"),
    ];
    for (name, image, link, code) in second {
        // of another installer
        let path = workload(world, "DaemonSet", name, "second", &image);
        let found = errors(world, &[]);
        let first = found.first().unwrap_or_else(|| panic!("{name}: nothing is found"));
        assert_eq!((&first["link"], &first["code"], found.len()), (&json!(link), &json!(code), 1), "{found:#?}");
        let removal = format!("kubectl delete daemonset {name} -n second");
        assert!(first["native"].as_array().unwrap().contains(&json!(removal)), "{first:#}");
        deleted(world, &path);
        until("its pods are gone", || {
            let pods = world.kube("GET", CONTEXT, "/api/v1/namespaces/second/pods", None).ok();
            (pods["items"] == json!([])).then_some(())
        });
        assert_eq!(errors(world, &[]), Vec::<Value>::new());
    }
}
