//! What the requests of `podid app` and `podid mount keep` need of RBAC. tests/it/rbac.rs holds it to what is really sent.

use crate::resources::{
    access::{READ, Reach, Right, WRITE},
    workload::WorkloadKind,
};

const LESS_EXACT: &str = "the reason why a workload does not become ready is less exact";
const GATEWAY: &str = "gateway.networking.k8s.io";

const fn within(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right::new(group, resource, verbs, Reach::Within)
}

/// Why pods do not become ready.
fn reasons() -> [Right; 2] {
    ["pods", "events"].map(|resource| within("", resource, &["list"]).optional(LESS_EXACT))
}

/// `podid app deploy`
pub fn deploy() -> Vec<Right> {
    let mut rights = vec![within("apps", "deployments", WRITE), within("", "services", WRITE)];
    let of_gateway = |resource| within(GATEWAY, resource, WRITE).optional("`podid app deploy` with `--expose gateway` fails");
    rights.extend(["gateways", "httproutes"].map(of_gateway));
    rights.extend(reasons());
    rights
}

/// `podid app wire` and `podid app unwire`
pub fn wire() -> Vec<Right> {
    let mut rights: Vec<Right> = Vec::new();
    for kind in WorkloadKind::ALL.into_iter().filter(|kind| *kind != WorkloadKind::Job) {
        let api = kind.api();
        let right = Right { group: api.group.into(), resource: api.plural.into(), ..within("", "", READ) };
        rights.push(if kind == WorkloadKind::Deployment { right } else { right.optional("only Deployments can be wired") });
    }
    rights.extend(reasons());
    rights
}

/// `podid mount keep`, also with `--remove`
pub fn keep() -> Vec<Right> {
    let mut rights = vec![within("apps", "deployments", WRITE), within("apps", "deployments", &["delete"])];
    rights.push(within("secrets-store.csi.x-k8s.io", "secretproviderclasses", &["get"]));
    rights.extend(reasons());
    rights
}
