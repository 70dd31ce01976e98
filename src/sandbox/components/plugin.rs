//! The exec plugin of a kubeconfig, by the ExecCredential protocol of `client.authentication.k8s.io`. It runs when a credential is first
//! needed, and again when the credential has expired or was refused. It cannot ask the user.

use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;

const LIMIT: Duration = Duration::from_secs(60);
/// A credential is renewed this long before it expires.
const SPARE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Certificate and key in PEM.
#[derive(Clone, PartialEq)]
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

pub struct Plugin {
    /// A path, or a name that is looked up in PATH.
    pub command: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub api_version: String,
    /// For `provideClusterInfo`.
    pub cluster: Option<Value>,
    kept: Mutex<Option<Credential>>,
}

#[derive(Clone)]
pub(super) struct Credential {
    pub(super) token: Option<String>,
    pub(super) certificate: Option<Certificate>,
    expires: Option<jiff::Timestamp>,
}

impl Plugin {
    pub fn new(command: String, args: Vec<String>, env: Vec<(String, String)>, api_version: String, cluster: Option<Value>) -> Self {
        Self { command, args, env, api_version, cluster, kept: Mutex::default() }
    }

    pub(super) async fn credential(&self) -> Result<Credential, String> {
        let mut kept = self.kept.lock().await;
        let fresh = |c: &&Credential| c.expires.is_none_or(|end| jiff::Timestamp::now() + SPARE < end);
        if let Some(credential) = kept.as_ref().filter(fresh) {
            return Ok(credential.clone());
        }
        let credential = self.run().await?;
        *kept = Some(credential.clone());
        Ok(credential)
    }

    /// Discards the credential after a 401, unless another request has renewed it already.
    pub(super) async fn refused(&self, credential: &Credential) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|now| now.token == credential.token && now.certificate == credential.certificate) {
            *kept = None;
        }
    }

    async fn run(&self) -> Result<Credential, String> {
        let name = &self.command;
        let mut spec = json!({ "interactive": false });
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let question = json!({ "apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec });
        let mut command = Command::new(name);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env("KUBERNETES_EXEC_INFO", question.to_string());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output = output.map_err(|_| format!("the exec plugin {name} timed out after {LIMIT:?}"))?;
        let output = output.map_err(|e| format!("could not run the exec plugin {name}: {e}"))?;
        if !output.status.success() {
            let reply = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the exec plugin {name} failed with {}: {}", output.status, reply.trim()));
        }
        // the output holds the credential, so errors must not contain it
        self.read(&output.stdout).map_err(|why| format!("the exec plugin {name} {why}"))
    }

    fn read(&self, printed: &[u8]) -> Result<Credential, String> {
        let answer: Value = serde_json::from_slice(printed).map_err(|_| "did not print valid JSON".to_owned())?;
        if answer["kind"] != "ExecCredential" || answer["apiVersion"] != self.api_version.as_str() {
            return Err(format!("did not print an ExecCredential of {}", self.api_version));
        }
        let text = |name: &str| answer["status"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let certificate = match (text("clientCertificateData"), text("clientKeyData")) {
            (Some(certificate), Some(key)) => Some(Certificate { certificate, key }),
            (None, None) => None,
            _ => return Err("returned a certificate without a key, or a key without a certificate".into()),
        };
        let token = text("token");
        if token.is_none() && certificate.is_none() {
            return Err("returned neither a token nor a certificate".into());
        }
        let expires = match text("expirationTimestamp") {
            Some(end) => Some(end.parse().map_err(|_| "returned an expirationTimestamp that is not a valid time".to_owned())?),
            None => None,
        };
        Ok(Credential { token, certificate, expires })
    }
}
