//! Sends plain requests to Azure Resource Manager, for what the azure_mgmt_* crates lack or get wrong, and to Microsoft Graph. Paths are
//! made of `ArmId`s and of segments that are escaped here.

use super::{
    ArmId, Error, Result, failures, hosts, limits,
    pipeline::{HttpPipeline, HttpRequest, HttpResponse},
    token::Tokens,
    transport_legacy,
};
use ::http::{HeaderValue, Method, header};
use azure_mgmt_authorization::package_2022_04_01 as authorization;
use azure_mgmt_keyvault::package_preview_2022_02 as keyvault;
use azure_mgmt_msi::package_2023_01_31 as msi;
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;
use url::Url;

/// All control plane versions of Key Vault before this one retire on 2027-02-27:
/// <https://learn.microsoft.com/azure/key-vault/general/access-control-default>
pub const KEY_VAULT_VERSION: &str = "2026-02-01";

/// When a write counts.
#[derive(Clone, Copy, Debug)]
pub enum Precondition<'a> {
    /// While the resource has this etag.
    Etag(&'a str),
    /// While there is no such resource.
    Absent,
}

pub struct Arm {
    pub pipeline: Arc<HttpPipeline>,
    pub tokens: Arc<Tokens>,
    pub msi: msi::Client,
    pub authorization: authorization::Client,
    pub keyvault: keyvault::Client,
}

impl Arm {
    pub fn new(pipeline: Arc<HttpPipeline>, tokens: Arc<Tokens>) -> Result<Self> {
        let base: Url = base(hosts::ARM)?;
        let mut versioned = base.clone();
        // the generated client appends its own version, which retires, only if the URL has none
        versioned.query_pairs_mut().append_pair("api-version", KEY_VAULT_VERSION);
        let none = || azure_core_legacy::RetryOptions::none();
        let options = || transport_legacy::v0_options(&pipeline, &tokens);
        let credential = Arc::new(transport_legacy::NoToken);
        Ok(Self {
            msi: msi::Client::builder(credential.clone())
                .endpoint(base.clone())
                .scopes(&[hosts::ARM_SCOPE])
                .transport(options())
                .retry(none())
                .build()?,
            authorization: authorization::Client::builder(credential.clone())
                .endpoint(base)
                .scopes(&[hosts::ARM_SCOPE])
                .transport(options())
                .retry(none())
                .build()?,
            keyvault: keyvault::Client::builder(credential)
                .endpoint(versioned)
                .scopes(&[hosts::ARM_SCOPE])
                .transport(options())
                .retry(none())
                .build()?,
            pipeline,
            tokens,
        })
    }

    /// Returns the body of a resource, unread.
    pub async fn body(&self, id: &ArmId, version: &str) -> Result<Bytes> {
        Ok(self.exchange(Method::GET, url(id, &[], version)?, None::<&()>).await?.body)
    }

    pub async fn put<T: DeserializeOwned>(&self, id: &ArmId, version: &str, body: &impl Serialize) -> Result<T> {
        self.call(Method::PUT, url(id, &[], version)?, Some(body)).await
    }

    /// Lists `{scope}/providers/{kind}`, with all pages.
    pub async fn list<T: DeserializeOwned>(&self, scope: &ArmId, kind: &str, version: &str) -> Result<Vec<T>> {
        let mut segments = vec!["providers"];
        segments.extend(kind.split('/'));
        self.pages(url(scope, &segments, version)?).await
    }

    /// Lists the subscriptions that the caller may see, with all pages.
    pub async fn subscriptions<T: DeserializeOwned>(&self, version: &str) -> Result<Vec<T>> {
        let mut url = base(hosts::ARM)?;
        url.set_path("/subscriptions");
        url.query_pairs_mut().append_pair("api-version", version);
        self.pages(url).await
    }

    /// Lists what is below a resource, such as `resources` of a group, with all pages.
    pub async fn below<T: DeserializeOwned>(&self, id: &ArmId, segment: &str, version: &str) -> Result<Vec<T>> {
        self.pages(url(id, &[segment], version)?).await
    }

    /// Sends a POST to an action of a resource.
    pub async fn act<T: DeserializeOwned>(&self, id: &ArmId, action: &str, query: &[(&str, &str)], version: &str) -> Result<T> {
        let mut url = url(id, &[action], version)?;
        url.query_pairs_mut().extend_pairs(query);
        self.call(Method::POST, url, None::<&()>).await
    }

    /// Lists what is nested in a resource, such as `["blobServices", "default", "containers"]`, with all pages.
    pub async fn nested<T: DeserializeOwned>(&self, id: &ArmId, collection: &[&str], version: &str) -> Result<Vec<T>> {
        self.pages(url(id, collection, version)?).await
    }

    async fn pages<T: DeserializeOwned>(&self, first: Url) -> Result<Vec<T>> {
        limits::list(self.all_pages(first)).await
    }

