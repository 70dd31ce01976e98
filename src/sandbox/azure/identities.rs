//! User-assigned managed identities. Their ids have a lower-case `resourcegroups`.

use super::{
    access,
    call::{Answer, Call},
    directory,
    error::{self, gateway},
    ids, providers, removal, resource_ids,
    state::{Group, Identity},
    subscriptions,
};
use crate::http::Response;
use serde_json::{Value, json};

const KIND: &str = resource_ids::IDENTITY;

pub fn document(tenant: &str, subscription: &str, identity: &Identity, api_version: &str) -> Value {
    let mut properties = json!({"tenantId": tenant, "principalId": identity.principal_id, "clientId": identity.client_id});
    if api_version >= "2024-11-30" {
        properties["isolationScope"] = json!("None");
    }
    json!({"location": identity.location, "tags": identity.tags, "id": resource_ids::identity(subscription, identity), "name": identity.name, "type": KIND, "properties": properties})
}

fn show(call: &Call<'_>, identity: &Identity) -> Value {
    document(&call.state.tenant, &call.state.subscription, identity, &call.api_version())
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, "Microsoft.ManagedIdentity/userAssignedIdentities/read", &scope)?;
    let all = call.state.identities.values().filter(|i| group.is_none_or(|g| i.group.eq_ignore_ascii_case(g)));
    Ok(error::list(all.map(|i| show(call, i)).collect()))
}

/// The service's own write limit, as recorded: the code is the status.
pub fn throttled(call: &Call<'_>) -> Response {
    let message = format!(
        "Request is temporarily throttled because subscription {} has issued too many requests. Retry after 2 seconds.",
        call.state.subscription
    );
    error::body(429, "429", message).with("retry-after", "2")
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let key = resource_ids::identity_key(&call.state.subscription, &group.name, name);
    let action = |verb: &str| format!("{KIND}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &scope)?;
            let identity = call.state.identities.get(&key).ok_or_else(|| error::resource_not_found(KIND, name, &group.name))?;
            Ok(error::ok(&show(call, identity)))
        }
        "PUT" => {
            access::require(call, &action("write"), &scope)?;
            put(call, group, name, &key)
        }
        "PATCH" => {
            access::require(call, &action("write"), &scope)?;
            let body = error::object(call)?;
            let identity = call.state.identities.get_mut(&key).ok_or_else(|| error::resource_not_found(KIND, name, &group.name))?;
            if let Some(tags) = error::tags(&body) {
                identity.tags = tags;
            }
            let identity = identity.clone();
            call.changed();
            Ok(error::ok(&show(call, &identity)))
        }
        "DELETE" => {
            access::require(call, &action("delete"), &scope)?;
            if !removal::identity(call, &key) {
                return Ok(Response::new(204));
            }
            Ok(Response::new(200))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

fn put(call: &mut Call<'_>, group: &Group, name: &str, key: &str) -> Answer {
    providers::require(call, "Microsoft.ManagedIdentity")?;
    let body = error::object(call)?;
    let valid = (3..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !valid {
        return Err(error::body(
            400,
            "InvalidResourceName",
            format!(
                "The resource name '{name}' is not valid: it must be 3 to 128 characters, start with a letter or digit, and hold letters, digits, '-' and '_'."
            ),
        ));
    }
    let location = subscriptions::place_of(&body)?;
    let tags = error::tags(&body).unwrap_or_default();
    if let Some(identity) = call.state.identities.get_mut(key) {
        if identity.location != location {
            return Err(error::other_location(name, &group.name, &identity.location.clone(), &location));
        }
        identity.tags = tags;
        let identity = identity.clone();
        call.changed();
        return Ok(error::ok(&show(call, &identity)));
    }
    let full = ids::low_group_id(&call.state.subscription, &group.name, KIND, name);
    let (client_id, principal_id) = directory::create(call.state, &full, name, call.rules.lateness, call.now);
    let identity = Identity { name: name.to_owned(), group: group.name.clone(), location, tags, client_id, principal_id };
    let body = show(call, &identity);
    call.state.identities.insert(key.to_owned(), identity);
    call.changed();
    // the location is a path without scheme and host
    Ok(error::created(&body).with("location", full))
}

/// Returns the identity that another resource refers to by its id.
pub fn by_id<'a>(call: &'a Call<'_>, id: &str) -> Result<&'a Identity, Response> {
    call.state
        .identities
        .get(&ids::fold(id.trim_end_matches('/')))
        .ok_or_else(|| gateway(404, "NotFound", format!("Resource '{id}' was not found.")))
}
