//! Proves that a workload can read its secrets: a short-lived pod gets them as the workload would, and the result is compared with the
//! vault. It follows the chain that mode and delivery describe and knows neither by name. No value is ever read.
//!
//! `target` is what to prove, `storage` the same for blobs; `prover` has the clients; `pod` and `run_id` make the pod; `attempt` waits for it; `no_pod` does without one; `probe` follows the path to a vault hop by hop; `settle` waits before the first token request; `diagnosis` and
//! `scheduling` find what the cluster reports as wrong; `comparison` finds what podid did not write; `rights` is what RBAC must allow.

mod attempt;
mod comparison;
mod diagnosis;
mod no_pod;
mod other_way;
mod pod;
mod probe;
mod prover;
mod rights;
mod run_id;
mod scheduling;
mod settle;
mod storage;
mod target;

pub use comparison::Difference;
pub use pod::shown_name;
pub use probe::{Hop, Probe, ProbePlan, Verdict};
pub use prover::Prover;
pub use rights::{probe_rights, rights};
pub use storage::storage_targets;
pub use target::{Target, targets};

use crate::{
    azure,
    chain::{
        commands::Reach,
        link::{Heals, LinkName, MissingLink, Reason, VERSION},
        stage::{Reached, Read, Stage, Until},
        texts::{field, short},
    },
    cluster::{Error as ClusterError, Write},
    engine::{fault::Fault, resource::Side},
    resources::manifest,
};
use attempt::Attempt;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The time limit for signs that the pod passed earlier links, which appear at about the same time as the first stage is reached.
const SIGN: Duration = Duration::from_secs(2);
/// The time limit for warnings after a proof has ended.
const WARNINGS: Duration = Duration::from_secs(3);

/// A step of the chain, and the time at which it was reached, counted from the start.
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
    /// Empty where a storage account is proved.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vault: String,
    /// The container of a storage account: `claimsdata/uploads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    pub identity: String,
    pub hops: Vec<Step>,
    /// The secrets that the pod got, by file name or name; each with its version, where the delivery reports it.
    pub objects: BTreeMap<String, Option<String>>,
    /// What makes the outcome uncertain for the workload's own pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub fault: Option<Fault>,
    /// How kubectl reaches the cluster.
    #[serde(skip)]
    pub reach: Reach,
}

impl Proof {
    /// A proof that has not begun.
    fn of(target: &Target) -> Self {
        Self {
            workload: target.shown(),
            vault: if target.storage.is_some() { String::new() } else { target.delivered.vault.name.clone() },
            storage: target.storage.clone(),
            identity: target.bound.name.clone(),
            hops: Vec::new(),
            objects: BTreeMap::new(),
            warnings: Vec::new(),
            fault: None,
            reach: Reach::default(),
        }
    }

    pub fn proved(&self) -> bool {
        self.fault.is_none()
    }

    /// Returns the broken link of the chain, if the proof failed at one.
    pub fn broken_link(&self) -> Option<LinkName> {
        match &self.fault {
            Some(Fault::Cloud(error)) => error.downcast_ref::<MissingLink>().map(|found| found.link),
            _ => None,
        }
    }
}

impl Prover {
    pub async fn prove(&self, target: &Target) -> Proof {
        let mut proof = Proof::of(target);
        // a proof in progress is large; boxed, most of it is on the heap
        if let Err(fault) = Box::pin(self.run(target, &mut proof)).await {
            self.failed(target, &mut proof, fault).await;
        }
        proof
    }

    async fn failed(&self, target: &Target, proof: &mut Proof, fault: Fault) {
        proof.fault = Some(fault);
        proof.reach = self.reach(target).await;
    }

    /// How kubectl reaches the target's cluster, as far as podid does.
    async fn reach(&self, target: &Target) -> Reach {
        let cluster = self.clusters.reader(&target.bound.cluster).await;
        cluster.map(|cluster| self.commands.reach(cluster.other_context())).unwrap_or_default()
    }

    /// Lists what is not as podid wrote it, in the order of the chain, without a pod and without any write. What is missing and not needed is a
    /// warning.
    pub async fn differences(&self, target: &Target) -> Vec<Difference> {
        let compared = Box::pin(comparison::compare(self, target)).await;
        compared.differences.into_iter().chain(compared.spared).collect()
    }

    /// Checks with a dry run whether the pod would be accepted, and returns its name.
    pub async fn rehearse(&self, target: &Target) -> Result<String, Fault> {
        let (name, namespace) = (&target.delivered.name, &target.bound.namespace);
        let cluster = self.clusters.for_dry_run().writer(&target.bound.cluster).await?;
        let pod = manifest::at(&pod::api(), Some(namespace), &pod::name(name));
        match cluster.create(&pod, &pod::manifest(target, &pod, self.image.as_deref(), self.limit)).await {
            Ok(_) => Ok(shown_name(name)),
            Err(error) => Err(Fault::cloud(error)),
        }
    }

