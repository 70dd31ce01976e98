//! What the answers of AKS have in common: they are indented and name no charset, and its own errors have no `error` around them.

use crate::{
    azure::{
        call::Call,
        error, resource_ids,
        state::{Cluster, Group},
    },
    http::{Body, Response},
};
use serde_json::{Value, json};

/// AKS's own refusals have no `error` around them.
pub fn refusal(status: u16, code: &str, message: impl Into<String>) -> Response {
    answer(status, &json!({"code": code, "details": null, "message": message.into(), "subcode": code}))
}

pub fn answer(status: u16, body: &Value) -> Response {
    let text = serde_json::to_string_pretty(body).unwrap_or_default();
    Response { status, headers: vec![("content-type".into(), "application/json".into())], body: Body::Full(text.into()) }
}

pub fn find<'a>(call: &'a Call<'_>, group: &Group, name: &str) -> Result<&'a Cluster, Response> {
    let key = resource_ids::cluster_key(&call.state.subscription, &group.name, name);
    call.state.clusters.get(&key).ok_or_else(|| error::resource_not_found(resource_ids::CLUSTER, name, &group.name))
}
