//! Secrets of a vault: versions, the current version, attributes and tags. The value is returned only by GET and in the answer to its own
//! PUT.

use super::{
    call::{Answer, Call},
    error::{self, ok},
    field_types, ids,
    state::{DeletedSecret, Secret, Tags, Vault, Version},
    times,
    vault_request::{self, VaultRequest, bad, permit, refusal, unix, vault},
};
use crate::{
    http::Response,
    lateness::{DelayKind, Late},
    measure,
    table::Table,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// 25 KB (Key Vault documentation, "about secrets").
const MOST_BYTES: usize = 25 * 1024;

/// Older versions of the data plane do not return how long a deleted secret is kept, as recorded.
fn tells_days(api_version: &str) -> bool {
    !(api_version.starts_with("201") || api_version == "7.0")
}

fn attributes(request: &VaultRequest, vault: &Vault, version: &Version) -> Value {
    let mut body = Map::new();
    body.insert("enabled".into(), json!(version.enabled));
    if let Some(at) = version.not_before {
        body.insert("nbf".into(), json!(at));
    }
    if let Some(at) = version.expires {
        body.insert("exp".into(), json!(at));
    }
    body.insert("created".into(), json!(unix(version.created)));
    body.insert("updated".into(), json!(unix(version.updated)));
    body.insert("recoveryLevel".into(), json!(recovery_level(vault)));
    if tells_days(&request.api_version) {
        body.insert("recoverableDays".into(), json!(vault.retention_days));
    }
    Value::Object(body)
}

pub fn recovery_level(vault: &Vault) -> &'static str {
    match (vault.retention_days < 90, vault.purge_protection) {
        (false, false) => "Recoverable+Purgeable",
        (true, false) => "CustomizedRecoverable+Purgeable",
        (false, true) => "Recoverable",
        (true, true) => "CustomizedRecoverable",
    }
}

/// Returns a secret without its value. `id` includes the version, except in lists of secrets.
pub fn bundle(request: &VaultRequest, vault: &Vault, id: &str, version: &Version) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(kind) = &version.content_type {
        body.insert("contentType".into(), json!(kind));
    }
    body.insert("id".into(), json!(id));
    body.insert("attributes".into(), attributes(request, vault, version));
    if let Some(tags) = &version.tags {
        body.insert("tags".into(), json!(tags));
    }
    body
}

fn with_value(request: &VaultRequest, vault: &Vault, id: &str, version: &Version) -> Value {
    let mut body = Map::new();
    body.insert("value".into(), json!(version.value));
    body.extend(bundle(request, vault, id, version));
    Value::Object(body)
}

pub fn version_id(request: &VaultRequest, secret: &Secret, version: &Version) -> String {
    format!("https://{}/secrets/{}/{}", request.host, secret.name, version.id)
}

pub fn deleted_document(request: &VaultRequest, vault: &Vault, deleted: &DeletedSecret) -> Value {
    let mut body = Map::new();
    body.insert("recoveryId".into(), json!(format!("https://{}/deletedsecrets/{}", request.host, deleted.secret.name)));
    body.insert("deletedDate".into(), json!(unix(deleted.deleted)));
    body.insert("scheduledPurgeDate".into(), json!(unix(deleted.purge_at)));
    if let Some(version) = deleted.secret.versions.last() {
        body.extend(bundle(request, vault, &version_id(request, &deleted.secret, version), version));
    }
    Value::Object(body)
}

pub fn not_found(what: &str) -> Response {
    error::body(
        404,
        "SecretNotFound",
        format!(
            "A secret with (name/id) {what} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        ),
    )
}

pub fn check_name(name: &str) -> Result<(), Response> {
    let fits = (1..=127).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(()) } else { Err(bad(format!("The request URI contains an invalid name: {name}"))) }
}

/// A secret whose recovery is not finished is not found.
pub fn find<'a>(call: &'a Call<'_>, request: &VaultRequest, name: &str) -> Result<&'a Secret, Response> {
    let secret = call.state.secrets.get(&request.key(name)).ok_or_else(|| not_found(name))?;
    if secret.late.clone().refuses(call.rules.lateness, call.now) { Err(not_found(name)) } else { Ok(secret) }
}

fn select_version<'a>(secret: &'a Secret, version: Option<&str>) -> Result<&'a Version, Response> {
    match version {
        None => secret.versions.last().ok_or_else(|| not_found(&secret.name)),
        Some(id) => {
            secret.versions.iter().find(|v| v.id.eq_ignore_ascii_case(id)).ok_or_else(|| not_found(&format!("{}/{id}", secret.name)))
        }
    }
}