    async fn run(&self, target: &Target, proof: &mut Proof) -> Result<(), Fault> {
        let namespace = &target.bound.namespace;
        self.settle(target).await?;
        let begun = Instant::now();
        let cluster = self.clusters.writer(&target.bound.cluster).await?;
        let name = pod::name(&target.delivered.name);
        let at = manifest::at(&pod::api(), Some(namespace), &name);
        pod::clear_leftovers(&cluster, namespace).await?;
        let made = match cluster.create(&at, &pod::manifest(target, &at, self.image.as_deref(), self.limit)).await {
            Ok(made) => made,
            Err(error) => return Err(self.not_created(target, error).await),
        };
        let pod = pod::created(at, &made);
        step(proof, begun, "pod", &format!("{name} with {}", pod::shown_binding(&target.mode.pod(&target.bound))));
        let attempt = Attempt::new(self, target, &cluster, &pod, begun);
        let mut stop = self.stop.clone();
        let work = async {
            let (outcome, _) = tokio::join!(Box::pin(self.stages(&attempt, begun, proof)), attempt.warnings());
            outcome
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            _ = stop.wait_for(|s| *s) => Err(Fault::Interrupted),
        };
        if !matches!(outcome, Err(Fault::Interrupted)) {
            proof.warnings.extend(tokio::time::timeout(WARNINGS, attempt.warnings()).await.unwrap_or_default());
        }
        let removed = cluster.delete(&pod.at, Some(&pod.uid), Some(0)).await.map_err(Fault::cloud);
        outcome.and(removed)
    }

    /// Explains why a pod was not accepted: its namespace or its service account may be missing, or a webhook may not answer.
    async fn not_created(&self, target: &Target, error: ClusterError) -> Fault {
        // its namespace is missing, and with that all that was in it
        let missing = match &error {
            ClusterError::NotFound { .. } => {
                let differences = Box::pin(comparison::compare(self, target)).await.differences;
                differences.into_iter().next().map(|difference| difference.missing)
            }
            _ => self.first_missing(target).await.map(|reason| reason.missing),
        };
        match missing {
            Some(missing) => Fault::cloud(missing.because(error.to_string())),
            None => Fault::cloud(error),
        }
    }

    /// Walks the mode's links up to the first one of which the cluster shows that it is missing, before there is a pod.
    async fn first_missing(&self, target: &Target) -> Option<Reason> {
        let reader = self.clusters.reader(&target.bound.cluster).await.ok()?;
        let view = target.view(&reader, &self.commands);
        for link in target.mode.chain(&target.bound) {
            let Some(check) = link.check.filter(|check| check.side == Side::Kubernetes) else { continue };
            if let Some(reason) = (check.look)(&view, &link).await.into_iter().next() {
                return Some(reason);
            }
        }
        None
    }

    async fn stages(&self, attempt: &Attempt<'_>, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        let target = attempt.target;
        let mut stages = target.mode.stages(&target.bound);
        stages.extend(target.delivery.stages(&target.delivered, attempt.pod));
        let Some((first, later)) = stages.split_first() else { return Ok(()) };
        let reached = {
            let mut signs = std::pin::pin!(self.signs(attempt, begun));
            let mut reached = std::pin::pin!(self.reached(attempt, first));
            tokio::select! {
                biased;
                signs = &mut signs => {
                    proof.hops.extend(signs);
                    reached.await?
                }
                reached = &mut reached => {
                    let reached = reached?;
                    proof.hops.extend(tokio::time::timeout(SIGN, signs).await.unwrap_or_default());
                    reached
                }
            }
        };
        self.passed(attempt, first, reached, begun, proof).await?;
        for stage in later {
            let reached = self.reached(attempt, stage).await?;
            self.passed(attempt, stage, reached, begun, proof).await?;
        }
        Ok(())
    }

    async fn passed(&self, attempt: &Attempt<'_>, stage: &Stage, reached: Reached, begun: Instant, proof: &mut Proof) -> Result<(), Fault> {
        step(proof, begun, stage.step, &reached.detail);
        if !reached.versions.is_empty() {
            self.compare(attempt.target, &reached.versions, begun, proof).await?;
            proof.objects.extend(reached.versions);
        }
        Ok(())
    }

