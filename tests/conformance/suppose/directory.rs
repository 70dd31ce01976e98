//! Principals as Microsoft Graph tells of them.

use super::{super::record::Record, Ask, Made, build::Build};
use serde_json::{Value, json};

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

/// An application, with its principal or (for the request that makes it) without.
fn application(build: &mut Build<'_>, record: &Record) -> Made<()> {
    let name = record.body["appDisplayName"].as_str().unwrap_or("made");
    let made = build.must("an application", &build.world.graph("POST", "/applications", Some(&json!({ "displayName": name }))))?;
    let was = record.asked()["appId"].as_str().unwrap_or_default().to_owned();
    build.same(&was, made["appId"].as_str().unwrap_or_default());
    Ok(())
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
            let made = build.must("an application", &build.world.graph("POST", "/applications", Some(&json!({ "displayName": name }))))?;
            let app_id = made["appId"].as_str().unwrap_or_default().to_owned();
            let made = build.must("a principal", &build.world.graph("POST", "/servicePrincipals", Some(&json!({ "appId": app_id }))))?;
            build.same(id, made["id"].as_str().unwrap_or_default());
            if !app.is_empty() {
                build.same(app, &app_id);
            }
        }
    }
    Ok(())
}
