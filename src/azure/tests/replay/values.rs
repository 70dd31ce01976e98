//! The value that each recorded success must become: the fields that podid reads, taken from the recorded JSON without the client's types.

use super::{calls, record::Record};
use serde_json::{Value, json};

/// Returns the expected value. `served` are all responses of the call in order; the last one has the result.
pub fn of(asked: &Record, served: &[&Record]) -> Value {
    let last = served.last().map(|record| record.answer()).unwrap_or_default();
    let items = || served.iter().flat_map(|page| page.answer().get("value").and_then(Value::as_array).cloned().unwrap_or_default());
    let each = |of: fn(&Value) -> Value| Value::Array(items().map(|item| of(&item)).collect());
    match asked.op.as_str() {
        "aks.GET" => cluster(&last),
        "aks.list.GET" => each(cluster),
        "deletedSecret.GET" => json!({ "name": name_of_secret(&last["id"]), "scheduled_purge_date": last["scheduledPurgeDate"] }),
        "deletedVault.GET" => {
            let p = &last["properties"];
            json!({ "vault_id": p["vaultId"], "location": p["location"], "deletion_date": p["deletionDate"],
                "scheduled_purge_date": p["scheduledPurgeDate"], "tags": tags(p) })
        }
        "graph.sp.list.GET" => items().next().map_or(
            Value::Null,
            |found| json!({ "object_id": found["id"], "app_id": found["appId"], "display_name": found["displayName"] }),
        ),
        "identity.GET" | "identity.PUT" => identity(&last),
        "identity.list.GET" => each(identity),
        "rg.GET" => group(&last),
        "roleAssignment.PUT" => assignment(&last),
        "roleAssignment.list.GET" => {
            let scope = calls::scope(asked).folded();
            let whole = !asked.query.contains("atScope");
            let here = |one: &Value| {
                let at = one["properties"]["scope"].as_str().unwrap_or_default().to_ascii_lowercase();
                at.starts_with("/subscriptions/") && (whole || at == scope)
            };
            Value::Array(items().filter(here).map(|one| assignment(&one)).collect())
        }
        "roleDefinition.list.GET" => {
            let name = calls::role_name(asked).unwrap_or_default();
            let called = |role: &Value| role["properties"]["roleName"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(&name));
            items().find(called).map_or(Value::Null, |role| json!({ "id": role["id"], "name": role["properties"]["roleName"] }))
        }
        "secret.GET" => json!({ "value": last["value"], "info": version(&last) }),
        "secret.PUT" | "secret.PATCH" => version(&last),
        "secret.list.GET" => each(|one| {
            let mut one = version(one);
            one["version"] = Value::Null;
            one
        }),
        "secret.versions.GET" => {
            let enabled: Vec<Value> = items().filter(|one| one["attributes"]["enabled"] == json!(true)).collect();
            let created = |one: &Value| one["attributes"]["created"].as_i64();
            let newest: Vec<&Value> = enabled.iter().filter(|one| created(one) == enabled.iter().filter_map(created).max()).collect();
            match newest.as_slice() {
                [] => Value::Null,
                [one] => version(one),
                // both have the same second, so podid requested the current one from the vault
                _ => version(&last),
            }
        }
        "vault.GET" | "vault.PUT" | "vault.PATCH" => vault(&last),
        "vault.list.GET" => each(vault),
        op if gives_nothing(op) => Value::Null,
        other => panic!("values.rs does not know what {other} gives"),
    }
}

/// Returns whether an operation has no result but success or failure.
pub fn gives_nothing(op: &str) -> bool {
    op.ends_with(".DELETE") || matches!(op, "deletedSecret.recover.POST" | "vault.accessPolicies.PUT")
}

/// Returns what the same call returns if nothing exists.
pub fn absent(asked: &Record) -> Value {
    if asked.op.contains(".list.") { json!([]) } else { Value::Null }
}

fn tags(of: &Value) -> Value {
    of.get("tags").filter(|tags| !tags.is_null()).cloned().unwrap_or_else(|| json!({}))
}

fn group(of: &Value) -> Value {
    let mut told = json!({ "id": of["id"], "location": of["location"] });
    if let Some(tags) = of.get("tags").filter(|tags| !tags.is_null()) {
        told["tags"] = tags.clone();
    }
    told
}

fn identity(of: &Value) -> Value {
    let p = &of["properties"];
    json!({ "id": of["id"], "location": of["location"], "client_id": p["clientId"], "principal_id": p["principalId"],
        "tenant_id": p["tenantId"], "tags": tags(of) })
}

fn assignment(of: &Value) -> Value {
    let p = &of["properties"];
    let mut told = json!({ "id": of["id"], "name": of["name"], "scope": p["scope"], "role_definition_id": p["roleDefinitionId"],
        "principal_id": p["principalId"], "principal_kind": p["principalType"], "description": p["description"] });
    if let Some(condition) = p.get("condition").filter(|condition| !condition.is_null()) {
        told["condition"] = condition.clone();
    }
    if let Some(created) = p["createdOn"].as_str() {
        told["created_on"] = json!(created.parse::<jiff::Timestamp>().unwrap().as_second());
    }
    told
}

