//! What has to be known before a vault is changed to Azure RBAC: who has which access policy, which roles give the same, and what none gives.

use super::looks::Lookup;
use crate::{
    azure::{self, ArmId, Caller, DirectoryObject, PolicyEntry, PrincipalKind, Vault},
    cli::MigrateVault,
    converge::{Goal, converge},
    engine::{input::Outputs, ledger::Origin, resource::Kind as _},
    exit::Exit,
    failure::Failure,
    resources::{
        data_roles::{self, PermissionSet},
        grant::Grant,
        identity::{self, Identity},
        migrated::policy_grants,
        policy_role::PolicyRole,
        role::guid_of,
        roles,
        vault_model::VaultModel,
    },
    session::Session,
    spec::request::{Migration, Request},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Assigns the roles that replace a vault's access policies, then switches the vault.
pub async fn migrate_vault(session: &Session, asked: &MigrateVault) -> Result<Exit, Failure> {
    let migration = session.unless_interrupted(Box::pin(prepared(session, asked))).await??;
    converge(session, Goal::Request { request: Request::MigrateVault(Box::new(migration)), remove: false }).await
}

async fn prepared(session: &Session, asked: &MigrateVault) -> Result<Migration, Failure> {
    let lookup = Lookup::open(session)?;
    let vault = lookup.found_vault(&asked.vault, None).await?;
    let mut switch = VaultModel {
        vault: vault.id.clone(),
        policies: Vec::new(),
        roles: Vec::new(),
        unmatched: Vec::new(),
        may_lose: asked.skip_unmatched,
        notes: Vec::new(),
        settle: asked.settle.as_secs(),
    };
    if vault.rbac {
        return Ok(Migration { roles: Vec::new(), switch, own: PermissionSet::default(), is_done: true });
    }
    let caller = lookup.azure.caller().await.map_err(|error| Failure::from(&error))?;
    let directory = match principals(&lookup.azure, &vault.policies, &caller).await? {
        Ok(found) => Some(found),
        Err(why) => {
            let note = "which of these principals still exist is not known, and a role for one that does not cannot be assigned";
            switch.notes.push(format!("the directory could not be read ({why}): {note}"));
            None
        }
    };
    let grants = policy_grants(&lookup.ledger, &vault.id).map(|(entry, grant)| (entry.app.as_str(), entry.origin, grant)).collect();
    let mut plan =
        Planned { lookup: &lookup, vault: &vault, caller, directory, grants, roles: BTreeMap::new(), own: PermissionSet::default() };
    for entry in &vault.policies {
        let assigned = plan.assigned(entry).await?;
        plan.add(entry, &assigned, &mut switch);
    }
    let own = plan.own;
    let roles: Vec<PolicyRole> = plan.roles.into_values().collect();
    switch.roles = roles.iter().map(|role| (role.guid().to_owned(), role.principal.clone())).collect();
    switch.policies.clone_from(&vault.policies);
    Ok(Migration { roles, switch, own, is_done: false })
}

/// Returns the principals that exist, by object id in lower case, or why that is not known. To somebody who may read nothing of the
/// directory, everybody would seem deleted, so it is believed only if it shows podid's own principal.
async fn principals(
    azure: &azure::Read,
    policies: &[PolicyEntry],
    caller: &Caller,
) -> Result<Result<BTreeMap<String, DirectoryObject>, String>, Failure> {
    let own = caller.object_id.to_ascii_lowercase();
    let mut asked: BTreeSet<String> = policies.iter().map(|entry| entry.object_id.to_ascii_lowercase()).collect();
    asked.insert(own.clone());
    match azure.principals(&asked).await {
        Ok(found) if found.contains_key(&own) => Ok(Ok(found)),
        Ok(_) => Ok(Err("it does not show podid's own principal".to_owned())),
        Err(error @ (azure::Error::Forbidden { .. } | azure::Error::LoginRefused { .. } | azure::Error::Unreachable { .. })) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(Failure::from(&error)),
    }
}

/// The roles of a vault's policies while they are worked out.
struct Planned<'a> {
    lookup: &'a Lookup<'a>,
    vault: &'a Vault,
    caller: Caller,
    directory: Option<BTreeMap<String, DirectoryObject>>,
    /// The policies that are grants of podid's apps.
    grants: Vec<(&'a str, Origin, Grant)>,
    /// By principal in lower case, and role.
    roles: BTreeMap<(String, &'static str), PolicyRole>,
    /// What podid's own login may do by roles that it has already.
    own: PermissionSet,
}

/// A data role that a principal of a policy has already.
struct Assigned {
    role: &'static str,
    /// `at the resource group shop`, with the group whose members have it.
    place: String,
}

impl Planned<'_> {
    /// Lists the data roles that the principal of a policy has at the vault from above, or by a group. Those at the vault itself are found
    /// when they are planned. One with a condition gives less than its name says. A login that may not list them sees none.
    async fn assigned(&self, entry: &PolicyEntry) -> Result<Vec<Assigned>, Failure> {
        let (vault, kind) = (&self.vault.id, self.kind(&entry.object_id));
        let found = match self.lookup.azure.assigned_roles(vault, &entry.object_id, kind).await {
            Err(azure::Error::Forbidden { .. }) => return Ok(Vec::new()),
            other => other.map_err(|error| Failure::from(&error))?,
        };
        let assigned = found.into_iter().filter(|one| one.condition.is_none()).filter_map(|one| {
            let by_group = !one.principal_id.eq_ignore_ascii_case(&entry.object_id);
            let here = ArmId::parse(&one.scope).is_some_and(|scope| scope == *vault);
            let role = roles::name(guid_of(&one.role_definition_id)).filter(|role| !PermissionSet::of_role(role).is_empty())?;
            let group = if by_group { format!(", by the group {}", one.principal_id) } else { String::new() };
            (by_group || !here).then(|| Assigned { role, place: format!("at {}{group}", one.scope) })
        });
        Ok(assigned.collect())
    }

    fn add(&mut self, entry: &PolicyEntry, assigned: &[Assigned], switch: &mut VaultModel) {
        let who = self.shown(&entry.object_id);
        if self.directory.as_ref().is_some_and(|known| !known.contains_key(&entry.object_id.to_ascii_lowercase())) {
            switch.notes.push(format!("{who} does not exist any more: its access policy gets no role"));
            return;
        }
        let allowed = data_roles::allowed(entry, &self.vault.tenant_id);
        if !allowed.unmatched.is_empty() {
            switch.unmatched.push(format!("the access policy of {who}: {}", allowed.unmatched.join(", ")));
        }
        if allowed.permissions.is_empty() {
            return;
        }
        let mut chosen: Vec<(&'static str, Option<String>)> = Vec::new();
        for (app, origin, grant) in &self.grants {
            if grant.principal.known().is_some_and(|principal| principal.eq_ignore_ascii_case(&entry.object_id)) {
                let of_app = matches!(origin, Origin::Created | Origin::Extended).then(|| (*app).to_owned());
                chosen.extend(grant.roles_instead().into_iter().map(|role| (role, of_app.clone())));
            }
        }
        let mut has = chosen.iter().fold(PermissionSet::default(), |has, (role, _)| has | PermissionSet::of_role(role));
        // the roles of an app's grants stay the app's own: `up` and `down` go by them
        for one in assigned {
            let gives = PermissionSet::of_role(one.role);
            if entry.object_id.eq_ignore_ascii_case(&self.caller.object_id) {
                self.own = self.own | gives;
            }
            let used = gives - (gives - allowed.permissions) - has;
            if !used.is_empty() {
                switch.notes.push(format!("{who} has {used} already: {} {}", one.role, one.place));
                has = has | gives;
            }
        }
        chosen.extend(data_roles::narrowest(allowed.permissions, has).into_iter().map(|role| (role, None)));
        for (role, of_app) in chosen {
            let gives = PermissionSet::of_role(role);
            let more = gives - allowed.permissions;
            let kind = self.kind(&entry.object_id);
            let new = || PolicyRole {
                vault: self.vault.id.clone(),
                principal: entry.object_id.clone(),
                principal_kind: kind,
                role: role.to_owned(),
                of_app: None,
                replaces: format!("{} of {who}", gives - more),
                more: more.to_string(),
            };
            let known = self.roles.entry((entry.object_id.to_ascii_lowercase(), role)).or_insert_with(new);
            known.of_app = known.of_app.take().or(of_app);
        }
    }

    fn kind(&self, object_id: &str) -> PrincipalKind {
        if object_id.eq_ignore_ascii_case(&self.caller.object_id) {
            return self.caller.kind;
        }
        let of_grant = || {
            let same = |grant: &Grant| grant.principal.known().is_some_and(|principal| principal.eq_ignore_ascii_case(object_id));
            self.grants.iter().find(|(.., grant)| same(grant)).and_then(|(.., grant)| grant.principal_kind.known().copied())
        };
        let found = self.directory.as_ref().and_then(|known| known.get(&object_id.to_ascii_lowercase()));
        found.map(|found| found.kind).or_else(of_grant).unwrap_or(PrincipalKind::Unknown)
    }

    /// `identity/claims-api-mid (OBJECT-ID)`
    fn shown(&self, object_id: &str) -> String {
        if object_id.eq_ignore_ascii_case(&self.caller.object_id) {
            return format!("podid's own login ({object_id})");
        }
        let is = |outputs: &Outputs| {
            let id = outputs.get(identity::PRINCIPAL_ID.0).and_then(Value::as_str);
            id.is_some_and(|id| id.eq_ignore_ascii_case(object_id))
        };
        let known = self.lookup.ledger.entries().find(|entry| entry.kind == Identity::KIND && is(&entry.outputs));
        let kind = match self.kind(object_id) {
            PrincipalKind::User => "user ",
            PrincipalKind::Group => "group ",
            PrincipalKind::ServicePrincipal => "service principal ",
            PrincipalKind::Unknown => "",
        };
        known.map_or_else(|| format!("{kind}{object_id}"), |entry| format!("{} ({object_id})", entry.key))
    }
}
