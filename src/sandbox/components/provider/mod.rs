//! The Azure provider 1.8 of the Secrets Store CSI driver: it reads the parameters, gets a token in the requested mode, and fetches the
//! objects. Its errors are the texts of the real one. Only its results contain values of secrets.

mod access;
mod parameters;
mod request;
mod vault;

pub(super) use access::ProviderContext;
pub(super) use request::{DRIVER, MountRequest};
pub(super) use vault::File;

pub(super) async fn mount(access: &ProviderContext, request: &MountRequest<'_>) -> Result<Vec<File>, String> {
    let files = files(access, request).await;
    if let Err(why) = &files {
        access.log.error(request.node, "server.go:60", &format!("\"failed to process mount request\" err={why:?}"));
    }
    files
}

async fn files(access: &ProviderContext, request: &MountRequest<'_>) -> Result<Vec<File>, String> {
    let read = parameters::Parameters::read(request.parameters)?;
    let login = access::TokenSource::choose(access, &read, request).await.map_err(|e| match e {
        access::LoginError::Plain(text) => text,
        access::LoginError::Config(text) => format!("failed to create auth config, error: {text}"),
    })?;
    let objects = parameters::objects(request.parameters)?;
    if objects.is_empty() {
        return Ok(Vec::new()); // an empty array mounts nothing and is not an error
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
