//! Updates of a vault's access policies on the server: `add` merges, `replace` sets, and `remove` takes out the named permissions.

use super::{
    access,
    call::{Answer, Call},
    error, ids,
    policies::{check_count, document, is_empty, merge, parse, remove_named, same, set},
    resource_ids,
    state::Group,
    vaults,
};
use serde_json::{Value, json};

pub fn write(call: &mut Call<'_>, group: &Group, name: &str, verb: &str) -> Answer {
    if call.request.method != "PUT" {
        return Err(error::method_not_allowed(call));
    }
    let scope = ids::resource_id(&call.state.subscription, &group.name, resource_ids::VAULT, name);
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
                remove_named(&mut policies[at], entry);
                if is_empty(&policies[at]) {
                    policies.remove(at);
                }
            }
            ("remove", None) => {}
            _ => return Err(error::body(400, "BadRequest", format!("The operation kind '{verb}' is not one of add, replace, remove."))),
        }
    }
    check_count(&policies)?;
    let touched: Vec<Value> = entries.iter().map(|entry| document(policies.iter().find(|p| same(p, entry)).unwrap_or(entry))).collect();
    set(call, &mut vault, policies);
    vault.modified = call.now;
    vault.modified_by.clone_from(&call.caller.app_id);
    // the id ends in a slash, and the answer has no name
    let answer = json!({"id": format!("{}/accessPolicies/", resource_ids::vault(&call.state.subscription, &vault)),
        "type": "Microsoft.KeyVault/vaults/accessPolicies", "properties": {"accessPolicies": touched}});
    call.state.vaults.insert(ids::fold(name), vault);
    call.changed();
    Ok(vaults::add_headers(call, error::ok(&answer)))
}
