//! The Secrets Store CSI driver 1.6: mounts a SecretProviderClass for a pod through the provider, records it in a
//! SecretProviderClassPodStatus, and creates the synced Secrets. Its errors are the texts that kubelet shows.

use super::events::{EventType, Events};
use super::kube::KubeError;
use super::provider::{self, File, ProviderContext};
use crate::programs::Program;
use base64::Engine;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const GROUP: &str = "/apis/secrets-store.csi.x-k8s.io/v1";
const MANAGED: &str = "secrets-store.csi.k8s.io/managed";
const NODE: &str = "internal.secrets-store.csi.k8s.io/node-name";

pub(super) struct Driver {
    pub(super) access: ProviderContext,
    pub(super) events: Events,
}

/// A volume of a pod.
pub(super) struct Volume<'a> {
    pub(super) pod: &'a Value,
    pub(super) volume: &'a Value,
}

/// The result of a mount: its class and its files.
pub(super) struct Mounted {
    class: Value,
    files: Vec<File>,
}

impl Mounted {
    /// Returns the data of a Secret, by the entries of its `secretObjects`.
    fn data(&self, wanted: &[Value], of_type: &str) -> Result<Map<String, Value>, String> {
        let mut data = Map::new();
        for entry in wanted {
            let field = |name: &str| entry[name].as_str().unwrap_or_default().trim();
            let file = self.files.iter().find(|f| f.path == field("objectName"));
            let file = file.ok_or_else(|| format!("file matching objectName {} not found in the pod", field("objectName")))?;
            let content = if of_type == "kubernetes.io/tls" { tls_part(&file.content, field("key")) } else { file.content.clone() };
            data.insert(field("key").to_owned(), base64::engine::general_purpose::STANDARD.encode(&content).into());
        }
        Ok(data)
    }
}

impl Volume<'_> {
    fn pod_text(&self, name: &str) -> &str {
        self.pod["metadata"][name].as_str().unwrap_or_default()
    }
    fn class(&self) -> &str {
        self.volume["csi"]["volumeAttributes"]["secretProviderClass"].as_str().unwrap_or_default()
    }
    fn status_name(&self) -> String {
        status_name(self.pod, self.class())
    }
}

fn status_name(pod: &Value, class: &str) -> String {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
    format!("{}-{}-{class}", text("name"), text("namespace"))
}

fn unknown(text: impl std::fmt::Display) -> String {
    format!("rpc error: code = Unknown desc = {text}")
}

