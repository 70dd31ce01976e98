//! Resource groups and the operation that deletes one.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};
use serde_json::{Value, json};

const LOCKS: &str = "providers/Microsoft.Authorization/locks/no-delete";

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    if record.op.starts_with("rg.operationResult") {
        return poll(record, build);
    }
    let name = Place::of(&record.path).group.unwrap_or_default();
    let code = record.codes.first().map_or("", String::as_str);
    match (record.method.as_str(), record.status, code) {
        ("GET", 200, _) if record.op.contains(".list.") => {
            for document in record.body["value"].as_array().into_iter().flatten() {
                of(build, document)?;
            }
        }
        ("GET" | "PATCH", 200, _) | ("PUT", 200, _) => of(build, &record.body)?,
        ("HEAD", 200..300, _) | ("DELETE", 200..300, _) => build.group(&name)?,
        ("PUT", 201 | 400 | 403, _) | (_, 404, _) | ("HEAD", _, _) => {}
        (_, 401 | 403 | 429, _) => build.group(&name)?,
        ("PUT" | "PATCH", 409, "ResourceGroupBeingDeleted") | ("DELETE", 409, "ResourceGroupBeingDeleted") => ending(build, &name)?,
        ("PUT", 409, "InvalidResourceGroupLocation") => {
            let asked = record.asked();
            let other = if asked["location"].as_str() == Some("eastus") { "westus2" } else { "eastus" };
            build.group_of(&name, &json!({ "location": other }))?;
        }
        ("DELETE", 409, "ScopeLocked") => {
            let locked = record.body["error"]["message"].as_str().unwrap_or_default().rsplit("locked: '").next().unwrap_or_default();
            let scope = locked.split('\'').next().unwrap_or_default().to_owned();
            build.scope(&scope)?;
            build.put(&format!("{scope}/{LOCKS}"), "2020-05-01", &json!({ "properties": { "level": "CanNotDelete" } }))?;
        }
        _ => return Err(format!("a group that answers {} {code} to {} is not understood", record.status, record.method)),
    }
    let mut ask = Ask::of(record, build);
    if record.method == "DELETE" && record.status == 202 {
        // This uses the delays of the service, which its answers name.
        ask.settings = json!({ "lateness": "realistic" });
    }
    Ok(ask)
}

fn of(build: &Build<'_>, document: &Value) -> Made<()> {
    let mut body = json!({ "location": build.location(document["location"].as_str().unwrap_or("westus2")) });
    for said in ["tags", "managedBy"] {
        if let Some(value) = document.get(said) {
            body[said] = build.mapped(value);
        }
    }
    build.group_of(document["name"].as_str().unwrap_or_default(), &body)
}

/// Starts the deletion of a group; returns the URL to poll.
pub fn ending(build: &Build<'_>, name: &str) -> Made<()> {
    deletion(build, name).map(drop)
}

fn deletion(build: &Build<'_>, name: &str) -> Made<String> {
    build.group(name)?;
    build.world.set(&json!({ "lateness": "realistic" }));
    let reply = build.delete(&format!("/subscriptions/-/resourceGroups/{name}"), &build.version)?;
    reply.header("location").map(str::to_owned).ok_or_else(|| "the deletion of a group names no place to poll".to_owned())
}

fn poll(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let mut ask = Ask::of(record, build);
    match record.status {
        // The operation is over, or the sandbox never had it.
        204 | 404 => return Ok(ask),
        200 | 202 => {}
        status => return Err(format!("an operation that ends in {status} {:?} is not understood", record.codes)),
    }
    let mut place = deletion(build, "ends")?;
    if record.status == 200 {
        place = finished(build, place)?;
    }
    let (url, query) = place.split_once('?').unwrap_or((&place, ""));
    url.clone_into(&mut ask.url);
    query.clone_into(&mut ask.query);
    Ok(ask)
}

/// Polls until the next answer is the last one.
pub fn finished(build: &Build<'_>, mut place: String) -> Made<String> {
    build.world.set(&json!({ "lateness": "none" }));
    for _ in 0..5 {
        let path = place.trim_start_matches("https://management.azure.com").to_owned();
        let reply = build.world.arm("GET", &path, None);
        if reply.status != 202 {
            // A finished operation can be polled again.
            return Ok(place);
        }
        if let Some(next) = reply.header("location") {
            next.clone_into(&mut place);
        }
    }
    Err("an operation does not end".to_owned())
}
