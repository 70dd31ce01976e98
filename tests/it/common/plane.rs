//! A real control plane for a test, by scripts/with-control-plane; it is stopped when it is dropped, or when the test's process ends.
//! PODID_CONTROL_PLANE decides: `required` (missing is a failure), `off`, or unset: used if no build is needed, else one line says what was
//! not run.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Whether the tests of this run use a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Yes,
    No,
}

pub struct Plane {
    child: Child,
    /// Closing this stops the control plane.
    stdin: Option<ChildStdin>,
    kubeconfig: PathBuf,
    dir: PathBuf,
    /// Whether a test did something to it that the next test must not find.
    struck: AtomicBool,
}

pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/with-control-plane")
}

impl Plane {
    /// Looked up once per process; prints what is not run.
    pub fn wanted() -> Wanted {
        static ANSWER: OnceLock<Wanted> = OnceLock::new();
        *ANSWER.get_or_init(|| match std::env::var("PODID_CONTROL_PLANE").as_deref() {
            Ok("required") => Wanted::Yes,
            Ok("off") => {
                say("PODID_CONTROL_PLANE=off");
                Wanted::No
            }
            Ok("") | Err(_) => {
                let have = Command::new(script()).arg("--have").stdin(Stdio::null()).status();
                match have.ok().and_then(|status| status.code()) {
                    Some(0) => return Wanted::Yes,
                    Some(3) => say("it is not built yet; `scripts/with-control-plane true` builds it, once, in about 8 minutes"),
                    _ => say("it cannot be built here; `scripts/with-control-plane true` says what is missing"),
                }
                Wanted::No
            }
            Ok(other) => panic!("PODID_CONTROL_PLANE is `required`, `off` or unset, not {other:?}"),
        })
    }

    /// Starts a control plane, or returns `None` if none is to be used.
    pub fn if_wanted() -> Option<Self> {
        (Self::wanted() == Wanted::Yes).then(Self::start)
    }

    /// Starts a control plane and waits until it is ready.
    #[track_caller]
    pub fn start() -> Self {
        let mut command = Command::new(script());
        command.args(["sh", "-c", "echo \"$KUBECONFIG\"; echo \"$PODID_CONTROL_PLANE_DIR\"; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (Some(Ok(kubeconfig)), Some(Ok(dir))) = (lines.next(), lines.next()) else {
            drop(stdin);
            panic!("there is no control plane: {}", child.wait().unwrap());
        };
        Self { child, stdin, kubeconfig: kubeconfig.into(), dir: dir.into(), struck: AtomicBool::new(false) }
    }

    /// Returns the kubeconfig of a cluster-admin.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Returns its folder, with NAME.pid and NAME.log of each program, audit.log, ca.crt and ca.key.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the process id of the script.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Marks it as unusable for other tests.
    pub fn strike(&self) {
        self.struck.store(true, Ordering::Relaxed);
    }

    pub fn is_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    /// Sends SIGKILL to a program, like a crash; it is started again.
    pub fn kill(&self, program: &str) {
        self.strike();
        let pid = std::fs::read_to_string(self.dir.join(program).with_extension("pid")).unwrap();
        let sent = Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap();
        assert!(sent.success(), "{program} was not there to be killed");
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let patience = Instant::now() + Duration::from_secs(30);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > patience {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Bypasses eprintln, which libtest captures.
fn say(why: &str) {
    let line = format!("not run: the tests on a real control plane ({why})\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
