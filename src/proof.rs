//! The proof that a workload reads its secrets: a short-lived pod mounts the SecretProviderClass as the workload would, the driver says
//! which versions it mounted, and those are the vault's. No value is ever read. The same on every cluster; it knows no terminal.

mod broken;
pub mod rights;

use crate::{
    azure,
    cluster::{Api, At, Error as ClusterError, Write},
    engine::{
        fault::Fault,
        ledger::{Entry, Ledger},
    },
    resources::{
        azure_identity_binding::AzureIdentityBinding,
        manifest, ownership,
        secret_provider_class::SecretProviderClass,
        vault,
        world::{Clusters, Lies},
    },
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::sync::watch;

use broken::Lack;

/// The pause image: it needs no shell, runs as nobody, and is on most nodes already.
pub const IMAGE: &str = "mcr.microsoft.com/oss/kubernetes/pause:3.9";

/// What is mounted was assigned before; word of it comes at about the same time.
const WORD_OF_MIC: Duration = Duration::from_secs(2);

/// What is to be proved, as the state knows it.
#[derive(Clone, Debug)]
pub struct Target {
    pub app: String,
    pub lies: Lies,
    pub namespace: String,
    pub class: SecretProviderClass,
    pub selector: String,
    /// The AzureIdentity that the selector leads to.
    pub identity: String,
    /// Data plane of the vault, where the state knows it.
    pub vault_uri: Option<String>,
}

/// A step of the chain, and when it was reached, counted from the start.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    pub name: String,
    pub detail: String,
    #[serde(serialize_with = "seconds")]
    pub after: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    pub workload: String,
    pub vault: String,
    pub identity: String,
    pub hops: Vec<Hop>,
    /// File name and version of each secret that was mounted.
    pub objects: BTreeMap<String, String>,
    #[serde(skip)]
    pub fault: Option<Fault>,
}

impl Proof {
    pub fn proved(&self) -> bool {
        self.fault.is_none()
    }
}

/// The targets of an app: its SecretProviderClasses, each with the binding of its selector.
pub fn targets(ledger: &Ledger, app: &str, namespace: Option<&str>, class: Option<&str>) -> Result<Vec<Target>, Fault> {
    let entries: Vec<&Entry> = ledger.of_app(app).collect();
    let mut found = Vec::new();
    for entry in entries.iter().filter(|e| e.kind == "secretproviderclass") {
        let spc: SecretProviderClass = serde_json::from_value(entry.placed.clone())?;
        if namespace.is_some_and(|n| n != spc.namespace) || class.is_some_and(|c| c != spc.name) {
            continue;
        }
        let mut bindings = Vec::new();
        for binding in entries.iter().filter(|e| e.kind == "azureidentitybinding" && same_cluster(e, entry)) {
            let binding: AzureIdentityBinding = serde_json::from_value(binding.placed.clone())?;
            if binding.namespace == spc.namespace && spc.selector.as_ref().is_none_or(|s| *s == binding.selector) {
                bindings.push(binding);
            }
        }
        let binding = match bindings.as_slice() {
            [one] => one,
            [] => {
                return Err(Fault::refused(
                    format!("no binding in namespace {} leads to the SecretProviderClass {}", spc.namespace, spc.name),
                    format!("Bind an identity first: `podid bind --namespace {}`.", spc.namespace),
                ));
            }
            [_, _, ..] => {
                return Err(Fault::refused(
                    format!("several bindings in namespace {} could lead to the SecretProviderClass {}", spc.namespace, spc.name),
                    "Apply the mount again, now that the bindings are there: `podid mount apply`.",
                ));
            }
        };
        let vault = ledger.get(app, &vault::key(&spc.vault_name)).and_then(|e| e.outputs.get(vault::URI.0));
        found.push(Target {
            app: app.to_owned(),
            lies: spc.lies.clone(),
            namespace: spc.namespace.clone(),
            selector: binding.selector.clone(),
            identity: binding.azure_identity.clone(),
            vault_uri: vault.and_then(Value::as_str).map(str::to_owned),
            class: spc,
        });
    }
    Ok(found)
}

