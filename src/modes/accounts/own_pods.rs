//! The workload's own pods: a proof has a pod of its own, and says nothing of those that were made before the webhook, the label or the
//! annotation.

use super::links::fault_of;
use crate::{
    chain::{texts::field, view::View},
    cluster::Api,
};
use serde_json::Value;

/// The label of AAD Pod Identity, which a pod that was moved may still have.
const FORMER: &str = "aadpodidbinding";
/// How many pods are named.
const NAMED: usize = 3;

/// What makes it uncertain whether the pods of the service account get the identity. Nothing is known where this login may not list pods.
pub async fn warnings(view: &View<'_>) -> Vec<String> {
    let namespace = &view.bound.namespace;
    let pods = view.cluster.list(&Api::new("", "v1", "Pod", "pods"), Some(namespace), None).await.unwrap_or_default();
    let is_own = |pod: &&Value| {
        field(pod, "/spec/serviceAccountName") == view.bound.subject
            && !field(pod, "/metadata/name").starts_with("podid-verify-")
            && !matches!(field(pod, "/status/phase"), "Succeeded" | "Failed")
    };
    let own: Vec<&Value> = pods.iter().filter(is_own).collect();
    let mut warnings: Vec<String> =
        own.iter().filter_map(|pod| fault_of(pod, view.bound)).map(|reason| reason.missing.what).take(NAMED).collect();
    let former = own.iter().filter(|pod| pod.pointer("/metadata/labels").is_some_and(|labels| labels.get(FORMER).is_some()));
    warnings.extend(former.take(1).map(|pod| {
        format!(
            "the pod {} still has the label {FORMER}: where NMI runs, a request to the metadata service gets the identity of that binding",
            field(pod, "/metadata/name")
        )
    }));
    warnings
}