impl Driver {
    pub(super) async fn is_recorded(&self, volume: &Volume<'_>) -> Result<bool, KubeError> {
        let path = format!("{GROUP}/namespaces/{}/secretproviderclasspodstatuses/{}", volume.pod_text("namespace"), volume.status_name());
        match self.access.kube.get(&path).await {
            // the status may belong to an earlier pod of the same name
            Ok(status) => Ok(owned_by(&status, volume.pod_text("uid"))),
            Err(e) if e.is_absent() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Does what NodePublishVolume does.
    pub(super) async fn publish(&self, volume: &Volume<'_>) -> Result<Mounted, String> {
        let (namespace, pod) = (volume.pod_text("namespace"), volume.pod_text("name"));
        let secret = self.publish_secret(volume).await?;
        let name = volume.class();
        if name.is_empty() {
            return Err(unknown("secretProviderClass is not set"));
        }
        let class = self.access.kube.get(&format!("{GROUP}/namespaces/{namespace}/secretproviderclasses/{name}")).await;
        let class = class.map_err(|e| unknown(format!("failed to get secretproviderclass {namespace}/{name}, error: {}", e.text)))?;
        let Some(provider) = class["spec"]["provider"].as_str().filter(|p| !p.is_empty()) else {
            return Err(unknown(format!("provider not set in {namespace}/{name}")));
        };
        if volume.volume["csi"]["readOnly"] != true {
            return Err("rpc error: code = InvalidArgument desc = Readonly is not true in request".into());
        }
        let failed = |e: String| unknown(format!("failed to mount secrets store objects for pod {namespace}/{pod}, err: {e}"));
        let node = volume.pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if provider != "azure" || !self.access.workloads.run(Program::Provider, Some(node)) {
            return Err(failed(format!("error connecting to provider {provider:?}: provider not found: provider {provider:?}")));
        }
        let parameters: BTreeMap<String, String> = strings(&class["spec"]["parameters"]);
        let request = provider::MountRequest {
            namespace,
            pod,
            pod_uid: volume.pod_text("uid"),
            node,
            service_account: volume.pod["spec"]["serviceAccountName"].as_str().filter(|s| !s.is_empty()).unwrap_or("default"),
            parameters: &parameters,
            secret,
        };
        let files = provider::mount(&self.access, &request).await;
        let files = files.map_err(|e| failed(unknown(format!("failed to mount objects, error: {e}"))))?;
        self.record(volume, &files).await.map_err(|e| {
            unknown(format!("failed to create secret provider class pod status for pod {namespace}/{pod}, err: {}", e.text))
        })?;
        Ok(Mounted { class, files })
    }

    /// Returns how often the driver on the pod's node mounts again; None if it does not rotate.
    pub(super) fn rotation(&self, pod: &Value) -> Option<Duration> {
        self.access.workloads.rotation(pod["spec"]["nodeName"].as_str())
    }

    /// Mounts again, as the driver's rotation does at each interval. A failure is an event.
    pub(super) async fn rotate(&self, volume: &Volume<'_>) {
        match self.publish(volume).await {
            Ok(mounted) => drop(self.sync(volume, &mounted, true).await),
            Err(text) => self.events.record(volume.pod, "Pod", EventType::Warning, "MountRotationFailed", &text).await,
        }
    }

    async fn publish_secret(&self, volume: &Volume<'_>) -> Result<Option<BTreeMap<String, String>>, String> {
        let Some(name) = volume.volume["csi"]["nodePublishSecretRef"]["name"].as_str().filter(|n| !n.is_empty()) else { return Ok(None) };
        let namespace = volume.pod_text("namespace");
        let secret = self.access.kube.get(&format!("/api/v1/namespaces/{namespace}/secrets/{name}")).await.map_err(|e| {
            format!(
                "fetching NodePublishSecretRef {namespace}/{name} failed: kubernetes.io/csi: failed to find the secret {name} in the namespace {namespace} with error: {}",
                e.text
            )
        })?;
        let engine = base64::engine::general_purpose::STANDARD;
        let values = strings(&secret["data"])
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8_lossy(&engine.decode(value).unwrap_or_default()).into_owned()));
        Ok(Some(values.collect()))
    }

