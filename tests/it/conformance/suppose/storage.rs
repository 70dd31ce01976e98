//! Storage accounts at the control plane, and the operation that creates one.

use super::{super::record::Record, Ask, Made, build::Build, groups, place::Place};
use serde_json::{Value, json};

/// What a client may set of an account: its document has more.
const SETTABLE: [&str; 4] = ["accessTier", "allowBlobPublicAccess", "minimumTlsVersion", "supportsHttpsTrafficOnly"];

fn account(build: &Build<'_>, id: &str, document: &Value) -> Made<Value> {
    if let Some(group) = Place::of(id).group {
        build.group(&group)?;
    }
    let location = document["location"].as_str().map_or_else(|| "westus2".to_owned(), |l| build.location(l));
    let told = &document["properties"];
    let properties: serde_json::Map<String, Value> =
        SETTABLE.iter().filter_map(|name| Some(((*name).to_owned(), told.get(name)?.clone()))).collect();
    let sku = document["sku"]["name"].as_str().unwrap_or("Standard_LRS");
    let kind = document["kind"].as_str().unwrap_or("StorageV2");
    let mut body = json!({"location": location, "kind": kind, "sku": {"name": sku}, "properties": properties});
    if let Some(tags) = document.get("tags").filter(|tags| tags.is_object()) {
        body["tags"] = tags.clone();
    }
    build.put(id, "2023-01-01", &body)
}

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    if record.op.starts_with("storage.asyncOperation") {
        return poll(record, build);
    }
    build.group_for(record)?;
    let mut ask = Ask::of(record, build);
    match (record.method.as_str(), record.status) {
        ("POST", 200) => {
            let name = record.asked()["name"].as_str().unwrap_or_default().to_owned();
            if record.body["reason"] == json!("AlreadyExists") {
                account(
                    build,
                    &format!("/subscriptions/-/resourceGroups/others/providers/Microsoft.Storage/storageAccounts/{name}"),
                    &Value::Null,
                )?;
            }
        }
        ("GET" | "PUT", 200) => drop(account(build, &record.path, &record.body)?),
        ("DELETE", 200) => drop(account(build, &record.path, &Value::Null)?),
        ("PUT", 202) => ask.settings = json!({ "lateness": "realistic" }),
        ("PUT", 409) if record.has("ResourceGroupBeingDeleted") => {
            groups::ending(build, Place::of(&record.path).group.as_deref().unwrap_or_default())?;
        }
        ("DELETE", 204) | (_, 400..500) => {}
        (method, status) => return Err(format!("a storage account that answers {status} to {method} is not understood")),
    }
    Ok(ask)
}

fn poll(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let mut ask = Ask::of(record, build);
    build.world.set(&json!({ "lateness": "realistic" }));
    let id =
        record.body["id"].as_str().unwrap_or("/subscriptions/-/resourceGroups/stores/providers/Microsoft.Storage/storageAccounts/newstore");
    let place = Place::of(id);
    build.group(place.group.as_deref().unwrap_or_default())?;
    let sku = record.body["sku"]["name"].as_str().unwrap_or("Standard_LRS");
    let body = json!({"location": "westus2", "kind": "StorageV2", "sku": {"name": sku}});
    let reply = build.world.arm("PUT", &format!("{}?api-version={}", build.path(id), build.version), Some(&body));
    let mut place =
        reply.header("location").map(str::to_owned).ok_or_else(|| format!("an account names no place to poll: {}", reply.text))?;
    if record.status == 200 {
        place = groups::finished(build, place)?;
    }
    let (url, query) = place.split_once('?').unwrap_or((&place, ""));
    url.clone_into(&mut ask.url);
    query.clone_into(&mut ask.query);
    Ok(ask)
}
