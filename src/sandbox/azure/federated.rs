//! Federated identity credentials of user-assigned identities: which issuer and subject Entra accepts tokens of. Concurrent writes under
//! one identity are rejected. Limits and texts follow Entra's page on federation and recorded errors.

use super::{
    access,
    call::{Answer, Call, Rules},
    error::{self, gateway},
    field_types, hosts, ids,
    path::Path,
    providers, resource_ids,
    state::{FederatedCredential, Group, State},
};
use crate::{
    http::{Request, Response},
    lateness::{DelayKind, Late, Lateness},
};
use serde_json::{Map, Value, json};
use std::time::Duration;

pub const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
const SEGMENT: &str = "federatedIdentityCredentials";
const MOST: usize = 20;
const LONGEST: usize = 600;

/// Returns the key of a credential in the state, from that of its identity.
fn key(identity: &str, name: &str) -> String {
    ids::fold(&format!("{identity}/{SEGMENT}/{name}"))
}

/// Iterates over the credentials of an identity, given by its key, in the order of their names.
pub fn of<'a>(state: &'a State, identity: &str) -> impl Iterator<Item = (&'a String, &'a FederatedCredential)> + use<'a> {
    let from = key(identity, "");
    let mine = from.clone();
    state.federated.range(from..).take_while(move |(key, _)| key.starts_with(&mine))
}

pub fn document(identity_id: &str, credential: &FederatedCredential) -> Value {
    json!({"id": format!("{identity_id}/{SEGMENT}/{}", credential.name), "name": credential.name, "type": KIND,
        "properties": {"issuer": credential.issuer, "subject": credential.subject, "audiences": credential.audiences}})
}

/// ARM checks that the identity exists before its provider sees the request.
fn parent(call: &Call<'_>, group: &Group, identity: &str, verb: &str) -> Result<(String, String), Response> {
    let folded = resource_ids::identity_key(&call.state.subscription, &group.name, identity);
    match call.state.identities.get(&folded) {
        Some(existing) => Ok((folded, resource_ids::identity(&call.state.subscription, existing))),
        None => Err(gateway(
            404,
            "ParentResourceNotFound",
            format!(
                "Failed to perform '{verb}' on resource(s) of type 'userAssignedIdentities/{SEGMENT}', because the parent resource '{}' could not be found.",
                ids::resource_id(&call.state.subscription, &group.name, resource_ids::IDENTITY, identity)
            ),
        )),
    }
}

pub fn list(call: &Call<'_>, group: &Group, identity: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let scope = ids::resource_id(&call.state.subscription, &group.name, resource_ids::IDENTITY, identity);
    access::require(call, &format!("{KIND}/read"), &scope)?;
    let (folded, id) = parent(call, group, identity, "read")?;
    let all: Vec<&FederatedCredential> = of(call.state, &folded).map(|(_, credential)| credential).collect();
    let number = |name: &str| call.request.query(name).and_then(|n| n.parse::<usize>().ok());
    let (from, most) = (number("$skiptoken").unwrap_or(0), number("$top").filter(|n| *n > 0).unwrap_or(MOST));
    let page = all.iter().skip(from).take(most).map(|credential| document(&id, credential)).collect();
    if all.len() <= from.saturating_add(most) {
        return Ok(error::list(page));
    }
    let next = format!(
        "https://{}{id}/{SEGMENT}?api-version={}&$top={most}&$skiptoken={}",
        hosts::ARM_HOST,
        call.api_version(),
        from.saturating_add(most)
    );
    Ok(error::ok(&json!({"value": Value::Array(page), "nextLink": next})))
}

pub fn one(call: &mut Call<'_>, group: &Group, identity: &str, name: &str) -> Answer {
    let verb = match call.request.method.as_str() {
        "GET" => "read",
        "PUT" => "write",
        "DELETE" => "delete",
        _ => return Err(error::method_not_allowed(call)),
    };
    let scope = format!("{}/{SEGMENT}/{name}", ids::resource_id(&call.state.subscription, &group.name, resource_ids::IDENTITY, identity));
    access::require(call, &format!("{KIND}/{verb}"), &scope)?;
    let (folded, id) = parent(call, group, identity, verb)?;
    let key = key(&folded, name);
    match verb {
        "read" => match call.state.federated.get(&key) {
            Some(credential) => Ok(error::ok(&document(&id, credential))),
            None => Err(error::body(404, "NotFound", format!("Resource '{id}/{SEGMENT}/{name}' was not found."))),
        },
        "write" => put(call, &folded, &id, name, &key),
        _ => {
            reject_concurrent(call, &folded, &id)?;
            if call.state.federated.remove(&key).is_none() {
                return Ok(Response::new(204));
            }
            call.changed();
            Ok(Response::new(200))
        }
    }
}

