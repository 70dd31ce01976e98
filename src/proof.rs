//! The proof that a workload reads its secrets: a short-lived pod mounts the SecretProviderClass as the workload would, the driver says
//! which versions it mounted, and those are the vault's. No value is ever read. The same on every cluster; it knows no terminal.
//!
//! `target` what is to be proved · `pod` `run_id` the pod · `attempt` the waits · `diagnosis` `scheduling` `words` what the cluster says is wrong ·
//! `comparison` what is not as podid wrote it · `link` the links of the chain · `commands` of hints · `rights` what RBAC must allow.

mod attempt;
mod commands;
mod comparison;
mod diagnosis;
mod link;
mod pod;
pub mod rights;
mod run_id;
mod scheduling;
mod target;
mod words;

pub use commands::{Commands, Spec};
pub use link::{Link, NotProved};
pub use pod::{IMAGE, shown_name};
pub use target::{Target, targets};

use crate::{
    azure::{self, Azure},
    cluster::{Api, Error as ClusterError, Write},
    engine::{event::EventSink, fault::Fault, ledger::Ledger},
    resources::{manifest, world::Clusters},
};
use attempt::{Attempt, Stage};
use pod::ProofPod;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// What is mounted was assigned before; word of it comes at about the same time.
const WORD_OF_MIC: Duration = Duration::from_secs(2);
/// A proof that has ended waits no longer than this for whether another binding has the same selector.
const WORD_OF_RIVALS: Duration = Duration::from_secs(3);

/// A step of the chain, and when it was reached, counted from the start.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
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
    pub hops: Vec<Step>,
    /// File name and version of each secret that was mounted.
    pub objects: BTreeMap<String, String>,
    /// What makes the outcome uncertain for the workload's own pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub fault: Option<Fault>,
}

impl Proof {
    pub fn proved(&self) -> bool {
        self.fault.is_none()
    }

    /// The link of the chain that is broken, where the proof failed at one.
    pub fn broken_link(&self) -> Option<Link> {
        match &self.fault {
            Some(Fault::Cloud(error)) => error.downcast_ref::<NotProved>().map(|found| found.link),
            _ => None,
        }
    }
}

pub struct Prover {
    pub clusters: Clusters,
    pub azure: Azure,
    /// What was written, which a proof that fails is compared with.
    pub ledger: Ledger,
    pub commands: Commands,
    /// Whether a run has just written everything, so that Azure may not show all of it yet.
    pub fresh: bool,
    pub events: EventSink,
    pub image: String,
    pub limit: Duration,
    /// Turns true on Ctrl-C: the pod is removed all the same.
    pub stop: watch::Receiver<bool>,
}

impl Prover {
    pub async fn prove(&self, target: &Target) -> Proof {
        let mut proof = Proof {
            workload: format!("{}/{}", target.namespace, target.class.name),
            vault: target.class.vault_name.clone(),
            identity: target.identity.clone(),
            hops: Vec::new(),
            objects: BTreeMap::new(),
            warnings: Vec::new(),
            fault: None,
        };
        // a proof in progress is large; most of it lives on the heap
        if let Err(fault) = Box::pin(self.run(target, &mut proof)).await {
            proof.fault = Some(fault);
        }
        proof
    }

    /// Only asks whether the pod would be taken; its name.
    pub async fn rehearse(&self, target: &Target) -> Result<String, Fault> {
        let cluster = self.clusters.for_dry_run().writer(&target.cluster).await?;
        let name = pod::name(&target.class.name);
        let pod = manifest::at(&pod::api(), Some(&target.namespace), &name);
        match cluster.create(&pod, &pod::manifest(target, &pod, &self.image, self.limit)).await {
            Ok(_) => Ok(shown_name(&target.class.name)),
            Err(error) => Err(Fault::cloud(error)),
        }
    }

    async fn run(&self, target: &Target, proof: &mut Proof) -> Result<(), Fault> {
        let begun = Instant::now();
        let cluster = self.clusters.writer(&target.cluster).await?;
        let name = pod::name(&target.class.name);
        let at = manifest::at(&pod::api(), Some(&target.namespace), &name);
        pod::clear_leftovers(&cluster, &target.namespace).await?;
        let made = match cluster.create(&at, &pod::manifest(target, &at, &self.image, self.limit)).await {
            Ok(made) => made,
            Err(error) => return Err(self.not_created(target, error).await),
        };
        let pod = ProofPod::new(at, &made);
        hop(proof, begun, "pod", &format!("{name} with label aadpodidbinding={}", target.selector));
        let attempt = Attempt::new(self, target, &cluster, &pod, begun);
        let mut stop = self.stop.clone();
        let work = async {
            let (outcome, _) = tokio::join!(Box::pin(self.chain(&attempt, begun, proof)), attempt.rivals());
            outcome
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            _ = stop.wait_for(|s| *s) => Err(Fault::Interrupted),
        };
        if !matches!(outcome, Err(Fault::Interrupted)) {
            let rivals = tokio::time::timeout(WORD_OF_RIVALS, attempt.rivals()).await.unwrap_or_default();
            proof.warnings.extend(rivals.iter().map(|rival| rival.warning(&target.selector)));
        }
        let removed = cluster.delete(&pod.at, Some(&pod.uid), Some(0)).await.map_err(Fault::cloud);
        outcome.and(removed)
    }

    /// A pod that is not accepted: its namespace may be missing.
    async fn not_created(&self, target: &Target, error: ClusterError) -> Fault {
        if !matches!(error, ClusterError::NotFound { .. }) {
            return Fault::cloud(error);
        }
        match Box::pin(comparison::compare(self, target)).await.differences.into_iter().next() {
            Some(difference) => Fault::cloud(difference.found.because(error.to_string())),
            None => Fault::cloud(error),
        }
    }

