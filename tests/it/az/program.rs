//! The unmodified az of scripts/with-az, signed in to a world with what `podid sandbox env` prints. PODID_AZ decides: `required` (installed if
//! missing), `off`, or unset: used if it is installed, else one line says what was not run.

use crate::common::{Output, World, words::words};
use serde_json::Value;
use std::{
    cell::Cell,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Condvar, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// An az takes half a second of CPU time, and there are other tests.
const AT_ONCE: u32 = 2;

static RUN: AtomicU32 = AtomicU32::new(0);

pub struct Az<'a> {
    pub world: &'a World,
    program: &'static Program,
    run: Cell<u32>,
}

struct Program {
    version: String,
    /// The variables that with-az gives to a command.
    env: Vec<(String, String)>,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-az")
}

/// Bypasses eprintln, which libtest captures.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn program() -> Option<&'static Program> {
    static FOUND: OnceLock<Option<Program>> = OnceLock::new();
    FOUND.get_or_init(|| wanted().then(find)).as_ref()
}

fn wanted() -> bool {
    let not = |why: &str| {
        say(&format!("not run: the tests of an unmodified az on the sandbox ({why})"));
        false
    };
    match std::env::var("PODID_AZ").as_deref() {
        Ok("required") => true,
        Ok("off") => not("PODID_AZ=off"),
        Ok("") | Err(_) => match Command::new(script()).arg("--have").stdin(Stdio::null()).status().ok().and_then(|s| s.code()) {
            Some(0) => true,
            Some(3) => not("it is not installed yet; `scripts/with-az true` installs it, once, in about 3 minutes"),
            _ => not("it cannot be installed here; `scripts/with-az true` says what is missing"),
        },
        Ok(other) => panic!("PODID_AZ is `required`, `off` or unset, not {other:?}"),
    }
}

fn find() -> Program {
    let output = Command::new(script()).args(["sh", "-c", "az version -o json >&2; env"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let at = told.find('{').unwrap_or_else(|| panic!("there is no az: {told}"));
    let version: Value = serde_json::from_str(&told[at..]).unwrap();
    let env = String::from_utf8(output.stdout).unwrap();
    let env = env.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| *name == "PATH" || name.starts_with("AZURE_"));
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Program { version: version["azure-cli"].as_str().unwrap().to_owned(), env }
}

impl<'a> Az<'a> {
    /// Returns az with nobody signed in; `None` if az is not to be used.
    pub fn of(world: &'a World) -> Option<Self> {
        Some(Self { world, program: program()?, run: Cell::new(0) })
    }

    pub fn signed_in(world: &'a World) -> Option<Self> {
        let az = Self::of(world)?;
        az.json(r#"login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID""#);
        Some(az)
    }

    /// Runs what a user types after `az`. A `$NAME` is a variable of `podid sandbox env`.
    pub fn run(&self, line: &str) -> Output {
        let mut typed = words(line);
        let environment = self.world.environment();
        for (name, value) in &environment {
            typed.iter_mut().for_each(|word| *word = word.replace(&format!("${name}"), value));
        }
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        self.run.set(self.run.get() + 1);
        self.started("az", &typed, environment)
    }

    /// Lets one az parse command lines without running them: for each, `ok` or why not. `None` if az is not to be used.
    pub fn parse(world: &World, lines: &[Vec<String>]) -> Option<Vec<String>> {
        let program = program()?;
        let bin = program.env.iter().find(|(name, _)| name == "PATH").and_then(|(_, path)| std::env::split_paths(path).next()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/az/parse.py");
        let mut command = world.program(bin.join("python"), &[script.to_str().unwrap()]);
        command.envs(program.env.iter().map(|(name, value)| (name, value)));
        command.env("AZURE_CONFIG_DIR", world.path("az")).env("AZURE_EXTENSION_DIR", world.path("az/extensions"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text: String = lines.iter().map(|words| format!("{}\n", serde_json::json!(words))).collect();
        let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{}", output.status);
        Some(String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Runs a line of a shell as it is, of az, kubectl or both. An editor leaves everything as it is.
    pub fn shell(&self, line: &str) -> Output {
        self.run.set(self.run.get() + u32::from(line.starts_with("az ")));
        let environment = self.world.environment().into_iter().chain([("KUBE_EDITOR".to_owned(), "true".to_owned())]);
        self.started("sh", &["-c", line], environment.collect())
    }

    /// Runs a shell script of the world's folder, which signs in by itself.
    pub fn script(&self, name: &str) -> Output {
        // The commands are counted; without kubectl, the caller does its part.
        let script = format!(
            "az() {{ echo az >>az.count; command az \"$@\"; }}\n\
             command -v kubectl >/dev/null || kubectl() {{ :; }}\n\
             . ./{name}"
        );
        let output = self.started("sh", &["-euc", &script], self.world.environment());
        self.run.set(self.run.get() + u32::try_from(self.world.read("az.count").lines().count()).unwrap());
        output
    }

    fn started(&self, program: &str, words: &[&str], environment: Vec<(String, String)>) -> Output {
        let mut command = self.world.program(program, words);
        command.envs(environment);
        command.envs(self.program.env.iter().map(|(name, value)| (name, value)));
        command.env("AZURE_CONFIG_DIR", self.world.path("az")).env("AZURE_EXTENSION_DIR", self.world.path("az/extensions"));
        let output = one_of_few(|| command.output().unwrap());
        Output::of(words, output)
    }

    /// Checks exit code 0 and returns the printed JSON; null if nothing was printed.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} -o json")).ok();
        if output.stdout.trim().is_empty() { Value::Null } else { output.json() }
    }

    /// Returns a value as a script reads it: `--query … -o tsv`.
    #[track_caller]
    pub fn text(&self, line: &str) -> String {
        self.run(&format!("{line} -o tsv")).ok().stdout.trim_end().to_owned()
    }

    /// Checks the exit code and returns stderr.
    #[track_caller]
    pub fn fails(&self, code: i32, line: &str) -> String {
        self.run(line).exits(code).stderr
    }
}

impl Drop for Az<'_> {
    fn drop(&mut self) {
        let own = self.run.get();
        let all = RUN.fetch_add(own, Ordering::Relaxed) + own;
        say(&format!("az {}: {own} commands, {all} so far", self.program.version));
    }
}

fn one_of_few<T>(run: impl FnOnce() -> T) -> T {
    static RUNNING: Mutex<u32> = Mutex::new(0);
    static ENDED: Condvar = Condvar::new();
    let mut running = ENDED.wait_while(RUNNING.lock().unwrap(), |running| *running >= AT_ONCE).unwrap();
    *running += 1;
    drop(running);
    let result = run();
    *RUNNING.lock().unwrap() -= 1;
    ENDED.notify_one();
    result
}
