//! The address of a vault. A token for vaults, and secrets, go to the host that it names, so it must be one of Azure's vaults, and that of
//! the vault that was asked about.

use super::{ArmId, Error, Result};
use url::Url;

/// The DNS suffixes of vaults by cloud: <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name>
pub const SUFFIXES: [&str; 3] = ["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"];

/// The vault's name and the suffix, of a host such as `shop.vault.azure.net`.
pub fn parts(host: &str) -> Option<(&str, &'static str)> {
    let (name, rest) = host.split_once('.')?;
    let suffix = SUFFIXES.iter().find(|suffix| **suffix == rest)?;
    (!name.is_empty()).then_some((name, *suffix))
}

/// The host of an address that is nothing but `https://NAME.SUFFIX/`.
pub fn host(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| plain && bare && parts(host).is_some())?;
    Some(host.to_owned())
}

/// The address that Azure Resource Manager gave for a vault, with a slash at its end; refused where it is not that vault's own.
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
