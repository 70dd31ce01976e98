//! Key vaults in ARM. A new vault registers its DNS name first; a deleted one keeps its name. `policies` has the access policies, `secrets`
//! the contents.

use super::{
    access,
    call::{Answer, Call},
    error::{self, gateway},
    hosts, ids, policies, providers, removal, resource_ids,
    state::{DeletedVault, Group, State, Vault},
    subscriptions, times, vault_body,
};
use crate::{
    http::Response,
    lateness::{DelayKind, Late, Lateness},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

const KIND: &str = resource_ids::VAULT;

/// The first version whose new vaults use Azure RBAC by default (Key Vault documentation, "access control default").
const RBAC_DEFAULT: &str = "2026-02-01";
/// The first version whose new vaults return that they have soft delete: the first one with a default in the swagger
/// (`specification/keyvault/resource-manager/Microsoft.KeyVault` in Azure/azure-rest-api-specs).
const SOFT_DELETE_DEFAULT: &str = "2019-09-01";
/// The first version whose new vaults return the number of days as well (recorded: 2019-09-01 does not).
const DAYS_DEFAULT: &str = "2020-01-01";

pub fn uri(vault: &Vault) -> String {
    format!("https://{}{}/", ids::fold(&vault.name), hosts::VAULT_SUFFIX)
}

pub fn document(state: &State, vault: &Vault, api_version: &str) -> Value {
    let mut p = Map::new();
    p.insert("sku".into(), vault.sku.clone());
    p.insert("tenantId".into(), json!(vault.tenant_id));
    if let Some(acls) = &vault.network_acls {
        p.insert("networkAcls".into(), acls.clone());
    }
    p.insert("accessPolicies".into(), vault.policies.iter().map(policies::document).collect());
    p.insert("enabledForDeployment".into(), json!(vault.enabled_for.get("enabledForDeployment").copied().unwrap_or(false)));
    for name in ["enabledForDiskEncryption", "enabledForTemplateDeployment"] {
        if let Some(value) = vault.enabled_for.get(name) {
            p.insert(name.into(), json!(value));
        }
    }
    if !vault.hides_soft_delete {
        p.insert("enableSoftDelete".into(), json!(true));
    }
    if !vault.hides_days {
        p.insert("softDeleteRetentionInDays".into(), json!(vault.retention_days));
    }
    if let Some(rbac) = vault.rbac {
        p.insert("enableRbacAuthorization".into(), json!(rbac));
    }
    if vault.purge_protection {
        p.insert("enablePurgeProtection".into(), json!(true));
    }
    p.insert("vaultUri".into(), json!(uri(vault)));
    p.insert("provisioningState".into(), json!(if vault.registering.is_some() { "RegisteringDns" } else { "Succeeded" }));
    if api_version >= "2021-06-01" {
        p.insert("publicNetworkAccess".into(), json!(vault.public_network_access));
    }
    let mut body = json!({"id": resource_ids::vault(&state.subscription, vault), "name": vault.name, "type": KIND, "location": vault.location, "tags": vault.tags});
    if api_version >= "2020-04-01" {
        body["systemData"] = json!({"createdBy": vault.created_by, "createdByType": "Application", "createdAt": times::millis(vault.created),
            "lastModifiedBy": vault.modified_by, "lastModifiedByType": "Application", "lastModifiedAt": times::millis(vault.modified)});
    }
    body["properties"] = Value::Object(p);
    body
}

fn show(call: &Call<'_>, vault: &Vault) -> Value {
    document(call.state, vault, &call.api_version())
}

/// Adds the provider's own headers to answers that came from the provider.
pub fn add_headers(call: &Call<'_>, response: Response) -> Response {
    let response = response.with("x-ms-keyvault-service-version", "2.2.922.0").with("x-aspnet-version", "4.0.30319");
    let response = match call.request.header("x-ms-client-request-id") {
        Some(id) => response.with("x-ms-client-request-id", id),
        None => response,
    };
    if call.api_version().as_str() < RBAC_DEFAULT {
        return response.with("azure-deprecating", "Due to an RBAC security default, Key Vault's Resource Manager API versions older than 2026-02-01 will retire on 2027-04-01 (https://learn.microsoft.com/en-us/azure/key-vault/general/access-control-default?tabs=azure-cli)");
    }
    response
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, "Microsoft.KeyVault/vaults/read", &scope)?;
    let all = call.state.vaults.values().filter(|v| group.is_none_or(|g| v.group.eq_ignore_ascii_case(g)));
    Ok(add_headers(call, page(call, all)))
}

