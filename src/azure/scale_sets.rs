//! Reads which managed identities the nodes of a cluster have: those of its scale sets.

use super::{ArmId, Read, Result, deadline, failures::absent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version by which MIC changes scale sets.
const VERSION: &str = "2019-12-01";
const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";

/// A scale set of nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleSet {
    pub name: String,
    /// Object id of its system-assigned identity.
    pub principal_id: Option<String>,
    /// Ids of its user-assigned identities.
    pub identities: Vec<String>,
}

impl Read {
    /// Lists the scale sets of a resource group. Without the cache.
    pub async fn scale_sets(&self, group: &ArmId) -> Result<Vec<ScaleSet>> {
        let asked = deadline::within(self.limit(), self.arm().list::<Body>(group, SCALE_SET, VERSION)).await;
        let found = absent(asked)?.unwrap_or_default();
        Ok(found.into_iter().map(ScaleSet::from).collect())
    }
}

#[derive(Deserialize)]
struct Body {
    name: String,
    identity: Option<Identities>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identities {
    principal_id: Option<String>,
    user_assigned_identities: Option<BTreeMap<String, Value>>,
}

impl From<Body> for ScaleSet {
    fn from(body: Body) -> Self {
        let Identities { principal_id, user_assigned_identities } = body.identity.unwrap_or_default();
        let identities = user_assigned_identities.unwrap_or_default().into_keys().collect();
        Self { name: body.name, principal_id: principal_id.filter(|id| !id.is_empty()), identities }
    }
}
