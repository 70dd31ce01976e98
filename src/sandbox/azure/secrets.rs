//! Secrets of a vault: versions, the current one, attributes and tags. The value leaves only by GET and by the answer to its own PUT.

use super::{
    Answer, Call, error,
    error::ok,
    ids, shape,
    state::{DeletedSecret, Secret, Tags, Vault, Version},
    times,
    vault_gate::{self, Visit, bad, permit, refusal, unix, vault},
};
use crate::{
    http::Response,
    lateness::{Kind, Late},
    measure,
    table::Table,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// 25 KB (Key Vault documentation, "about secrets").
const MOST_BYTES: usize = 25 * 1024;

/// Versions of the data plane that do not tell how long a deleted secret is kept, as recorded.
fn tells_days(api_version: &str) -> bool {
    !(api_version.starts_with("201") || api_version == "7.0")
}

fn attributes(visit: &Visit, vault: &Vault, version: &Version) -> Value {
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
    let level = match (vault.retention_days < 90, vault.purge_protection) {
        (false, false) => "Recoverable+Purgeable",
        (true, false) => "CustomizedRecoverable+Purgeable",
        (false, true) => "Recoverable",
        (true, true) => "CustomizedRecoverable",
    };
    body.insert("recoveryLevel".into(), json!(level));
    if tells_days(&visit.api_version) {
        body.insert("recoverableDays".into(), json!(vault.retention_days));
    }
    Value::Object(body)
}

/// Without the value. `id` names the version, but for the entries of a list of secrets.
pub fn bundle(visit: &Visit, vault: &Vault, id: &str, version: &Version) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(kind) = &version.content_type {
        body.insert("contentType".into(), json!(kind));
    }
    body.insert("id".into(), json!(id));
    body.insert("attributes".into(), attributes(visit, vault, version));
    if let Some(tags) = &version.tags {
        body.insert("tags".into(), json!(tags));
    }
    body
}

fn with_value(visit: &Visit, vault: &Vault, id: &str, version: &Version) -> Value {
    let mut body = Map::new();
    body.insert("value".into(), json!(version.value));
    body.extend(bundle(visit, vault, id, version));
    Value::Object(body)
}

pub fn version_id(visit: &Visit, secret: &Secret, version: &Version) -> String {
    format!("https://{}/secrets/{}/{}", visit.host, secret.name, version.id)
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

pub fn sound(name: &str) -> Result<(), Response> {
    let fits = (1..=127).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(()) } else { Err(bad(format!("The request URI contains an invalid name: {name}"))) }
}

/// Not yet back from a recovery: not there.
pub fn find<'a>(call: &'a Call<'_>, visit: &Visit, name: &str) -> Result<&'a Secret, Response> {
    let secret = call.state.secrets.get(&visit.key(name)).ok_or_else(|| not_found(name))?;
    if secret.late.clone().refuses(call.rules.lateness, call.now) { Err(not_found(name)) } else { Ok(secret) }
}

fn pick<'a>(secret: &'a Secret, version: Option<&str>) -> Result<&'a Version, Response> {
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

pub fn get(call: &mut Call<'_>, visit: &Visit, name: &str, version: Option<&str>) -> Answer {
    sound(name)?;
    permit(call, visit, vault_gate::GET, Some(name))?;
    let secret = find(call, visit, name)?;
    let version = pick(secret, version)?;
    if !version.enabled {
        return Err(disabled());
    }
    Ok(ok(&with_value(visit, vault(call, visit)?, &version_id(visit, secret, version), version)))
}

struct Wish {
    enabled: Option<bool>,
    not_before: Option<i64>,
    expires: Option<i64>,
    content_type: Option<String>,
    tags: Option<Tags>,
}

const TYPES: shape::Table = &[
    ("value", shape::Kind::Text),
    ("contentType", shape::Kind::Text),
    ("tags", shape::Kind::Words),
    ("attributes", shape::Kind::Object),
    ("attributes.enabled", shape::Kind::Flag),
    ("attributes.nbf", shape::Kind::Number),
    ("attributes.exp", shape::Kind::Number),
];