pub fn disabled() -> Response {
    refusal(403, "Forbidden", "Operation get is not permitted on this object.", "AccessDenied")
}

pub fn get(call: &mut Call<'_>, request: &VaultRequest, name: &str, version: Option<&str>) -> Answer {
    check_name(name)?;
    permit(call, request, vault_request::GET, Some(name))?;
    let secret = find(call, request, name)?;
    let version = select_version(secret, version)?;
    if !version.enabled {
        return Err(disabled());
    }
    Ok(ok(&with_value(request, vault(call, request)?, &version_id(request, secret, version), version)))
}

struct RequestedAttributes {
    enabled: Option<bool>,
    not_before: Option<i64>,
    expires: Option<i64>,
    content_type: Option<String>,
    tags: Option<Tags>,
}

const TYPES: field_types::FieldTypes = &[
    ("value", field_types::FieldType::Text),
    ("contentType", field_types::FieldType::Text),
    ("tags", field_types::FieldType::Words),
    ("attributes", field_types::FieldType::Object),
    ("attributes.enabled", field_types::FieldType::Flag),
    ("attributes.nbf", field_types::FieldType::Number),
    ("attributes.exp", field_types::FieldType::Number),
];

fn requested(body: &Map<String, Value>) -> Result<RequestedAttributes, Response> {
    if let Some(wrong) = field_types::mismatch(body, TYPES) {
        return Err(bad(format!("Property {} has invalid value", wrong.field)));
    }
    let attribute = |name: &str| body.get("attributes").and_then(|a| a.get(name));
    Ok(RequestedAttributes {
        enabled: attribute("enabled").and_then(Value::as_bool),
        not_before: attribute("nbf").and_then(Value::as_i64),
        expires: attribute("exp").and_then(Value::as_i64),
        content_type: body.get("contentType").and_then(Value::as_str).map(str::to_owned),
        tags: error::tags(body),
    })
}

pub fn object(call: &Call<'_>) -> Result<Map<String, Value>, Response> {
    match serde_json::from_slice::<Value>(&call.request.body) {
        Ok(value) if measure::too_deep(&value) => Err(bad("The request body is nested too deeply.")),
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(bad("The request body could not be parsed as JSON.")),
    }
}

/// Rejects the name of a soft-deleted secret.
pub fn check_name_is_free(call: &Call<'_>, request: &VaultRequest, name: &str) -> Result<(), Response> {
    let Some(deleted) = call.state.deleted_secrets.get(&request.key(name)) else { return Ok(()) };
    Err(if deleted.late.clone().refuses(call.rules.lateness, call.now) {
        refusal(
            409,
            "Conflict",
            format!("Secret {name} is currently being deleted and cannot be re-created; retry later."),
            "ObjectIsBeingDeleted",
        )
    } else {
        refusal(
            409,
            "Conflict",
            format!(
                "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."
            ),
            "ObjectIsDeletedButRecoverable",
        )
    })
}

/// Each PUT creates a new version, also if the value is the same.
pub fn put(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    check_name(name)?;
    permit(call, request, vault_request::SET, Some(name))?;
    let body = object(call)?;
    let value = body.get("value").and_then(Value::as_str).ok_or_else(|| bad("Property value is required."))?.to_owned();
    if value.len() > MOST_BYTES {
        return Err(bad(format!("The size of the secret value is over the limit of {MOST_BYTES} bytes.")));
    }
    let key = request.key(name);
    check_name_is_free(call, request, name)?;
    let requested = requested(&body)?;
    let run = call.state.next_generation(&format!("version:{key}")).to_string();
    let version = Version {
        id: ids::hex(&["version", &request.vault, &ids::fold(name), &run]),
        value,
        content_type: requested.content_type,
        enabled: requested.enabled.unwrap_or(true),
        not_before: requested.not_before,
        expires: requested.expires,
        created: call.now,
        updated: call.now,
        tags: requested.tags,
    };
    let secret = call.state.secrets.entry(key).or_insert_with(|| Secret {
        name: name.to_owned(),
        versions: Vec::with_capacity(1),
        late: Late::default(),
    });
    let id = version_id(request, secret, &version);
    secret.versions.push(version.clone());
    call.changed();
    Ok(ok(&with_value(request, vault(call, request)?, &id, &version)))
}

