//! Reads and writes secrets with azure_security_keyvault_secrets, with one client for each vault's host. No error contains a value: bodies
//! that hold one are parsed here, and an error names only the position.

use super::{
    DeletedSecret, Error, NewSecret, Result, Secret, SecretInfo, Tags,
    arm::{self, odd_name},
    failures::{self, absent},
    limits,
    pipeline::HttpPipeline,
    token::Tokens,
    transport, vault_uri,
    wait::{Poll, REPLICATION, Waiter},
};
use azure_core::http::{Response, StatusCode};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions, models};
use futures::TryStreamExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
};
use time::OffsetDateTime;
use url::Url;

pub struct Secrets {
    pipeline: Arc<HttpPipeline>,
    tokens: Arc<Tokens>,
    clients: Mutex<HashMap<String, Arc<SecretClient>>>,
}

/// Checks the name of a secret: <https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>
fn checked(name: &str) -> Result<&str> {
    let fits = (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits { Ok(name) } else { Err(odd_name(name)) }
}

impl Secrets {
    pub fn new(pipeline: Arc<HttpPipeline>, tokens: Arc<Tokens>) -> Self {
        Self { pipeline, tokens, clients: Mutex::default() }
    }

    fn client(&self, vault_uri: &str) -> Result<Arc<SecretClient>> {
        let host = vault_uri::host(vault_uri).ok_or_else(|| vault_uri::foreign("a vault", vault_uri, "NAME"))?;
        let mut clients = self.clients.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(client) = clients.get(&host) {
            return Ok(client.clone());
        }
        let client_options = transport::v1_options_for(&self.pipeline, &host);
        let options = SecretClientOptions { client_options, ..SecretClientOptions::default() };
        let client = Arc::new(SecretClient::new(&format!("https://{host}"), self.tokens.clone(), Some(options))?);
        clients.insert(host, client.clone());
        Ok(client)
    }

    pub async fn get(&self, vault_uri: &str, name: &str) -> Result<Option<Secret>> {
        let client = self.client(vault_uri)?;
        absent(client.get_secret(checked(name)?, None).await.map_err(Error::from).and_then(|found| body(vault_uri, found)?.with_value()))
    }

    pub async fn list(&self, vault_uri: &str) -> Result<Vec<SecretInfo>> {
        let pages = self.client(vault_uri)?.list_secret_properties(None)?;
        let found: Vec<models::SecretProperties> = limits::list(async { pages.try_collect().await.map_err(Error::from) }).await?;
        found.into_iter().map(|one| info(one, false)).collect()
    }

    async fn versions(&self, vault_uri: &str, name: &str) -> Result<Vec<SecretInfo>> {
        let pages = self.client(vault_uri)?.list_secret_properties_versions(checked(name)?, None)?;
        let found: Option<Vec<models::SecretProperties>> =
            absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?;
        found.unwrap_or_default().into_iter().map(|one| info(one, true)).collect()
    }

    /// Returns the latest version, disabled or not.
    pub async fn latest(&self, vault_uri: &str, name: &str) -> Result<Option<SecretInfo>> {
        let versions = self.versions(vault_uri, name).await?;
        let Some(last) = versions.iter().map(|version| version.created).max() else { return Ok(None) };
        let mut latest: Vec<SecretInfo> = versions.into_iter().filter(|version| version.created == last).collect();
        if latest.len() > 1 {
            match self.get(vault_uri, name).await {
                Ok(current) => return Ok(current.map(|current| current.info)),
                Err(error) if error.is_disabled_secret() => latest.retain(|version| !version.enabled),
                Err(error) => return Err(error),
            }
        }
        Ok(latest.pop())
    }

    pub async fn newest(&self, vault_uri: &str, name: &str) -> Result<Option<SecretInfo>> {
        let versions = self.versions(vault_uri, name).await?;
        let enabled = || versions.iter().filter(|version| version.enabled);
        let Some(newest) = enabled().max_by_key(|version| version.created) else { return Ok(None) };
        // times are whole seconds and the list is unordered: if two versions have the same second, only the vault knows the later one
        if enabled().filter(|version| version.created == newest.created).count() > 1
            && let Some(current) = self.get(vault_uri, name).await?
        {
            return Ok(Some(current.info));
        }
        Ok(Some(newest.clone()))
    }

    pub async fn deleted(&self, vault_uri: &str, name: &str) -> Result<Option<DeletedSecret>> {
        let client = self.client(vault_uri)?;
        let answer = client.get_deleted_secret(checked(name)?, None).await.map_err(Error::from);
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct SecretBody {
            scheduled_purge_date: Option<i64>,
        }
        let found: Option<SecretBody> = absent(answer.and_then(|found| arm::parsed(vault_uri, raw(found).as_ref())))?;
        Ok(found.map(|found| DeletedSecret { name: name.to_owned(), scheduled_purge_date: found.scheduled_purge_date }))
    }

    /// Reads a secret past all caches. With `patience`, waits for a grant or a vault that was just created.
    pub async fn get_now(&self, vault_uri: &str, name: &str, patience: Option<&Waiter>) -> Result<Option<Secret>> {
        match patience {
            None => self.get(vault_uri, name).await,
            Some(patience) => patiently(patience, vault_uri, name, true, || self.get(vault_uri, name)).await,
        }
    }

    pub async fn set(&self, vault_uri: &str, name: &str, new: &NewSecret, patience: &Waiter, granted: bool) -> Result<SecretInfo> {
        let client = self.client(vault_uri)?;
        let name = checked(name)?;
        let set = || async {
            let (expires, not_before) = (date(new.expires)?, date(new.not_before)?);
            let dates = models::SecretAttributes { expires, not_before, ..Default::default() };
            let wanted = models::SetSecretParameters {
                value: Some(new.value.expose_secret().to_owned()),
                tags: Some(new.tags.clone().into_iter().collect()),
                content_type: new.content_type.clone(),
                secret_attributes: (expires.is_some() || not_before.is_some()).then_some(dates),
            };
            let made = client.set_secret(name, wanted.try_into()?, None).await?;
            body(vault_uri, made)?.info()
        };
        patiently(patience, vault_uri, name, granted, set).await
    }

    pub async fn tag(&self, vault_uri: &str, name: &str, tags: &Tags) -> Result<SecretInfo> {
        let wanted = models::UpdateSecretPropertiesParameters { tags: Some(tags.clone().into_iter().collect()), ..Default::default() };
        let made = self.client(vault_uri)?.update_secret_properties(checked(name)?, wanted.try_into()?, None).await?;
        body(vault_uri, made)?.info()
    }

    /// Disables one version; the others stay as they are.
    pub async fn disable(&self, vault_uri: &str, name: &str, version: &str) -> Result<()> {
        let attributes = models::SecretAttributes { enabled: Some(false), ..Default::default() };
        let wanted = models::UpdateSecretPropertiesParameters { secret_attributes: Some(attributes), ..Default::default() };
        let options = models::SecretClientUpdateSecretPropertiesOptions { secret_version: Some(version.to_owned()), ..Default::default() };
        self.client(vault_uri)?.update_secret_properties(checked(name)?, wanted.try_into()?, Some(options)).await?;
        Ok(())
    }

    pub async fn delete(&self, vault_uri: &str, name: &str, patience: &Waiter) -> Result<()> {
        let client = self.client(vault_uri)?;
        let name = checked(name)?;
        let delete = || async { client.delete_secret(name, None).await.map(drop).map_err(Error::from) };
        absent(patiently(patience, vault_uri, name, false, delete).await).map(drop)
    }

    /// Starts a recovery and waits until the secret can be read again, because the recovery goes on after it was accepted.
    pub async fn recover(&self, vault_uri: &str, name: &str, patience: &Waiter, granted: bool) -> Result<()> {
        let client = self.client(vault_uri)?;
        let name = checked(name)?;
        let start = || async { client.recover_deleted_secret(name, None).await.map(drop).map_err(Error::from) };
        match patiently(patience, vault_uri, name, granted, start).await {
            // nothing to recover: an earlier call may have done that already
            Err(error @ (Error::NotFound { .. } | Error::Refused { .. })) => {
                return match self.get(vault_uri, name).await {
                    Ok(Some(_)) => Ok(()),
                    Err(now) if now.is_disabled_secret() => Ok(()),
                    _ => Err(error),
                };
            }
            other => other?,
        }
        let what = format!("the secret {name}");
        patience
            .until(&what, REPLICATION, || async {
                match self.get_now(vault_uri, name, granted.then_some(patience)).await {
                    Ok(Some(_)) => Ok(Poll::Done(())),
                    Ok(None) => Ok(Poll::Wait(format!("waiting for the secret {name} to be recovered"))),
                    // it is recovered as it was: disabled, so that nobody can read it
                    Err(error) if error.is_disabled_secret() => Ok(Poll::Done(())),
                    Err(error) => Err(error),
                }
            })
            .await
    }
}

/// Waits while the failure is temporary: always for a secret that is being deleted or recovered; after a grant (`granted`) also for a
/// missing permission, and for a vault whose name is not in the DNS yet.
async fn patiently<T, F: Future<Output = Result<T>>>(
    patience: &Waiter,
    vault_uri: &str,
    name: &str,
    granted: bool,
    mut act: impl FnMut() -> F,
) -> Result<T> {
    let vault = vault_uri.trim_start_matches("https://").split('.').next().unwrap_or_default();
    let what = if granted { format!("the right to the secrets of {vault}") } else { format!("the secret {name}") };
    patience
        .until(&what, REPLICATION, || {
            let answer = act();
            async move {
                match answer.await {
                    Err(Error::Conflict { code, .. }) if matches!(code.as_str(), "ObjectIsBeingDeleted" | "ObjectIsBeingRecovered") => {
                        Ok(Poll::Wait(format!("waiting for Key Vault to finish deleting or recovering the secret {name}")))
                    }
                    // the refusals of a firewall and of a disabled secret name no action and are permanent
                    Err(Error::Forbidden { action: Some(_), .. }) if granted => {
                        Ok(Poll::Wait(format!("waiting for the new permission to reach the vault {vault}")))
                    }
                    Err(Error::Unreachable { cause, .. })
                        if granted && (cause == failures::NO_SUCH_NAME || cause == failures::NO_TUNNEL) =>
                    {
                        Ok(Poll::Wait(format!("waiting for the vault {vault} to be reachable")))
                    }
                    other => other.map(Poll::Done),
                }
            }
        })
        .await
}

fn raw<T, F>(response: Response<T, F>) -> bytes::Bytes {
    let (_, _, body): (StatusCode, _, _) = response.deconstruct();
    body.into()
}

/// The body of a secret. It is not `Debug`, because it holds the value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretBody {
    value: Option<String>,
    id: String,
    content_type: Option<String>,
    #[serde(default)]
    attributes: SecretAttributes,
    tags: Option<Tags>,
}

