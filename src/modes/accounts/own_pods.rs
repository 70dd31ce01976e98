//! The workload's own pods: a proof has a pod of its own, and says nothing of those that were made before the webhook, the label or the
//! annotation.

use super::{links::fault_of, pages};
use crate::{
    chain::{
        link::{Check, Heals, Link, MissingLink, Reason},
        texts::field,
        view::View,
    },
    cluster::Api,
    engine::resource::Side,
    resources::ownership,
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
            && !ownership::is_own_pod(field(pod, "/metadata/name"))
            && !matches!(field(pod, "/status/phase"), "Succeeded" | "Failed")
    };
    let own: Vec<&Value> = pods.iter().filter(is_own).collect();
    let mut warnings: Vec<String> =
        own.iter().filter_map(|pod| fault_of(pod, view.bound)).map(|reason| reason.missing.what).take(NAMED).collect();
    warnings.extend(own.iter().filter_map(|pod| former(pod)).take(1));
    warnings
}

/// Says that a pod still has the label of AAD Pod Identity.
fn former(pod: &Value) -> Option<String> {
    let has = pod.pointer("/metadata/labels").is_some_and(|labels| labels.get(FORMER).is_some());
    has.then(|| {
        format!(
            "the pod {} still has the label {FORMER}: where NMI runs, a request to the metadata service gets the identity of that binding",
            field(pod, "/metadata/name")
        )
    })
}

pub const EXAMINE: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_former(view, link)) }];

async fn look_at_former(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let Some(pod) = view.pod else { return Vec::new() };
    let Ok(Some(pod)) = view.cluster.get(&pod.at).await else { return Vec::new() };
    let Some(what) = former(&pod) else { return Vec::new() };
    let remove = format!("kubectl label pod {} -n {} {FORMER}-", field(&pod, "/metadata/name"), view.bound.namespace);
    let missing = MissingLink::new(link.name, what).page(&pages::FORMER);
    vec![Reason::new(Heals::Never, missing.hint(format!("Remove it from the pod template, and from the pod: `{remove}`.")))]
}
