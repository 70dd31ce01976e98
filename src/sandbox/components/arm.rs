//! What MIC does in Azure: it gets a token and assigns identities to the scale set of the nodes.

use super::config::{Config, Login};
use super::wire::{AzureClient, AzureResponse, METADATA};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

const RESOURCE: &str = "https://management.azure.com/";
const API: &str = "api-version=2019-12-01";
/// The real MIC waits 5 s, and one request more than needed.
const POLL: Duration = Duration::from_millis(200);
const POLLS: usize = 300;
/// The values of `--update-user-msi-max-retry` and `-retry-interval` (1 s).
const RETRIES: usize = 2;
const RETRY: Duration = Duration::from_millis(100);

pub(super) struct ArmClient {
    azure: AzureClient,
    login: Login,
    tenant: String,
    group: String,
    set: String,
    url: String,
    /// A token and the unix second of its expiry.
    token: Mutex<Option<(String, u64)>>,
}

/// `present` are the identities that the scale set has after all (in lower case), if it could be read.
pub(super) struct UpdateError {
    pub(super) text: String,
    pub(super) present: Option<BTreeSet<String>>,
}

impl ArmClient {
    pub(super) fn new(config: &Config, azure: AzureClient) -> Self {
        let url = format!(
            "https://management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachineScaleSets/{}?{API}",
            config.subscription, config.node_group, config.scale_set
        );
        Self {
            azure,
            login: config.login.clone(),
            tenant: config.tenant.clone(),
            group: config.node_group.clone(),
            set: config.scale_set.clone(),
            url,
            token: Mutex::new(None),
        }
    }

    /// The name of the scale set.
    pub(super) fn set(&self) -> &str {
        &self.set
    }

