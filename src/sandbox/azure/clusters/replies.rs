//! The form of AKS answers: they are indented, have no charset, and errors are not wrapped in `error`.

use crate::{
    azure::{
        call::Call,
        error, resource_ids,
        state::{Cluster, Group},
    },
    http::{Body, Response},
};
use serde_json::{Value, json};

/// AKS does not wrap its own errors in `error`.
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
