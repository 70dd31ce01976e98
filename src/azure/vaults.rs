//! Reads and writes vaults and their access policies. Requests use a newer API version than azure_mgmt_keyvault has, whose models are too
//! strict for responses (a SKU called `Standard` is an error to them) and too lax for creation (an empty `accessPolicies` is omitted).

use super::{
    ArmId, DeletedVault, Error, NewVault, ObjectKind, PolicyEntry, Result, Tags, Vault,
    arm::{self, Arm, KEY_VAULT_VERSION},
    failures::absent,
    id::VAULT,
    operations::{self, Target},
    vault_uri,
    wait::{Poll, REGISTRATION, REPLICATION, Waiter},
};
use azure_mgmt_keyvault::package_preview_2022_02::models;
use serde::Deserialize;
use serde_json::json;
use std::{sync::Mutex, time::Duration};

pub async fn get(arm: &Arm, id: &ArmId) -> Result<Option<Vault>> {
    let (subscription, group, name) = arm::parts(id)?;
    let answer = arm.keyvault.vaults_client().get(group, name, subscription).send().await;
    match absent(answer.map_err(Error::from))? {
        Some(found) => vault(id, arm::body(found.into_raw_response()).await?).map(Some),
        None => Ok(None),
    }
}

pub async fn list(arm: &Arm, scope: &ArmId) -> Result<Vec<Vault>> {
    let found: Vec<VaultBody> = absent(arm.list(scope, VAULT, KEY_VAULT_VERSION).await)?.unwrap_or_default();
    found.into_iter().map(|one| vault(&one.id.clone(), one)).collect()
}

pub async fn deleted(arm: &Arm, subscription: &str, location: &str, name: &str) -> Result<Option<DeletedVault>> {
    let (subscription, location, name) = (arm::segment(subscription)?, arm::segment(location)?, arm::segment(name)?);
    let answer = arm.keyvault.vaults_client().get_deleted(name, location, subscription).send().await;
    match absent(answer.map_err(Error::from))? {
        Some(found) => Ok(Some(arm::body::<DeletedBody>(found.into_raw_response()).await?.properties)),
        None => Ok(None),
    }
}

pub async fn put(arm: &Arm, patience: &Waiter, new: &NewVault) -> Result<Vault> {
    let (_, _, name) = arm::parts(&new.id)?;
    let mut properties = json!({
        "tenantId": new.tenant_id,
        "sku": { "family": "A", "name": new.sku.as_deref().unwrap_or("standard") },
        // without this field a vault gets RBAC from this API version on, and access policies before
        "enableRbacAuthorization": new.rbac,
    });
    if let Some(map) = properties.as_object_mut() {
        if new.recover {
            map.insert("createMode".to_owned(), json!("recover"));
        } else {
            map.insert("accessPolicies".to_owned(), json!([]));
            if let Some(days) = new.retention_days {
                map.insert("softDeleteRetentionInDays".to_owned(), json!(days));
            }
            if new.purge_protection {
                map.insert("enablePurgeProtection".to_owned(), json!(true));
            }
        }
    }
    let wanted = json!({ "location": new.location, "tags": new.tags, "properties": properties });
    let body: VaultBody = unconflicted(patience, name, || async {
        match arm.put(&new.id, KEY_VAULT_VERSION, &wanted).await {
            // the same code is returned if a deleted vault holds the name, and that is permanent
            Err(Error::Conflict { code, message }) if code == "ConflictError" && !new.recover => {
                let taken = deleted(arm, new.id.subscription_id(), &new.location, name).await.is_ok_and(|found| found.is_some());
                let code = if taken { "VaultAlreadyExists".to_owned() } else { code };
                Err(Error::Conflict { code, message })
            }
            other => other,
        }
    })
    .await?;
    settled(arm, patience, &new.id, Some(vault(&new.id, body)?)).await
}

