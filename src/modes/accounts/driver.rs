//! The tokens that kubelet gives the CSI driver for the pods that mount, which its provider exchanges.

use super::{names::PROXY_AUDIENCE, pages};
use crate::{
    chain::{
        link::{Heals, Link, LinkName, Meaning, MissingLink, RESTART, Reason, Symptom},
        texts::cut,
        view::View,
    },
    cluster::Api,
    engine::resource::Side,
    resources::{federation::AUDIENCE, manifest},
};
use futures::future::BoxFuture;
use serde_json::Value;

/// The driver passes tokens of service accounts on to its provider.
const DRIVER_TOKENS: LinkName = LinkName::new("driver-tokens", &pages::DRIVER_TOKENS);
pub const DRIVER: &str = "secrets-store.csi.k8s.io";

/// `audience`: of the tokens that the provider needs.
pub fn driver_tokens(audience: &'static str) -> Link {
    let link = Link::new(DRIVER_TOKENS, "the tokens that kubelet gives the CSI driver", Vec::new());
    if audience == AUDIENCE {
        link.check(Side::Kubernetes, |view, link| look(view, link, AUDIENCE)).symptoms(OF_DRIVER)
    } else {
        link.check(Side::Kubernetes, |view, link| look(view, link, PROXY_AUDIENCE)).symptoms(OF_PROXY)
    }
}

/// Whether the CSIDriver object asks kubelet for tokens.
fn look<'a>(view: &'a View<'a>, _: &'a Link, audience: &'static str) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let api = Api::new("storage.k8s.io", "v1", "CSIDriver", "csidrivers");
        let Ok(Some(driver)) = view.cluster.get(&manifest::at(&api, None, DRIVER)).await else { return Vec::new() };
        if asks(&driver, audience) { Vec::new() } else { vec![Reason::new(Heals::Never, missing(audience))] }
    })
}

/// Whether a CSIDriver gets tokens of service accounts for an audience.
pub fn asks(driver: &Value, audience: &str) -> bool {
    let requests = driver.pointer("/spec/tokenRequests").and_then(Value::as_array);
    requests.into_iter().flatten().any(|one| one.get("audience").and_then(Value::as_str) == Some(audience))
}

pub fn missing(audience: &str) -> MissingLink {
    let what = format!("the CSI driver gets no service account tokens: the CSIDriver {DRIVER} has no tokenRequests for {audience}");
    MissingLink::new(DRIVER_TOKENS, what).hint(format!(
        "With its Helm chart set `secrets-store-csi-driver.tokenRequests[0].audience={audience}` (the AKS add-on has it), then make the pods again."
    ))
}

const TEXTS: &[&str] = &[
    "service account tokens are required for identity binding",
    "service account tokens not found",
    "token for audience api://",
    "failed to parse workload identity tokens",
    "failed to parse identity binding tokens",
    "failed to parse service account token",
];

const OF_DRIVER: &[Symptom] = &[Symptom {
    any_of: TEXTS,
    none_of: &["AADSTS"],
    only_if: None,
    page: None,
    means: Meaning::Read(|_, _, text| Reason::new(Heals::Within(RESTART), missing(AUDIENCE).because(cut(text)))),
}];

const OF_PROXY: &[Symptom] = &[Symptom {
    any_of: TEXTS,
    none_of: &["AADSTS"],
    only_if: None,
    page: None,
    means: Meaning::Read(|_, _, text| Reason::new(Heals::Within(RESTART), missing(PROXY_AUDIENCE).because(cut(text)))),
}];
