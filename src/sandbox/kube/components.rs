//! The objects that the charts of a lab's components install into `kube-system`: AAD Pod Identity (chart 4.1.18, standard mode) and the
//! Secrets Store CSI driver with the Azure provider (chart 1.8.2, release `csi`). What the components do is implemented elsewhere.

use super::facts::Facts;
use super::install::{bind, cluster_role, put};
use super::store::{Store, now};
use super::{controllers, prepare};
use serde_json::{Value, json};

const NAMESPACE: &str = "kube-system";

pub fn install(store: &mut Store, facts: &Facts) {
    pod_identity(store, facts);
    csi(store, facts);
}

/// A deployment or daemon set with its running pods.
struct Workload<'a> {
    kind: &'a str,
    name: &'a str,
    account: &'a str,
    labels: Value,
    selector: Value,
    replicas: u64,
    host_network: bool,
    containers: Vec<(&'a str, &'a str, Vec<String>)>,
}

fn pod_identity(store: &mut Store, facts: &Facts) {
    const IMAGES: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity";
    let selector = |component: &str| json!({"app.kubernetes.io/component": component, "app.kubernetes.io/instance": "aad-pod-identity", "app.kubernetes.io/name": "aad-pod-identity"});
    let labels = |component: &str| {
        let mut all = selector(component);
        all["app.kubernetes.io/managed-by"] = json!("Helm");
        all["helm.sh/chart"] = json!("aad-pod-identity-4.1.18");
        all
    };
    let group = json!(["aadpodidentity.k8s.io"]);
    let mic = json!([
        {"verbs": ["*"], "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]},
        {"verbs": ["list", "watch"], "apiGroups": [""], "resources": ["pods", "nodes"]},
        {"verbs": ["create", "patch"], "apiGroups": [""], "resources": ["events"]},
        {"verbs": ["get", "create", "update"], "apiGroups": [""], "resources": ["configmaps"]},
        {"verbs": ["create", "get", "update"], "apiGroups": [""], "resources": ["endpoints"]},
        {"verbs": ["create", "get", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
        {"verbs": ["get", "list", "watch", "post", "update"], "apiGroups": group, "resources": ["azureidentitybindings", "azureidentities"]},
        {"verbs": ["list", "update"], "apiGroups": group, "resources": ["azurepodidentityexceptions"]},
        {"verbs": ["*"], "apiGroups": group, "resources": ["azureassignedidentities"]},
    ]);
    let nmi = json!([
        {"verbs": ["get", "list"], "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]},
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]},
        {
            "verbs": ["get", "list", "watch"], "apiGroups": group,
            "resources": ["azureidentitybindings", "azureidentities", "azurepodidentityexceptions", "azureassignedidentities"],
        },
    ]);
    for (component, rules) in [("mic", mic), ("nmi", nmi)] {
        let name = format!("aad-pod-identity-{component}");
        account(store, facts, &name, &labels(component));
        cluster_role(store, facts, &name, &labels(component), rules);
        let subject = json!([{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]);
        bind(store, facts, &name, &labels(component), &name, subject);
    }
    workload(
        store,
        facts,
        Workload {
            kind: "Deployment",
            name: "aad-pod-identity-mic",
            account: "aad-pod-identity-mic",
            labels: labels("mic"),
            selector: selector("mic"),
            replicas: 2,
            host_network: false,
            containers: vec![(
                "mic",
                &format!("{IMAGES}/mic:v1.8.17"),
                vec!["--cloudconfig=/etc/kubernetes/azure.json".into(), "--logtostderr".into()],
            )],
        },
    );
    workload(
        store,
        facts,
        Workload {
            kind: "DaemonSet",
            name: "aad-pod-identity-nmi",
            account: "aad-pod-identity-nmi",
            labels: labels("nmi"),
            selector: selector("nmi"),
            replicas: 1,
            host_network: true,
            containers: vec![(
                "nmi",
                &format!("{IMAGES}/nmi:v1.8.17"),
                vec!["--node=$(NODE_NAME)".into(), "--http-probe-port=8085".into()],
            )],
        },
    );
    let exception = json!({"spec": mic_exception()["spec"]});
    put(store, facts, "azurepodidentityexceptions.aadpodidentity.k8s.io", NAMESPACE, "mic-exception", exception);
}

/// Returns the exception that lets MIC's own pods bypass NMI.
pub fn mic_exception() -> Value {
    let labels = json!({"app": "mic", "app.kubernetes.io/component": "mic", "component": "mic"});
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzurePodIdentityException",
        "metadata": {"name": "mic-exception", "namespace": NAMESPACE}, "spec": {"podLabels": labels},
    })
}

/// Returns the CSIDriver object that the charts of the driver and of the Azure provider create together.
pub fn csi_driver() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "secrets-store.csi.k8s.io"},
        "spec": {
            "attachRequired": false, "podInfoOnMount": true, "requiresRepublish": true, "volumeLifecycleModes": ["Ephemeral"],
            "tokenRequests": [{"audience": "api://AzureADTokenExchange"}, {"audience": "api://AKSIdentityBinding"}],
        },
    })
}

