//! Secrets in a vault of access policies, or of roles if the record shows which assignment allowed it; and deleted secrets.

use super::{
    super::{
        record::Record,
        world::{Caller, GROUP},
    },
    Ask, Made,
    build::Build,
};
use serde_json::{Map, Value, json};

const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
/// A version of the data plane that can set all fields of a secret.
const VERSION: &str = "7.4";
const RIGHTS: [&str; 8] = ["get", "list", "set", "delete", "backup", "restore", "recover", "purge"];

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let host = build.host(&record.host);
    vault(record, build, &host)?;
    let words: Vec<&str> = record.path.split('/').filter(|w| !w.is_empty()).collect();
    let name = words.get(1).copied().unwrap_or_default();
    let list = record.op.contains(".list.") || record.op.starts_with("secret.versions");
    let mut ask;
    if record.op.starts_with("deletedSecret") {
        deleted(record, build, &host, name, list)?;
        ask = Ask::of(record, build);
        if record.has("ObjectIsBeingDeleted") {
            ask.settings = json!({ "lateness": "realistic" });
        }
    } else {
        let body = secret(record, build, &host, name, list)?;
        ask = Ask::of(record, build);
        if let Some(body) = body {
            ask.body = body.to_string();
        }
    }
    if list && record.status == 200 && paged(record) {
        next_page(record, build, &mut ask)?;
    }
    if record.status == 401 && record.text.contains("AKV10022") {
        ask.caller = Caller::Garbage;
    }
    Ok(ask)
}

/// Creates the vault: retention and purge protection come from its secrets, access from the headers and the refusal.
fn vault(record: &Record, build: &mut Build<'_>, host: &str) -> Made<()> {
    let name = host.split('.').next().unwrap_or_default();
    let id = format!("/subscriptions/-/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults/{name}");
    let first = record.body["value"].as_array().and_then(|all| all.first()).unwrap_or(&record.body);
    let attributes = &first["attributes"];
    let level = attributes["recoveryLevel"].as_str().unwrap_or("Recoverable+Purgeable");
    let customized = level.starts_with("Customized");
    let days = attributes["recoverableDays"].as_i64().filter(|d| (7..=90).contains(d)).unwrap_or(if customized { 7 } else { 90 });
    let by_role = record.header("x-ms-keyvault-rbac-assignment-id").is_some() || record.has("ForbiddenByRbac");
    let mut properties = json!({"softDeleteRetentionInDays": days, "enableRbacAuthorization": by_role});
    if !level.contains("Purgeable") {
        properties["enablePurgeProtection"] = json!(true);
    }
    let refused = record.has("ForbiddenByRbac") || record.has("ForbiddenByPolicy");
    if !by_role && !refused {
        properties["accessPolicies"] =
            json!([{"tenantId": build.world.tenant, "objectId": build.world.owner, "permissions": {"secrets": RIGHTS}}]);
    }
    let location = record.header("x-ms-keyvault-region").unwrap_or("westus2");
    let version = std::mem::replace(&mut build.version, "2023-07-01".to_owned());
    build.vault(&id, &json!({ "location": location, "properties": properties }))?;
    build.version = version;
    if by_role && !refused {
        let (subscription, owner) = (build.world.subscription.clone(), build.world.owner.clone());
        let role = format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_OFFICER}");
        let wish = json!({ "properties": { "principalId": owner, "roleDefinitionId": role } });
        build.put(
            &format!("{id}/providers/Microsoft.Authorization/roleAssignments/4b07af59-ec30-42e7-9fc3-7b2c1760866e"),
            "2022-04-01",
            &wish,
        )?;
    }
    Ok(())
}

fn call(build: &Build<'_>, host: &str, method: &str, path: &str, body: Option<&Value>) -> Made<Value> {
    build.must(path, &build.world.vault(host, method, &format!("{path}?api-version={VERSION}"), body))
}

/// Returns the name in the id of a secret, deleted or not.
fn named(document: &Value) -> Option<String> {
    let id = document["id"].as_str().or_else(|| document["recoveryId"].as_str())?;
    id.split('/').nth(4).map(str::to_owned)
}

/// Sets a secret as a document says; `usable` enables it in any case.
fn set(build: &Build<'_>, host: &str, name: &str, document: &Value, usable: bool) -> Made<Value> {
    let mut body = json!({ "value": document["value"].as_str().unwrap_or("a value") });
    for said in ["contentType", "tags"] {
        if let Some(value) = document.get(said).filter(|v| !v.is_null()) {
            body[said] = value.clone();
        }
    }
    let mut attributes = Map::new();
    for said in ["enabled", "nbf", "exp"] {
        if let Some(value) = document["attributes"].get(said).filter(|v| !v.is_null()) {
            attributes.insert(said.to_owned(), value.clone());
        }
    }
    if usable {
        attributes.remove("enabled");
    }
    body["attributes"] = Value::Object(attributes);
    call(build, host, "PUT", &format!("/secrets/{name}"), Some(&body))
}

