//! Checks the user of a kubeconfig before kube gets it, because kube panics on a value that is not a valid header. Refuses to send a
//! credential unencrypted. No error shows a value.

use super::error::{Error, Result};
use super::paths::shown;
use base64::Engine;
use http::{HeaderValue, Uri};
use kube::config::AuthInfo;
use secrecy::{ExposeSecret, SecretString};

/// The owner of a credential, for errors.
#[derive(Clone, Copy)]
pub(super) struct CredentialOwner<'a> {
    pub(super) context: &'a str,
    pub(super) user: &'a str,
    pub(super) file: &'a str,
}

impl CredentialOwner<'_> {
    fn wrong(&self, field: &str, why: &str) -> Error {
        Error::Kubeconfig(format!("{}: context {:?}: the {field} of user {:?} {why}", self.file, self.context, self.user))
    }
}

/// Returns why a text is not a valid header; None if it is.
pub(super) fn unfit(text: &str) -> Option<&'static str> {
    if HeaderValue::try_from(text).is_ok() {
        return None;
    }
    Some(if text.trim_end().chars().any(char::is_control) {
        "holds a line break or another control character"
    } else {
        "ends in a line break: remove it (of a `tokenFile` podid and kubectl leave it out themselves)"
    })
}

/// Rejects values that are not valid headers or base64, field by field. Removes line breaks from base64, as Go does.
pub(super) fn check(user: &mut AuthInfo, owner: CredentialOwner<'_>) -> Result<()> {
    let fits = |field: &str, text: &str| unfit(text).map_or(Ok(()), |why| Err(owner.wrong(field, why)));
    if let Some(token) = &user.token {
        fits("token", token.expose_secret())?;
    }
    if let Some(provider) = &user.auth_provider {
        // kubectl dropped the others, too; kube would run a command for one of them
        if provider.name != "oidc" {
            return Err(owner.wrong("auth-provider", "is not supported: use an exec plugin (for AKS: `kubelogin convert-kubeconfig`)"));
        }
        provider.config.iter().try_for_each(|(name, value)| fits(&format!("auth-provider {name}"), value))?;
    }
    for (field, value) in [("as", &user.impersonate), ("as-uid", &user.impersonate_uid)] {
        value.iter().try_for_each(|value| fits(field, value))?;
    }
    user.impersonate_groups.iter().flatten().try_for_each(|group| fits("as-groups", group))?;
    user.impersonate_user_extra.iter().flatten().try_for_each(|(_, values)| values.iter().try_for_each(|v| fits("as-user-extra", v)))?;
    let decodes = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).is_ok();
    if let Some(data) = &mut user.client_certificate_data {
        *data = joined(data);
        if !decodes(data) {
            return Err(owner.wrong("client-certificate-data", "is not base64"));
        }
    }
    if let Some(data) = &mut user.client_key_data {
        let key = joined(data.expose_secret());
        if !decodes(&key) {
            return Err(owner.wrong("client-key-data", "is not base64"));
        }
        *data = SecretString::from(key);
    }
    Ok(())
}

/// Removes the line breaks of a base64 text.
pub(super) fn joined(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

/// Refuses to send a credential to an unencrypted server. kubectl would leave it out silently and act as anonymous.
pub(super) fn refuse_plain(user: &AuthInfo, owner: CredentialOwner<'_>, url: &Uri, cluster: &str) -> Result<()> {
    let scheme = url.scheme_str().unwrap_or_default();
    if scheme != "http" {
        return Err(Error::Kubeconfig(format!(
            "context {:?}: its server {} begins with neither https:// nor http://",
            owner.context,
            shown(url)
        )));
    }
    let has_credential = user.token.is_some()
        || user.token_file.is_some()
        || user.password.is_some()
        || user.exec.is_some()
        || user.auth_provider.is_some()
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some();
    let in_address = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if !has_credential && !in_address {
        return Ok(());
    }
    let owned = |text: &str| text.to_owned();
    let (context, user, file) = (owned(owner.context), owned(owner.user), owned(owner.file));
    Err(Error::Unencrypted { context, server: shown(url), cluster: owned(cluster), user, file })
}
