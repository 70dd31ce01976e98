//! The secrets of a vault: names, ages and dates. Values are never asked for.

use super::list::List;
use crate::azure::{Read, SecretInfo, Vault};

#[derive(Debug, Default)]
pub struct VaultContent {
    pub secrets: List<SecretInfo>,
}

impl VaultContent {
    pub(super) async fn read(azure: &Read, vault: &Vault) -> Self {
        let what = format!("the secrets of {}", vault.id.name());
        Self { secrets: List::of(&what, azure.secrets(&vault.uri).await) }
    }

    pub fn secret(&self, name: &str) -> Option<&SecretInfo> {
        self.secrets.iter().find(|secret| secret.name.eq_ignore_ascii_case(name))
    }
}
