//! Which built-in roles give what an access policy gives, and what they give beside it. The permissions of access policies by data action,
//! and the data actions of the roles, are those of "Migrate from vault access policy to Azure RBAC" and "Provide access to Key Vault with
//! Azure RBAC" in the Key Vault documentation (`general/rbac-migration`, `general/rbac-guide`).

use super::roles;
use crate::azure::{ObjectKind, PolicyEntry};
use std::{
    fmt,
    ops::{BitOr, Sub},
};

/// Words of access policies by the kind of objects that they are about.
type Permissions = &'static [(ObjectKind, &'static [&'static str])];

/// Every permission of an access policy that a role can give, in the order of the documentation.
const PERMISSIONS: Permissions = &[
    (ObjectKind::Secret, &["get", "list", "set", "delete", "recover", "backup", "restore", "purge"]),
    (
        ObjectKind::Key,
        &[
            "get",
            "list",
            "update",
            "create",
            "import",
            "delete",
            "recover",
            "backup",
            "restore",
            "purge",
            "encrypt",
            "decrypt",
            "wrapkey",
            "unwrapkey",
            "sign",
            "verify",
            "release",
            "rotate",
            "getrotationpolicy",
            "setrotationpolicy",
        ],
    ),
    (
        ObjectKind::Cert,
        &[
            "get",
            "list",
            "update",
            "create",
            "import",
            "delete",
            "recover",
            "backup",
            "restore",
            "purge",
            "managecontacts",
            "getissuers",
            "listissuers",
            "setissuers",
            "deleteissuers",
            "manageissuers",
        ],
    ),
];

/// Permissions that show neither a secret's value nor a private key, and change nothing.
const HARMLESS: Permissions = &[
    (ObjectKind::Secret, &["list"]),
    (ObjectKind::Key, &["get", "list", "getrotationpolicy"]),
    (ObjectKind::Cert, &["get", "list", "getissuers", "listissuers"]),
];

/// The data roles with what they give. `all` is every permission on a kind of objects.
const ROLES: &[(&str, Permissions)] = &[
    (roles::SECRETS_USER, &[(ObjectKind::Secret, &["get", "list"])]),
    (roles::SECRETS_OFFICER, &[(ObjectKind::Secret, &["all"])]),
    (roles::CRYPTO_SERVICE_ENCRYPTION_USER, &[(ObjectKind::Key, &["get", "list", "wrapkey", "unwrapkey"])]),
    (
        roles::CRYPTO_USER,
        &[(ObjectKind::Key, &["get", "list", "update", "backup", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"])],
    ),
    (roles::CRYPTO_OFFICER, &[(ObjectKind::Key, &["all"])]),
    (
        roles::CERTIFICATE_USER,
        &[(ObjectKind::Cert, &["get", "list"]), (ObjectKind::Secret, &["get", "list"]), (ObjectKind::Key, &["get", "list"])],
    ),
    (roles::CERTIFICATES_OFFICER, &[(ObjectKind::Cert, &["all"])]),
    (roles::VAULT_READER, HARMLESS),
    (roles::VAULT_ADMINISTRATOR, &[(ObjectKind::Secret, &["all"]), (ObjectKind::Key, &["all"]), (ObjectKind::Cert, &["all"])]),
];

/// A set of permissions, a bit for each of `PERMISSIONS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// Reads words of access policies without regard to case. Fails with the first one that is not known.
    pub fn of<'a>(kind: ObjectKind, words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut set = Self::default();
        for word in words {
            let bits =
                numbered().filter(|(_, of, known)| *of == kind && (word.eq_ignore_ascii_case("all") || word.eq_ignore_ascii_case(known)));
            let found = bits.fold(0, |found, (bit, ..)| found | bit);
            if found == 0 {
                return Err(word);
            }
            set.0 |= found;
        }
        Ok(set)
    }

    fn of_table(table: Permissions) -> Self {
        table.iter().fold(Self::default(), |set, (kind, words)| set | Self::of(*kind, words.iter().copied()).unwrap_or_default())
    }

    /// Returns what a role of this name gives; nothing if it is not a data role of Key Vault.
    pub fn of_role(role: &str) -> Self {
        ROLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(role)).map_or_else(Self::default, |(_, gives)| Self::of_table(gives))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    fn len(self) -> u32 {
        self.0.count_ones()
    }
}

impl BitOr for PermissionSet {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for PermissionSet {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// `secrets get, list; keys sign`
impl fmt::Display for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |kind: ObjectKind| -> Vec<&str> {
            numbered().filter(|(bit, of, _)| *of == kind && self.0 & bit != 0).map(|(.., word)| word).collect()
        };
        let kinds = PERMISSIONS.iter().map(|(kind, all)| (kind, all.len(), of(*kind))).filter(|(.., words)| !words.is_empty());
        let parts = kinds.map(|(kind, most, words)| {
            let words = if words.len() == most { "all".to_owned() } else { words.join(", ") };
            format!("{} {words}", kind.plural())
        });
        f.write_str(&parts.collect::<Vec<_>>().join("; "))
    }
}

fn numbered() -> impl Iterator<Item = (u64, ObjectKind, &'static str)> {
    let all = PERMISSIONS.iter().flat_map(|(kind, words)| words.iter().map(|word| (*kind, *word)));
    all.enumerate().map(|(at, (kind, word))| (1 << at, kind, word))
}

/// What an access policy allows, as far as roles can give it, and what they cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowed {
    pub permissions: PermissionSet,
    /// What has no role: a part of a sentence for each.
    pub unmatched: Vec<String>,
}

/// Reads the permissions of an access policy of a vault in this tenant.
pub fn allowed(entry: &PolicyEntry, tenant: &str) -> Allowed {
    let mut found = Allowed::default();
    if entry.is_empty() {
        return found;
    }
    if let Some(application) = &entry.application_id {
        found
            .unmatched
            .push(format!("it counts only through the application {application} (a compound identity), and a role has no such limit"));
        return found;
    }
    if !entry.tenant_id.eq_ignore_ascii_case(tenant) {
        found.unmatched.push(format!("it is for a principal of another tenant, {}", entry.tenant_id));
        return found;
    }
    for kind in ObjectKind::ALL {
        for word in entry.of(kind) {
            match PermissionSet::of(kind, [word.as_str()]) {
                Ok(set) => found.permissions = found.permissions | set,
                Err(word) => found.unmatched.push(format!("no role is known for {} {word}", kind.plural())),
            }
        }
    }
    if !entry.storage.is_empty() {
        found.unmatched.push(format!("no role gives storage {}", entry.storage.join(", ")));
    }
    found
}

/// Returns the roles that give all of `wanted` and as little else as possible, if `has` is there already. Fewer permissions that use or
/// change data count first, then fewer permissions, then fewer roles.
pub fn narrowest(wanted: PermissionSet, has: PermissionSet) -> Vec<&'static str> {
    let gives: Vec<PermissionSet> = ROLES.iter().map(|(_, gives)| PermissionSet::of_table(gives)).collect();
    let harmless = PermissionSet::of_table(HARMLESS);
    let chosen = |mask: u32| (0..ROLES.len()).filter(move |at| mask & (1 << at) != 0);
    let cost = |mask: u32| {
        let all = chosen(mask).fold(has, |all, at| all | gives[at]);
        let more = all - wanted - has;
        all.contains(wanted).then(|| ((more - harmless).len(), more.len(), mask.count_ones(), mask))
    };
    let best = (0..1_u32 << ROLES.len()).filter_map(cost).min();
    best.map(|(.., mask)| chosen(mask).map(|at| ROLES[at].0).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "11111111-0000-4000-8000-000000000000";

    fn entry(secrets: &[&str], keys: &[&str], certificates: &[&str]) -> PolicyEntry {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        PolicyEntry {
            tenant_id: TENANT.to_owned(),
            object_id: "22222222-0000-4000-8000-000000000000".to_owned(),
            application_id: None,
            secrets: owned(secrets),
            keys: owned(keys),
            certificates: owned(certificates),
            storage: Vec::new(),
        }
    }

    fn roles_for(secrets: &[&str], keys: &[&str], certificates: &[&str]) -> String {
        let allowed = allowed(&entry(secrets, keys, certificates), TENANT);
        assert_eq!(allowed.unmatched, Vec::<String>::new());
        narrowest(allowed.permissions, PermissionSet::default()).join(" + ").replace("Key Vault ", "")
    }

    #[test]
    fn a_policy_gets_the_narrowest_roles_that_give_all_of_it() {
        for (secrets, keys, certificates, roles) in [
            (&["get"] as &[&str], &[] as &[&str], &[] as &[&str], "Secrets User"),
            (&["Get", "LIST"], &[], &[], "Secrets User"),
            (&["list"], &[], &[], "Reader"),
            (&["get", "list", "set", "delete"], &[], &[], "Secrets Officer"),
            (&["all"], &[], &[], "Secrets Officer"),
            (&[], &["get", "list"], &[], "Reader"),
            (&[], &["get", "wrapKey", "unwrapKey"], &[], "Crypto Service Encryption User"),
            (&[], &["get", "sign"], &[], "Crypto User"),
            (&[], &["get", "create"], &[], "Crypto Officer"),
            (&[], &["getRotationPolicy"], &[], "Reader"),
            (&[], &[], &["get", "list"], "Reader"),
            (&[], &[], &["get", "import"], "Certificates Officer"),
            (&["get"], &[], &["get"], "Certificate User"),
            (&["get", "list"], &["get", "list"], &["get", "list"], "Certificate User"),
            (&["get"], &["get", "sign"], &[], "Secrets User + Crypto User"),
            (&["all"], &["all"], &[], "Secrets Officer + Crypto Officer"),
            (&["all"], &["all"], &["all"], "Administrator"),
            (&["get", "set"], &["get", "create"], &["get", "import"], "Administrator"),
        ] {
            assert_eq!(roles_for(secrets, keys, certificates), roles, "{secrets:?} {keys:?} {certificates:?}");
        }
    }

    #[test]
    fn what_a_role_gives_more_than_a_policy_is_listed() {
        let more = |kind, words: &[&'static str], role| {
            let wanted = PermissionSet::of(kind, words.iter().copied()).unwrap();
            (PermissionSet::of_role(role) - wanted).to_string()
        };
        assert_eq!(more(ObjectKind::Secret, &["get"], roles::SECRETS_USER), "secrets list");
        assert_eq!(more(ObjectKind::Secret, &["get", "list"], roles::SECRETS_USER), "");
        assert_eq!(
            more(ObjectKind::Secret, &["get", "list", "set", "delete", "recover"], roles::SECRETS_OFFICER),
            "secrets backup, restore, purge"
        );
        assert_eq!(more(ObjectKind::Cert, &["get"], roles::CERTIFICATE_USER), "secrets get, list; keys get, list; certificates list");
        assert_eq!(PermissionSet::of_role(roles::VAULT_ADMINISTRATOR).to_string(), "secrets all; keys all; certificates all");
        assert_eq!(PermissionSet::of_role("Owner"), PermissionSet::default());
    }

    #[test]
    fn a_role_that_is_there_already_is_counted() {
        let of = |kind, word| PermissionSet::of(kind, [word]).unwrap();
        let wanted = of(ObjectKind::Secret, "get") | of(ObjectKind::Key, "sign");
        let has = PermissionSet::of_role(roles::SECRETS_USER);
        assert_eq!(narrowest(wanted, has), [roles::CRYPTO_USER]);
        assert_eq!(narrowest(of(ObjectKind::Secret, "get"), has), Vec::<&str>::new());
    }

    #[test]
    fn what_no_role_gives_is_named() {
        let unmatched = |entry: &PolicyEntry| allowed(entry, TENANT).unmatched.join("; ");
        let mut storage = entry(&["get"], &[], &[]);
        storage.storage = vec!["get".into(), "regeneratekey".into()];
        assert_eq!(unmatched(&storage), "no role gives storage get, regeneratekey");
        assert_eq!(allowed(&storage, TENANT).permissions.to_string(), "secrets get");
        let mut compound = entry(&["get"], &[], &[]);
        compound.application_id = Some("33333333-0000-4000-8000-000000000000".to_owned());
        assert!(unmatched(&compound).contains("compound identity"), "{}", unmatched(&compound));
        assert!(allowed(&compound, TENANT).permissions.is_empty());
        assert_eq!(unmatched(&entry(&["get", "peek"], &[], &[])), "no role is known for secrets peek");
        let foreign = PolicyEntry { tenant_id: "44444444-0000-4000-8000-000000000000".to_owned(), ..entry(&["get"], &[], &[]) };
        assert!(unmatched(&foreign).contains("another tenant"));
        assert_eq!(allowed(&entry(&[], &[], &[]), TENANT), Allowed::default());
    }
}
