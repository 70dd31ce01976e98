//! Credentials that change with time. A login command (exec plugin) of a kubeconfig uses the ExecCredential protocol of
//! `client.authentication.k8s.io`. It runs once, and again only when its credential has expired or was rejected. kube would run it three
//! times for each client and block the thread meanwhile.

use super::credential::unfit;
use super::error::{Error, Result};
use super::limits::{self, Timeouts};
use super::paths::shown;
use super::token_file::TokenFile;
use base64::Engine;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::fmt;
use std::io::IsTerminal;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;

/// The time limit of a command that a person answers: a login in a browser takes longer than any request.
const INTERACTIVE_LIMIT: Duration = Duration::from_secs(600);
/// A token is renewed this long before it expires.
const SPARE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Shows the person what a login command prints while it waits for them, such as a code to type into a browser. By default it is discarded.
#[derive(Clone, Default)]
pub struct PluginOutput(Option<Arc<Show>>);

type Show = dyn Fn(&str) + Send + Sync;

impl PluginOutput {
    pub fn to(show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(show)))
    }

    fn show(&self, text: &str) {
        if let Some(show) = &self.0 {
            show(text);
        }
    }
}

impl fmt::Debug for PluginOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PluginOutput")
    }
}

/// The credential that a plugin returned.
struct Credential {
    token: Option<SecretString>,
    /// Certificate and key as PEM.
    pair: Option<(String, SecretString)>,
    expires: Option<Timestamp>,
}

impl Credential {
    /// Puts the client certificate where kube looks for it.
    fn put_pair(&self, user: &mut AuthInfo) {
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        if let Some((cert, key)) = &self.pair {
            user.client_certificate_data = Some(encode(cert));
            user.client_key_data = Some(encode(key.expose_secret()).into());
        }
    }
}

/// Returns a token for an API server, or why there is none.
pub type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, std::result::Result<SecretString, String>> + Send + Sync>;

/// The source of tokens.
pub(super) enum Login {
    Command(Box<Plugin>),
    File(TokenFile),
    Source { context: String, server: String, source: TokenSource },
}

async fn from_source(context: &str, server: &str, source: &TokenSource) -> Result<SecretString> {
    source().await.map_err(|cause| Error::Login { context: context.to_owned(), server: server.to_owned(), cause })
}

/// A plugin and its latest credential.
pub(super) struct Plugin {
    context: String,
    server: String,
    exec: ExecConfig,
    times: Timeouts,
    output: PluginOutput,
    now: Mutex<Option<Credential>>,
}

impl Login {
    /// Runs the plugin for the first time.
    pub(super) async fn by_command(
        context: &str,
        server: &http::Uri,
        exec: ExecConfig,
        times: Timeouts,
        output: PluginOutput,
    ) -> Result<Self> {
        let plugin = Plugin { context: context.to_owned(), server: shown(server), exec, times, output, now: Mutex::new(None) };
        let first = plugin.run().await?;
        *plugin.now.lock().await = Some(first);
        Ok(Self::Command(Box::new(plugin)))
    }

    pub(super) fn by_source(context: &str, server: &http::Uri, source: TokenSource) -> Self {
        Self::Source { context: context.to_owned(), server: shown(server), source }
    }

    pub(super) fn by_file(context: &str, path: std::path::PathBuf, token: Option<SecretString>) -> Result<Self> {
        TokenFile::new(context, path, token).map(Self::File)
    }

    /// Puts the client certificate of a plugin where kube looks for it.
    pub(super) async fn put_pair(&self, user: &mut AuthInfo) {
        if let Self::Command(plugin) = self
            && let Some(credential) = plugin.now.lock().await.as_ref()
        {
            credential.put_pair(user);
        }
    }

    /// Returns the token to send now.
    pub(super) async fn token(&self) -> Result<Option<SecretString>> {
        match self {
            Self::Command(plugin) => plugin.token().await,
            Self::File(file) => Ok(Some(file.token().await)),
            Self::Source { context, server, source } => from_source(context, server, source).await.map(Some),
        }
    }

    /// Returns another token after a 401 for `refused`, if there is one by now.
    pub(super) async fn renew(&self, refused: &SecretString) -> Result<Option<SecretString>> {
        match self {
            Self::Command(plugin) => plugin.renew(refused).await,
            Self::File(file) => Ok(file.renew(refused).await),
            Self::Source { context, server, source } => {
                let token = from_source(context, server, source).await?;
                Ok((token.expose_secret() != refused.expose_secret()).then_some(token))
            }
        }
    }
}

impl Plugin {
    async fn token(&self) -> Result<Option<SecretString>> {
        let mut now = self.now.lock().await;
        if now.as_ref().is_none_or(|n| n.expires.is_some_and(|end| Timestamp::now() + SPARE >= end)) {
            *now = Some(self.run().await?);
        }
        Ok(now.as_ref().and_then(|n| n.token.clone()))
    }

