//! Azure's and Kubernetes' own rules for names, checked before any call: a name that breaks them never gets near a URL.
//! Each answers the rule in words. Sources: Azure "Naming rules and restrictions for Azure resources", Kubernetes "Object Names and IDs".

use jiff::{Span, SpanRelativeTo};
use std::time::Duration;

pub type Checked = Result<(), String>;

fn must(holds: bool, rule: &str) -> Checked {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

fn length(text: &str, from: usize, to: usize) -> bool {
    (from..=to).contains(&text.chars().count())
}

fn alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn edges(text: &str, first: fn(char) -> bool, last: fn(char) -> bool) -> bool {
    text.starts_with(first) && text.ends_with(last)
}

/// `Microsoft.Resources/resourceGroups`: letters and digits of any script.
pub fn resource_group(name: &str) -> Checked {
    let fine = length(name, 1, 90) && name.chars().all(|c| c.is_alphanumeric() || "-_.()".contains(c)) && !name.ends_with('.');
    must(fine, "a resource group's name has 1 to 90 letters, digits, `-`, `_`, `.`, `(` and `)`, and does not end with `.`")
}

/// `Microsoft.ManagedIdentity/userAssignedIdentities`.
pub fn identity(name: &str) -> Checked {
    let fine = length(name, 3, 128) && name.starts_with(alnum) && name.chars().all(|c| alnum(c) || c == '-' || c == '_');
    must(fine, "an identity's name has 3 to 128 letters, digits, `-` and `_`, and begins with a letter or digit")
}

/// `Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials`.
pub fn federated_credential(name: &str) -> Checked {
    let fine = length(name, 3, 120) && name.starts_with(alnum) && name.chars().all(|c| alnum(c) || c == '-' || c == '_');
    must(fine, "a federated credential's name has 3 to 120 letters, digits, `-` and `_`, and begins with a letter or digit")
}

/// `Microsoft.KeyVault/vaults`.
pub fn vault(name: &str) -> Checked {
    let fine = length(name, 3, 24)
        && edges(name, |c| c.is_ascii_alphabetic(), alnum)
        && name.chars().all(|c| alnum(c) || c == '-')
        && !name.contains("--");
    must(fine, "a vault's name has 3 to 24 letters, digits and single `-`, begins with a letter and ends with a letter or digit")
}

/// `Microsoft.KeyVault/vaults/secrets`.
pub fn secret(name: &str) -> Checked {
    let fine = length(name, 1, 127) && name.chars().all(|c| alnum(c) || c == '-');
    must(fine, "a secret's name has 1 to 127 letters, digits and `-`")
}

/// `Microsoft.ContainerService/managedClusters`.
pub fn cluster(name: &str) -> Checked {
    let fine = length(name, 1, 63) && edges(name, alnum, alnum) && name.chars().all(|c| alnum(c) || c == '-' || c == '_');
    must(fine, "a cluster's name has 1 to 63 letters, digits, `-` and `_`, and begins and ends with a letter or digit")
}

/// `Microsoft.Storage/storageAccounts`.
pub fn storage_account(name: &str) -> Checked {
    must(length(name, 3, 24) && name.chars().all(lower), "a storage account's name has 3 to 24 lower-case letters and digits")
}

/// `Microsoft.Storage/storageAccounts/blobServices/containers`.
pub fn container(name: &str) -> Checked {
    let fine = length(name, 3, 63) && edges(name, lower, lower) && name.chars().all(|c| lower(c) || c == '-') && !name.contains("--");
    must(fine, "a container's name has 3 to 63 lower-case letters, digits and single `-`, and begins and ends with a letter or digit")
}

/// The SKUs of an account with block blobs.
const SKUS: [&str; 6] = ["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS"];

pub fn storage_sku(text: &str) -> Checked {
    must(SKUS.contains(&text), &format!("a SKU of a storage account is one of {}", SKUS.join(", ")))
}

pub fn location(name: &str) -> Checked {
    must(length(name, 1, 60) && name.chars().all(alnum), "a location is letters and digits, such as `westeurope`")
}

pub fn guid(text: &str) -> Checked {
    let parts: Vec<&str> = text.split('-').collect();
    let fine = parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|p| p.chars().all(|c| c.is_ascii_hexdigit()));
    must(fine, "it must be a GUID, such as `00000000-0000-0000-0000-000000000000`")
}

