//! The objects that AKS itself installs into `kube-system`: the add-on for Key Vault secrets and the webhook for workload identities, each
//! with the path at which it is applied. Names, labels and images are those of AKS.

use super::components::csi_driver;
use super::webhook::APP;
use serde_json::{Value, json};

/// The field manager of the objects.
pub const MANAGER: &str = "aks-addon-manager";
pub(super) const MARK: (&str, &str) = ("kubernetes.azure.com/managedby", "aks");
const DRIVER: &str = "aks-secrets-store-csi-driver";
const PROVIDER: &str = "aks-secrets-store-provider-azure";
const WEBHOOK: &str = "azure-wi-webhook-controller-manager";
const CSI_IMAGES: &str = "mcr.microsoft.com/oss/v2/kubernetes-csi";

/// Returns whether AKS made an object.
pub fn is_managed(object: &Value) -> bool {
    object["metadata"]["labels"][MARK.0] == MARK.1
}

/// An object with its path.
pub type Placed = (String, Value);

pub fn placed(api: &str, kind: &str, plural: &str, namespace: Option<&str>, name: &str, mut object: Value) -> Placed {
    let root = if api.contains('/') { "/apis" } else { "/api" };
    let within = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
    object["apiVersion"] = json!(api);
    object["kind"] = json!(kind);
    object["metadata"]["name"] = json!(name);
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    for (label, value) in [MARK, ("addonmanager.kubernetes.io/mode", "Reconcile"), ("kubernetes.io/cluster-service", "true")] {
        object["metadata"]["labels"][label] = json!(value);
    }
    (format!("{root}/{api}{within}/{plural}/{name}"), object)
}

pub(super) fn account(name: &str) -> Placed {
    placed("v1", "ServiceAccount", "serviceaccounts", Some("kube-system"), name, json!({}))
}

/// Returns a ClusterRole and its binding to a service account of kube-system.
pub(super) fn role(name: &str, account: &str, rules: Value) -> [Placed; 2] {
    let api = "rbac.authorization.k8s.io/v1";
    let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": "kube-system"});
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    let binding = json!({"subjects": [subject], "roleRef": reference});
    [
        placed(api, "ClusterRole", "clusterroles", None, name, json!({ "rules": rules })),
        placed(api, "ClusterRoleBinding", "clusterrolebindings", None, &format!("{name}-binding"), binding),
    ]
}

pub(super) fn container(name: &str, image: &str, args: &[&str]) -> Value {
    json!({"name": name, "image": image, "args": args})
}

/// Returns a pod template for nodes with Linux.
fn template(app: &str, account: &str, mut spec: Value) -> Value {
    spec["serviceAccountName"] = json!(account);
    spec["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    json!({"metadata": {"labels": {"app": app, MARK.0: MARK.1}}, "spec": spec})
}

pub(super) fn daemon_set(name: &str, app: &str, mut spec: Value) -> Placed {
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    let object = json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"selector": {"matchLabels": {"app": app}}, "template": template(app, name, spec), "updateStrategy": {"type": "RollingUpdate"}},
    });
    placed("apps/v1", "DaemonSet", "daemonsets", Some("kube-system"), name, object)
}