    /// Runs the plugin again, unless another caller has already done so.
    async fn renew(&self, refused: &SecretString) -> Result<Option<SecretString>> {
        let mut now = self.now.lock().await;
        let same = |token: &SecretString| token.expose_secret() == refused.expose_secret();
        if now.as_ref().and_then(|n| n.token.as_ref()).is_none_or(same) {
            *now = Some(self.run().await?);
        }
        Ok(now.as_ref().and_then(|n| n.token.clone()))
    }

    async fn run(&self) -> Result<Credential> {
        let exec = &self.exec;
        let failed = |cause: String| Error::Login { context: self.context.clone(), server: self.server.clone(), cause };
        let command = exec.command.as_deref().ok_or_else(|| failed("the kubeconfig names no command".into()))?;
        let version = exec.api_version.as_deref().ok_or_else(|| failed("the kubeconfig gives it no apiVersion".into()))?;
        let interactive = match exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::Always) if !std::io::stdin().is_terminal() => {
                return Err(failed(format!("{command} asks a person, and this is no terminal")));
            }
            _ => std::io::stdin().is_terminal(),
        };
        let limit = if interactive { INTERACTIVE_LIMIT.min(self.times.whole) } else { self.times.timeout };
        let output = interactive.then_some(&self.output);
        let out = call(exec, command, version, output, limit).await.map_err(&failed)?;
        // the output contains the token, so no part of it may be in an error
        read(&out, version).map_err(|cause| failed(format!("{command} {cause}")))
    }
}

/// Runs the plugin and returns its stdout. With `output`, the plugin may prompt, and the person sees its stderr.
async fn call(
    exec: &ExecConfig,
    command: &str,
    version: &str,
    output: Option<&PluginOutput>,
    limit: Duration,
) -> std::result::Result<Vec<u8>, String> {
    let interactive = output.is_some();
    let mut spec = json!({ "interactive": interactive });
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = serde_json::to_value(cluster).map_err(|e| e.to_string())?;
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
        std::io::ErrorKind::NotFound => format!("{command} is not installed{}", hint()),
        _ => format!("{command}: {e}"),
    })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let all = async {
        // a plugin that prints too much is not waited for: it is killed when this future is dropped
        let out = async { all_of(stdout).await.ok_or_else(|| format!("{command} printed more than {}", limits::size(limits::LOGIN))) };
        let status = async { child.wait().await.map_err(|e| format!("{command}: {e}")) };
        let err = async { Ok(end_of(stderr, output).await) };
        tokio::try_join!(out, err, status)
    };
    let (out, err, status) = tokio::time::timeout(limit, all).await.map_err(|_| format!("{command} gave no answer within {limit:?}"))??;
    if !status.success() {
        let said = String::from_utf8_lossy(&err);
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        return Err(format!("{command} ended with {status}{said}"));
    }
    Ok(out)
}

/// Reads to the end. None if the output is larger than any credential.
async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        // a broken pipe counts as its end
        let _ = pipe.take(limits::LOGIN as u64 + 1).read_to_end(&mut all).await;
    }
    (all.len() <= limits::LOGIN).then_some(all)
}

/// Returns the end of the output, where the reason of a failure is. With `output`, the person also sees it at once (a code to type into a
/// browser).
async fn end_of(pipe: Option<impl AsyncRead + Unpin>, output: Option<&PluginOutput>) -> Vec<u8> {
    let mut end = Vec::new();
    let Some(mut pipe) = pipe else { return end };
    let mut some = [0; 1024];
    while let Ok(n @ 1..) = pipe.read(&mut some).await {
        end.extend_from_slice(&some[..n]);
        if end.len() > 2 * LAST_WORDS {
            end.drain(..end.len() - LAST_WORDS);
        }
        if let Some(output) = output {
            output.show(&String::from_utf8_lossy(&some[..n]));
        }
    }
    end.drain(..end.len().saturating_sub(LAST_WORDS));
    end
}

/// How many bytes of the stderr of a failed plugin an error shows.
const LAST_WORDS: usize = 4096;

fn read(out: &[u8], version: &str) -> Result<Credential, String> {
    let answer: Value = serde_json::from_slice(out).map_err(|_| "did not print JSON".to_owned())?;
    if answer["kind"] != "ExecCredential" {
        return Err("printed no ExecCredential".into());
    }
    if answer["apiVersion"] != version {
        return Err(format!("answered in another apiVersion than {version}"));
    }
    let status = &answer["status"];
    let text = |name: &str| status[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let token = text("token").map(SecretString::from);
    if let Some(why) = token.as_ref().and_then(|token| unfit(token.expose_secret())) {
        return Err(format!("gave a token that {why}"));
    }
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
