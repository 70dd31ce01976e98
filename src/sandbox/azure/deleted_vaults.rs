//! Soft-deleted vaults: list by subscription and location, and purge. A PUT of the vault recovers it.

use super::{
    access,
    call::{Answer, Call},
    error, ids, operations, resource_ids,
    state::{DeletedVault, Operation},
    subscriptions, times, vaults,
};
use crate::{http::Response, lateness::Lateness};
use serde_json::{Value, json};

fn document(call: &Call<'_>, deleted: &DeletedVault) -> Value {
    let (subscription, vault) = (&call.state.subscription, &deleted.vault);
    let mut body = json!({
        "id": format!("/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{}/deletedVaults/{}", vault.location, vault.name),
        "name": vault.name, "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {"vaultId": resource_ids::vault(subscription, vault), "location": vault.location, "tags": vault.tags,
            "deletionDate": times::seconds(deleted.deleted), "scheduledPurgeDate": times::seconds(deleted.purge_at)},
    });
    if vault.purge_protection {
        body["properties"]["purgeProtectionEnabled"] = json!(true);
    }
    body
}

fn subscription(call: &Call<'_>) -> String {
    format!("/subscriptions/{}", call.state.subscription)
}

pub fn list(call: &Call<'_>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.KeyVault/deletedVaults/read", &subscription(call))?;
    let value: Vec<Value> = call.state.deleted_vaults.values().map(|d| document(call, d)).collect();
    Ok(vaults::add_headers(call, error::list(value)))
}

/// The sandbox has no managed HSMs; `az keyvault list-deleted` lists them together with the vaults.
pub fn list_pools(call: &Call<'_>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.KeyVault/deletedManagedHSMs/read", &subscription(call))?;
    Ok(vaults::add_headers(call, error::list(Vec::new())))
}

fn find<'a>(call: &'a Call<'_>, location: &str, name: &str) -> Result<&'a DeletedVault, Response> {
    let existing = call.state.deleted_vaults.get(&ids::fold(name)).filter(|d| d.vault.location == subscriptions::location(location));
    existing.ok_or_else(|| vaults::add_headers(call, error::body(404, "DeletedVaultNotFound", format!("The specified deleted vault '{name}' does not exist. Ensure that the vault was indeed deleted and that it is in recoverable state. If soft delete was not enabled then the vault is permanently deleted. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2149745"))))
}

pub fn one(call: &Call<'_>, location: &str, name: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.KeyVault/locations/deletedVaults/read", &subscription(call))?;
    let deleted = find(call, location, name)?;
    Ok(vaults::add_headers(call, error::ok(&document(call, deleted))))
}

/// Purges the vault at once and returns an operation to poll.
pub fn purge(call: &mut Call<'_>, location: &str, name: &str) -> Answer {
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.KeyVault/locations/deletedVaults/purge/action", &subscription(call))?;
    let deleted = find(call, location, name)?;
    if deleted.vault.purge_protection {
        return Err(error::body(
            405,
            "MethodNotAllowed",
            "Operation \"DeletedVaultPurge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.",
        ));
    }
    let (place, id) = (deleted.vault.location.clone(), resource_ids::vault(&call.state.subscription, &deleted.vault));
    let key = ids::fold(name);
    call.state.deleted_vaults.remove(&key);
    let elsewhere = |at: &str| at.split_once('/').is_none_or(|(vault, _)| vault != key);
    call.state.secrets.retain(|at, _| elsewhere(at));
    call.state.deleted_secrets.retain(|at, _| elsewhere(at));
    call.state.vault_objects.retain(|at, _| elsewhere(at));
    let run = call.state.next_generation(&id).to_string();
    let operation = ids::hex(&["purge", &id, &run]);
    let polls = u32::from(call.rules.lateness != Lateness::None);
    call.state.operations.insert(operation.clone(), Operation { created: call.now, polls, status: Some("Succeeded".to_owned()) });
    call.changed();
    let url = operations::poll_url(call, &format!("providers/Microsoft.KeyVault/locations/{place}/operationResults/{operation}"));
    Ok(vaults::add_headers(call, Response::new(202).with("location", url).with("retry-after", operations::pause(call, "5"))))
}

pub fn poll(call: &mut Call<'_>, operation: &str) -> Answer {
    let Some(running) = call.state.operations.get_mut(&ids::fold(operation)) else {
        return Err(error::body(404, "ResourceNotFound", "The specified resource does not exist."));
    };
    let created = times::spaced(running.created);
    if running.polls == 0 {
        let status = running.status.clone().unwrap_or_else(|| "Succeeded".to_owned());
        let answer = json!({"createdDateTime": created, "lastActionDateTime": times::spaced(call.now), "status": status});
        return Ok(vaults::add_headers(call, error::ok(&answer)));
    }
    running.polls -= 1;
    call.counted();
    let url = operations::poll_url(call, call.request.path.trim_start_matches('/').splitn(3, '/').nth(2).unwrap_or_default());
    let body = json!({"createdDateTime": created, "status": "NotStarted"});
    Ok(vaults::add_headers(
        call,
        Response::json(202, error::JSON, &body).with("location", url).with("retry-after", operations::pause(call, "5")),
    ))
}
