//! A sandbox that runs in this process: the world in memory, its clusters, its settings, and the task that saves it.
//! Saves are grouped: whoever waits for one waits for the next write that begins after it asked.

use super::{
    attempt::{Panicked, caught, caught_while},
    azure,
    azure::ids,
    connections::Connections,
    error::Error,
    folder::Folder,
    issuer,
    journal::Journal,
    keys::Keys,
    kube::{self, Kube},
    log::Log,
    play::Stage,
    settings::Settings,
    stand_in::StandIns,
    tls::Authority,
    unread::Room,
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
    pub keys: Keys,
    pub authority: Authority,
    pub settings: Arc<Settings>,
    pub log: Log,
    pub stage: Stage,
    /// For the bodies of all requests together.
    pub room: Room,
    pub connections: Connections,
    pub stand_ins: StandIns,
    /// Told at start; for `GET /settings`.
    pub serving: bool,
    /// Where a client on this machine reaches it.
    pub address: std::sync::OnceLock<std::net::SocketAddr>,
    azure: Mutex<azure::State>,
    /// By fqdn.
    clusters: RwLock<BTreeMap<String, Arc<Cluster>>>,
    /// The texts of clusters that another stands in for: they are there again when it does not.
    covered: Mutex<BTreeMap<String, String>>,
    saves: Arc<Saves>,
    saved: watch::Receiver<Saved>,
}

pub struct Cluster {
    pub name: String,
    pub fqdn: String,
    pub kube: Arc<Kube>,
}

/// What is asked of the task that saves.
struct Saves {
    wanted: AtomicU64,
    /// The next one writes all.
    whole: AtomicBool,
    wake: Notify,
    done: watch::Sender<Saved>,
}

#[derive(Clone, Default)]
struct Saved {
    upto: u64,
    /// Why the last write failed.
    fault: Option<String>,
    ended: bool,
}

impl Saves {
    fn ask(&self) -> u64 {
        let mine = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_one();
        mine
    }
}

