//! Replays a session: with kubectls of this machine against the sandbox, with the newest against a real control plane. The output must equal
//! the recorded one. Of adjacent versions that print the same, the newest is tried, and the oldest of all; `PODID_TEST_ALL_KUBECTLS` set: each.
//! `PODID_RECORD=1` records the output of all of them against the control plane (never the sandbox) again;
//! `PODID_RECORD=sandbox` does so for the parts that run on the sandbox only.

use crate::common::both::Side;
use crate::common::cluster::Cluster;
use crate::common::same;
use crate::common::words::words;
use crate::kubectl::mask::mask;
use crate::kubectl::programs::{self, Program};
use crate::kubectl::session::{Part, Session};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

struct Desk<'a> {
    program: &'a Path,
    folder: &'a Path,
    namespace: &'a str,
}

impl Desk<'_> {
    fn run(&self, line: &str) -> (i32, String) {
        let line = line.replace("$NS", self.namespace);
        let mut words = words(&line);
        let end = words.iter().position(|w| w == "kubectl").unwrap_or_else(|| panic!("no kubectl in `{line}`"));
        let mut command = Command::new(self.program);
        command.env_clear().current_dir(self.folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder).env("TZ", "UTC");
        command.env("KUBECONFIG", self.folder.join("kubeconfig")).env("TMPDIR", self.folder);
        // Without this, a third of its work is garbage collection just before it ends.
        command.env("GOGC", "400");
        for assignment in words.drain(..=end).filter(|w| w != "kubectl") {
            let (name, value) = assignment.split_once('=').unwrap();
            command.env(name, value);
        }
        let output = command.args(words).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    }

    /// Runs a part; returns it in the form of the file.
    fn play(&self, part: &Part) -> String {
        let began = Instant::now();
        let (code, text) = loop {
            let (code, text) = self.run(&part.command);
            let done = part.directive("until").is_none_or(|wanted| text.contains(&wanted.replace("$NS", self.namespace)));
            if done || began.elapsed() > PATIENCE {
                break (code, text);
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let text = mask(&text, self.namespace);
        let mut omitted = part.omitted();
        if part.command.starts_with("kubectl diff") {
            // The names of temporary files.
            omitted.extend(["diff -u -N ", "--- <LIVE>", "+++ <MERGED>"]);
        }
        let mut lines: Vec<&str> = text.lines().filter(|line| !omitted.iter().any(|o| line.contains(o))).collect();
        if part.directive("last").is_some() {
            lines = lines.last().copied().into_iter().collect();
        }
        if part.directive("first").is_some() {
            lines.truncate(1);
        }
        if part.directive("sort").is_some() {
            lines.sort_unstable();
        }
        let code = if code == 0 { String::new() } else { format!("? {code}\n") };
        format!("{code}{}\n", lines.join("\n").trim_end())
    }
}

pub fn play(side: Side, name: &str) {
    let all = programs::all();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl").join(format!("{name}.session"));
    match (side, std::env::var("PODID_RECORD").as_deref()) {
        (Side::ControlPlane, Ok("1")) | (Side::Sandbox, Ok("sandbox")) => return record(side, &file, all),
        _ => {}
    }
    let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let tried: Vec<&Program> = match side {
        Side::Sandbox => tried(&Session::read(&text), all),
        Side::ControlPlane => all.last().into_iter().collect(),
    };
    for program in tried {
        let session = Session::read(&text);
        let mut played = Session::read(&text);
        for (at, printed) in through(side, &session, program) {
            if printed != session.parts[at].expected(program.minor) {
                played.parts[at].print(program.minor, &printed);
            }
        }
        let where_ = if side == Side::Sandbox { "the sandbox" } else { "this control plane" };
        let what = format!("{name}.session, kubectl 1.{}: - as recorded against a real API server, + against {where_}", program.minor);
        same(&what, &session.write(), &played.write());
    }
}

fn tried<'a>(session: &Session, all: &'a [Program]) -> Vec<&'a Program> {
    let is_tried = |at: usize| match all.get(at + 1) {
        _ if at == 0 || std::env::var_os("PODID_TEST_ALL_KUBECTLS").is_some() => true,
        None => true,
        Some(newer) => !session.is_equal_for(all[at].minor, newer.minor),
    };
    all.iter().enumerate().filter(|(at, _)| is_tried(*at)).map(|(_, program)| program).collect()
}

fn record(side: Side, file: &Path, all: &[Program]) {
    let mut session = Session::read(&fs::read_to_string(file).unwrap());
    let mut printed: BTreeMap<usize, BTreeMap<u32, String>> = BTreeMap::new();
    for program in all {
        for (at, text) in through(side, &session, program) {
            printed.entry(at).or_default().insert(program.minor, text);
        }
    }
    for (at, part) in session.parts.iter_mut().enumerate() {
        if part.only_sandbox() == (side == Side::Sandbox)
            && let Some(printed) = printed.get(&at)
        {
            part.record(printed);
        }
    }
    fs::write(file, session.write()).unwrap();
}

/// Runs a whole session in a namespace of its own; returns the output of each part.
fn through(side: Side, session: &Session, program: &Program) -> Vec<(usize, String)> {
    let cluster = Cluster::shared(side);
    let namespace = cluster.namespace();
    let folder = tempfile::tempdir().unwrap();
    prepare(session, folder.path(), cluster, &namespace);
    let desk = Desk { program: &program.path, folder: folder.path(), namespace: &namespace };
    let here = |part: &Part| part.is_for(program.minor) && (side == Side::Sandbox || !part.only_sandbox());
    let printed = session.parts.iter().enumerate().filter(|(_, part)| here(part)).map(|(at, part)| (at, desk.play(part))).collect();
    cluster.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), &[], None);
    printed
}

/// Writes the session's files, and a kubeconfig whose namespace is the session's.
fn prepare(session: &Session, folder: &Path, cluster: &Cluster, namespace: &str) {
    for (name, content) in &session.files {
        let path: PathBuf = folder.join(name);
        fs::write(&path, content.replace("$NS", namespace)).unwrap();
        if content.starts_with("#!") {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let mut config: serde_json::Value = serde_saphyr::from_str(&fs::read_to_string(&cluster.kubeconfig).unwrap()).unwrap();
    let current = config["current-context"].clone();
    for context in config["contexts"].as_array_mut().unwrap() {
        if context["name"] == current {
            context["context"]["namespace"] = namespace.into();
        }
    }
    fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
}
