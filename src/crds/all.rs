//! All definitions of this package.

use super::{definition::Definition, pod_identity, secrets_store};
use serde_json::Value;

/// Returns the six CustomResourceDefinitions (apiextensions.k8s.io/v1), without the additions of a chart.
pub fn all() -> Vec<Value> {
    let mut all = pod_identity::definitions();
    all.extend(secrets_store::definitions());
    all.iter().map(Definition::document).collect()
}
