//! Starts helm: with a kubeconfig of its own for one context, values on stdin, no settings from the environment, and no secret in argv.

use super::{error::Error, guard};
use secrecy::{ExposeSecret, SecretString};
use std::{ffi::OsString, fs::OpenOptions, io::Write as _, path::PathBuf, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::{OnceCell, watch},
};

const HELM: &str = "helm";
/// What the names of folders begin with, before the id of the podid that made them.
const FOLDER: &str = "podid-helm-";
/// `helm upgrade --labels` is new in 3.13 (helm/helm#12229).
const OLDEST: (u64, u64) = (3, 13);
/// helm ends by itself when its own time limit is over; after this it is killed.
const SPARE: Duration = Duration::from_secs(30);
/// How long it may take to record that it was interrupted.
const TO_STOP: Duration = Duration::from_secs(10);
/// How many bytes and lines of stderr an error shows.
const LAST_BYTES: usize = 8 * 1024;
const LAST_LINES: usize = 12;
/// Where helm keeps repositories and the logins of registries; all other settings of the environment are not passed on.
const FOLDERS: [&str; 4] = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_REGISTRY_CONFIG"];

/// Which helm is run, and what stops it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    path: Option<PathBuf>,
    stop: Option<watch::Receiver<bool>>,
    /// Whether it ends when podid is killed, which takes the program podid.
    ends_with_podid: bool,
    checked: Arc<OnceCell<()>>,
}

/// One run of helm.
pub struct Call<'a> {
    /// What it does, for errors and waits: `install the chart web`.
    pub action: String,
    pub arguments: Vec<OsString>,
    /// What is no flag, whatever it begins with.
    pub words: Vec<OsString>,
    pub kubeconfig: &'a SecretString,
    /// For `--values -`.
    pub values: Option<String>,
    /// Texts that no error may show.
    pub secrets: Vec<String>,
    pub limit: Duration,
}

impl Program {
    /// `path`: another program than the `helm` of PATH. `stop` becomes true when the user wants to stop.
    pub fn new(path: Option<PathBuf>, stop: watch::Receiver<bool>) -> Self {
        Self { path, stop: Some(stop), ends_with_podid: false, checked: Arc::default() }
    }

    /// The same, but killed together with podid.
    #[must_use]
    pub fn ending_with_podid(self) -> Self {
        Self { ends_with_podid: true, ..self }
    }

    fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| HELM.to_owned(), |path| path.display().to_string())
    }

    /// A command without the user's settings of helm, which could lead it to another cluster, namespace or storage. `guarded`: it may
    /// change something.
    fn command(&self, guarded: bool) -> Command {
        let program = self.path.as_ref().map_or_else(|| HELM.into(), |path| path.as_os_str().to_owned());
        let mut command = match guard::starter().filter(|_| guarded && self.ends_with_podid) {
            Some((starter, arguments)) => {
                let mut command = Command::new(starter);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("HELM_") && !FOLDERS.contains(&name.as_ref()) || name == "KUBECONFIG" {
                command.env_remove(name.as_ref());
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { program: self.name(), given: self.path.is_some() },
            _ => Error::NotStarted { program: self.name(), cause: error.to_string() },
        }
    }

    /// Checks once that it is a helm that is new enough.
    pub async fn check(&self) -> Result<(), Error> {
        self.checked.get_or_try_init(|| self.version()).await.map(drop)
    }

    async fn version(&self) -> Result<(), Error> {
        let mut command = self.command(false);
        command.args(["version", "--template", "{{.Version}}"]).stdout(Stdio::piped());
        let output = command.output().await.map_err(|e| self.not_started(&e))?;
        let unusable = |cause: String| Error::Unusable { program: self.name(), cause };
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = version(&said).filter(|_| output.status.success());
        match version {
            Some(version) if version >= OLDEST => Ok(()),
            Some(_) => Err(unusable(format!("it is {said}, and podid needs 3.13 or newer"))),
            None => Err(unusable("it does not say its version".to_owned())),
        }
    }

    /// Runs helm to its end.
    pub async fn run(&self, call: Call<'_>) -> Result<(), Error> {
        self.check().await?;
        remove_leftovers();
        let prefix = format!("{FOLDER}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().map_err(|e| Error::File(e.to_string()))?;
        let file = folder.path().join("kubeconfig");
        private(&file, call.kubeconfig.expose_secret()).map_err(|e| Error::File(e.to_string()))?;
        let mut command = self.command(true);
        command.args(&call.arguments).arg("--kubeconfig").arg(&file).arg("--").args(&call.words);
        if call.values.is_some() {
            command.stdin(Stdio::piped());
        }
        tracing::debug!(program = self.name(), action = call.action, "helm starts");
        let mut child = command.spawn().map_err(|e| self.not_started(&e))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut stdin), Some(values)) = (stdin, &call.values) {
                // a helm that does not read its values says why
                let _ = stdin.write_all(values.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }
        };
        let limit = call.limit.saturating_add(SPARE);
        let ended = async {
            let ((), end, status) = tokio::join!(feed, end_of(stderr), self.end(&mut child));
            status.map(|status| (status, end))
        };
        let (status, end) = match tokio::time::timeout(limit, ended).await {
            Ok(ended) => ended?,
            Err(_) => return Err(Error::TimedOut { action: call.action, limit: call.limit }),
        };
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed { action: call.action, lines: last_lines(&end, &call.secrets) })
    }

    /// Waits for the end. When the user wants to stop, helm gets the signal on which it records its release as failed, and is killed if it
    /// does not end soon.
    async fn end(&self, child: &mut Child) -> Result<std::process::ExitStatus, Error> {
        let failed = |e: std::io::Error| Error::NotStarted { program: self.name(), cause: e.to_string() };
        let Some(mut stop) = self.stop.clone() else { return child.wait().await.map_err(failed) };
        // an error means that nobody can stop it any more
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await
            }
        };
        tokio::select! {
            status = child.wait() => return status.map_err(failed),
            () = stopped => {}
        }
        terminate(child);
        if tokio::time::timeout(TO_STOP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        Err(Error::Interrupted)
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    let _ = child.start_kill();
}

/// Removes the folders, with credentials in them, of a podid that was killed. Those of other users cannot be removed.
fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.split_once('-')?.0.parse::<i32>().ok());
        if id.is_some_and(is_over) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is no process of this id.
#[cfg(unix)]
fn is_over(id: i32) -> bool {
    let found = rustix::process::Pid::from_raw(id).map(rustix::process::test_kill_process);
    matches!(found, Some(Err(rustix::io::Errno::SRCH)))
}

#[cfg(not(unix))]
fn is_over(_: i32) -> bool {
    false
}

/// Creates a file that only its owner can read. It is in a new folder, so nobody else can have made it.
fn private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Major and minor of `v3.19.5`.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Reads to the end and returns the last bytes, where the reason of a failure is.
async fn end_of(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut end = Vec::new();
    let Some(mut pipe) = pipe else { return end };
    let mut some = [0; 1024];
    while let Ok(n @ 1..) = pipe.read(&mut some).await {
        end.extend_from_slice(&some[..n]);
        if end.len() > 2 * LAST_BYTES {
            end.drain(..end.len() - LAST_BYTES);
        }
    }
    end
}

fn last_lines(end: &[u8], secrets: &[String]) -> Vec<String> {
    let mut text = String::from_utf8_lossy(end).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "(redacted)");
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let cut = lines.len().saturating_sub(LAST_LINES);
    lines[cut..].iter().map(|line| line.strip_prefix("Error: ").unwrap_or(line).to_owned()).collect()
}
