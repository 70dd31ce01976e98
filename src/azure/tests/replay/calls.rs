//! Maps each record to the call of podid's client that sends the same request. Operations that podid never sends are listed with the
//! reason; an operation in neither list fails the test.

use super::record::{Record, app_id};
use crate::azure::{ArmId, Azure, Error, NewSecret, NewVault, OnWait, PolicyEntry, PrincipalKind, Result, Secret, Tags};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

/// The operations that podid does not send, by the beginning of their names.
const NOT_SENT: &[(&str, &str)] = &[
    ("aks.DELETE", "podid deletes no cluster"),
    ("aks.PATCH", "podid changes no cluster"),
    ("aks.PUT", "podid changes no cluster"),
    ("aks.operation", "podid changes no cluster"),
    ("deletedSecret.DELETE", "podid purges nothing"),
    ("deletedSecret.list", "podid asks for a deleted secret by its name"),
    ("deletedVault.list", "podid asks for a deleted vault by its name"),
    ("deletedVault.purge", "podid purges nothing"),
    ("feature.", "podid registers no feature"),
    ("fic.", "podid writes no federated credential yet"),
    ("graph.getByIds", "podid asks for a service principal by its application id"),
    ("graph.sp.", "podid changes no service principal, and asks for one by its application id"),
    ("identity.PATCH", "podid puts an identity whole"),
    ("provider.", "podid registers no provider"),
    ("rg.", "podid makes and deletes no resource group"),
    ("roleAssignment.GET", "podid lists the assignments of a scope"),
    ("roleDefinition.", "podid makes no role, and finds one by its name"),
    ("secret.backup", "podid backs no secret up"),
    ("secret.restore", "podid restores no secret from a backup"),
    ("secret.version.", "podid asks for the current version"),
    ("storage.", "only the conformance of the sandbox plays storage accounts"),
    ("subscription.", "podid is told its subscription"),
    ("vault.checkName", "podid makes a vault and is told"),
    ("vault.operationResult", "podid purges nothing"),
];

const SENT: &[&str] = &[
    "aks.GET",
    "aks.list.GET",
    "deletedSecret.GET",
    "deletedSecret.recover.POST",
    "deletedVault.GET",
    "graph.sp.list.GET",
    "identity.DELETE",
    "identity.GET",
    "identity.PUT",
    "identity.list.GET",
    "rg.GET",
    "roleAssignment.DELETE",
    "roleAssignment.PUT",
    "roleAssignment.list.GET",
    "roleDefinition.list.GET",
    "secret.DELETE",
    "secret.GET",
    "secret.PATCH",
    "secret.PUT",
    "secret.list.GET",
    "secret.versions.GET",
    "vault.DELETE",
    "vault.GET",
    "vault.PATCH",
    "vault.PUT",
    "vault.accessPolicies.PUT",
    "vault.list.GET",
];

/// Returns why podid sends no such request. None if it does.
pub fn unsent(record: &Record) -> Option<&'static str> {
    let op = record.op.as_str();
    if SENT.contains(&op) {
        let filter = filter(record);
        return match op {
            "roleAssignment.list.GET" if !matches!(filter.as_deref(), Some("atScope()") | None) => Some("podid lists what is at the scope"),
            "roleAssignment.list.GET" if filter.is_none() && scope(record).group_name().is_some() => {
                Some("podid lists what is below only of a subscription")
            }
            "roleDefinition.list.GET" if role_name(record).is_none() => Some("podid finds a role by its name"),
            "graph.sp.list.GET" if filter.as_deref().and_then(app_id).is_none() => {
                Some("podid asks for a service principal by its application id")
            }
            "secret.PATCH" if tags(&record.asked()).is_none() => Some("podid changes a secret's tags only"),
            _ => None,
        };
    }
    let reason = NOT_SENT.iter().find(|(beginning, _)| op.starts_with(beginning));
    Some(reason.unwrap_or_else(|| panic!("{op} is an op that calls.rs does not know: is there a call of podid's client for it?")).1)
}

