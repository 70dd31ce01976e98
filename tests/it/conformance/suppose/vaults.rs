//! Vaults at the control plane, deleted vaults, and the operation that purges one.

use super::{super::record::Record, Ask, Made, build::Build, groups, place::Place};
use serde_json::{Value, json};

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    if record.op.starts_with("vault.operationResult") {
        return poll(record, build);
    }
    if record.op.starts_with("deletedVault") {
        return deleted(record, build);
    }
    build.group_for(record)?;
    let mut ask = Ask::of(record, build);
    let code = record.codes.first().map_or("", String::as_str);
    match (record.method.as_str(), record.status, code) {
        ("POST", 200, _) if record.op.starts_with("vault.checkName") => {
            let name = record.asked()["name"].as_str().unwrap_or_default().to_owned();
            if record.body["reason"] == json!("AlreadyExists") {
                vault_of_another_subscription(build, &name)?;
            }
        }
        ("GET", 200, _) if record.op.contains(".list.") => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                build.vault(document["id"].as_str().unwrap_or_default(), document)?;
            }
        }
        ("PUT" | "PATCH", 200, _) if record.op.starts_with("vault.accessPolicies") => {
            let vault =
                record.path.to_ascii_lowercase().find("/accesspolicies").map_or(record.path.as_str(), |at| &record.path[..at]).to_owned();
            let there = record.path.to_ascii_lowercase().ends_with("/remove");
            let policies = if there { record.asked()["properties"]["accessPolicies"].clone() } else { json!([]) };
            build.vault(&vault, &json!({ "properties": { "accessPolicies": policies, "enableRbacAuthorization": false } }))?;
        }
        ("PUT", 200, _) => put(record, build, &mut ask)?,
        ("GET" | "PATCH", 200, _) => {
            let late = record.body["properties"]["provisioningState"] == json!("RegisteringDns");
            if late {
                build.world.set(&json!({ "lateness": "quick" }));
            }
            build.vault(&record.path, &record.body)?;
        }
        ("DELETE", 200, _) => drop(build.vault(&record.path, &Value::Null)?),
        ("PUT", 409, "VaultAlreadyExists") => {
            let name = Place::of(&record.path).name("vaults").unwrap_or_default().to_owned();
            vault_of_another_subscription(build, &name)?;
        }
        ("DELETE", 204, _) | (_, 400..=404, _) | ("PUT" | "DELETE" | "POST", 409 | 429, _) => {}
        (method, status, code) => return Err(format!("a vault that answers {status} {code} to {method} is not understood")),
    }
    Ok(ask)
}

/// A new vault is being registered, an existing one has its name; a deleted one is recovered.
fn put(record: &Record, build: &mut Build<'_>, ask: &mut Ask) -> Made<()> {
    let asked = record.asked();
    let recover = asked["properties"]["createMode"].as_str().is_some_and(|m| m.eq_ignore_ascii_case("recover"));
    let new = record.body["properties"]["provisioningState"] == json!("RegisteringDns");
    if recover || !new {
        build.vault(&record.path, &record.body)?;
    }
    if recover {
        build.delete(&record.path, "2023-07-01")?;
    }
    if new {
        ask.settings = json!({ "lateness": "quick" });
    }
    Ok(())
}

/// Creates a vault of this name in another subscription.
fn vault_of_another_subscription(build: &mut Build<'_>, name: &str) -> Made<()> {
    build.vault(&format!("/subscriptions/-/resourceGroups/others/providers/Microsoft.KeyVault/vaults/{name}"), &Value::Null).map(drop)
}

/// Creates a deleted vault, as its document says.
fn create_deleted(build: &mut Build<'_>, document: &Value) -> Made<()> {
    let properties = &document["properties"];
    let id = properties["vaultId"].as_str().unwrap_or_default().to_owned();
    let vault = json!({"location": properties["location"], "tags": properties["tags"].as_object().cloned().unwrap_or_default(),
        "properties": properties.get("purgeProtectionEnabled").map_or(json!({}), |p| json!({ "enablePurgeProtection": p }))});
    build.vault(&id, &vault)?;
    build.delete(&id, "2023-07-01").map(drop)
}

/// Creates a deleted vault of this name and location; returns the path that purges it.
fn create_deleted_by_name(build: &mut Build<'_>, path: &str) -> Made<()> {
    let place = Place::of(path);
    let (name, location) =
        (place.name("deletedVaults").unwrap_or_default().to_owned(), place.name("locations").unwrap_or_default().to_owned());
    let id = format!("/subscriptions/-/resourceGroups/vaults/providers/Microsoft.KeyVault/vaults/{name}");
    create_deleted(build, &json!({ "properties": { "vaultId": id, "location": location } }))
}

fn deleted(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let mut ask = Ask::of(record, build);
    match (record.method.as_str(), record.status) {
        ("GET", 200) if record.op.contains(".list.") => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                create_deleted(build, document)?;
            }
        }
        ("GET", 200) => create_deleted(build, &record.body)?,
        ("POST", 202) => {
            create_deleted_by_name(build, &record.path)?;
            ask.settings = json!({ "lateness": "realistic" });
        }
        (_, 400..=404 | 429) => {}
        (method, status) => return Err(format!("a deleted vault that answers {status} to {method} is not understood")),
    }
    Ok(ask)
}

fn poll(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let mut ask = Ask::of(record, build);
    if !matches!(record.status, 200 | 202) {
        return Ok(ask);
    }
    let path = format!("/subscriptions/-/providers/Microsoft.KeyVault/locations/westus2/deletedVaults/{}", "purged-by-name");
    create_deleted_by_name(build, &path)?;
    build.world.set(&json!({ "lateness": "realistic" }));
    let purge = format!("{}/purge?api-version={}", build.path(&path), build.version);
    let reply = build.world.arm("POST", &purge, None);
    let mut place = reply.header("location").map(str::to_owned).ok_or_else(|| format!("a purge names no place to poll: {}", reply.text))?;
    if record.status == 200 {
        place = groups::finished(build, place)?;
    }
    let (url, query) = place.split_once('?').unwrap_or((&place, ""));
    url.clone_into(&mut ask.url);
    query.clone_into(&mut ask.query);
    Ok(ask)
}
