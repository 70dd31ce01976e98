//! Names of the objects of AAD Pod Identity.

use crate::{
    engine::resource::Kind as _,
    resources::{azure_identity::AzureIdentity, azure_identity_binding::AzureIdentityBinding},
};

/// The API group of its custom resources.
pub const GROUP: &str = "aadpodidentity.k8s.io";
/// The label by which pods choose an AzureIdentityBinding.
pub const LABEL: &str = "aadpodidbinding";

pub const AZURE_IDENTITY: &str = AzureIdentity::KIND;
pub const BINDING: &str = AzureIdentityBinding::KIND;

/// The name of a binding that was given none.
pub fn default_binding(azure_identity: &str) -> String {
    format!("{azure_identity}-binding")
}
