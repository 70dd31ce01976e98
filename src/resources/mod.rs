//! One file = one kind. Kinds know the engine and the two clouds, not the terminal, the spec file or each other's insides
//! (only what another publishes: `identity::CLIENT_ID`).

pub mod azure_identity;
pub mod azure_identity_binding;
pub mod caller;
pub mod cluster;
pub mod conflict;
pub mod grant;
pub mod group;
pub mod identity;
pub mod manifest;
pub mod namespace;
pub mod ownership;
pub mod principal;
pub mod rendered;
pub mod rights;
pub mod role;
pub mod roles;
pub mod secret;
pub mod secret_provider_class;
pub mod takeover;
#[cfg(test)]
mod tests;
pub mod values;
pub mod vault;
pub mod world;

use crate::engine::resource::{ErasedKind, KindOf, Kinds};
pub use world::{Cloud, Reader, Writer};

/// The table of kinds: a new kind is one file and one line here.
pub const KINDS: Kinds<Cloud> = Kinds(TABLE);

static TABLE: &[&dyn ErasedKind<Cloud>] = &[
    &KindOf::<caller::Caller>::new(),
    &KindOf::<principal::Principal>::new(),
    &KindOf::<group::Group>::new(),
    &KindOf::<cluster::Cluster>::new(),
    &KindOf::<identity::Identity>::new(),
    &KindOf::<role::Role>::new(),
    &KindOf::<vault::Vault>::new(),
    &KindOf::<grant::Grant>::new(),
    &KindOf::<secret::Secret>::new(),
    &KindOf::<namespace::Namespace>::new(),
    &KindOf::<azure_identity::AzureIdentity>::new(),
    &KindOf::<azure_identity_binding::AzureIdentityBinding>::new(),
    &KindOf::<secret_provider_class::SecretProviderClass>::new(),
];
