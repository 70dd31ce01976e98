//! An embedded Azure and a small Kubernetes API on loopback, with rules, not scripts. Knows nothing of the rest of podid.
//!
//! `http` plain requests and answers · `door` where it listens · `server` the listener, TLS, CONNECT proxy · `connections` how many · `unread` bodies ·
//! `answer` one request's way · `attempt` what fails half-way is undone · `running` the world in memory, saved ·
//! `azure/` Entra, ARM, Graph, Key Vault, IMDS · `kube/` the API server · `players/` MIC, NMI, CSI driver and kubelet, as HTTP clients ·
//! `stand_in/` clusters from outside in the place of its own ·
//! `measure`, `yaml` bounds of what is sent · `control` what its users can ask of it while it runs, `remote` asks that of another process.

mod access;
mod answer;
mod attempt;
pub mod azure;
mod callers;
mod connections;
mod control;
mod door;
mod error;
mod export;
mod folder;
pub mod http;
mod issuer;
mod journal;
mod keys;
pub mod kube;
mod lateness;
mod limits;
mod log;
mod measure;
mod play;
pub mod players;
mod remote;
mod rsa;
mod running;
mod server;
mod settings;
mod stand_in;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod unread;
mod upgrade;
mod world;
mod yaml;

pub use access::Access;
pub use callers::{CallerWish, callers};
pub use error::Error;
pub use lateness::Lateness;
pub use log::Reader;
pub use players::Which as Player;
pub use stand_in::Wish;

use azure::clusters::Entry;
use door::Door;
use folder::{Folder, Lock, Served};
use running::Running;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

/// As long as Entra's for applications that ask for a long one.
pub(crate) const TOKEN_SECONDS: i64 = 86_399;
/// How long a command that ends lets the players finish.
const SETTLE: Duration = Duration::from_secs(3);
/// What still runs when a command ends is its own; what runs at a `serve` is another's, and may finish.
const DRAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];
const ASK: Duration = Duration::from_secs(5);

pub struct Options {
    /// `.podid` or what takes its place; made if missing.
    pub dir: PathBuf,
    /// None: quick, or what a running `serve` has. Another one than a running `serve` has is refused: its settings are its own.
    pub lateness: Option<Lateness>,
    /// None: loopback, the port that the folder had last, or any.
    pub listen: Option<SocketAddr>,
    /// How long to wait for another process to let go of the folder.
    pub wait: Duration,
    /// Clusters from outside that stand in for the sandbox's own; only where it serves.
    pub stand_ins: Vec<Wish>,
    /// Who is not played on any cluster; only where it serves.
    pub without: Vec<Player>,
    /// The metadata service of a cluster's node, on a listener of its own: by the cluster's name; only where it serves.
    pub imds: Vec<(String, SocketAddr)>,
    /// Told each answered request in a line; only where it serves.
    pub reader: Option<Reader>,
}

impl Options {
    /// Nothing asked for but the folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
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

/// A sandbox in use: embedded in this process, or served by another.
pub struct Sandbox {
    access: Access,
    embedded: Option<Embedded>,
}

struct Embedded {
    running: Arc<Running>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
    _lock: Lock,
}

impl Sandbox {
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Lets the players finish (for some seconds), saves, stops. A served sandbox goes on.
    pub async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.running.settle(SETTLE).await;
            embedded.end().await;
        }
    }
}

impl Embedded {
    async fn end(mut self) {
        self.running.stage.clear().await;
        let _ = self.stop.send(true);
        while self.servers.join_next().await.is_some() {}
        if let Err(why) = self.running.save_whole().await {
            tracing::error!("the sandbox could not save its world: {why}");
        }
    }
}

/// Who holds the folder.
enum Holder {
    Me(Lock),
    Serve(Served),
    Other,
}

async fn holder(folder: &Folder) -> Result<Holder, Error> {
    if let Some(lock) = folder.lock()? {
        return Ok(Holder::Me(lock));
    }
    Ok(match living(folder).await {
        Some(served) => Holder::Serve(served),
        None => Holder::Other,
    })
}

/// The `serve` of the folder, if it answers and is the one that `serve.json` names: a file left behind may name a port that is another's now.
async fn living(folder: &Folder) -> Option<Served> {
    let served = folder.served()?;
    let token = keys::Keys::load(folder).ok()?.control_token;
    let (status, settings) = remote::ask(served.address, &token, "GET", "/settings", None, ASK).await.ok()?;
    let same = status == 200 && settings["serving"] == json!(true) && settings["pid"] == json!(served.pid);
    same.then_some(served)
}

