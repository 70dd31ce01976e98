//! What a request gets whose body could not be read, in the shape of whom it was for. Knows the hosts, not what is behind them.

use super::{
    azure::{ARM_HOST, error},
    http::Response,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::time::Duration;

/// ARM's limit, which the others are given, too.
const ARM_BYTES: usize = 4 << 20;
/// kube-apiserver's (`MaxRequestBodyBytes`).
const CLUSTER_BYTES: usize = 3 << 20;
/// From the head to the end of the body.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooLarge,
    /// It broke off, or its chunks are none.
    Broken,
    Slow,
}

pub async fn read(body: Incoming, of_cluster: bool) -> Result<Bytes, Fault> {
    let most = if of_cluster { CLUSTER_BYTES } else { ARM_BYTES };
    match tokio::time::timeout(PATIENCE, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => Err(Fault::TooLarge),
        Ok(Err(_)) => Err(Fault::Broken),
        Err(_) => Err(Fault::Slow),
    }
}

/// ARM's and the API server's words; those of the other services are not recorded.
pub fn refusal(host: &str, of_cluster: bool, fault: Fault) -> Response {
    let (status, code, text) = match fault {
        Fault::TooLarge => (413, "RequestEntityTooLarge", "The request body is too large."),
        Fault::Broken => (400, "BadRequest", "The request body could not be read."),
        Fault::Slow => (408, "RequestTimeout", "The request body did not arrive in time."),
    };
    if of_cluster {
        let message = match fault {
            Fault::TooLarge => format!("Request entity too large: limit is {CLUSTER_BYTES}"),
            Fault::Broken | Fault::Slow => text.to_owned(),
        };
        let reason = if fault == Fault::Slow { "Timeout" } else { code };
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": status});
        return Response::json(status, "application/json", &body);
    }
    match (host, fault) {
        (ARM_HOST, Fault::TooLarge) => {
            error::gateway(status, "RequestContentTooLarge", "The request content size exceeds the maximum size of 4 MB.")
        }
        (ARM_HOST, _) => error::gateway(status, code, text),
        _ => error::body(status, code, text),
    }
}
