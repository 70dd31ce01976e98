//! Kubelet, as far as a lab sees it: it mounts volumes, checks the environment, and sets the pod to running. Failures become events of the
//! pod and are retried. Running pods, and pods of nodes with a kubelet of their own (or kwok), only get their volumes.

mod status;

use super::activity::{Activity, Backoff, Busy};
use super::config::Config;
use super::driver::{Driver, Volume};
use super::events::{EventType, Events, now};
use super::flexvolume::{self, FlexError};
use super::klog::Klog;
use super::kube::{KubeClient, KubeError};
use super::mirror::{Mirror, ObjectKey, keep, key};
use super::nmi::Nmi;
use super::nodes::Nodes;
use super::pod_check::PodCheck;
use super::provider::{DRIVER, ProviderContext};
use super::tasks::{AbortOnDrop, RunningComponents};
use super::wire::AzureClient;
use super::workloads::Workloads;
use crate::attempt::caught_while;
use crate::programs::Program;
use serde_json::{Value, json};
use status::{completed_status, ended_status, running_status, uid, waiting_status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long rotation that is off is not looked at.
const OFF: Duration = Duration::from_secs(1);

struct Kubelet {
    kube: KubeClient,
    driver: Driver,
    events: Events,
    pods: Arc<Mirror>,
    /// If None, all nodes of this cluster are simulated.
    nodes: Option<Nodes>,
}

/// Why a container cannot start.
struct NotReady {
    event: &'static str,
    message: String,
    /// Reason and message of the waiting containers.
    waiting: (&'static str, String),
}

pub(super) fn start(config: &Config, nmi: Option<Arc<Nmi>>, components: &mut RunningComponents) -> Result<(), String> {
    let (kube, azure) = (KubeClient::new(&config.kube, "csi", "kubelet/v1.34.4")?, AzureClient::new(config, "csi")?);
    let driver = KubeClient::new(&config.kube, "csi", "secrets-store-csi/v1.6.0")?;
    let activity = components.activity();
    let (pods, keeping) = keep(&kube, "/api/v1/pods", &activity, true);
    components.spawn(keeping);
    let events = Events::new(&driver, "csi-secrets-store-controller");
    let workloads = Arc::new(Workloads::new(pods.clone(), config.by_workload));
    let token_proxy = config.token_proxy.clone();
    let log = Klog::new(&config.logs, Program::Provider);
    let access = ProviderContext { kube: driver, azure, token_proxy, nmi, workloads, log, activity: activity.clone() };
    let driver = Driver { access, events };
    let nodes = config.foreign.then(|| Nodes::new(&kube));
    let kubelet = Arc::new(Kubelet { events: Events::new(&kube, "kubelet"), kube, driver, pods, nodes });
    components.spawn(kubelet.run(activity));
    Ok(())
}

impl Kubelet {
    async fn run(self: Arc<Self>, activity: Arc<Activity>) {
        // by uid, because a new pod may have the same name
        let mut tasks: BTreeMap<String, (bool, AbortOnDrop)> = BTreeMap::new();
        loop {
            let work = activity.next(None).await;
            let pods = self.pods.all();
            let existing: BTreeSet<&str> = pods.iter().map(|pod| uid(pod)).collect();
            tasks.retain(|uid, _| existing.contains(uid.as_str()));
            for pod in &pods {
                let leaving = !pod["metadata"]["deletionTimestamp"].is_null();
                let on_a_node = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
                if !on_a_node || is_over(pod) && !leaving || tasks.get(uid(pod)).is_some_and(|(left, _)| *left == leaving) {
                    continue;
                }
                let (kubelet, place, work) = (self.clone(), (key(pod), uid(pod).to_owned()), activity.busy());
                let task = tokio::spawn(async move { kubelet.reconcile(place, leaving, work).await });
                // replacing the entry aborts the old task, if there is one
                tasks.insert(uid(pod).to_owned(), (leaving, AbortOnDrop(task)));
            }
            drop(work);
        }
    }

    async fn reconcile(&self, (place, id): (ObjectKey, String), leaving: bool, mut work: Busy) {
        let mut pauses = Backoff::default();
        let mut unsynced = false;
        loop {
            let Some(pod) = self.pods.get(&place).filter(|pod| uid(pod) == id) else { return };
            let step = async { if leaving { self.finish(&pod).await } else { self.start(&pod, &mut unsynced).await } };
            let done = caught_while(step).await.unwrap_or(false);
            if done {
                if !leaving {
                    self.follow(&place, &id, work).await;
                }
                return;
            }
            work.while_idle(tokio::time::sleep(pauses.next())).await;
        }
    }

    /// Mounts the volumes again at each interval while the driver rotates, until the pod has ended or is deleted.
    async fn follow(&self, place: &ObjectKey, id: &str, mut work: Busy) {
        loop {
            let Some(pod) = self.pods.get(place).filter(|pod| uid(pod) == id && !is_over(pod)) else { return };
            let volumes = || pod["spec"]["volumes"].as_array().into_iter().flatten().filter(|v| v["csi"]["driver"] == DRIVER);
            if volumes().next().is_none() {
                return;
            }
            let interval = self.driver.rotation(&pod);
            work.while_idle(tokio::time::sleep(interval.unwrap_or(OFF))).await;
            if interval.is_some() && self.pods.get(place).is_some_and(|pod| uid(&pod) == id && !is_over(&pod)) {
                for volume in volumes() {
                    self.driver.rotate(&Volume { pod: &pod, volume }).await;
                }
            }
        }
    }

    /// Returns whether the pod's node has a kubelet of its own.
    async fn is_run_elsewhere(&self, pod: &Value) -> bool {
        match (&self.nodes, pod["spec"]["nodeName"].as_str()) {
            (Some(nodes), Some(node)) => nodes.has_kubelet(node).await,
            _ => false,
        }
    }

    /// The containers have stopped, so the pod can be deleted at once.
    async fn finish(&self, pod: &Value) -> bool {
        if self.is_run_elsewhere(pod).await {
            return true;
        }
        let options = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": uid(pod) } });
        match self.kube.delete(&path(pod), &options).await {
            // the name belongs to another pod now
            Err(e) => e.status == 409,
            Ok(()) => true,
        }
    }

    /// Returns true if the pod runs with all its Secrets, or does not exist any more. `unsynced` means that a Secret was missing last time.
    async fn start(&self, pod: &Value, unsynced: &mut bool) -> bool {
        let elsewhere = self.is_run_elsewhere(pod).await;
        let running = pod["status"]["phase"] == "Running" || elsewhere;
        match self.prepare(pod, running, *unsynced).await {
            Ok(synced) => {
                if let Some(check) = PodCheck::of(pod).filter(|_| !elsewhere) {
                    return self.run_check(pod, &check).await;
                }
                *unsynced = !synced;
                if synced && is_of_job(pod) && !elsewhere {
                    return self.set_status(pod, &running_status(pod)).await && self.set_status(pod, &completed_status(pod)).await;
                }
                (running || self.set_status(pod, &running_status(pod)).await) && synced
            }
            Err(not_ready) => {
                self.events.record(pod, "Pod", EventType::Warning, not_ready.event, &not_ready.message).await;
                let (reason, message) = not_ready.waiting;
                if !running && waiting_reason(pod) != Some(reason) {
                    // the resourceVersion keeps changes of another kubelet of the same cluster
                    let seen = pod["metadata"]["resourceVersion"].clone();
                    let body = json!({ "metadata": { "uid": uid(pod), "resourceVersion": seen }, "status": waiting_status(pod, reason, &message) });
                    let _ = self.kube.merge(&format!("{}/status", path(pod)), &body).await;
                }
                false
            }
        }
    }

    /// Runs a container that ends. One that fails is started again after a pause. Returns whether the pod is over.
    async fn run_check(&self, pod: &Value, check: &PodCheck<'_>) -> bool {
        let began = now();
        if pod["status"]["phase"] != "Running" && !self.set_status(pod, &running_status(pod)).await {
            return false;
        }
        let ended = check.run(&self.driver.access).await;
        self.set_status(pod, &ended_status(pod, &ended, &began)).await && (ended.exit_code == 0 || pod["spec"]["restartPolicy"] == "Never")
    }

    /// Prepares volumes and environment. `running` means that the pod runs already or that another kubelet starts it. Returns false if a
    /// Secret could not be synced.
    async fn prepare(&self, pod: &Value, running: bool, unsynced: bool) -> Result<bool, NotReady> {
        let mut complete = true;
        let volumes = || pod["spec"]["volumes"].as_array().into_iter().flatten();
        for volume in volumes().filter(|v| v["csi"].is_object()) {
            let at = Volume { pod, volume };
            self.find_driver(pod, volume).await?;
            // a pod that ran before this process started has its volume
            if running && !unsynced && self.driver.is_recorded(&at).await.unwrap_or(false) {
                continue;
            }
            let mounted = self.driver.publish(&at).await.map_err(|e| mount_failed(volume, &e))?;
            complete &= self.driver.sync(&at, &mounted, false).await;
        }
        if running {
            return Ok(complete);
        }
        for volume in volumes().filter(|v| v["flexVolume"].is_object()) {
            flexvolume::mount(&self.driver.access, pod, volume).await.map_err(|e| match e {
                FlexError::Driver(why) => mount_failed(volume, &why),
                FlexError::Plugin => NotReady { message: no_plugin(volume), ..mount_failed(volume, "") },
            })?;
        }
        let namespace = text(pod, "namespace");
        for volume in volumes() {
            let named = &volume["secret"];
            let Some(name) = named["secretName"].as_str().filter(|_| named["optional"] != true) else { continue };
            if let Err(e) = self.secret(namespace, name).await {
                return Err(mount_failed(volume, &e.text));
            }
        }
        self.environment(pod).await?;
        Ok(complete)
    }

    /// Checks that the driver of a volume runs on the pod's node and that its CSIDriver object exists, in the order of kubelet.
    async fn find_driver(&self, pod: &Value, volume: &Value) -> Result<(), NotReady> {
        let name = volume["csi"]["driver"].as_str().unwrap_or_default();
        let workloads = &self.driver.access.workloads;
        if name == DRIVER && workloads.decide() {
            let object = self.kube.get(&format!("/apis/storage.k8s.io/v1/csidrivers/{name}")).await;
            if object.is_err_and(|e| e.is_absent()) {
                let why = format!("volume mode \"Ephemeral\" not supported by driver {name} (no CSIDriver object)");
                return Err(NotReady { message: failed("NewMounter initialization", volume, &why), ..mount_failed(volume, &why) });
            }
        }
        if name == DRIVER && workloads.run(Program::Driver, pod["spec"]["nodeName"].as_str()) {
            return Ok(());
        }
        let text = format!("driver name {name} not found in the list of registered CSI drivers");
        Err(mount_failed(volume, &format!("kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: {text}")))
    }

    /// Kubelet's own store uses the singular in this message.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Value, KubeError> {
        let existing = self.kube.get(&format!("/api/v1/namespaces/{namespace}/secrets/{name}")).await;
        existing.map_err(|e| if e.is_absent() { KubeError { text: format!("secret {name:?} not found"), ..e } } else { e })
    }

    async fn environment(&self, pod: &Value) -> Result<(), NotReady> {
        let namespace = text(pod, "namespace");
        let mut seen: BTreeMap<&str, Result<Value, KubeError>> = BTreeMap::new();
        let containers = ["initContainers", "containers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
        for container in containers {
            let env = container["env"].as_array().into_iter().flatten().map(|e| &e["valueFrom"]["secretKeyRef"]);
            let all = container["envFrom"].as_array().into_iter().flatten().map(|e| &e["secretRef"]);
            for named in env.chain(all).filter(|named| named["optional"] != true) {
                let Some(name) = named["name"].as_str() else { continue };
                if !seen.contains_key(name) {
                    seen.insert(name, self.secret(namespace, name).await);
                }
                let text = match (&seen[name], named["key"].as_str()) {
                    (Err(e), _) => e.text.clone(),
                    (Ok(secret), Some(wanted)) if secret["data"][wanted].is_null() => {
                        format!("couldn't find key {wanted} in Secret {namespace}/{name}")
                    }
                    _ => continue,
                };
                let waiting = ("CreateContainerConfigError", text.clone());
                return Err(NotReady { event: "Failed", message: format!("Error: {text}"), waiting });
            }
        }
        Ok(())
    }

    async fn set_status(&self, pod: &Value, status: &Value) -> bool {
        let body = json!({ "metadata": { "uid": uid(pod) }, "status": status });
        match self.kube.merge(&format!("{}/status", path(pod)), &body).await {
            Ok(_) => true,
            Err(e) => e.is_absent(),
        }
    }
}

fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The containers of a job end as soon as they have started, because the sandbox runs no programs.
fn is_of_job(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["controller"] == true && owner["kind"] == "Job")
}

fn text<'a>(pod: &'a Value, name: &str) -> &'a str {
    pod["metadata"][name].as_str().unwrap_or_default()
}

fn path(pod: &Value) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", text(pod, "namespace"), text(pod, "name"))
}

fn mount_failed(volume: &Value, why: &str) -> NotReady {
    NotReady { event: "FailedMount", message: failed("SetUp", volume, why), waiting: ("ContainerCreating", String::new()) }
}

/// Returns the message of a step of a mount.
fn failed(step: &str, volume: &Value, why: &str) -> String {
    format!("MountVolume.{step} failed for volume {:?} : {why}", volume["name"].as_str().unwrap_or_default())
}

/// What kubelet reports where no plugin knows a volume (`WaitForAttachAndMount` of its volume manager).
fn no_plugin(volume: &Value) -> String {
    let name = volume["name"].as_str().unwrap_or_default();
    let why = format!("failed to get Plugin from volumeSpec for volume {name:?} err=no volume plugin matched");
    format!(
        "Unable to attach or mount volumes: unmounted volumes=[{name}], unattached volumes=[], failed to process volumes=[{name}]: {why}"
    )
}

fn waiting_reason(pod: &Value) -> Option<&str> {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str()
}
