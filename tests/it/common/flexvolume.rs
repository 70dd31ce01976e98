//! The FlexVolume driver of lab 000, step B, in the cluster `aks-sp`: without it no pod gets the lab's volume. podid's own spec does not use it.

use super::{World, objects::text, until};
use serde_json::Value;

const CONTEXT: &str = "aks-sp";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";

pub fn install(world: &World) {
    let text = include_str!("../../../templates/components/flexvolume/workloads.yaml");
    let mut driver: Value = serde_saphyr::from_str(text).unwrap();
    driver["metadata"]["namespace"] = "kube-system".into();
    world.kube("POST", CONTEXT, DAEMON_SETS, Some(driver)).ok();
}

pub fn remove(world: &World) {
    world.kube("DELETE", CONTEXT, &format!("{DAEMON_SETS}/keyvault-flexvolume"), None).ok();
    until("the driver is gone", || {
        let mut pods = world.all(CONTEXT, "Pod").into_iter();
        (!pods.any(|pod| text(&pod, "/metadata/name").starts_with("keyvault-flexvolume"))).then_some(())
    });
}
