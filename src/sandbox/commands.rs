//! The operations behind the `podid sandbox` commands, for a folder that this process or another one serves.

use super::{
    access::Access,
    callers::{self, CallerRequest},
    error::Error,
    export::world as exported_world,
    folder::{self, Folder, Served},
    journal::Journal,
    keys, remote,
    sandbox::{Embedded, Holder, Options, SETTLE, open, running_serve, start, take},
    world,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

async fn command(folder: &Folder, address: SocketAddr, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let method = if path == "/export" { "GET" } else { "POST" };
    let unreachable = |why: String| Error::Unreachable { dir: folder.dir().to_owned(), why };
    let token = keys::SandboxKeys::load(folder)?.control_token;
    match remote::ask(address, &token, method, path, body, Duration::from_secs(30)).await {
        Ok((200, value)) => Ok(value),
        Ok((400, value)) if value["way"].is_string() => {
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            Err(Error::Use { why: text("error"), hint: text("way") })
        }
        Ok((status, value)) => Err(unreachable(value["error"].as_str().map_or_else(|| format!("status {status}"), str::to_owned))),
        Err(why) => Err(unreachable(why.to_string())),
    }
}

/// Serves until `stop` completes. `ready_file` is written and `on_ready` is called when the listener answers; the texts are notes for the
/// user about external clusters.
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
        format!("it listens on {address}: other machines that reach this address can use its Azure and its clusters, but not its control interface")
    });
    on_ready(&access, &open.into_iter().chain(notes).collect::<Vec<_>>());
    stop.await;
    folder.remove("serve.json")?;
    embedded.end().await;
    Ok(())
}

/// Replaces the world by a new one, with `bare` by one without components. Keys and CA stay, so that clients still trust the sandbox. Returns name and URL of the external
/// clusters, which are not changed.
pub async fn reset(dir: &Path, bare: bool) -> Result<Vec<(String, String)>, Error> {
    let folder = Folder::open(dir)?;
    match take(&folder, SETTLE).await? {
        Holder::Serve(served) => {
            let now = command(&folder, served.address, "/reset", Some(&json!({ "bare": bare }))).await?;
            let left = now["stand_ins"].as_object().into_iter().flatten();
            Ok(left.map(|(name, url)| (name.clone(), url.as_str().unwrap_or_default().to_owned())).collect())
        }
        Holder::Me(_lock) => {
            // the changes first, because they are ignored without a world
            for name in [world::CHANGES_FILE, world::FILE, "requests.jsonl", "serve.json"] {
                folder.remove(name)?;
            }
            if bare {
                create_bare_world(&folder)?;
            }
            folder.remove_logs()?;
            folder.remove_states().map(|()| Vec::new())
        }
        Holder::Other => Err(Error::Busy { dir: folder.dir().to_owned(), pid: folder.holder() }),
    }
}

/// Writes a bare world whose clusters have no contents yet: they are created when it is opened.
fn create_bare_world(folder: &Folder) -> Result<(), Error> {
    let world = world::World::new(true);
    Journal::new(folder.clone(), world.saves, true).rewrite(|out| {
        out.write_all(b"\"azure\":")?;
        serde_json::to_writer(&mut *out, &world.azure)?;
        out.write_all(b",\"clusters\":{}")
    })
}

/// Returns the world as sorted JSON.
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
            let value = exported_world(&embedded.running).await;
            sandbox.close().await;
            value
        }
    }
}

/// Returns how to reach a sandbox that is being served.
pub async fn access(dir: &Path) -> Result<Access, Error> {
    let folder = Folder::open(dir)?;
    match running_serve(&folder).await {
        Some(served) => Ok(Access::of(&folder, &served, &keys::SandboxKeys::load(&folder)?)),
        None => Err(Error::NotServing { dir: folder.dir().to_owned() }),
    }
}

/// Carries out a request about callers, in a served world or in one that is not served.
pub async fn callers(dir: &Path, request: &CallerRequest) -> Result<Value, Error> {
    let sandbox = open(Options::new(dir)).await?;
    match &sandbox.embedded {
        Some(Embedded { running, .. }) => {
            let value = callers::carry_out(running, request).await;
            sandbox.close().await;
            value
        }
        None => match Folder::open(dir)?.served() {
            Some(served) => {
                let body = serde_json::to_value(request).unwrap_or_default();
                command(&Folder::open(dir)?, served.address, "/callers", Some(&body)).await
            }
            None => Err(Error::NotServing { dir: dir.to_owned() }),
        },
    }
}
