//! Components on an external cluster, whose nodes may have a kubelet of their own.

use super::{ALL, Fake, is_running, json, start, until, whole};
use std::time::Duration;

fn lease(fake: &Fake, seconds_ago: i64) {
    let renewed = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago);
    let spec = json!({ "holderIdentity": "node-0", "leaseDurationSeconds": 40, "renewTime": renewed.to_string() });
    fake.put("leases", json!({ "metadata": { "name": "node-0", "namespace": "kube-node-lease" }, "spec": spec }));
}

fn play(fake: &Fake) -> super::RunningComponents {
    let mut config = (*fake.config).clone();
    config.foreign = true;
    start(config, &ALL)
}

#[tokio::test]
async fn a_pod_on_a_node_with_a_kubelet_only_gets_its_volume() {
    let fake = Fake::start().await;
    lease(&fake, 5);
    let components = play(&fake);
    whole(&fake);
    until("the mount", || fake.find("secretproviderclasspodstatuses", "app-shop-spc")).await;
    until("the synced Secret", || fake.find("secrets", "synced")).await;
    until("idle components", || components.idle().then_some(())).await;
    let pod = fake.find("pods", "app").unwrap();
    assert_eq!(pod["status"], json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }] }));
    // it is also not deleted before that kubelet does it
    let mut pod = pod;
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    fake.put("pods", pod);
    fake.remove("pods", "shop", "app");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!fake.world().log.iter().any(|l| l.starts_with("DELETE") && l.contains("/pods/")), "{:?}", fake.world().log);
    components.stop().await;
}

#[tokio::test]
async fn a_running_pod_without_its_volume_still_gets_it() {
    let fake = Fake::start().await;
    lease(&fake, 5);
    fake.world().granted = false;
    let components = play(&fake);
    whole(&fake);
    let mut pod = fake.find("pods", "app").unwrap();
    pod["status"] = json!({ "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.0.0.2" });
    fake.put("pods", pod);
    until("the refused mount", || fake.events().into_iter().find(|(reason, _)| reason == "FailedMount")).await;
    assert!(fake.find("secretproviderclasspodstatuses", "app-shop-spc").is_none(), "Running alone does not prove the mount");
    fake.world().granted = true;
    until("the mount", || fake.find("secretproviderclasspodstatuses", "app-shop-spc")).await;
    assert_eq!(fake.find("pods", "app").unwrap()["status"]["podIP"], "10.0.0.2");
    components.stop().await;
}

#[tokio::test]
async fn a_node_without_a_valid_lease_is_simulated() {
    for ran_out in [true, false] {
        let fake = Fake::start().await;
        if ran_out {
            lease(&fake, 3600);
        }
        let components = play(&fake);
        whole(&fake);
        until("the pod to run", || is_running(&fake)).await;
        components.stop().await;
    }
}
