//! Reads the current context of a kubeconfig: the access for the components, and the same as an entry of the sandbox's own kubeconfig. It
//! makes no requests and runs no commands, and its errors do not quote the file.

use crate::{
    azure::kubeconfig::KubeconfigEntry,
    components::{Certificate, KubeAccess, Plugin, Token},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use podid_files::whole::{self, Accept};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

pub struct CurrentContext {
    pub context: String,
    pub url: Url,
    pub entry: KubeconfigEntry,
    pub access: KubeAccess,
}

/// Reads this one file, without the environment and without merging.
pub fn read(path: &Path) -> Result<CurrentContext, String> {
    let text = whole::read_text(path, whole::CONFIG_LIMIT, Accept::Pipes)
        .map_err(|e| format!("could not read {}: {}", path.display(), e.cause()))?;
    let config: Value = serde_saphyr::from_str(&text).map_err(|e| match e.location() {
        Some(at) => format!("{} is not a valid kubeconfig at line {}, column {}", path.display(), at.line(), at.column()),
        None => format!("{} is not a valid kubeconfig", path.display()),
    })?;
    // relative paths start at the kubeconfig's folder, as in kubectl
    let folder = std::path::absolute(path).map_err(|e| format!("could not find {}: {e}", path.display()))?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    of(&config, folder).map_err(|why| format!("{} {why}", path.display()))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().filter(|text| !text.is_empty())
}

fn named<'a>(config: &'a Value, list: &str, name: &str, inner: &str) -> Option<&'a Value> {
    config[list].as_array()?.iter().find(|entry| entry["name"] == name).map(|entry| &entry[inner])
}

