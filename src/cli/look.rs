//! What only looks at single things.

/// Names may be full ids; a group of None is taken from spec and state.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    Identity {
        name: String,
        group: Option<String>,
    },
    Identities {
        group: Option<String>,
    },
    /// Forms as in `Request::Role`.
    Roles {
        to: Option<String>,
        scope: Option<String>,
    },
    Vault {
        name: String,
        group: Option<String>,
    },
    Vaults {
        group: Option<String>,
    },
    Secrets {
        vault: String,
        group: Option<String>,
    },
    /// The value is read only with `reveal`.
    Secret {
        vault: String,
        group: Option<String>,
        name: String,
        reveal: bool,
    },
}
