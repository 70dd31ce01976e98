//! The commands that only read single resources.

use crate::spec::reference::{NameOrId, Principal, Scope};

/// What to read. A `group` of None is taken from spec and state.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadCommand {
    Identity {
        name: NameOrId,
        group: Option<String>,
    },
    Identities {
        group: Option<String>,
    },
    Federations {
        /// None: the only one that spec and state know.
        identity: Option<NameOrId>,
        group: Option<String>,
    },
    Cluster {
        name: NameOrId,
        group: Option<String>,
    },
    ResourceGroup {
        name: String,
    },
    Roles {
        to: Option<Principal>,
        scope: Option<Scope>,
    },
    Vault {
        name: NameOrId,
        group: Option<String>,
    },
    Vaults {
        group: Option<String>,
    },
    StorageAccount {
        name: NameOrId,
        group: Option<String>,
    },
    StorageAccounts {
        group: Option<String>,
    },
    Containers {
        account: NameOrId,
        group: Option<String>,
    },
    Secrets {
        vault: NameOrId,
        group: Option<String>,
    },
    /// The value is only read with `reveal`.
    Secret {
        vault: NameOrId,
        group: Option<String>,
        name: String,
        reveal: bool,
    },
}