#[derive(Default, Deserialize)]
struct SecretAttributes {
    enabled: Option<bool>,
    created: Option<i64>,
    updated: Option<i64>,
    exp: Option<i64>,
    nbf: Option<i64>,
}

fn date(seconds: Option<i64>) -> Result<Option<OffsetDateTime>> {
    let date = seconds.map(OffsetDateTime::from_unix_timestamp).transpose();
    date.map_err(|_| Error::Protocol("a secret's date is out of range".to_owned()))
}

fn body(vault_uri: &str, response: Response<models::Secret>) -> Result<SecretBody> {
    arm::parsed(vault_uri, raw(response).as_ref())
}

impl SecretBody {
    fn with_value(mut self) -> Result<Secret> {
        let value = self.value.take().ok_or_else(|| Error::Protocol("a secret without a value".to_owned()))?;
        Ok(Secret { value: SecretString::from(value), info: self.info()? })
    }

    fn info(self) -> Result<SecretInfo> {
        let (name, version) = named(&self.id)?;
        Ok(SecretInfo {
            name,
            version,
            enabled: self.attributes.enabled.unwrap_or(true),
            created: self.attributes.created,
            updated: self.attributes.updated,
            content_type: self.content_type,
            expires: self.attributes.exp,
            not_before: self.attributes.nbf,
            tags: self.tags.unwrap_or_default(),
        })
    }
}

