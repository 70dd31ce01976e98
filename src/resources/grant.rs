//! A principal's right to a vault's secrets, keys or certificates: a data role or an access policy entry, chosen from what the vault is.
//! Never a PUT of the vault: entries are merged in and taken out by `accessPolicies/add|replace|remove`.

use super::{
    data_roles::{self, PermissionSet},
    kind::Resource,
    ownership, role, roles,
    vault::{ACCESS_POLICY, RBAC},
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, ObjectKind, PolicyEntry, PrincipalKind, RoleAssignment},
    engine::{
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    /// ARM id of the vault.
    pub vault: Input<String>,
    pub vault_key: Key,
    pub model: Input<String>,
    /// Of the vault.
    pub tenant: Input<String>,
    pub principal: Input<String>,
    pub principal_kind: Input<PrincipalKind>,
    pub purpose: Purpose,
    /// What of the vault it is for.
    #[serde(default, skip_serializing_if = "ObjectKind::is_secret")]
    pub objects: ObjectKind,
    /// Asked for by name. What is more than `get` only an access policy can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// An app reads them.
    Read,
    /// podid itself writes them.
    Write,
}

/// Of a principal at a vault: its assignment of the role, or its entry.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub assignment: Option<RoleAssignment>,
    pub entry: Option<PolicyEntry>,
    /// What podid added to the entry, where it wrote.
    pub added: Option<Vec<String>>,
}

/// Known once the grant is there: who may then use the vault.
pub const PRINCIPAL: Field<String> = Field::new("principal_id");
pub const ADDED: &str = "added";

pub fn key(vault: &str, to: &str, objects: ObjectKind) -> Key {
    match objects {
        ObjectKind::Secret => Key::of("grant", [vault, to]),
        other => Key::of("grant", [vault, to, other.plural()]),
    }
}

impl Grant {
    fn role(&self) -> (&'static str, &'static str) {
        let role = match (self.purpose, self.objects) {
            (Purpose::Write, _) => roles::SECRETS_OFFICER,
            (Purpose::Read, ObjectKind::Secret) => roles::SECRETS_USER,
            // Certificate User may read keys, too, but with them the values of all secrets
            (Purpose::Read, ObjectKind::Key) => roles::CRYPTO_USER,
            (Purpose::Read, ObjectKind::Cert) => roles::CERTIFICATE_USER,
        };
        (role, roles::guid(role).unwrap_or_default())
    }
    /// The roles that give what the entry of an access policy gives. A grant of a vault with RBAC is one role; where single permissions were
    /// asked for by name, it takes the narrowest that have them.
    pub fn roles_instead(&self) -> Vec<&'static str> {
        match self.is_a_role() {
            true => vec![self.role().0],
            false => data_roles::narrowest(self.permission_set(), PermissionSet::default()),
        }
    }
    /// Whether it can be granted by its role alone.
    pub fn is_a_role(&self) -> bool {
        self.permissions.is_none() || self.wanted() == ["get"]
    }
    fn permission_set(&self) -> PermissionSet {
        PermissionSet::of(self.objects, self.wanted().iter().map(String::as_str)).unwrap_or_default()
    }
    /// Lower case, sorted: Azure keeps the casing it was sent.
    fn wanted(&self) -> Vec<String> {
        let default: &[&str] = match self.purpose {
            Purpose::Read => &["get"],
            Purpose::Write => &["delete", "get", "list", "recover", "set"],
        };
        let mut wanted: Vec<String> = match &self.permissions {
            Some(given) => given.iter().map(|p| p.to_ascii_lowercase()).collect(),
            None => default.iter().map(|p| (*p).to_owned()).collect(),
        };
        wanted.sort();
        wanted.dedup();
        wanted
    }
    fn vault_id(&self) -> Result<ArmId, Fault> {
        let id = self.vault.get()?;
        ArmId::parse(id).ok_or_else(|| Fault::State(format!("{id:?} is not the id of a vault")))
    }
    fn lacking(&self, entry: &PolicyEntry) -> Vec<String> {
        let has = |wanted: &str| entry.of(self.objects).iter().any(|p| p.eq_ignore_ascii_case(wanted) || p.eq_ignore_ascii_case("all"));
        self.wanted().into_iter().filter(|p| !has(p)).collect()
    }
    /// A role cannot be cut down to, or widened by, single permissions.
    fn check_model(&self, model: &str) -> Result<(), Fault> {
        if model != RBAC || self.is_a_role() {
            return Ok(());
        }
        let (flag, role) = (self.objects.plural(), self.role().0);
        let way_out = match self.objects {
            ObjectKind::Secret => "Leave `--secrets` out".to_owned(),
            _ => format!("Write `--{flag} get`"),
        };
        Err(Fault::refused(
            format!("{} is an RBAC vault: it has no access policies, so `--{flag}` cannot be given there", self.vault_key),
            format!("{way_out}: then the role {role} is assigned."),
        ))
    }
    /// What is podid's of an entry: what it added before, and what it is to add to the one that was seen.
    fn added(&self, context: NodeContext<'_>, before: Option<&Actual>) -> Vec<String> {
        let lacking = match before.and_then(|b| b.entry.as_ref()) {
            Some(entry) => self.lacking(entry),
            None => self.wanted(),
        };
        let before = context.recorded.get(ADDED).cloned().and_then(|added| from_value(added).ok());
        let mut added: Vec<String> = before.unwrap_or_default();
        added.extend(lacking);
        added.sort();
        added.dedup();
        added
    }
    fn entry(&self) -> Result<PolicyEntry, Fault> {
        let empty = PolicyEntry {
            tenant_id: self.tenant.get()?.clone(),
            object_id: self.principal.get()?.clone(),
            application_id: None,
            keys: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            storage: Vec::new(),
        };
        Ok(empty.with(self.objects, self.wanted()))
    }
}

