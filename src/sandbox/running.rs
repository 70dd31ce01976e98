//! The sandbox in this process: the world in memory, its clusters, its settings, and the task that saves it. Saves are grouped: a caller
//! waits for the next write that begins after its request.

use super::{
    attempt::{Panicked, caught, caught_while},
    azure,
    azure::{
        ids,
        kubeconfig::{KubeconfigEntry, kubeconfig},
    },
    body_limits::BodyBudget,
    component_runner::ComponentRunner,
    connections::Connections,
    error::Error,
    folder::Folder,
    journal::Journal,
    keys::SandboxKeys,
    kube::{self, Kube},
    log::Log,
    program_logs::ProgramLogs,
    settings::Settings,
    stand_in::StandIns,
    tls::Authority,
    world::{Change, World},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, watch};

pub struct Running {
    pub folder: Folder,
    pub keys: SandboxKeys,
    pub authority: Authority,
    pub settings: Arc<Settings>,
    pub log: Log,
    pub components: ComponentRunner,
    /// The memory for the bodies of all requests.
    pub bodies: BodyBudget,
    pub connections: Connections,
    pub stand_ins: StandIns,
    /// Set at start; part of `GET /settings`.
    pub serving: bool,
    /// The address for clients on this machine.
    pub address: std::sync::OnceLock<std::net::SocketAddr>,
    azure: Mutex<azure::state::State>,
    /// By FQDN.
    clusters: RwLock<BTreeMap<String, Arc<RunningCluster>>>,
    /// The saved states of clusters that external ones stand in for. They are used again when no external cluster stands in for them.
    covered: Mutex<BTreeMap<String, String>>,
    saves: Arc<SaveQueue>,
    saved: watch::Receiver<SaveStatus>,
}

pub struct RunningCluster {
    pub name: String,
    pub fqdn: String,
    pub kube: Arc<Kube>,
}

/// The requests to the task that saves.
struct SaveQueue {
    wanted: AtomicU64,
    /// Makes the next save write the whole world.
    whole: AtomicBool,
    wake: Notify,
    done: watch::Sender<SaveStatus>,
}

#[derive(Clone, Default)]
struct SaveStatus {
    up_to: u64,
    /// Why the last write failed.
    fault: Option<String>,
    ended: bool,
}

impl SaveQueue {
    fn ask(&self) -> u64 {
        let ticket = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_one();
        ticket
    }
}

impl Running {
    pub fn new(
        folder: Folder,
        keys: SandboxKeys,
        settings: Settings,
        authority: Authority,
        mut world: World,
        stand_ins: StandIns,
        serving: bool,
    ) -> Result<Arc<Self>, Error> {
        let log = Log::open(&folder)?;
        let (done, saved) = watch::channel(SaveStatus::default());
        let texts = stand_ins.keys().filter_map(|name| {
            let state = world.clusters.remove(name)?;
            Some((name.clone(), serde_json::to_string(&state).ok()?))
        });
        let covered = texts.collect();
        let running = Arc::new(Self {
            folder,
            keys,
            authority,
            settings: Arc::new(settings),
            log,
            components: ComponentRunner::default(),
            bodies: BodyBudget::default(),
            connections: Connections::default(),
            stand_ins,
            serving,
            address: std::sync::OnceLock::new(),
            azure: Mutex::new(world.azure),
            clusters: RwLock::default(),
            covered: Mutex::new(covered),
            saves: Arc::new(SaveQueue { wanted: AtomicU64::new(0), whole: AtomicBool::new(false), wake: Notify::new(), done }),
            saved,
        });
        running.create_clusters(world.clusters);
        let journal = Journal::new(running.folder.clone(), world.saves, world.new);
        tokio::spawn(save_loop(Arc::downgrade(&running), running.saves.clone(), journal));
        Ok(running)
    }

    pub fn azure(&self) -> MutexGuard<'_, azure::state::State> {
        self.azure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a change in Azure: creates the API servers of new clusters, unless an external cluster stands in, and drops those of deleted
    /// ones. The issuer of a cluster may have been enabled.
    pub fn follow_azure(&self) {
        let mut azure = self.azure();
        let new: Vec<_> = self.stand_ins.values().filter(|stand_in| stand_in.is_new(&azure)).collect();
        for stand_in in &new {
            stand_in.report(&mut azure);
        }
        let mut clusters = self.clusters.write().unwrap_or_else(PoisonError::into_inner);
        let wanted = || azure.clusters.values().filter(|c| c.ending.is_none() && !self.stand_ins.contains_key(&c.name));
        let before = clusters.len();
        clusters.retain(|fqdn, _| wanted().any(|c| c.fqdn == *fqdn));
        let mut all = clusters.len() == before && new.is_empty();
        for cluster in wanted() {
            if let Some(running) = clusters.get(&cluster.fqdn) {
                cluster.oidc_issuer.iter().for_each(|issuer| running.kube.publish_issuer(issuer));
            } else {
                all = false;
                let cluster = self.set_up(&azure, cluster, None);
                clusters.insert(cluster.fqdn.clone(), Arc::new(cluster));
            }
        }
        drop((azure, clusters));
        if !all {
            self.saves.whole.store(true, Ordering::Release);
            if let Err(fault) = self.write_kubeconfig() {
                tracing::error!("{fault}");
            }
        }
    }

