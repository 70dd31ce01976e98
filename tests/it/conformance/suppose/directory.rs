//! Principals as Microsoft Graph returns them.

use super::{super::record::Record, Ask, Made, build::Build};
use serde_json::{Value, json};

const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let first: Vec<Value> = match &record.body["value"] {
        Value::Array(all) => all.clone(),
        _ => vec![record.body.clone()],
    };
    let id = record.path.rsplit('/').next().unwrap_or_default().to_owned();
    match (record.method.as_str(), record.status) {
        ("POST", 201) => application(build, record)?,
        (_, 200) => {
            for document in &first {
                make(build, document)?;
            }
        }
        ("PATCH" | "DELETE", 204) => {
            let document = json!({ "id": id, "servicePrincipalType": "Application", "displayName": "changed" });
            make(build, &document)?;
        }
        (_, 400..=404 | 429) => {}
        (method, status) => return Err(format!("a principal that answers {status} to {method} is not understood")),
    }
    let mut ask = Ask::of(record, build);
    ask.query = filter(record, build);
    Ok(ask)
}

fn filter(record: &Record, build: &Build<'_>) -> String {
    let words = |value: &str| {
        value.split('\'').map(|word| build.mapped(&json!(word)).as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("'")
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(record.query.as_bytes()).into_owned().collect();
    for (name, value) in &pairs {
        query.append_pair(name, &words(value));
    }
    query.finish()
}

/// Creates an application, with its principal or (for the request that creates it) without.
fn application(build: &mut Build<'_>, record: &Record) -> Made<()> {
    let made = registered(build, &record.body)?;
    let was = record.asked()["appId"].as_str().unwrap_or_default().to_owned();
    build.same(&was, made["appId"].as_str().unwrap_or_default());
    Ok(())
}

/// Creates the application that a service principal describes.
fn registered(build: &Build<'_>, principal: &Value) -> Made<Value> {
    let name = principal["appDisplayName"].as_str().or_else(|| principal["displayName"].as_str()).unwrap_or("made");
    let own = principal["appId"].as_str().unwrap_or_default();
    let uris: Vec<&Value> =
        principal["servicePrincipalNames"].as_array().into_iter().flatten().filter(|n| n.as_str() != Some(own)).collect();
    let mut body = json!({"displayName": name, "identifierUris": uris, "web": {"redirectUris": principal["replyUrls"]},
        "api": {"oauth2PermissionScopes": principal["oauth2PermissionScopes"]}, "appRoles": principal["appRoles"],
        "signInAudience": principal["signInAudience"].as_str().unwrap_or("AzureADMyOrg")});
    if let Some(description) = principal["appDescription"].as_str() {
        body["description"] = json!(description);
    }
    build.must("an application", &build.world.graph("POST", "/applications", Some(&body)))
}

/// Sets the fields of a principal that its application does not have.
fn set_remaining_fields(build: &Build<'_>, id: &str, principal: &Value) -> Made<()> {
    let mut body = json!({});
    for said in ["tags", "notes", "description", "accountEnabled", "appRoleAssignmentRequired"] {
        if let Some(value) = principal.get(said).filter(|v| !v.is_null()) {
            body[said] = value.clone();
        }
    }
    let reply = build.world.graph("PATCH", &format!("/servicePrincipals/{id}"), Some(&body));
    if reply.status == 204 { Ok(()) } else { Err(format!("a principal cannot be changed: {} {}", reply.status, reply.text)) }
}

fn make(build: &mut Build<'_>, document: &Value) -> Made<()> {
    let id = document["id"].as_str().unwrap_or_default();
    let kind = document["@odata.type"].as_str().unwrap_or("#microsoft.graph.servicePrincipal");
    let (app, name) = (document["appId"].as_str().unwrap_or_default(), document["displayName"].as_str().unwrap_or("made"));
    match (kind, document["servicePrincipalType"].as_str()) {
        ("#microsoft.graph.user", _) => drop(build.principal(id, "User")?),
        ("#microsoft.graph.group", _) => drop(build.principal(id, "Group")?),
        (_, Some("ManagedIdentity")) => {
            let principal = build.principal(id, "ServicePrincipal")?;
            let told = build.must("a principal", &build.world.graph("GET", &format!("/servicePrincipals/{principal}"), None))?;
            build.same(app, told["appId"].as_str().unwrap_or_default());
            build.same(name, told["displayName"].as_str().unwrap_or_default());
        }
        _ => {
            // Microsoft's own applications are registered in a tenant of their own.
            let app_id = if document["appOwnerOrganizationId"] == json!(MICROSOFT) {
                app.to_owned()
            } else {
                registered(build, document)?["appId"].as_str().unwrap_or_default().to_owned()
            };
            let made = build.must("a principal", &build.world.graph("POST", "/servicePrincipals", Some(&json!({ "appId": app_id }))))?;
            let own = made["id"].as_str().unwrap_or_default();
            set_remaining_fields(build, own, document)?;
            build.same(id, own);
            if !app.is_empty() {
                build.same(app, &app_id);
            }
        }
    }
    Ok(())
}