    /// Looks for signs that the pod passed links on its way. The proof does not need them (and podid may not be allowed to read them), so a
    /// failure is ignored.
    async fn signs(&self, attempt: &Attempt<'_>, begun: Instant) -> Vec<Step> {
        let target = attempt.target;
        let Ok(reader) = self.clusters.reader(&target.bound.cluster).await else { return Vec::new() };
        let view = attempt.view(&reader);
        let mut steps = Vec::new();
        for sign in target.links.iter().filter_map(|link| link.sign.and_then(|sign| sign(&view))) {
            let selector = format!("metadata.name={}", sign.name);
            let shows = |object: &Value| (sign.shows)(object).then_some(());
            match attempt.cluster.wait(&sign.api, sign.namespace.as_deref(), Some(&selector), attempt.left(), shows).await {
                Ok(Some(())) => steps.push(Step { name: sign.step.into(), detail: sign.detail, after: begun.elapsed() }),
                _ => break,
            }
        }
        steps
    }

    async fn reached(&self, attempt: &Attempt<'_>, stage: &Stage) -> Result<Reached, Fault> {
        let read = match &stage.until {
            Until::Object { api, name, read } => {
                let selector = format!("metadata.name={name}");
                let namespace = Some(attempt.target.bound.namespace.as_str());
                let wait = attempt.cluster.wait(api, namespace, Some(&selector), attempt.left(), |object| read(object));
                attempt.until(stage, wait).await?
            }
            Until::Pod(read) => attempt.until(stage, shown_by_pod(attempt, read)).await?,
        };
        match read {
            Ok(reached) => Ok(reached),
            Err(missing) => {
                let compared = Box::pin(comparison::compare(self, attempt.target)).await;
                Err(attempt.not_proved(stage, Some(Reason::new(Heals::Never, missing)), &compared.differences))
            }
        }
    }

    async fn compare(
        &self,
        target: &Target,
        versions: &BTreeMap<String, Option<String>>,
        begun: Instant,
        proof: &mut Proof,
    ) -> Result<(), Fault> {
        let vault = &target.delivered.vault;
        let Some(uri) = &vault.uri else { return Ok(()) };
        if versions.values().all(Option::is_none) {
            return Ok(());
        }
        let azure = self.azure.read();
        for object in &target.delivered.objects {
            if !object.kind.is_secret() {
                continue;
            }
            // a delivery without files names the secret itself
            let mounted = versions.get(object.file()).or_else(|| versions.get(&object.name)).cloned().flatten();
            let Some(mounted) = mounted.as_deref() else { continue };
            if let Some(pinned) = &object.version {
                if pinned != mounted {
                    let text = format!("{} is mounted in version {}, not in {}", object.name, short(mounted), short(pinned));
                    return Err(Fault::cloud(MissingLink::new(VERSION, text)));
                }
                continue;
            }
            let current = match azure.secret_version(uri, &object.name).await {
                Ok(Some(info)) => info.version.unwrap_or_default(),
                Ok(None) => String::new(),
                Err(azure::Error::Forbidden { .. }) => {
                    step(proof, begun, "version", "not compared: podid's own login may not look into the vault");
                    return Ok(());
                }
                Err(error) => return Err(Fault::cloud(error)),
            };
            if current != mounted {
                let text = format!("{} is mounted in version {}, but the vault's is {}", object.name, short(mounted), short(&current));
                let hint = "Rotation may be off or not have come round yet: a new pod mounts the current version.";
                return Err(Fault::cloud(MissingLink::new(VERSION, text).hint(hint)));
            }
        }
        let secrets = target.delivered.objects.iter().filter(|object| object.kind.is_secret()).count();
        let detail = match secrets == target.delivered.objects.len() {
            true => format!("the current one in {}", vault.name),
            // podid's own login has no right to them
            false => format!("the current one in {}; those of keys and certificates are not compared", vault.name),
        };
        step(proof, begun, "version", &detail);
        Ok(())
    }
}

/// Polls the pod, because a watch needs the permission to watch all pods of the namespace.
async fn shown_by_pod(attempt: &Attempt<'_>, read: &Read) -> Result<Option<Result<Reached, MissingLink>>, ClusterError> {
    const PAUSE: Duration = Duration::from_millis(200);
    let cluster: &Write = attempt.cluster;
    while !attempt.left().is_zero() {
        match cluster.get(&attempt.pod.at).await {
            Ok(Some(pod)) if field(&pod, "/metadata/uid") == attempt.pod.uid => {
                if let Some(shown) = read(&pod) {
                    return Ok(Some(shown));
                }
            }
            // the server may be unavailable for a moment
            Ok(_) | Err(ClusterError::Unreachable { .. } | ClusterError::Failed { .. }) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
}

fn step(proof: &mut Proof, begun: Instant, name: &str, detail: &str) {
    proof.hops.push(Step { name: name.into(), detail: detail.into(), after: begun.elapsed() });
}
