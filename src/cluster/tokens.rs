//! Requests tokens of service accounts (`TokenRequest`), as kubelet does for a pod, and finds out who issues them.

use super::calls::{ApiRequest, ServerConnection};
use super::error::Result;
use super::paths::object_path;
use super::status::RequestInfo;
use super::{Api, ObjectRef};
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

/// The shortest lifetime that an API server accepts, in seconds.
const LIFETIME: u32 = 600;

/// The token is in no error: a response that cannot be parsed is reported by its position.
pub(super) async fn service_account(connection: &ServerConnection, account: &ObjectRef, audience: &str) -> Result<SecretString> {
    #[derive(Deserialize)]
    struct Answer {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        token: String,
    }
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "audiences": [audience], "expirationSeconds": LIFETIME },
    });
    let path = format!("{}/token", object_path(account)?);
    let api = Api { plural: "serviceaccounts/token".to_owned(), ..account.api.clone() };
    let asked = RequestInfo { verb: "create", api: &api, namespace: account.namespace.as_deref(), name: Some(&account.name) };
    let text = connection.text(&ApiRequest::json(Method::POST, path, &body), asked).await?;
    connection.parse_as::<Answer>(&text).map(|answer| SecretString::from(answer.status.token))
}

/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery>
pub(super) async fn issuer(connection: &ServerConnection) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
    }
    let answer = connection.answer(&ApiRequest::get("/.well-known/openid-configuration".to_owned())).await?;
    if !answer.ok() {
        return Ok(None);
    }
    connection.parse_as::<Discovery>(&answer.body).map(|found| Some(found.issuer))
}
