//! Access policies of a vault, entry by entry: `add` merges, `replace` sets, `remove` takes out what is named, all on the server's side.

use super::{
    Answer, Call, access, error, ids,
    state::{Group, Policy, Vault},
    vaults,
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

fn same(a: &Policy, b: &Policy) -> bool {
    let application = |p: &Policy| p.application_id.as_deref().map(ids::fold);
    a.tenant_id.eq_ignore_ascii_case(&b.tenant_id) && a.object_id.eq_ignore_ascii_case(&b.object_id) && application(a) == application(b)
}

/// The permissions are echoed in the casing that was sent.
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
            Some(there) => merge(there, &policy),
            None => policies.push(policy),
        }
        few_enough(&policies)?;
    }
    Ok(policies)
}

/// A vault has 1024 at most (Key Vault documentation, "assign an access policy").
fn few_enough(policies: &[Policy]) -> Result<(), Response> {
    const MOST: usize = 1024;
    if policies.len() <= MOST {
        return Ok(());
    }
    Err(error::body(400, "BadRequest", format!("The number of access policies exceeds the maximum of {MOST}.")))
}

fn merge(into: &mut Policy, from: &Policy) {
    for (kind, words) in &from.permissions {
        let there = into.permissions.entry(kind.clone()).or_insert_with(|| json!([]));
        let (Some(there), Some(words)) = (there.as_array_mut(), words.as_array()) else { continue };
        for word in words {
            let known = there.iter().any(|w| w.as_str().unwrap_or_default().eq_ignore_ascii_case(word.as_str().unwrap_or_default()));
            if !known {
                there.push(word.clone());
            }
        }
    }
}

/// Only what is named goes, and only where it is spelled the same: reported of Azure, which answers 200 all the same
/// (<https://github.com/Azure/azure-rest-api-specs/issues/42963>).
fn take_out(from: &mut Policy, named: &Policy) {
    for (kind, words) in &named.permissions {
        let (Some(there), Some(words)) = (from.permissions.get_mut(kind).and_then(Value::as_array_mut), words.as_array()) else { continue };
        there.retain(|word| !words.contains(word));
    }
}

fn is_empty(policy: &Policy) -> bool {
    policy.permissions.values().all(|words| words.as_array().is_none_or(Vec::is_empty))
}

/// Whether the entry allows the operation on secrets.
pub fn allows(policy: &Policy, operation: &str) -> bool {
    let words = policy.permissions.get("secrets").and_then(Value::as_array);
    words.into_iter().flatten().filter_map(Value::as_str).any(|w| w.eq_ignore_ascii_case(operation) || w.eq_ignore_ascii_case("all"))
}

/// Puts a whole list in; one that was there already is not late again.
pub fn set(call: &mut Call<'_>, vault: &mut Vault, mut list: Vec<Policy>) {
    for policy in &mut list {
        if let Some(old) = vault.policies.iter().find(|p| same(p, policy)) {
            policy.since = old.since;
        }
    }
    let gone: Vec<String> =
        vault.policies.iter().filter(|old| !list.iter().any(|p| same(p, old))).map(|p| ids::fold(&p.object_id)).collect();
    let name = ids::fold(&vault.name);
    call.state.forget_grants(|principal, of, kind| kind == "policy" && of == name && gone.iter().any(|g| g == principal));
    vault.policies = list;
}

pub fn write(call: &mut Call<'_>, group: &Group, name: &str, verb: &str) -> Answer {
    if call.request.method != "PUT" {
        return Err(error::method_not_allowed(call));
    }
    let scope = ids::resource_id(&call.state.subscription, &group.name, vaults::KIND, name);
    access::require(call, "Microsoft.KeyVault/vaults/accessPolicies/write", &scope)?;
    let mut vault = vaults::find(call, group, name)?;
    let body = error::object(call)?;
    let list = body.get("properties").and_then(|p| p.get("accessPolicies")).unwrap_or(&Value::Null);
    let entries = parse(list, call.now)?;
    let mut policies = vault.policies.clone();
    for entry in &entries {
        let at = policies.iter().position(|p| same(p, entry));
        match (verb, at) {
            ("add", Some(at)) => merge(&mut policies[at], entry),
            ("replace", Some(at)) => policies[at].permissions.clone_from(&entry.permissions),
            ("add" | "replace", None) => policies.push(entry.clone()),
            ("remove", Some(at)) => {
                take_out(&mut policies[at], entry);
                if is_empty(&policies[at]) {
                    policies.remove(at);
                }
            }
            ("remove", None) => {}
            _ => return Err(error::body(400, "BadRequest", format!("The operation kind '{verb}' is not one of add, replace, remove."))),
        }
    }
    few_enough(&policies)?;
    let touched: Vec<Value> = entries.iter().map(|entry| document(policies.iter().find(|p| same(p, entry)).unwrap_or(entry))).collect();
    set(call, &mut vault, policies);
    vault.modified = call.now;
    vault.modified_by.clone_from(&call.caller.app_id);
    // the id ends in a slash, and there is no name
    let answer = json!({"id": format!("{}/accessPolicies/", vaults::id(&call.state.subscription, &vault)),
        "type": "Microsoft.KeyVault/vaults/accessPolicies", "properties": {"accessPolicies": touched}});
    call.state.vaults.insert(ids::fold(name), vault);
    call.changed();
    Ok(vaults::dress(call, error::ok(&answer)))
}
