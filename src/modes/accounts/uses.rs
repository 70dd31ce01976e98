//! Which identity a pod gets by its service account, from the objects of a cluster.

use super::{
    driver,
    links::{CLIENT_ID, has_token},
    names::USE,
};
use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        uses::{Asking, IdentityRef, PodView},
    },
    resources::service_account,
    survey::{
        Survey,
        kinds::{CSI_DRIVER, SERVICE_ACCOUNT},
    },
};
use serde_json::Value;

/// Whether the webhook is asked to serve a pod.
pub fn serves(pod: &PodView<'_>) -> bool {
    pod.label(USE) == Some("true")
}

/// The service account of a pod, the edge to it, and the identity that is asked for in its name. `audience`: of the tokens that a volume's
/// provider needs.
pub fn identity_of(pod: &PodView<'_>, asking: Asking<'_>, audience: &str, survey: &Survey) -> (EdgeNode, Edge, IdentityRef) {
    let name = pod.service_account();
    let account = EdgeNode::object("ServiceAccount", pod.namespace, name);
    let all = survey.cluster.of_kind(&SERVICE_ACCOUNT);
    let object = survey.cluster.named(&SERVICE_ACCOUNT, pod.namespace, name);
    let by = "serviceAccountName";
    let edge = match (object, &all.gap) {
        (None, Some(gap)) => Edge::unknown(pod.node, &account, by, format!("the {} could not be read: {}", gap.what, gap.why)),
        (None, None) => Edge::missing(pod.node, &account, by, format!("there is no service account {}/{name}", pod.namespace)),
        (Some(_), _) => token_edge(pod, asking, audience, &account, survey),
    };
    let client_id = match asking {
        Asking::Volume(parameters) => parameters.get("clientID").and_then(Value::as_str).map(str::to_owned),
        // the webhook does not overwrite a variable that the template has
        Asking::App => {
            let own = pod.variables().find(|(name, _)| *name == CLIENT_ID).map(|(_, id)| id.to_owned());
            own.or_else(|| object.and_then(service_account::client_id).map(str::to_owned))
        }
    };
    (account, edge, IdentityRef { client_id: client_id.filter(|id| !id.is_empty()), resource_id: None })
}

/// Whether the tokens of the account get to whoever asks.
fn token_edge(pod: &PodView<'_>, asking: Asking<'_>, audience: &str, account: &EdgeNode, survey: &Survey) -> Edge {
    let by = "serviceAccountName";
    match asking {
        Asking::Volume(_) => {
            let found = survey.cluster.named(&CSI_DRIVER, "", driver::DRIVER);
            match found {
                Some(found) if !driver::asks(found, audience) => {
                    let missing = driver::missing(audience);
                    let edge = Edge::missing(pod.node, account, "tokenRequests", missing.what);
                    edge.hint(missing.hints.join(" "))
                }
                _ => Edge::there(pod.node, account, by),
            }
        }
        Asking::App if pod.name().is_some() && !has_token(pod.object) => {
            let why = "the webhook of Workload ID did not change the pod: it has no token of its service account";
            Edge::missing(pod.node, account, by, why)
                .hint("The webhook changes pods when they are created: make the pod again once the webhook runs (`podid logs webhook`).")
        }
        Asking::App => Edge::there(pod.node, account, by),
    }
}
