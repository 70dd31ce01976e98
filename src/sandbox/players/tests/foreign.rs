//! On a cluster that is somebody else's: a node may have a kubelet of its own.

use super::{ALL, Fake, is_running, json, start, until, whole};
use std::time::Duration;

fn lease(fake: &Fake, seconds_ago: i64) {
    let renewed = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago);
    let spec = json!({ "holderIdentity": "node-0", "leaseDurationSeconds": 40, "renewTime": renewed.to_string() });
    fake.put("leases", json!({ "metadata": { "name": "node-0", "namespace": "kube-node-lease" }, "spec": spec }));
}

fn play(fake: &Fake) -> super::Players {
    let mut config = (*fake.config).clone();
    config.foreign = true;
    start(config, &ALL)
}

#[tokio::test]
async fn a_pod_of_a_node_with_a_kubelet_gets_its_volume_and_nothing_else() {
    let fake = Fake::start().await;
    lease(&fake, 5);
    let players = play(&fake);
    whole(&fake);
    until("the mount", || fake.find("secretproviderclasspodstatuses", "app-shop-spc")).await;
    until("the synced Secret", || fake.find("secrets", "synced")).await;
    until("idle players", || players.idle().then_some(())).await;
    let pod = fake.find("pods", "app").unwrap();
    assert_eq!(pod["status"], json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }] }));
    // nor is it taken away before that kubelet does it
    let mut pod = pod;
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    fake.put("pods", pod);
    fake.remove("pods", "shop", "app");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!fake.world().log.iter().any(|l| l.starts_with("DELETE") && l.contains("/pods/")), "{:?}", fake.world().log);
    players.stop().await;
}

#[tokio::test]
async fn a_pod_that_was_moved_to_running_before_its_volume_was_there_gets_it_all_the_same() {
    let fake = Fake::start().await;
    lease(&fake, 5);
    fake.world().granted = false;
    let players = play(&fake);
    whole(&fake);
    let mut pod = fake.find("pods", "app").unwrap();
    pod["status"] = json!({ "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.0.0.2" });
    fake.put("pods", pod);
    until("the refused mount", || fake.events().into_iter().find(|(reason, _)| reason == "FailedMount")).await;
    assert!(fake.find("secretproviderclasspodstatuses", "app-shop-spc").is_none(), "Running is no proof");
    fake.world().granted = true;
    until("the mount", || fake.find("secretproviderclasspodstatuses", "app-shop-spc")).await;
    assert_eq!(fake.find("pods", "app").unwrap()["status"]["podIP"], "10.0.0.2");
    players.stop().await;
}

#[tokio::test]
async fn a_node_whose_lease_has_run_out_or_was_never_there_is_played() {
    for ran_out in [true, false] {
        let fake = Fake::start().await;
        if ran_out {
            lease(&fake, 3600);
        }
        let players = play(&fake);
        whole(&fake);
        until("the pod to run", || is_running(&fake)).await;
        players.stop().await;
    }
}