/// A role's name (a built-in or a custom one) or its GUID.
pub fn role(text: &str) -> Checked {
    let fine =
        length(text, 1, 128) && edges(text, char::is_alphanumeric, |c| !c.is_whitespace()) && !text.contains(['/', '\\', '?', '#', '%']);
    must(fine && !text.chars().any(char::is_control), "a role is a name such as `Reader`, or the GUID of its definition")
}

/// A user principal name: `ann@example.com`, or `ann_example.com#EXT#@tenant.onmicrosoft.com` of a guest.
pub fn user_name(text: &str) -> Checked {
    let odd = |c: char| c.is_whitespace() || c.is_control() || r#"/\?%*:|"<>"#.contains(c);
    let fine = length(text, 3, 256) && text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    must(fine && !text.contains(odd), "a user principal name is such as `ann@example.com`")
}

/// A group's display name may hold almost anything.
pub fn group_name(text: &str) -> Checked {
    let fine = length(text, 1, 256) && text.trim() == text && !text.chars().any(char::is_control);
    must(fine, "a group's display name has 1 to 256 characters, and no blanks at its ends")
}

/// A permission on secrets in an access policy.
pub fn permission(text: &str) -> Checked {
    let known = ["all", "backup", "delete", "get", "list", "purge", "recover", "restore", "set"];
    must(known.contains(&text), "the permissions on secrets are get, list, set, delete, backup, restore, recover, purge and all")
}

/// A permission on keys in an access policy, in lower case
/// (`KeyPermissions` in `specification/keyvault/resource-manager/Microsoft.KeyVault` of Azure/azure-rest-api-specs).
pub fn key_permission(text: &str) -> Checked {
    const KNOWN: &str = "get, list, create, update, import, delete, backup, restore, recover, purge, encrypt, decrypt, wrapkey, unwrapkey, sign, verify, release, rotate, getrotationpolicy, setrotationpolicy, all";
    must(KNOWN.split(", ").any(|known| known == text), &format!("the permissions on keys are {KNOWN}"))
}

/// A permission on certificates in an access policy, in lower case (`CertificatePermissions` there).
pub fn certificate_permission(text: &str) -> Checked {
    const KNOWN: &str = "get, list, create, update, import, delete, backup, restore, recover, purge, managecontacts, getissuers, listissuers, setissuers, deleteissuers, manageissuers, all";
    must(KNOWN.split(", ").any(|known| known == text), &format!("the permissions on certificates are {KNOWN}"))
}

/// An identity's or a vault's name as the name of a Kubernetes object: lower case, and no underscores.
pub fn object_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-").trim_matches('-').to_owned()
}

/// RFC 1123 label: namespaces, workloads, apps.
pub fn dns_label(name: &str) -> Checked {
    must(is_dns_label(name), "it has 1 to 63 lower-case letters, digits and `-`, and begins and ends with a letter or digit")
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_dns_label(name: &str) -> bool {
    length(name, 1, 63) && edges(name, lower, lower) && name.chars().all(|c| lower(c) || c == '-')
}

/// RFC 1035 label: Services.
pub fn service(name: &str) -> Checked {
    let fine = is_dns_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase());
    must(fine, "it has 1 to 63 lower-case letters, digits and `-`, begins with a letter, and ends with a letter or digit")
}

/// A host name of the Gateway API: RFC 1123, perhaps with a wildcard as its first label.
pub fn host(text: &str) -> Checked {
    let fine = dns_subdomain(text.strip_prefix("*.").unwrap_or(text)).is_ok() && text.contains('.');
    must(fine, "a host name is like `shop.example.com` or `*.example.com`")
}

/// The path of a URL, as a probe asks for it.
pub fn url_path(text: &str) -> Checked {
    let fine = length(text, 1, 1024) && text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic() && c != '#');
    must(fine, "a path begins with `/` and has no spaces, such as `/health`")
}