    fn set_up(&self, azure: &azure::state::State, cluster: &azure::state::Cluster, saved: Option<kube::State>) -> RunningCluster {
        let facts = self.facts(azure, cluster);
        let state = saved.unwrap_or_else(|| kube::new_cluster(&facts));
        let saves = self.saves.clone();
        let changed = Arc::new(move || {
            saves.ask();
        });
        RunningCluster { name: cluster.name.clone(), fqdn: cluster.fqdn.clone(), kube: Kube::new(state, facts, changed) }
    }

    /// Creates the API servers of all clusters with their saved states.
    fn create_clusters(&self, mut saved: BTreeMap<String, kube::State>) {
        let mut clusters = BTreeMap::new();
        let azure = self.azure();
        for cluster in azure.clusters.values().filter(|c| c.ending.is_none() && !self.stand_ins.contains_key(&c.name)) {
            let state = saved.remove(&cluster.name);
            if state.is_none() {
                self.saves.whole.store(true, Ordering::Release);
            }
            let cluster = self.set_up(&azure, cluster, state);
            clusters.insert(cluster.fqdn.clone(), Arc::new(cluster));
        }
        drop(azure);
        *self.clusters.write().unwrap_or_else(PoisonError::into_inner) = clusters;
    }

    /// Writes the kubeconfig of all clusters into the folder.
    pub fn write_kubeconfig(&self) -> Result<(), Error> {
        let azure = self.azure();
        // in the order of ids, and so of names: aks-mi comes first and is the current context
        let entries: Vec<(&azure::state::Cluster, KubeconfigEntry)> = azure
            .clusters
            .values()
            .filter(|cluster| cluster.ending.is_none())
            .map(|cluster| {
                let own = || KubeconfigEntry::of_sandbox(cluster, &self.authority.ca_pem, &self.keys.admin_token, Some(&self.proxy()));
                (cluster, self.stand_ins.get(&cluster.name).map_or_else(own, |s| s.entry.clone()))
            })
            .collect();
        self.folder.write("kubeconfig", kubeconfig(&entries, "clusterUser").as_bytes())
    }