    async fn token(&self) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut kept = self.token.lock().await;
        if let Some((token, end)) = kept.as_ref()
            && now + 60 < *end
        {
            return Ok(token.clone());
        }
        let (endpoint, reply) = match &self.login {
            Login::Managed { client_id } => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("api-version", "2018-02-01"), ("client_id", client_id), ("resource", RESOURCE)])
                    .finish();
                (METADATA.to_owned(), self.azure.metadata(&query).await)
            }
            Login::ServicePrincipal { client_id, client_secret } => {
                let endpoint = format!("https://login.microsoftonline.com/{}/oauth2/token?api-version=1.0", self.tenant);
                let form = [
                    ("client_id", client_id.as_str()),
                    ("client_secret", client_secret),
                    ("grant_type", "client_credentials"),
                    ("resource", RESOURCE),
                ];
                let reply = self.azure.form(&endpoint, &form).await;
                (endpoint, reply)
            }
        };
        let reply = reply.map_err(|e| format!("adal: Failed to execute the refresh request. Error = '{e}'"))?;
        let body = reply.json();
        let Some(token) = body["access_token"].as_str().filter(|_| reply.ok()) else {
            return Err(refused_token(&reply, &endpoint));
        };
        // this API returns numbers as strings
        let end = body["expires_on"].as_str().and_then(|s| s.parse().ok()).or(body["expires_on"].as_u64()).unwrap_or(now + 300);
        *kept = Some((token.to_owned(), end));
        Ok(token.to_owned())
    }

    async fn forget_if_refused(&self, reply: &AzureResponse) {
        if reply.status == 401 {
            *self.token.lock().await = None;
        }
    }

    async fn present(&self) -> Result<BTreeSet<String>, String> {
        let token = self.token().await?;
        let what = |e: String| format!("compute.VirtualMachineScaleSetsClient#Get: Failure responding to request: {e}");
        let reply = self.azure.get(&self.url, Some(&token)).await.map_err(what)?;
        self.forget_if_refused(&reply).await;
        if !reply.ok() {
            return Err(what(original(&reply).1));
        }
        let set = reply.json();
        if set["properties"]["provisioningState"] == "Deleting" {
            return Err(format!("scale set {} is being deleted", self.set));
        }
        let map = set["identity"]["userAssignedIdentities"].as_object();
        Ok(map.into_iter().flat_map(Map::keys).map(|id| id.to_lowercase()).collect())
    }

    /// Assigns and removes identities of the scale set; ids may have any case.
    pub(super) async fn update(&self, add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Result<(), UpdateError> {
        let have = self.present().await.map_err(|text| UpdateError { text, present: None })?;
        let mut add: BTreeSet<String> = add.iter().map(|id| id.to_lowercase()).filter(|id| !have.contains(id)).collect();
        let remove: BTreeSet<String> = remove.iter().map(|id| id.to_lowercase()).filter(|id| have.contains(id)).collect();
        let mut first_refusal = None;
        for turn in 0..=RETRIES {
            if add.is_empty() && remove.is_empty() {
                break;
            }
            let Err((code, text)) = self.patch(&have, &add, &remove).await else {
                add.clear();
                break;
            };
            let failing = quoted_identities(&text);
            first_refusal.get_or_insert(text);
            let retriable = matches!(code.as_str(), "LinkedAuthorizationFailed" | "FailedIdentityOperation");
            let before = add.len();
            add.retain(|id| !failing.contains(id));
            if !retriable || add.len() == before || turn == RETRIES {
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
        match first_refusal {
            None => Ok(()),
            Some(text) => {
                let text = format!("failed to update identities for {} in {}, error: {text}", self.set, self.group);
                Err(UpdateError { text, present: self.present().await.ok() })
            }
        }
    }

    /// An error has the code and the text of the refusal.
    async fn patch(&self, have: &BTreeSet<String>, add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Result<(), (String, String)> {
        let what = |e: String| format!("compute.VirtualMachineScaleSetsClient#Update: Failure sending request: {e}");
        let lost = |e: String| (String::new(), what(e));
        let mut map = Map::new();
        map.extend(add.iter().map(|id| (id.clone(), json!({}))));
        map.extend(remove.iter().map(|id| (id.clone(), Value::Null)));
        let left = have.iter().any(|id| !remove.contains(id)) || !add.is_empty();
        let identity = json!({ "type": if left { "UserAssigned" } else { "None" }, "userAssignedIdentities": map });
        let token = self.token().await.map_err(lost)?;
        let reply = self.azure.patch(&self.url, &token, &json!({ "identity": identity })).await.map_err(lost)?;
        self.forget_if_refused(&reply).await;
        if !reply.ok() {
            let (code, text) = original(&reply);
            return Err((code, what(text)));
        }
        let Some(operation) = reply.header("azure-asyncoperation").map(str::to_owned) else { return Ok(()) };
        for _ in 0..POLLS {
            let token = self.token().await.map_err(lost)?;
            let reply = self.azure.get(&operation, Some(&token)).await.map_err(lost)?;
            let body = reply.json();
            match body["status"].as_str() {
                Some("Succeeded") => return Ok(()),
                Some("Failed" | "Canceled") => {
                    let (code, text) = code_and_message(&body["error"]);
                    return Err((code, what(format!("Code={text}"))));
                }
                // a poll may fail for a moment, and is repeated
                _ => tokio::time::sleep(POLL).await,
            }
        }
        Err(lost("context deadline exceeded".into()))
    }
}

fn code_and_message(error: &Value) -> (String, String) {
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    (text("code").to_owned(), format!("{:?} Message={:?}", text("code"), text("message")))
}

/// Formats a service error as go-autorest does.
fn original(reply: &AzureResponse) -> (String, String) {
    let body = reply.json();
    let (code, text) = code_and_message(if body["error"].is_object() { &body["error"] } else { &body });
    (code, format!("StatusCode={} -- Original Error: Code={text}", reply.status))
}

/// Formats a refused token request as adal does. The body of a refusal holds no token.
pub(super) fn refused_token(reply: &AzureResponse, endpoint: &str) -> String {
    format!("adal: Refresh request failed. Status Code = '{}'. Response body: {} Endpoint {endpoint}", reply.status, reply.text)
}

/// Returns the identities that a refusal names in single quotes, as MIC finds them.
fn quoted_identities(text: &str) -> BTreeSet<String> {
    let pieces: Vec<&str> = text.split('\'').collect();
    let between = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    between
        .iter()
        .map(|id| id.to_lowercase())
        .filter(|id| id.starts_with("/subscriptions/") && id.contains("/providers/microsoft.managedidentity/userassignedidentities/"))
        .collect()
}
