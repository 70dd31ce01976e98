//! The Azure provider 1.8 of the Secrets Store CSI driver: reads its parameters, gets a token in the mode they say, and fetches the objects.
//! Its refusals are texts, as the real one gives them. Values of secrets are in what it returns and nowhere else.

mod access;
mod parameters;
mod vault;

pub(super) use access::Access;
pub(super) use vault::File;

use std::collections::BTreeMap;

/// What the driver hands over.
pub(super) struct Request<'a> {
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) pod_uid: &'a str,
    pub(super) service_account: &'a str,
    pub(super) parameters: &'a BTreeMap<String, String>,
    /// Of nodePublishSecretRef.
    pub(super) secret: Option<BTreeMap<String, String>>,
}

pub(super) async fn mount(access: &Access, request: &Request<'_>) -> Result<Vec<File>, String> {
    let read = parameters::Parameters::read(request.parameters)?;
    let login = access::Login::choose(access, &read, request).await.map_err(|e| match e {
        access::No::Plain(text) => text,
        access::No::Config(text) => format!("failed to create auth config, error: {text}"),
    })?;
    let objects = parameters::objects(request.parameters)?;
    if objects.is_empty() {
        return Ok(Vec::new()); // an empty array mounts nothing, and is no error
    }
    let host = read.vault_host().map_err(|e| format!("failed to get vault: {e}"))?;
    let mut token = None;
    let mut files = Vec::new();
    for object in &objects {
        let got = vault::fetch(access, &login, &read, request, &host, object, &mut token).await;
        files.push(got.map_err(|e| object.wrap(&e))?);
    }
    Ok(files)
}