    /// `http://ADDR:PORT`.
    pub fn proxy(&self) -> String {
        self.address.get().map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Returns what the Kubernetes API must know about its cluster.
    fn facts(&self, azure: &azure::state::State, cluster: &azure::state::Cluster) -> kube::Facts {
        let set = azure.scale_sets.get(&cluster.scale_set);
        let name = set.map_or_else(String::new, |s| s.name.clone());
        let id = set.map_or_else(String::new, |s| azure::resource_ids::scale_set(&azure.subscription, s));
        // AKS writes the group in lower case here
        let id = id.replace(&cluster.node_group, &ids::fold(&cluster.node_group));
        kube::Facts {
            name: cluster.name.clone(),
            fqdn: cluster.fqdn.clone(),
            node: format!("{name}000000"),
            node_group: cluster.node_group.clone(),
            provider_id: format!("azure://{id}/virtualMachines/0"),
            admin_token: self.keys.admin_token.clone(),
            uid_seed: format!("{}/{}", azure.tenant, cluster.name),
            bare: azure::seed::is_bare(azure, cluster),
            ca_pem: self.authority.ca_pem.clone(),
            issuer: Arc::new(kube::Issuer::new(format!("https://{}", cluster.fqdn), cluster.oidc_issuer.clone())),
            keys: self.settings.rules().account_keys.clone(),
            logs: ProgramLogs::of_cluster(&self.folder, &cluster.name),
        }
    }

    pub fn cluster(&self, fqdn: &str) -> Option<Arc<RunningCluster>> {
        self.clusters.read().unwrap_or_else(PoisonError::into_inner).get(fqdn).cloned()
    }

    pub fn clusters(&self) -> Vec<Arc<RunningCluster>> {
        self.clusters.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Returns whether the sandbox answers for this host.
    pub fn knows(&self, host: &str) -> azure::Known {
        let known = azure::knows(&self.azure(), host);
        let cluster = known == azure::Known::No
            && (self.cluster(host).is_some() || azure::hosts::is_oidc_issuer(host) || azure::hosts::is_token_proxy(host));
        if cluster { azure::Known::Yes } else { known }
    }

    /// Requests a save without waiting for it.
    pub fn save_soon(&self) {
        self.saves.ask();
    }

    /// Returns when all changes until now are in the file.
    pub async fn save(&self) -> Result<(), String> {
        let ticket = self.saves.ask();
        let mut saved = self.saved.clone();
        let reached = saved.wait_for(|s| s.up_to >= ticket || s.ended).await.map_err(|_| "the sandbox has ended".to_owned())?;
        match &reached.fault {
            Some(fault) => Err(fault.clone()),
            None if reached.up_to < ticket => Err("the sandbox has ended".to_owned()),
            None => Ok(()),
        }
    }

    /// Saves the whole world into one file.
    pub async fn save_whole(&self) -> Result<(), String> {
        self.saves.whole.store(true, Ordering::Release);
        self.save().await
    }

    /// Replaces the world by a new one. Keys, CA and delays stay, and external clusters are not changed.
    pub async fn reset(self: &Arc<Self>, bare: bool) -> Result<(), Error> {
        self.components.clear().await;
        self.settings.reset();
        let mut azure = World::new(bare).azure;
        azure::seed::set_caller_secret(&mut azure, &self.keys.caller_secret);
        for stand_in in self.stand_ins.values() {
            stand_in.report(&mut azure);
        }
        *self.azure() = azure;
        self.covered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.create_clusters(BTreeMap::new());
        self.components.open();
        self.log.reset()?;
        self.folder.remove_states()?;
        self.folder.remove_logs()?;
        self.save_whole().await.map_err(|why| Error::Unreachable { dir: self.folder.dir().to_owned(), why })
    }
}

async fn save_loop(running: std::sync::Weak<Running>, saves: Arc<SaveQueue>, mut journal: Journal) {
    loop {
        // the world is released while there is nothing to do, so that it can be dropped
        tokio::select! {
            () = saves.wake.notified() => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                if running.strong_count() == 0 { break }
                continue;
            }
        }
        let Some(running) = running.upgrade() else { break };
        let up_to = saves.wanted.load(Ordering::Acquire);
        let whole = saves.whole.swap(false, Ordering::AcqRel);
        let mut changed = Vec::new();
        let saved = caught(|| {
            let change = changes(&running);
            changed = change.iter().flat_map(|change| change.clusters.keys().cloned()).collect();
            write(&running, &mut journal, change, whole).err().map(|fault| fault.to_string())
        });
        let fault = saved.unwrap_or_else(|Panicked| {
            journal.invalidate();
            Some("internal error (this is a bug in podid)".to_owned())
        });
        saves.done.send_modify(|s| {
            s.up_to = up_to;
            s.fault = fault;
        });
        // controllers may have created pods that need components; checking all clusters at each save would cost more than the save
        let _ = caught_while(running.wake(&changed)).await;
    }
    saves.done.send_modify(|s| s.ended = true);
}

/// Writes the changes since the last save, or the whole world.
fn write(running: &Running, journal: &mut Journal, change: serde_json::Result<Change>, whole: bool) -> Result<(), Error> {
    let change = change.map_err(|why| journal.serialization_error(&why))?;
    if change.is_empty() && !journal.behind() && !(whole && journal.has_changes()) {
        return Ok(());
    }
    if !whole && !journal.must_rewrite() {
        return journal.append(change);
    }
    let covered = running.covered.lock().unwrap_or_else(PoisonError::into_inner).clone();
    journal.rewrite(|out| {
        out.write_all(b"\"azure\":")?;
        serde_json::to_writer(&mut *out, &*running.azure())?;
        out.write_all(b",\"clusters\":{")?;
        let mut comma = "";
        for (name, text) in &covered {
            write!(out, "{comma}{}:{text}", serde_json::Value::from(name.as_str()))?;
            comma = ",";
        }
        for cluster in running.clusters() {
            write!(out, "{comma}{}:", serde_json::Value::from(cluster.name.as_str()))?;
            cluster.kube.saved(|state| serde_json::to_writer(&mut *out, state))?;
            comma = ",";
        }
        out.write_all(b"}")
    })
}

fn changes(running: &Running) -> serde_json::Result<Change> {
    let mut change = Change { azure: running.azure().changes()?, ..Change::default() };
    for cluster in running.clusters() {
        let changes = cluster.kube.saved(kube::State::changes)?;
        if !changes.is_empty() {
            change.clusters.insert(cluster.name.clone(), changes);
        }
    }
    Ok(change)
}
