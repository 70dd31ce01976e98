//! Resolves cluster and user: kubeconfig files merged as kubectl merges them, or the pod's own service account. It opens no connection and
//! runs no program.

use super::Settings;
use super::credential;
use super::error::{Error, Result};
use super::proxy::{self, Env};
use crate::files::{
    self,
    whole::{self, Accept},
};
use base64::Engine;
use kube::Config;
use kube::config::{Cluster, ExecAuthCluster, ExecConfig, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

pub(super) const IN_CLUSTER: &str = "in-cluster";

/// A resolved context. `exec` is taken out of `config`, so that kube never runs the plugin itself (it would, three times).
pub(super) struct ResolvedContext {
    pub(super) context: String,
    /// Whether kubectl uses this context by itself.
    pub(super) is_current: bool,
    pub(super) config: Config,
    pub(super) exec: Option<ExecConfig>,
    /// The file with `insecure-skip-tls-verify`, if the server's certificate is not verified.
    pub(super) unverified: Option<String>,
}

/// Several files merged into one, and the names in each file, which errors report.
struct Merged {
    all: Kubeconfig,
    files: Vec<Names>,
}

struct Names {
    path: PathBuf,
    users: Vec<String>,
    clusters: Vec<String>,
}

impl Merged {
    fn file_of(&self, names: impl Fn(&Names) -> &[String], name: &str) -> String {
        // if several files have a name, the first one counts
        let found = self.files.iter().find(|file| names(file).iter().any(|one| one == name));
        found.or(self.files.first()).map(|file| file.path.display().to_string()).unwrap_or_default()
    }
}

/// Returns the contexts, each with the host name of its server.
pub(super) fn contexts(settings: &Settings, env: &Env) -> Result<Vec<(String, String)>> {
    let (paths, asked_for) = places(settings, env);
    let Some(Merged { all: kubeconfig, .. }) = merged(&paths, asked_for)? else { return Ok(Vec::new()) };
    let host = |name: &str| {
        let cluster = kubeconfig.clusters.iter().find(|c| c.name == name)?.cluster.as_ref()?;
        let url: http::Uri = cluster.server.as_deref()?.parse().ok()?;
        Some(url.host()?.trim_matches(['[', ']']).to_ascii_lowercase())
    };
    let found = kubeconfig.contexts.iter().filter_map(|c| Some((c.name.clone(), host(&c.context.as_ref()?.cluster)?)));
    Ok(found.collect())
}

fn merged(paths: &[PathBuf], asked_for: bool) -> Result<Option<Merged>> {
    let mut merged: Option<Kubeconfig> = None;
    let mut files = Vec::new();
    let must_be_there = asked_for && paths.len() == 1;
    for path in paths {
        // kubectl skips missing files of a list, and a missing default file
        if !must_be_there && !path.exists() {
            continue;
        }
        let mut next = read(path)?;
        // an empty name, which `kubectl config unset` leaves, is overridden by that of a later file
        next.current_context.take_if(|name| name.is_empty());
        files.push(Names {
            path: path.clone(),
            users: next.auth_infos.iter().map(|user| user.name.clone()).collect(),
            clusters: next.clusters.iter().map(|cluster| cluster.name.clone()).collect(),
        });
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|e| unreadable(path, &e))?,
        });
    }
    Ok(merged.map(|all| Merged { all, files }))
}

/// Reads a kubeconfig. kube reads files, because paths in them are relative to the file; a pipe, as from `<(command)`, has no folder.
fn read(path: &Path) -> Result<Kubeconfig> {
    let limited = |e: files::Error| Error::Kubeconfig(format!("{}: {}", path.display(), e.cause()));
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() > whole::CONFIG_LIMIT => {
            Err(limited(files::Error::TooLarge { path: path.to_owned(), limit: whole::CONFIG_LIMIT }))
        }
        Ok(meta) if !meta.is_file() => {
            let text = whole::read_text(path, whole::CONFIG_LIMIT, Accept::Pipes).map_err(limited)?;
            Kubeconfig::from_yaml(&text).map_err(|e| unreadable(path, &e))
        }
        _ => Kubeconfig::read_from(path).map_err(|e| unreadable(path, &e)),
    }
}

