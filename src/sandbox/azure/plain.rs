//! Resources of other types. They are stored as they were sent, so that they can be read, listed, tagged, deleted, and used as the scope of
//! a role assignment.

use super::{
    access,
    call::{Answer, Call},
    error, ids, providers, resources,
    state::{Group, Plain},
    subscriptions,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

pub fn document(plain: &Plain) -> Value {
    let mut body = json!({"id": plain.id, "name": plain.name, "type": plain.kind});
    if let Some(location) = &plain.location {
        body["location"] = json!(location);
    }
    if let Some(tags) = &plain.tags {
        body["tags"] = json!(tags);
    }
    if let Some(all) = body.as_object_mut() {
        all.extend(plain.rest.clone());
    }
    body
}

/// Returns whether services accept the field but never return it. Such fields are not stored.
fn is_write_only(name: &str) -> bool {
    let name = ids::fold(name);
    ["password", "secret", "secrets", "protectedsettings", "customdata", "connectionstring", "accesskey", "sharedkey"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn without_secrets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !is_write_only(name));
            map.values_mut().for_each(without_secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(without_secrets),
        _ => {}
    }
}

pub fn list(call: &Call<'_>, group: Option<&str>, namespace: &str, kind: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    let kind = format!("{}/{kind}", providers::name(namespace));
    access::require(call, &format!("{kind}/read"), &scope)?;
    let fits = |p: &&Plain| p.kind.eq_ignore_ascii_case(&kind) && group.is_none_or(|g| p.group.eq_ignore_ascii_case(g));
    Ok(error::list(call.state.plain.values().filter(fits).map(document).collect()))
}

/// `words` are the segments after the namespace: types and names in turn.
pub fn route(call: &mut Call<'_>, group: &Group, namespace: &str, words: &[String]) -> Answer {
    let namespace = providers::name(namespace).to_owned();
    let kinds: Vec<&str> = words.iter().step_by(2).map(String::as_str).collect();
    let kind = format!("{namespace}/{}", kinds.join("/"));
    let base = format!("{}/providers/{namespace}", ids::group_id(&call.state.subscription, &group.name));
    let id = format!("{base}/{}", words.join("/"));
    // a vault's secrets have their own service
    if !providers::known(&namespace) || kind.eq_ignore_ascii_case("Microsoft.KeyVault/vaults/secrets") {
        return Err(providers::no_type(&namespace, kinds.last().unwrap_or(&""), call));
    }
    let parent = words[..words.len() - (2 - words.len() % 2)].join("/");
    let orphan = !parent.is_empty() && !resources::exists(call.state, &ids::fold(&format!("{base}/{parent}")));
    if words.len() % 2 == 1 {
        if orphan {
            return Err(parent_not_found(&namespace, &words[..words.len() - 1], group));
        }
        access::require(call, &format!("{kind}/read"), &id)?;
        if call.request.method != "GET" {
            return Err(error::method_not_allowed(call));
        }
        let under = format!("{}/", ids::fold(&id));
        let fits = |(key, _): &(&String, &Plain)| key.strip_prefix(&under).is_some_and(|name| !name.contains('/'));
        return Ok(error::list(call.state.plain.iter().filter(fits).map(|(_, p)| document(p)).collect()));
    }
    let key = ids::fold(&id);
    let existing = call.state.plain.get(&key).cloned();
    let absent = || match words.len() {
        2 => error::resource_not_found(&kind, &words[1], &group.name),
        _ => error::body(404, "NotFound", format!("Resource '{id}' was not found.")),
    };
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &format!("{kind}/read"), &id)?;
            if orphan {
                return Err(parent_not_found(&namespace, &words[..words.len() - 2], group));
            }
            Ok(error::ok(&document(&existing.ok_or_else(absent)?)))
        }
        verb @ ("PUT" | "PATCH") => {
            access::require(call, &format!("{kind}/write"), &id)?;
            providers::require(call, &namespace)?;
            if orphan {
                return Err(no_parent("write", &kinds, &format!("{base}/{parent}")));
            }
            let body = error::object(call)?;
            let plain = if verb == "PUT" {
                let name = words[words.len() - 1].clone();
                let new = Plain { id, name, kind, group: group.name.clone(), location: None, tags: None, rest: Map::new(), created: None };
                whole(new, existing.as_ref(), &body, words.len() == 2)?
            } else {
                merged(existing.clone().ok_or_else(absent)?, &body)
            };
            let answer = document(&plain);
            error::check_size(&answer)?;
            call.state.plain.insert(key, plain);
            call.changed();
            Ok(if existing.is_some() { error::ok(&answer) } else { error::created(&answer) })
        }
        "DELETE" => {
            access::require(call, &format!("{kind}/delete"), &id)?;
            if orphan {
                return Err(no_parent("delete", &kinds, &format!("{base}/{parent}")));
            }
            if existing.is_none() {
                return Ok(Response::new(204));
            }
            call.state.plain.retain(|other, _| !ids::covers(&key, other));
            call.state.assignments.drop_under(&key);
            call.changed();
            Ok(Response::new(200))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// Returns the error for reading below a parent that does not exist.
fn parent_not_found(namespace: &str, words: &[String], group: &Group) -> Response {
    let kinds: Vec<&str> = words.iter().step_by(2).map(String::as_str).collect();
    let names: Vec<&str> = words.iter().skip(1).step_by(2).map(String::as_str).collect();
    error::resource_not_found(&format!("{namespace}/{}", kinds.join("/")), &names.join("/"), &group.name)
}

fn no_parent(verb: &str, kinds: &[&str], parent: &str) -> Response {
    error::gateway(
        404,
        "ParentResourceNotFound",
        format!(
            "Failed to perform '{verb}' on resource(s) of type '{}', because the parent resource '{parent}' could not be found.",
            kinds.join("/")
        ),
    )
}

fn whole(mut plain: Plain, existing: Option<&Plain>, body: &Map<String, Value>, top: bool) -> Result<Plain, Response> {
    plain.location = body.get("location").and_then(Value::as_str).map(subscriptions::location);
    if let (Some(old), Some(new)) = (existing.and_then(|t| t.location.as_ref()), &plain.location)
        && old != new
    {
        return Err(error::other_location(&plain.name, &plain.group, old, new));
    }
    if let Some(existing) = existing {
        plain.id.clone_from(&existing.id);
        plain.name.clone_from(&existing.name);
        plain.kind.clone_from(&existing.kind);
    }
    plain.tags = error::tags(body).or_else(|| top.then(Default::default));
    plain.rest = rest(body);
    settle(&mut plain.rest);
    Ok(plain)
}

fn merged(mut plain: Plain, body: &Map<String, Value>) -> Plain {
    plain.tags = error::tags(body).or(plain.tags);
    for (name, value) in rest(body) {
        match (plain.rest.get_mut(&name).and_then(Value::as_object_mut), value) {
            (Some(old), Value::Object(new)) => old.extend(new),
            (_, value) => drop(plain.rest.insert(name, value)),
        }
    }
    settle(&mut plain.rest);
    plain
}

fn rest(body: &Map<String, Value>) -> Map<String, Value> {
    let own = ["id", "name", "type", "location", "tags"];
    let mut rest = Value::Object(body.iter().filter(|(n, _)| !own.contains(&n.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect());
    without_secrets(&mut rest);
    match rest {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn settle(rest: &mut Map<String, Value>) {
    let properties = rest.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("provisioningState".into(), json!("Succeeded"));
    }
}
