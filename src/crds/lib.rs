//! The custom resources of AAD Pod Identity and of the Secrets Store CSI driver as Rust types, and from those types the
//! CustomResourceDefinitions that serve them. What podid writes and what its sandbox serves is so one and the same. Knows nothing of ours.
//!
//! `schema` how a type becomes a schema · `definition` how schemas become a CRD · `pod_identity`, `secrets_store` the types.

mod astray;
mod definition;
mod pod_identity;
mod schema;
mod secrets_store;
#[cfg(test)]
mod tests;

pub use astray::astray;
pub use pod_identity::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzureIdentityBindingSpec, AzureIdentitySpec, AzurePodIdentityException,
    AzurePodIdentityExceptionSpec,
};
pub use secrets_store::{
    SecretObject, SecretObjectData, SecretProviderClass, SecretProviderClassPodStatus, SecretProviderClassSpec, StatusObject,
};

use serde_json::Value;

/// Group and version of what podid writes.
pub const POD_IDENTITY: (&str, &str) = ("aadpodidentity.k8s.io", "v1");
pub const SECRETS_STORE: (&str, &str) = ("secrets-store.csi.x-k8s.io", "v1");

/// The six CustomResourceDefinitions (apiextensions.k8s.io/v1), without what a chart adds.
pub fn all() -> Vec<Value> {
    let mut all = pod_identity::definitions();
    all.extend(secrets_store::definitions());
    all.iter().map(definition::Definition::document).collect()
}
