//! The API server as its clients see it.

mod apply;
mod daemon_sets;
mod hostile;
mod jobs;
mod lifecycle;
mod refusals;
mod tokens;
mod watches;
mod webhooks;
mod workloads;

use super::facts::{Facts, Issuer};
use super::{Kube, State, new_cluster};
use crate::http::{Body, Request};
use crate::program_logs::ProgramLogs;
use crate::rsa::{Key, tests::KEY};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const IDENTITIES: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces/default/azureidentities";
pub const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const MERGE: &str = "application/merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

pub fn facts() -> Facts {
    Facts {
        name: "aks-mi".into(),
        fqdn: "aks-mi-1.hcp.westeurope.azmk8s.io".into(),
        node: "aks-nodepool1-vmss000000".into(),
        node_group: "MC_podid-lab_aks-mi_westeurope".into(),
        provider_id: "azure:///subscriptions/s/resourceGroups/mc/providers/Microsoft.Compute/virtualMachineScaleSets/v/virtualMachines/0"
            .into(),
        admin_token: "admin".into(),
        ca_pem: "-----BEGIN CERTIFICATE-----\n".into(),
        uid_seed: "seed".into(),
        bare: false,
        issuer: Arc::new(Issuer::new("https://aks-mi-1.hcp.westeurope.azmk8s.io".into(), None)),
        keys: Arc::new(OneKey),
        logs: ProgramLogs::default(),
    }
}

/// The signing key of all tests, made once.
struct OneKey;

impl super::TokenKeys for OneKey {
    fn signing(&self) -> Result<Arc<Key>, String> {
        Ok(KEY.clone())
    }
    fn known(&self) -> Option<Arc<Key>> {
        Some(KEY.clone())
    }
}

pub fn cluster() -> Arc<Kube> {
    cluster_of(new_cluster(&facts()))
}

pub fn cluster_of(state: State) -> Arc<Kube> {
    Kube::new(state, facts(), Arc::new(|| {}))
}

pub struct Answer {
    pub code: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
    pub fn warnings(&self) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == "warning").map(|(_, v)| v.as_str()).collect()
    }
}

pub fn request(token: &str, method: &str, path: &str, kind: &str, body: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request {
        method: method.into(),
        host: "localhost".into(),
        path: path.into(),
        query: query.into(),
        headers: vec![
            ("authorization".into(), format!("Bearer {token}")),
            ("user-agent".into(), "probe/1".into()),
            ("content-type".into(), kind.into()),
        ],
        body: body.to_owned().into(),
    }
}

pub async fn send(kube: &Arc<Kube>, request: &Request) -> Answer {
    let response = kube.answer(request).await;
    let Body::Full(bytes) = response.body else { panic!("a watch where an answer was due") };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { code: response.status, headers: response.headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

pub async fn ask(kube: &Arc<Kube>, method: &str, path: &str, kind: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(kube, &request("admin", method, path, kind, &body)).await
}

pub async fn get(kube: &Arc<Kube>, path: &str) -> Answer {
    ask(kube, "GET", path, "application/json", Value::Null).await
}

pub async fn post(kube: &Arc<Kube>, path: &str, body: Value) -> Answer {
    ask(kube, "POST", path, "application/json", body).await
}

pub async fn delete(kube: &Arc<Kube>, path: &str) -> Answer {
    ask(kube, "DELETE", path, "application/json", Value::Null).await
}

/// Returns an identity named `a`.
pub fn identity(spec: Value) -> Value {
    json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity", "metadata": {"name": "a"}, "spec": spec})
}

pub async fn apply(kube: &Arc<Kube>, manager: &str, body: Value, more: &str) -> Answer {
    let path = format!("{IDENTITIES}/a?fieldManager={manager}{more}");
    ask(kube, "PATCH", &path, APPLY, body).await
}

/// Waits until the controllers have nothing to do.
pub async fn idle(kube: &Arc<Kube>) {
    for _ in 0..200 {
        if kube.idle() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the cluster does not come to rest");
}
