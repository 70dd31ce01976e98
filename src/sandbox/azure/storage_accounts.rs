//! Storage accounts in ARM. They are kept among the plain resources, as they were asked for and with the defaults of a new account; what
//! depends on the time or on the API version is added when they are read. Shapes are those of recorded traffic (2021-04-01 to 2025-06-01).

use super::{
    access,
    call::{Answer, Call},
    error, hosts, ids, operations, plain, providers, resource_ids,
    state::{Group, Operation, Plain, State},
    subscriptions, times,
};
use crate::{http::Response, lateness::Lateness};
use serde_json::{Map, Value, json};

pub const KIND: &str = resource_ids::STORAGE_ACCOUNT;

/// The provider writes no charset, and `text/plain` where there is no body.
pub const JSON: &str = "application/json";
const NO_BODY: &str = "text/plain; charset=utf-8";

/// The first versions whose answers have these fields.
const DELEGATION_SINCE: &str = "2025-06-01";
const IPV6_SINCE: &str = "2023-01-01";

/// Returns the account of this name, in whatever group: names are global.
pub fn find<'a>(state: &'a State, name: &str) -> Option<&'a Plain> {
    state.plain.values().find(|p| p.kind == KIND && p.name.eq_ignore_ascii_case(name))
}

pub fn empty(status: u16) -> Response {
    Response::new(status).with("content-type", NO_BODY)
}

pub fn refusal(status: u16, code: &str, message: impl Into<String>) -> Response {
    Response::json(status, JSON, &json!({"error": {"code": code, "message": message.into()}}))
}

fn invalid(field: &str) -> Response {
    refusal(400, "InvalidValuesForRequestParameters", format!("Values for request parameters are invalid: {field}."))
}

fn document(account: &Plain, api_version: &str) -> Value {
    let mut body = plain::document(account);
    let at = times::ticks(account.created.unwrap_or_default());
    let properties = &mut body["properties"];
    properties["keyCreationTime"] = json!({"key1": at, "key2": at});
    properties["creationTime"] = json!(at);
    properties["privateEndpointConnections"] = json!([]);
    properties["provisioningState"] = json!("Succeeded");
    for service in ["blob", "file"] {
        properties["encryption"]["services"][service]["lastEnabledTime"] = json!(at);
    }
    if api_version >= IPV6_SINCE {
        properties["networkAcls"]["ipv6Rules"] = json!([]);
    }
    if api_version >= DELEGATION_SINCE {
        properties["allowCrossTenantDelegationSas"] = json!(false);
    }
    body
}

fn shown(call: &Call<'_>, account: &Plain) -> Response {
    Response::json(200, JSON, &document(account, &call.api_version()))
}

