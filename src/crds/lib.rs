//! The custom resources of AAD Pod Identity and of the Secrets Store CSI driver as Rust types, and from those types the
//! CustomResourceDefinitions that serve them. What podid writes and what its sandbox serves is so one and the same. Knows nothing of ours.
//!
//! `schema` how a type becomes a schema · `definition` how schemas become a CRD · `pod_identity`, `secrets_store` the types.

mod all;
mod astray;
mod definition;
mod pod_identity;
mod schema;
mod secrets_store;
#[cfg(test)]
mod tests;

pub use all::all;
pub use astray::astray;
pub use definition::{POD_IDENTITY, SECRETS_STORE};
pub use pod_identity::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzureIdentityBindingSpec, AzureIdentitySpec, AzurePodIdentityException,
    AzurePodIdentityExceptionSpec,
};
pub use secrets_store::{
    SecretObject, SecretObjectData, SecretProviderClass, SecretProviderClassPodStatus, SecretProviderClassSpec, StatusObject,
};
