//! A cluster in trouble while podid runs: its API server restarts, does not answer for a while, or no longer accepts the token.
//! On the sandbox's own cluster, and on a real control plane.

use crate::common::{
    World,
    both::Side,
    same,
    specs::{LAB_004, vault_of},
    until,
};
use serde_json::{Value, json};
use std::{
    process::Command,
    time::{Duration, Instant},
};

const CONTEXT: &str = "aks-mi";

fn recovers(world: &World) {
    until("the API server is back", || world.kubectl(CONTEXT, &["get", "--raw", "/readyz"]).code.filter(|code| *code == 0));
}

fn is_of_a_proof(pod: &Value) -> bool {
    pod["name"].as_str().is_some_and(|name| name.starts_with("podid-verify-"))
}

/// The server is killed after podid began to write to it: the state records what was not done, and the next run finishes it.
fn restarted(side: Side) {
    let mut world = World::on(side, CONTEXT).without_the_flag();
    let before = world.export();
    let up = world.start(&["up", "--yes", "-f", LAB_004, "--events", "events.jsonl"]);
    until("podid writes to the cluster", || {
        let events = std::fs::read_to_string(world.path("events.jsonl")).ok()?;
        events.lines().any(|line| line.contains("\"started\"") && line.contains("azureidentity/")).then_some(())
    });
    world.kill_api_server();
    let up = up.wait();
    assert!(matches!(up.code, Some(0 | 1)), "{up:?}");
    if up.code == Some(1) {
        let up = up.says("hint: ");
        assert!(up.stderr.contains(CONTEXT) || up.stderr.contains("could not be reached"), "{}", up.stderr);
    }
    recovers(&world);
    let again = world.up(LAB_004, &["--verify"]).ok();
    assert!(again.last_line().starts_with("proved "), "{}", again.stdout);
    world.up(LAB_004, &[]).ok().says("nothing to do");
    world.down(LAB_004, &["--delete-data", vault_of(LAB_004)]).ok();
    world.collected(CONTEXT);
    same("after `down`", &before, &world.export());
}

/// The watch of a proof is cut and the server is away for a moment; the proof continues.
fn cut(side: Side) {
    let mut world = World::on(side, CONTEXT).without_the_flag();
    world.up(LAB_004, &["--verify"]).ok();
    // This looks like a grant that Azure has not propagated yet; waiting helps.
    let late = json!({ "error": {
        "code": "Forbidden", "message": "The application does not have secrets get permission on key vault 'myk8skv'",
        "innererror": { "code": "ForbiddenByPolicy" },
    } });
    world.settings(&json!({ "fail": [{ "by": "csi", "host": "myk8skv.vault.azure.net", "status": 403, "body": late }] }));
    let verify = world.start(&["verify", "-f", LAB_004, "--timeout", "90s"]);
    until("the mount of the proof fails", || {
        let events = world.request("GET", CONTEXT, "/api/v1/events", None).ok()["items"].take();
        events.as_array()?.iter().any(|e| e["reason"] == "FailedMount" && is_of_a_proof(&e["involvedObject"])).then_some(())
    });
    world.kill_api_server();
    recovers(&world);
    world.settings(&json!({ "fail": null }));
    verify.wait().ok().says("proved default/spc-myk8skv");
}

/// The server accepts connections and answers nothing: podid waits, but no longer than the time limit.
fn slow(side: Side) {
    let world = World::on(side, CONTEXT).without_the_flag();
    world.up(LAB_004, &[]).ok();
    let frozen = Frozen::of(&world);
    let began = Instant::now();
    let status = world.start(&["status", "-f", LAB_004, "--only", "kubernetes", "--timeout", "60s"]);
    std::thread::sleep(Duration::from_secs(3));
    drop(frozen);
    status.wait().ok();
    assert!(began.elapsed() >= Duration::from_secs(3));
    let frozen = Frozen::of(&world);
    let began = Instant::now();
    let status = world.podid(&["status", "-f", LAB_004, "--only", "kubernetes", "--timeout", "2s"]).exits(1).says("hint: ");
    assert!(status.stderr.contains("within 2s") && status.stderr.contains(CONTEXT), "{}", status.stderr);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(frozen);
    world.up(LAB_004, &[]).ok().says("nothing to do");
}

/// The process that serves the cluster, suspended until this value is dropped.
struct Frozen(String);

impl Frozen {
    fn of(world: &World) -> Self {
        let pid = match &world.plane {
            Some(plane) => std::fs::read_to_string(plane.dir().join("kube-apiserver.pid")).unwrap().trim().to_owned(),
            None => world.server_id().to_string(),
        };
        let frozen = Self(pid);
        frozen.signal("-STOP");
        frozen
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0]).status().unwrap().success());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// The token of a service account ends with its account.
fn expired(side: Side) {
    let world = World::on(side, CONTEXT).without_the_flag();
    world.up(LAB_004, &[]).ok();
    let account = "/api/v1/namespaces/default/serviceaccounts";
    world.kube("POST", CONTEXT, account, Some(json!({"metadata": {"name": "ci"}}))).ok();
    let binding = json!({"metadata": {"name": "ci"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "ci", "namespace": "default"}]});
    world.kube("POST", CONTEXT, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", Some(binding)).ok();
    let token = world.kube("POST", CONTEXT, &format!("{account}/ci/token"), Some(json!({"spec": {"expirationSeconds": 600}}))).ok();
    let mut config: Value = serde_json::from_str(&world.read(".podid/kubeconfig")).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({"token": token["status"]["token"]});
    }
    world.write("ci.kubeconfig", &config.to_string());
    let plan = ["plan", "--exit-code", "-f", LAB_004, "--kubeconfig", "ci.kubeconfig"];
    world.podid(&plan).ok();
    world.kube("DELETE", CONTEXT, &format!("{account}/ci"), None).ok();
    // A server may cache for some seconds that a token was valid.
    let refused = until("the token is refused", || Some(world.podid(&plan)).filter(|plan| plan.code != Some(0))).exits(1);
    refused.says("hint: The token or client certificate may have expired").says(CONTEXT);
}

both! {
    an_api_server_that_ends_in_the_middle_of_a_run_leaves_nothing_half_known, restarted;
    a_watch_that_is_cut_is_taken_up_again, cut;
    an_api_server_that_says_nothing_is_waited_for_within_the_time_limit, slow;
    a_token_that_is_taken_no_more_is_told_with_its_context, expired
}