pub(super) fn find(settings: &Settings, env: &Env) -> Result<ResolvedContext> {
    let (paths, asked_for) = places(settings, env);
    match merged(&paths, asked_for)? {
        Some(kubeconfig) => from_file(kubeconfig, settings.context.as_deref(), env),
        None if asked_for => Err(Error::Kubeconfig(format!("none of these files exists: {}", shown(&paths)))),
        None if env("KUBERNETES_SERVICE_HOST").is_some() => in_cluster(settings.context.as_deref(), env),
        None => Err(Error::Kubeconfig(format!("there is none at {}", shown(&paths)))),
    }
}

/// Resolves the current context of a kubeconfig that is in no file. `origin` is for messages.
pub(super) fn from_text(text: &str, origin: &str, settings: &Settings, env: &Env) -> Result<ResolvedContext> {
    let all = Kubeconfig::from_yaml(text).map_err(|e| unreadable(Path::new(origin), &e))?;
    let mut found = from_file(Merged { all, files: Vec::new() }, None, env)?;
    if let (None, Some(proxy)) = (&found.config.proxy_url, &settings.proxy) {
        found.config.proxy_url = Some(proxy.parse().map_err(|_| Error::Kubeconfig(format!("{proxy:?} is not the URL of a proxy")))?);
    }
    Ok(found)
}

/// Returns the files to read, and whether a flag named them.
fn places(settings: &Settings, env: &Env) -> (Vec<PathBuf>, bool) {
    let list = |value: &str| std::env::split_paths(value).filter(|p| !p.as_os_str().is_empty()).collect::<Vec<_>>();
    if let Some(paths) = settings.kubeconfig.as_deref().map(list).filter(|p| !p.is_empty()) {
        return (paths, true);
    }
    if let Some(paths) = env("KUBECONFIG").as_deref().map(list).filter(|p| !p.is_empty()) {
        return (paths, false);
    }
    let home = env("HOME").or_else(|| env("USERPROFILE"));
    (home.map(|home| Path::new(&home).join(".kube").join("config")).into_iter().collect(), false)
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    if paths.is_empty() { "~/.kube/config".into() } else { paths.join(", ") }
}

fn unreadable(path: &Path, e: &KubeconfigError) -> Error {
    let why = match e {
        // neither the parser's excerpt nor its message is shown: both may contain a token
        KubeconfigError::Parse(e) => match e.location() {
            Some(at) => format!("not a kubeconfig at line {}, column {}", at.line(), at.column()),
            None => "not a kubeconfig".into(),
        },
        KubeconfigError::ReadConfig(e, _) => e.to_string(),
        other => other.to_string(),
    };
    Error::Kubeconfig(format!("{}: {why}", path.display()))
}

