//! The credentials of managed clusters: the kubeconfig that AKS returns.

use super::{ArmId, Error, Result, arm::Arm, clusters::VERSION, hosts};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::Deserialize;

/// The scope of tokens for the API servers of clusters with Entra: the application of all of them (Azure/kubelogin, README).
pub const API_SERVER_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

/// It holds a credential, so it has no `Debug`.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    kubeconfigs: Vec<Kubeconfig>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    value: String,
}

/// Returns the kubeconfig of a cluster's users, or of its administrator, as text. With Entra it has an exec login by kubelogin.
pub async fn kubeconfig(arm: &Arm, id: &ArmId, admin: bool) -> Result<SecretString> {
    let (action, query): (_, &[(&str, &str)]) =
        if admin { ("listClusterAdminCredential", &[]) } else { ("listClusterUserCredential", &[("format", "exec")]) };
    let answer: Answer = arm.act(id, action, query, VERSION).await?;
    // the texts of these errors would contain a part of the credential
    let unreadable = || Error::Protocol(format!("{}: the credential of the cluster {} is not a kubeconfig", hosts::ARM, id.name()));
    let encoded = answer.kubeconfigs.into_iter().next().ok_or_else(unreadable)?.value;
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| unreadable())?;
    String::from_utf8(bytes).map(SecretString::from).map_err(|_| unreadable())
}
