//! The access policies of a vault: parsing, comparing and merging them.

use super::{
    call::Call,
    error, ids,
    state::{Policy, Vault},
};
use crate::http::Response;
use serde_json::{Map, Value, json};

const KINDS: [&str; 4] = ["keys", "secrets", "certificates", "storage"];

pub fn document(policy: &Policy) -> Value {
    let mut body = json!({"tenantId": policy.tenant_id, "objectId": policy.object_id});
    if let Some(application) = &policy.application_id {
        body["applicationId"] = json!(application);
    }
    body["permissions"] = Value::Object(policy.permissions.clone());
    body
}

pub fn same(a: &Policy, b: &Policy) -> bool {
    let application = |p: &Policy| p.application_id.as_deref().map(ids::fold);
    a.tenant_id.eq_ignore_ascii_case(&b.tenant_id) && a.object_id.eq_ignore_ascii_case(&b.object_id) && application(a) == application(b)
}

/// Permissions keep the casing of the request.
pub fn parse(list: &Value, now: i64) -> Result<Vec<Policy>, Response> {
    let bad = |what: &str| error::body(400, "BadRequest", format!("An invalid value was provided for '{what}'."));
    let mut policies: Vec<Policy> = Vec::new();
    for entry in list.as_array().ok_or_else(|| bad("accessPolicies"))? {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let (tenant_id, object_id) = (text("tenantId"), text("objectId"));
        let (Some(tenant_id), Some(object_id)) = (tenant_id.filter(|t| ids::is_guid(t)), object_id.filter(|o| ids::is_guid(o))) else {
            return Err(bad("accessPolicies"));
        };
        let mut permissions = Map::new();
        let permissions_of = entry.get("permissions").unwrap_or(&Value::Null);
        if !permissions_of.is_null() && !permissions_of.is_object() {
            return Err(bad("permissions"));
        }
        for (kind, words) in permissions_of.as_object().into_iter().flatten() {
            let known = KINDS.iter().find(|k| k.eq_ignore_ascii_case(kind)).ok_or_else(|| bad("permissions"))?;
            match words {
                Value::Null => {}
                Value::Array(words) if words.iter().all(Value::is_string) => {
                    permissions.insert((*known).to_owned(), Value::Array(words.clone()));
                }
                _ => return Err(bad("permissions")),
            }
        }
        if entry.get("applicationId").is_some_and(|id| !id.is_null() && !id.is_string()) {
            return Err(bad("accessPolicies"));
        }
        let policy = Policy { tenant_id, object_id, application_id: text("applicationId"), permissions, since: now };
        match policies.iter_mut().find(|p| same(p, &policy)) {
            Some(existing) => merge(existing, &policy),
            None => policies.push(policy),
        }
        check_count(&policies)?;
    }
    Ok(policies)
}

/// A vault has at most 1024 policies (Key Vault documentation, "assign an access policy").
pub fn check_count(policies: &[Policy]) -> Result<(), Response> {
    const MOST: usize = 1024;
    if policies.len() <= MOST {
        return Ok(());
    }
    Err(error::body(400, "BadRequest", format!("The number of access policies exceeds the maximum of {MOST}.")))
}

pub fn merge(into: &mut Policy, from: &Policy) {
    for (kind, words) in &from.permissions {
        let existing = into.permissions.entry(kind.clone()).or_insert_with(|| json!([]));
        let (Some(existing), Some(words)) = (existing.as_array_mut(), words.as_array()) else { continue };
        for word in words {
            let known = existing.iter().any(|w| w.as_str().unwrap_or_default().eq_ignore_ascii_case(word.as_str().unwrap_or_default()));
            if !known {
                existing.push(word.clone());
            }
        }
    }
}

/// Removes only the named permissions, and only if they are spelled the same, as reported of Azure, which answers 200 in any case
/// (<https://github.com/Azure/azure-rest-api-specs/issues/42963>).
pub fn remove_named(from: &mut Policy, named: &Policy) {
    for (kind, words) in &named.permissions {
        let (Some(existing), Some(words)) = (from.permissions.get_mut(kind).and_then(Value::as_array_mut), words.as_array()) else {
            continue;
        };
        existing.retain(|word| !words.contains(word));
    }
}

pub fn is_empty(policy: &Policy) -> bool {
    policy.permissions.values().all(|words| words.as_array().is_none_or(Vec::is_empty))
}

/// Returns whether the policy allows the operation on `secrets`, `keys` or `certificates`.
pub fn allows(policy: &Policy, folder: &str, operation: &str) -> bool {
    let words = policy.permissions.get(folder).and_then(Value::as_array);
    words.into_iter().flatten().filter_map(Value::as_str).any(|w| w.eq_ignore_ascii_case(operation) || w.eq_ignore_ascii_case("all"))
}

/// Replaces all policies of a vault. An unchanged policy keeps its time, so it is not delayed again.
pub fn set(call: &mut Call<'_>, vault: &mut Vault, mut list: Vec<Policy>) {
    for policy in &mut list {
        if let Some(old) = vault.policies.iter().find(|p| same(p, policy)) {
            policy.since = old.since;
        }
    }
    let removed: Vec<String> =
        vault.policies.iter().filter(|old| !list.iter().any(|p| same(p, old))).map(|p| ids::fold(&p.object_id)).collect();
    let name = ids::fold(&vault.name);
    call.state.forget_grants(|principal, of, kind| kind == "policy" && of == name && removed.iter().any(|g| g == principal));
    vault.policies = list;
}
