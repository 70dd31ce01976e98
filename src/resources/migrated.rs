//! What the state has to say of a vault once it uses Azure RBAC: its grants are role assignments now, not entries of access policies, which
//! stay in the vault as the way back. Without this, the next `up` would take them out.

use super::{
    grant::{self, Grant},
    kind::spec_of,
    ownership,
    policy_role::PolicyRole,
    principal,
    role::{self, Role},
    roles,
    vault::{ACCESS_POLICY, MODEL, RBAC, Vault},
    vault_model::VaultModel,
};
use crate::{
    azure::{ArmId, RoleAssignment},
    engine::{
        desired::Requester,
        fault::Fault,
        input::Outputs,
        ledger::{Entry, Ledger, LedgerChange, Origin},
        resource::{Kind as _, Owner},
    },
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Returns the grants of all apps that are entries of this vault's access policies.
pub fn policy_grants<'a>(ledger: &'a Ledger, vault: &'a ArmId) -> impl Iterator<Item = (&'a Entry, Grant)> {
    ledger.entries().filter_map(move |entry| {
        let grant: Grant = spec_of(&entry.kind, &entry.placed)?;
        let here = grant.vault.known().and_then(|id| ArmId::parse(id)).is_some_and(|id| id == *vault);
        (here && grant.model.known().is_some_and(|model| model == ACCESS_POLICY)).then_some((entry, grant))
    })
}

/// Returns whether the state has this vault as one that decides by access policies.
pub fn was_policy_vault(ledger: &Ledger, vault: &ArmId) -> bool {
    ledger.entries().any(|entry| spec_of::<Vault>(&entry.kind, &entry.spec).is_some_and(|known| known.id == *vault && !known.rbac))
}

/// Returns the changes of the ledger for a vault that uses Azure RBAC and has these assignments. A grant without its assignment stays as it
/// is: the next `up` assigns the role.
pub fn changes(ledger: &Ledger, vault: &ArmId, assignments: &[RoleAssignment]) -> Result<Vec<LedgerChange>, Fault> {
    let mut changes = Vec::new();
    for entry in ledger.entries() {
        let is_part = spec_of::<PolicyRole>(&entry.kind, &entry.spec).is_some_and(|part| part.vault == *vault)
            || spec_of::<VaultModel>(&entry.kind, &entry.spec).is_some_and(|part| part.vault == *vault);
        if is_part {
            changes.push(forget(entry));
        } else if spec_of::<Vault>(&entry.kind, &entry.spec).is_some_and(|known| known.id == *vault) {
            let mut outputs = entry.outputs.clone();
            outputs.insert(MODEL.0.to_owned(), json!(RBAC));
            let (spec, placed) = (with(&entry.spec, "rbac", json!(true)), with(&entry.placed, "rbac", json!(true)));
            changes.push(LedgerChange::Put(Arc::new(Entry { spec, placed, outputs, ..entry.clone() })));
        }
    }
    for (entry, grant) in policy_grants(ledger, vault) {
        let principal = grant.principal.get()?;
        let find = |role: &'static str| Some((role, role::find(assignments, roles::guid(role)?, principal)?));
        let Some(found) = grant.roles_instead().into_iter().map(find).collect::<Option<Vec<_>>>() else { continue };
        match found.as_slice() {
            [(_, assignment)] if grant.is_a_role() => changes.push(LedgerChange::Put(Arc::new(as_role(entry, assignment)))),
            _ => {
                changes.push(forget(entry));
                for (role, assignment) in found {
                    changes.push(LedgerChange::Put(Arc::new(role_entry(entry, &grant, role, assignment)?)));
                }
            }
        }
    }
    changes.retain(|change| !ledger.has(change));
    Ok(changes)
}

fn forget(entry: &Entry) -> LedgerChange {
    LedgerChange::Forget { app: entry.app.clone(), key: entry.key.clone() }
}

/// The spec with another value of one field.
fn with(spec: &Arc<Value>, field: &str, value: Value) -> Arc<Value> {
    let mut spec = Value::clone(spec);
    if let Some(map) = spec.as_object_mut() {
        map.insert(field.to_owned(), value);
    }
    Arc::new(spec)
}

/// An assignment that was there before is not podid's to delete.
fn origin(app: &str, assignment: &RoleAssignment) -> Origin {
    match ownership::described(app, assignment.description.as_deref()) {
        Owner::Ours => Origin::Created,
        _ => Origin::Adopted,
    }
}

fn as_role(entry: &Entry, assignment: &RoleAssignment) -> Entry {
    let mut outputs = entry.outputs.clone();
    outputs.remove(grant::ADDED);
    outputs.insert("id".to_owned(), json!(assignment.id));
    let placed = with(&entry.placed, "model", json!(RBAC));
    Entry { placed, outputs, origin: origin(&entry.app, assignment), doing: None, ..entry.clone() }
}

/// A grant of single permissions becomes a role of its principal, because a grant of a vault with RBAC has none.
fn role_entry(entry: &Entry, grant: &Grant, role: &str, assignment: &RoleAssignment) -> Result<Entry, Fault> {
    let wanted: Grant = spec_of(&entry.kind, &entry.spec).ok_or_else(|| Fault::State(format!("{} is not a grant", entry.key)))?;
    let to = wanted.principal.source().unwrap_or_else(|| principal::key(&assignment.principal_id));
    let of = |grant: &Grant| Role {
        role: role.to_owned(),
        scope: grant.vault.clone(),
        principal: grant.principal.clone(),
        principal_kind: grant.principal_kind.clone(),
        at: Some(grant.vault_key.clone()),
        serves: None,
        entries_of: None,
        note: None,
    };
    let outputs: Outputs = [
        ("id".into(), json!(assignment.id)),
        ("scope".into(), json!(assignment.scope)),
        ("principal_id".into(), json!(assignment.principal_id)),
    ]
    .into();
    Ok(Entry {
        key: role::key(role, &to, grant.vault_key.as_str()),
        kind: Role::KIND.to_owned(),
        by: Requester::Command,
        spec: Arc::new(serde_json::to_value(of(&wanted))?),
        placed: Arc::new(serde_json::to_value(of(grant))?),
        outputs,
        origin: origin(&entry.app, assignment),
        left: Vec::new(),
        doing: None,
        ..entry.clone()
    })
}