fn put(call: &mut Call<'_>, folded: &str, id: &str, name: &str, key: &str) -> Answer {
    providers::require(call, "Microsoft.ManagedIdentity")?;
    let body = error::object(call)?;
    let valid = (3..=120).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !valid {
        return Err(error::body(400, "BadRequest", format!("Federated Identity Credential name '{name}' is invalid.")));
    }
    let requested = requested(&body)?;
    reject_concurrent(call, folded, id)?;
    let others = || of(call.state, folded).filter(|(other, _)| *other != key);
    // the status is documented, the code comes from public reports; an issuer with a slash at its end is a different issuer
    if others().any(|(_, c)| c.issuer == requested.issuer && c.subject == requested.subject) {
        return Err(error::body(400, "Conflict", "Issuer and subject combination already exists for this Managed Identity."));
    }
    let existing = call.state.federated.get(key).cloned();
    if existing.is_none() && others().count() >= MOST {
        return Err(too_many(id));
    }
    let same = existing
        .as_ref()
        .is_some_and(|c| c.issuer == requested.issuer && c.subject == requested.subject && c.audiences == requested.audiences);
    let credential = FederatedCredential {
        name: existing.as_ref().map_or_else(|| name.to_owned(), |c| c.name.clone()),
        late: match &existing {
            Some(before) if same => before.late.clone(),
            _ => Late::new(DelayKind::Federation, call.rules.lateness, call.now),
        },
        ..requested
    };
    let body = document(id, &credential);
    call.state.federated.insert(key.to_owned(), credential);
    call.changed();
    Ok(if existing.is_some() {
        error::ok(&body)
    } else {
        let place = body["id"].as_str().unwrap_or_default().to_owned();
        error::created(&body).with("location", place)
    })
}

/// Adds a credential that another service creates, unless there is one of its name.
pub fn add(state: &mut State, identity: &str, credential: FederatedCredential) -> Result<(), Response> {
    let key = key(identity, &credential.name);
    if state.federated.contains_key(&key) {
        return Ok(());
    }
    if of(state, identity).count() >= MOST {
        return Err(too_many(identity));
    }
    state.federated.insert(key, credential);
    Ok(())
}

fn too_many(identity: &str) -> Response {
    let message =
        format!("Too many Federated Identity Credentials are assigned to the managed identity '{identity}'. The maximum is {MOST}.");
    error::body(400, "BadRequest", message)
}

/// Parses the requested credential, still without a name.
fn requested(body: &Map<String, Value>) -> Result<FederatedCredential, Response> {
    let empty = || {
        error::body(
            400,
            "BadRequest",
            "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.",
        )
    };
    let properties = body.get("properties").and_then(Value::as_object).ok_or_else(empty)?;
    const TYPES: field_types::FieldTypes = &[
        ("issuer", field_types::FieldType::Text),
        ("subject", field_types::FieldType::Text),
        ("audiences", field_types::FieldType::Texts),
    ];
    if field_types::mismatch(properties, TYPES).is_some() {
        return Err(empty());
    }
    let text = |name: &str| properties.get(name).and_then(Value::as_str).filter(|v| !v.is_empty()).map(str::to_owned);
    let (issuer, subject) = (text("issuer").ok_or_else(empty)?, text("subject").ok_or_else(empty)?);
    for (what, value) in [("issuer", &issuer), ("subject", &subject)] {
        if value.chars().count() > LONGEST {
            return Err(error::body(
                400,
                "BadRequest",
                format!("Federated Identity Credential {what} is too long: it has at most {LONGEST} characters."),
            ));
        }
    }
    if url::Url::parse(&issuer).is_err() {
        return Err(error::body(400, "BadRequest", format!("Federated Identity Credential issuer '{issuer}' is not a valid URL.")));
    }
    let audiences: Vec<String> = properties
        .get("audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|a| !a.is_empty())
        .map(str::to_owned)
        .collect();
    if audiences.len() != 1 {
        return Err(error::body(
            400,
            "InvalidFederatedIdentityCredentialsAudienceLength",
            "Federated identity credentials must have exactly 1 audience.",
        ));
    }
    Ok(FederatedCredential { name: String::new(), issuer, subject, audiences, late: Late::default() })
}

fn reject_concurrent(call: &Call<'_>, folded: &str, id: &str) -> Result<(), Response> {
    if !call.state.federating.contains(folded) {
        return Ok(());
    }
    Err(error::body(
        409,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        format!(
            "Too many Federated Identity Credentials are written concurrently for the managed identity '{id}'. Concurrent Federated Identity Credentials writes under the same managed identity are not supported."
        ),
    ))
}

/// How long a write of a credential takes; zero without simulated delays.
const fn write_time(lateness: Lateness) -> Duration {
    match lateness {
        Lateness::None => Duration::ZERO,
        Lateness::Quick => Duration::from_millis(20),
        Lateness::Realistic => Duration::from_millis(400),
    }
}

/// Marks the identity as being written and returns its key and how long other writes are rejected.
pub fn begin_write(state: &mut State, request: &Request, rules: &Rules, response: &Response) -> Option<(String, Duration)> {
    let write_time = write_time(rules.lateness);
    if write_time.is_zero() || !matches!(request.method.as_str(), "PUT" | "DELETE") || !matches!(response.status, 200 | 201) {
        return None;
    }
    let path = Path::of(&request.path);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    let ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.managedidentity", "userassignedidentities", _, kind, _] =
        low.as_slice()
    else {
        return None;
    };
    if request.host != hosts::ARM_HOST || *kind != ids::fold(SEGMENT) {
        return None;
    }
    let identity = format!("/{}", path.low[..8].join("/"));
    state.federating.insert(identity.clone());
    Some((identity, write_time))
}
