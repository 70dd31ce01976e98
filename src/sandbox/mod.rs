//! An embedded Azure and a small Kubernetes API on loopback, with rules, not scripts. Knows nothing of the rest of podid.
//!
//! `http` plain requests and answers · `server` listener, TLS, CONNECT proxy · `answer` one request's way · `running` the world in memory, saved ·
//! `azure/` Entra, ARM, Graph, Key Vault, IMDS · `kube/` the API server · `players/` MIC, NMI, CSI driver and kubelet, as HTTP clients ·
//! `stand_in/` clusters from outside in the place of its own ·
//! `control` what its users can ask of it while it runs, `remote` asks that of another process.

mod answer;
pub mod azure;
mod control;
mod error;
mod export;
mod folder;
pub mod http;
mod journal;
mod keys;
pub mod kube;
mod lateness;
mod log;
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
mod upgrade;
mod world;

pub use error::Error;
pub use lateness::Lateness;
pub use players::Which as Player;
pub use stand_in::Wish;

use azure::clusters::Entry;
use folder::{Folder, Lock, Served};
use running::Running;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

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
    /// None: quick, or what a running `serve` has.
    pub lateness: Option<Lateness>,
    /// None: loopback, the port that the folder had last, or any.
    pub listen: Option<SocketAddr>,
    /// How long to wait for another process to let go of the folder.
    pub wait: Duration,
    /// Clusters from outside that stand in for the sandbox's own; only where it serves.
    pub stand_ins: Vec<Wish>,
    /// Who is not played on any cluster; only where it serves.
    pub without: Vec<Player>,
}

/// How a client reaches the sandbox. Its `Debug` keeps the secret.
#[derive(Clone)]
pub struct Access {
    /// `http://127.0.0.1:PORT`
    pub proxy: String,
    pub ca: PathBuf,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
    pub subscription: String,
    pub kubeconfig: PathBuf,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("proxy", &self.proxy)
            .field("ca", &self.ca)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

impl Access {
    fn of(folder: &Folder, port: u16) -> Self {
        // these derive from names alone, so they are those of any world
        let state = azure::seed::new(0);
        let (client_id, client_secret) = azure::seed::caller();
        Self {
            proxy: format!("http://127.0.0.1:{port}"),
            ca: folder.path("ca.pem"),
            tenant: state.tenant,
            client_id,
            client_secret,
            subscription: state.subscription,
            kubeconfig: folder.path("kubeconfig"),
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
    server: JoinHandle<()>,
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
    async fn end(self) {
        self.running.stage.clear().await;
        let _ = self.stop.send(true);
        let _ = self.server.await;
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
    let (status, settings) = remote::ask(served.port, "GET", "/settings", None, ASK).await.ok()?;
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
                command(&folder, served.port, "/settings", Some(&json!({ "lateness": lateness }))).await?;
            }
            Ok(Sandbox { access: Access::of(&folder, served.port), embedded: None })
        }
        Holder::Me(lock) => {
            folder.remove("serve.json")?;
            let (access, embedded, _) = start(&folder, lock, &options, false).await?;
            Ok(Sandbox { access, embedded: Some(embedded) })
        }
        Holder::Other => Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    }
}

async fn command(folder: &Folder, port: u16, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let method = if path == "/export" { "GET" } else { "POST" };
    let unreachable = |why: String| Error::Unreachable { dir: folder.dir().to_owned(), why };
    match remote::ask(port, method, path, body, Duration::from_secs(30)).await {
        Ok((200, value)) => Ok(value),
        Ok((status, value)) => Err(unreachable(value["error"].as_str().map_or_else(|| format!("status {status}"), str::to_owned))),
        Err(why) => Err(unreachable(why.to_string())),
    }
}

/// The texts are what a user should know of the clusters from outside.
async fn start(folder: &Folder, lock: Lock, options: &Options, serving: bool) -> Result<(Access, Embedded, Vec<String>), Error> {
    let keys = keys::Keys::load(folder)?;
    let authority = tls::Authority::load(folder, &keys)?;
    let mut world = world::World::load(folder)?;
    let names: Vec<&str> = options.stand_ins.iter().map(|wish| wish.name.as_str()).collect();
    let left = azure::stand_ins::leave(&mut world.azure, &names);
    let (stand_ins, notes) = stand_in::join(&options.stand_ins, &options.without, &mut world.azure).await?;
    let fresh = world.new || left || !stand_ins.is_empty();
    let rules = azure::Rules {
        account_keys: Arc::new(keys::AccountKey::new(folder, &keys)?),
        lateness: options.lateness.unwrap_or_default(),
        deny: Vec::new(),
        token_seconds: TOKEN_SECONDS,
        token_key: keys.token_key.clone().into_bytes(),
        ca_pem: authority.ca_pem.clone(),
        admin_token: keys.admin_token.clone(),
        entries: Arc::new(stand_ins.values().map(|s| (s.name.clone(), s.entry.clone())).collect()),
    };
    let listener = listen(folder, options.listen).await?;
    let address = listener.local_addr().map_err(Error::file("read the address of", folder.dir()))?;
    let running = Running::new(folder.clone(), keys, settings::Settings::new(rules), authority, world, stand_ins, serving)?;
    let _ = running.port.set(address.port());
    running.stage.without(&options.without);
    folder.write("port", address.port().to_string().as_bytes())?;
    kubeconfig(&running)?;
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(server::run(listener, running.clone(), stopped, DRAIN[usize::from(serving)]));
    if fresh {
        running.save().await.map_err(|why| Error::Unreachable { dir: folder.dir().to_owned(), why })?;
    }
    running.wake_all().await;
    let embedded = Embedded { running, stop, server, _lock: lock };
    Ok((Access::of(folder, address.port()), embedded, notes))
}

/// The port that the folder had last, so long as nobody else has taken it.
async fn listen(folder: &Folder, wish: Option<SocketAddr>) -> Result<TcpListener, Error> {
    if let Some(address) = wish {
        return TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source });
    }
    let last = SocketAddr::from(([127, 0, 0, 1], folder.last_port()));
    match TcpListener::bind(last).await {
        Ok(listener) => Ok(listener),
        Err(_) => {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            TcpListener::bind(any).await.map_err(|source| Error::Listen { address: any, source })
        }
    }
}