    async fn chain(&self, attempt: &Attempt<'_>, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let mut assigned = std::pin::pin!(self.assigned(attempt, begun));
        let mut mounted = std::pin::pin!(self.mounted(attempt));
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
        self.compare(attempt.target, &objects, begun, proof).await?;
        proof.objects = objects;
        self.synced(attempt, begun, proof).await
    }

    /// MIC's word that the identity is on the node. Not needed for the proof (and podid may not be allowed to look), so nothing fails here.
    async fn assigned(&self, attempt: &Attempt<'_>, begun: Instant) -> Option<Step> {
        let target = attempt.target;
        let api = Api::new("aadpodidentity.k8s.io", "v1", "AzureAssignedIdentity", "azureassignedidentities");
        let name = format!("{}-{}-{}", attempt.pod.at.name, target.namespace, target.identity);
        let selector = format!("metadata.name={name}");
        let is = |object: &Value| (object.pointer("/status/status").and_then(Value::as_str) == Some("Assigned")).then_some(());
        match attempt.cluster.wait(&api, None, Some(&selector), attempt.left(), is).await {
            Ok(Some(())) => Some(Step { name: "assigned".into(), detail: target.identity.clone(), after: begun.elapsed() }),
            _ => None,
        }
    }

    /// The driver's word on what it mounted. A status of an earlier pod of this name belongs to that one.
    async fn mounted(&self, attempt: &Attempt<'_>) -> Result<BTreeMap<String, String>, Fault> {
        let target = attempt.target;
        let api = Api::new("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClassPodStatus", "secretproviderclasspodstatuses");
        let name = pod::status_name(&attempt.pod.at.name, &target.namespace, &target.class.name);
        let selector = format!("metadata.name={name}");
        let read = |object: &Value| {
            let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
            let ours = owners.iter().any(|owner| owner.get("uid").and_then(Value::as_str) == Some(&attempt.pod.uid));
            (ours && object.pointer("/status/mounted").and_then(Value::as_bool) == Some(true)).then(|| objects_of(object))
        };
        let wait = attempt.cluster.wait(&api, Some(&target.namespace), Some(&selector), attempt.left(), read);
        let ended = attempt.until(Stage::Mount, wait).await?;
        // the status names objects as `secret/NAME`; files carry the alias
        let mut files = BTreeMap::new();
        for object in &target.class.objects {
            match ended.get(&object.name) {
                Some(version) => drop(files.insert(object.file().to_owned(), version.clone())),
                None => {
                    let what = format!("the driver mounted {} without {}", target.class.name, object.name);
                    let reason = link::Reason::new(link::Heals::Never, NotProved::new(Link::Class, what));
                    let compared = Box::pin(comparison::compare(self, target)).await;
                    return Err(attempt.not_proved(&Stage::Mount, Some(reason), &compared.differences));
                }
            }
        }
        Ok(files)
    }

    async fn compare(&self, target: &Target, objects: &BTreeMap<String, String>, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let Some(uri) = &target.vault_uri else { return Ok(()) };
        let azure = self.azure.read();
        for object in &target.class.objects {
            let mounted = objects.get(object.file()).map(String::as_str).unwrap_or_default();
            let current = match azure.secret_version(uri, &object.name).await {
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
                return Err(Fault::cloud(NotProved::new(Link::Version, text).hint(hint)));
            }
        }
        hop(proof, begun, "version", &format!("the current one in {}", target.class.vault_name));
        Ok(())
    }

    async fn synced(&self, attempt: &Attempt<'_>, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let Target { class, namespace, .. } = attempt.target;
        if class.synced.is_empty() {
            return Ok(());
        }
        let api = Api::new("", "v1", "Secret", "secrets");
        let mut names: Vec<&str> = class.synced.iter().map(|s| s.secret.as_str()).collect();
        names.dedup();
        for name in names {
            let keys: Vec<&str> = class.synced.iter().filter(|s| s.secret == name).map(|s| s.key.as_str()).collect();
            // only the keys are looked at
            let has = |secret: &Value| {
                let data = secret.get("data").and_then(Value::as_object);
                keys.iter().all(|k| data.is_some_and(|d| d.contains_key(*k))).then_some(())
            };
            let selector = format!("metadata.name={name}");
            let wait = attempt.cluster.wait(&api, Some(namespace), Some(&selector), attempt.left(), has);
            attempt.until(Stage::Secret(name), wait).await?;
            hop(proof, begun, "synced", &format!("Secret {name}, key {}", keys.join(", ")));
        }
        if class.synced.iter().any(|s| s.env.is_some()) {
            attempt.until(Stage::Running, runs(attempt)).await?;
            let env: Vec<&str> = class.synced.iter().filter_map(|s| s.env.as_deref()).collect();
            hop(proof, begun, "running", &format!("with {} from the Secret", env.join(", ")));
        }
        Ok(())
    }
}

/// Asks for the pod again and again: a watch of pods needs a right to all of the namespace's.
async fn runs(attempt: &Attempt<'_>) -> Result<Option<()>, ClusterError> {
    const PAUSE: Duration = Duration::from_millis(200);
    let is_running = |pod: &Value| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running");
    let cluster: &Write = attempt.cluster;
    while !attempt.left().is_zero() {
        match cluster.get(&attempt.pod.at).await {
            Ok(Some(pod)) if is_running(&pod) => return Ok(Some(())),
            // the server may be away for a moment
            Ok(_) | Err(ClusterError::Unreachable { .. } | ClusterError::Failed { .. }) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn hop(proof: &mut Proof, begun: Instant, name: &str, detail: &str) {
    proof.hops.push(Step { name: name.into(), detail: detail.into(), after: begun.elapsed() });
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
