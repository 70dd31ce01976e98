//! A deny assignment, as the setting has it.

use serde::{Deserialize, Serialize};

/// The principal that stands for everybody.
pub const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";

/// As the properties of the resource have it (Microsoft.Authorization/denyAssignments 2022-04-01).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Denial {
    /// The GUID in its id.
    pub name: String,
    pub deny_assignment_name: String,
    pub scope: String,
    pub permissions: Vec<DeniedActions>,
    #[serde(default = "everybody")]
    pub principals: Vec<DeniedPrincipal>,
    #[serde(default)]
    pub exclude_principals: Vec<DeniedPrincipal>,
    #[serde(default)]
    pub do_not_apply_to_child_scopes: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[derive(Default)]
pub struct DeniedActions {
    pub actions: Vec<String>,
    pub not_actions: Vec<String>,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeniedPrincipal {
    pub id: String,
    /// `SystemDefined` of everybody.
    #[serde(rename = "type", default = "service_principal")]
    pub principal_type: String,
}

fn everybody() -> Vec<DeniedPrincipal> {
    vec![DeniedPrincipal { id: EVERYBODY.into(), principal_type: "SystemDefined".into() }]
}

fn service_principal() -> String {
    "ServicePrincipal".into()
}