/// Returns a page of up to `$top` vaults by name. A page with vaults always links to the next one, which may be empty, as recorded.
fn page<'a>(call: &Call<'_>, all: impl Iterator<Item = &'a Vault>) -> Response {
    let after = call.request.query("$skiptoken").and_then(|t| URL_SAFE_NO_PAD.decode(t).ok()).and_then(|t| String::from_utf8(t).ok());
    let rest = all.skip_while(|v| after.as_ref().is_some_and(|a| ids::fold(&v.name) <= *a));
    let most = call.request.query("$top").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
    let shown: Vec<&Vault> = rest.take(most.unwrap_or(usize::MAX)).collect();
    let values: Vec<Value> = shown.iter().map(|v| show(call, v)).collect();
    let Some(last) = shown.last() else { return error::list(values) };
    let (path, version, token) = (&call.request.path, call.api_version(), URL_SAFE_NO_PAD.encode(ids::fold(&last.name)));
    let top = most.map_or(String::new(), |most| format!("&$top={most}"));
    let link = format!("https://{}{path}?api-version={version}{top}&$skiptoken={token}", hosts::ARM_HOST);
    error::ok(&json!({"value": values, "nextLink": link}))
}

/// Returns the vault of this name in this group.
pub fn find(call: &Call<'_>, group: &Group, name: &str) -> Result<Vault, Response> {
    let existing = call.state.vaults.get(&ids::fold(name)).filter(|v| v.group.eq_ignore_ascii_case(&group.name));
    existing.cloned().ok_or_else(|| error::resource_not_found(KIND, name, &group.name))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let action = |verb: &str| format!("{KIND}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &scope)?;
            let mut vault = find(call, group, name)?;
            if let Some(late) = &mut vault.registering {
                if !late.refuses(call.rules.lateness, call.now) {
                    vault.registering = None;
                }
                call.state.vaults.insert(ids::fold(name), vault.clone());
                call.counted();
            }
            Ok(add_headers(call, error::ok(&show(call, &vault))))
        }
        "PUT" => {
            access::require(call, &action("write"), &scope)?;
            providers::require(call, "Microsoft.KeyVault")?;
            let response = put(call, group, name).unwrap_or_else(|refusal| refusal);
            Ok(add_headers(call, response))
        }
        "PATCH" => {
            access::require(call, &action("write"), &scope)?;
            let mut vault = find(call, group, name)?;
            let body = error::object(call)?;
            if let Some(tags) = error::tags(&body) {
                vault.tags = tags;
            }
            let empty = Map::new();
            let properties = body.get("properties").and_then(Value::as_object).unwrap_or(&empty);
            let policies = vault_body::settle(call.now, &mut vault, properties)?;
            if let Some(list) = policies {
                policies::set(call, &mut vault, list);
            }
            let response = keep(call, vault);
            Ok(add_headers(call, response))
        }
        "DELETE" => {
            access::require(call, &action("delete"), &scope)?;
            if find(call, group, name).is_err() {
                return Ok(add_headers(call, Response::new(204)));
            }
            removal::vault(call, name);
            Ok(add_headers(call, Response::new(200)))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

fn keep(call: &mut Call<'_>, mut vault: Vault) -> Response {
    vault.modified = call.now;
    vault.modified_by.clone_from(&call.caller.app_id);
    let body = show(call, &vault);
    call.state.vaults.insert(ids::fold(&vault.name), vault);
    call.changed();
    error::ok(&body)
}

fn name_taken(name: &str) -> Response {
    error::body(
        409,
        "VaultAlreadyExists",
        format!(
            "The vault name '{name}' is already in use. Vault names are globaly unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information on soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740."
        ),
    )
}

fn put(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let body = error::object(call)?;
    if !vault_body::is_valid_name(name) {
        return Err(error::body(
            400,
            "VaultNameNotValid",
            format!(
                "The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742"
            ),
        ));
    }
    let location = subscriptions::place_of(&body)?;
    let properties =
        body.get("properties").and_then(Value::as_object).ok_or_else(|| vault_body::bad("The parameter properties is not specified."))?;
    vault_body::check(properties)?;
    let recover = properties.get("createMode").and_then(Value::as_str).is_some_and(|m| m.eq_ignore_ascii_case("recover"));
    let key = ids::fold(name);
    if let Some(existing) = call.state.vaults.get(&key).cloned() {
        if !existing.group.eq_ignore_ascii_case(&group.name) {
            return Err(name_taken(name));
        }
        if existing.location != location {
            return Err(error::other_location(name, &group.name, &existing.location, &location));
        }
        if recover {
            return Ok(error::ok(&show(call, &existing)));
        }
        return update(call, existing, &body, properties);
    }
    match (call.state.deleted_vaults.get(&key).cloned(), recover) {
        (Some(deleted), true) if deleted.vault.group.eq_ignore_ascii_case(&group.name) && deleted.vault.location == location => {
            Ok(restore(call, deleted))
        }
        (_, true) => Err(error::body(
            404,
            "SoftDeletedVaultDoesNotExist",
            format!(
                "A soft deleted vault with the given name '{name}' does not exist in location '{location}'. Ensure that the name, the resource group and the location are those of the deleted vault."
            ),
        )),
        (Some(_), false) => Err(name_taken(name)),
        (None, false) => create(call, group, name, &location, &body, properties),
    }
}

fn restore(call: &mut Call<'_>, deleted: DeletedVault) -> Response {
    let mut vault = deleted.vault;
    call.state.deleted_vaults.remove(&ids::fold(&vault.name));
    vault.registering = registering(call);
    created_answer(keep(call, vault))
}

/// Without simulated delays the name is registered at once, because clients poll only every half minute.
fn registering(call: &Call<'_>) -> Option<Late> {
    let lateness = call.rules.lateness;
    (lateness != Lateness::None).then(|| Late::new(DelayKind::VaultName, lateness, call.now))
}

/// Adapts the answer to the PUT that creates a vault: until its name is registered, `vaultUri` has no slash at its end.
fn created_answer(response: Response) -> Response {
    match response.body {
        crate::http::Body::Full(ref bytes) => match serde_json::from_slice::<Value>(bytes) {
            Ok(mut body) if body["properties"]["provisioningState"] == "RegisteringDns" => {
                if let Some(address) = body["properties"]["vaultUri"].as_str().map(|u| u.trim_end_matches('/').to_owned()) {
                    body["properties"]["vaultUri"] = json!(address);
                }
                error::ok(&body)
            }
            _ => response,
        },
        crate::http::Body::Stream(_) => response,
    }
}

fn create(
    call: &mut Call<'_>,
    group: &Group,
    name: &str,
    location: &str,
    body: &Map<String, Value>,
    properties: &Map<String, Value>,
) -> Answer {
    let rbac = match properties.get("enableRbacAuthorization").and_then(Value::as_bool) {
        Some(rbac) => Some(rbac),
        None if call.api_version().as_str() >= RBAC_DEFAULT => Some(true),
        None => None,
    };
    let version = call.api_version();
    let is_set = |name: &str| properties.get(name).is_some_and(|value| !value.is_null());
    let mut vault = Vault {
        name: name.to_owned(),
        group: group.name.clone(),
        location: location.to_owned(),
        tags: error::tags(body).unwrap_or_default(),
        sku: Value::Null,
        tenant_id: String::new(),
        policies: Vec::new(),
        network_acls: None,
        enabled_for: Default::default(),
        retention_days: 90,
        hides_soft_delete: !is_set("enableSoftDelete") && version.as_str() < SOFT_DELETE_DEFAULT,
        hides_days: !is_set("softDeleteRetentionInDays") && (is_set("enableSoftDelete") || version.as_str() < DAYS_DEFAULT),
        rbac,
        purge_protection: false,
        public_network_access: "Enabled".to_owned(),
        created: call.now,
        created_by: call.caller.app_id.clone(),
        modified: call.now,
        modified_by: call.caller.app_id.clone(),
        registering: registering(call),
    };
    if let Some(days) = properties.get("softDeleteRetentionInDays").and_then(Value::as_i64) {
        if !(7..=90).contains(&days) {
            return Err(vault_body::bad("The property \"softDeleteRetentionInDays\" must be between 7 and 90."));
        }
        vault.retention_days = days;
    }
    let list = vault_body::complete(call.now, &mut vault, properties)?;
    policies::set(call, &mut vault, list);
    let response = keep(call, vault);
    Ok(created_answer(response))
}

/// Updates an existing vault by PUT: missing tags and policies are removed, the permission model stays.
fn update(call: &mut Call<'_>, mut vault: Vault, body: &Map<String, Value>, properties: &Map<String, Value>) -> Answer {
    vault.tags = error::tags(body).unwrap_or_default();
    if properties.get("enableSoftDelete").is_some_and(Value::is_boolean) {
        vault.hides_soft_delete = false;
    }
    let list = vault_body::complete(call.now, &mut vault, properties)?;
    policies::set(call, &mut vault, list);
    Ok(keep(call, vault))
}

pub fn check_name(call: &Call<'_>) -> Answer {
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.KeyVault/checkNameAvailability/read", &format!("/subscriptions/{}", call.state.subscription))?;
    let body = error::object(call)?;
    let name =
        body.get("name").and_then(Value::as_str).ok_or_else(|| gateway(400, "BadRequest", "The parameter name is not specified."))?;
    let key = ids::fold(name);
    let answer = if !vault_body::is_valid_name(name) {
        json!({"nameAvailable": false, "reason": "AccountNameInvalid", "message": format!("The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.")})
    } else if call.state.vaults.contains_key(&key) || call.state.deleted_vaults.contains_key(&key) {
        json!({"nameAvailable": false, "reason": "AlreadyExists", "message": format!("The name '{name}' is already in use.")})
    } else {
        json!({"nameAvailable": true})
    };
    Ok(add_headers(call, error::ok(&answer)))
}
