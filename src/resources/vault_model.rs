//! The switch of a vault from access policies to Azure RBAC, by a PATCH with nothing else (`podid vault migrate-to-rbac`). It comes after the
//! roles that replace the policies. podid never switches back.

use super::{
    kind::Resource,
    ownership,
    role::guid_of,
    vault::{ACCESS_POLICY, MODEL, RBAC, switch_command},
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, PolicyEntry, RoleAssignment},
    engine::{
        fault::Fault,
        input::Outputs,
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultModel {
    pub vault: ArmId,
    /// The policies that the roles were worked out from.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// The assignments that must be listed before: a role's GUID and a principal's object id.
    #[serde(default)]
    pub roles: Vec<(String, String)>,
    /// What no role gives: a sentence for each policy.
    #[serde(default)]
    pub unmatched: Vec<String>,
    /// Whether that may be lost.
    #[serde(default)]
    pub may_lose: bool,
    /// What else is to be known of the policies.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The age in seconds that the newest assignment must have.
    #[serde(default)]
    pub settle: u64,
}

pub fn key(vault: &str) -> Key {
    Key::of(VaultModel::KIND, [vault])
}

/// Compares access policies without regard to their order.
fn same(some: &[PolicyEntry], others: &[PolicyEntry]) -> bool {
    some.len() == others.len() && some.iter().all(|one| others.contains(one))
}

impl VaultModel {
    async fn settled(&self, assignments: &[RoleAssignment], writer: &Writer) {
        let needed = |one: &&RoleAssignment| {
            let is = |(role, principal): &(String, String)| {
                role.eq_ignore_ascii_case(guid_of(&one.role_definition_id)) && principal.eq_ignore_ascii_case(&one.principal_id)
            };
            self.roles.iter().any(is)
        };
        let newest = assignments.iter().filter(needed).filter_map(|one| one.created_on).max();
        let age = newest.map_or(u64::MAX, |newest| u64::try_from(jiff::Timestamp::now().as_second() - newest).unwrap_or_default());
        let left = self.settle.saturating_sub(age);
        if left > 0 {
            (writer.on_wait)(format!(
                "all {} role assignments are listed; waiting {left} s more, until the newest is {} s old and can be expected to count",
                self.roles.len(),
                self.settle
            ));
            tokio::time::sleep(Duration::from_secs(left)).await;
        }
    }
}

impl Kind<Cloud> for VaultModel {
    const KIND: &'static str = "vaultmodel";
    const SIDE: Side = Side::Azure;
    type Actual = azure::Vault;

    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<azure::Vault>, Fault> {
        reader.azure.vault(&self.vault).await.map_err(Fault::cloud)
    }
    fn diff(&self, _: NodeContext<'_>, actual: &azure::Vault) -> Diff {
        if actual.rbac {
            return Diff::Same;
        }
        if !self.unmatched.is_empty() && !self.may_lose {
            return Diff::Refuse {
                reason: format!("no role fits {}", self.unmatched.join("; ")),
                way_out: "Remove these access policies where nobody needs them, or go on and lose what they allow: `--skip-unmatched`."
                    .to_owned(),
            };
        }
        // the switch is what the command was asked for
        Diff::Extend(vec![Change { field: "model".into(), from: json!(ACCESS_POLICY), to: json!(RBAC) }])
    }
    fn owner(&self, context: NodeContext<'_>, actual: &azure::Vault) -> Owner {
        ownership::owner(context.app, &actual.tags)
    }
    fn publish(&self, actual: &azure::Vault) -> Outputs {
        [(MODEL.0.into(), json!(if actual.rbac { RBAC } else { ACCESS_POLICY }))].into()
    }
    fn plan_note(&self) -> Option<String> {
        Some("after all of these roles; the access policies stay in the vault, without effect".to_owned())
    }
    fn notes(&self, actual: &azure::Vault) -> Vec<String> {
        if actual.rbac {
            return Vec::new();
        }
        let lost = self.unmatched.iter().filter(|_| self.may_lose).map(|what| format!("lost: {what}"));
        let wait = (!self.roles.is_empty()).then(|| {
            format!(
                "Before the switch nobody can see whether a role counts at the vault's data. podid waits until all {} are listed (up to --timeout) and the newest is {} s old (--settle); Azure says that it can take 10 minutes.",
                self.roles.len(),
                self.settle
            )
        });
        self.notes.iter().cloned().chain(lost).chain(wait).collect()
    }
    fn deletion_blocker(&self, _: &azure::Vault) -> Option<String> {
        Some("podid does not switch a vault back to access policies".to_owned())
    }
    fn not_found(&self) -> (String, String) {
        (format!("the vault {} does not exist", self.vault.name()), "List the vaults: `podid vault list`.".to_owned())
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<azure::Vault>, writer: &Writer) -> Result<azure::Vault, Fault> {
        let name = self.vault.name();
        let again = || format!("Run it again, with what is in the vault now: `podid vault migrate-to-rbac {name}`.");
        let Some(vault) = writer.azure.vault(&self.vault).await.map_err(Fault::cloud)? else {
            return Err(Fault::refused(format!("the vault {name} does not exist any more"), "List the vaults: `podid vault list`."));
        };
        if vault.rbac {
            return Ok(vault);
        }
        if !same(&vault.policies, &self.policies) {
            return Err(Fault::refused(format!("the access policies of the vault {name} changed since the plan was made"), again()));
        }
        // nothing is switched yet: the next run finds the roles and goes on
        let listed = writer.unless_stopped(writer.azure.await_role_assignments(&self.vault, &self.roles)).await?.map_err(Fault::cloud)?;
        writer.unless_stopped(self.settled(&listed, writer)).await?;
        let switched = writer.azure.use_rbac(&self.vault).await.map_err(Fault::cloud)?;
        if switched.rbac {
            return Ok(switched);
        }
        Err(Fault::cloud(azure::Error::NotDone {
            message: format!("the vault {name} still uses access policies, although Azure accepted the change"),
            way_out: again(),
        }))
    }
    /// There is nothing to delete.
    async fn remove(&self, _: NodeContext<'_>, _: azure::Vault, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
    fn commands(&self) -> Vec<String> {
        vec![switch_command(&self.vault, true)]
    }
}

impl Resource for VaultModel {}
