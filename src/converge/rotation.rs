//! After a new version of a secret: waits until every pod that mounts it has it, restarts or names what reads it as a variable, and disables
//! the old version if that is wanted.

use super::{commands, follow_up::FollowUp, inputs::Inputs};
use crate::{
    azure,
    cluster::{self, Api, Write},
    engine::{
        event::{Event, EventSink},
        key::Key,
        ledger::Ledger,
    },
    exit::Exit,
    failure::Failure,
    output::{Text, prompt},
    resources::{
        manifest,
        readiness::{self, State},
        secret, vault,
    },
    rotation::{self, Class, Following, Mounting, Place, Readers, Workload},
    session::Session,
    spec::request::Rotate,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// The time limit of one wait without `--timeout`.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same sentence is repeated, and the reason looked up again, after this.
const AGAIN: Duration = Duration::from_secs(15);

/// What a rotation came to.
#[derive(Default)]
struct Rotated {
    version: String,
    pods: Vec<Mounting>,
    restarted: Vec<Workload>,
    /// These keep the old value until they restart.
    to_restart: Readers,
    /// The commands that restart them.
    restarts: BTreeMap<Workload, String>,
    /// These never get another version.
    pinned: Vec<Class>,
    disabled: Option<String>,
}

/// Whether this run is to wait for pods.
pub(super) fn applies(session: &Session) -> bool {
    !session.global.dry_run.is_on()
}

pub(super) async fn follow(
    session: &Session,
    inputs: &Inputs,
    ledger: &Ledger,
    rotate: &Rotate,
    tell: EventSink,
) -> Result<FollowUp, Failure> {
    let following = Follower { session, app: &inputs.app, ledger, rotate, tell };
    let mut stop = session.stop.clone();
    tokio::select! {
        done = Box::pin(following.run()) => {
            done.map(|done| FollowUp { field: "rotation", document: document(&done), text: shown(&done, &rotate.name) })
        }
        _ = stop.wait_for(|stop| *stop) => {
            let message = "interrupted: the new version is set, and podid no longer waits until every pod has it";
            Err(Failure::new(Exit::Interrupted, message).hint("`podid verify` compares what is mounted with the vault."))
        }
    }
}

struct Follower<'a> {
    session: &'a Session,
    app: &'a str,
    ledger: &'a Ledger,
    rotate: &'a Rotate,
    tell: EventSink,
}

fn failed(error: cluster::Error) -> Failure {
    Failure::from(&crate::engine::fault::Fault::cloud(error))
}

