//! scripts/with-control-plane itself: what a command finds in it, and that nothing is left of it, however it ends.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use crate::common::cluster::Cluster;
use crate::common::lent::Lent;
use crate::common::plane::{Plane, Wanted, script};
use crate::common::until;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::ApiResource;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const READY: &str = "echo $PODID_CONTROL_PLANE_DIR;";

fn wanted() -> bool {
    Plane::wanted() == Wanted::Yes
}

/// Runs the script. Returns its status, its folder, and how long it took to end after `then`, which gets its process id and the folder.
fn run(command: &str, then: impl FnOnce(u32, &Path)) -> (ExitStatus, PathBuf, Duration) {
    // A shell that runs the tests in the background makes its children ignore signals.
    let mut started = Command::new("env");
    started.arg("--default-signal=HUP,INT,QUIT,TERM").arg(script()).args(["bash", "-c", &format!("{READY} {command}")]);
    let mut child = started.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let dir: PathBuf = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap().into();
    then(child.id(), &dir);
    let began = Instant::now();
    (child.wait().unwrap(), dir, began.elapsed())
}

fn send(signal: &str, pid: impl ToString) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Returns the command lines that contain the folder.
fn programs_in(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    let lines = lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    lines.filter(|line| line.contains(dir)).collect()
}

#[track_caller]
fn nothing_is_left(dir: &Path) {
    assert_eq!(programs_in(dir), Vec::<String>::new());
    assert!(!dir.exists(), "{} is left", dir.display());
}

/// Returns a client for tests that only read, or that create objects in namespaces of their own.
async fn client(plane: &Plane) -> kube::Client {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

fn kind(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind))
}

fn object(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

async fn raw(client: &kube::Client, path: &str) -> Value {
    client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
}

/// Polls until the condition holds.
async fn poll_until(client: &kube::Client, what: &str, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let seen = client.request::<Value>(http::Request::get(path).body(Vec::new()).unwrap()).await;
        match seen {
            Ok(seen) if so(&seen) => return seen,
            seen => assert!(began.elapsed() < crate::common::PATIENCE, "waited in vain until {what}: {seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn pod(name: &str, volumes: &Value) -> DynamicObject {
    object(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "app", "image": "app" }], "volumes": volumes },
    }))
}

#[tokio::test]
async fn a_cluster_admin_finds_a_cluster_that_works() {
    let Some(plane) = Plane::if_wanted() else { return };
    let client = client(&plane).await;

    let nodes = raw(&client, "/api/v1/nodes").await;
    let node = &nodes["items"][0];
    let id = node["spec"]["providerID"].as_str().unwrap();
    assert!(id.starts_with("azure:///subscriptions/") && id.contains("/virtualMachineScaleSets/"), "{id}");
    let ready = node["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready").unwrap();
    assert_eq!(ready["status"], "True");

    let pods: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &kind("", "v1", "Pod"));
    pods.create(&PostParams::default(), &pod("plain", &json!([]))).await.unwrap();
    let driver = json!([{ "name": "secrets", "csi": { "driver": "secrets-store.csi.k8s.io", "readOnly": true } }]);
    pods.create(&PostParams::default(), &pod("mounts", &driver)).await.unwrap();
    let at = "/api/v1/namespaces/default/pods";
    poll_until(&client, "a plain pod runs", &format!("{at}/plain"), |pod| pod["status"]["phase"] == "Running").await;
    let waiting = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating";
    poll_until(&client, "a pod with secrets waits for its volume", &format!("{at}/mounts"), waiting).await;

    for name in ["plain", "mounts"] {
        pods.delete(name, &DeleteParams::default()).await.unwrap();
    }
    poll_until(&client, "both pods are gone", at, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;

    let token = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": ["api://AzureADTokenExchange"] } });
    let asked = http::Request::post("/api/v1/namespaces/default/serviceaccounts/default/token");
    let asked = asked.header("content-type", "application/json").body(serde_json::to_vec(&token).unwrap()).unwrap();
    let given: Value = client.request(asked).await.unwrap();
    assert_eq!(given["status"]["token"].as_str().unwrap().split('.').count(), 3);

    let document = raw(&client, "/.well-known/openid-configuration").await;
    let keys = raw(&client, "/openid/v1/jwks").await;
    assert_eq!(document["jwks_uri"], format!("{}/openid/v1/jwks", document["issuer"].as_str().unwrap()));
    assert_eq!(keys["keys"][0]["alg"], "RS256");

    let audit = fs::read_to_string(plane.dir().join("audit.log")).unwrap();
    assert!(audit.contains("/serviceaccounts/default/token") && !audit.contains(given["status"]["token"].as_str().unwrap()));
}

