//! The vaults that an app is told to read by itself: those whose address is the value of a variable. Which secrets it reads only the app knows.

use crate::{
    chain::uses::{PodView, SecretUse},
    survey::Survey,
};
use std::collections::BTreeSet;

/// The end of a vault's host name, in the public and in the other clouds.
const ENDS: &[&str] = &[".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn"];

pub(super) fn mounts(pod: &PodView<'_>, _: &Survey, delivery: &'static str) -> Vec<SecretUse> {
    let vaults: BTreeSet<&str> = pod.variables().filter_map(|(_, value)| vault_of(value)).collect();
    let used = |vault: &str| SecretUse {
        delivery,
        through: None,
        vault: Some(vault.to_owned()),
        objects: Vec::new(),
        synced: Vec::new(),
        parameters: None,
        edges: Vec::new(),
    };
    vaults.into_iter().map(used).collect()
}

/// The name of the vault whose address this is.
fn vault_of(value: &str) -> Option<&str> {
    let host = value.strip_prefix("https://")?.split(['/', ':']).next()?;
    let name = ENDS.iter().find_map(|end| host.strip_suffix(end))?;
    (!name.is_empty() && !name.contains('.')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::vault_of;

    #[test]
    fn only_an_address_of_a_vault_counts() {
        assert_eq!(vault_of("https://kv-shop.vault.azure.net/"), Some("kv-shop"));
        assert_eq!(vault_of("https://kv-shop.vault.azure.net:443/secrets/x"), Some("kv-shop"));
        assert_eq!(vault_of("https://vault.azure.net/.default"), None);
        assert_eq!(vault_of("https://a.b.vault.azure.net"), None);
        assert_eq!(vault_of("kv-shop"), None);
    }
}