fn from_file(merged: Merged, wanted: Option<&str>, env: &Env) -> Result<ResolvedContext> {
    let kubeconfig = &merged.all;
    let known = || kubeconfig.contexts.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let Some(name) = wanted.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty()) else {
        return Err(Error::Kubeconfig(format!("it has no current context (there are: {})", known().join(", "))));
    };
    let Some(context) = kubeconfig.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.clone()) else {
        return Err(Error::UnknownContext { name: name.to_owned(), known: known() });
    };
    let broken = |what: String| Error::Kubeconfig(format!("context {name:?}: {what}"));
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|c| c.name == context.cluster)
        .and_then(|c| c.cluster.as_ref())
        .ok_or_else(|| broken(format!("its cluster {:?} is not defined", context.cluster)))?;
    let server = cluster.server.as_deref().ok_or_else(|| broken("its cluster has no server".into()))?;
    let url: http::Uri = server.parse().map_err(|_| broken(format!("its server {server:?} is not a URL")))?;
    if url.host().is_none() || url.scheme().is_none() {
        return Err(broken(format!("its server {server:?} is not a full URL")));
    }
    // an undefined user is anonymous, as in client-go
    let mut user = context
        .user
        .as_ref()
        .and_then(|user| kubeconfig.auth_infos.iter().find(|a| &a.name == user))
        .and_then(|a| a.auth_info.clone())
        .unwrap_or_default();
    let owner = credential::CredentialOwner {
        context: name,
        user: context.user.as_deref().unwrap_or_default(),
        file: &merged.file_of(|file| &file.users, context.user.as_deref().unwrap_or_default()),
    };
    credential::check(&mut user, owner)?;
    if url.scheme_str() != Some("https") {
        credential::refuse_plain(&user, owner, &url, &context.cluster)?;
    }
    for (word, data, path) in [
        ("client-certificate", user.client_certificate_data.is_some(), &user.client_certificate),
        ("client-key", user.client_key_data.is_some(), &user.client_key),
    ] {
        if let (false, Some(path)) = (data, path) {
            // kube's own error would not name the file, and kube would block on a pipe
            let read = whole::read(Path::new(path), whole::CONFIG_LIMIT, Accept::Regular);
            read.map_err(|e| broken(format!("its {word} {path} cannot be read: {}", e.cause())))?;
        }
    }
    let mut exec = user.exec.take();
    if let Some(exec) = exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(ExecAuthCluster::try_from(cluster).map_err(|e| broken(e.to_string()))?);
    }
    let mut config = Config::new(url);
    config.root_cert = authority(cluster).map_err(broken)?;
    config.default_namespace = context.namespace.unwrap_or_else(|| "default".into());
    if config.root_cert.is_some() && cluster.insecure_skip_tls_verify == Some(true) {
        // client-go rejects this combination, too
        return Err(broken("it has a certificate authority and insecure-skip-tls-verify, of which only one can hold".into()));
    }
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone();
    config.proxy_url = proxy::choose(&config.cluster_url, cluster.proxy_url.as_deref(), env)?;
    config.auth_info = user;
    let unverified = config.accept_invalid_certs.then(|| merged.file_of(|file| &file.clusters, &context.cluster));
    let is_current = !merged.files.is_empty() && kubeconfig.current_context.as_deref() == Some(name);
    Ok(ResolvedContext { context: name.to_owned(), is_current, config, exec, unverified })
}

/// Returns the cluster's own certificate authority as DER. None means that the machine's trust store is used.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = if let Some(text) = &cluster.certificate_authority_data {
        base64::engine::general_purpose::STANDARD
            .decode(credential::joined(text))
            .map_err(|e| format!("its certificate-authority-data is not base64: {e}"))?
    } else if let Some(path) = &cluster.certificate_authority {
        whole::read(Path::new(path), whole::CONFIG_LIMIT, Accept::Regular)
            .map_err(|e| format!("its certificate-authority {path} cannot be read: {}", e.cause()))?
    } else {
        return Ok(None);
    };
    certificates(&pem).map(Some)
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let certs: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(pem)
        .map(|cert| cert.map(|cert| cert.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|e| format!("its certificate authority is not PEM: {e}"))?;
    if certs.is_empty() {
        return Err("its certificate authority holds no certificate".into());
    }
    Ok(certs)
}

/// The folder in which the kubelet mounts the service account of a pod and the cluster's certificate authority.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn in_cluster(wanted: Option<&str>, env: &Env) -> Result<ResolvedContext> {
    mounted(wanted, env, Path::new(ACCOUNT))
}

pub(super) fn mounted(wanted: Option<&str>, env: &Env, account: &Path) -> Result<ResolvedContext> {
    if let Some(name) = wanted.filter(|name| *name != IN_CLUSTER) {
        return Err(Error::UnknownContext { name: name.to_owned(), known: vec![IN_CLUSTER.into()] });
    }
    let broken = |what: String| Error::Kubeconfig(format!("of this pod: {what}"));
    let variable = |name: &str| env(name).filter(|v| !v.is_empty()).ok_or_else(|| broken(format!("{name} is not set")));
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let url: http::Uri = format!("https://{host}:{port}").parse().map_err(|_| broken(format!("{host}:{port} is no server")))?;
    let ca = account.join("ca.crt");
    let pem = whole::read(&ca, whole::CONFIG_LIMIT, Accept::Regular).map_err(|e| broken(format!("{}: {}", ca.display(), e.cause())))?;
    let mut config = Config::new(url);
    config.root_cert = Some(certificates(&pem).map_err(broken)?);
    config.auth_info.token_file = Some(account.join("token").display().to_string());
    config.proxy_url = proxy::choose(&config.cluster_url, None, env)?;
    Ok(ResolvedContext { context: IN_CLUSTER.into(), is_current: true, config, exec: None, unverified: None })
}