fn csi(store: &mut Store, facts: &Facts) {
    let group = json!(["secrets-store.csi.x-k8s.io"]);
    let driver = json!({
        "app": "secrets-store-csi-driver", "app.kubernetes.io/instance": "csi", "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": "secrets-store-csi-driver", "helm.sh/chart": "secrets-store-csi-driver-1.5.6",
    });
    let provider = json!({
        "app": "csi-secrets-store-provider-azure", "app.kubernetes.io/instance": "csi", "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": "csi-secrets-store-provider-azure", "helm.sh/chart": "csi-secrets-store-provider-azure-1.8.2",
    });
    let object = json!({"metadata": {"labels": driver}, "spec": csi_driver()["spec"]});
    put(store, facts, "csidrivers.storage.k8s.io", "", "secrets-store.csi.k8s.io", object);
    account(store, facts, "secrets-store-csi-driver", &driver);
    account(store, facts, "csi-secrets-store-provider-azure", &provider);
    let classes = json!([
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get", "list", "watch"], "apiGroups": group, "resources": ["secretproviderclasses"]},
        {
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"], "apiGroups": group,
            "resources": ["secretproviderclasspodstatuses"],
        },
        {"verbs": ["get", "patch", "update"], "apiGroups": group, "resources": ["secretproviderclasspodstatuses/status"]},
        {"verbs": ["create", "patch"], "apiGroups": [""], "resources": ["events"]},
    ]);
    let syncing = json!([
        {"verbs": ["create", "delete", "get", "list", "patch", "update", "watch"], "apiGroups": [""], "resources": ["secrets"]},
        {"verbs": ["get", "list", "watch"], "apiGroups": ["apps"], "resources": ["replicasets"]},
    ]);
    let tokens = json!([{"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"]}]);
    for (role, binding, rules) in [
        ("secretproviderclasses-role", "secretproviderclasses-rolebinding", classes),
        ("secretprovidersyncing-role", "secretprovidersyncing-rolebinding", syncing),
        ("secretprovidertokenrequest-role", "secretprovidertokenrequest-rolebinding", tokens),
    ] {
        cluster_role(store, facts, role, &driver, rules);
        let subject = json!([{"kind": "ServiceAccount", "name": "secrets-store-csi-driver", "namespace": NAMESPACE}]);
        bind(store, facts, binding, &driver, role, subject);
    }
    workload(
        store,
        facts,
        Workload {
            kind: "DaemonSet",
            name: "csi-secrets-store-csi-driver",
            account: "secrets-store-csi-driver",
            selector: json!({"app": "secrets-store-csi-driver", "app.kubernetes.io/instance": "csi", "app.kubernetes.io/name": "secrets-store-csi-driver"}),
            labels: driver,
            replicas: 1,
            host_network: false,
            containers: vec![
                ("node-driver-registrar", "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0", Vec::new()),
                ("secrets-store", "registry.k8s.io/csi-secrets-store/driver:v1.5.6", vec!["--nodeid=$(KUBE_NODE_NAME)".into()]),
                ("liveness-probe", "registry.k8s.io/sig-storage/livenessprobe:v2.15.0", Vec::new()),
            ],
        },
    );
    workload(
        store,
        facts,
        Workload {
            kind: "DaemonSet",
            name: "csi-csi-secrets-store-provider-azure",
            account: "csi-secrets-store-provider-azure",
            selector: json!({"app": "csi-secrets-store-provider-azure", "app.kubernetes.io/instance": "csi"}),
            labels: provider,
            replicas: 1,
            host_network: true,
            containers: vec![(
                "provider-azure-installer",
                "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2",
                vec!["-v=5".into()],
            )],
        },
    );
}

fn account(store: &mut Store, facts: &Facts, name: &str, labels: &Value) {
    put(store, facts, "serviceaccounts", NAMESPACE, name, json!({"metadata": {"labels": labels}}));
}

fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "blockOwnerDeletion": true, "controller": true, "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    })
}

