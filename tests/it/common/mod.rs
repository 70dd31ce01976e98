//! A world of its own for each test: a temporary folder, the real binary in a clean environment, and a sandbox, embedded or served.
//! `by_hand` changes that world behind podid's back, `log` reads its requests.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot go on ends")]

#[macro_use]
pub mod both;
pub mod by_hand;
pub mod cluster;
pub mod doctor;
pub mod flexvolume;
pub mod helm;
pub mod lent;
pub mod log;
pub mod mask;
pub mod node;
pub mod objects;
pub mod plane;
pub mod printed;
pub mod saved;
pub mod specs;
pub mod tape;
pub mod words;
pub mod yaml;

use both::Side;
use lent::Lent;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const PODID: &str = env!("CARGO_BIN_EXE_podid");
/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    folder: TempDir,
    served: Option<Served>,
    /// The control plane that stands in for one of the sandbox's clusters.
    pub plane: Option<Lent>,
    /// Variables besides PATH, HOME and the sandbox's own.
    pub env: Vec<(String, String)>,
}

/// A `podid sandbox serve` that is stopped after the test.
struct Served {
    child: Child,
    port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    said: String,
}

impl Output {
    pub fn of(words: &[&str], output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            said: words.join(" "),
        }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "`podid {}` was to exit with {code}\n--- stdout\n{}--- stderr\n{}",
            self.said,
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("`podid {}` answers no JSON: {why}\n{}", self.said, self.stdout))
    }

    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "`podid {}` was to say {words:?}\n--- stdout\n{}--- stderr\n{}",
            self.said,
            self.stdout,
            self.stderr
        );
        self
    }
}

impl World {
    /// Creates a world with an embedded sandbox: each command continues where the last one stopped.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // the labs on prepared clusters, and below `labs` the whole ones
        fs::create_dir(folder.path().join("labs")).unwrap();
        for (from, to) in [("tests/labs/small", ""), ("templates/labs", "labs")] {
            for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), folder.path().join(to).join(entry.file_name())).unwrap();
            }
        }
        let env = vec![("PODID_SANDBOX".into(), "1".into()), ("PODID_LATENESS".into(), "none".into())];
        Self { folder, served: None, plane: None, env }
    }

    /// Creates a served world; on the control plane side, the cluster of this context is a real one.
    pub fn on(side: Side, context: &str) -> Self {
        match side {
            Side::Sandbox => Self::served(),
            Side::ControlPlane => {
                let mut plane = Lent::any();
                let mut world = Self::new();
                world.serve_with(&["--cluster", &format!("{context}={}", plane.kubeconfig().display())]);
                plane.is_furnished();
                world.plane = Some(plane);
                world
            }
        }
    }

    /// Uses the variables that `sandbox env` prints from now on, as for any cluster, instead of `--sandbox`.
    pub fn without_the_flag(mut self) -> Self {
        let environment = self.environment();
        self.env.retain(|(name, _)| name != "PODID_SANDBOX");
        self.env.extend(environment);
        self
    }

    pub fn served() -> Self {
        let mut world = Self::new();
        world.serve();
        world
    }

    /// Copies the folder of another world as it is now; nothing may be running in it.
    pub fn copy_of(other: &Self) -> Self {
        let world = Self::new();
        fs::create_dir(world.path(".podid")).unwrap();
        for entry in fs::read_dir(other.path(".podid")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), world.path(".podid").join(entry.file_name())).unwrap();
        }
        world
    }

    pub fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// Runs `podid sandbox serve` with more arguments.
    pub fn serve_with(&mut self, more: &[&str]) {
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let log = fs::File::create(self.path("serve.log")).unwrap();
        let mut command = self.command(&[&["sandbox", "serve", "--ready-file", ready.to_str().unwrap()], more].concat());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut served = Served { child, port: 0 };
        let note = until("the sandbox serves", || {
            assert!(!matches!(served.child.try_wait(), Ok(Some(_))), "it does not serve: {}", self.read("serve.log"));
            fs::read(&ready).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        });
        served.port = u16::try_from(note["port"].as_u64().unwrap()).unwrap();
        self.served = Some(served);
    }

    /// Kills the API server, as a crash would, and starts it again; the control plane's gets the same port.
    pub fn kill_api_server(&mut self) {
        match &self.plane {
            Some(plane) => plane.kill("kube-apiserver"),
            None => {
                self.unserve();
                self.serve();
            }
        }
    }

    /// Kills the server and keeps its world.
    pub fn unserve(&mut self) {
        self.served = None;
    }

    /// Returns the id of the process that serves the world.
    pub fn server_id(&self) -> u32 {
        self.served.as_ref().expect("the world is served").child.id()
    }

    pub fn port(&self) -> u16 {
        self.served.as_ref().expect("the world is served").port
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Returns a command with nothing of this machine's environment but PATH.
    pub fn command(&self, words: &[&str]) -> Command {
        self.program(PODID, words)
    }

    pub fn program(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.dir()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn podid(&self, words: &[&str]) -> Output {
        Output::of(words, self.command(words).output().unwrap())
    }

    /// Starts a command without waiting for it.
    pub fn start(&self, words: &[&str]) -> Started {
        let mut command = self.command(words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Started { child: Some(child), words: words.iter().map(|w| (*w).to_owned()).collect() }
    }

    /// Runs `podid up --yes -f SPEC` with more arguments.
    pub fn up(&self, spec: &str, more: &[&str]) -> Output {
        self.podid(&[&["up", "--yes", "-f", spec], more].concat())
    }

    pub fn down(&self, spec: &str, more: &[&str]) -> Output {
        self.podid(&[&["down", "--yes", "-f", spec], more].concat())
    }

    /// Runs `plan --exit-code`.
    pub fn plan(&self, spec: &str) -> Output {
        self.podid(&["plan", "--exit-code", "-f", spec])
    }

    /// Returns the world as sorted JSON text.
    pub fn export(&self) -> String {
        let export = || self.podid(&["sandbox", "export"]).ok().stdout;
        if self.plane.is_none() {
            return export();
        }
        // The garbage collector looks for new kinds only every half minute before it deletes what the proof's pod left.
        until("the pod of the proof is forgotten", || Some(export()).filter(|export| !export.contains("\"podid-verify-")))
    }

    /// Returns the output of `state list -o json`.
    pub fn listed(&self) -> Value {
        self.podid(&["state", "list", "-o", "json"]).ok().json()
    }
}

/// A child process that is killed when it is dropped.
pub struct Started {
    child: Option<Child>,
    words: Vec<String>,
}

impl Started {
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Sends SIGKILL, like a power cut.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends SIGINT, like Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn wait(mut self) -> Output {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        Output::of(&words, self.child.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Polls until the condition holds.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Compares two texts; if they differ, only the lines that differ are shown.
#[track_caller]
pub fn same(what: &str, left: &str, right: &str) {
    if left != right {
        let diff = similar::TextDiff::from_lines(left, right);
        panic!("{what}:\n{}", diff.unified_diff().context_radius(6));
    }
}

/// Replaces each GUID, and each UUID-shaped name, by `*`.
pub fn without_guids(text: &str) -> String {
    let shape = |word: &str| {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
    };
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || c == '-' {
            word.push(c);
            continue;
        }
        out.push_str(if shape(&word) { "*" } else { &word });
        word.clear();
        out.push(c);
    }
    out.trim_end_matches('\0').to_owned()
}
