//! When what leads to an app is ready: a Service has its public address, a Gateway is programmed, a route is accepted. Pure.

use super::conditions::{State, condition, said, text};
use serde_json::Value;

/// A Service of type LoadBalancer is ready once the cloud gave it an address; all others are at once.
pub(super) fn service(object: &Value) -> State {
    if text(object, "/spec/type") != "LoadBalancer" || object.pointer("/status/loadBalancer/ingress/0").is_some() {
        return State::Ready;
    }
    State::Waiting("its load balancer has no address yet".to_owned())
}

/// A Gateway is ready once its class has programmed it and it has an address (GEP-1364).
pub(super) fn gateway(object: &Value) -> State {
    let is = |kind: &str, status: &str| condition(object, kind).filter(|c| c["status"] == status && is_current(object, c));
    // its class will not take it as it is
    if let Some(refused) = is("Accepted", "False").filter(|c| c["reason"] != "Pending") {
        return State::Failed(format!("it is not accepted: {}", said(refused)));
    }
    match (is("Programmed", "True"), object.pointer("/status/addresses/0/value")) {
        (Some(_), Some(_)) => State::Ready,
        (Some(_), None) => State::Waiting("it has no address yet".to_owned()),
        (None, _) => {
            let why = condition(object, "Programmed").filter(|c| !text(c, "/message").is_empty()).map(said);
            let class = text(object, "/spec/gatewayClassName");
            State::Waiting(why.unwrap_or_else(|| format!("no controller of the class {class} has programmed it yet")))
        }
    }
}

/// A route is ready once each parent has accepted it and finds its backends.
pub(super) fn route(object: &Value) -> State {
    let parents = object.pointer("/status/parents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted = object.pointer("/spec/parentRefs").and_then(Value::as_array).map_or(0, Vec::len);
    let conditions = parents.iter().flat_map(|parent| parent["conditions"].as_array().into_iter().flatten());
    if let Some(refused) = conditions.clone().find(|c| ["Accepted", "ResolvedRefs"].contains(&text(c, "/type")) && c["status"] == "False") {
        return State::Waiting(format!("its Gateway does not take it: {}", said(refused)));
    }
    let accepted = conditions.filter(|c| c["type"] == "Accepted" && c["status"] == "True").count();
    if accepted >= wanted { State::Ready } else { State::Waiting("its Gateway has not accepted it yet".to_owned()) }
}

fn is_current(object: &Value, condition: &Value) -> bool {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    condition["observedGeneration"].as_i64().is_none_or(|seen| seen >= generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn waits(state: &State, why: &str) {
        assert!(matches!(state, State::Waiting(reason) if reason.contains(why)), "{state:?}");
    }

    #[test]
    fn a_load_balancer_is_ready_once_it_has_an_address() {
        let of = |kind: &str, status: Value| service(&json!({ "spec": { "type": kind }, "status": status }));
        assert_eq!(of("ClusterIP", json!({})), State::Ready);
        waits(&of("LoadBalancer", json!({ "loadBalancer": {} })), "no address");
        assert_eq!(of("LoadBalancer", json!({ "loadBalancer": { "ingress": [{ "ip": "203.0.113.7" }] } })), State::Ready);
    }

    #[test]
    fn a_gateway_is_ready_once_it_is_programmed_and_has_an_address() {
        let of = |status: Value| {
            gateway(&json!({ "metadata": { "generation": 2 }, "spec": { "gatewayClassName": "approuting-istio" }, "status": status }))
        };
        let is = |kind: &str, status: &str, reason: &str, seen: i64| json!({ "type": kind, "status": status, "reason": reason, "message": "m", "observedGeneration": seen });
        waits(&of(json!({})), "no controller of the class approuting-istio");
        waits(&of(json!({ "conditions": [is("Programmed", "Unknown", "Pending", 2)] })), "Pending: m");
        waits(&of(json!({ "conditions": [is("Programmed", "True", "Programmed", 2)] })), "no address");
        let addresses = json!([{ "value": "203.0.113.7" }]);
        waits(&of(json!({ "conditions": [is("Programmed", "True", "Programmed", 1)], "addresses": addresses })), "Programmed: m");
        assert_eq!(of(json!({ "conditions": [is("Programmed", "True", "Programmed", 2)], "addresses": addresses })), State::Ready);
        let refused = of(json!({ "conditions": [is("Accepted", "False", "ListenersNotValid", 2)] }));
        assert_eq!(refused, State::Failed("it is not accepted: ListenersNotValid: m".into()));
    }

    #[test]
    fn a_route_is_ready_once_its_gateway_takes_it() {
        let of = |parents: Value| route(&json!({ "spec": { "parentRefs": [{ "name": "web" }] }, "status": { "parents": parents } }));
        let parent =
            |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status, "reason": "R", "message": "m" }] });
        waits(&of(json!([])), "not accepted it yet");
        waits(&of(json!([parent("ResolvedRefs", "False")])), "does not take it: R: m");
        assert_eq!(of(json!([parent("Accepted", "True")])), State::Ready);
    }
}
