//! The body of a vault's PUT or PATCH: its types, its values, and its required fields.

use super::{
    error,
    field_types::{self, FieldType, FieldTypes},
    ids, policies,
    state::{Policy, Vault},
};
use crate::http::Response;
use serde_json::{Map, Value, json};

pub fn bad(message: impl Into<String>) -> Response {
    error::body(400, "BadRequest", message)
}

pub fn is_valid_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Applies a PUT and checks its required fields. An empty list of policies is accepted; a missing one is rejected unless the vault uses
/// Azure RBAC.
pub fn complete(now: i64, vault: &mut Vault, properties: &Map<String, Value>) -> Result<Vec<Policy>, Response> {
    let policies = settle(now, vault, properties)?;
    if vault.tenant_id.is_empty() {
        return Err(bad("The parameter tenantId is not specified."));
    }
    if vault.sku.is_null() {
        return Err(bad("The parameter sku is not specified."));
    }
    match policies {
        Some(list) => Ok(list),
        None if vault.rbac == Some(true) => Ok(Vec::new()),
        None => Err(bad("The parameter accessPolicies is not specified.")),
    }
}

/// The types of a vault's properties.
const TYPES: FieldTypes = &[
    ("tenantId", FieldType::Text),
    ("sku", FieldType::Object),
    ("sku.family", FieldType::Text),
    ("sku.name", FieldType::Text),
    ("enabledForDeployment", FieldType::Flag),
    ("enabledForDiskEncryption", FieldType::Flag),
    ("enabledForTemplateDeployment", FieldType::Flag),
    ("enableRbacAuthorization", FieldType::Flag),
    ("enablePurgeProtection", FieldType::Flag),
    ("enableSoftDelete", FieldType::Flag),
    ("softDeleteRetentionInDays", FieldType::Number),
    ("createMode", FieldType::Text),
    ("publicNetworkAccess", FieldType::Text),
    ("accessPolicies", FieldType::List),
    ("networkAcls", FieldType::Object),
    ("networkAcls.bypass", FieldType::Text),
    ("networkAcls.defaultAction", FieldType::Text),
    ("networkAcls.ipRules", FieldType::List),
    ("networkAcls.ipRules[].value", FieldType::Text),
    ("networkAcls.virtualNetworkRules", FieldType::List),
    ("networkAcls.virtualNetworkRules[].id", FieldType::Text),
];

/// Rejects properties with wrong types.
pub fn check(properties: &Map<String, Value>) -> Result<(), Response> {
    match field_types::mismatch(properties, TYPES) {
        None => Ok(()),
        Some(wrong) => Err(bad(format!("An invalid value was provided for '{}'.", wrong.field.replace("[]", "")))),
    }
}

pub fn settle(now: i64, vault: &mut Vault, p: &Map<String, Value>) -> Result<Option<Vec<Policy>>, Response> {
    check(p)?;
    let text = |name: &str| p.get(name).and_then(Value::as_str);
    let flag = |name: &str| p.get(name).and_then(Value::as_bool);
    if let Some(tenant) = text("tenantId") {
        if !ids::is_guid(tenant) {
            return Err(bad("The parameter tenantId has an invalid value."));
        }
        vault.tenant_id = ids::fold(tenant);
    }
    if let Some(sku) = p.get("sku").and_then(Value::as_object) {
        let word = |name: &str| sku.get(name).and_then(Value::as_str).unwrap_or_default();
        if !word("family").eq_ignore_ascii_case("A") || !["standard", "premium"].iter().any(|s| s.eq_ignore_ascii_case(word("name"))) {
            return Err(bad("The parameter sku has an invalid value."));
        }
        vault.sku = json!({"family": "A", "name": ids::fold(word("name"))});
    }
    for name in ["enabledForDeployment", "enabledForDiskEncryption", "enabledForTemplateDeployment"] {
        if let Some(value) = flag(name) {
            vault.enabled_for.insert(name.to_owned(), value);
        }
    }
    if let Some(rbac) = flag("enableRbacAuthorization") {
        vault.rbac = Some(rbac);
    }
    match flag("enablePurgeProtection") {
        Some(true) => vault.purge_protection = true,
        Some(false) => {
            return Err(bad(
                "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.",
            ));
        }
        None => {}
    }
    if let Some(days) = p.get("softDeleteRetentionInDays").and_then(Value::as_i64)
        && days != vault.retention_days
    {
        return Err(bad("The property \"softDeleteRetentionInDays\" has been set already and it can't be modified."));
    }
    if let Some(acls) = p.get("networkAcls").and_then(Value::as_object) {
        let part = |name: &str, or: Value| acls.get(name).filter(|v| !v.is_null()).cloned().unwrap_or(or);
        let rules = json!({"bypass": part("bypass", json!("AzureServices")), "defaultAction": part("defaultAction", json!("Allow")),
            "ipRules": part("ipRules", json!([])), "virtualNetworkRules": part("virtualNetworkRules", json!([]))});
        // rules that allow everyone are not returned, as recorded
        let open = json!({"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []});
        vault.network_acls = Some(rules).filter(|rules| *rules != open);
    }
    if let Some(access) = text("publicNetworkAccess") {
        vault.public_network_access = access.to_owned();
    }
    match p.get("accessPolicies") {
        None | Some(Value::Null) => Ok(None),
        Some(list) => policies::parse(list, now).map(Some),
    }
}