/// Returns the properties of a new account that asks for nothing.
fn defaults(name: &str, location: &str) -> Map<String, Value> {
    let endpoint = |service: &str| format!("https://{name}.{service}.core.windows.net/");
    let service = json!({"enabled": true, "keyType": "Account"});
    let all = json!({
        "allowCrossTenantReplication": false, "minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": false, "supportsHttpsTrafficOnly": true,
        "accessTier": "Hot", "primaryLocation": location, "statusOfPrimary": "available",
        "networkAcls": {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"},
        "encryption": {"services": {"blob": service, "file": service}, "keySource": "Microsoft.Storage"},
        "primaryEndpoints": {"blob": endpoint("blob"), "dfs": endpoint("dfs"), "file": endpoint("file"), "queue": endpoint("queue"),
            "table": endpoint("table"), "web": endpoint("z6.web")},
    });
    if let Value::Object(all) = all { all } else { Map::new() }
}

/// Fields that are sent replace those that are there; nothing is removed by leaving it out.
fn merge(into: &mut Map<String, Value>, asked: &Map<String, Value>) {
    for (name, value) in asked.iter().filter(|(_, value)| !value.is_null()) {
        match (into.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

fn change(account: &mut Plain, body: &Map<String, Value>) {
    if let Some(tags) = error::tags(body) {
        account.tags = Some(tags);
    }
    if let Some(name) = body.get("sku").and_then(|sku| sku.get("name")).and_then(Value::as_str) {
        let tier = name.split('_').next().unwrap_or_default();
        account.rest.insert("sku".into(), json!({"name": name, "tier": tier}));
    }
    if let Some(kind) = body.get("kind").filter(|kind| kind.is_string()) {
        account.rest.insert("kind".into(), kind.clone());
    }
    if let (Some(Value::Object(properties)), Some(Value::Object(asked))) = (account.rest.get_mut("properties"), body.get("properties")) {
        merge(properties, asked);
    }
}

fn is_valid(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn name_rule(name: &str) -> String {
    format!(
        "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only."
    )
}

fn taken(name: &str) -> String {
    format!("The storage account named {name} is already taken.")
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, &format!("{KIND}/read"), &scope)?;
    let all = call.state.plain.values().filter(|p| p.kind == KIND && group.is_none_or(|g| p.group.eq_ignore_ascii_case(g)));
    Ok(error::list(all.map(|account| document(account, &call.api_version())).collect()))
}

pub fn check_name(call: &Call<'_>) -> Answer {
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.Storage/checknameavailability/read", &format!("/subscriptions/{}", call.state.subscription))?;
    let body = error::object(call)?;
    let name = body.get("name").and_then(Value::as_str).ok_or_else(|| invalid("name"))?;
    let answer = if !is_valid(name) {
        json!({"nameAvailable": false, "reason": "AccountNameInvalid", "message": name_rule(name)})
    } else if find(call.state, name).is_some() {
        json!({"nameAvailable": false, "reason": "AlreadyExists", "message": taken(name)})
    } else {
        json!({"nameAvailable": true})
    };
    Ok(Response::json(200, JSON, &answer))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let id = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let key = ids::fold(&id);
    let existing = call.state.plain.get(&key).cloned();
    let absent = || error::resource_not_found(KIND, name, &group.name);
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &format!("{KIND}/read"), &id)?;
            Ok(shown(call, &existing.ok_or_else(absent)?))
        }
        "PUT" => {
            access::require(call, &format!("{KIND}/write"), &id)?;
            providers::require(call, "Microsoft.Storage")?;
            put(call, group, name, existing)
        }
        "PATCH" => {
            access::require(call, &format!("{KIND}/write"), &id)?;
            let mut account = existing.ok_or_else(absent)?;
            change(&mut account, &error::object(call)?);
            let response = shown(call, &account);
            call.state.plain.insert(key, account);
            call.changed();
            Ok(response)
        }
        "DELETE" => {
            access::require(call, &format!("{KIND}/delete"), &id)?;
            if existing.is_none() {
                return Ok(empty(204));
            }
            call.state.plain.retain(|other, _| !ids::covers(&key, other));
            call.state.assignments.drop_under(&key);
            let host = format!("{}{}", ids::fold(name), hosts::BLOB_SUFFIX);
            call.state.forget_grants(|_, of, _| of == host);
            call.state.drop_lost_blobs();
            call.changed();
            Ok(empty(200))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// A new account is answered with 202, no body, and a place to poll; an existing one with itself.
fn put(call: &mut Call<'_>, group: &Group, name: &str, existing: Option<Plain>) -> Answer {
    let body = error::object(call)?;
    if !is_valid(name) {
        return Err(refusal(400, "AccountNameInvalid", name_rule(name)));
    }
    let location = subscriptions::place_of(&body)?;
    let sku = body.get("sku").and_then(|sku| sku.get("name"));
    for (field, value) in [("kind", body.get("kind")), ("sku", sku)] {
        if !value.is_some_and(Value::is_string) {
            return Err(invalid(field));
        }
    }
    let id = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    if let Some(mut account) = existing {
        if account.location.as_ref().is_some_and(|old| *old != location) {
            let old = account.location.clone().unwrap_or_default();
            return Err(error::other_location(name, &group.name, &old, &location));
        }
        change(&mut account, &body);
        let response = shown(call, &account);
        call.state.plain.insert(ids::fold(&id), account);
        call.changed();
        return Ok(response);
    }
    if find(call.state, name).is_some() {
        return Err(refusal(409, "StorageAccountAlreadyTaken", taken(name)));
    }
    let rest = Map::from_iter([("properties".to_owned(), Value::Object(defaults(name, &location)))]);
    let mut account = Plain {
        id: id.clone(),
        name: name.to_owned(),
        kind: KIND.to_owned(),
        group: group.name.clone(),
        location: Some(location.clone()),
        tags: Some(Default::default()),
        rest,
        created: Some(call.now),
    };
    change(&mut account, &body);
    error::check_size(&plain::document(&account))?;
    call.state.plain.insert(ids::fold(&id), account);
    let run = call.state.next_generation(&id).to_string();
    let operation = ids::guid(&["storage account", &ids::fold(&id), &run]);
    let polls = u32::from(call.rules.lateness != Lateness::None);
    call.state.operations.insert(operation.clone(), Operation { created: call.now, polls, status: Some(id) });
    call.changed();
    Ok(empty(202).with("location", poll_url(call, &location, &operation)).with("retry-after", operations::pause(call, "17")))
}

fn poll_url(call: &Call<'_>, location: &str, operation: &str) -> String {
    let url = operations::poll_url(call, &format!("providers/Microsoft.Storage/locations/{location}/asyncoperations/{operation}"));
    url.replacen('?', "?monitor=true&", 1)
}

pub fn poll(call: &mut Call<'_>, location: &str, operation: &str) -> Answer {
    let not_found = || refusal(404, "ResourceNotFound", "The specified operation does not exist.");
    let key = ids::fold(operation);
    let running = call.state.operations.get_mut(&key).ok_or_else(not_found)?;
    if running.polls > 0 {
        running.polls -= 1;
        call.counted();
        return Ok(empty(202).with("location", poll_url(call, location, &key)).with("retry-after", operations::pause(call, "17")));
    }
    let id = running.status.clone().unwrap_or_default();
    let account = call.state.plain.get(&ids::fold(&id)).ok_or_else(not_found)?;
    Ok(shown(call, account))
}