fn kubeconfig(running: &Running) -> Result<(), Error> {
    let azure = running.azure();
    // by folded id, and so by name: aks-mi is first and so the current one
    let entries: Vec<(&str, Entry)> = azure
        .clusters
        .values()
        .map(|cluster| {
            let own = || Entry::of_sandbox(cluster, &running.authority.ca_pem, &running.keys.admin_token, Some(&running.proxy()));
            (cluster.name.as_str(), running.stand_ins.get(&cluster.name).map_or_else(own, |s| s.entry.clone()))
        })
        .collect();
    running.folder.write("kubeconfig", azure::clusters::kubeconfig(&entries).as_bytes())
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
        Holder::Serve(Served { pid, port }) => return Err(Error::AlreadyServing { dir: folder.dir().to_owned(), pid, port }),
        Holder::Other => return Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    };
    folder.remove("serve.json")?;
    let mut stop = std::pin::pin!(stop);
    let (access, embedded, notes) = tokio::select! {
        started = start(&folder, lock, &options, true) => started?,
        () = stop.as_mut() => return Ok(()),
    };
    let served = Served { pid: std::process::id(), port: embedded.running.port.get().copied().unwrap_or_default() };
    folder.write("serve.json", &serde_json::to_vec(&served).unwrap_or_default())?;
    if let Some(path) = &ready_file {
        let note = json!({"pid": served.pid, "port": served.port, "proxy": access.proxy});
        folder::write_whole(path, note.to_string().as_bytes())?;
    }
    on_ready(&access, &notes);
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
            let now = command(&folder, served.port, "/reset", None).await?;
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
    let (stand_ins, without) = (Vec::new(), Vec::new());
    let options = Options { dir: dir.to_owned(), lateness: None, listen: None, wait: Duration::from_secs(30), stand_ins, without };
    let sandbox = open(options).await?;
    match &sandbox.embedded {
        None => {
            let port = folder.served().map(|s| s.port).unwrap_or_default();
            command(&folder, port, "/export", None).await
        }
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
        Some(served) => Ok(Access::of(&folder, served.port)),
        None => Err(Error::NotServing { dir: folder.dir().to_owned() }),
    }
}
