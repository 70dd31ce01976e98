//! What the requests of a proof need of RBAC: one table beside the code that sends them (`proof`, `broken`).
//! tests/rbac.rs holds it to what is really sent.

use crate::resources::rights::{Named, POD_IDENTITY, Reach, Right, STORE};

const fn within(group: &'static str, resource: &'static str, verbs: &'static [&'static str], named: Named) -> Right {
    Right { group, resource, verbs, reach: Reach::Within, named, without: None }
}

const fn why(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { without: Some("the reason of a proof that failed is told less well"), ..within(group, resource, verbs, Named::Any) }
}

pub const RIGHTS: &[Right] = &[
    within("", "pods", &["create"], Named::Any),
    within("", "pods", &["get", "delete"], Named::ProofPod),
    within("", "pods", &["list", "watch"], Named::ProofPodWithEnv),
    within(STORE, "secretproviderclasspodstatuses", &["list", "watch"], Named::MountStatus),
    within("", "secrets", &["list", "watch"], Named::Synced),
    // MIC may keep them in another namespace than the pod's
    Right {
        reach: Reach::Everywhere,
        without: Some("a proof does not show when MIC assigned the identity, nor tell whether it did if it failed"),
        ..within(POD_IDENTITY, "azureassignedidentities", &["list", "watch"], Named::Any)
    },
    why("", "events", &["list"]),
    why(POD_IDENTITY, "azureidentitybindings", &["list"]),
    why(POD_IDENTITY, "azureidentities", &["list"]),
];