/// Returns what the add-on `azureKeyvaultSecretsProvider` installs, in the order of installation.
pub fn secrets_provider(rotation: bool, interval: Option<&str>) -> Vec<Placed> {
    let group = json!(["secrets-store.csi.x-k8s.io"]);
    let mut all: Vec<Placed> = podid_crds::all()
        .into_iter()
        .filter(|crd| crd["spec"]["group"] == group[0])
        .map(|crd| {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            placed("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", None, &name, crd)
        })
        .collect();
    let driver = json!({ "spec": csi_driver()["spec"] });
    all.push(placed("storage.k8s.io/v1", "CSIDriver", "csidrivers", None, "secrets-store.csi.k8s.io", driver));
    all.extend([account(DRIVER), account(PROVIDER)]);
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
    all.extend(role("aks-secretproviderclasses-role", DRIVER, classes));
    all.extend(role("aks-secretprovidersyncing-role", DRIVER, syncing));
    all.extend(role("aks-secretprovidertokenrequest-role", DRIVER, tokens));
    let rotates = format!("--enable-secret-rotation={rotation}");
    let every = format!("--rotation-poll-interval={}", interval.unwrap_or("2m"));
    let containers = json!([
        container("node-driver-registrar", &format!("{CSI_IMAGES}/csi-node-driver-registrar:v2.14.0"), &["--v=5"]),
        container(
            "secrets-store",
            &format!("{CSI_IMAGES}/secrets-store/driver:v1.5.4"),
            &["--endpoint=$(CSI_ENDPOINT)", "--nodeid=$(KUBE_NODE_NAME)", &rotates, &every]
        ),
        container("liveness-probe", &format!("{CSI_IMAGES}/livenessprobe:v2.15.0"), &["--probe-timeout=3s"]),
    ]);
    all.push(daemon_set(DRIVER, "secrets-store-csi-driver", json!({ "containers": containers })));
    let image = "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.7.2";
    let spec = json!({"containers": [container("provider-azure-installer", image, &["-v=5"])], "hostNetwork": true});
    all.push(daemon_set(PROVIDER, "secrets-store-provider-azure", spec));
    all
}

/// The settings of the webhook for workload identities that depend on the cluster.
#[derive(Clone, Debug, Default)]
pub struct WorkloadIdentity {
    pub tenant: String,
    /// The name in the certificate of the token proxy for identity bindings, which is part of the API server.
    pub token_proxy: String,
}

/// Returns what `securityProfile.workloadIdentity` installs.
pub fn workload_identity(settings: &WorkloadIdentity) -> Vec<Placed> {
    const CONFIG: &str = "azure-wi-webhook-config";
    const SERVICE: &str = "azure-wi-webhook-webhook-service";
    let account_name = "azure-wi-webhook-admin";
    let port = json!({"port": 443, "targetPort": 9443});
    let service = json!({"spec": {"selector": {"app": APP}, "ports": [port]}});
    let image = "mcr.microsoft.com/oss/v2/azure/workload-identity/webhook:v1.5.1";
    let mut manager = container("manager", image, &["--log-level=info"]);
    manager["envFrom"] = json!([{"configMapRef": {"name": CONFIG}}]);
    let spec = json!({ "containers": [manager] });
    let config = json!({"data": {
        "AZURE_ENVIRONMENT": "AzurePublicCloud", "AZURE_TENANT_ID": settings.tenant,
        "AZURE_KUBERNETES_TOKEN_PROXY": "https://kubernetes.default.svc.cluster.local",
        "AZURE_KUBERNETES_SNI_NAME": settings.token_proxy, "AZURE_KUBERNETES_CA_CONFIGMAP_NAME": "kube-root-ca.crt",
    }});
    let deployment = json!({
        "metadata": {"labels": {"app": APP}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": APP}}, "template": template(APP, account_name, spec)},
    });
    let rules = json!([
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["serviceaccounts"]},
        {"verbs": ["get", "list", "update", "watch"], "apiGroups": ["admissionregistration.k8s.io"], "resources": ["mutatingwebhookconfigurations"]},
    ]);
    let mut all = vec![account(account_name)];
    all.extend(role("azure-wi-webhook-manager-role", account_name, rules));
    let webhook = json!({
        "name": super::webhook::NAME, "admissionReviewVersions": ["v1", "v1beta1"], "failurePolicy": "Fail", "matchPolicy": "Equivalent",
        "clientConfig": {"service": {"name": SERVICE, "namespace": "kube-system", "path": "/mutate-v1-pod"}},
        "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]},
        "objectSelector": {"matchLabels": {"azure.workload.identity/use": "true"}}, "reinvocationPolicy": "IfNeeded", "sideEffects": "None",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    });
    let configuration = json!({ "webhooks": [webhook] });
    all.push(placed("v1", "ConfigMap", "configmaps", Some("kube-system"), CONFIG, config));
    all.push(placed("v1", "Service", "services", Some("kube-system"), SERVICE, service));
    all.push(placed("apps/v1", "Deployment", "deployments", Some("kube-system"), WEBHOOK, deployment));
    let api = "admissionregistration.k8s.io/v1";
    let name = "azure-wi-webhook-mutating-webhook-configuration";
    all.push(placed(api, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", None, name, configuration));
    all
}
