//! A new cluster: namespaces, the node and default roles, and unless it is bare, CRDs and the components of a lab as their charts install them.

use super::facts::Facts;
use super::install::{RBAC, bind, cluster_role, put};
use super::store::{State, Store, now};
use super::{components, namespace_defaults, resource};
use serde_json::{Value, json};

pub fn new_cluster(facts: &Facts) -> State {
    let mut store = Store::new(State::default());
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        put(&mut store, facts, "namespaces", "", name, namespace);
        namespace_defaults::create_defaults(&mut store, facts, name);
    }
    roles(&mut store, facts);
    node(&mut store, facts);
    let port = json!({"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443});
    let service = json!({
        "metadata": {"labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "ports": [port],
        },
        "status": {"loadBalancer": {}},
    });
    put(&mut store, facts, "services", "default", "kubernetes", service);
    if facts.bare {
        return store.state;
    }
    for mut crd in podid_crds::all() {
        let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        add_chart_metadata(&mut crd);
        resource::set_established(&mut crd, &now());
        put(&mut store, facts, "customresourcedefinitions.apiextensions.k8s.io", "", &name, crd);
    }
    components::install(&mut store, facts);
    store.state
}

/// Adds the labels and annotations of the charts to a CRD.
fn add_chart_metadata(crd: &mut Value) {
    let pod_identity = crd["spec"]["group"] == podid_crds::POD_IDENTITY.0;
    crd["metadata"]["annotations"]["controller-gen.kubebuilder.io/version"] = json!(if pod_identity { "v0.5.0" } else { "v0.16.3" });
    if pod_identity {
        crd["metadata"]["labels"] = json!({
            "app.kubernetes.io/instance": "aad-pod-identity", "app.kubernetes.io/managed-by": "Helm",
            "app.kubernetes.io/name": "aad-pod-identity", "helm.sh/chart": "aad-pod-identity",
        });
    }
}

/// Creates the default roles that users can be bound to, and the bindings that let everybody use discovery and reviews.
fn roles(store: &mut Store, facts: &Facts) {
    let labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let group = |name: &str| json!({"apiGroup": RBAC, "kind": "Group", "name": name});
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let all = json!([
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]);
    cluster_role(store, facts, "cluster-admin", &labels, all);
    let paths = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"];
    cluster_role(store, facts, "system:discovery", &labels, json!([{"verbs": ["get"], "nonResourceURLs": paths}]));
    cluster_role(store, facts, "system:public-info-viewer", &labels, json!([{"verbs": ["get"], "nonResourceURLs": public}]));
    let asking = json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]);
    cluster_role(store, facts, "system:basic-user", &labels, asking);
    let read = ["get", "list", "watch"];
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    let seen = ["configmaps", "events", "namespaces", "pods", "pods/log", "pods/status", "serviceaccounts"];
    let apps = ["daemonsets", "daemonsets/status", "deployments", "deployments/status", "replicasets", "replicasets/status"];
    let view = vec![
        json!({"verbs": read, "apiGroups": [""], "resources": seen}),
        json!({"verbs": read, "apiGroups": ["apps"], "resources": apps}),
    ];
    let mut edit = view.clone();
    edit.push(json!({"verbs": read, "apiGroups": [""], "resources": ["secrets"]}));
    edit.push(json!({"verbs": write, "apiGroups": [""], "resources": ["configmaps", "events", "pods", "secrets", "serviceaccounts"]}));
    edit.push(json!({"verbs": ["create"], "apiGroups": [""], "resources": ["pods/eviction", "serviceaccounts/token"]}));
    edit.push(json!({"verbs": write, "apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "replicasets"]}));
    let mut admin = edit.clone();
    admin.push(json!({"verbs": ([read.as_slice(), &write].concat()), "apiGroups": [RBAC], "resources": ["rolebindings", "roles"]}));
    admin.push(json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"]}));
    for (name, rules) in [("view", view), ("edit", edit), ("admin", admin)] {
        cluster_role(store, facts, name, &labels, rules.into());
    }
    const ISSUER: &str = "system:service-account-issuer-discovery";
    let documents = ["/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"];
    cluster_role(store, facts, ISSUER, &labels, json!([{"verbs": ["get"], "nonResourceURLs": documents}]));
    bind(store, facts, ISSUER, &labels, ISSUER, json!([group("system:serviceaccounts")]));
    bind(store, facts, "cluster-admin", &labels, "cluster-admin", json!([group("system:masters")]));
    bind(store, facts, "system:discovery", &labels, "system:discovery", json!([group("system:authenticated")]));
    bind(store, facts, "system:basic-user", &labels, "system:basic-user", json!([group("system:authenticated")]));
    let everybody = json!([group("system:authenticated"), group("system:unauthenticated")]);
    bind(store, facts, "system:public-info-viewer", &labels, "system:public-info-viewer", everybody);
}

fn node(store: &mut Store, facts: &Facts) {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "lastHeartbeatTime": now(), "lastTransitionTime": now(), "reason": reason, "message": message,
        })
    };
    let capacity = json!({"cpu": "2", "ephemeral-storage": "129886128Ki", "memory": "7097684Ki", "pods": "110"});
    let allocatable = json!({"cpu": "1900m", "ephemeral-storage": "119703055367", "memory": "5160Mi", "pods": "110"});
    let node = json!({
        "metadata": {"annotations": {"node.alpha.kubernetes.io/ttl": "0"}, "labels": {
            "agentpool": "nodepool1", "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/instance-type": "Standard_DS2_v2",
            "beta.kubernetes.io/os": "linux", "failure-domain.beta.kubernetes.io/region": "westeurope", "failure-domain.beta.kubernetes.io/zone": "0",
            "kubernetes.azure.com/agentpool": "nodepool1", "kubernetes.azure.com/cluster": facts.node_group, "kubernetes.azure.com/mode": "system",
            "kubernetes.azure.com/role": "agent", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": facts.node, "kubernetes.io/os": "linux",
            "kubernetes.io/role": "agent", "node-role.kubernetes.io/agent": "", "node.kubernetes.io/instance-type": "Standard_DS2_v2",
            "topology.kubernetes.io/region": "westeurope", "topology.kubernetes.io/zone": "0",
        }},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"], "providerID": facts.provider_id},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.224.0.4"}, {"type": "Hostname", "address": facts.node}],
            "allocatable": allocatable, "capacity": capacity,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://1.7.28", "kernelVersion": "5.15.0-1098-azure",
                "kubeProxyVersion": "", "kubeletVersion": super::discovery::GIT_VERSION, "machineID": "", "operatingSystem": "linux",
                "osImage": "Ubuntu 22.04.5 LTS", "systemUUID": "",
            },
        },
    });
    put(store, facts, "nodes", "", &facts.node, node);
}