/// Returns name and version in a secret's id, `https://vault/secrets/{name}[/{version}]`.
fn named(id: &str) -> Result<(String, Option<String>)> {
    let odd = || Error::Protocol(format!("a secret's id that is none: {id}"));
    let url = Url::parse(id).map_err(|_| odd())?;
    let mut segments = url.path_segments().ok_or_else(odd)?.filter(|segment| !segment.is_empty()).skip(1);
    let name = segments.next().ok_or_else(odd)?.to_owned();
    Ok((name, segments.next().map(str::to_owned)))
}

fn info(found: models::SecretProperties, versioned: bool) -> Result<SecretInfo> {
    let (name, version) = named(found.id.as_deref().unwrap_or_default())?;
    let attributes = found.attributes.unwrap_or_default();
    Ok(SecretInfo {
        name,
        version: version.filter(|_| versioned),
        enabled: attributes.enabled.unwrap_or(true),
        created: attributes.created.map(|at| at.unix_timestamp()),
        updated: attributes.updated.map(|at| at.unix_timestamp()),
        content_type: found.content_type,
        expires: attributes.expires.map(|at| at.unix_timestamp()),
        not_before: attributes.not_before.map(|at| at.unix_timestamp()),
        tags: found.tags.unwrap_or_default().into_iter().collect(),
    })
}
