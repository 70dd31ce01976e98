//! What MIC does in Azure: its token, and the user-assigned identities of the nodes' scale set.

use super::wire::{Azure, METADATA, Said};
use super::{Config, Login};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

const RESOURCE: &str = "https://management.azure.com/";
const API: &str = "api-version=2019-12-01";
/// MIC's own: 5 s, one request more than needed.
const POLL: Duration = Duration::from_millis(200);
const POLLS: usize = 300;
/// `--update-user-msi-max-retry` and `-retry-interval` (1 s).
const RETRIES: usize = 2;
const RETRY: Duration = Duration::from_millis(100);

pub(super) struct Arm {
    azure: Azure,
    login: Login,
    tenant: String,
    group: String,
    set: String,
    url: String,
    /// Token and the second it ends.
    token: Mutex<Option<(String, u64)>>,
}

/// `present`: what the scale set has after all (ids in lower case), if it could be read.
pub(super) struct Failed {
    pub(super) text: String,
    pub(super) present: Option<BTreeSet<String>>,
}

impl Arm {
    pub(super) fn new(config: &Config, azure: Azure) -> Self {
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

    async fn token(&self) -> Result<String, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut kept = self.token.lock().await;
        if let Some((token, end)) = kept.as_ref()
            && now + 60 < *end
        {
            return Ok(token.clone());
        }
        let (endpoint, said) = match &self.login {
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
                let said = self.azure.form(&endpoint, &form).await;
                (endpoint, said)
            }
        };
        let said = said.map_err(|e| format!("adal: Failed to execute the refresh request. Error = '{e}'"))?;
        let body = said.json();
        let Some(token) = body["access_token"].as_str().filter(|_| said.ok()) else {
            return Err(refused_token(&said, &endpoint));
        };
        // numbers come as strings from here
        let end = body["expires_on"].as_str().and_then(|s| s.parse().ok()).or(body["expires_on"].as_u64()).unwrap_or(now + 300);
        *kept = Some((token.to_owned(), end));
        Ok(token.to_owned())
    }

    async fn forget_if_refused(&self, said: &Said) {
        if said.status == 401 {
            *self.token.lock().await = None;
        }
    }

    async fn present(&self) -> Result<BTreeSet<String>, String> {
        let token = self.token().await?;
        let what = |e: String| format!("compute.VirtualMachineScaleSetsClient#Get: Failure responding to request: {e}");
        let said = self.azure.get(&self.url, Some(&token)).await.map_err(what)?;
        self.forget_if_refused(&said).await;
        if !said.ok() {
            return Err(what(original(&said).1));
        }
        let set = said.json();
        if set["properties"]["provisioningState"] == "Deleting" {
            return Err(format!("scale set {} is being deleted", self.set));
        }
        let map = set["identity"]["userAssignedIdentities"].as_object();
        Ok(map.into_iter().flat_map(Map::keys).map(|id| id.to_lowercase()).collect())
    }

    /// Gives the scale set these identities and takes those away; ids in any case.
    pub(super) async fn update(&self, add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Result<(), Failed> {
        let have = self.present().await.map_err(|text| Failed { text, present: None })?;
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
                Err(Failed { text, present: self.present().await.ok() })
            }
        }
    }

    /// Code and text of the refusal.
    async fn patch(&self, have: &BTreeSet<String>, add: &BTreeSet<String>, remove: &BTreeSet<String>) -> Result<(), (String, String)> {
        let what = |e: String| format!("compute.VirtualMachineScaleSetsClient#Update: Failure sending request: {e}");
        let lost = |e: String| (String::new(), what(e));
        let mut map = Map::new();
        map.extend(add.iter().map(|id| (id.clone(), json!({}))));
        map.extend(remove.iter().map(|id| (id.clone(), Value::Null)));
        let left = have.iter().any(|id| !remove.contains(id)) || !add.is_empty();
        let identity = json!({ "type": if left { "UserAssigned" } else { "None" }, "userAssignedIdentities": map });
        let token = self.token().await.map_err(lost)?;
        let said = self.azure.patch(&self.url, &token, &json!({ "identity": identity })).await.map_err(lost)?;
        self.forget_if_refused(&said).await;
        if !said.ok() {
            let (code, text) = original(&said);
            return Err((code, what(text)));
        }
        let Some(operation) = said.header("azure-asyncoperation").map(str::to_owned) else { return Ok(()) };
        for _ in 0..POLLS {
            let token = self.token().await.map_err(lost)?;
            let said = self.azure.get(&operation, Some(&token)).await.map_err(lost)?;
            let body = said.json();
            match body["status"].as_str() {
                Some("Succeeded") => return Ok(()),
                Some("Failed" | "Canceled") => {
                    let (code, text) = code_and_message(&body["error"]);
                    return Err((code, what(format!("Code={text}"))));
                }
                // an operation that is not over may be refused for a moment, and is asked again
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

/// As go-autorest writes a service error.
fn original(said: &Said) -> (String, String) {
    let body = said.json();
    let (code, text) = code_and_message(if body["error"].is_object() { &body["error"] } else { &body });
    (code, format!("StatusCode={} -- Original Error: Code={text}", said.status))
}

/// As adal writes a refused token request; the body of a refusal holds no token.
pub(super) fn refused_token(said: &Said, endpoint: &str) -> String {
    format!("adal: Refresh request failed. Status Code = '{}'. Response body: {} Endpoint {endpoint}", said.status, said.text)
}

/// The identities that a refusal names. MIC finds them by their single quotes.
fn quoted_identities(text: &str) -> BTreeSet<String> {
    let pieces: Vec<&str> = text.split('\'').collect();
    let between = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    between
        .iter()
        .map(|id| id.to_lowercase())
        .filter(|id| id.starts_with("/subscriptions/") && id.contains("/providers/microsoft.managedidentity/userassignedidentities/"))
        .collect()
}