/// Creates the secret. Returns a body for the request if the record's own cannot be used: a backup is sealed by who made it.
fn secret(record: &Record, build: &mut Build<'_>, host: &str, name: &str, list: bool) -> Made<Option<Value>> {
    let documents = record.body["value"].as_array().cloned().unwrap_or_default();
    match (record.method.as_str(), record.status) {
        ("GET", 200) if list => {
            for document in &documents {
                set(build, host, &named(document).ok_or("a secret without a name is not understood")?, document, false)?;
            }
            more(record, build, host, name, documents.first().unwrap_or(&Value::Null))?;
        }
        ("POST", 200 | 409) if record.op.starts_with("secret.restore") => {
            let name = named(&record.body).unwrap_or_else(|| "restored".to_owned());
            set(build, host, &name, &record.body, false)?;
            let backup = call(build, host, "POST", &format!("/secrets/{name}/backup"), None)?;
            if record.status == 200 {
                call(build, host, "DELETE", &format!("/secrets/{name}"), None)?;
                call(build, host, "DELETE", &format!("/deletedsecrets/{name}"), None)?;
            }
            return Ok(Some(json!({ "value": backup["value"] })));
        }
        ("POST", 200) => drop(set(build, host, name, &Value::Null, false)?),
        ("GET" | "PATCH" | "DELETE", 200) => {
            // An attribute that the request sets is not there before.
            let made = set(build, host, name, &record.body, record.method == "PATCH")?;
            version(record, build, &made);
        }
        ("GET" | "PATCH", 403) if record.has("AccessDenied") => {
            let made = set(build, host, name, &json!({ "attributes": { "enabled": false } }), false)?;
            version(record, build, &made);
        }
        ("PUT", 409) => {
            set(build, host, name, &Value::Null, false)?;
            if record.has("ObjectIsBeingDeleted") {
                build.world.set(&json!({ "lateness": "realistic" }));
            }
            call(build, host, "DELETE", &format!("/secrets/{name}"), None)?;
        }
        ("PUT", 200) | (_, 400..=404 | 429) => {}
        (method, status) => return Err(format!("a secret that answers {status} to {method} is not understood")),
    }
    Ok(None)
}

/// Creates enough secrets for another page before or after this one, if the record is about such a page.
fn more(record: &Record, build: &Build<'_>, host: &str, name: &str, like: &Value) -> Made<()> {
    if !paged(record) && record.body["nextLink"].is_null() {
        return Ok(());
    }
    for at in 0..parameter(record, "maxresults").and_then(|n| n.parse().ok()).unwrap_or(25_usize) {
        let filler = format!("a-{at}");
        let name = if record.op.starts_with("secret.versions") { name } else { &filler };
        set(build, host, name, like, true)?;
    }
    Ok(())
}

fn parameter(record: &Record, name: &str) -> Option<String> {
    url::form_urlencoded::parse(record.query.as_bytes()).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.into_owned())
}

fn paged(record: &Record) -> bool {
    parameter(record, "$skiptoken").is_some()
}

/// Returns the URL of a later page, as the first one names it.
fn next_page(record: &Record, build: &Build<'_>, ask: &mut Ask) -> Made<()> {
    let host = build.host(&record.host);
    let most = parameter(record, "maxresults").map_or(String::new(), |n| format!("&maxresults={n}"));
    let path = build.path(&record.path);
    let first = build.must(&path, &build.world.vault(&host, "GET", &format!("{path}?api-version={}{most}", build.version), None))?;
    let next = first["nextLink"].as_str().ok_or("the first page names no next one")?;
    ask.query = next.split_once('?').map_or(String::new(), |(_, query)| query.to_owned());
    Ok(())
}

/// Replaces the version in a path by the one that was created.
fn version(record: &Record, build: &mut Build<'_>, made: &Value) {
    let id = |text: &str| text.split('/').filter(|w| !w.is_empty()).nth(2).map(str::to_owned);
    let made = made["id"].as_str().and_then(|id| id.rsplit('/').next());
    if let (Some(was), Some(is)) = (id(&record.path), made) {
        build.same(&was, is);
    }
}

fn deleted(record: &Record, build: &Build<'_>, host: &str, name: &str, list: bool) -> Made<()> {
    let create_deleted = |name: &str, document: &Value| {
        set(build, host, name, document, false)?;
        if record.has("ObjectIsBeingDeleted") {
            build.world.set(&json!({ "lateness": "realistic" }));
        }
        call(build, host, "DELETE", &format!("/secrets/{name}"), None).map(drop)
    };
    match (record.method.as_str(), record.status) {
        ("GET", 200) if list => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                create_deleted(&named(document).ok_or("a deleted secret without a name is not understood")?, document)?;
            }
            Ok(())
        }
        ("POST", 400) if record.has("RequestNotAllowedOnNonDeletedObject") => set(build, host, name, &Value::Null, false).map(drop),
        (_, 403) if record.has("AccessDenied") => create_deleted(name, &json!({ "attributes": { "enabled": false } })),
        (_, 409) => create_deleted(name, &Value::Null),
        (_, 200 | 204) => create_deleted(name, &record.body),
        (_, 400..=404 | 429) => Ok(()),
        (method, status) => Err(format!("a deleted secret that answers {status} to {method} is not understood")),
    }
}