/// RFC 1123 subdomain: most Kubernetes objects. A part between dots may be longer than 63.
pub fn dns_subdomain(name: &str) -> Checked {
    let part = |p: &str| edges(p, lower, lower) && p.chars().all(|c| lower(c) || c == '-');
    let fine = length(name, 1, 253) && name.split('.').all(part);
    must(fine, "it has 1 to 253 lower-case letters, digits, `-` and `.`, and each part begins and ends with a letter or digit")
}

/// Here never empty: an empty selector would match pods without a label.
/// The key of a label: a name, with an optional DNS subdomain before a slash.
pub fn label_key(text: &str) -> Checked {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if let Some(prefix) = prefix {
        dns_subdomain(prefix)?;
    }
    if name.is_empty() {
        return Err("a label has a key: KEY=VALUE".into());
    }
    label_value(name)
}

pub fn label_value(text: &str) -> Checked {
    let fine = length(text, 1, 63) && edges(text, alnum, alnum) && text.chars().all(|c| alnum(c) || "-_.".contains(c));
    must(fine, "a label's value has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit")
}

/// A key of a Kubernetes Secret.
pub fn secret_key(text: &str) -> Checked {
    let fine = length(text, 1, 253) && text.chars().all(|c| alnum(c) || "-_.".contains(c)) && text != "." && !text.starts_with("..");
    must(fine, "a Secret's key has 1 to 253 letters, digits, `-`, `_` and `.`, and does not begin with `..`")
}

/// A file in the mount; folders are allowed. The driver writes by Kubernetes' atomic writer, which keeps `..NAME` for itself.
pub fn alias(text: &str) -> Checked {
    let segment = |s: &str| !s.is_empty() && s != "." && s != "..";
    let fine = length(text, 1, 253)
        && !text.starts_with("..")
        && text.split('/').all(segment)
        && !text.contains(['\\', ':'])
        && !text.chars().any(char::is_control);
    must(fine, "an alias is a file's name in the mount: relative, without `..`, `\\` and `:`")
}

/// An environment variable, podid's own or a container's.
pub fn variable(text: &str) -> Checked {
    let fine = length(text, 1, 253)
        && text.chars().all(|c| alnum(c) || "-_.".contains(c))
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text != "."
        && text != "..";
    must(fine, "an environment variable's name has letters, digits, `_`, `-` and `.`, and does not begin with a digit")
}

/// `[REGISTRY/]NAME[:TAG][@sha256:DIGEST]`
pub fn image(text: &str) -> Checked {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let whole = digest.is_none_or(|d| {
        d.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
    });
    let plain = |s: &str| edges(s, alnum, alnum) && s.chars().all(|c| alnum(c) || "-_.:".contains(c)) && !s.contains("..");
    let fine = length(name, 1, 255) && name.split('/').all(plain);
    must(fine && whole, "an image is `[REGISTRY/]NAME[:TAG][@sha256:DIGEST]`")
}

pub const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
pub const VAULT: &str = "Microsoft.KeyVault/vaults";
pub const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";
pub const STORAGE_ACCOUNT: &str = "Microsoft.Storage/storageAccounts";

/// What stands in a resource's full id. Segments are compared without regard to case, as Azure does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    pub subscription: &'a str,
    pub group: &'a str,
    pub name: &'a str,
}

/// None if it is not an id at all (a name, that is); an error if it looks like one and is not one of `kind`.
pub fn id_of<'a>(kind: &str, text: &'a str) -> Result<Option<Parts<'a>>, String> {
    let Some(rest) = text.strip_prefix('/') else { return Ok(None) };
    let rule = || format!("it begins like a full id, which would be `/subscriptions/GUID/resourceGroups/GROUP/providers/{kind}/NAME`");
    let segments: Vec<&str> = rest.split('/').collect();
    let [subscriptions, subscription, groups, group, providers, namespace, plural, name] = segments[..] else { return Err(rule()) };
    let words = subscriptions.eq_ignore_ascii_case("subscriptions")
        && groups.eq_ignore_ascii_case("resourceGroups")
        && providers.eq_ignore_ascii_case("providers")
        && format!("{namespace}/{plural}").eq_ignore_ascii_case(kind);
    if !words || guid(subscription).is_err() {
        return Err(rule());
    }
    resource_group(group)?;
    Ok(Some(Parts { subscription, group, name }))
}

