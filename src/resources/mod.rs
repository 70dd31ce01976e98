//! One file = one kind. Kinds know the engine and the two clouds, not the terminal, the spec file or each other's insides
//! (only what another publishes: `identity::CLIENT_ID`). All that is true of a kind is said in its file (`kind::Resource`).

pub mod access;
pub mod addon_exception;
pub mod addon_identity;
pub mod adopted_class;
mod apply;
pub mod azure_identity;
pub mod azure_identity_binding;
pub mod caller;
pub mod cluster;
mod compare;
pub mod component;
pub mod conflict;
pub mod container;
pub mod data_roles;
pub mod delivery;
pub mod exception;
pub mod feature;
pub mod federation;
pub mod grant;
pub mod group;
pub mod helm_release;
pub mod identity;
pub mod identity_binding;
pub mod image;
pub mod installation;
pub mod kind;
mod local_preview;
mod managed;
pub mod manifest;
pub mod manifested;
pub mod migrated;
pub mod namespace;
pub mod object;
pub mod orphan;
mod outlook;
pub mod ownership;
pub mod pod_patch;
pub mod policy_role;
pub mod principal;
mod read_only;
pub mod readiness;
pub mod registration;
pub mod role;
pub mod roles;
pub mod running;
pub mod secret;
pub mod secret_provider_class;
pub mod service_account;
pub mod storage_account;
pub mod takeover;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod values;
pub mod vault;
pub mod vault_model;
pub mod wiring;
pub mod workload;
pub mod world;

use crate::{
    cluster::Api,
    engine::{
        fault::Fault,
        ledger::{Ledger, Origin},
        resource::{ErasedKind, KindOf, Kinds},
    },
};
use access::{Access, Right};
use kind::{AnyResource, AzureRole};
use std::collections::BTreeSet;
pub use world::{Cloud, Reader, Writer};

/// Makes the table twice: as the engine sees it, and as the rest of podid does.
macro_rules! table {
    ($($kind:ty),* $(,)?) => {
        static OF_ENGINE: &[&dyn ErasedKind<Cloud>] = &[$(&KindOf::<$kind>::new()),*];
        static TABLE: &[&dyn AnyResource] = &[$(&KindOf::<$kind>::new()),*];
    };
}

// a new kind is one file and one line here
table![
    caller::Caller,
    principal::Principal,
    group::Group,
    cluster::Cluster,
    feature::Feature,
    identity::Identity,
    federation::Federation,
    identity_binding::IdentityBinding,
    role::Role,
    vault::Vault,
    grant::Grant,
    secret::Secret,
    storage_account::StorageAccount,
    container::Container,
    orphan::Orphan,
    policy_role::PolicyRole,
    vault_model::VaultModel,
    registration::Registration,
    addon_identity::AddonIdentity,
    addon_exception::AddonException,
    namespace::Namespace,
    service_account::ServiceAccount,
    azure_identity::AzureIdentity,
    azure_identity_binding::AzureIdentityBinding,
    secret_provider_class::SecretProviderClass,
    delivery::PodSecrets,
    object::Object,
    installation::Installation,
    component::Component,
    exception::Exception,
    helm_release::HelmRelease,
    image::Image,
    adopted_class::AdoptedClass,
    wiring::Wiring,
];

/// The table of kinds for the engine.
pub const KINDS: Kinds<Cloud> = Kinds(OF_ENGINE);

/// All kinds.
pub fn all() -> impl Iterator<Item = &'static dyn AnyResource> {
    TABLE.iter().copied()
}

/// The kind of this name.
pub fn of(kind: &str) -> Result<&'static dyn AnyResource, Fault> {
    all().find(|k| k.kind() == kind).ok_or_else(|| Fault::Bug(format!("there is no kind {kind:?}")))
}

/// What requests on objects of a kind need of a cluster's RBAC; nothing for a kind that is not in a cluster.
pub fn access(kind: &str, access: Access) -> Vec<Right> {
    of(kind).map(|kind| kind.access(access)).unwrap_or_default()
}

/// What others made for the resources that podid created for an app: `Resource::brings`.
pub fn brought(ledger: &Ledger, app: &str) -> BTreeSet<String> {
    let ours = ledger.of_app(app).filter(|entry| matches!(entry.origin, Origin::Created | Origin::Extended));
    ours.filter_map(|entry| of(&entry.kind).ok()?.brings(&entry.placed).ok()).flatten().collect()
}

/// The kinds of objects that count as a namespace's content.
pub fn content() -> Vec<Api> {
    all().filter_map(AnyResource::content).collect()
}

/// The narrowest role that allows an action which Azure refused. What no kind names and only reads is for a Reader.
pub fn role_for(action: &str) -> Option<&'static AzureRole> {
    const READER: AzureRole = AzureRole { actions: "", reads: true, role: roles::READER, scope: kind::HintScope::Group };
    let action = action.to_ascii_lowercase();
    let only_reads = action.ends_with("/read");
    let known = all().flat_map(|kind| kind.roles()).filter(|role| role.reads || !only_reads);
    let narrowest = known.filter(|role| action.starts_with(&role.actions.to_ascii_lowercase())).max_by_key(|role| role.actions.len());
    narrowest.or(only_reads.then_some(&READER))
}