fn vault(of: &Value) -> Value {
    let p = &of["properties"];
    let granted = |entry: &Value, to: &str| entry["permissions"].get(to).filter(|names| !names.is_null()).cloned().unwrap_or(json!([]));
    let entry = |entry: &Value| {
        let mut told = json!({ "tenant_id": entry["tenantId"], "object_id": entry["objectId"], "keys": granted(entry, "keys"),
            "secrets": granted(entry, "secrets"), "certificates": granted(entry, "certificates"), "storage": granted(entry, "storage") });
        if let Some(application) = entry.get("applicationId").filter(|id| !id.is_null()) {
            told["application_id"] = application.clone();
        }
        told
    };
    let policies: Vec<Value> = p["accessPolicies"].as_array().into_iter().flatten().map(entry).collect();
    json!({ "id": of["id"], "location": of["location"], "tenant_id": p["tenantId"],
        "uri": format!("{}/", p["vaultUri"].as_str().unwrap_or_default().trim_end_matches('/')),
        "rbac": p["enableRbacAuthorization"] == json!(true), "provisioning": p["provisioningState"], "policies": policies,
        "tags": tags(of), "purge_protection": p["enablePurgeProtection"] == json!(true),
        "sku": p["sku"]["name"].as_str().unwrap_or_default().to_ascii_lowercase(), "retention_days": p["softDeleteRetentionInDays"] })
}

fn cluster(of: &Value) -> Value {
    let p = &of["properties"];
    let kubelet = &p["identityProfile"]["kubeletidentity"];
    let kubelet = match kubelet {
        Value::Null => Value::Null,
        _ => json!({ "client_id": kubelet["clientId"], "object_id": kubelet["objectId"], "resource_id": kubelet["resourceId"] }),
    };
    let assigned =
        of["identity"]["userAssignedIdentities"].as_object().and_then(|all| all.values().next()).map(|one| one["principalId"].clone());
    let control_plane = Some(&of["identity"]["principalId"]).filter(|id| !id.is_null()).cloned().or(assigned).unwrap_or_default();
    let mut addons: Vec<&String> = p["addonProfiles"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, addon)| addon["enabled"] == json!(true))
        .map(|(name, _)| name)
        .collect();
    addons.sort();
    let pool = |pool: &Value| json!({ "name": pool["name"], "kind": pool["type"], "os": pool["osType"], "vm_size": pool["vmSize"], "count": pool["count"] });
    let pools: Vec<Value> = p["agentPoolProfiles"].as_array().into_iter().flatten().map(pool).collect();
    let service_principal = &p["servicePrincipalProfile"]["clientId"];
    json!({ "id": of["id"], "location": of["location"], "fqdn": p["fqdn"], "private_fqdn": p["privateFQDN"],
        "node_resource_group": p["nodeResourceGroup"], "kubelet": kubelet,
        "service_principal_client_id": if *service_principal == json!("msi") { &Value::Null } else { service_principal },
        "control_plane_principal_id": control_plane, "oidc_issuer": p["oidcIssuerProfile"]["issuerURL"],
        "kubernetes_version": p.get("currentKubernetesVersion").unwrap_or(&p["kubernetesVersion"]),
        "network_plugin": p["networkProfile"]["networkPlugin"], "provisioning": p["provisioningState"], "addons": addons,
        "pod_identity_addon": p["podIdentityProfile"]["enabled"] == json!(true), "tags": tags(of),
        "failed": if p["provisioningState"] == "Failed" { json!("Azure gives no reason") } else { Value::Null }, "uid": p["resourceUID"],
        "network_plugin_mode": p["networkProfile"]["networkPluginMode"], "network_policy": p["networkProfile"]["networkPolicy"],
        "workload_identity": p["securityProfile"]["workloadIdentity"]["enabled"] == json!(true),
        "sku": of["sku"]["name"], "tier": of["sku"]["tier"], "pools": pools,
        "node_provisioning": p["nodeProvisioningProfile"]["mode"],
        "node_group_restriction": p["nodeResourceGroupProfile"]["restrictionLevel"],
        "pod_link_local_access": p["networkProfile"]["podLinkLocalAccess"], "safeguards": p["safeguardsProfile"]["level"] })
}

fn version(of: &Value) -> Value {
    let attributes = &of["attributes"];
    let version = of["id"].as_str().unwrap_or_default().split("/secrets/").nth(1).and_then(|rest| rest.split('/').nth(1));
    json!({ "name": name_of_secret(&of["id"]), "version": version, "enabled": attributes["enabled"], "created": attributes["created"],
        "updated": attributes["updated"], "content_type": of["contentType"], "expires": attributes["exp"], "not_before": attributes["nbf"],
        "tags": tags(of) })
}

/// Returns the version in `https://VAULT/secrets/NAME/VERSION`.
fn name_of_secret(id: &Value) -> Option<&str> {
    id.as_str()?.split("/secrets/").nth(1)?.split('/').next()
}
