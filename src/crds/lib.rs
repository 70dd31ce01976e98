//! The custom resources of AAD Pod Identity and of the Secrets Store CSI driver as Rust types, and the CustomResourceDefinitions that are
//! made from these types. So the objects that podid writes and the CRDs that its sandbox serves always agree.
//!
//! `schema` converts a type to a schema, `definition` schemas to a CRD; `pod_identity` and `secrets_store` are the types.

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
