//! Opens a sandbox: uses the one that another process serves, or embeds the world in this process.

use super::{
    access::Access,
    azure,
    components::Component,
    error::Error,
    folder::{Folder, FolderLock, Served},
    keys,
    lateness::Lateness,
    listeners::{self, ListenerKind},
    log::Reader,
    remote,
    running::Running,
    server, settings,
    stand_in::{self, StandInRequest},
    tls, world,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

/// How long a command that ends waits for the components.
pub(super) const SETTLE: Duration = Duration::from_secs(3);
/// How long requests may still run at the end: those of a command are its own; those at a `serve` belong to others and get more time.
const DRAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];
const ASK: Duration = Duration::from_secs(5);

pub struct Options {
    /// `.podid` or its replacement; created if it does not exist.
    pub dir: PathBuf,
    /// Makes a new world bare; an existing world that is not is rejected.
    pub bare: bool,
    /// None means quick, or the setting of a running `serve`. A value that differs from that of a running `serve` is rejected.
    pub lateness: Option<Lateness>,
    /// None means loopback with the folder's last port, or with any free port.
    pub listen: Option<SocketAddr>,
    /// How long to wait for another process that uses the folder.
    pub wait: Duration,
    /// External clusters that stand in for the sandbox's own; only for `serve`.
    pub stand_ins: Vec<StandInRequest>,
    /// Components that are not simulated on any cluster; only for `serve`.
    pub without: Vec<Component>,
    /// Listeners for the metadata service of a node, by cluster name; only for `serve`.
    pub imds: Vec<(String, SocketAddr)>,
    /// Receives a line for each request; only for `serve`.
    pub reader: Option<Reader>,
}

impl Options {
    /// Returns the defaults for a folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            bare: false,
            lateness: None,
            listen: None,
            wait: Duration::from_secs(30),
            stand_ins: Vec::new(),
            without: Vec::new(),
            imds: Vec::new(),
            reader: None,
        }
    }
}

/// A sandbox in use: embedded in this process, or served by another one.
pub struct Sandbox {
    access: Access,
    pub(super) embedded: Option<Embedded>,
}

pub(super) struct Embedded {
    pub(super) running: Arc<Running>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
    _lock: FolderLock,
}

impl Sandbox {
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Waits some seconds for the components, saves, and stops. A served sandbox keeps running.
    pub async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.running.settle(SETTLE).await;
            embedded.end().await;
        }
    }
}

impl Embedded {
    pub(super) async fn end(mut self) {
        self.running.components.clear().await;
        let _ = self.stop.send(true);
        while self.servers.join_next().await.is_some() {}
        if let Err(why) = self.running.save_whole().await {
            tracing::error!("could not save the sandbox's world: {why}");
        }
    }
}

/// Who holds the folder.
pub(super) enum Holder {
    Me(FolderLock),
    Serve(Served),
    Other,
}

async fn holder(folder: &Folder) -> Result<Holder, Error> {
    if let Some(lock) = folder.lock()? {
        return Ok(Holder::Me(lock));
    }
    Ok(match running_serve(folder).await {
        Some(served) => Holder::Serve(served),
        None => Holder::Other,
    })
}

/// Returns the `serve` of the folder if it answers and is the process that `serve.json` names. An outdated file may name a port that
/// another program uses now.
pub(super) async fn running_serve(folder: &Folder) -> Option<Served> {
    let served = folder.served()?;
    let token = keys::SandboxKeys::load(folder).ok()?.control_token;
    let (status, settings) = remote::ask(served.address, &token, "GET", "/settings", None, ASK).await.ok()?;
    let same = status == 200 && settings["serving"] == json!(true) && settings["pid"] == json!(served.pid);
    same.then_some(served)
}

/// Locks the folder or finds its `serve`, and waits while another command uses it.
pub(super) async fn take(folder: &Folder, wait: Duration) -> Result<Holder, Error> {
    let began = Instant::now();
    loop {
        match holder(folder).await? {
            Holder::Other if began.elapsed() >= wait => return Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
            Holder::Other => tokio::time::sleep(Duration::from_millis(20)).await,
            taken => return Ok(taken),
        }
    }
}

/// Uses the `serve` of the folder, or embeds the world in this process.
pub async fn open(options: Options) -> Result<Sandbox, Error> {
    let folder = Folder::open(&options.dir)?;
    match take(&folder, options.wait).await? {
        Holder::Serve(served) => {
            fits_served(&folder, &served, &options).await?;
            Ok(Sandbox { access: Access::of(&folder, &served, &keys::SandboxKeys::load(&folder)?), embedded: None })
        }
        Holder::Me(lock) => {
            folder.remove("serve.json")?;
            let (served, embedded, _) = start(&folder, lock, &options, false).await?;
            let access = Access::of(&folder, &served, &embedded.running.keys);
            Ok(Sandbox { access, embedded: Some(embedded) })
        }
        Holder::Other => Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    }
}

