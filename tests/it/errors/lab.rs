//! A folder with a sandbox, in which the real program runs: its exit code and stderr, with what differs from run to run replaced.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const SUBSCRIPTION: &str = "e76701e5-3b27-571a-a68b-54a47a441782";

pub struct Lab {
    dir: TempDir,
    env: BTreeMap<String, String>,
    serve: Option<Child>,
}

/// Returns a command without anything of this machine: no login, no variables, a home of its own.
fn clean(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podid"));
    command.current_dir(dir).env_clear().env("PATH", dir.join("bin")).env("HOME", dir.join("home")).stdin(Stdio::null());
    command
}

impl Lab {
    /// Creates a lab outside of any sandbox.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        ["bin", "home"].iter().for_each(|name| fs::create_dir(dir.path().join(name)).unwrap());
        Self { dir, env: BTreeMap::new(), serve: None }
    }

    /// Creates a lab with a sandbox without delays, embedded in each command.
    pub fn new() -> Self {
        let lab = Self::bare();
        lab.with("PODID_SANDBOX", "1").with("PODID_LATENESS", "none").with("PODID_RESOURCE_GROUP", "podid-lab")
    }

    /// Like `new`, with `app.yaml`: one workload that reads one secret.
    pub fn with_app() -> Self {
        let lab = Self::new();
        lab.write("app.yaml", APP);
        lab.write("conn.txt", "not-a-real-secret");
        lab
    }

    /// Like `with_app`, with everything created.
    pub fn made() -> Self {
        let lab = Self::with_app();
        lab.done("up -f app.yaml --yes");
        lab
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Serves the sandbox in a process of its own from now on.
    pub fn served(mut self) -> Self {
        let ready = self.path("ready.json");
        let mut command = clean(self.dir.path());
        command.args(["sandbox", "serve", "--lateness", "none", "--ready-file"]).arg(&ready).stdout(Stdio::null()).stderr(Stdio::null());
        self.serve = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while !ready.exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the sandbox does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// Returns the address of the served sandbox.
    pub fn address(&self) -> String {
        let ready: Value = serde_json::from_str(&self.read("ready.json")).unwrap();
        format!("127.0.0.1:{}", ready["port"])
    }

    /// Uses the variables that `podid sandbox env` prints for clients, instead of `--sandbox`.
    pub fn with_clients_environment(self) -> Self {
        let output = clean(self.dir.path()).args(["sandbox", "env"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let pairs = text.lines().filter_map(|l| l.strip_prefix("export ")?.split_once('='));
        let pairs: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect();
        assert_eq!(pairs.len(), 10, "{text}");
        let lab = self.without("PODID_SANDBOX").without("PODID_LATENESS");
        pairs.into_iter().fold(lab, |lab, (name, value)| lab.with(&name, value))
    }

    /// Sets faults and refusals of the served sandbox.
    pub fn set(&self, settings: &Value) {
        self.control("POST", "/settings", &settings.to_string());
    }

    /// Returns the answer of the served sandbox's control host.
    pub fn asked(&self, method: &str, path: &str) -> Value {
        self.control(method, path, "")
    }

    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(
            stream,
            "{method} http://sandbox.podid{path} HTTP/1.1\r\nHost: sandbox.podid\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            serde_json::from_str::<Value>(&self.read(".podid/keys.json")).unwrap()["control_token"].as_str().unwrap(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
    }

    /// Changes the world's file behind podid's back, while nobody uses it.
    pub fn edit_world(&self, edit: impl FnOnce(&mut Value)) {
        assert!(self.serve.is_none(), "a served world is not read from its file");
        self.edit(".podid/world.json", edit);
    }

    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut document: Value = serde_json::from_str(&self.read(name)).unwrap();
        edit(&mut document);
        self.write(name, &document.to_string());
    }

    /// Changes a Kubernetes object of `aks-mi`, given as `resource.group/namespace/name`.
    pub fn edit_object(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        self.edit_world(|world| edit(world["clusters"]["aks-mi"]["objects"].get_mut(name).unwrap()));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = clean(self.dir.path());
        command.envs(&self.env).args(line.split_whitespace());
        command
    }

    /// Runs a command that must succeed.
    pub fn done(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command; returns its exit code and stderr without progress.
    pub fn fails(&self, line: &str) -> String {
        let mut command = self.command(line);
        let begun = Instant::now();
        let output = command.arg("--quiet").output().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60), "{line}: an error that takes {:?} to be told", begun.elapsed());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(!stderr.contains("not-a-real-secret"), "{stderr}");
        format!("exit {}\n{}", output.status.code().unwrap_or(-1), self.plain(&stderr))
    }

    fn plain(&self, text: &str) -> String {
        let real = fs::canonicalize(self.dir.path()).unwrap();
        let text = text.replace(real.to_str().unwrap(), "[DIR]").replace(self.dir.path().to_str().unwrap(), "[DIR]");
        let text = after(&text, "127.0.0.1:", |c| c.is_ascii_digit(), "[PORT]");
        let text = after(&text, "port ", |c| c.is_ascii_digit(), "[PORT]");
        let text = after(&text, "process ", |c| c.is_ascii_digit(), "[PID]");
        let text = after(&text, " in use by ", |c| c != ':' && c != '\n', "[HOLDER]");
        let text = after(&text, "its secrets within ", |c| c.is_ascii_digit() || ". ms".contains(c), "[TIME]");
        let text = after(&text, "since ", |c| c.is_ascii_digit() || "-:TZ".contains(c), "[SINCE]");
        let text = after(&text, "to be purged ", |c| c.is_ascii_digit() || "-:TZ.".contains(c), "[DATE]");
        let text = after(&text, "after ", |c| c.is_ascii_digit() || ".ms ".contains(c), "[TIME] ");
        guids(&text)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(serve) = &mut self.serve {
            let _ = serve.kill();
            let _ = serve.wait();
        }
    }
}

/// Replaces what follows `lead` and consists of these characters by `shown`.
fn after(text: &str, lead: &str, of: impl Fn(char) -> bool, shown: &str) -> String {
    let mut parts = text.split(lead);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&of);
        plain += lead;
        plain += if rest.len() < part.len() { shown } else { "" };
        plain += rest;
    }
    plain
}

/// Replaces ids of the sandbox, which say nothing to a reader.
fn guids(text: &str) -> String {
    let is_guid = |word: &str| {
        word.len() == 36 && word.char_indices().all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() })
    };
    let (mut plain, mut at) = (String::new(), 0);
    while at < text.len() {
        match text.get(at..at + 36) {
            Some(word) if is_guid(word) => {
                plain += "[ID]";
                at += 36;
            }
            _ => {
                let next = text[at..].chars().next().unwrap();
                plain.push(next);
                at += next.len_utf8();
            }
        }
    }
    plain
}

const APP: &str = "\
apiVersion: podid/v1
kind: App
metadata:
  name: shop
resourceGroup: podid-lab
cluster:
  name: aks-mi
vault:
  name: kv-shop-errors
  secrets:
    - name: conn
      value:
        file: conn.txt
workloads:
  - name: shop
    namespace: shop
    identity:
      name: shop-mid
    secrets:
      - name: conn
";