impl Follower<'_> {
    fn key(&self) -> Key {
        secret::key(self.rotate.vault.name(), &self.rotate.name)
    }

    fn published(&self, key: &Key, field: &str) -> String {
        let entry = self.ledger.get(self.app, key);
        entry.and_then(|entry| entry.outputs.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn wait(&self, text: String) {
        (self.tell)(Event::Waiting { key: Some(self.key()), text });
    }

    async fn run(self) -> Result<Rotated, Failure> {
        let version = self.published(&self.key(), secret::VERSION.0);
        let mut done = Rotated { version, ..Rotated::default() };
        for place in rotation::places(self.ledger).map_err(|fault| Failure::from(&fault))? {
            let cluster = self.session.clusters.writer(&place.target).await.map_err(|fault| Failure::from(&fault))?;
            let reach = commands::commands(self.session, None).reach(cluster.other_context());
            let followed = Box::pin(self.in_cluster(&cluster, &place, &mut done)).await;
            for workload in &done.to_restart.workloads {
                done.restarts.entry(workload.clone()).or_insert_with(|| reach.text(&workload.command()));
            }
            followed.map_err(|mut failure| {
                reach.texts(&mut failure.hints);
                failure
            })?;
        }
        if self.rotate.disable_old {
            self.disable(&mut done).await?;
        }
        Ok(done)
    }

    async fn in_cluster(&self, cluster: &Write, place: &Place, done: &mut Rotated) -> Result<(), Failure> {
        let (vault, name) = (self.rotate.vault.name(), &self.rotate.name);
        let found = rotation::classes(cluster, &place.namespaces, vault, name).await.map_err(failed)?;
        let (pinned, classes): (Vec<Class>, Vec<Class>) = found.into_iter().partition(|class| class.pinned.is_some());
        done.pinned.extend(pinned);
        if classes.is_empty() {
            return Ok(());
        }
        let following = rotation::following(cluster, &place.target.name).await.map_err(failed)?;
        let interval = match following {
            Following::On { interval } => Some(interval),
            Following::Unknown => None,
            Following::Off { .. } => {
                let mounting = rotation::mounting(cluster, &classes, name).await.map_err(failed)?;
                let old = mounting.into_iter().filter(|one| one.version != done.version);
                let pods: Vec<(String, String)> = old.map(|one| (one.namespace, one.pod)).collect();
                let owners = rotation::owners(cluster, &pods).await.map_err(failed)?;
                self.restart(cluster, owners.workloads.into_iter().collect(), done).await?;
                None
            }
        };
        done.pods.extend(self.mounted(cluster, &classes, &done.version, interval).await?);
        self.synced(cluster, &classes, interval).await?;
        let mut readers = rotation::readers(cluster, &classes).await.map_err(failed)?;
        readers.workloads.retain(|workload| !done.restarted.contains(workload));
        if !readers.workloads.is_empty() && self.may_restart(&readers).await {
            self.restart(cluster, std::mem::take(&mut readers.workloads).into_iter().collect(), done).await?;
        }
        done.to_restart.workloads.extend(readers.workloads);
        done.to_restart.jobs.extend(readers.jobs);
        done.to_restart.single.extend(readers.single);
        Ok(())
    }

    /// Restarting an app is not what `--yes` consents to.
    async fn may_restart(&self, readers: &Readers) -> bool {
        if self.rotate.restart {
            return true;
        }
        if !self.session.terminal.can_ask() || self.session.global.yes {
            return false;
        }
        let names: Vec<String> = readers.workloads.iter().map(Workload::shown).collect();
        let question = format!("Restart what reads the secret as a variable ({})?", names.join(", "));
        let asked = self.session.ask(move |terminal, stopped| prompt::consent(terminal, &question, false, stopped)).await;
        asked.is_ok()
    }

    /// Restarts workloads, and waits until their new pods are ready.
    async fn restart(&self, cluster: &Write, workloads: Vec<Workload>, done: &mut Rotated) -> Result<(), Failure> {
        for workload in workloads {
            rotation::restart(cluster, &workload).await.map_err(failed)?;
            let begun = Instant::now();
            let limit = self.session.global.timeout.unwrap_or(LONGEST_WAIT);
            loop {
                let object = cluster.get(&workload.at()).await.map_err(failed)?;
                let reason = match object.map_or(State::Ready, |object| readiness::state(&object)) {
                    State::Ready => break,
                    State::Waiting(reason) if begun.elapsed() < limit => reason,
                    State::Waiting(reason) | State::Failed(reason) => {
                        let message = format!("the new pods of {} are not ready", workload.shown());
                        let hint = format!(
                            "See its events: `kubectl describe {} {} -n {}`.",
                            workload.kind.to_lowercase(),
                            workload.name,
                            workload.namespace
                        );
                        return Err(Failure::new(Exit::Failed, message).because(reason).hint(hint));
                    }
                };
                self.wait(format!("waiting until {} has restarted: {reason}", workload.shown()));
                tokio::time::sleep(LONGEST_PAUSE.min(SHORTEST_PAUSE * 5)).await;
            }
            done.restarted.push(workload);
        }
        Ok(())
    }

    /// Waits until the driver reports the version for every pod that mounts it.
    async fn mounted(
        &self,
        cluster: &Write,
        classes: &[Class],
        version: &str,
        interval: Option<Duration>,
    ) -> Result<Vec<Mounting>, Failure> {
        let begun = Instant::now();
        let limit = self.session.global.timeout.unwrap_or_else(|| LONGEST_WAIT.max(interval.unwrap_or_default() * 3));
        let mut told: Option<(String, Instant)> = None;
        let mut warning = None;
        loop {
            let all = rotation::mounting(cluster, classes, &self.rotate.name).await.map_err(failed)?;
            let late: Vec<&Mounting> = all.iter().filter(|one| one.version != version).collect();
            let Some(first) = late.first() else { return Ok(all) };
            let count = format!("{} of {} pods have the new version of {}", all.len() - late.len(), all.len(), self.rotate.name);
            if told.as_ref().is_none_or(|(_, when)| when.elapsed() >= AGAIN) {
                warning = rotation::latest_warning(cluster, &first.namespace, &first.pod).await;
            }
            if begun.elapsed() >= limit {
                let names: Vec<String> = late.iter().map(|one| format!("{}/{}", one.namespace, one.pod)).collect();
                let message = format!("{count} after {} s; the old one is still in {}", begun.elapsed().as_secs(), names.join(", "));
                let failure = Failure::new(Exit::Failed, message)
                    .hint("The new version is set. Restart the pods, or wait longer with `--timeout`: `podid verify` compares what is mounted with the vault.");
                return Err(warning.into_iter().fold(failure, Failure::because));
            }
            let pace = interval.map(|interval| format!("; the driver looks every {} s", interval.as_secs_f32().ceil())).unwrap_or_default();
            let reason = warning.as_ref().map(|warning| format!(" ({warning})")).unwrap_or_default();
            let sentence = format!("waiting: {count}, not yet {}/{}{reason}{pace}", first.namespace, first.pod);
            if told.as_ref().is_none_or(|(before, when)| *before != sentence || when.elapsed() >= AGAIN) {
                self.wait(sentence.clone());
                told = Some((sentence, Instant::now()));
            }
            tokio::time::sleep((interval.unwrap_or(LONGEST_PAUSE) / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
        }
    }

    /// Waits until the synced Secrets have the new value: the driver writes them after it has mounted. Without the right to read them they
    /// are not compared.
    async fn synced(&self, cluster: &Write, classes: &[Class], interval: Option<Duration>) -> Result<(), Failure> {
        let keys = || classes.iter().flat_map(|class| class.synced.iter().filter(|(.., same)| *same).map(move |key| (class, key)));
        if interval.is_none() || keys().next().is_none() {
            return Ok(());
        }
        let uri = self.published(&vault::key(self.rotate.vault.name()), vault::URI.0);
        let Ok(Some(value)) = self.session.azure.read().secret(&uri, &self.rotate.name).await else { return Ok(()) };
        let limit = self.session.global.timeout.unwrap_or(LONGEST_WAIT);
        for (class, (name, key, _)) in keys() {
            let at = manifest::at(&Api::new("", "v1", "Secret", "secrets"), Some(&class.namespace), name);
            let begun = Instant::now();
            loop {
                let object = match cluster.get(&at).await {
                    Err(cluster::Error::Forbidden { .. }) => return Ok(()),
                    other => other.map_err(failed)?,
                };
                let data = object.as_ref().and_then(|object| object.get("data")?.get(key)?.as_str());
                let bytes = data.and_then(|data| STANDARD.decode(data).ok());
                // none: no pod mounts the class
                if object.is_none() || bytes.is_some_and(|bytes| bytes == value.value.expose_secret().as_bytes()) {
                    break;
                }
                if begun.elapsed() >= limit {
                    let message = format!("the synced Secret {}/{name} still has the old value in its key {key}", class.namespace);
                    return Err(Failure::new(Exit::Failed, message)
                        .hint("See the driver's log: `kubectl logs -n kube-system -l app=secrets-store-csi-driver`."));
                }
                self.wait(format!("waiting until the driver has written the Secret {}/{name}", class.namespace));
                tokio::time::sleep(LONGEST_PAUSE.min(SHORTEST_PAUSE * 5)).await;
            }
        }
        Ok(())
    }

    async fn disable(&self, done: &mut Rotated) -> Result<(), Failure> {
        let old = &self.rotate.replaces;
        if let Some(class) = done.pinned.iter().find(|class| class.pinned.as_ref() == Some(old)) {
            let message = format!("the old version stays enabled: the class {}/{} names it", class.namespace, class.name);
            return Err(Failure::new(Exit::Refused, message).hint("Take the version out of the class, then disable it."));
        }
        if !done.to_restart.is_empty() {
            let message = "the old version stays enabled: pods that read the secret as a variable still have it";
            let way = match done.to_restart.workloads.is_empty() && done.to_restart.single.is_empty() {
                true => {
                    "Disable it when their jobs have ended: `az keyvault secret set-attributes --id ID --enabled false` with the id of that version."
                }
                false => "Restart them, or rotate with `--restart`.",
            };
            return Err(Failure::new(Exit::Refused, message).hint(way));
        }
        let uri = self.published(&vault::key(self.rotate.vault.name()), vault::URI.0);
        let tell = Arc::clone(&self.tell);
        let on_wait: azure::OnWait = Arc::new(move |text| tell(Event::Waiting { key: None, text }));
        let write = self.session.azure.write(on_wait);
        write.disable_secret(&uri, &self.rotate.name, old).await.map_err(|error| Failure::from(&error))?;
        done.disabled = Some(old.clone());
        Ok(())
    }
}

/// The outcome for people.
fn shown(done: &Rotated, name: &str) -> Text {
    let mut text = Text::new();
    match done.pods.len() {
        0 => text.push(format!("no pod mounts {name}")),
        1 => text.push(format!("1 pod has the new version of {name}")),
        count => text.push(format!("{count} pods have the new version of {name}")),
    }
    for workload in &done.restarted {
        text.push(format!("restarted {}", workload.shown()));
    }
    for workload in &done.to_restart.workloads {
        let restart = done.restarts.get(workload).map(String::as_str).unwrap_or_default();
        text.push(format!("{} reads it as a variable and keeps the old value until it restarts: {restart}", workload.shown()));
    }
    for pod in &done.to_restart.jobs {
        text.push(format!("pod {pod} of a job reads it as a variable and keeps the old value until it ends"));
    }
    for pod in &done.to_restart.single {
        text.push(format!("pod {pod} reads it as a variable and keeps the old value until it is made again"));
    }
    for class in &done.pinned {
        let version = class.pinned.as_deref().unwrap_or_default();
        text.push(format!("the class {}/{} names version {version} and does not follow", class.namespace, class.name));
    }
    if let Some(version) = &done.disabled {
        text.push(format!("disabled version {version}"));
    }
    text
}

/// The outcome for programs.
fn document(done: &Rotated) -> Value {
    let pods: Vec<Value> = done
        .pods
        .iter()
        .map(|one| json!({ "namespace": one.namespace, "pod": one.pod, "class": one.class, "version": one.version }))
        .collect();
    let names = |workloads: &mut dyn Iterator<Item = &Workload>| workloads.map(Workload::shown).collect::<Vec<_>>();
    json!({
        "version": done.version,
        "pods": pods,
        "restarted": names(&mut done.restarted.iter()),
        "to_restart": names(&mut done.to_restart.workloads.iter()),
        "job_pods": done.to_restart.jobs,
        "single_pods": done.to_restart.single,
        "pinned": done.pinned.iter().map(|class| format!("{}/{}", class.namespace, class.name)).collect::<Vec<_>>(),
        "disabled": done.disabled,
    })
}
