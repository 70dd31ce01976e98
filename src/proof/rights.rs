//! What the requests of a proof or a probe need of RBAC, beside what modes and deliveries look at. tests/it/rbac.rs holds it to what is really sent.

use crate::{
    deliveries::Delivery,
    modes::Mode,
    resources::{
        self,
        access::{Access, Reach, Right},
        kind::Resource,
        namespace::Namespace,
    },
};

const REASON: &str = "the reason for a failed proof is less exact";

/// All that a probe of workloads in these modes needs.
pub fn probe_rights(modes: &[&dyn Mode]) -> Vec<Right> {
    let within = |group, resource, verbs| Right::new(group, resource, verbs, Reach::Within);
    let mut all = vec![
        within("", "pods", &["create", "get", "delete"]),
        within("", "pods", &["list"]).optional("what a killed probe left behind is not removed"),
        within("apps", "deployments", &["get"]).optional("a probe does not take over proxy and DNS of the workload's own pods"),
        within("", "events", &["list"]).optional(REASON),
        Right::new("", "nodes", &["list"], Reach::Everywhere).optional("`probe --all-nodes` is not possible"),
    ];
    let looks = modes.iter().flat_map(|mode| mode.rights());
    let reads = modes.iter().flat_map(|mode| mode.kinds()).flat_map(|kind| resources::access(kind, Access::Read));
    let reads = <Namespace as Resource>::access(Access::Read).into_iter().chain(reads);
    let needed = looks.chain(reads).filter(|right| right.without.is_none());
    all.extend(needed.map(|right| right.optional(REASON)));
    all.extend(modes.iter().flat_map(|mode| mode.rights()).filter(|right| right.without.is_some()));
    all
}

/// All that a proof in these modes and deliveries needs.
pub fn rights(modes: &[&dyn Mode], deliveries: &[&dyn Delivery]) -> Vec<Right> {
    let within = |resource, verbs| Right::new("", resource, verbs, Reach::Within);
    let mut all = vec![
        // every proof has a pod of its own, whose name is not known beforehand
        within("pods", &["create", "get", "delete"]),
        within("pods", &["list"]).optional("what a killed proof left behind is not removed"),
        within("events", &["list"]).optional(REASON),
    ];
    all.extend(modes.iter().flat_map(|mode| mode.rights()));
    all.extend(deliveries.iter().flat_map(|delivery| delivery.rights()));
    // the comparison of a proof that failed looks as `plan` does
    let kinds = modes.iter().flat_map(|mode| mode.kinds()).chain(deliveries.iter().flat_map(|delivery| delivery.kinds()));
    let reads =
        <Namespace as Resource>::access(Access::Read).into_iter().chain(kinds.flat_map(|kind| resources::access(kind, Access::Read)));
    all.extend(reads.filter(|right| right.without.is_none()).map(|right| right.optional(REASON)));
    all
}