fn wish(body: &Map<String, Value>) -> Result<Wish, Response> {
    if let Some(wrong) = shape::wrong(body, TYPES) {
        return Err(bad(format!("Property {} has invalid value", wrong.field)));
    }
    let attribute = |name: &str| body.get("attributes").and_then(|a| a.get(name));
    Ok(Wish {
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

/// Refuses a name that a deleted secret still has.
pub fn free(call: &Call<'_>, visit: &Visit, name: &str) -> Result<(), Response> {
    let Some(deleted) = call.state.deleted_secrets.get(&visit.key(name)) else { return Ok(()) };
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

/// Each PUT is a new version, equal or not.
pub fn put(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    sound(name)?;
    permit(call, visit, vault_gate::SET, Some(name))?;
    let body = object(call)?;
    let value = body.get("value").and_then(Value::as_str).ok_or_else(|| bad("Property value is required."))?.to_owned();
    if value.len() > MOST_BYTES {
        return Err(bad(format!("The size of the secret value is over the limit of {MOST_BYTES} bytes.")));
    }
    let key = visit.key(name);
    free(call, visit, name)?;
    let wish = wish(&body)?;
    let run = call.state.next_generation(&format!("version:{key}")).to_string();
    let version = Version {
        id: ids::hex(&["version", &visit.vault, &ids::fold(name), &run]),
        value,
        content_type: wish.content_type,
        enabled: wish.enabled.unwrap_or(true),
        not_before: wish.not_before,
        expires: wish.expires,
        created: call.now,
        updated: call.now,
        tags: wish.tags,
    };
    let secret = call.state.secrets.entry(key).or_insert_with(|| Secret {
        name: name.to_owned(),
        versions: Vec::with_capacity(1),
        late: Late::default(),
    });
    let id = version_id(visit, secret, &version);
    secret.versions.push(version.clone());
    call.changed();
    Ok(ok(&with_value(visit, vault(call, visit)?, &id, &version)))
}

/// Attributes and tags of a version; what is not said stays.
pub fn patch(call: &mut Call<'_>, visit: &Visit, name: &str, version: Option<&str>) -> Answer {
    sound(name)?;
    permit(call, visit, vault_gate::UPDATE, Some(name))?;
    let wish = wish(&object(call)?)?;
    let id = pick(find(call, visit, name)?, version)?.id.clone();
    let now = call.now;
    let secret = call.state.secrets.get_mut(&visit.key(name)).ok_or_else(|| not_found(name))?;
    let version = secret.versions.iter_mut().find(|v| v.id == id).ok_or_else(|| not_found(name))?;
    version.enabled = wish.enabled.unwrap_or(version.enabled);
    version.not_before = wish.not_before.or(version.not_before);
    version.expires = wish.expires.or(version.expires);
    version.content_type = wish.content_type.or(version.content_type.take());
    version.tags = wish.tags.or(version.tags.take());
    version.updated = now;
    let version = version.clone();
    let full = version_id(visit, secret, &version);
    call.changed();
    Ok(ok(&Value::Object(bundle(visit, vault(call, visit)?, &full, &version))))
}

pub fn delete(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    sound(name)?;
    permit(call, visit, vault_gate::DELETE, Some(name))?;
    find(call, visit, name)?;
    let (now, lateness) = (call.now, call.rules.lateness);
    let purge_at = now.saturating_add(vault(call, visit)?.retention_days.saturating_mul(times::DAY));
    let key = visit.key(name);
    let secret = call.state.secrets.remove(&key).ok_or_else(|| not_found(name))?;
    let deleted = DeletedSecret { secret, deleted: now, purge_at, late: Late::new(Kind::Deletion, lateness, now) };
    call.state.deleted_secrets.insert(key, deleted.clone());
    call.changed();
    Ok(ok(&super::deleted_secrets::document(visit, vault(call, visit)?, &deleted)))
}

/// What the vault has of a table, by name.
pub fn within<'a, T>(table: &'a Table<T>, visit: &Visit) -> impl Iterator<Item = (&'a str, &'a T)> {
    let prefix = visit.key("");
    table.range(prefix.clone()..).map_while(move |(key, entry)| Some((key.strip_prefix(&prefix)?, entry)))
}

/// One page of a list, in the order of its keys: `maxresults` (25 if not said), and a link whose host carries its port.
pub fn page<'a, T: 'a>(call: &Call<'_>, visit: &Visit, all: impl Iterator<Item = (&'a str, T)>, show: impl Fn(T) -> Value) -> Value {
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
            visit.host,
            call.request.path,
            call.api_version(),
            URL_SAFE_NO_PAD.encode(key)
        )),
        None => Value::Null,
    };
    json!({"value": shown, "nextLink": next})
}

pub fn list(call: &mut Call<'_>, visit: &Visit) -> Answer {
    permit(call, visit, vault_gate::LIST, None)?;
    let vault = vault(call, visit)?;
    let current = within(&call.state.secrets, visit).filter_map(|(name, s)| Some((name, (s, s.versions.last()?))));
    let show = |(secret, version): (&Secret, &Version)| {
        Value::Object(bundle(visit, vault, &format!("https://{}/secrets/{}", visit.host, secret.name), version))
    };
    Ok(ok(&page(call, visit, current, show)))
}

pub fn versions(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    sound(name)?;
    permit(call, visit, vault_gate::LIST, Some(name))?;
    let vault = vault(call, visit)?;
    // a name that is not there has no versions: an empty list
    let mut all: Vec<(&Secret, &Version)> =
        find(call, visit, name).into_iter().flat_map(|s| s.versions.iter().map(move |v| (s, v))).collect();
    all.sort_by(|a, b| a.1.id.cmp(&b.1.id));
    let show = |(secret, version): (&Secret, &Version)| Value::Object(bundle(visit, vault, &version_id(visit, secret, version), version));
    Ok(ok(&page(call, visit, all.into_iter().map(|(s, v)| (v.id.as_str(), (s, v))), show)))
}
