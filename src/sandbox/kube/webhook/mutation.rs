//! What the webhook of Azure Workload ID does to a new pod (Azure/azure-workload-identity, `pkg/webhook/webhook.go`): it adds a token volume
//! and the environment of the Azure SDKs, and on request the proxy for apps that use the metadata service.

use super::settings::Settings;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "azure.workload.identity/";
/// The hash of a volume's name is cut so that the name has at most 63 letters.
const RESERVED: &str = "azure-workload-identity-reserved-";
const LIFETIMES: std::ops::RangeInclusive<i64> = 3600..=86_400;
const PROXY_PORT: i64 = 8000;
const CA_FILE: &str = "ca-cert/ca.crt";

/// Where the token is mounted.
struct Place {
    volume: String,
    mount: &'static str,
    file: &'static str,
}

impl Place {
    fn new(settings: &Settings, pod: &Value) -> Self {
        if !settings.is_new() {
            return Self { volume: "azure-identity-token".into(), mount: "/var/run/secrets/azure/tokens", file: "azure-identity-token" };
        }
        let text = |name: &str| pod["metadata"][name].as_str().filter(|text| !text.is_empty());
        // the API server generates names after the webhooks
        let name = text("generateName").map_or_else(|| text("name").unwrap_or_default().to_owned(), |prefix| format!("{prefix} (prefix)"));
        let hash: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
        let volume = format!("{RESERVED}{}", &hash[..63 - RESERVED.len()]);
        Self { volume, mount: "/var/run/secrets/azure/wi", file: "token/azure-identity-token" }
    }
}

/// Changes a pod; an error is the webhook's reason to refuse it.
pub fn mutate(settings: &Settings, pod: &mut Value, account: &Value) -> Result<(), String> {
    let annotation = |object: &Value, name: &str| object["metadata"]["annotations"][format!("{PREFIX}{name}")].as_str().map(str::to_owned);
    if annotation(pod, "inject-proxy-sidecar").is_some() {
        if pod["spec"]["hostNetwork"] == true {
            return Err("hostNetwork is set to true, cannot inject proxy sidecar".into());
        }
        let port = match annotation(pod, "proxy-sidecar-port") {
            Some(text) => i64::from(text.parse::<i32>().map_err(|_| format!("failed to parse proxy sidecar port: {}", unparsed(&text)))?),
            None => PROXY_PORT,
        };
        inject_proxy(settings, pod, port);
    }
    let lifetime = |object: &Value| annotation(object, "service-account-token-expiration").filter(|text| !text.is_empty());
    let expiration = match lifetime(pod).or_else(|| lifetime(account)) {
        Some(text) => text.parse::<i64>().map_err(|_| unparsed(&text))?,
        None => *LIFETIMES.start(),
    };
    if !LIFETIMES.contains(&expiration) {
        let (least, most) = (LIFETIMES.start(), LIFETIMES.end());
        return Err(format!("token expiration {expiration} not valid. Expected value to be between {least} and {most}"));
    }
    let binding = settings.binding().filter(|(name, _)| {
        let value = pod["metadata"]["annotations"][name.as_str()].as_str();
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    });
    let place = Place::new(settings, pod);
    let mut env = vec![
        ("AZURE_CLIENT_ID", annotation(account, "client-id").unwrap_or_default()),
        ("AZURE_TENANT_ID", annotation(account, "tenant-id").unwrap_or_else(|| settings.env("AZURE_TENANT_ID").to_owned())),
        ("AZURE_FEDERATED_TOKEN_FILE", format!("{}/{}", place.mount, place.file)),
        ("AZURE_AUTHORITY_HOST", settings.authority().to_owned()),
    ];
    if binding.is_some() {
        for name in ["AZURE_KUBERNETES_TOKEN_PROXY", "AZURE_KUBERNETES_SNI_NAME", "AZURE_KUBERNETES_CA_DATA"] {
            env.push((name, settings.env(name).to_owned()));
        }
        env.push(("AZURE_KUBERNETES_CA_FILE", format!("{}/{CA_FILE}", place.mount)));
    }
    env.retain(|(_, value)| !value.is_empty());
    let skipped = annotation(pod, "skip-containers").unwrap_or_default();
    let skipped: Vec<&str> = skipped.split(';').map(str::trim).collect();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if !skipped.contains(&container["name"].as_str().unwrap_or_default()) {
                fill(container, &env, &place);
            }
        }
    }
    let audience = binding.as_ref().map_or_else(|| settings.audience(), |(_, audience)| audience);
    let mut sources = vec![json!({"serviceAccountToken": {"path": place.file, "expirationSeconds": expiration, "audience": audience}})];
    let authority = settings.env("AZURE_KUBERNETES_CA_CONFIGMAP_NAME");
    if binding.is_some() && !authority.is_empty() {
        let items = json!([{"key": "ca.crt", "path": CA_FILE}]);
        sources.push(json!({"configMap": {"name": authority, "items": items, "optional": false}}));
    }
    with_list(&mut pod["spec"], "volumes", |all| put(all, json!({"name": place.volume, "projected": {"sources": sources}})));
    Ok(())
}

/// Returns the message of Go's strconv for a text that is not a number.
fn unparsed(text: &str) -> String {
    format!("strconv.ParseInt: parsing {text:?}: invalid syntax")
}

/// Adds variables that the container does not have, and the mount of the token.
fn fill(container: &mut Value, env: &[(&str, String)], place: &Place) {
    with_list(container, "env", |all| {
        for (name, value) in env {
            if !all.iter().any(|e| e["name"] == *name) {
                all.push(json!({ "name": name, "value": value }));
            }
        }
    });
    with_list(container, "volumeMounts", |all| put(all, json!({"name": place.volume, "mountPath": place.mount, "readOnly": true})));
}

/// Adds the init container that redirects requests to the metadata service, and the proxy that answers them as a sidecar.
fn inject_proxy(settings: &Settings, pod: &mut Value, port: i64) {
    let init = json!({
        "name": "azwi-proxy-init", "image": settings.proxy_image("PROXY_INIT_IMAGE", "proxy-init"), "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "privileged": true, "runAsNonRoot": false, "runAsUser": 0,
        },
        "env": [{"name": "PROXY_PORT", "value": port.to_string()}],
    });
    let (port_flag, level) = (format!("--proxy-port={port}"), "--log-level=info");
    let proxy = json!({
        "name": "azwi-proxy", "image": settings.proxy_image("PROXY_IMAGE", "proxy"), "imagePullPolicy": "IfNotPresent",
        "args": [port_flag, level], "ports": [{"containerPort": port}], "restartPolicy": "Always",
        "lifecycle": {"postStart": {"exec": {"command": ["/proxy", port_flag, "--probe", level]}}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false, "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
        },
    });
    with_list(&mut pod["spec"], "initContainers", |all| {
        let has = |all: &[Value], new: &Value| all.iter().any(|c| c["name"] == new["name"]);
        if !has(all, &init) {
            all.push(init);
        }
        if !has(all, &proxy) {
            all.insert(0, proxy);
        }
    });
}

/// Changes a list of an object; one that does not exist is created.
fn with_list(object: &mut Value, name: &str, act: impl FnOnce(&mut Vec<Value>)) {
    let mut all = match object[name].take() {
        Value::Array(all) => all,
        _ => Vec::new(),
    };
    act(&mut all);
    object[name] = all.into();
}

/// Replaces the item of the same name, or adds one.
fn put(all: &mut Vec<Value>, item: Value) {
    match all.iter_mut().find(|other| other["name"] == item["name"]) {
        Some(other) => *other = item,
        None => all.push(item),
    }
}