fn of(config: &Value, folder: &Path) -> Result<CurrentContext, String> {
    let context = text(config, "current-context").ok_or("has no current-context")?;
    let chosen = named(config, "contexts", context, "context").ok_or_else(|| format!("does not define its current context {context:?}"))?;
    let cluster = text(chosen, "cluster").unwrap_or_default();
    let cluster = named(config, "clusters", cluster, "cluster")
        .ok_or_else(|| format!("does not define the cluster {cluster:?} of context {context:?}"))?;
    // an undefined user has no credentials, as in client-go
    let user = text(chosen, "user").and_then(|user| named(config, "users", user, "user")).cloned().unwrap_or_else(|| json!({}));
    let server = text(cluster, "server").ok_or_else(|| format!("has no server for the cluster of context {context:?}"))?;
    let url: Url = server.parse().map_err(|_| format!("has a server that is not a valid URL for the cluster of context {context:?}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("has a server that is not a valid URL for the cluster of context {context:?}"));
    }
    let (mut cluster, mut user) = (cluster.clone(), user);
    settle(&mut cluster, folder, &["certificate-authority"]);
    settle(&mut user, folder, &["client-certificate", "client-key", "tokenFile"]);
    if let Some(command) = text(&user["exec"], "command").filter(|command| command.contains(std::path::is_separator)) {
        user["exec"]["command"] = within(folder, command).display().to_string().into();
    }
    let access = access(server, &cluster, &user)?;
    Ok(CurrentContext { context: context.to_owned(), url, entry: KubeconfigEntry { cluster, user }, access })
}

fn within(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

/// Makes file names absolute, so that they are valid in a kubeconfig in another folder.
fn settle(entry: &mut Value, folder: &Path, fields: &[&str]) {
    for field in fields {
        if let Some(path) = text(entry, field) {
            let path = within(folder, path).display().to_string();
            entry[*field] = path.into();
        }
    }
}

/// Returns `FIELD-data` from base64, or the content of the file that `FIELD` names.
fn pem(entry: &Value, field: &str) -> Result<Option<String>, String> {
    if let Some(data) = text(entry, &format!("{field}-data")) {
        let bytes = STANDARD.decode(data.trim()).map_err(|_| format!("has a {field}-data that is not base64"))?;
        return String::from_utf8(bytes).map(Some).map_err(|_| format!("has a {field}-data that is not PEM"));
    }
    let Some(path) = text(entry, field) else { return Ok(None) };
    let pem = whole::read_text(Path::new(path), whole::CONFIG_LIMIT, Accept::Regular);
    pem.map(Some).map_err(|e| format!("names a {field} that could not be read ({path}: {})", e.cause()))
}

fn access(server: &str, cluster: &Value, user: &Value) -> Result<KubeAccess, String> {
    let certificate = match (pem(user, "client-certificate")?, pem(user, "client-key")?) {
        (Some(certificate), Some(key)) => Some(Certificate { certificate, key }),
        (None, None) => None,
        _ => return Err("has a client certificate without a key, or a key without a certificate".into()),
    };
    // client-go prefers the file
    let token = match (text(user, "tokenFile"), text(user, "token")) {
        (Some(path), _) => Some(Token::File(PathBuf::from(path))),
        (None, Some(token)) => Some(Token::Fixed(token.to_owned())),
        (None, None) => None,
    };
    if user["auth-provider"].is_object() {
        return Err(
            "uses an auth-provider, which kubectl does not support any more: convert it to an exec plugin with `kubelogin convert-kubeconfig`".into()
        );
    }
    if text(user, "username").is_some() {
        return Err("uses a user name and a password, which API servers do not accept since Kubernetes 1.19".into());
    }
    let plugin = if user["exec"].is_object() { Some(Arc::new(plugin(&user["exec"], cluster)?)) } else { None };
    Ok(KubeAccess {
        server: server.to_owned(),
        ca_pem: pem(cluster, "certificate-authority")?,
        insecure: cluster["insecure-skip-tls-verify"] == true,
        named: text(cluster, "tls-server-name").map(|name| (name.to_owned(), Vec::new())),
        proxy: text(cluster, "proxy-url").map(str::to_owned),
        token,
        certificate,
        plugin,
        headers: impersonation(user),
    })
}

fn plugin(exec: &Value, cluster: &Value) -> Result<Plugin, String> {
    let command = text(exec, "command").ok_or("has an exec plugin without a command")?;
    let version = text(exec, "apiVersion").ok_or("has an exec plugin without an apiVersion")?;
    if exec["interactiveMode"] == "Always" {
        return Err(format!("uses the exec plugin {command} with interactiveMode Always, which the sandbox cannot run"));
    }
    let list = |name: &str| exec[name].as_array().into_iter().flatten();
    let args = list("args").filter_map(Value::as_str).map(str::to_owned).collect();
    let env = list("env").filter_map(|pair| Some((text(pair, "name")?.to_owned(), pair["value"].as_str()?.to_owned()))).collect();
    let info = (exec["provideClusterInfo"] == true).then(|| {
        // ExecCredential's spec.cluster has the kubeconfig's field names, except for the CA file
        let mut info = json!({ "server": cluster["server"] });
        for name in ["tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url"] {
            if !cluster[name].is_null() {
                info[name] = cluster[name].clone();
            }
        }
        if let (None, Ok(Some(pem))) = (info.get("certificate-authority-data"), pem(cluster, "certificate-authority")) {
            info["certificate-authority-data"] = STANDARD.encode(pem).into();
        }
        info
    });
    Ok(Plugin::new(command.to_owned(), args, env, version.to_owned(), info))
}

fn impersonation(user: &Value) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (field, header) in [("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")] {
        headers.extend(text(user, field).map(|value| (header.to_owned(), value.to_owned())));
    }
    let groups = user["as-groups"].as_array().into_iter().flatten().filter_map(Value::as_str);
    headers.extend(groups.map(|group| ("Impersonate-Group".to_owned(), group.to_owned())));
    for (name, values) in user["as-user-extra"].as_object().into_iter().flatten() {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        headers.extend(values.map(|value| (format!("Impersonate-Extra-{name}"), value.to_owned())));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: Value, user: Value) -> Value {
        json!({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        })
    }

    fn server() -> Value {
        json!({"server": "https://10.0.0.1:6443"})
    }

    fn refusal(config: &Value) -> String {
        of(config, Path::new("/k")).err().unwrap()
    }

    #[test]
    fn a_token_and_a_ca_are_taken_over() {
        let cluster = json!({"server": "https://Kube.Example:6443/", "certificate-authority-data": STANDARD.encode("PEM")});
        let chosen = of(&config(cluster.clone(), json!({"token": "t"})), Path::new("/k")).unwrap();
        assert_eq!((chosen.url.host_str(), chosen.url.port()), (Some("kube.example"), Some(6443)));
        assert_eq!((chosen.entry.cluster, chosen.entry.user), (cluster, json!({"token": "t"})));
        assert_eq!(chosen.access.ca_pem.as_deref(), Some("PEM"));
        assert!(matches!(chosen.access.token, Some(Token::Fixed(token)) if token == "t"));
    }

    #[test]
    fn file_names_are_relative_to_the_kubeconfig() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.crt"), "CA").unwrap();
        std::fs::write(dir.path().join("me.crt"), "CERT").unwrap();
        std::fs::write(dir.path().join("me.key"), "KEY").unwrap();
        let cluster = json!({"server": "https://h", "certificate-authority": "ca.crt"});
        let user = json!({"client-certificate": "me.crt", "client-key": "./me.key", "tokenFile": "t",
            "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/login", "args": ["a"], "env": [{"name": "N", "value": "V"}]}});
        let text = config(cluster, user).to_string();
        std::fs::write(dir.path().join("config"), text).unwrap();
        let chosen = read(&dir.path().join("config")).unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        assert_eq!(chosen.access.ca_pem.as_deref(), Some("CA"));
        let certificate = chosen.access.certificate.unwrap();
        assert_eq!((certificate.certificate.as_str(), certificate.key.as_str()), ("CERT", "KEY"));
        assert!(matches!(chosen.access.token, Some(Token::File(path)) if path == dir.path().join("t")));
        let plugin = chosen.access.plugin.unwrap();
        assert_eq!((plugin.command.clone(), plugin.env.clone()), (at("bin/login"), vec![("N".into(), "V".into())]));
        assert_eq!(chosen.entry.cluster["certificate-authority"], at("ca.crt"));
        assert_eq!(chosen.entry.user["exec"]["command"], at("bin/login"));
    }

    #[test]
    fn a_plugin_on_the_path_stays_a_name() {
        let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "kubelogin"}});
        let chosen = of(&config(server(), user), Path::new("/k")).unwrap();
        assert_eq!(chosen.access.plugin.unwrap().command, "kubelogin");
        assert_eq!(chosen.entry.user["exec"]["command"], "kubelogin");
    }

    #[test]
    fn errors_do_not_quote_the_file() {
        assert_eq!(refusal(&json!({})), "has no current-context");
        let mut other = config(server(), json!({}));
        other["current-context"] = "d".into();
        assert_eq!(refusal(&other), "does not define its current context \"d\"");
        assert!(refusal(&config(json!({}), json!({}))).contains("no server"));
        assert!(refusal(&config(json!({"server": "kube:6443"}), json!({}))).contains("not a valid URL"));
        let secret = refusal(&config(server(), json!({"client-certificate-data": "s~cret!"})));
        assert_eq!(secret, "has a client-certificate-data that is not base64");
        assert!(refusal(&config(server(), json!({"client-key-data": STANDARD.encode("k")}))).contains("without a certificate"));
        assert!(refusal(&config(server(), json!({"auth-provider": {"name": "azure"}}))).contains("kubelogin convert-kubeconfig"));
        let asks = json!({"exec": {"apiVersion": "v", "command": "l", "interactiveMode": "Always"}});
        assert!(refusal(&config(server(), asks)).contains("interactiveMode Always"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        assert!(read(&path).err().unwrap().starts_with("could not read"));
        std::fs::write(&path, "token: [s~cret").unwrap();
        let why = read(&path).err().unwrap();
        assert!(why.contains("is not a valid kubeconfig") && !why.contains("s~cret"), "{why}");
    }

    #[test]
    fn impersonation_becomes_headers() {
        let user = json!({"as": "jane", "as-groups": ["a", "b"], "as-user-extra": {"scope": ["x"]}});
        let chosen = of(&config(server(), user), Path::new("/k")).unwrap();
        let headers: Vec<String> = chosen.access.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(headers, ["Impersonate-User=jane", "Impersonate-Group=a", "Impersonate-Group=b", "Impersonate-Extra-scope=x"]);
    }
}
