//! The two adapters that put the SDKs on our wire: azure_core 1.x (credentials, Key Vault secrets) and azure_core 0.21 (azure_mgmt_*).
//! Both hand a refusal back as our own error inside the SDK's: the SDKs parse error bodies into borrowed text, and lose every
//! code and message whose JSON holds an escape.

use super::{
    Error, Result, failures,
    limits::{self, BodyKind},
    pipeline::{HttpPipeline, HttpRequest, HttpResponse},
    token::{self, Tokens},
    vault_uri,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use async_trait::async_trait;
use azure_core::http as v1;
use azure_core_legacy as v0;
use std::{fmt, sync::Arc};

/// An SDK's own tries and pauses are off: the wire tries again, for all of them alike.
pub fn v1_options(pipeline: &Arc<HttpPipeline>) -> v1::ClientOptions {
    v1_over(CoreTransport { pipeline: pipeline.clone(), only: None })
}

/// Of a client for one host: a link that leads elsewhere is not followed, for the token goes along.
pub fn v1_options_for(pipeline: &Arc<HttpPipeline>, host: &str) -> v1::ClientOptions {
    v1_over(CoreTransport { pipeline: pipeline.clone(), only: Some(host.to_owned()) })
}

fn v1_over(transport: CoreTransport) -> v1::ClientOptions {
    v1::ClientOptions { transport: Some(v1::Transport::new(Arc::new(transport))), retry: v1::RetryOptions::none(), ..Default::default() }
}

struct CoreTransport {
    pipeline: Arc<HttpPipeline>,
    only: Option<String>,
}

impl fmt::Debug for CoreTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("V1")
    }
}

#[async_trait]
impl v1::HttpClient for CoreTransport {
    async fn execute_request(&self, request: &v1::Request) -> azure_core::Result<v1::AsyncRawResponse> {
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut asked = ask(request.method().as_ref(), request.url().as_str(), headers).map_err(carried)?;
        let v1::Body::Bytes(body) = request.body() else {
            return Err(carried(Error::Protocol("a streamed body".to_owned())));
        };
        asked.body = body.clone();
        match self.only.as_deref() {
            None => asked.kind = BodyKind::Token,
            Some(only) if asked.goes_to(only) => {}
            Some(_) => return Err(carried(elsewhere(&asked.url))),
        }
        let authorized = asked.headers.contains_key(::http::header::AUTHORIZATION);
        if !authorized && let Some(challenge) = challenge(asked.host()) {
            let mut headers = v1::headers::Headers::new();
            headers.insert("www-authenticate", challenge);
            return Ok(v1::AsyncRawResponse::from_bytes(v1::StatusCode::Unauthorized, headers, ""));
        }
        let (host, of_a_vault) = (asked.host().to_owned(), self.only.is_some());
        if of_a_vault {
            limits::ask_page(&asked.url).map_err(carried)?;
        }
        let mut answer = self.pipeline.send(asked).await.map_err(carried)?;
        if !answer.is_success() {
            return Err(carried(failures::refusal(&host, answer.status, &answer.headers, &answer.body)));
        }
        if of_a_vault {
            limits::page_read(&host, answer.body.len()).map_err(carried)?;
        } else {
            answer.body = token::with_sane_lifetime(&host, answer.body).map_err(carried)?;
        }
        let mut headers = v1::headers::Headers::new();
        for (name, value) in pairs(&answer.headers) {
            headers.insert(name, value);
        }
        Ok(v1::AsyncRawResponse::from_bytes(answer.status.into(), headers, answer.body))
    }
}

fn carried(error: Error) -> azure_core::Error {
    azure_core::Error::new(azure_core::error::ErrorKind::Other, error)
}

/// Key Vault's SDK sends the first request to a vault without a token, only to be told the resource that a token must be for.
/// The host says it too, so the answer is given here: a round trip less for each vault, no request twice, and no server names the resource.
fn challenge(host: &str) -> Option<String> {
    let (_, suffix) = vault_uri::parts(host)?;
    Some(format!("Bearer resource=\"https://{suffix}\""))
}

/// For the azure_mgmt_* crates. Only the host of Azure Resource Manager: a `nextLink` to another one is not followed.
pub struct LegacyTransport {
    pipeline: Arc<HttpPipeline>,
    tokens: Arc<Tokens>,
}

impl fmt::Debug for LegacyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("V0")
    }
}

pub fn v0_options(pipeline: &Arc<HttpPipeline>, tokens: &Arc<Tokens>) -> v0::TransportOptions {
    v0::TransportOptions::new(Arc::new(LegacyTransport { pipeline: pipeline.clone(), tokens: tokens.clone() }))
}

#[async_trait]
impl v0::HttpClient for LegacyTransport {
    async fn execute_request(&self, request: &v0::Request) -> v0::Result<v0::Response> {
        let answer = self.answer(request).await.map_err(|error| v0::Error::new(v0::error::ErrorKind::Other, error))?;
        let mut headers = v0::headers::Headers::new();
        for (name, value) in pairs(&answer.headers) {
            headers.insert(name, value);
        }
        let status = v0::StatusCode::try_from(answer.status)
            .map_err(|_| v0::Error::message(v0::error::ErrorKind::Other, format!("status {}", answer.status)))?;
        let body = futures::stream::once(futures::future::ready(Ok(answer.body)));
        Ok(v0::Response::new(status, headers, Box::pin(body)))
    }
}

impl LegacyTransport {
    async fn answer(&self, request: &v0::Request) -> Result<HttpResponse> {
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut asked = ask(request.method().as_ref(), request.url().as_str(), headers)?;
        if !asked.goes_to(super::arm::HOST) {
            return Err(elsewhere(&asked.url));
        }
        limits::ask_page(&asked.url)?;
        let v0::Body::Bytes(body) = request.body() else {
            return Err(Error::Protocol("a streamed body".to_owned()));
        };
        asked.body = body.clone();
        asked.bearer(self.tokens.get(token::ARM).await?.secret())?;
        let answer = self.pipeline.send(asked).await?;
        limits::page_read(super::arm::HOST, answer.body.len())?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(failures::refusal(super::arm::HOST, answer.status, &answer.headers, &answer.body))
        }
    }
}

fn elsewhere(url: &url::Url) -> Error {
    Error::Protocol(format!("a link to {}", url.origin().ascii_serialization()))
}

/// azure_core 0.21 writes each request with its headers to its debug log, so the crates never see a token: the transport puts it in.
#[derive(Debug)]
pub struct NoToken;

#[async_trait]
impl v0::auth::TokenCredential for NoToken {
    async fn get_token(&self, _scopes: &[&str]) -> v0::Result<v0::auth::AccessToken> {
        let later = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
        Ok(v0::auth::AccessToken::new("put-in-by-the-transport", later))
    }

    async fn clear_cache(&self) -> v0::Result<()> {
        Ok(())
    }
}

fn ask<'a>(method: &str, url: &str, headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<HttpRequest> {
    let odd = |what: &str| Error::Protocol(format!("a request with an odd {what}"));
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| odd("method"))?;
    let mut ask = HttpRequest::new(method, url.parse().map_err(|_| odd("address"))?);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd("header"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| odd("header"))?;
        value.set_sensitive(name == ::http::header::AUTHORIZATION);
        ask.headers.insert(name, value);
    }
    Ok(ask)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
}