/// Waits until the vault is `Succeeded`. `first` is its state as far as it is known.
pub async fn settled(arm: &Arm, patience: &Waiter, id: &ArmId, first: Option<Vault>) -> Result<Vault> {
    let name = id.name();
    let made = std::sync::Mutex::new(first);
    let what = format!("the vault {name}");
    patience
        .until(&what, REGISTRATION, || async {
            let kept = made.lock().unwrap_or_else(|poison| poison.into_inner()).take();
            let vault = match kept {
                Some(vault) => vault,
                // a GET right after the PUT may return 404
                None => match get(arm, id).await? {
                    Some(vault) => vault,
                    None => return Ok(Poll::Wait(format!("waiting for the vault {name} to appear"))),
                },
            };
            match vault.provisioning.as_deref() {
                None | Some("Succeeded") => Ok(Poll::Done(vault)),
                Some("Failed") => {
                    Err(Error::Refused { status: 200, code: "Failed".to_owned(), message: format!("the vault {name} could not be set up") })
                }
                Some(_) => Ok(Poll::Wait(format!("waiting for DNS to publish the name of the vault {name}"))),
            }
        })
        .await
}

/// Retries a write while another writer changes the same vault: "The Key Vault '…' changed from the point the operation began".
/// <https://learn.microsoft.com/azure/key-vault/general/common-error-codes>
async fn unconflicted<T, F: Future<Output = Result<T>>>(patience: &Waiter, vault: &str, mut write: impl FnMut() -> F) -> Result<T> {
    let what = format!("the vault {vault}");
    patience
        .until(&what, REPLICATION, || {
            let answer = write();
            async move {
                match answer.await {
                    Err(Error::Conflict { code, .. }) if transient(&code) => {
                        Ok(Poll::Wait(format!("waiting for another change of the vault {vault} to end")))
                    }
                    other => other.map(Poll::Done),
                }
            }
        })
        .await
}

fn transient(code: &str) -> bool {
    matches!(code, "ConflictError" | "AnotherOperationInProgress" | "RetryableErrorDueToAnotherOperation")
}

pub async fn tag(arm: &Arm, patience: &Waiter, id: &ArmId, tags: &Tags) -> Result<Vault> {
    patch(arm, patience, id, json!({ "tags": tags })).await
}

/// Turns purge protection on, which no request turns off again.
pub async fn protect(arm: &Arm, patience: &Waiter, id: &ArmId) -> Result<Vault> {
    patch(arm, patience, id, json!({ "properties": { "enablePurgeProtection": true } })).await
}

/// Makes role assignments decide who may use the vault's data. Azure keeps the access policies, which then have no effect.
pub async fn use_rbac(arm: &Arm, patience: &Waiter, id: &ArmId) -> Result<Vault> {
    patch(arm, patience, id, json!({ "properties": { "enableRbacAuthorization": true } })).await
}

/// Changes only the fields in `wanted`. A list of access policies in it would replace those of others.
async fn patch(arm: &Arm, patience: &Waiter, id: &ArmId, wanted: serde_json::Value) -> Result<Vault> {
    let (_, _, name) = arm::parts(id)?;
    let what = format!("the vault {name}");
    let target = Target { id, version: KEY_VAULT_VERSION, what: &what };
    let body: VaultBody = unconflicted(patience, name, || operations::patch(arm, patience, target, &wanted)).await?;
    vault(id, body)
}

pub async fn delete(arm: &Arm, patience: &Waiter, id: &ArmId) -> Result<()> {
    let (_, _, name) = arm::parts(id)?;
    let what = format!("the vault {name}");
    operations::delete(arm, patience, Target { id, version: KEY_VAULT_VERSION, what: &what }).await
}

