//! The token of an app with the environment that the webhook of Azure Workload ID gives it: the service account token of the file is
//! exchanged at Entra, or at the cluster's token proxy if the pod uses an identity binding.

use super::provider::ProviderContext;
use super::service_account::{ASSERTION, PodAccount, projection};
use serde_json::Value;

/// What went wrong: the status, 0 if there was no answer, and the answer.
pub(super) type TokenError = (u16, String);

/// Returns the value of a variable of a container, empty if there is none.
pub(super) fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let all = container["env"].as_array().into_iter().flatten();
    all.filter(|env| env["name"] == name).find_map(|env| env["value"].as_str()).unwrap_or_default()
}

/// Gets a token for a resource. Returns None if the environment names no token file.
pub(super) async fn token(access: &ProviderContext, pod: &Value, container: &Value, resource: &str) -> Option<Result<String, TokenError>> {
    let file = variable(container, "AZURE_FEDERATED_TOKEN_FILE");
    if file.is_empty() {
        return None;
    }
    Some(exchange(access, pod, container, file, resource).await)
}

async fn exchange(access: &ProviderContext, pod: &Value, container: &Value, file: &str, resource: &str) -> Result<String, TokenError> {
    let projected = projection(pod, container, file).ok_or_else(|| (0, format!("cannot open {file}: no such file or directory")))?;
    let (audience, seconds) = (projected["audience"].as_str().unwrap_or_default(), projected["expirationSeconds"].as_i64());
    let assertion = PodAccount::of(pod).token(&access.kube, audience, seconds).await.map_err(|e| (0, e.text))?;
    let host = match variable(container, "AZURE_KUBERNETES_TOKEN_PROXY") {
        "" => variable(container, "AZURE_AUTHORITY_HOST").trim_end_matches('/').to_owned(),
        _ => format!("https://{}", variable(container, "AZURE_KUBERNETES_SNI_NAME")),
    };
    let scope = format!("{resource}/.default");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", variable(container, "AZURE_CLIENT_ID")),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion.as_str()),
        ("scope", scope.as_str()),
    ];
    let url = format!("{host}/{}/oauth2/v2.0/token", variable(container, "AZURE_TENANT_ID"));
    let reply = access.azure.form(&url, &form).await.map_err(|_| (0, "no such host".to_owned()))?;
    match reply.json()["access_token"].as_str().filter(|_| reply.ok()) {
        Some(token) => Ok(token.to_owned()),
        None => Err((reply.status, reply.text.clone())),
    }
}
