//! A sandbox that runs in this process: the world in memory, its clusters, its settings, and the task that saves it.
//! Saves are grouped: whoever waits for one waits for the next write that begins after it asked.

use super::{
    azure,
    azure::ids,
    error::Error,
    folder::Folder,
    keys::Keys,
    kube::{self, Kube},
    log::Log,
    play::Stage,
    settings::Settings,
    stand_in::StandIns,
    tls::Authority,
    world::{self, World},
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
    pub stand_ins: StandIns,
    /// Told at start; for `GET /settings`.
    pub serving: bool,
    pub port: std::sync::OnceLock<u16>,
    azure: Mutex<azure::State>,
    azure_dirty: AtomicBool,
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
    dirty: Arc<AtomicBool>,
}

/// What is asked of the task that saves.
struct Saves {
    wanted: AtomicU64,
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
            stand_ins,
            serving,
            port: std::sync::OnceLock::new(),
            azure: Mutex::new(world.azure),
            azure_dirty: AtomicBool::new(world.new),
            clusters: RwLock::default(),
            covered: Mutex::new(covered),
            saves: Arc::new(Saves { wanted: AtomicU64::new(0), wake: Notify::new(), done }),
            saved,
        });
        running.found(world.clusters);
        tokio::spawn(save_again_and_again(Arc::downgrade(&running), running.saves.clone()));
        Ok(running)
    }

    pub fn azure(&self) -> MutexGuard<'_, azure::State> {
        self.azure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clusters up, with what was saved of them.
    fn found(&self, mut saved: BTreeMap<String, kube::State>) {
        let mut clusters = BTreeMap::new();
        let azure = self.azure();
        for cluster in azure.clusters.values().filter(|c| !self.stand_ins.contains_key(&c.name)) {
            let facts = self.facts(&azure, cluster);
            let state = saved.remove(&cluster.name);
            let dirty = Arc::new(AtomicBool::new(state.is_none()));
            let state = state.unwrap_or_else(|| kube::new_cluster(&facts));
            let (flag, saves) = (dirty.clone(), self.saves.clone());
            let changed = Arc::new(move || {
                flag.store(true, Ordering::Release);
                saves.ask();
            });
            let kube = Kube::new(state, facts, changed);
            let fqdn = cluster.fqdn.clone();
            clusters.insert(fqdn.clone(), Arc::new(Cluster { name: cluster.name.clone(), fqdn, kube, dirty }));
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
        let cluster = known == azure::Known::No && self.cluster(host).is_some();
        if cluster { azure::Known::Yes } else { known }
    }

    pub fn mark_azure(&self) {
        self.azure_dirty.store(true, Ordering::Release);
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

    /// A new world in place of this one; keys, CA and lateness stay, and clusters from outside are left as they are.
    pub async fn reset(self: &Arc<Self>) -> Result<(), Error> {
        self.stage.clear().await;
        self.settings.reset();
        let mut azure = World::new().azure;
        for stand_in in self.stand_ins.values() {
            stand_in.tell(&mut azure);
        }
        *self.azure() = azure;
        self.mark_azure();
        self.covered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.found(BTreeMap::new());
        self.stage.open();
        self.log.reset()?;
        self.folder.remove_states()?;
        self.save().await.map_err(|why| Error::Unreachable { dir: self.folder.dir().to_owned(), why })
    }
}

async fn save_again_and_again(running: std::sync::Weak<Running>, saves: Arc<Saves>) {
    let mut texts = Texts::default();
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
        let fault = write(&running, &mut texts).await.err();
        saves.done.send_modify(|s| {
            s.upto = upto;
            s.fault = fault;
        });
        // what controllers made may call for players, too
        running.wake_all().await;
    }
    saves.done.send_modify(|s| s.ended = true);
}

/// What was written last: what did not change is not put into words again.
#[derive(Default)]
struct Texts {
    azure: String,
    clusters: BTreeMap<String, String>,
}

async fn write(running: &Running, texts: &mut Texts) -> Result<(), String> {
    let clusters = running.clusters();
    let azure_changed = running.azure_dirty.swap(false, Ordering::AcqRel);
    let changed: Vec<bool> = clusters.iter().map(|c| c.dirty.swap(false, Ordering::AcqRel)).collect();
    if !azure_changed && !changed.contains(&true) {
        return Ok(());
    }
    let mut next = std::mem::take(texts);
    let covered = running.covered.lock().unwrap_or_else(PoisonError::into_inner).clone();
    next.clusters.retain(|name, _| clusters.iter().any(|c| c.name == *name));
    next.clusters.extend(covered);
    let azure = (azure_changed || next.azure.is_empty()).then(|| running.azure().clone());
    let kubes: Vec<(String, kube::State)> = clusters
        .iter()
        .zip(&changed)
        .filter(|(c, changed)| **changed || !next.clusters.contains_key(&c.name))
        .map(|(c, _)| (c.name.clone(), c.kube.snapshot()))
        .collect();
    let path = running.folder.path(world::FILE);
    let work = move || {
        if let Some(state) = azure {
            next.azure = serde_json::to_string(&state).map_err(|why| why.to_string())?;
        }
        for (name, state) in kubes {
            next.clusters.insert(name, serde_json::to_string(&state).map_err(|why| why.to_string())?);
        }
        let written = super::folder::write_whole(&path, world::text(&next.azure, &next.clusters).as_bytes());
        written.map(|()| next).map_err(|fault| fault.to_string())
    };
    match tokio::task::spawn_blocking(work).await.map_err(|why| why.to_string()).and_then(|done| done) {
        Ok(next) => {
            *texts = next;
            Ok(())
        }
        // all of it again next time
        Err(why) => {
            running.mark_azure();
            Err(why)
        }
    }
}
