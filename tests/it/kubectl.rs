//! Unmodified kubectl, every minor version on this machine: the sessions of `tests/kubectl/` were recorded against a real API server. They are
//! replayed against the sandbox through its kubeconfig, and against a control plane.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod mask;
mod play;
pub mod programs;
mod session;

use crate::common::both::Side;
use crate::common::cluster::Cluster;

macro_rules! sessions {
    ($($name:ident)+) => {
        both! { $($name, |side| play::play(side, stringify!($name)));+ }

        #[test]
        fn every_session_is_replayed() {
            let known = [$(stringify!($name)),+];
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl");
            let files = folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let unknown: Vec<String> = files.filter(|f| f.strip_suffix(".session").is_some_and(|name| !known.contains(&name))).collect();
            assert_eq!(unknown, Vec::<String>::new());
        }
    };
}

sessions! {
    applied
    created
    deployments
    described
    edited
    explained
    listed
    namespaces
    pods
    rights
    server
    stored
    tokens
}

/// The program in PATH may be a dispatcher that asks the server which kubectl to start.
#[test]
fn the_kubectl_in_the_path_works_unmodified() {
    programs::all();
    let Some(program) = programs::first() else { return };
    let cluster = Cluster::shared(Side::Sandbox);
    let home = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(program)
        .args(["get", "namespace", "default", "-o", "name"])
        .env("HOME", home.path())
        .env("KUBECONFIG", &cluster.kubeconfig)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "namespace/default\n", "{}", String::from_utf8_lossy(&output.stderr));
}
