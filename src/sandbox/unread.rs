//! How the body of a request is read: not before it is known who sends it, only so much of it as its service takes, with room for all bodies
//! together, and in time. What a request gets whose body could not be read, in the shape of whom it was for. Knows the hosts, not what is
//! behind them.

use super::{
    azure::{ARM_HOST, IMDS_HOST, LOGIN_HOST, error},
    http::Response,
    issuer,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// ARM's limit, which the others are given, too.
const ARM_BYTES: usize = 4 << 20;
/// kube-apiserver's (`MaxRequestBodyBytes`).
const CLUSTER_BYTES: usize = 3 << 20;
/// A form with a client assertion is some KB; whoever sends it is not known yet.
const LOGIN_BYTES: usize = 64 << 10;
/// All bodies together, while they are read and answered.
pub const ALL_BYTES: usize = 64 << 20;
/// From the head to the end of the body.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a body waits for others to make room.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooLarge,
    /// It broke off, or its chunks are none.
    Broken,
    Slow,
    /// The others hold all that there is for bodies.
    NoRoom,
}

/// Room for the bodies of all requests: each takes as much as has arrived of it.
pub struct Room {
    free: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(ALL_BYTES)) }
    }
}

/// A body, and its room until this is dropped.
#[derive(Default)]
pub struct Whole {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Bytes of all bodies that are held now.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        ALL_BYTES - self.free.available_permits()
    }

    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let bytes = u32::try_from(bytes).map_err(|_| Fault::TooLarge)?;
        match timeout(WAIT, self.free.clone().acquire_many_owned(bytes)).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Fault::NoRoom),
        }
    }

    /// The body of a request to this host, which is one of its sender's, if the sender is to be known there.
    pub async fn read(&self, body: Incoming, method: &str, host: &str, of_cluster: bool) -> Result<Whole, Fault> {
        let most = most(host, of_cluster);
        // nobody reads what a GET brings along
        if most == 0 || matches!(method, "GET" | "HEAD") || body.is_end_stream() {
            return Ok(Whole::default());
        }
        timeout(PATIENCE, self.gather(body, most)).await.unwrap_or(Err(Fault::Slow))
    }

    async fn gather(&self, mut body: Incoming, most: usize) -> Result<Whole, Fault> {
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Fault::Broken)?.into_data() else { continue };
            if all.len() + data.len() > most {
                return Err(Fault::TooLarge);
            }
            let room = self.take(data.len()).await?;
            match &mut held {
                Some(held) => held.merge(room),
                None => held = Some(room),
            }
            all.extend_from_slice(&data);
        }
        Ok(Whole { bytes: all.freeze(), _room: held })
    }
}

fn most(host: &str, of_cluster: bool) -> usize {
    match host {
        _ if of_cluster => CLUSTER_BYTES,
        LOGIN_HOST => LOGIN_BYTES,
        // only asked
        IMDS_HOST => 0,
        _ if issuer::is_host(host) => 0,
        _ => ARM_BYTES,
    }
}

/// ARM's and the API server's words; those of the other services are not recorded.
pub fn refusal(host: &str, of_cluster: bool, fault: Fault) -> Response {
    let (status, code, text) = match fault {
        Fault::TooLarge => (413, "RequestEntityTooLarge", "The request body is too large."),
        Fault::Broken => (400, "BadRequest", "The request body could not be read."),
        Fault::Slow => (408, "RequestTimeout", "The request body did not arrive in time."),
        Fault::NoRoom => (503, "ServerBusy", "The server is busy with the bodies of other requests. Please retry."),
    };
    let response = if of_cluster { of_api_server(status, code, text, fault) } else { of_azure(host, status, code, text, fault) };
    if fault == Fault::NoRoom { response.with("retry-after", "1") } else { response }
}

fn of_api_server(status: u16, code: &str, text: &str, fault: Fault) -> Response {
    let (status, reason, message) = match fault {
        Fault::TooLarge => (status, code, format!("Request entity too large: limit is {CLUSTER_BYTES}")),
        Fault::Broken => (status, code, text.to_owned()),
        Fault::Slow => (status, "Timeout", text.to_owned()),
        Fault::NoRoom => (429, "TooManyRequests", "Too many requests, please try again later.".to_owned()),
    };
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason});
    if fault == Fault::NoRoom {
        body["details"] = json!({"retryAfterSeconds": 1});
    }
    body["code"] = json!(status);
    Response::json(status, "application/json", &body)
}

fn of_azure(host: &str, status: u16, code: &str, text: &str, fault: Fault) -> Response {
    match (host, fault) {
        (ARM_HOST, Fault::TooLarge) => {
            error::gateway(status, "RequestContentTooLarge", "The request content size exceeds the maximum size of 4 MB.")
        }
        (ARM_HOST, _) => error::gateway(status, code, text),
        (LOGIN_HOST, _) => {
            let text = format!("AADSTS900144: {text}");
            Response::json(status, error::JSON, &json!({"error": "invalid_request", "error_description": text, "error_codes": [900_144]}))
        }
        _ => error::body(status, code, text),
    }
}

/// The answer to a request that panicked, in the shape of whom it was for. It tells nothing of the panic, whose text may quote the request.
pub fn internal(host: &str, of_cluster: bool) -> Response {
    const TEXT: &str = "The server encountered an internal error and has changed nothing. Please retry after some time.";
    match host {
        _ if of_cluster => {
            let text = "Internal error occurred: This request caused apiserver to panic. Look in the logs for more information.";
            let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": text,
                "reason": "InternalError", "code": 500});
            Response::json(500, "application/json", &body)
        }
        ARM_HOST => error::gateway(500, "InternalServerError", TEXT),
        LOGIN_HOST => {
            let text = format!("AADSTS90033: {TEXT}");
            Response::json(500, error::JSON, &json!({"error": "server_error", "error_description": text, "error_codes": [90_033]}))
        }
        IMDS_HOST => Response::json(500, error::JSON, &json!({"error": "internal_error", "error_description": TEXT})),
        _ => error::body(500, "InternalServerError", TEXT),
    }
}