/// Rejects options that differ from those of the running `serve`: only the process that serves can set the delays for all clients.
async fn fits_served(folder: &Folder, served: &Served, options: &Options) -> Result<(), Error> {
    if options.lateness.is_none() && !options.bare {
        return Ok(());
    }
    let token = keys::SandboxKeys::load(folder)?.control_token;
    let (_, settings) = remote::ask(served.address, &token, "GET", "/settings", None, ASK)
        .await
        .map_err(|error| Error::Unreachable { dir: folder.dir().to_owned(), why: error.to_string() })?;
    if options.bare && settings["bare"] != json!(true) {
        return Err(Error::not_bare(folder.dir()));
    }
    let Some(asked) = options.lateness.filter(|asked| settings["lateness"] != json!(asked)) else { return Ok(()) };
    let has = settings["lateness"].as_str().unwrap_or_default();
    Err(Error::Use {
        why: format!("the sandbox in {} is served with --lateness {has}, which a client cannot change to {asked}", folder.dir().display()),
        hint: format!("leave --lateness (or PODID_LATENESS) out, or serve it again with `podid sandbox serve --lateness {asked}`"),
    })
}

/// The returned texts are notes for the user about external clusters.
pub(super) async fn start(
    folder: &Folder,
    lock: FolderLock,
    options: &Options,
    serving: bool,
) -> Result<(Served, Embedded, Vec<String>), Error> {
    let keys = keys::SandboxKeys::load(folder)?;
    let authority = tls::Authority::load(folder, &keys)?;
    let mut world = world::World::open(folder, options.bare)?;
    azure::seed::set_caller_secret(&mut world.azure, &keys.caller_secret);
    let names: Vec<&str> = options.stand_ins.iter().map(|request| request.name.as_str()).collect();
    let left = azure::stand_ins::restore(&mut world.azure, &names);
    let (stand_ins, notes) = stand_in::join(&options.stand_ins, &options.without, &mut world.azure).await?;
    let fresh = world.new || left || !stand_ins.is_empty();
    let rules = azure::call::Rules {
        issuers: Arc::default(),
        account_keys: Arc::new(keys::AccountKey::new(folder, &keys)?),
        lateness: options.lateness.unwrap_or_default(),
        deny: Vec::new(),
        denials: Arc::default(),
        token_seconds: settings::TOKEN_SECONDS,
        scale_set_polls: 0,
        aks_day: None,
        mounted: Arc::default(),
        spent: None,
        token_key: keys.token_key.clone().into_bytes(),
        ca_pem: authority.ca_pem.clone(),
        admin_token: keys.admin_token.clone(),
        entries: Arc::new(stand_ins.values().map(|s| (s.name.clone(), s.entry.clone())).collect()),
    };
    let (listener, address) = listeners::listen(folder, options.listen).await?;
    let nodes = listeners::nodes(&options.imds, &world.azure).await?;
    let imds = nodes.iter().map(|(cluster, _, address)| (cluster.clone(), *address)).collect();
    let served = Served { pid: std::process::id(), address, open_to_all: listeners::open_to_all(&listener), imds };
    let running = Running::new(folder.clone(), keys, settings::Settings::new(rules), authority, world, stand_ins, serving)?;
    if let Some(reader) = &options.reader {
        running.log.read_by(reader.clone());
    }
    let _ = running.address.set(address);
    running.components.without(&options.without);
    folder.write("port", address.port().to_string().as_bytes())?;
    running.write_kubeconfig()?;
    let (stop, stopped) = watch::channel(false);
    let drain = DRAIN[usize::from(serving)];
    let mut servers = JoinSet::new();
    servers.spawn(server::run(listener, ListenerKind::Proxy, running.clone(), stopped.clone(), drain));
    for (cluster, listener, _) in nodes {
        servers.spawn(server::run(listener, ListenerKind::Node(cluster.into()), running.clone(), stopped.clone(), drain));
    }
    if fresh {
        running.save().await.map_err(|why| Error::Unreachable { dir: folder.dir().to_owned(), why })?;
    }
    // a process that was killed may have saved a cluster without its add-ons
    running.sync_addons().await;
    running.wake_all().await;
    let embedded = Embedded { running, stop, servers, _lock: lock };
    Ok((served, embedded, notes))
}
