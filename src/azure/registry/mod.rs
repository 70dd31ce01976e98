//! Resolves tags at container registries: the OCI distribution API, without a login, with an anonymous token, or at Azure Container Registry
//! with podid's own login (distribution-spec, "Pulling manifests"; Azure/acr docs/AAD-OAuth.md).

mod challenge;
mod error;
mod image;

pub use error::ImageError;
pub use image::ImageTag;

use super::{
    Error,
    limits::BodyKind,
    pipeline::{HttpPipeline, HttpRequest, HttpResponse},
    token::Tokens,
};
use ::http::{HeaderMap, HeaderValue, Method, header};
use challenge::Challenge;
use image::{Place, is_local};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, sync::Arc};
use url::Url;

/// Lists of images for several platforms come first, because nodes differ: their digest is the one that every node can pull.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: &str = "docker-content-digest";
const MOST_REDIRECTS: usize = 5;
/// The registries that take a token of Entra.
const ACR: &str = ".azurecr.io";
const ACR_SCOPE: &str = "https://containerregistry.azure.net/.default";

pub struct Registries {
    pipeline: Arc<HttpPipeline>,
    tokens: Arc<Tokens>,
}

type Result<T> = std::result::Result<T, ImageError>;

impl Registries {
    pub fn new(pipeline: Arc<HttpPipeline>, tokens: Arc<Tokens>) -> Self {
        Self { pipeline, tokens }
    }

    /// Returns the digest that a tag points to now. None if there is no such tag or repository.
    pub async fn digest(&self, image: &ImageTag) -> Result<Option<String>> {
        let place = image.place()?;
        let asked = Asked { image, place: &place };
        let mut token = None;
        let mut answer = self.manifest(&asked, Method::HEAD, token.as_deref()).await?;
        if answer.status == 401 {
            token = Some(self.token(&asked, &answer.headers).await?);
            answer = self.manifest(&asked, Method::HEAD, token.as_deref()).await?;
        }
        if answer.is_success()
            && let Some(digest) = digest_of(&answer.headers)
        {
            return Ok(Some(digest));
        }
        // a refusal of HEAD has no body that says why, and some registries give the digest only with the content, or not at all
        let answer = self.manifest(&asked, Method::GET, token.as_deref()).await?;
        if !answer.is_success() {
            return asked.refusal(&answer);
        }
        let found = sha256(&answer.body);
        match digest_of(&answer.headers) {
            Some(said) if said.starts_with("sha256:") && said != found => Err(asked.mismatch(said, found)),
            Some(said) => Ok(Some(said)),
            None => Ok(Some(found)),
        }
    }

