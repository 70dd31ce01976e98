//! What the checks of `doctor` need of a cluster's RBAC, beside the lists of the survey.

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

const GET: &[&str] = &["get"];
const LIST: &[&str] = &["list"];

pub fn rights(modes: &[&dyn Mode], deliveries: &[&dyn Delivery]) -> Vec<Right> {
    let within = |resource, verbs| Right::new("", resource, verbs, Reach::Within);
    let mut all = vec![
        within("pods", GET),
        within("events", LIST),
        // those of components, wherever they are installed
        Right::new("", "pods", LIST, Reach::Everywhere),
        Right::new("storage.k8s.io", "csinodes", GET, Reach::Everywhere),
        Right::new("storage.k8s.io", "csidrivers", GET, Reach::Everywhere),
        Right::new("admissionregistration.k8s.io", "mutatingwebhookconfigurations", GET, Reach::Everywhere),
    ];
    // what podid wrote is read and compared, and no dry run is sent
    let kinds = modes.iter().flat_map(|mode| mode.kinds()).chain(deliveries.iter().flat_map(|delivery| delivery.kinds()));
    let reads =
        <Namespace as Resource>::access(Access::Read).into_iter().chain(kinds.flat_map(|kind| resources::access(kind, Access::Read)));
    let reads = reads.filter(|right| right.without.is_none() && right.verbs.contains(&"get"));
    all.extend(reads.map(|right| Right { verbs: GET, ..right }));
    let looks = modes.iter().flat_map(|mode| mode.rights()).chain(deliveries.iter().flat_map(|delivery| delivery.rights()));
    for right in looks.filter(|right| !right.resource.contains('/') && right.resource != "secrets") {
        // nothing is waited for
        for (verb, verbs) in [("get", GET), ("list", LIST)] {
            if right.verbs.contains(&verb) {
                all.push(Right { verbs, without: None, ..right.clone() });
            }
        }
    }
    all
}
