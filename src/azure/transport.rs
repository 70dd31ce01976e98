//! Connects azure_core 1.x (credentials, Key Vault secrets) to podid's own HTTP client. A refusal is returned as podid's own error inside
//! the SDK's: the SDKs parse error bodies into borrowed text, and lose every code and message whose JSON contains an escape.

use super::{
    Error, Result, failures, lifetime,
    limits::{self, BodyKind},
    pipeline::{HttpPipeline, HttpRequest},
    vault_uri,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use async_trait::async_trait;
use azure_core::http as v1;
use std::{fmt, sync::Arc};

/// Returns options without the SDK's own retries, because the pipeline retries for all SDKs alike.
pub fn v1_options(pipeline: &Arc<HttpPipeline>) -> v1::ClientOptions {
    v1_over(CoreTransport { pipeline: pipeline.clone(), only: None })
}

/// Returns options for a client of one host. Links to other hosts are not followed, because each request carries the token.
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
        f.write_str("CoreTransport")
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
            answer.body = lifetime::with_sane_lifetime(&host, answer.body).map_err(carried)?;
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

/// Returns the challenge of a vault. Key Vault's SDK sends the first request to a vault without a token to learn the resource of the token.
/// The host name determines it, so podid responds itself: this saves a round trip per vault, and no server chooses the resource.
fn challenge(host: &str) -> Option<String> {
    let (_, suffix) = vault_uri::parts(host)?;
    Some(format!("Bearer resource=\"https://{suffix}\""))
}

pub(super) fn elsewhere(url: &url::Url) -> Error {
    Error::Protocol(format!("a link to {}", url.origin().ascii_serialization()))
}

pub(super) fn ask<'a>(method: &str, url: &str, headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<HttpRequest> {
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

pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
}