#[tokio::test]
async fn two_control_planes_are_independent_and_killed_programs_restart() {
    if !wanted() {
        return;
    }
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(Plane::start);
        let other = scope.spawn(Plane::start);
        (one.join().unwrap(), other.join().unwrap())
    });
    let (here, there) = (client(&one).await, client(&other).await);
    let spaces: Api<DynamicObject> = Api::all_with(here.clone(), &kind("", "v1", "Namespace"));
    let only_here = object(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "only-here" } }));
    spaces.create(&PostParams::default(), &only_here).await.unwrap();
    let names = raw(&there, "/api/v1/namespaces").await;
    assert!(!names.to_string().contains("only-here"));

    for program in ["kube-apiserver", "etcd"] {
        let killed = fs::read_to_string(one.dir().join(program).with_extension("pid")).unwrap();
        one.kill(program);
        until(&format!("{program} is started again"), || {
            let now = fs::read_to_string(one.dir().join(program).with_extension("pid")).ok()?;
            (now != killed).then_some(())
        });
        poll_until(&here, "the API server answers again", "/api/v1/namespaces/only-here", |space| space["status"]["phase"] == "Active")
            .await;
    }

    let dirs = [one.dir().to_owned(), other.dir().to_owned()];
    drop((one, other));
    dirs.iter().for_each(|dir| nothing_is_left(dir));
}

#[test]
fn the_script_returns_the_status_of_its_command_and_leaves_nothing() {
    if !wanted() {
        return;
    }
    let (status, dir, _) = run("exit 7", |_, _| ());
    assert_eq!(status.code(), Some(7));
    nothing_is_left(&dir);
}

#[test]
fn a_terminated_script_terminates_its_command_and_leaves_nothing() {
    if !wanted() {
        return;
    }
    let (status, dir, took) = run("exec sleep 600", |pid, _| send("-TERM", pid));
    assert_eq!(status.code(), Some(128 + 15));
    assert!(took < Duration::from_secs(30));
    nothing_is_left(&dir);
}

#[test]
fn an_interrupted_script_lets_its_command_finish() {
    if !wanted() {
        return;
    }
    // The command still has its cluster while it ends.
    let command =
        "trap 'test -d $PODID_CONTROL_PLANE_DIR/etcd && exit 9' INT; touch $PODID_CONTROL_PLANE_DIR/trapped; while :; do sleep 0.05; done";
    let (status, dir, _) = run(command, |pid, dir| {
        until("the command waits for the signal", || dir.join("trapped").exists().then_some(()));
        send("-INT", pid);
    });
    assert_eq!(status.code(), Some(9));
    nothing_is_left(&dir);
}

#[test]
fn a_killed_script_leaves_nothing() {
    if !wanted() {
        return;
    }
    let mut command = None;
    let (status, dir, _) = run("exec sleep 600", |pid, dir| {
        command = Some(until("the command is known", || fs::read_to_string(dir.join("command.pid")).ok().filter(|id| !id.is_empty())));
        send("-KILL", pid);
    });
    assert_eq!(status.code(), None);
    // a process that has ended stays in /proc, without a command line, until it is waited for
    let line = Path::new("/proc").join(command.unwrap().trim()).join("cmdline");
    let runs = || fs::read(&line).is_ok_and(|line| line.starts_with(b"sleep"));
    until("all of it is gone", || (programs_in(&dir).is_empty() && !dir.exists() && !runs()).then_some(()));
}

/// Other tests reuse a control plane one after another.
#[test]
fn a_control_plane_is_reused_only_if_it_is_unchanged() {
    if Plane::wanted() == Wanted::No {
        return;
    }
    let labels = |admin: &Cluster, value: &str| {
        let merge = [("content-type".to_owned(), "application/merge-patch+json".to_owned())];
        let body = serde_json::json!({"metadata": {"labels": {"by": value}}}).to_string();
        admin.ask("PATCH", "/api/v1/namespaces/default", &merge, Some(body)).ok();
    };
    let mut first = Lent::any();
    first.is_furnished();
    let id = first.id();
    let admin = Cluster::of_plane(&first);
    let namespace = admin.namespace();
    for (at, finalizers) in [(namespace.as_str(), "[\"podid.io/test\"]"), ("default", "[]")] {
        let body = format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "left", "finalizers": {finalizers}}}}}"#);
        admin.ask("POST", &format!("/api/v1/namespaces/{at}/configmaps"), &[], Some(body)).ok();
    }
    assert!(first.audit().contains(&namespace));
    drop(first);

    let second = Lent::any();
    assert_eq!(second.id(), id, "it is handed on");
    assert!(!second.audit().contains(&namespace), "what was asked before is not this test's");
    for path in
        ["namespaces/default/configmaps/left", &format!("namespaces/{namespace}"), &format!("namespaces/{namespace}/configmaps/left")]
    {
        assert_eq!(admin.ask("GET", &format!("/api/v1/{path}"), &[], None).status, 404, "{path}");
    }
    labels(&admin, "hand");
    drop(second);

    assert_ne!(Lent::any().id(), id, "what was there is another");
}