    /// Asks for a manifest, and follows redirects. The token goes to no other server than the registry.
    async fn manifest(&self, asked: &Asked<'_>, method: Method, token: Option<&str>) -> Result<HttpResponse> {
        let Place { origin, path, .. } = asked.place;
        let mut url = asked.url(&format!("{origin}/v2/{path}/manifests/{}", asked.image.tag))?;
        let home = url.origin();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = HttpRequest { kind: BodyKind::Object, ..HttpRequest::new(method.clone(), url.clone()) };
            request.headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
            if let Some(token) = token.filter(|_| url.origin() == home) {
                request.bearer(token)?;
            }
            let answer = self.pipeline.send(request).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or_else(|| asked.odd("a redirect to nowhere"))?;
            asked.may_ask(&url)?;
        }
        Err(asked.odd("too many redirects"))
    }

    async fn token(&self, asked: &Asked<'_>, headers: &HeaderMap) -> Result<String> {
        let challenge = Challenge::of(headers);
        let challenge = challenge.ok_or_else(|| asked.denied(vec!["it offers no token, only a login with a password".to_owned()]))?;
        let mut causes = Vec::new();
        if asked.place.host.ends_with(ACR) {
            match self.exchanged(asked, &challenge).await? {
                Ok(token) => return Ok(token),
                Err(cause) => causes.push(cause),
            }
        }
        match self.anonymous(asked, &challenge).await? {
            Ok(token) => Ok(token),
            Err(cause) => {
                causes.push(cause);
                Err(asked.denied(causes))
            }
        }
    }

    /// A token that anybody gets. The inner error is why there is none.
    async fn anonymous(&self, asked: &Asked<'_>, challenge: &Challenge) -> Result<std::result::Result<String, String>> {
        let mut url = asked.url(&challenge.realm)?;
        if let Some(service) = &challenge.service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &asked.scope(challenge));
        let answer = self.pipeline.send(HttpRequest::for_token(Method::GET, url)).await?;
        asked.token_in(&answer, &["token", "access_token"], "a token without a login")
    }

    /// A token for podid's own login, in two steps. The inner error is why there is none.
    async fn exchanged(&self, asked: &Asked<'_>, challenge: &Challenge) -> Result<std::result::Result<String, String>> {
        let login = match self.tokens.get(ACR_SCOPE).await {
            Ok(token) => token,
            // an image that is open to all needs no login
            Err(error @ (Error::NotLoggedIn { .. } | Error::LoginRefused { .. })) => return Ok(Err(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let host = &asked.place.host;
        let service = challenge.service.as_deref().unwrap_or(host);
        let exchange = [("grant_type", "access_token"), ("service", service), ("access_token", login.secret())];
        let answer = self.post(asked, "/oauth2/exchange", &exchange).await?;
        let refresh = match asked.token_in(&answer, &["refresh_token"], "a token for podid's login")? {
            Ok(refresh) => refresh,
            Err(cause) => return Ok(Err(cause)),
        };
        let scope = asked.scope(challenge);
        let wanted =
            [("grant_type", "refresh_token"), ("service", service), ("scope", scope.as_str()), ("refresh_token", refresh.as_str())];
        let answer = self.post(asked, "/oauth2/token", &wanted).await?;
        asked.token_in(&answer, &["access_token"], "a token for podid's login")
    }

    /// Posts to the registry itself: a login is sent nowhere else, whatever its challenge says.
    async fn post(&self, asked: &Asked<'_>, path: &str, fields: &[(&str, &str)]) -> Result<HttpResponse> {
        let url = asked.url(&format!("{}{path}", asked.place.origin))?;
        let mut request = HttpRequest::for_token(Method::POST, url);
        if !request.goes_to(&asked.place.host) {
            return Err(asked.odd("a registry in Azure with a port of its own"));
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = body.into();
        Ok(self.pipeline.send(request).await?)
    }
}

/// What is asked for, for requests and errors.
struct Asked<'a> {
    image: &'a ImageTag,
    place: &'a Place,
}

impl Asked<'_> {
    fn url(&self, text: &str) -> Result<Url> {
        let url = text.parse().map_err(|_| self.odd("an address that is none"))?;
        self.may_ask(&url)?;
        Ok(url)
    }

    /// Nothing is asked without TLS, but on this machine for a registry on this machine.
    fn may_ask(&self, url: &Url) -> Result<()> {
        let local = |host: &str| is_local(host);
        let plain = url.scheme() == "http" && local(&self.place.host) && url.host_str().is_some_and(local);
        let named = url.username().is_empty() && url.password().is_none();
        if named && (url.scheme() == "https" || plain) { Ok(()) } else { Err(self.odd("an address without TLS, or with a login in it")) }
    }

    fn scope(&self, challenge: &Challenge) -> String {
        challenge.scope.clone().unwrap_or_else(|| format!("repository:{}:pull", self.place.path))
    }

    fn token_in(&self, answer: &HttpResponse, names: &[&str], what: &str) -> Result<std::result::Result<String, String>> {
        if !answer.is_success() {
            return match answer.status {
                400..=404 => Ok(Err(format!("{what} was refused: {}", told(answer).1))),
                status => Err(self.refused(status, told(answer).1)),
            };
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| self.odd("a token that is not JSON"))?;
        let token = names.iter().find_map(|name| body.get(name)?.as_str()).filter(|token| !token.is_empty());
        token.map(|token| Ok(token.to_owned())).ok_or_else(|| self.odd("an answer without a token"))
    }

    fn refusal(&self, answer: &HttpResponse) -> Result<Option<String>> {
        let (codes, message) = told(answer);
        match answer.status {
            401 | 403 => Err(self.denied(vec![message])),
            404 if codes.is_empty()
                || codes.iter().any(|code| matches!(code.as_str(), "MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "NOT_FOUND")) =>
            {
                Ok(None)
            }
            status => Err(self.refused(status, message)),
        }
    }

    fn denied(&self, causes: Vec<String>) -> ImageError {
        ImageError::Denied { registry: self.place.host.clone(), image: self.image.text(), causes }
    }
    fn refused(&self, status: u16, message: String) -> ImageError {
        ImageError::Refused { registry: self.place.host.clone(), image: self.image.text(), status, message }
    }
    fn mismatch(&self, said: String, found: String) -> ImageError {
        ImageError::Mismatch { registry: self.place.host.clone(), image: self.image.text(), said, found }
    }
    fn odd(&self, what: &str) -> ImageError {
        ImageError::Odd { registry: self.place.host.clone(), what: what.to_owned() }
    }
}

/// The codes and the text of a refusal: `{"errors": [{code, message, detail}]}`, and ACR's token endpoints alike.
fn told(answer: &HttpResponse) -> (Vec<String>, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let text = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let codes: Vec<String> = errors.iter().map(|error| text(error, "code")).filter(|code| !code.is_empty()).collect();
    let shown: Vec<String> = errors.iter().map(|error| format!("{}: {}", text(error, "code"), text(error, "message"))).collect();
    let shown = if shown.is_empty() { format!("status {}", answer.status) } else { shown.join("; ") };
    (codes, shown)
}

/// The digest that a registry names, if it is one.
fn digest_of(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(DIGEST)?.to_str().ok()?.trim();
    let (algorithm, hex) = said.split_once(':')?;
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return None,
    };
    (hex.len() == length && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then(|| said.to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