impl Running {
    pub fn new(
        folder: Folder,
        keys: Keys,
        settings: Settings,
        authority: Authority,
        mut world: World,
        stand_ins: StandIns,
        serving: bool,
    ) -> Result<Arc<Self>, Error> {
        let log = Log::open(&folder)?;
        let (done, saved) = watch::channel(Saved::default());
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
            stage: Stage::default(),
            room: Room::default(),
            connections: Connections::default(),
            stand_ins,
            serving,
            address: std::sync::OnceLock::new(),
            azure: Mutex::new(world.azure),
            clusters: RwLock::default(),
            covered: Mutex::new(covered),
            saves: Arc::new(Saves { wanted: AtomicU64::new(0), whole: AtomicBool::new(false), wake: Notify::new(), done }),
            saved,
        });
        running.found(world.clusters);
        let journal = Journal::new(running.folder.clone(), world.saves, world.new);
        tokio::spawn(save_again_and_again(Arc::downgrade(&running), running.saves.clone(), journal));
        Ok(running)
    }

    pub fn azure(&self) -> MutexGuard<'_, azure::State> {
        self.azure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change at Azure: clusters that are new there are set up, those that are gone are let go of.
    pub fn follow(&self) {
        let azure = self.azure();
        let mut clusters = self.clusters.write().unwrap_or_else(PoisonError::into_inner);
        let wanted = || azure.clusters.values().filter(|c| c.ending.is_none() && !self.stand_ins.contains_key(&c.name));
        let before = clusters.len();
        clusters.retain(|fqdn, _| wanted().any(|c| c.fqdn == *fqdn));
        let mut all = clusters.len() == before;
        for cluster in wanted() {
            if !clusters.contains_key(&cluster.fqdn) {
                all = false;
                let cluster = self.set_up(&azure, cluster, None);
                clusters.insert(cluster.fqdn.clone(), Arc::new(cluster));
            }
        }
        drop((azure, clusters));
        if !all {
            self.saves.whole.store(true, Ordering::Release);
            if let Err(fault) = super::kubeconfig(self) {
                tracing::error!("{fault}");
            }
        }
    }

    fn set_up(&self, azure: &azure::State, cluster: &azure::state::Cluster, saved: Option<kube::State>) -> Cluster {
        let facts = self.facts(azure, cluster);
        let state = saved.unwrap_or_else(|| kube::new_cluster(&facts));
        let saves = self.saves.clone();
        let changed = Arc::new(move || {
            saves.ask();
        });
        Cluster { name: cluster.name.clone(), fqdn: cluster.fqdn.clone(), kube: Kube::new(state, facts, changed) }
    }

    /// Sets the clusters up, with what was saved of them.
    fn found(&self, mut saved: BTreeMap<String, kube::State>) {
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

    /// What the Kubernetes half is told of its cluster.
    fn facts(&self, azure: &azure::State, cluster: &azure::state::Cluster) -> kube::Facts {
        let set = azure.scale_sets.get(&cluster.scale_set);
        let name = set.map_or_else(String::new, |s| s.name.clone());
        let id = set.map_or_else(String::new, |s| azure::scale_sets::id(&azure.subscription, s));
        // AKS writes the group in lower case here
        let id = id.replace(&cluster.node_group, &ids::fold(&cluster.node_group));
        let server = format!("https://{}", cluster.fqdn);
        let (issuer, keys_at) = match &cluster.oidc_issuer {
            Some(issuer) => (issuer.clone(), issuer.trim_end_matches('/').to_owned()),
            None => (server.clone(), format!("{server}:443")),
        };
        kube::Facts {
            name: cluster.name.clone(),
            fqdn: cluster.fqdn.clone(),
            node: format!("{name}000000"),
            node_group: cluster.node_group.clone(),
            provider_id: format!("azure://{id}/virtualMachines/0"),
            admin_token: self.keys.admin_token.clone(),
            uid_seed: format!("{}/{}", azure.tenant, cluster.name),
            ca_pem: self.authority.ca_pem.clone(),
            issuer,
            jwks_uri: format!("{keys_at}/openid/v1/jwks"),
            keys: self.settings.rules().account_keys.clone(),
        }
    }

    pub fn cluster(&self, fqdn: &str) -> Option<Arc<Cluster>> {
        self.clusters.read().unwrap_or_else(PoisonError::into_inner).get(fqdn).cloned()
    }

    pub fn clusters(&self) -> Vec<Arc<Cluster>> {
        self.clusters.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a TLS end for this host is played here.
    pub fn knows(&self, host: &str) -> azure::Known {
        let known = azure::knows(&self.azure(), host);
        let cluster = known == azure::Known::No && (self.cluster(host).is_some() || issuer::is_host(host));
        if cluster { azure::Known::Yes } else { known }
    }

    /// Worth keeping, not worth waiting for.
    pub fn save_soon(&self) {
        self.saves.ask();
    }

    /// Returns when all that changed until now is in the file.
    pub async fn save(&self) -> Result<(), String> {
        let mine = self.saves.ask();
        let mut saved = self.saved.clone();
        let reached = saved.wait_for(|s| s.upto >= mine || s.ended).await.map_err(|_| "the sandbox has ended".to_owned())?;
        match &reached.fault {
            Some(fault) => Err(fault.clone()),
            None if reached.upto < mine => Err("the sandbox has ended".to_owned()),
            None => Ok(()),
        }
    }

    /// As `save`, and all that there is is in the one file.
    pub async fn save_whole(&self) -> Result<(), String> {
        self.saves.whole.store(true, Ordering::Release);
        self.save().await
    }

    /// A new world in place of this one; keys, CA and lateness stay, and clusters from outside are left as they are.
    pub async fn reset(self: &Arc<Self>) -> Result<(), Error> {
        self.stage.clear().await;
        self.settings.reset();
        let mut azure = World::new().azure;
        azure::seed::admit_caller(&mut azure, &self.keys.caller_secret);
        for stand_in in self.stand_ins.values() {
            stand_in.tell(&mut azure);
        }
        *self.azure() = azure;
        self.covered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.found(BTreeMap::new());
        self.stage.open();
        self.log.reset()?;
        self.folder.remove_states()?;
        self.save_whole().await.map_err(|why| Error::Unreachable { dir: self.folder.dir().to_owned(), why })
    }
}

async fn save_again_and_again(running: std::sync::Weak<Running>, saves: Arc<Saves>, mut journal: Journal) {
    loop {
        // the world is let go of while there is nothing to do, so that it can end
        tokio::select! {
            () = saves.wake.notified() => {}
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                if running.strong_count() == 0 { break }
                continue;
            }
        }
        let Some(running) = running.upgrade() else { break };
        let upto = saves.wanted.load(Ordering::Acquire);
        let whole = saves.whole.swap(false, Ordering::AcqRel);
        let mut changed = Vec::new();
        let saved = caught(|| {
            let change = changes(&running);
            changed = change.iter().flat_map(|change| change.clusters.keys().cloned()).collect();
            write(&running, &mut journal, change, whole).err().map(|fault| fault.to_string())
        });
        let fault = saved.unwrap_or_else(|Panicked| {
            journal.forget();
            Some("internal error (this is a bug in podid)".to_owned())
        });
        saves.done.send_modify(|s| {
            s.upto = upto;
            s.fault = fault;
        });
        // what controllers made may call for players, too; to ask each cluster at each save would cost more than the save
        let _ = caught_while(running.wake(&changed)).await;
    }
    saves.done.send_modify(|s| s.ended = true);
}

/// What changed since the last save, or all.
fn write(running: &Running, journal: &mut Journal, change: serde_json::Result<Change>, whole: bool) -> Result<(), Error> {
    let change = change.map_err(|why| journal.lost(&why))?;
    if change.is_empty() && !journal.behind() && !(whole && journal.begun()) {
        return Ok(());
    }
    if !whole && !journal.due() {
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