/// Changes an access policy. `operation` is add, replace or remove.
pub async fn policy(arm: &Arm, patience: &Waiter, vault: &ArmId, operation: &str, entry: &PolicyEntry) -> Result<()> {
    let (subscription, group, name) = arm::parts(vault)?;
    let permissions = models::Permissions {
        keys: entry.keys.clone(),
        secrets: entry.secrets.clone(),
        certificates: entry.certificates.clone(),
        storage: entry.storage.clone(),
    };
    let mut one = models::AccessPolicyEntry::new(entry.tenant_id.clone(), entry.object_id.clone(), permissions);
    one.application_id = entry.application_id.clone();
    let wanted = models::VaultAccessPolicyParameters::new(models::VaultAccessPolicyProperties::new(vec![one]));
    let write = || async {
        let asked = arm.keyvault.vaults_client().update_access_policy(group, name, operation, wanted.clone(), subscription);
        asked.send().await.map(drop).map_err(Error::from)
    };
    let answer = unconflicted(patience, name, write).await;
    if operation == "remove" { absent(answer).map(drop) } else { answer }
}

/// The time limit for reading back: a response may come from a cache without the removal. A permission that stays longer was not removed.
const READ_BACK: Duration = Duration::from_secs(15);

/// Reads the vault until none of these permissions is in the principal's entry. Azure returns 200 even for a removal that removed
/// nothing: <https://github.com/Azure/azure-rest-api-specs/issues/42963>.
pub async fn revoked(arm: &Arm, patience: &Waiter, vault: &ArmId, object_id: &str, permissions: (ObjectKind, &[String])) -> Result<()> {
    let (_, _, name) = arm::parts(vault)?;
    let patience = Waiter { limit: patience.limit.min(READ_BACK), on_wait: patience.on_wait.clone() };
    let last: Mutex<Option<PolicyEntry>> = Mutex::default();
    let read = patience.until("the removal", REPLICATION, || async {
        let entry = get(arm, vault).await?.and_then(|vault| vault.policy_of(object_id).cloned());
        let stays = entry.as_ref().is_some_and(|entry| !of_these(entry, permissions).is_empty());
        *last.lock().unwrap_or_else(|poison| poison.into_inner()) = entry;
        match stays {
            true => Ok(Poll::Wait(format!("waiting for the vault {name} to drop the access policy"))),
            false => Ok(Poll::Done(())),
        }
    });
    match read.await {
        Err(Error::NotYet { .. }) => {
            let last = last.into_inner().unwrap_or_else(|poison| poison.into_inner());
            Err(last.map_or_else(
                || Error::Protocol("the policy was deleted and is still listed".to_owned()),
                |entry| not_removed(name, &entry, permissions),
            ))
        }
        other => other,
    }
}

fn of_these(entry: &PolicyEntry, (objects, permissions): (ObjectKind, &[String])) -> Vec<String> {
    entry.of(objects).iter().filter(|word| permissions.iter().any(|p| p.eq_ignore_ascii_case(word))).cloned().collect()
}

fn not_removed(vault: &str, entry: &PolicyEntry, permissions: (ObjectKind, &[String])) -> Error {
    let (stays, object_id, objects) = (of_these(entry, permissions), &entry.object_id, permissions.0);
    let kept: Vec<&str> = entry.of(objects).iter().filter(|word| !stays.contains(word)).map(String::as_str).collect();
    let command = if kept.is_empty() && entry.clone().with(objects, Vec::new()).is_empty() {
        format!("az keyvault delete-policy --name {vault} --object-id {object_id}")
    } else {
        // az takes an empty list for none, and no empty word
        let flag = objects.plural().trim_end_matches('s');
        format!("az keyvault set-policy --name {vault} --object-id {object_id} --{flag}-permissions {}", kept.join(" "))
            .trim_end()
            .to_owned()
    };
    Error::NotDone {
        message: format!(
            "the vault {vault} still lets {object_id} use {} of its {}, although Azure answered that this was removed",
            stays.join(", "),
            objects.plural()
        ),
        way_out: format!("Remove it with `{command}`, then run the same command again: podid still has it in its state."),
    }
}

