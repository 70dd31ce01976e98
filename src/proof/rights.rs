//! What the requests of a proof need of RBAC, beside the code that sends them (`proof`, `diagnosis`, `comparison`). tests/it/rbac.rs holds it to
//! what is really sent.

use crate::resources::{
    self,
    access::{Access, Named, Reach, Right},
};

const POD_IDENTITY: &str = "aadpodidentity.k8s.io";
const STORE: &str = "secrets-store.csi.x-k8s.io";

const REASON: &str = "the reason of a proof that failed is told less well";

pub fn of_proof() -> Vec<Right> {
    let right = Right::new;
    let watch: &[&str] = &["list", "watch"];
    vec![
        // every proof has a pod of its own, whose name is not known beforehand
        right("", "pods", &["create", "get", "delete"], Reach::Within),
        right("", "pods", &["list"], Reach::Within).optional("what a killed proof left behind is not removed"),
        right(STORE, "secretproviderclasspodstatuses", watch, Reach::Within),
        right("", "secrets", watch, Reach::Within).named(Named::Synced),
        // MIC may keep them in another namespace than the pod's
        right(POD_IDENTITY, "azureassignedidentities", watch, Reach::Everywhere)
            .optional("a proof does not show when MIC assigned the identity, nor tell whether it did if it failed"),
        right(POD_IDENTITY, "azureidentitybindings", &["list"], Reach::Everywhere)
            .optional("a second binding of another namespace with the same selector is not noticed"),
        right(POD_IDENTITY, "azureidentitybindings", &["list"], Reach::Within)
            .optional("a second binding with the same selector is not noticed"),
        right("", "events", &["list"], Reach::Within).optional(REASON),
    ]
}

/// What the comparison of a proof that failed looks at: as `plan` does.
pub fn of_comparison() -> Vec<Right> {
    let reads = resources::all().flat_map(|kind| kind.access(Access::Read));
    reads.filter(|right| right.without.is_none()).map(|right| right.optional(REASON)).collect()
}
