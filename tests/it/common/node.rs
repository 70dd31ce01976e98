//! Runs a test on a node: in a second process in its own network namespace, where the address of the metadata service belongs to this machine.
//! This needs Linux; a user who may not create a namespace gets a message.

use std::process::{Command, Stdio};

/// The address that SDKs, MIC and NMI have compiled in.
pub const IMDS: &str = "169.254.169.254:80";
const INSIDE: &str = "PODID_TEST_ON_NODE";
const SETUP: &str = "ip link set lo up && ip addr add 169.254.169.254/32 dev lo && exec \"$@\"";
/// The ways to create the namespace: as root, or as root of a user namespace.
const WAYS: [&[&str]; 2] = [&["--net"], &["--map-root-user", "--net"]];

fn unshare(way: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", SETUP, "sh"]).args(words).stdin(Stdio::null());
    command
}

/// Runs the test inside the namespace. `name` is that of the test in its binary. Returns false if this machine cannot do that.
#[track_caller]
pub fn on_a_node(name: &str, play: impl FnOnce()) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        play();
        return true;
    }
    let works = |way: &&&[&str]| unshare(way, &["true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    let Some(way) = WAYS.iter().find(works) else { return false };
    let binary = std::env::current_exe().unwrap();
    let words = [binary.to_str().unwrap(), "--exact", name, "--nocapture"];
    let output = unshare(way, &words).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "on a node:\n{said}");
    true
}
