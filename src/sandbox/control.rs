//! The sandbox as its users steer it, at `http://sandbox.podid` through its own listener: settings, callers, reset, export. Plain JSON.

use super::{
    azure::error::JSON,
    callers::{self, CallerWish},
    error::Error,
    export,
    http::{Request, Response},
    running::Running,
    server::Conn,
};
use hyper::{HeaderMap, header::AUTHORIZATION};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};

/// How long an export waits for the players.
const SETTLE: Duration = Duration::from_secs(10);

/// Who may not steer the sandbox: whoever is on another machine, or does not know the token that lies in its folder.
pub fn refused(running: &Running, conn: Conn, headers: &HeaderMap) -> Option<Response> {
    if !conn.from_here {
        return Some(refusal(403, "the sandbox is steered from its own machine only"));
    }
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    // digests are compared, so that the time tells nothing of the token
    let digest = |token: &str| Sha256::digest(token.as_bytes());
    let known = shown.is_some_and(|token| digest(token) == digest(&running.keys.control_token));
    (!known).then(|| {
        let way = "send `Authorization: Bearer TOKEN` with the control_token of keys.json in the sandbox's folder";
        Response::json(401, JSON, &json!({ "error": "the control token is missing or wrong", "way": way }))
    })
}

pub async fn answer(running: &Arc<Running>, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/settings") => show(running),
        ("POST", "/settings") => match serde_json::from_slice::<Value>(&request.body) {
            Err(why) => refusal(400, &format!("the settings are no JSON: {why}")),
            Ok(wish) => match running.settings.apply(&wish) {
                Ok(()) => show(running),
                Err(why) => refusal(400, &why),
            },
        },
        ("POST", "/callers") => match serde_json::from_slice::<CallerWish>(&request.body) {
            Err(why) => refusal(400, &format!("the wish is not understood: {why}")),
            Ok(wish) => match callers::done(running, &wish).await {
                Ok(value) => Response::json(200, JSON, &value),
                Err(Error::Use { why, way }) => Response::json(400, JSON, &json!({"error": why, "way": way})),
                Err(fault) => refusal(500, &fault.to_string()),
            },
        },
        ("POST", "/reset") => match running.reset().await {
            Ok(()) => show(running),
            Err(fault) => refusal(500, &fault.to_string()),
        },
        ("GET", "/export") => {
            running.settle(SETTLE).await;
            match export::world(running).await {
                Ok(world) => Response::json(200, JSON, &world),
                Err(fault) => refusal(502, &fault.to_string()),
            }
        }
        _ => refusal(404, "there are GET and POST /settings, POST /callers, POST /reset and GET /export"),
    }
}

fn refusal(status: u16, text: &str) -> Response {
    Response::json(status, JSON, &json!({ "error": text }))
}

fn show(running: &Running) -> Response {
    let mut all = running.settings.show();
    all.insert("pid".into(), json!(std::process::id()));
    all.insert("serving".into(), json!(running.serving));
    let stand_ins: Map<String, Value> = running.stand_ins.values().map(|s| (s.name.clone(), json!(s.url))).collect();
    all.insert("stand_ins".into(), Value::Object(stand_ins));
    Response::json(200, JSON, &Value::Object(all))
}
