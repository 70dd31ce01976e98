//! Reads Microsoft Graph: service principals by application id, and any principal by object id.

use super::{DirectoryObject, PrincipalKind, Result, ServicePrincipal, arm::Arm, failures::absent};
use serde::Deserialize;
use serde_json::json;

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

/// Returns the user, group or service principal that has an object id.
pub async fn object(arm: &Arm, object_id: &str) -> Result<Option<DirectoryObject>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        #[serde(rename = "@odata.type")]
        of_type: String,
    }
    let body = json!({ "ids": [object_id], "types": ["user", "group", "servicePrincipal"] });
    let found: Vec<Body> = arm.graph_post("directoryObjects/getByIds", &body).await?;
    Ok(found.into_iter().next().map(|body| DirectoryObject { kind: kind_of(&body.of_type) }))
}

/// Returns the kind that an `@odata.type` such as `#microsoft.graph.user` says.
pub fn kind_of(odata_type: &str) -> PrincipalKind {
    match odata_type.rsplit('.').next() {
        Some("user") => PrincipalKind::User,
        Some("group") => PrincipalKind::Group,
        Some("servicePrincipal") => PrincipalKind::ServicePrincipal,
        _ => PrincipalKind::Unknown,
    }
}
