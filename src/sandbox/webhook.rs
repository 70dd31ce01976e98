//! The webhook of Azure Workload ID for external clusters. Their API servers cannot reach a played pod, so the add-on's configuration names an
//! address of the sandbox there, which works where the API server runs on this machine. It answers while a pod of the webhook is ready.

use super::{
    http::{Request, Response},
    kube::webhook::{self, Settings},
    running::Running,
    stand_in::StandIn,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The host of the address, as the API server's TLS hello names it.
pub const HOST: &str = "localhost";
const PODS: &str = "/api/v1/pods?labelSelector=app%3Dworkload-identity-webhook";

/// Makes a MutatingWebhookConfiguration call the sandbox.
pub fn redirect(running: &Running, cluster: &str, configuration: &mut Value) {
    let port = running.address.get().map_or(0, std::net::SocketAddr::port);
    let called = json!({
        "url": format!("https://{HOST}:{port}/webhooks/{cluster}/mutate-v1-pod"), "caBundle": STANDARD.encode(&running.authority.ca_pem),
    });
    for webhook in configuration.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        webhook["clientConfig"] = called.clone();
    }
}

/// Answers an AdmissionReview.
pub async fn answer(running: &Running, request: &Request) -> Response {
    let path = request.path.strip_prefix("/webhooks/").and_then(|rest| rest.strip_suffix("/mutate-v1-pod"));
    let Some(stand_in) = path.and_then(|name| running.stand_ins.get(name)) else { return Response::new(404) };
    let review: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(settings) = settings(stand_in).await else { return Response::new(503) };
    let asked = &review["request"];
    let mut pod = asked["object"].clone();
    let account = pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default");
    let account = format!("/api/v1/namespaces/{}/serviceaccounts/{account}", asked["namespace"].as_str().unwrap_or_default());
    let mutated = match stand_in.client().get(&account).await {
        Ok(account) => webhook::mutate(&settings, &mut pod, &account),
        Err(refusal) => Err(refusal.text),
    };
    let mut response = json!({"uid": asked["uid"], "allowed": mutated.is_ok()});
    match mutated {
        Ok(()) => {
            let patch = json!([{"op": "replace", "path": "/spec", "value": pod["spec"]}]);
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch.to_string()));
        }
        Err(why) => response["status"] = json!({"code": 400, "message": why}),
    }
    Response::json(200, "application/json", &json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

/// Returns the settings of a pod of the webhook that is ready.
async fn settings(stand_in: &StandIn) -> Option<Settings> {
    let pods = stand_in.client().get(PODS).await.ok()?;
    let pod = pods["items"].as_array()?.iter().find(|pod| webhook::is_ready(pod))?;
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut maps = BTreeMap::new();
    for name in Settings::config_maps(pod) {
        if let Ok(map) = stand_in.client().get(&format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).await {
            maps.insert(name, map);
        }
    }
    Some(Settings::of(pod, |name| maps.get(name).cloned()))
}