/// Makes the call and returns the result as plain data, or Null if it has none. With `patient`, the client waits for a missing permission.
pub async fn send(azure: &Azure, record: &Record, patient: bool, on_wait: OnWait) -> Result<Value> {
    let (read, write) = (azure.read(), azure.write(on_wait));
    let asked = record.asked();
    let id = || ArmId::parse(&record.path).unwrap_or_else(|| panic!("{} is not a valid ARM id", record.path));
    let own_tags = tags(&asked).unwrap_or_default();
    let vault = format!("https://{}/", record.host);
    let segments: Vec<&str> = record.path.split('/').filter(|segment| !segment.is_empty()).collect();
    // the path is /secrets/NAME or /deletedsecrets/NAME
    let secret = segments.get(1).copied().unwrap_or_default();
    match record.op.as_str() {
        "aks.GET" => plain(read.cluster(&id()).await),
        "aks.list.GET" => plain(read.clusters(&scope(record)).await),
        "deletedSecret.GET" => plain(read.deleted_secret(&vault, secret).await),
        "deletedSecret.recover.POST" => plain(write.recover_secret(&vault, secret, patient).await),
        "deletedVault.GET" => {
            let after = |word: &str| segments.iter().skip_while(|s| !s.eq_ignore_ascii_case(word)).nth(1).copied().unwrap_or_default();
            plain(read.deleted_vault(after("subscriptions"), after("locations"), after("deletedVaults")).await)
        }
        "graph.sp.list.GET" => plain(read.service_principal(&filter(record).as_deref().and_then(app_id).unwrap_or_default()).await),
        "identity.DELETE" => plain(write.delete_identity(&id()).await),
        "identity.GET" => plain(read.identity(&id()).await),
        "identity.PUT" => plain(write.put_identity(&id(), text(&asked, "/location"), &own_tags).await),
        "identity.list.GET" => plain(read.identities(&scope(record)).await),
        "rg.GET" => plain(read.group(&id()).await),
        "roleAssignment.DELETE" => plain(write.delete_role_assignment(&record.path).await),
        "roleAssignment.PUT" => {
            let (role, principal) = (text(&asked, "/properties/roleDefinitionId"), text(&asked, "/properties/principalId"));
            let kind = match text(&asked, "/properties/principalType") {
                "User" => PrincipalKind::User,
                "Group" => PrincipalKind::Group,
                _ => PrincipalKind::ServicePrincipal,
            };
            // a name of podid's own, because the recorded one belongs to another tool
            let name = uuid::Uuid::new_v4().to_string();
            plain(write.put_role_assignment(&scope(record), &name, role, principal, kind, "of a test").await)
        }
        "roleAssignment.list.GET" if filter(record).is_none() => plain(read.role_assignments_below(&scope(record)).await),
        "roleAssignment.list.GET" => plain(read.role_assignments(&scope(record)).await),
        "roleDefinition.list.GET" => plain(read.role_definition(&scope(record), &role_name(record).unwrap_or_default()).await),
        "secret.DELETE" => plain(write.delete_secret(&vault, secret).await),
        "secret.GET" => write.secret(&vault, secret, patient).await.map(|found| found.map_or(Value::Null, shown)),
        "secret.PATCH" => plain(write.tag_secret(&vault, secret, &own_tags).await),
        "secret.PUT" => {
            let new = NewSecret { value: SecretString::from(text(&asked, "/value")), tags: own_tags, ..NewSecret::default() };
            plain(write.set_secret(&vault, secret, &new, patient).await)
        }
        "secret.list.GET" => plain(read.secrets(&vault).await),
        "secret.versions.GET" => plain(read.secret_version(&vault, secret).await),
        "vault.DELETE" => plain(write.delete_vault(&id()).await),
        "vault.GET" => plain(read.vault(&id()).await),
        "vault.PATCH" => plain(write.tag_vault(&id(), &own_tags).await),
        "vault.PUT" => {
            let new = NewVault {
                id: id(),
                location: text(&asked, "/location").to_owned(),
                tenant_id: text(&asked, "/properties/tenantId").to_owned(),
                rbac: asked.pointer("/properties/enableRbacAuthorization").and_then(Value::as_bool).unwrap_or(false),
                tags: own_tags,
                recover: text(&asked, "/properties/createMode") == "recover",
                sku: None,
                retention_days: None,
                purge_protection: false,
            };
            plain(write.put_vault(&new).await)
        }
        "vault.accessPolicies.PUT" => {
            let (vault, operation) = record.path.split_once("/accessPolicies/").unwrap_or((&record.path, ""));
            let vault = ArmId::parse(vault).unwrap_or_else(id);
            let entry = entry(&asked);
            match operation {
                "add" => plain(write.add_policy(&vault, &entry).await),
                "replace" => plain(write.replace_policy(&vault, &entry).await),
                "remove" => plain(write.remove_policy(&vault, &entry).await),
                other => panic!("{other} is nothing that is done to policies"),
            }
        }
        "vault.list.GET" => plain(read.vaults(&scope(record)).await),
        other => panic!("{other} stands in SENT and is not sent"),
    }
}

fn plain<T: Serialize>(answer: Result<T>) -> Result<Value> {
    answer.and_then(|found| serde_json::to_value(found).map_err(|e| Error::Protocol(e.to_string())))
}

fn shown(secret: Secret) -> Value {
    json!({ "value": secret.value.expose_secret(), "info": secret.info })
}

fn text<'a>(asked: &'a Value, place: &str) -> &'a str {
    asked.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn tags(asked: &Value) -> Option<Tags> {
    serde_json::from_value(asked.get("tags")?.clone()).ok()
}

/// Returns the part of the path before the last `/providers/`: the scope of a list or of an extension.
pub fn scope(record: &Record) -> ArmId {
    let end = record.path.to_ascii_lowercase().rfind("/providers/").unwrap_or(record.path.len());
    ArmId::parse(&record.path[..end]).unwrap_or_else(|| panic!("{} has no scope", record.path))
}

fn filter(record: &Record) -> Option<String> {
    url::form_urlencoded::parse(record.query.as_bytes()).find(|(name, _)| name == "$filter").map(|(_, value)| value.into_owned())
}

pub fn role_name(record: &Record) -> Option<String> {
    Some(filter(record)?.strip_prefix("roleName eq '")?.strip_suffix('\'')?.to_owned())
}

/// Returns the first policy entry of the request. If the recording has no request, the entry is empty.
fn entry(asked: &Value) -> PolicyEntry {
    let one = asked.pointer("/properties/accessPolicies/0").cloned().unwrap_or_default();
    let granted = |place: &str| {
        let names = one.pointer(&format!("/permissions/{place}")).and_then(Value::as_array).cloned().unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    PolicyEntry {
        tenant_id: text(&one, "/tenantId").to_owned(),
        object_id: text(&one, "/objectId").to_owned(),
        application_id: one.get("applicationId").and_then(Value::as_str).map(str::to_owned),
        keys: granted("keys"),
        secrets: granted("secrets"),
        certificates: granted("certificates"),
        storage: granted("storage"),
    }
}
