//! What the requests of a proof need of RBAC: one table beside the code that sends them (`proof`, `diagnosis`, `comparison`).
//! tests/rbac.rs holds it to what is really sent.

use crate::resources::rights::{self, Deed, Named, POD_IDENTITY, Reach, Right, STORE};

const fn within(group: &'static str, resource: &'static str, verbs: &'static [&'static str], named: Named) -> Right {
    Right { group, resource, verbs, reach: Reach::Within, named, without: None }
}

const fn optional(right: Right, without: &'static str) -> Right {
    Right { without: Some(without), ..right }
}

const REASON: &str = "the reason of a proof that failed is told less well";
const RIVALS: &str = "a second binding with the same selector is not noticed";

pub const RIGHTS: &[Right] = &[
    // every proof has a pod of its own, whose name is not known beforehand
    within("", "pods", &["create", "get", "delete"], Named::Any),
    optional(within("", "pods", &["list"], Named::Any), "what a killed proof left behind is not removed"),
    within(STORE, "secretproviderclasspodstatuses", &["list", "watch"], Named::Any),
    within("", "secrets", &["list", "watch"], Named::Synced),
    // MIC may keep them in another namespace than the pod's
    Right {
        reach: Reach::Everywhere,
        without: Some("a proof does not show when MIC assigned the identity, nor tell whether it did if it failed"),
        ..within(POD_IDENTITY, "azureassignedidentities", &["list", "watch"], Named::Any)
    },
    Right {
        reach: Reach::Everywhere,
        without: Some("a second binding of another namespace with the same selector is not noticed"),
        ..within(POD_IDENTITY, "azureidentitybindings", &["list"], Named::Any)
    },
    optional(within(POD_IDENTITY, "azureidentitybindings", &["list"], Named::Any), RIVALS),
    optional(within("", "events", &["list"], Named::Any), REASON),
];

/// What the comparison of a proof that failed looks at: as `plan` does.
pub fn of_comparison() -> Vec<Right> {
    let looks = rights::kinds().flat_map(|kind| rights::of(kind, Deed::Look));
    looks.filter(|right| right.without.is_none()).map(|right| optional(right, REASON)).collect()
}
