//! A cluster as its users see it, wherever the kubeconfig of `sandbox env` leads: by kubectl, and by plain requests if kubectl is missing or
//! would show too little.

use super::{Output, World, by_hand::Answer, until};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write as _, sync::OnceLock};

/// Group and version, plural and kind of everything that a lab could touch.
pub const KINDS: &[(&str, &str, &str)] = &[
    ("v1", "namespaces", "Namespace"),
    ("v1", "configmaps", "ConfigMap"),
    ("v1", "pods", "Pod"),
    ("v1", "secrets", "Secret"),
    ("v1", "serviceaccounts", "ServiceAccount"),
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "replicasets", "ReplicaSet"),
    ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "roles", "Role"),
    ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    ("storage.k8s.io/v1", "csidrivers", "CSIDriver"),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition"),
    ("aadpodidentity.k8s.io/v1", "azureidentities", "AzureIdentity"),
    ("aadpodidentity.k8s.io/v1", "azureidentitybindings", "AzureIdentityBinding"),
    ("aadpodidentity.k8s.io/v1", "azureassignedidentities", "AzureAssignedIdentity"),
    ("aadpodidentity.k8s.io/v1", "azurepodidentityexceptions", "AzurePodIdentityException"),
    ("secrets-store.csi.x-k8s.io/v1", "secretproviderclasses", "SecretProviderClass"),
    ("secrets-store.csi.x-k8s.io/v1", "secretproviderclasspodstatuses", "SecretProviderClassPodStatus"),
];

fn row(kind: &str) -> (&'static str, &'static str) {
    let (version, plural, _) = KINDS.iter().find(|(_, _, k)| *k == kind).unwrap_or_else(|| panic!("{kind} is in no row"));
    (version, plural)
}

fn root(version: &str) -> String {
    if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") }
}

pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns whether kubectl is installed; prints once if it is not.
pub fn have_kubectl() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let have = std::process::Command::new("kubectl").arg("version").arg("--client").output().is_ok_and(|o| o.status.success());
        if !have {
            let _ = std::io::stderr().write_all(b"kubectl is not on PATH: plain requests stand in for it\n");
        }
        have
    })
}

impl World {
    pub fn kubectl(&self, context: &str, words: &[&str]) -> Output {
        let words = [&["--context", context], words].concat();
        let mut command = self.program("kubectl", &words);
        command.envs(self.environment()).env("GOGC", "400");
        Output::of(&words, command.output().unwrap())
    }

    /// Sends a request as the context's user.
    pub fn request(&self, method: &str, context: &str, path: &str, body: Option<&Value>) -> Answer {
        let config: Value = serde_json::from_str(&self.read(".podid/kubeconfig")).unwrap();
        let named = |list: &str| config[list].as_array().unwrap().iter().find(|e| e["name"].as_str().unwrap().ends_with(context)).unwrap();
        let (cluster, user) = (&named("clusters")["cluster"], &named("users")["user"]);
        if cluster["proxy-url"].is_string() {
            return self.kube(method, context, path, body.cloned());
        }
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let authority = engine.decode(text(cluster, "/certificate-authority-data")).unwrap();
        self.direct(method, &format!("{}{path}", text(cluster, "/server")), &authority, text(user, "/token"), body)
    }

    /// Returns all objects of a kind in the whole cluster.
    pub fn all(&self, context: &str, kind: &str) -> Vec<Value> {
        let (version, plural) = row(kind);
        let list = self.request("GET", context, &format!("{}/{plural}", root(version)), None).ok();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Returns an object as kubectl shows it, or `None`.
    pub fn get(&self, context: &str, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let (version, plural) = row(kind);
        if have_kubectl() {
            let group = version.split_once('/').map_or_else(String::new, |(group, _)| format!(".{group}"));
            let mut words = vec!["get".to_owned(), format!("{plural}{group}"), name.to_owned(), "-o".into(), "json".into()];
            if !namespace.is_empty() {
                words.extend(["-n".to_owned(), namespace.to_owned()]);
            }
            words.push("--ignore-not-found".into());
            let shown = self.kubectl(context, &words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
            return serde_json::from_str(&shown.stdout).ok();
        }
        let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let answer = self.request("GET", context, &format!("{}{within}/{plural}/{name}", root(version)), None);
        (answer.status != 404).then(|| answer.ok())
    }

    /// Runs `kubectl apply -f`, on the client side.
    pub fn kubectl_apply(&self, context: &str, objects: &[Value]) {
        if have_kubectl() {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            self.write("applied.json", &list.to_string());
            // Old versions validate with a document that the sandbox does not serve; the server validates in any case.
            self.kubectl(context, &["apply", "--validate=false", "-f", "applied.json"]).ok();
            return;
        }
        for object in objects {
            let mut object = object.clone();
            let version = text(&object, "/apiVersion").to_owned();
            let (_, plural) = row(text(&object, "/kind"));
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
            let within = if plural == "namespaces" { String::new() } else { format!("/namespaces/{namespace}") };
            let path = format!("{}{within}/{plural}?fieldManager=kubectl-client-side-apply", root(&version));
            let last = format!("{object}\n");
            object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = last.into();
            self.request("POST", context, &path, Some(&object)).ok();
        }
    }

    /// Returns `Kind namespace/name` of all objects, with a field of their metadata.
    pub fn metadata(&self, context: &str, field: &str) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        for (_, _, kind) in KINDS {
            for object in self.all(context, kind) {
                let key = format!("{kind} {}/{}", text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
                found.insert(key, object["metadata"][field].clone());
            }
        }
        found
    }

    /// Waits until the dependents of pods are collected: a new control plane looks for new kinds only every 30 s.
    pub fn collected(&self, context: &str) {
        until("what pods owned is collected", || {
            let pods: Vec<Value> = self.all(context, "Pod").iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
            let left = self.all(context, "SecretProviderClassPodStatus");
            let orphan = left.iter().any(|status| !pods.contains(&status["metadata"]["ownerReferences"][0]["uid"]));
            let assigned = self.all(context, "AzureAssignedIdentity").iter().any(|a| !a["metadata"]["deletionTimestamp"].is_null());
            (!orphan && !assigned).then_some(())
        });
    }
}
