//! The login command (exec plugin) of a kubeconfig, by the ExecCredential protocol of `client.authentication.k8s.io`: run once, and again
//! only when what it gave has expired or was refused. kube would run it three times for each client and block the thread meanwhile.

use super::error::{Error, Result};
use base64::Engine;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Mutex;

/// A person who logs in by a browser needs longer than any request.
const INTERACTIVE_LIMIT: Duration = Duration::from_secs(600);
/// A token is renewed this long before its end.
const SPARE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// What a plugin gave.
#[derive(Clone)]
pub(super) struct Credential {
    token: Option<SecretString>,
    /// PEM of certificate and key.
    pair: Option<(String, SecretString)>,
    expires: Option<Timestamp>,
}

impl Credential {
    /// Where kube looks for a client certificate.
    pub(super) fn put_pair(&self, user: &mut AuthInfo) {
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        if let Some((cert, key)) = &self.pair {
            user.client_certificate_data = Some(encode(cert));
            user.client_key_data = Some(encode(key.expose_secret()).into());
        }
    }
}

/// A plugin and the token it last gave.
pub(super) struct Login {
    context: String,
    exec: ExecConfig,
    limit: Duration,
    now: Mutex<Credential>,
}

impl Login {
    pub(super) async fn new(context: &str, exec: ExecConfig, limit: Duration) -> Result<Self> {
        let first = run(context, &exec, limit).await?;
        Ok(Self { context: context.to_owned(), exec, limit, now: Mutex::new(first) })
    }

    pub(super) async fn credential(&self) -> Credential {
        self.now.lock().await.clone()
    }

    /// The token to send now.
    pub(super) async fn token(&self) -> Result<Option<SecretString>> {
        let mut now = self.now.lock().await;
        if now.expires.is_some_and(|end| Timestamp::now() + SPARE >= end) {
            *now = run(&self.context, &self.exec, self.limit).await?;
        }
        Ok(now.token.clone())
    }

    /// After a 401 for `refused`: a new token, unless someone has already fetched one.
    pub(super) async fn renew(&self, refused: &SecretString) -> Result<Option<SecretString>> {
        let mut now = self.now.lock().await;
        if now.token.as_ref().is_some_and(|token| token.expose_secret() == refused.expose_secret()) {
            *now = run(&self.context, &self.exec, self.limit).await?;
        }
        Ok(now.token.clone())
    }
}

async fn run(context: &str, exec: &ExecConfig, limit: Duration) -> Result<Credential> {
    let failed = |cause: String| Error::Login { context: context.to_owned(), cause };
    let command = exec.command.as_deref().ok_or_else(|| failed("the kubeconfig names no command".into()))?;
    let version = exec.api_version.as_deref().ok_or_else(|| failed("the kubeconfig gives it no apiVersion".into()))?;
    let interactive = match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => false,
        Some(ExecInteractiveMode::Always) if !std::io::stdin().is_terminal() => {
            return Err(failed(format!("{command} asks a person, and this is no terminal")));
        }
        _ => std::io::stdin().is_terminal(),
    };
    let mut spec = json!({ "interactive": interactive });
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = serde_json::to_value(cluster).map_err(|e| failed(e.to_string()))?;
    }
    let question = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec });
    let mut child = Command::new(command);
    child.args(exec.args.iter().flatten());
    for pair in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (pair.get("name"), pair.get("value")) {
            child.env(name, value);
        }
    }
    child.env("KUBERNETES_EXEC_INFO", question.to_string());
    child.stdin(if interactive { Stdio::inherit() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    child.kill_on_drop(true);
    let hint = || exec.install_hint.as_deref().map(|hint| format!("; {}", hint.trim())).unwrap_or_default();
    let mut child = child.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => failed(format!("{command} is not installed{}", hint())),
        _ => failed(format!("{command}: {e}")),
    })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let limit = if interactive { INTERACTIVE_LIMIT } else { limit };
    let all = async {
        let (out, err, status) = tokio::join!(all_of(stdout, false), all_of(stderr, interactive), child.wait());
        status.map(|status| (status, out, err))
    };
    let (status, out, err) = tokio::time::timeout(limit, all)
        .await
        .map_err(|_| failed(format!("{command} gave no answer within {limit:?}")))?
        .map_err(|e| failed(format!("{command}: {e}")))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&err);
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        return Err(failed(format!("{command} ended with {status}{said}")));
    }
    // what it printed holds the token, so none of it may go into an error
    read(&out, version).map_err(|cause| failed(format!("{command} {cause}")))
}

/// All that comes; `show`: the person must also see it at once (a code to type into a browser). This is the plugin's own voice, not podid's.
async fn all_of(pipe: Option<impl AsyncReadExt + Unpin>, show: bool) -> Vec<u8> {
    let mut all = Vec::new();
    let Some(mut pipe) = pipe else { return all };
    let mut some = [0; 1024];
    while let Ok(n @ 1..) = pipe.read(&mut some).await {
        all.extend_from_slice(&some[..n]);
        if show {
            let _ = std::io::stderr().write_all(&some[..n]); // a closed terminal is no reason to fail
        }
    }
    all
}

fn read(out: &[u8], version: &str) -> Result<Credential, String> {
    let answer: Value = serde_json::from_slice(out).map_err(|_| "printed no JSON".to_owned())?;
    if answer["kind"] != "ExecCredential" {
        return Err("printed no ExecCredential".into());
    }
    if answer["apiVersion"] != version {
        return Err(format!("answered in another apiVersion than {version}"));
    }
    let status = &answer["status"];
    let text = |name: &str| status[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let token = text("token").map(SecretString::from);
    let pair = match (text("clientCertificateData"), text("clientKeyData")) {
        (Some(cert), Some(key)) => Some((cert, SecretString::from(key))),
        (None, None) => None,
        _ => return Err("gave a certificate without a key, or a key without a certificate".into()),
    };
    if token.is_none() && pair.is_none() {
        return Err("gave neither a token nor a certificate".into());
    }
    let expires = match text("expirationTimestamp") {
        Some(end) => Some(end.parse().map_err(|_| "gave an expirationTimestamp that is no time".to_owned())?),
        None => None,
    };
    Ok(Credential { token, pair, expires })
}