fn name_or_id(kind: &str, rule: fn(&str) -> Checked, text: &str) -> Checked {
    match id_of(kind, text)? {
        Some(parts) => rule(parts.name),
        None => rule(text),
    }
}

pub fn identity_or_id(text: &str) -> Checked {
    name_or_id(IDENTITY, identity, text)
}

pub fn vault_or_id(text: &str) -> Checked {
    name_or_id(VAULT, vault, text)
}

pub fn storage_account_or_id(text: &str) -> Checked {
    name_or_id(STORAGE_ACCOUNT, storage_account, text)
}

pub fn cluster_or_id(text: &str) -> Checked {
    name_or_id(CLUSTER, cluster, text)
}

/// The last part of a full id, or the name itself.
pub fn name_in(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// Whether two names, or ids, end in the same name: Azure ignores case, and the names of vaults and storage accounts are unique in all of
/// Azure.
pub fn same(one: &str, other: &str) -> bool {
    name_in(one).eq_ignore_ascii_case(name_in(other))
}

/// A group's name or full id.
pub fn group_or_id(text: &str) -> Checked {
    if !text.starts_with('/') {
        return resource_group(text);
    }
    match text.split('/').collect::<Vec<_>>()[..] {
        ["", subscriptions, subscription, groups, group]
            if subscriptions.eq_ignore_ascii_case("subscriptions") && groups.eq_ignore_ascii_case("resourceGroups") =>
        {
            guid(subscription)?;
            resource_group(group)
        }
        _ => Err("it begins like a full id, which would be `/subscriptions/GUID/resourceGroups/GROUP`".into()),
    }
}

/// A subscription, a group, a resource, or a resource in a resource.
pub fn arm_scope(text: &str) -> Checked {
    let rule = "a full id is `/subscriptions/GUID`, and then `/resourceGroups/GROUP`, and then `/providers/NAMESPACE/TYPE/NAME`";
    let segments: Vec<&str> = text.trim_start_matches('/').split('/').collect();
    let plain = |s: &&str| length(s, 1, 260) && !matches!(*s, "." | "..") && s.chars().all(|c| c.is_alphanumeric() || "-_.() ".contains(c));
    let (head, rest) = segments.split_at(segments.len().min(2));
    let [word, subscription] = head else { return Err(rule.into()) };
    if text.starts_with("//") || !word.eq_ignore_ascii_case("subscriptions") {
        return Err(rule.into());
    }
    guid(subscription)?;
    let rest = match rest {
        [] => return Ok(()),
        [word, group, rest @ ..] if word.eq_ignore_ascii_case("resourceGroups") => {
            resource_group(group)?;
            rest
        }
        rest => rest,
    };
    match rest {
        [] => Ok(()),
        [word, namespace, types @ ..] if word.eq_ignore_ascii_case("providers") => {
            let whole = !types.is_empty() && types.len() % 2 == 0 && namespace.contains('.');
            must(whole && plain(namespace) && types.iter().all(plain), rule)
        }
        _ => Err(rule.into()),
    }
}

/// What a plan, the state and `podid output` call a resource: `identity/claims-api-mid`.
pub fn key(text: &str) -> Checked {
    let named = text.split('/').count() >= 2 && text.split('/').all(|part| !part.is_empty()) && !text.chars().any(char::is_control);
    // the one kind of which there is one
    must(named || text == "caller", "a key is the kind and the name, as plans and `podid state list` show them: `identity/claims-api-mid`")
}

/// `90` (seconds), `90s`, `5m`, `1h30m`, `500ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let span: Option<Span> = text.parse().ok();
    let exact = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let duration = exact.and_then(|exact| Duration::try_from(exact).ok());
    duration.ok_or_else(|| "a duration is a number of seconds, or such as `90s`, `5m`, `1h30m`".to_owned())
}

#[cfg(test)]
mod tests;
