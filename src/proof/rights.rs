//! What the requests of a proof need of RBAC, beside what modes and deliveries look at. tests/rbac.rs holds it to what is really sent.

use crate::{
    deliveries::Delivery,
    modes::Mode,
    resources::rights::{self, Deed, Named, Reach, Right},
};

const fn within(resource: &'static str, verbs: &'static [&'static str], without: Option<&'static str>) -> Right {
    Right { group: "", resource, verbs, reach: Reach::Within, named: Named::Any, without }
}

const REASON: &str = "the reason of a proof that failed is told less well";

const RIGHTS: &[Right] = &[
    // every proof has a pod of its own, whose name is not known beforehand
    within("pods", &["create", "get", "delete"], None),
    within("pods", &["list"], Some("what a killed proof left behind is not removed")),
    within("events", &["list"], Some(REASON)),
];

/// All that a proof in these modes and deliveries needs.
pub fn rights(modes: &[&dyn Mode], deliveries: &[&dyn Delivery]) -> Vec<Right> {
    let mut all = RIGHTS.to_vec();
    all.extend(modes.iter().flat_map(|mode| mode.rights()));
    all.extend(deliveries.iter().flat_map(|delivery| delivery.rights()));
    // the comparison of a proof that failed looks as `plan` does
    let kinds = modes.iter().flat_map(|mode| mode.kinds()).chain(deliveries.iter().flat_map(|delivery| delivery.kinds()));
    let looks = std::iter::once(&"namespace").chain(kinds).flat_map(|kind| rights::of(kind, Deed::Look));
    all.extend(looks.filter(|right| right.without.is_none()).map(|right| Right { without: Some(REASON), ..right }));
    all
}