/// Changes the attributes and tags of a version; missing fields stay.
pub fn patch(call: &mut Call<'_>, request: &VaultRequest, name: &str, version: Option<&str>) -> Answer {
    check_name(name)?;
    permit(call, request, vault_request::UPDATE, Some(name))?;
    let requested = requested(&object(call)?)?;
    let id = select_version(find(call, request, name)?, version)?.id.clone();
    let now = call.now;
    let secret = call.state.secrets.get_mut(&request.key(name)).ok_or_else(|| not_found(name))?;
    let version = secret.versions.iter_mut().find(|v| v.id == id).ok_or_else(|| not_found(name))?;
    version.enabled = requested.enabled.unwrap_or(version.enabled);
    version.not_before = requested.not_before.or(version.not_before);
    version.expires = requested.expires.or(version.expires);
    version.content_type = requested.content_type.or(version.content_type.take());
    version.tags = requested.tags.or(version.tags.take());
    version.updated = now;
    let version = version.clone();
    let full = version_id(request, secret, &version);
    call.changed();
    Ok(ok(&Value::Object(bundle(request, vault(call, request)?, &full, &version))))
}

pub fn delete(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    check_name(name)?;
    permit(call, request, vault_request::DELETE, Some(name))?;
    find(call, request, name)?;
    let (now, lateness) = (call.now, call.rules.lateness);
    let purge_at = now.saturating_add(vault(call, request)?.retention_days.saturating_mul(times::DAY));
    let key = request.key(name);
    let secret = call.state.secrets.remove(&key).ok_or_else(|| not_found(name))?;
    let deleted = DeletedSecret { secret, deleted: now, purge_at, late: Late::new(DelayKind::Deletion, lateness, now) };
    call.state.deleted_secrets.insert(key, deleted.clone());
    call.changed();
    Ok(ok(&deleted_document(request, vault(call, request)?, &deleted)))
}

/// Iterates over the vault's entries of a table, by name.
pub fn within<'a, T>(table: &'a Table<T>, request: &VaultRequest) -> impl Iterator<Item = (&'a str, &'a T)> {
    let prefix = request.key("");
    table.range(prefix.clone()..).map_while(move |(key, entry)| Some((key.strip_prefix(&prefix)?, entry)))
}

/// Returns one page of a list in the order of its keys: `maxresults` entries (25 by default), and a link whose host includes the port.
pub fn page<'a, T: 'a>(
    call: &Call<'_>,
    request: &VaultRequest,
    all: impl Iterator<Item = (&'a str, T)>,
    show: impl Fn(T) -> Value,
) -> Value {
    let most = call.request.query("maxresults").and_then(|n| n.parse::<usize>().ok()).filter(|n| (1..=25).contains(n)).unwrap_or(25);
    let after = call.request.query("$skiptoken").and_then(|t| URL_SAFE_NO_PAD.decode(t).ok()).and_then(|t| String::from_utf8(t).ok());
    let mut rest = all.skip_while(|(key, _)| after.as_ref().is_some_and(|a| *key <= a.as_str()));
    let mut last = None;
    let shown: Vec<Value> = rest
        .by_ref()
        .take(most)
        .map(|(key, entry)| {
            last = Some(key);
            show(entry)
        })
        .collect();
    let next = match last.filter(|_| rest.next().is_some()) {
        Some(key) => json!(format!(
            "https://{}:443{}?api-version={}&$skiptoken={}&maxresults={most}",
            request.host,
            call.request.path,
            call.api_version(),
            URL_SAFE_NO_PAD.encode(key)
        )),
        None => Value::Null,
    };
    json!({"value": shown, "nextLink": next})
}

pub fn list(call: &mut Call<'_>, request: &VaultRequest) -> Answer {
    permit(call, request, vault_request::LIST, None)?;
    let vault = vault(call, request)?;
    let current = within(&call.state.secrets, request).filter_map(|(name, s)| Some((name, (s, s.versions.last()?))));
    let show = |(secret, version): (&Secret, &Version)| {
        Value::Object(bundle(request, vault, &format!("https://{}/secrets/{}", request.host, secret.name), version))
    };
    Ok(ok(&page(call, request, current, show)))
}

pub fn versions(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    check_name(name)?;
    permit(call, request, vault_request::LIST, Some(name))?;
    let vault = vault(call, request)?;
    // a name that does not exist has an empty list of versions
    let mut all: Vec<(&Secret, &Version)> =
        find(call, request, name).into_iter().flat_map(|s| s.versions.iter().map(move |v| (s, v))).collect();
    all.sort_by(|a, b| a.1.id.cmp(&b.1.id));
    let show =
        |(secret, version): (&Secret, &Version)| Value::Object(bundle(request, vault, &version_id(request, secret, version), version));
    Ok(ok(&page(call, request, all.into_iter().map(|(s, v)| (v.id.as_str(), (s, v))), show)))
}
