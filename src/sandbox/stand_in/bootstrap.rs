//! What a lab needs on an external cluster: the CRDs, the CSIDriver, and the exception for MIC's own pods. The components themselves run
//! outside of it, except for those in `without`. Existing objects of other owners are not changed.

use crate::{
    components::{Component, KubeClient, KubeError},
    kube,
};
use podid_crds as crds;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The field manager of applied objects.
const MANAGER: &str = "podid-sandbox";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// Returns notes about objects that existed already.
pub async fn install(kube: &KubeClient, without: &[Component]) -> Result<Vec<String>, KubeError> {
    let mut notes = Vec::new();
    let crds = crds::all();
    for crd in &crds {
        notes.extend(apply_object(kube, &format!("{CRDS}/{}", name(crd)), crd).await?);
    }
    for crd in &crds {
        served(kube, crd).await?;
    }
    // the Helm charts of the real components create these and reject objects of other owners
    if !without.contains(&Component::Csi) {
        let driver = kube::csi_driver();
        notes.extend(apply_object(kube, &format!("/apis/storage.k8s.io/v1/csidrivers/{}", name(&driver)), &driver).await?);
    }
    if !without.contains(&Component::Mic) {
        let exception = kube::mic_exception();
        let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/kube-system/azurepodidentityexceptions";
        notes.extend(apply_object(kube, &format!("{path}/{}", name(&exception)), &exception).await?);
    }
    Ok(notes)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Applies an object unless other managers own its fields with other values.
async fn apply_object(kube: &KubeClient, path: &str, object: &Value) -> Result<Option<String>, KubeError> {
    match kube.apply(path, MANAGER, object).await {
        Ok(_) => Ok(None),
        Err(refusal) if matches!(refusal.status, 409 | 422) => {
            let existing = kube.get(path).await.map_err(|_| refusal.clone())?;
            let managers = existing["metadata"]["managedFields"].as_array().into_iter().flatten().filter_map(|m| m["manager"].as_str());
            let mut managers: Vec<&str> = managers.collect();
            managers.dedup();
            let kind = object["kind"].as_str().unwrap_or_default();
            Ok(Some(format!("the {kind} {} exists already (managed by {}) and was not changed", name(object), managers.join(", "))))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Waits until the API server serves the kind, which takes some moments after `Established`.
async fn served(kube: &KubeClient, crd: &Value) -> Result<(), KubeError> {
    let spec = &crd["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = format!("/apis/{}/{}/{}?limit=1", text(&spec["group"]), text(&spec["versions"][0]["name"]), text(&spec["names"]["plural"]));
    let began = Instant::now();
    loop {
        let now = kube.get(&format!("{CRDS}/{}", name(crd))).await?;
        let conditions = now["status"]["conditions"].as_array();
        let established = conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True");
        match kube.get(&list).await {
            Ok(_) if established => return Ok(()),
            Err(refusal) if !refusal.is_absent() => return Err(refusal),
            _ if began.elapsed() > PATIENCE => {
                let text = format!("{} was not served within {PATIENCE:?}", name(crd));
                return Err(KubeError { status: 404, text });
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
