//! What `podid vault secret rotate` needs of a cluster's RBAC. tests/it/rbac.rs holds it to what is really sent.

use crate::resources::access::{Named, Reach, Right};

const ELSEWHERE: &str = "pods in namespaces that the state does not know are not waited for";
const DRIVER: &str = "it is unknown whether the CSI driver mounts new versions by itself, and podid waits without knowing how long";
const RESTART: &str = "`--restart` cannot restart what reads the secret as a variable";

pub fn rights() -> Vec<Right> {
    let within = |group, resource, verbs| Right::new(group, resource, verbs, Reach::Within);
    let csi = "secrets-store.csi.x-k8s.io";
    let driver = Named::These(vec![super::driver::CSI_DRIVER.to_owned()]);
    let mut rights = vec![
        within(csi, "secretproviderclasses", &["list"]),
        Right::new(csi, "secretproviderclasses", &["list"], Reach::Everywhere).optional(ELSEWHERE),
        within(csi, "secretproviderclasspodstatuses", &["list"]),
        // who reads a synced Secret as a variable
        within("", "pods", &["list"]),
        within("apps", "replicasets", &["get"]),
        Right::new("", "secrets", &["get"], Reach::Within).named(Named::Synced).optional("a synced Secret is not compared with the vault"),
        Right::new("apps", "daemonsets", &["list"], Reach::Everywhere).optional(DRIVER),
        Right::new("storage.k8s.io", "csidrivers", &["get"], Reach::Everywhere).named(driver).optional(DRIVER),
        within("", "events", &["list"]).optional("the reason why a pod does not get the new version is not told"),
        within("", "pods", &["get"]).optional(RESTART),
    ];
    let workloads = ["deployments", "statefulsets", "daemonsets"];
    rights.extend(workloads.map(|resource| within("apps", resource, &["get", "patch"]).optional(RESTART)));
    rights
}
