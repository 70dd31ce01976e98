//! Connects azure_core 0.21 (the azure_mgmt_* crates) to podid's own HTTP client, and adds the token, which these crates never see.

use super::{
    Error, Result, failures, hosts, limits,
    pipeline::{HttpPipeline, HttpResponse},
    token::Tokens,
    transport::{ask, elsewhere, pairs},
};
use async_trait::async_trait;
use azure_core_legacy as v0;
use std::{fmt, sync::Arc};

/// The transport of the azure_mgmt_* crates. It only reaches the host of Azure Resource Manager: a `nextLink` to another one is rejected.
pub struct LegacyTransport {
    pipeline: Arc<HttpPipeline>,
    tokens: Arc<Tokens>,
}

impl fmt::Debug for LegacyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyTransport")
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
        if !asked.goes_to(hosts::ARM) {
            return Err(elsewhere(&asked.url));
        }
        limits::ask_page(&asked.url)?;
        let v0::Body::Bytes(body) = request.body() else {
            return Err(Error::Protocol("a streamed body".to_owned()));
        };
        asked.body = body.clone();
        asked.bearer(self.tokens.get(hosts::ARM_SCOPE).await?.secret())?;
        let answer = self.pipeline.send(asked).await?;
        limits::page_read(hosts::ARM, answer.body.len())?;
        if answer.is_success() { Ok(answer) } else { Err(failures::refusal(hosts::ARM, answer.status, &answer.headers, &answer.body)) }
    }
}

/// A credential without a token: azure_core 0.21 logs each request with its headers at debug level, so the transport adds the token later.
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