fn workload(store: &mut Store, facts: &Facts, w: Workload<'_>) {
    let containers: Vec<Value> =
        w.containers.iter().map(|(name, image, args)| json!({"name": name, "image": image, "args": args})).collect();
    let mut spec = json!({"containers": containers, "serviceAccountName": w.account, "nodeSelector": {"kubernetes.io/os": "linux"}});
    if w.host_network {
        spec["hostNetwork"] = json!(true);
    }
    let template = json!({"metadata": {"labels": w.labels}, "spec": spec});
    let selector = json!({"matchLabels": w.selector});
    let n = w.replicas;
    if w.kind == "DaemonSet" {
        let set = json!({
            "metadata": {"labels": w.labels}, "spec": {"selector": selector, "template": template},
            "status": {
                "currentNumberScheduled": n, "desiredNumberScheduled": n, "numberAvailable": n, "numberMisscheduled": 0, "numberReady": n,
                "observedGeneration": 1, "updatedNumberScheduled": n,
            },
        });
        let set = put(store, facts, "daemonsets.apps", NAMESPACE, w.name, set);
        pods(store, facts, &w, &set, &set["spec"]["template"], &format!("{}-", w.name));
        return;
    }
    let mut filled = json!({"spec": {"template": template}});
    if let Some(resource) = store.catalog.stored("deployments.apps") {
        prepare::fill_defaults(&resource, &mut filled, false);
    }
    let hash = controllers::hash(&filled["spec"]["template"], 0);
    let name = format!("{}-{hash}", w.name);
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now(), "lastUpdateTime": now(), "reason": reason, "message": message});
    let deployment = json!({
        "metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}, "labels": w.labels},
        "spec": {"replicas": n, "selector": selector, "template": template},
        "status": {
            "availableReplicas": n, "observedGeneration": 1, "readyReplicas": n, "replicas": n, "updatedReplicas": n,
            "conditions": [
                condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
                condition("Progressing", "NewReplicaSetAvailable", &format!("ReplicaSet {name:?} has successfully progressed.")),
            ],
        },
    });
    let deployment = put(store, facts, "deployments.apps", NAMESPACE, w.name, deployment);
    let mut template = deployment["spec"]["template"].clone();
    let mut selector = selector;
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let annotations = json!({
        "deployment.kubernetes.io/desired-replicas": n.to_string(), "deployment.kubernetes.io/max-replicas": (n + 1).to_string(),
        "deployment.kubernetes.io/revision": "1",
    });
    let set = json!({
        "metadata": {"annotations": annotations, "labels": template["metadata"]["labels"], "ownerReferences": [owner(&deployment)]},
        "spec": {"replicas": n, "selector": selector, "template": template},
        "status": {"availableReplicas": n, "fullyLabeledReplicas": n, "observedGeneration": 1, "readyReplicas": n, "replicas": n},
    });
    let set = put(store, facts, "replicasets.apps", NAMESPACE, &name, set);
    pods(store, facts, &w, &set, &set["spec"]["template"], &format!("{name}-"));
}

fn pods(store: &mut Store, facts: &Facts, w: &Workload<'_>, parent: &Value, template: &Value, prefix: &str) {
    for _ in 0..w.replicas {
        let name = format!("{prefix}{}", store.suffix(&facts.uid_seed, &format!("pods/{prefix}")));
        let mut spec = template["spec"].clone();
        spec["nodeName"] = json!(facts.node);
        spec["priority"] = json!(0);
        spec["preemptionPolicy"] = json!("PreemptLowerPriority");
        let address = if w.host_network { "10.224.0.4".to_owned() } else { format!("10.244.0.{}", 10 + store.count("address")) };
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now()});
        let statuses: Vec<Value> = w
            .containers
            .iter()
            .map(|(name, image, _)| {
                json!({
                    "name": name, "image": image, "imageID": image, "ready": true, "started": true, "restartCount": 0,
                    "state": {"running": {"startedAt": now()}}, "lastState": {},
                })
            })
            .collect();
        let pod = json!({
            "metadata": {"generateName": prefix, "labels": template["metadata"]["labels"], "ownerReferences": [owner(parent)]},
            "spec": spec,
            "status": {
                "phase": "Running", "hostIP": "10.224.0.4", "podIP": address, "podIPs": [{"ip": address}], "qosClass": "BestEffort", "startTime": now(),
                "conditions": [condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready")],
                "containerStatuses": statuses,
            },
        });
        put(store, facts, "pods", NAMESPACE, &name, pod);
    }
}