    async fn record(&self, volume: &Volume<'_>, files: &[File]) -> Result<(), KubeError> {
        let (namespace, name) = (volume.pod_text("namespace"), volume.status_name());
        let mut objects: Vec<_> = files.iter().map(|f| json!({ "id": f.uid, "version": f.version })).collect();
        objects.sort_by_key(|o| o["id"].as_str().unwrap_or_default().to_owned());
        let target = format!(
            "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/{}/mount",
            volume.pod_text("uid"),
            volume.volume["name"].as_str().unwrap_or_default()
        );
        let mut status = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClassPodStatus",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": { NODE: volume.pod["spec"]["nodeName"] },
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": volume.pod_text("name"), "uid": volume.pod_text("uid") }],
            },
            "status": {
                "podName": volume.pod_text("name"),
                "secretProviderClassName": volume.class(),
                "mounted": true,
                "targetPath": target,
                "objects": objects,
            },
        });
        let path = format!("{GROUP}/namespaces/{namespace}/secretproviderclasspodstatuses");
        match self.access.kube.post(&path, &status).await {
            Err(e) if e.status == 409 => {
                let path = format!("{path}/{name}");
                let old = self.access.kube.get(&path).await?;
                if old["status"] == status["status"] && owned_by(&old, volume.pod_text("uid")) {
                    return Ok(());
                }
                status["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
                self.access.kube.put(&path, &status).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Creates the Secrets of `secretObjects`, and with `rotates` brings those of the driver up to date. Returns false if one could not be created; an event has the reason.
    pub(super) async fn sync(&self, volume: &Volume<'_>, mounted: &Mounted, rotates: bool) -> bool {
        let mut complete = true;
        for wanted in mounted.class["spec"]["secretObjects"].as_array().into_iter().flatten() {
            if let Err(text) = self.sync_one(volume, mounted, wanted, rotates).await {
                self.events.record(volume.pod, "Pod", EventType::Warning, "FailedToCreateSecret", &text).await;
                complete = false;
            }
        }
        complete
    }

    async fn sync_one(&self, volume: &Volume<'_>, mounted: &Mounted, wanted: &Value, rotates: bool) -> Result<(), String> {
        let namespace = volume.pod_text("namespace");
        let text = |name: &str| wanted[name].as_str().unwrap_or_default().trim();
        let (name, class) = (text("secretName"), volume.class());
        let invalid = |why: &str| format!("failed to validate secret object in spc {namespace}/{class}, err: {why}");
        if name.is_empty() {
            return Err(invalid("secret name is empty"));
        }
        if text("type").is_empty() {
            return Err(invalid("secret type is empty"));
        }
        let wanted_data = wanted["data"].as_array().filter(|d| !d.is_empty()).ok_or_else(|| invalid("data is empty"))?;
        let owner = owner(volume.pod);
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        match self.access.kube.get(&format!("{path}/{name}")).await {
            // existing Secrets are not changed; those of the driver get another owner
            Ok(existing) if existing["metadata"]["labels"][MANAGED] == "true" => {
                self.add_owner(&path, &existing, owner).await?;
                let data = if rotates { mounted.data(wanted_data, text("type")) } else { return Ok(()) };
                let data = data.map_err(|why| format!("failed to get data in spc {namespace}/{class} for secret {name}, err: {why}"))?;
                if existing["data"] == Value::Object(data.clone()) {
                    return Ok(());
                }
                return self.access.kube.merge(&format!("{path}/{name}"), &json!({ "data": data })).await.map(drop).map_err(|e| e.text);
            }
            Ok(_) => return Ok(()),
            Err(e) if e.is_absent() => {}
            Err(e) => return Err(format!("failed to check if secret {name} exists, err: {}", e.text)),
        }
        let data = mounted.data(wanted_data, text("type"));
        let data = data.map_err(|why| format!("failed to get data in spc {namespace}/{class} for secret {name}, err: {why}"))?;
        let mut labels = wanted["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(MANAGED.into(), "true".into());
        let mut secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner] },
            "type": text("type"),
            "data": data,
        });
        if wanted["annotations"].is_object() {
            secret["metadata"]["annotations"] = wanted["annotations"].clone();
        }
        match self.access.kube.post(&path, &secret).await {
            Err(e) if e.status != 409 => Err(e.text),
            _ => Ok(()),
        }
    }

    async fn add_owner(&self, path: &str, secret: &Value, owner: Value) -> Result<(), String> {
        let owners = secret["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        if owners.iter().any(|o| o["uid"] == owner["uid"]) {
            return Ok(());
        }
        let owners: Vec<Value> = owners.into_iter().chain([owner]).collect();
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let more = json!({ "metadata": { "ownerReferences": owners, "resourceVersion": secret["metadata"]["resourceVersion"] } });
        self.access.kube.merge(&format!("{path}/{name}"), &more).await.map(drop).map_err(|e| e.text)
    }
}

/// Cuts the certificates, or what is not a certificate, out of a PEM text by the name of the key (`pkg/util/secretutil` of the driver).
fn tls_part(pem: &[u8], key: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(pem);
    let mut part = String::new();
    let mut rest = &text[..];
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let Some((kind, body)) = block.split_once("-----") else { break };
        let end = format!("-----END {kind}-----");
        let Some((body, after)) = body.split_once(end.as_str()) else { break };
        if (kind == "CERTIFICATE") == (key == "tls.crt") {
            part.extend(["-----BEGIN ", kind, "-----", body, &end, "\n"]);
        }
        rest = after;
    }
    part.into_bytes()
}

/// Returns the owner of the synced Secret: the owner of the pod, or the pod.
fn owner(pod: &Value) -> Value {
    match pod["metadata"]["ownerReferences"].as_array().and_then(|owners| owners.first()) {
        Some(owner) => json!({ "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["name"], "uid": owner["uid"] }),
        None => json!({ "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"] }),
    }
}

fn owned_by(object: &Value, uid: &str) -> bool {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| owner["uid"] == uid)
}

fn strings(map: &Value) -> BTreeMap<String, String> {
    map.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
