//! All definitions of this package.

use super::{definition::Definition, pod_identity, secrets_store};
use serde_json::Value;

/// The six CustomResourceDefinitions (apiextensions.k8s.io/v1), without what a chart adds.
pub fn all() -> Vec<Value> {
    let mut all = pod_identity::definitions();
    all.extend(secrets_store::definitions());
    all.iter().map(Definition::document).collect()
}