    async fn all_pages<T: DeserializeOwned>(&self, first: Url) -> Result<Vec<T>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
        struct Page<T> {
            #[serde(default)]
            value: Vec<T>,
            // as Graph calls it
            #[serde(alias = "@odata.nextLink")]
            next_link: Option<String>,
        }
        let mut all = Vec::new();
        let mut next = Some(first);
        while let Some(url) = next {
            limits::ask_page(&url)?;
            let page: Page<T> = self.call(Method::GET, url.clone(), None::<&()>).await?;
            all.extend(page.value);
            next = match page.next_link.filter(|link| !link.is_empty()) {
                None => None,
                Some(link) => Some(limits::link(&url, &link).ok_or_else(|| {
                    let host = url.host_str().unwrap_or_default();
                    Error::Protocol(format!("{host} continues a list elsewhere"))
                })?),
            };
        }
        Ok(all)
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, url: Url, body: Option<&impl Serialize>) -> Result<T> {
        let host = url.host_str().unwrap_or_default().to_owned();
        parsed(&host, &self.exchange(method, url, body).await?.body)
    }

    /// Sends one request with its token. A response without a success status is an error.
    pub async fn exchange(&self, method: Method, url: Url, body: Option<&impl Serialize>) -> Result<HttpResponse> {
        self.exchange_if(method, url, None, body).await
    }

    /// Sends one request that only counts under this condition.
    pub async fn exchange_if(
        &self,
        method: Method,
        url: Url,
        only_if: Option<Precondition<'_>>,
        body: Option<&impl Serialize>,
    ) -> Result<HttpResponse> {
        let scope = if url.host_str() == Some(hosts::GRAPH) { hosts::GRAPH_SCOPE } else { hosts::ARM_SCOPE };
        let mut ask = HttpRequest::new(method, url);
        ask.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = body {
            ask.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            ask.body = serde_json::to_vec(body).map_err(|e| Error::Protocol(e.to_string()))?.into();
        }
        match only_if {
            Some(Precondition::Etag(etag)) => {
                let value = HeaderValue::from_str(etag);
                let value = value.map_err(|_| Error::Protocol(format!("{}: an etag that is not a header", hosts::ARM)))?;
                ask.headers.insert(header::IF_MATCH, value);
            }
            Some(Precondition::Absent) => drop(ask.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"))),
            None => {}
        }
        ask.bearer(self.tokens.get(scope).await?.secret())?;
        let host = ask.host().to_owned();
        let answer = self.pipeline.send(ask).await?;
        limits::page_read(&host, answer.body.len())?;
        if !answer.is_success() {
            return Err(failures::refusal(&host, answer.status, &answer.headers, &answer.body));
        }
        Ok(answer)
    }

    /// Sends `GET https://graph.microsoft.com/v1.0/{collection}?{query}` and returns the first page.
    pub async fn graph<T: DeserializeOwned>(&self, collection: &str, query: &[(&str, &str)]) -> Result<Vec<T>> {
        let mut url = base(hosts::GRAPH)?;
        url.set_path(&format!("/v1.0/{collection}"));
        url.query_pairs_mut().extend_pairs(query);
        let page: GraphPage<T> = self.call(Method::GET, url, None::<&()>).await?;
        Ok(page.value)
    }

    /// Sends `GET https://graph.microsoft.com/{path}`, which begins with the version, and returns all pages.
    pub async fn graph_list<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Vec<T>> {
        let mut url = base(hosts::GRAPH)?;
        url.set_path(&path.join("/"));
        self.pages(url).await
    }

    /// Sends `POST https://graph.microsoft.com/v1.0/{path}`, for queries that Graph takes in a body.
    pub async fn graph_post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Vec<T>> {
        let mut url = base(hosts::GRAPH)?;
        url.set_path(&format!("/v1.0/{path}"));
        let page: GraphPage<T> = self.call(Method::POST, url, Some(body)).await?;
        Ok(page.value)
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct GraphPage<T> {
    #[serde(default)]
    value: Vec<T>,
}

pub fn parsed<T: DeserializeOwned>(host: &str, body: &[u8]) -> Result<T> {
    // only the position is reported, because the text itself might be a secret
    serde_json::from_slice(body)
        .map_err(|e| Error::Protocol(format!("{host}: line {} column {}, {:?}", e.line(), e.column(), e.classify())))
}

/// Parses a response that an azure_mgmt_* crate would parse more strictly than Azure writes it.
pub async fn body<T: DeserializeOwned>(response: azure_core_legacy::Response) -> Result<T> {
    let bytes = response.into_body().collect().await?;
    parsed(hosts::ARM, &bytes)
}

fn base(host: &str) -> Result<Url> {
    Url::parse(&format!("https://{host}/")).map_err(|e| Error::Protocol(e.to_string()))
}

pub fn url(id: &ArmId, more: &[&str], version: &str) -> Result<Url> {
    let mut url = base(hosts::ARM)?;
    let id = checked(id)?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(id.as_str().split('/').skip(1)).extend(more);
    }
    url.query_pairs_mut().append_pair("api-version", version);
    Ok(url)
}

/// Checks an id. An `ArmId` that was made of parts was never parsed, and the azure_mgmt_* crates paste segments into the path unescaped.
pub fn checked(id: &ArmId) -> Result<&ArmId> {
    match ArmId::parse(id.as_str()) {
        Some(parsed) if parsed.as_str() == id.as_str() => Ok(id),
        _ => Err(odd_name(id.as_str())),
    }
}

/// Checks that a name is a single segment of a path.
pub fn segment(name: &str) -> Result<&str> {
    let odd =
        name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '?', '#', '%']) || name.chars().any(char::is_control);
    if odd { Err(odd_name(name)) } else { Ok(name) }
}

pub fn odd_name(name: &str) -> Error {
    Error::Refused {
        status: 400,
        code: "NameNotValid".to_owned(),
        message: format!("{name:?} is no name that Azure takes; nothing was asked"),
    }
}

/// Returns subscription, group and name of a resource.
pub fn parts(id: &ArmId) -> Result<(&str, &str, &str)> {
    let id = checked(id)?;
    let group = id.group_name().ok_or_else(|| odd_name(id.as_str()))?;
    Ok((segment(id.subscription_id())?, segment(group)?, segment(id.name())?))
}
