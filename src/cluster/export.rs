//! Writes the kubeconfig of one context for a program that podid runs. It holds a credential that works at once: a login command has run
//! already, and must not ask a person a second time.

use super::error::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use kube::Config;
use secrecy::SecretString;
use serde_json::{Value, json};

const NAME: &str = "podid";

/// `token`: the one to send now, of a login command or a token file. JSON is YAML.
pub(super) fn kubeconfig(config: &Config, token: Option<SecretString>) -> Result<SecretString> {
    let failed = |e: serde_json::Error| Error::Kubeconfig(e.to_string());
    let mut cluster = json!({ "server": config.cluster_url.to_string().trim_end_matches('/') });
    if let Some(certificates) = &config.root_cert {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(pem(certificates)));
    }
    if config.accept_invalid_certs {
        cluster["insecure-skip-tls-verify"] = json!(true);
    }
    for (field, value) in
        [("tls-server-name", config.tls_server_name.clone()), ("proxy-url", config.proxy_url.as_ref().map(ToString::to_string))]
    {
        if let Some(value) = value {
            cluster[field] = json!(value);
        }
    }
    let mut login = config.auth_info.clone();
    if token.is_some() {
        login.token = token;
    }
    let user = serde_json::to_value(&login).map_err(failed)?;
    let document = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": NAME,
        "clusters": [{ "name": NAME, "cluster": cluster }],
        "users": [{ "name": NAME, "user": without_nulls(user) }],
        "contexts": [{ "name": NAME, "context": { "cluster": NAME, "user": NAME, "namespace": config.default_namespace } }],
    });
    Ok(SecretString::from(document.to_string()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let body: Vec<char> = STANDARD.encode(der).chars().collect();
        for line in body.chunks(64) {
            text.extend(line);
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
