//! The control interface at `http://sandbox.podid` through the sandbox's own listener: settings, callers, reset, export, in JSON.

use super::{
    azure::error::JSON,
    callers::{self, CallerRequest},
    connections::Conn,
    error::Error,
    export,
    http::{Request, Response},
    running::Running,
};
use hyper::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};

/// The host name of the control interface.
pub const CONTROL_HOST: &str = "sandbox.podid";
/// How long an export waits for the components.
const SETTLE: Duration = Duration::from_secs(10);

/// Rejects clients on other machines and those without the control token of the sandbox's folder.
pub fn refused(running: &Running, conn: Conn, headers: &HeaderMap) -> Option<Response> {
    if !conn.from_here {
        return Some(refusal(403, "the control interface accepts requests from this machine only"));
    }
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    // digests are compared, so that the time of the comparison reveals nothing about the token
    let digest = |token: &str| Sha256::digest(token.as_bytes());
    let known = shown.is_some_and(|token| digest(token) == digest(&running.keys.control_token));
    (!known).then(|| {
        let hint = "send `Authorization: Bearer TOKEN` with the control_token of keys.json in the sandbox's folder";
        Response::json(401, JSON, &json!({ "error": "the control token is missing or wrong", "way": hint }))
    })
}

pub async fn answer(running: &Arc<Running>, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/settings") => show(running),
        ("POST", "/settings") => match serde_json::from_slice::<Value>(&request.body) {
            Err(why) => refusal(400, &format!("the settings are not valid JSON: {why}")),
            Ok(requested) => match running.settings.apply(&requested) {
                Ok(()) => show(running),
                Err(why) => refusal(400, &why),
            },
        },
        ("POST", "/callers") => match serde_json::from_slice::<CallerRequest>(&request.body) {
            Err(why) => refusal(400, &format!("the request is not valid: {why}")),
            Ok(requested) => match callers::carry_out(running, &requested).await {
                Ok(value) => Response::json(200, JSON, &value),
                Err(Error::Use { why, hint }) => Response::json(400, JSON, &json!({"error": why, "way": hint})),
                Err(fault) => refusal(500, &fault.to_string()),
            },
        },
        ("POST", "/reset") => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            match running.reset(asked["bare"] == json!(true)).await {
                Ok(()) => show(running),
                Err(fault) => refusal(500, &fault.to_string()),
            }
        }
        ("GET", "/export") => {
            running.settle(SETTLE).await;
            match export::world(running).await {
                Ok(world) => Response::json(200, JSON, &world),
                Err(fault) => refusal(502, &fault.to_string()),
            }
        }
        _ => refusal(404, "not found; use GET or POST /settings, POST /callers, POST /reset, or GET /export"),
    }
}

fn refusal(status: u16, text: &str) -> Response {
    Response::json(status, JSON, &json!({ "error": text }))
}

fn show(running: &Running) -> Response {
    let mut all = running.settings.show();
    all.insert("pid".into(), json!(std::process::id()));
    all.insert("serving".into(), json!(running.serving));
    all.insert("bare".into(), json!(running.azure().bare));
    let stand_ins: Map<String, Value> = running.stand_ins.values().map(|s| (s.name.clone(), json!(s.url))).collect();
    all.insert("stand_ins".into(), Value::Object(stand_ins));
    Response::json(200, JSON, &Value::Object(all))
}