/// Takes the folder, or finds its `serve`; waits while another command has it.
async fn take(folder: &Folder, wait: Duration) -> Result<Holder, Error> {
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
            if let Some(lateness) = options.lateness {
                same_lateness(&folder, &served, lateness).await?;
            }
            Ok(Sandbox { access: Access::of(&folder, &served, &keys::Keys::load(&folder)?), embedded: None })
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

/// Who serves decides for all clients.
async fn same_lateness(folder: &Folder, served: &Served, asked: Lateness) -> Result<(), Error> {
    let token = keys::Keys::load(folder)?.control_token;
    let (_, settings) = remote::ask(served.address, &token, "GET", "/settings", None, ASK)
        .await
        .map_err(|error| Error::Unreachable { dir: folder.dir().to_owned(), why: error.to_string() })?;
    if settings["lateness"] == json!(asked) {
        return Ok(());
    }
    let has = settings["lateness"].as_str().unwrap_or_default();
    Err(Error::Use {
        why: format!(
            "the sandbox in {} is served with --lateness {has}, and a client cannot change that to {asked}",
            folder.dir().display()
        ),
        way: format!("leave --lateness (or PODID_LATENESS) out, or serve it again with `podid sandbox serve --lateness {asked}`"),
    })
}

async fn command(folder: &Folder, address: SocketAddr, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let method = if path == "/export" { "GET" } else { "POST" };
    let unreachable = |why: String| Error::Unreachable { dir: folder.dir().to_owned(), why };
    let token = keys::Keys::load(folder)?.control_token;
    match remote::ask(address, &token, method, path, body, Duration::from_secs(30)).await {
        Ok((200, value)) => Ok(value),
        Ok((400, value)) if value["way"].is_string() => {
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            Err(Error::Use { why: text("error"), way: text("way") })
        }
        Ok((status, value)) => Err(unreachable(value["error"].as_str().map_or_else(|| format!("status {status}"), str::to_owned))),
        Err(why) => Err(unreachable(why.to_string())),
    }
}

/// The texts are what a user should know of the clusters from outside.
async fn start(folder: &Folder, lock: Lock, options: &Options, serving: bool) -> Result<(Served, Embedded, Vec<String>), Error> {
    let keys = keys::Keys::load(folder)?;
    let authority = tls::Authority::load(folder, &keys)?;
    let mut world = world::World::load(folder)?;
    azure::seed::admit_caller(&mut world.azure, &keys.caller_secret);
    let names: Vec<&str> = options.stand_ins.iter().map(|wish| wish.name.as_str()).collect();
    let left = azure::stand_ins::leave(&mut world.azure, &names);
    let (stand_ins, notes) = stand_in::join(&options.stand_ins, &options.without, &mut world.azure).await?;
    let fresh = world.new || left || !stand_ins.is_empty();
    let rules = azure::Rules {
        issuers: Arc::default(),
        account_keys: Arc::new(keys::AccountKey::new(folder, &keys)?),
        lateness: options.lateness.unwrap_or_default(),
        deny: Vec::new(),
        token_seconds: TOKEN_SECONDS,
        scale_set_polls: 0,
        aks_day: None,
        spent: None,
        token_key: keys.token_key.clone().into_bytes(),
        ca_pem: authority.ca_pem.clone(),
        admin_token: keys.admin_token.clone(),
        entries: Arc::new(stand_ins.values().map(|s| (s.name.clone(), s.entry.clone())).collect()),
    };
    let (listener, address) = door::listen(folder, options.listen).await?;
    let nodes = door::nodes(&options.imds, &world.azure).await?;
    let imds = nodes.iter().map(|(cluster, _, address)| (cluster.clone(), *address)).collect();
    let served = Served { pid: std::process::id(), address, open_to_all: door::open_to_all(&listener), imds };
    let running = Running::new(folder.clone(), keys, settings::Settings::new(rules), authority, world, stand_ins, serving)?;
    if let Some(reader) = &options.reader {
        running.log.read_by(reader.clone());
    }
    let _ = running.address.set(address);
    running.stage.without(&options.without);
    folder.write("port", address.port().to_string().as_bytes())?;
    kubeconfig(&running)?;
    let (stop, stopped) = watch::channel(false);
    let drain = DRAIN[usize::from(serving)];
    let mut servers = JoinSet::new();
    servers.spawn(server::run(listener, Door::Proxy, running.clone(), stopped.clone(), drain));
    for (cluster, listener, _) in nodes {
        servers.spawn(server::run(listener, Door::Node(cluster.into()), running.clone(), stopped.clone(), drain));
    }
    if fresh {
        running.save().await.map_err(|why| Error::Unreachable { dir: folder.dir().to_owned(), why })?;
    }
    running.wake_all().await;
    let embedded = Embedded { running, stop, servers, _lock: lock };
    Ok((served, embedded, notes))
}

fn kubeconfig(running: &Running) -> Result<(), Error> {
    let azure = running.azure();
    // by folded id, and so by name: aks-mi is first and so the current one
    let entries: Vec<(&azure::state::Cluster, Entry)> = azure
        .clusters
        .values()
        .filter(|cluster| cluster.ending.is_none())
        .map(|cluster| {
            let own = || Entry::of_sandbox(cluster, &running.authority.ca_pem, &running.keys.admin_token, Some(&running.proxy()));
            (cluster, running.stand_ins.get(&cluster.name).map_or_else(own, |s| s.entry.clone()))
        })
        .collect();
    running.folder.write("kubeconfig", azure::clusters::kubeconfig(&entries, "clusterUser").as_bytes())
}

/// Serves until `stop` comes true. `ready_file` and `on_ready` are told when the listener answers; the texts are what a user should know
/// of the clusters from outside.
pub async fn serve(
    options: Options,
    ready_file: Option<PathBuf>,
    stop: impl Future<Output = ()> + Send,
    on_ready: impl FnOnce(&Access, &[String]),
) -> Result<(), Error> {
    let folder = Folder::open(&options.dir)?;
    let lock = match take(&folder, options.wait).await? {
        Holder::Me(lock) => lock,
        Holder::Serve(Served { pid, address, .. }) => return Err(Error::AlreadyServing { dir: folder.dir().to_owned(), pid, address }),
        Holder::Other => return Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    };
    folder.remove("serve.json")?;
    let mut stop = std::pin::pin!(stop);
    let (served, embedded, notes) = tokio::select! {
        started = start(&folder, lock, &options, true) => started?,
        () = stop.as_mut() => return Ok(()),
    };
    let access = Access::of(&folder, &served, &embedded.running.keys);
    folder.write("serve.json", &serde_json::to_vec(&served).unwrap_or_default())?;
    if let Some(path) = &ready_file {
        let note = json!({"pid": served.pid, "port": served.address.port(), "proxy": access.proxy, "imds": access.imds});
        folder::write_whole(path, note.to_string().as_bytes())?;
    }
    let open = served.open_to_all.map(|address| {
        format!("it listens on {address}: other machines that reach this address can use its Azure and its clusters, but not steer it")
    });
    on_ready(&access, &open.into_iter().chain(notes).collect::<Vec<_>>());
    stop.await;
    folder.remove("serve.json")?;
    embedded.end().await;
    Ok(())
}

/// A new world. Keys and CA stay, so that what trusts the sandbox goes on trusting it. Answers name and URL of the clusters from outside
/// that are left as they are.
pub async fn reset(dir: &Path) -> Result<Vec<(String, String)>, Error> {
    let folder = Folder::open(dir)?;
    match take(&folder, SETTLE).await? {
        Holder::Serve(served) => {
            let now = command(&folder, served.address, "/reset", None).await?;
            let left = now["stand_ins"].as_object().into_iter().flatten();
            Ok(left.map(|(name, url)| (name.clone(), url.as_str().unwrap_or_default().to_owned())).collect())
        }
        Holder::Me(_lock) => {
            // the changes first: without a world they are none
            for name in [journal::Journal::FILE, world::FILE, "requests.jsonl", "serve.json"] {
                folder.remove(name)?;
            }
            folder.remove_states().map(|()| Vec::new())
        }
        Holder::Other => Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    }
}

/// The world as sorted JSON.
pub async fn export(dir: &Path) -> Result<Value, Error> {
    let folder = Folder::open(dir)?;
    let sandbox = open(Options::new(dir)).await?;
    match &sandbox.embedded {
        None => match folder.served() {
            Some(served) => command(&folder, served.address, "/export", None).await,
            None => Err(Error::NotServing { dir: folder.dir().to_owned() }),
        },
        Some(embedded) => {
            embedded.running.settle(SETTLE).await;
            let value = export::world(&embedded.running).await;
            sandbox.close().await;
            value
        }
    }
}

/// For those who only want to be told how to reach what runs already.
pub async fn access(dir: &Path) -> Result<Access, Error> {
    let folder = Folder::open(dir)?;
    match living(&folder).await {
        Some(served) => Ok(Access::of(&folder, &served, &keys::Keys::load(&folder)?)),
        None => Err(Error::NotServing { dir: folder.dir().to_owned() }),
    }
}
