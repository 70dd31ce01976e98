//! Checks the address of a vault. Tokens and secrets go to the host in it, so the host must be one of Azure's vaults, and of the vault that
//! was requested.

use super::{ArmId, Error, Result};
use url::Url;

/// The DNS suffixes of vaults by cloud: <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name>
pub const SUFFIXES: [&str; 3] = ["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"];

/// Splits a host such as `shop.vault.azure.net` into the vault's name and the suffix.
pub fn parts(host: &str) -> Option<(&str, &'static str)> {
    let (name, rest) = host.split_once('.')?;
    let suffix = SUFFIXES.iter().find(|suffix| **suffix == rest)?;
    (!name.is_empty()).then_some((name, *suffix))
}

/// Returns the host of an address that consists only of `https://NAME.SUFFIX/`.
pub fn host(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| plain && bare && parts(host).is_some())?;
    Some(host.to_owned())
}

/// Returns the address that Azure Resource Manager reports for a vault, with a trailing slash. Fails if it is not the address of that
/// vault.
pub fn checked(id: &ArmId, given: &str) -> Result<String> {
    let own = host(given).filter(|host| parts(host).is_some_and(|(name, _)| name.eq_ignore_ascii_case(id.name())));
    match own {
        Some(host) => Ok(format!("https://{host}/")),
        None => Err(foreign(&format!("the vault {id}"), given, id.name())),
    }
}

pub fn foreign(what: &str, given: &str, name: &str) -> Error {
    Error::ForeignAddress { what: what.to_owned(), given: given.to_owned(), expected: format!("https://{name}.{}/", SUFFIXES[0]) }
}