impl Kind<Cloud> for Grant {
    const KIND: &'static str = "grant";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    /// Azure refuses policy writes of one vault that overlap ("changed from the point the operation began").
    fn lane(&self) -> Option<String> {
        let vault = self.vault.known()?;
        (self.model.known()? == ACCESS_POLICY).then(|| format!("policies of {}", vault.to_ascii_lowercase()))
    }
    fn place(&self) -> Option<String> {
        let (vault, model, principal) = (self.vault.known()?, self.model.known()?, self.principal.known()?);
        let objects = if self.objects.is_secret() { String::new() } else { format!("|{}", self.objects.plural()) };
        Some(format!("{vault}|{model}|{principal}{objects}").to_ascii_lowercase())
    }
    /// A soft-deleted vault keeps its policies: an entry that is not taken out comes back with it, for a principal that is gone.
    fn parent(&self) -> Option<Key> {
        (self.model.known().is_none_or(|m| m != ACCESS_POLICY)).then(|| self.vault_key.clone())
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let model = self.model.get()?;
        self.check_model(model)?;
        let (vault, principal) = (self.vault_id()?, self.principal.get()?);
        if model == RBAC {
            let assignments = reader.azure.role_assignments_of(&vault, principal).await.map_err(Fault::cloud)?;
            let assignment = role::find(&assignments, self.role().1, principal).cloned();
            return Ok(assignment.map(|a| Actual { assignment: Some(a), entry: None, added: None }));
        }
        let entry = reader.azure.vault_policy(&vault, principal).await.map_err(Fault::cloud)?;
        Ok(entry.map(|e| Actual { assignment: None, entry: Some(e), added: None }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        if let Some(assignment) = &actual.assignment {
            let changes = role::changes(context.app, context.mine(self.owner(context, actual)), assignment);
            return if changes.is_empty() { Diff::Same } else { Diff::Update(changes) };
        }
        let Some(entry) = &actual.entry else { return Diff::Same };
        let lacking = self.lacking(entry);
        if lacking.is_empty() {
            return Diff::Same;
        }
        let granted = entry.of(self.objects);
        let all: Vec<&String> = granted.iter().chain(&lacking).collect();
        Diff::Extend(vec![Change { field: self.objects.plural().into(), from: json!(granted), to: json!(all) }])
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        match &actual.assignment {
            Some(assignment) => ownership::described(context.app, assignment.description.as_deref()),
            None => Owner::Unmarkable,
        }
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        match (&actual.assignment, recorded.get("id").and_then(Value::as_str)) {
            (Some(assignment), Some(id)) => id.eq_ignore_ascii_case(&assignment.id),
            _ => true,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let mut outputs = Outputs::new();
        if let Some(principal) = self.principal.known() {
            outputs.insert(PRINCIPAL.0.into(), json!(principal));
        }
        if let Some(assignment) = &actual.assignment {
            outputs.insert("id".into(), json!(assignment.id));
        }
        if let Some(added) = &actual.added {
            outputs.insert(ADDED.into(), json!(added));
        }
        outputs
    }
    fn outputs_before_write(&self, context: NodeContext<'_>, before: Option<&Actual>) -> Outputs {
        match self.model.known() {
            Some(model) if model == ACCESS_POLICY => [(ADDED.into(), json!(self.added(context, before)))].into(),
            _ => Outputs::new(),
        }
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let what = match self.model.known().map(String::as_str) {
            Some(RBAC) => ("role", json!(self.role().0)),
            Some(_) => (self.objects.plural(), json!(self.wanted().join(", "))),
            None if self.permissions.is_some() => (self.objects.plural(), json!(self.wanted().join(", "))),
            None => ("access", json!(format!("{}, or policy `{}`", self.role().0, self.wanted().join(", ")))),
        };
        vec![what, ("principal", json!(self.principal))]
    }
    fn plan_note(&self) -> Option<String> {
        (self.purpose == Purpose::Write)
            .then(|| "for podid's own login, which has no right to the secrets of a vault that it makes; `down` takes it away".into())
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        role::change_note(actual.assignment.as_ref()?)
    }
    fn way_out(&self, actual: &Actual) -> Option<String> {
        role::way_out(actual.assignment.as_ref()?)
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let vault = self.vault_id()?;
        let principal = self.principal.get()?;
        if self.model.get()? == RBAC {
            self.check_model(RBAC)?;
            let (_, guid) = self.role();
            let definition = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", vault.subscription_id());
            let before = before.and_then(|b| b.assignment);
            let description = role::description(context.app, context.ours == Some(true), before.as_ref());
            let name = before.map_or_else(|| roles::assignment_name(vault.as_str(), guid, principal), |assignment| assignment.name);
            let kind = *self.principal_kind.get()?;
            let assignment =
                writer.azure.put_role_assignment(&vault, &name, &definition, principal, kind, &description).await.map_err(Fault::cloud)?;
            return Ok(Actual { assignment: Some(assignment), entry: None, added: None });
        }
        let added = self.added(context, before.as_ref());
        let entry = self.entry()?;
        writer.azure.add_policy(&vault, &entry).await.map_err(Fault::cloud)?;
        Ok(Actual { assignment: None, entry: Some(entry), added: Some(added) })
    }
    /// Of a policy entry only what podid added goes; the entry itself when nothing else is left in it.
    async fn remove(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let vault = self.vault_id()?;
        if let Some(assignment) = &before.assignment {
            return writer.azure.delete_role_assignment(&assignment.id).await.map_err(Fault::cloud);
        }
        if before.entry.is_none() {
            return Ok(());
        }
        let added: Vec<String> = match context.recorded.get(ADDED) {
            Some(added) => from_value(added.clone())?,
            None => self.wanted(),
        };
        // as it is now: what goes is sent letter for letter as the vault spells it, and what others added since stays
        let principal = self.principal.get()?;
        let now = writer.azure.vault(&vault).await.map_err(Fault::cloud)?.and_then(|v| v.policy_of(principal).cloned());
        let Some(entry) = now else { return Ok(()) };
        let (goes, stays): (Vec<String>, Vec<String>) =
            entry.of(self.objects).iter().cloned().partition(|p| added.iter().any(|a| a.eq_ignore_ascii_case(p)));
        if goes.is_empty() {
            return Ok(());
        }
        let rest = entry.clone().with(self.objects, stays);
        // of a part, `replace` is what is known to do the same in every version: it sets the entry to what is sent
        let done = if rest.is_empty() {
            writer.azure.remove_policy(&vault, &entry).await
        } else {
            writer.azure.replace_policy(&vault, &rest).await
        };
        match done {
            Err(azure::Error::NotFound { .. }) => return Ok(()),
            other => other.map_err(Fault::cloud)?,
        }
        writer.azure.await_revoked(&vault, principal, self.objects, &goes).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        match before.assignment {
            Some(_) => self.put(context, Some(before), writer).await.map(drop),
            // entries of access policies carry no marks
            None => Ok(()),
        }
    }
    fn commands(&self) -> Vec<String> {
        let text = |input: &Input<String>| input.known().cloned().unwrap_or_default();
        let name = self.vault_key.names();
        vec![match self.model.known().map(String::as_str) {
            Some(RBAC) => format!(
                "az role assignment create --role \"{}\" --assignee-object-id {} --scope {}",
                self.role().0,
                text(&self.principal),
                text(&self.vault)
            ),
            _ => format!(
                "az keyvault set-policy -n {name} --{}-permissions {} --object-id {}",
                self.objects.plural().trim_end_matches('s'),
                self.wanted().join(" "),
                text(&self.principal)
            ),
        }]
    }
}

/// The role assignment is listed with those of `role`; an access policy carries no marks and is found in its vault.
impl Resource for Grant {}
