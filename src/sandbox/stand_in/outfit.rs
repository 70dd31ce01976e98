//! What a cluster needs so that a lab works on it: the CRDs, the CSIDriver, and the exception for MIC's own pods. The components themselves
//! are played from outside, but for those `without` which it is served. What others have put there already stays as it is.

use crate::{
    kube,
    players::{Kube, Refusal, Which},
};
use podid_crds as crds;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Of the fields that are applied.
const MANAGER: &str = "podid-sandbox";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// The texts say what was found there and left.
pub async fn bring(kube: &Kube, without: &[Which]) -> Result<Vec<String>, Refusal> {
    let mut notes = Vec::new();
    let crds = crds::all();
    for crd in &crds {
        notes.extend(lay(kube, &format!("{CRDS}/{}", name(crd)), crd).await?);
    }
    for crd in &crds {
        served(kube, crd).await?;
    }
    // real ones come with these by Helm, which takes no object that is not of its release
    if !without.contains(&Which::Csi) {
        let driver = kube::csi_driver();
        notes.extend(lay(kube, &format!("/apis/storage.k8s.io/v1/csidrivers/{}", name(&driver)), &driver).await?);
    }
    if !without.contains(&Which::Mic) {
        let exception = kube::mic_exception();
        let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/kube-system/azurepodidentityexceptions";
        notes.extend(lay(kube, &format!("{path}/{}", name(&exception)), &exception).await?);
    }
    Ok(notes)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Applies it, unless others hold its fields with other values.
async fn lay(kube: &Kube, path: &str, object: &Value) -> Result<Option<String>, Refusal> {
    match kube.apply(path, MANAGER, object).await {
        Ok(_) => Ok(None),
        Err(refusal) if matches!(refusal.status, 409 | 422) => {
            let there = kube.get(path).await.map_err(|_| refusal.clone())?;
            let managers = there["metadata"]["managedFields"].as_array().into_iter().flatten().filter_map(|m| m["manager"].as_str());
            let mut managers: Vec<&str> = managers.collect();
            managers.dedup();
            let kind = object["kind"].as_str().unwrap_or_default();
            Ok(Some(format!("the {kind} {} is there already (of {}) and was left as it is", name(object), managers.join(", "))))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Waits until objects of that kind are answered: for some moments after `Established` they are not.
async fn served(kube: &Kube, crd: &Value) -> Result<(), Refusal> {
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
                return Err(Refusal { status: 404, text });
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
