//! The Key Vault FlexVolume driver 0.0.17 (Azure/kubernetes-keyvault-flexvol): a script that kubelet calls with the options of the volume, and
//! its program, which reads Key Vault with the token that NMI gives for the pod. Its errors are the texts that kubelet shows.

use super::nmi;
use super::provider::ProviderContext;
use super::wire::AzureResponse;
use crate::programs::Program;
use serde_json::Value;
use std::time::Duration;

const DRIVER: &str = "azure/kv";
const RESOURCE: &str = "https://vault.azure.net";
/// The real program asks NMI again after 7 s.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Why a volume is not mounted.
pub(super) enum FlexError {
    /// Kubelet has no such plugin.
    Plugin,
    /// What the driver's script reports.
    Driver(String),
}

fn reported(message: impl std::fmt::Display) -> FlexError {
    FlexError::Driver(format!("mount command failed, status: Failure, reason: {message}"))
}

/// The last line of the program's log, of which the script keeps what follows `Message=`, without quotes.
fn failed(severity: char, line: u16, error: &str) -> FlexError {
    let time = jiff::Timestamp::now().strftime("%m%d %H:%M:%S%.6f");
    let logged = format!("{severity}{time}       1 main.go:{line}] [error] : {error}");
    let kept = logged.rsplit_once("Message=").map_or(logged.as_str(), |(_, rest)| rest).replace('"', "");
    reported(format!("/etc/kubernetes/volumeplugins/azure~kv/azurekeyvault-flexvolume failed, {kept} "))
}

fn invalid(error: &str) -> FlexError {
    failed('E', 83, error)
}

fn broken(error: &str) -> FlexError {
    failed('F', 90, error)
}

struct Options<'a> {
    options: &'a Value,
}

impl Options<'_> {
    fn text(&self, name: &str) -> &str {
        self.options[name].as_str().unwrap_or_default()
    }

    /// The list of that name, or the option of one entry that older templates have.
    fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name);
        let old = if self.text("keyvaultobjectnames").is_empty() { name.trim_end_matches('s') } else { name };
        let text = if text.is_empty() { self.text(old) } else { text };
        text.split(';').collect()
    }

    /// The checks of the script, and then those of the program.
    fn check(&self) -> Result<(), FlexError> {
        let empty = |what: &str| reported(format!("validation failed, {what} is empty"));
        for name in ["tenantid", "keyvaultname"] {
            if self.text(name).is_empty() {
                return Err(empty(name));
            }
        }
        for name in ["keyvaultobjectnames", "keyvaultobjecttypes"] {
            if self.list(name) == [""] {
                return Err(empty(name));
            }
        }
        if self.text("usepodidentity") != "true" {
            // a Secret with the credentials of a service principal is not played
            return Err(empty("secret/clientid"));
        }
        let (names, types) = (self.list("keyvaultobjectnames"), self.list("keyvaultobjecttypes"));
        if names.len() != types.len() {
            return Err(invalid("-vaultObjectNames and -vaultObjectTypes do not have the same number of items"));
        }
        if types.iter().any(|kind| !["secret", "key", "cert"].contains(kind)) {
            return Err(invalid("-vaultObjectType is invalid, should be set to secret, key, or certificate"));
        }
        Ok(())
    }
}

/// Mounts a FlexVolume of a pod.
pub(super) async fn mount(access: &ProviderContext, pod: &Value, volume: &Value) -> Result<(), FlexError> {
    let node = pod["spec"]["nodeName"].as_str();
    if volume["flexVolume"]["driver"] != DRIVER || !access.workloads.run(Program::FlexVolume, node) {
        return Err(FlexError::Plugin);
    }
    let options = Options { options: &volume["flexVolume"]["options"] };
    options.check()?;
    let token = token(access, pod).await.map_err(|e| {
        broken(&format!("failed to get keyvaultClient: failed to get key vault token: failed to get service principal token: {e}"))
    })?;
    let (names, types, versions) =
        (options.list("keyvaultobjectnames"), options.list("keyvaultobjecttypes"), options.list("keyvaultobjectversions"));
    for (at, (name, kind)) in names.iter().zip(&types).enumerate() {
        let version = versions.get(at).filter(|_| versions.len() == names.len()).copied().unwrap_or_default();
        fetch(access, options.text("keyvaultname"), &token, (*kind, *name, version)).await.map_err(|e| broken(&e))?;
    }
    Ok(())
}

async fn token(access: &ProviderContext, pod: &Value) -> Result<String, String> {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
    let node = pod["spec"]["nodeName"].as_str();
    let mut last = String::new();
    for turn in 0..TRIES {
        if turn > 0 {
            access.activity.while_idle(tokio::time::sleep(PAUSE)).await;
        }
        let Some(nmi) = access.nmi.as_ref().filter(|_| access.workloads.run(Program::Nmi, node)) else {
            let url = format!("http://localhost:2579/host/token/?resource={RESOURCE}");
            last = format!("failed to query NMI: Get {url}: dial tcp 127.0.0.1:2579: connect: connection refused");
            continue;
        };
        let asked = nmi::TokenRequest {
            namespace: text("namespace"),
            pod: text("name"),
            node: node.unwrap_or_default(),
            endpoint: nmi::Endpoint::Host,
            resource: RESOURCE,
            managed: access.workloads.managed_mode(node),
            client_id: None,
            force_namespaced: access.workloads.force_namespaced(Program::Nmi, node),
        };
        match nmi.token(&access.activity, &asked).await {
            Ok(token) => return Ok(token),
            Err(no) => last = format!("nmi response failed with status code: {}", no.status),
        }
    }
    Err(last)
}

async fn fetch(access: &ProviderContext, vault: &str, token: &str, (kind, name, version): (&str, &str, &str)) -> Result<(), String> {
    let (folder, call) = match kind {
        "secret" => ("secrets", "GetSecret"),
        "key" => ("keys", "GetKey"),
        _ => ("certificates", "GetCertificate"),
    };
    let url = format!("https://{vault}.vault.azure.net/{folder}/{name}/{version}?api-version=2016-10-01");
    let wrapped =
        |error: String| format!("failed to get objectType:{kind}, objectName:{name}, objectVersion:{version} {}", error.replace('\\', " "));
    let what = format!("keyvault.BaseClient#{call}: Failure");
    let reply = access.azure.get(&url, Some(token)).await.map_err(|_| {
        let host = format!("{vault}.vault.azure.net");
        wrapped(format!("{what} sending request: StatusCode=0 -- Original Error: Get {url}: dial tcp: lookup {host}: no such host"))
    })?;
    if reply.ok() { Ok(()) } else { Err(wrapped(format!("{what} responding to request: {}", refused(&reply)))) }
}

/// Formats an error as go-autorest's ServiceError does.
fn refused(reply: &AzureResponse) -> String {
    let (status, body) = (reply.status, reply.json());
    let error = &body["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let inner = if error["innererror"].is_object() { format!(" InnerError={}", error["innererror"]) } else { String::new() };
    format!(
        "StatusCode={status} -- Original Error: autorest/azure: Service returned an error. Status={status} Code={:?} Message={:?}{inner}",
        text(&error["code"]),
        text(&error["message"])
    )
}
