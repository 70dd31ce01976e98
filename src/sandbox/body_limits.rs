//! How the body of a request is read: only from known callers, up to the service's limit, within a time limit, and within a memory limit
//! for all bodies together. If a body cannot be read, the answer has the form of the service that the request is for.

use super::{
    azure::{
        error,
        hosts::{self, ARM_HOST, IMDS_HOST, LOGIN_HOST, REGISTRY_HOST},
    },
    http::Response,
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

/// ARM's limit; the sandbox uses it for the other services, too.
const ARM_BYTES: usize = 4 << 20;
/// kube-apiserver's limit (`MaxRequestBodyBytes`).
const CLUSTER_BYTES: usize = 3 << 20;
/// A form with a client assertion has some KB, and its sender is not authenticated yet.
const LOGIN_BYTES: usize = 64 << 10;
/// The limit for all bodies together, while they are read and answered.
pub const ALL_BYTES: usize = 64 << 20;
/// The time limit from the head to the end of the body.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a body waits for memory.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    /// The body ended early, or its chunks are malformed.
    Broken,
    Slow,
    /// Other bodies use all the memory for bodies.
    NoRoom,
}

/// The memory for the bodies of all requests. Each body takes as much as has arrived of it.
pub struct BodyBudget {
    free: Arc<Semaphore>,
}

impl Default for BodyBudget {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(ALL_BYTES)) }
    }
}

/// A body, and its memory until this is dropped.
#[derive(Default)]
pub struct ReadBody {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// Returns the bytes of all bodies that are held now.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        ALL_BYTES - self.free.available_permits()
    }

    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::TooLarge)?;
        match timeout(WAIT, self.free.clone().acquire_many_owned(bytes)).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(BodyError::NoRoom),
        }
    }

    /// Reads the body of a request to this host. The caller is authenticated already, where the host requires that.
    pub async fn read(&self, body: Incoming, method: &str, host: &str, of_cluster: bool) -> Result<ReadBody, BodyError> {
        let most = most(host, of_cluster);
        // the body of a GET is not used
        if most == 0 || matches!(method, "GET" | "HEAD") || body.is_end_stream() {
            return Ok(ReadBody::default());
        }
        timeout(PATIENCE, self.gather(body, most)).await.unwrap_or(Err(BodyError::Slow))
    }

    async fn gather(&self, mut body: Incoming, most: usize) -> Result<ReadBody, BodyError> {
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if all.len() + data.len() > most {
                return Err(BodyError::TooLarge);
            }
            let room = self.take(data.len()).await?;
            match &mut held {
                Some(held) => held.merge(room),
                None => held = Some(room),
            }
            all.extend_from_slice(&data);
        }
        Ok(ReadBody { bytes: all.freeze(), _room: held })
    }
}

fn most(host: &str, of_cluster: bool) -> usize {
    match host {
        _ if of_cluster => CLUSTER_BYTES,
        LOGIN_HOST => LOGIN_BYTES,
        _ if hosts::is_token_proxy(host) => LOGIN_BYTES,
        // they only answer GET
        IMDS_HOST | REGISTRY_HOST => 0,
        _ if hosts::is_oidc_issuer(host) => 0,
        _ => ARM_BYTES,
    }
}

/// The texts are those of ARM and the API server; those of the other services are not recorded.
pub fn refusal(host: &str, of_cluster: bool, fault: BodyError) -> Response {
    let (status, code, text) = match fault {
        BodyError::TooLarge => (413, "RequestEntityTooLarge", "The request body is too large."),
        BodyError::Broken => (400, "BadRequest", "The request body could not be read."),
        BodyError::Slow => (408, "RequestTimeout", "The request body did not arrive in time."),
        BodyError::NoRoom => (503, "ServerBusy", "The server is busy with the bodies of other requests. Please retry."),
    };
    let response = if of_cluster { of_api_server(status, code, text, fault) } else { of_azure(host, status, code, text, fault) };
    if fault == BodyError::NoRoom { response.with("retry-after", "1") } else { response }
}

fn of_api_server(status: u16, code: &str, text: &str, fault: BodyError) -> Response {
    let (status, reason, message) = match fault {
        BodyError::TooLarge => (status, code, format!("Request entity too large: limit is {CLUSTER_BYTES}")),
        BodyError::Broken => (status, code, text.to_owned()),
        BodyError::Slow => (status, "Timeout", text.to_owned()),
        BodyError::NoRoom => (429, "TooManyRequests", "Too many requests, please try again later.".to_owned()),
    };
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason});
    if fault == BodyError::NoRoom {
        body["details"] = json!({"retryAfterSeconds": 1});
    }
    body["code"] = json!(status);
    Response::json(status, "application/json", &body)
}

fn of_azure(host: &str, status: u16, code: &str, text: &str, fault: BodyError) -> Response {
    match (host, fault) {
        (ARM_HOST, BodyError::TooLarge) => {
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

/// Returns the answer to a request that panicked, in the form of its service. It does not contain the message of the panic, which may quote
/// the request.
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
