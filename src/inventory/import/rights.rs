//! The rights of an imported identity: those to the vault that it reads, its roles elsewhere, and those that a spec does not have.

use super::Import;
use crate::{
    access::{self, Verdict},
    azure::{
        ArmId, Identity, ObjectKind, RoleGrant, Vault,
        id::{IDENTITY, VAULT},
    },
    resources::roles,
};
use serde_json::{Map, Value, json};

/// The roles by which podid lets an identity read what a vault holds.
const READERS: [&str; 3] = [roles::SECRETS_USER, roles::CRYPTO_USER, roles::CERTIFICATE_USER];

impl Import<'_> {
    /// Says with `vaultAccess: none` that an identity reads a vault by a grant that podid would not make. What is missing stays podid's to
    /// grant.
    pub(super) fn rights(&mut self, workload: &mut Map<String, Value>, identity: &Identity, vault: &str) {
        let Some(vault) = self.survey.azure.vault(vault) else { return };
        if self.has_direct_grant(identity, vault) {
            self.further_permissions(identity, vault);
            return;
        }
        if let Verdict::Given(_) = access::verdict(self.survey, vault, &identity.principal_id, None) {
            workload.insert("vaultAccess".into(), json!("none"));
        }
    }

    /// A workload that mounts nothing asks for no rights in a spec.
    pub(super) fn unused_rights(&mut self, identity: &Identity) {
        for vault in self.survey.azure.vaults.iter() {
            let all = access::readers(self.survey, vault, None);
            if let Some(reader) = all.iter().find(|reader| reader.principal_id.eq_ignore_ascii_case(&identity.principal_id)) {
                let (name, vault, grant) = (identity.id.name(), vault.id.name(), reader.grant.shown());
                self.left_out.insert(format!("{name} may read the secrets of {vault} ({grant}): nothing here shows which it reads"));
            }
        }
    }

    fn has_direct_grant(&self, identity: &Identity, vault: &Vault) -> bool {
        if vault.rbac {
            let guid = roles::guid(roles::SECRETS_USER).unwrap_or_default();
            return self.grants_of(identity).any(|grant| grant.is_at(&vault.id) && grant.role.eq_ignore_ascii_case(guid));
        }
        vault.policy_of(&identity.principal_id).is_some_and(|entry| entry.of(ObjectKind::Secret).iter().any(|word| access::is_get(word)))
    }

    /// An entry may allow more than `get`, and podid neither adds nor takes that.
    fn further_permissions(&mut self, identity: &Identity, vault: &Vault) {
        let Some(entry) = vault.policy_of(&identity.principal_id) else { return };
        let mut more = Vec::new();
        for kind in [ObjectKind::Secret, ObjectKind::Key, ObjectKind::Cert] {
            let further = |word: &&String| !(kind.is_secret() && access::is_get(word));
            let words: Vec<String> = entry.of(kind).iter().filter(further).map(|word| word.to_ascii_lowercase()).collect();
            if !words.is_empty() {
                more.push(format!("{} of {}", words.join(" and "), kind.plural()));
            }
        }
        if !more.is_empty() {
            let (name, vault) = (identity.id.name(), vault.id.name());
            self.left_out
                .insert(format!("the access policy of {name} in {vault} also allows {}: a spec asks for what is read", more.join(", ")));
        }
    }

    fn grants_of<'s>(&'s self, identity: &'s Identity) -> impl Iterator<Item = &'s RoleGrant> {
        self.survey.azure.grants.iter().filter(|grant| grant.principal_id.eq_ignore_ascii_case(&identity.principal_id))
    }

    /// A scope as a spec writes it: by a name where the spec's own resource group has it.
    fn scope(&self, id: &ArmId) -> String {
        let short = self.short(id);
        match (id.kind(), id.group_name()) {
            (None, None) => "subscription".to_owned(),
            (None, Some(group)) => format!("group/{group}"),
            (Some(_), _) if short.starts_with('/') => short,
            (Some(_), _) if id.is_kind(VAULT) => format!("vault/{short}"),
            (Some(_), _) if id.is_kind(IDENTITY) => format!("identity/{short}"),
            _ => id.to_string(),
        }
    }

    /// The roles of an identity that its first workload has in the spec.
    pub(super) fn roles(&mut self, workload: &mut Map<String, Value>, identity: &Identity) {
        if !self.identities.insert(identity.id.folded()) {
            return;
        }
        let is_reader = |grant: &&RoleGrant| {
            let of_vault = self.survey.azure.vaults.iter().any(|vault| grant.is_at(&vault.id));
            of_vault && READERS.iter().any(|role| roles::guid(role).is_some_and(|guid| grant.role.eq_ignore_ascii_case(guid)))
        };
        let mut found: Vec<(String, String)> = Vec::new();
        let mut left_out = Vec::new();
        for grant in self.grants_of(identity).filter(|grant| !is_reader(grant)) {
            let role = access::role_name(&self.survey.azure, &grant.role);
            let why = match (&grant.condition, ArmId::parse(&grant.scope)) {
                (Some(_), _) => "a spec has no conditions",
                (None, Some(scope)) if scope.subscription_id().eq_ignore_ascii_case(self.place.cluster.subscription_id()) => {
                    found.push((role, self.scope(&scope)));
                    continue;
                }
                _ => "a spec has roles of its subscription",
            };
            left_out.push(format!("the role {role} of {} at {}: {why}", identity.id.name(), grant.scope));
        }
        self.left_out.extend(left_out);
        found.sort();
        found.dedup();
        if !found.is_empty() {
            let all: Vec<Value> = found.iter().map(|(role, scope)| json!({ "role": role, "scope": scope })).collect();
            workload.insert("roles".into(), Value::Array(all));
        }
    }
}