#[derive(Deserialize)]
struct VaultBody {
    id: ArmId,
    #[serde(default)]
    location: String,
    #[serde(default)]
    tags: Option<Tags>,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    tenant_id: String,
    vault_uri: Option<String>,
    enable_rbac_authorization: Option<bool>,
    enable_purge_protection: Option<bool>,
    public_network_access: Option<String>,
    network_acls: Option<NetworkBody>,
    soft_delete_retention_in_days: Option<u8>,
    sku: Option<SkuBody>,
    provisioning_state: Option<String>,
    access_policies: Option<Vec<PolicyBody>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkBody {
    default_action: Option<String>,
}

impl Properties {
    /// Whether public access is off, so that only private endpoints lead to it.
    fn is_private(&self) -> bool {
        self.public_network_access.as_deref().is_some_and(|access| access.eq_ignore_ascii_case("Disabled"))
    }

    /// Whether it answers everybody who has a token: neither is public access off, nor does its firewall deny what it does not know.
    fn is_public(&self) -> bool {
        let denies = self.network_acls.as_ref().and_then(|acls| acls.default_action.as_deref());
        !self.is_private() && !denies.is_some_and(|action| action.eq_ignore_ascii_case("Deny"))
    }
}

#[derive(Deserialize)]
struct SkuBody {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyBody {
    tenant_id: String,
    object_id: String,
    application_id: Option<String>,
    #[serde(default)]
    permissions: PermissionsBody,
}

#[derive(Default, Deserialize)]
struct PermissionsBody {
    keys: Option<Vec<String>>,
    secrets: Option<Vec<String>>,
    certificates: Option<Vec<String>>,
    storage: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct DeletedBody {
    #[serde(deserialize_with = "deleted_properties")]
    properties: DeletedVault,
}

fn deleted_properties<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<DeletedVault, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct HttpPipeline {
        vault_id: ArmId,
        #[serde(default)]
        location: String,
        deletion_date: Option<String>,
        scheduled_purge_date: Option<String>,
        #[serde(default)]
        tags: Option<Tags>,
    }
    let pipeline = HttpPipeline::deserialize(from)?;
    Ok(DeletedVault {
        vault_id: pipeline.vault_id,
        location: pipeline.location,
        deletion_date: pipeline.deletion_date,
        scheduled_purge_date: pipeline.scheduled_purge_date,
        tags: pipeline.tags.unwrap_or_default(),
    })
}

/// Converts a vault's body. `asked` is the vault that was requested; tokens and secrets will go to the address in the body.
fn vault(asked: &ArmId, body: VaultBody) -> Result<Vault> {
    let properties = body.properties;
    let (is_public, is_private) = (properties.is_public(), properties.is_private());
    // the response to a PUT has no trailing slash, that to a GET has one
    let uri = properties.vault_uri.unwrap_or_else(|| format!("https://{}.vault.azure.net", asked.name()));
    Ok(Vault {
        location: body.location,
        tenant_id: properties.tenant_id,
        uri: vault_uri::checked(asked, &uri)?,
        rbac: properties.enable_rbac_authorization.unwrap_or(false),
        provisioning: properties.provisioning_state,
        policies: properties.access_policies.unwrap_or_default().into_iter().map(PolicyEntry::from).collect(),
        tags: body.tags.unwrap_or_default(),
        purge_protection: properties.enable_purge_protection.unwrap_or(false),
        sku: properties.sku.map(|sku| sku.name.to_ascii_lowercase()).unwrap_or_default(),
        is_public,
        is_private,
        retention_days: properties.soft_delete_retention_in_days,
        id: body.id,
    })
}

impl From<PolicyBody> for PolicyEntry {
    fn from(policy: PolicyBody) -> Self {
        let granted = policy.permissions;
        PolicyEntry {
            tenant_id: policy.tenant_id,
            object_id: policy.object_id,
            application_id: policy.application_id,
            keys: granted.keys.unwrap_or_default(),
            secrets: granted.secrets.unwrap_or_default(),
            certificates: granted.certificates.unwrap_or_default(),
            storage: granted.storage.unwrap_or_default(),
        }
    }
}
