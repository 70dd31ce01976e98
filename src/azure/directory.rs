//! Service principals by their application id, from Microsoft Graph.

use super::{Result, ServicePrincipal, arm::Arm, failures::absent};
use serde::Deserialize;

pub async fn service_principal(arm: &Arm, app_id: &str) -> Result<Option<ServicePrincipal>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        id: String,
        app_id: String,
        display_name: Option<String>,
    }
    let filter = format!("appId eq '{}'", app_id.replace('\'', "''"));
    let query = [("$filter", filter.as_str()), ("$select", "id,appId,displayName")];
    let found: Option<Vec<Body>> = absent(arm.graph("servicePrincipals", &query).await)?;
    Ok(found.unwrap_or_default().into_iter().next().map(|body| ServicePrincipal {
        object_id: body.id,
        app_id: body.app_id,
        display_name: body.display_name,
    }))
}