fn same_cluster(one: &Entry, other: &Entry) -> bool {
    match (&one.cluster, &other.cluster) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

pub struct Prover {
    pub clusters: Clusters,
    pub azure: azure::Read,
    pub image: String,
    pub limit: Duration,
    /// Turns true on Ctrl-C: the pod is removed all the same.
    pub stop: watch::Receiver<bool>,
}

/// The pod that proves a SecretProviderClass.
pub fn pod_name(class: &str) -> String {
    format!("podid-verify-{class}")
}

/// As the driver names what it mounted: pod, namespace, class.
pub fn status_name(namespace: &str, class: &str) -> String {
    format!("{}-{namespace}-{class}", pod_name(class))
}

/// The pod of one proof, as it was made. Later ones have its name.
struct ProofPod {
    at: At,
    uid: String,
    made: Option<Timestamp>,
}

impl ProofPod {
    fn new(at: At, made: &Value) -> Self {
        let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Self { at, uid: text("/metadata/uid").to_owned(), made: text("/metadata/creationTimestamp").parse().ok() }
    }
}

fn pods() -> Api {
    Api::new("", "v1", "Pod", "pods")
}

impl Prover {
    pub async fn prove(&self, target: &Target) -> Proof {
        let mut proof = Proof {
            workload: format!("{}/{}", target.namespace, target.class.name),
            vault: target.class.vault_name.clone(),
            identity: target.identity.clone(),
            hops: Vec::new(),
            objects: BTreeMap::new(),
            fault: None,
        };
        if let Err(fault) = self.run(target, &mut proof).await {
            proof.fault = Some(fault);
        }
        proof
    }

    /// Only asks whether the pod would be taken; its name.
    pub async fn rehearse(&self, target: &Target) -> Result<String, Fault> {
        let cluster = self.clusters.rehearsing().writer(&target.lies).await?;
        let name = pod_name(&target.class.name);
        let pod = manifest::at(&pods(), Some(&target.namespace), &name);
        match cluster.create(&pod, &self.manifest(target, &pod)).await {
            // the real run takes away what an earlier one left
            Ok(_) | Err(ClusterError::Exists { .. }) => Ok(name),
            Err(error) => Err(Fault::cloud(error)),
        }
    }

    async fn run(&self, target: &Target, proof: &mut Proof) -> Result<(), Fault> {
        let begun = Instant::now();
        let cluster = self.clusters.writer(&target.lies).await?;
        let name = pod_name(&target.class.name);
        let pod = manifest::at(&pods(), Some(&target.namespace), &name);
        // left by a run that was killed
        self.clear(&cluster, &pod).await?;
        let made = cluster.create(&pod, &self.manifest(target, &pod)).await.map_err(Fault::cloud)?;
        let pod = ProofPod::new(pod, &made);
        hop(proof, begun, "pod", &format!("{name} with label aadpodidbinding={}", target.selector));
        let mut stop = self.stop.clone();
        let outcome = tokio::select! {
            outcome = self.chain(target, &cluster, &pod, begun, proof) => outcome,
            _ = stop.wait_for(|s| *s) => Err(Fault::Interrupted),
        };
        let removed = cluster.delete(&pod.at, Some(&pod.uid), Some(0)).await.map_err(Fault::cloud);
        outcome.and(removed)
    }

    async fn clear(&self, cluster: &Write, pod: &At) -> Result<(), Fault> {
        let Some(old) = cluster.get(pod).await.map_err(Fault::cloud)? else { return Ok(()) };
        if manifest::labels(&old).get(ownership::MANAGED_BY).map(String::as_str) != Some(ownership::PODID) {
            return Err(Fault::refused(
                format!("a pod named {} is there already and is not podid's", pod.name),
                "Remove or rename it: verify needs that name for a moment.",
            ));
        }
        cluster.delete(pod, None, Some(0)).await.map_err(Fault::cloud)
    }

    async fn chain(&self, target: &Target, cluster: &Write, pod: &ProofPod, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let mut assigned = std::pin::pin!(self.assigned(target, cluster, pod, begun));
        let mut mounted = std::pin::pin!(self.mounted(target, cluster, pod, begun));
        let objects = tokio::select! {
            biased;
            assigned = &mut assigned => {
                proof.hops.extend(assigned);
                mounted.await?
            }
            objects = &mut mounted => {
                let objects = objects?;
                proof.hops.extend(tokio::time::timeout(WORD_OF_MIC, assigned).await.unwrap_or_default());
                objects
            }
        };
        let shown: Vec<String> = objects.iter().map(|(file, version)| format!("{file} version {}", short(version))).collect();
        hop(proof, begun, "mounted", &shown.join(", "));
        self.compare(target, &objects, begun, proof).await?;
        proof.objects = objects;
        self.synced(target, cluster, pod, begun, proof).await
    }

    fn left(&self, begun: Instant) -> Duration {
        self.limit.saturating_sub(begun.elapsed())
    }

    /// MIC's word that the identity is on the node. Not needed for the proof (and podid may not be allowed to look), so nothing fails here.
    async fn assigned(&self, target: &Target, cluster: &Write, pod: &ProofPod, begun: Instant) -> Option<Hop> {
        let api = Api::new("aadpodidentity.k8s.io", "v1", "AzureAssignedIdentity", "azureassignedidentities");
        let name = format!("{}-{}-{}", pod.at.name, target.namespace, target.identity);
        let selector = format!("metadata.name={name}");
        let is = |object: &Value| (object.pointer("/status/status").and_then(Value::as_str) == Some("Assigned")).then_some(());
        match cluster.wait(&api, None, Some(&selector), self.left(begun), is).await {
            Ok(Some(())) => Some(Hop { name: "assigned".into(), detail: target.identity.clone(), after: begun.elapsed() }),
            _ => None,
        }
    }

    /// The driver's word on what it mounted; or what it says is wrong. The status has the name of the last proof's, which may still be there: the
    /// pod that owns it tells them apart.
    async fn mounted(&self, target: &Target, cluster: &Write, pod: &ProofPod, begun: Instant) -> Result<BTreeMap<String, String>, Fault> {
        let api = Api::new("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClassPodStatus", "secretproviderclasspodstatuses");
        let selector = format!("metadata.name={}", status_name(&target.namespace, &target.class.name));
        let read = |object: &Value| {
            let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
            let ours = owners.iter().any(|owner| owner.get("uid").and_then(Value::as_str) == Some(&pod.uid));
            (ours && object.pointer("/status/mounted").and_then(Value::as_bool) == Some(true)).then(|| objects_of(object))
        };
        let ended = cluster.wait(&api, Some(&target.namespace), Some(&selector), self.left(begun), read).await;
        let ended = match ended {
            Ok(Some(objects)) => objects,
            Ok(None) | Err(ClusterError::TimedOut(_)) => {
                return Err(broken::why(target, cluster, pod, &Lack::Mount, begun.elapsed()).await);
            }
            Err(error) => return Err(Fault::cloud(error)),
        };
        // the status names objects as `secret/NAME`; files carry the alias
        let mut files = BTreeMap::new();
        for object in &target.class.objects {
            match ended.get(&object.name) {
                Some(version) => drop(files.insert(object.file().to_owned(), version.clone())),
                None => {
                    return Err(Fault::cloud(NotProved(format!("the driver mounted {} without {}", target.class.name, object.name), None)));
                }
            }
        }
        Ok(files)
    }

    async fn compare(&self, target: &Target, objects: &BTreeMap<String, String>, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let Some(uri) = &target.vault_uri else { return Ok(()) };
        for object in &target.class.objects {
            let mounted = objects.get(object.file()).map(String::as_str).unwrap_or_default();
            let current = match self.azure.secret_version(uri, &object.name).await {
                Ok(Some(info)) => info.version.unwrap_or_default(),
                Ok(None) => String::new(),
                Err(azure::Error::Forbidden { .. }) => {
                    hop(proof, begun, "version", "not compared: podid's own login may not look into the vault");
                    return Ok(());
                }
                Err(error) => return Err(Fault::cloud(error)),
            };
            if current != mounted {
                let text = format!("{} is mounted in version {}, but the vault's is {}", object.name, short(mounted), short(&current));
                let hint = "Rotation may be off or not have come round yet: a new pod mounts the current version.";
                return Err(Fault::cloud(NotProved(text, Some(hint.into()))));
            }
        }
        hop(proof, begun, "version", &format!("the current one in {}", target.class.vault_name));
        Ok(())
    }

    async fn synced(&self, target: &Target, cluster: &Write, pod: &ProofPod, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        if target.class.synced.is_empty() {
            return Ok(());
        }
        let api = Api::new("", "v1", "Secret", "secrets");
        let mut names: Vec<&str> = target.class.synced.iter().map(|s| s.secret.as_str()).collect();
        names.dedup();
        for name in names {
            let keys: Vec<&str> = target.class.synced.iter().filter(|s| s.secret == name).map(|s| s.key.as_str()).collect();
            // only the keys are looked at
            let has = |secret: &Value| {
                let data = secret.get("data").and_then(Value::as_object);
                keys.iter().all(|k| data.is_some_and(|d| d.contains_key(*k))).then_some(())
            };
            let selector = format!("metadata.name={name}");
            if cluster.wait(&api, Some(&target.namespace), Some(&selector), self.left(begun), has).await.map_err(Fault::cloud)?.is_none() {
                return Err(broken::why(target, cluster, pod, &Lack::Secret(name), begun.elapsed()).await);
            }
            hop(proof, begun, "synced", &format!("Secret {name}, key {}", keys.join(", ")));
        }
        if target.class.synced.iter().any(|s| s.env.is_some()) {
            let running = |p: &Value| (p.pointer("/status/phase").and_then(Value::as_str) == Some("Running")).then_some(());
            let selector = format!("metadata.name={}", pod.at.name);
            let runs = cluster.wait(&pods(), Some(&target.namespace), Some(&selector), self.left(begun), running).await;
            if runs.map_err(Fault::cloud)?.is_none() {
                return Err(broken::why(target, cluster, pod, &Lack::Running, begun.elapsed()).await);
            }
            let env: Vec<&str> = target.class.synced.iter().filter_map(|s| s.env.as_deref()).collect();
            hop(proof, begun, "running", &format!("with {} from the Secret", env.join(", ")));
        }
        Ok(())
    }

    /// Runs under the restricted pod security standard, and ends by itself should podid be killed.
    fn manifest(&self, target: &Target, pod: &At) -> Value {
        let mut labels = ownership::marks(&target.app);
        labels.insert("aadpodidbinding".into(), target.selector.clone());
        let env: Vec<Value> = target
            .class
            .synced
            .iter()
            .filter_map(|s| {
                let name = s.env.as_ref()?;
                Some(json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": s.secret, "key": s.key } } }))
            })
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": pod.name, "namespace": target.namespace, "labels": labels },
            "spec": {
                "restartPolicy": "Never",
                "activeDeadlineSeconds": self.limit.as_secs() + 60,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "terminationGracePeriodSeconds": 0,
                "nodeSelector": { "kubernetes.io/os": "linux" },
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "verify",
                    "image": self.image,
                    "env": env,
                    "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "cpu": "100m", "memory": "32Mi" } },
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
                    },
                    "volumeMounts": [{ "name": "secrets", "mountPath": "/mnt/secrets", "readOnly": true }],
                }],
                "volumes": [{
                    "name": "secrets",
                    "csi": {
                        "driver": "secrets-store.csi.k8s.io",
                        "readOnly": true,
                        "volumeAttributes": { "secretProviderClass": target.class.name },
                    },
                }],
            },
        })
    }
}

/// The chain ended before the secret: what was seen, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotProved(pub String, pub Option<String>);

fn hop(proof: &mut Proof, begun: Instant, name: &str, detail: &str) {
    proof.hops.push(Hop { name: name.into(), detail: detail.into(), after: begun.elapsed() });
}

fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}

/// `{id: "secret/NAME", version}` of the status, by name.
fn objects_of(status: &Value) -> BTreeMap<String, String> {
    let objects = status.pointer("/status/objects").and_then(Value::as_array);
    let pair = |object: &Value| {
        let id = object.get("id")?.as_str()?;
        let version = object.get("version")?.as_str()?;
        Some((id.rsplit('/').next()?.to_owned(), version.to_owned()))
    };
    objects.map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default()
}
