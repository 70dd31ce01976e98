//! The common parts of long-running operations: the URL to poll, and how often.

use super::{call::Call, ids};
use crate::lateness::Lateness;

/// Returns the seconds between polls: the recorded number with realistic delays, otherwise 0.
pub fn pause(call: &Call<'_>, recorded: &str) -> String {
    match call.rules.lateness {
        Lateness::Realistic => recorded.to_owned(),
        Lateness::Quick | Lateness::None => "0".to_owned(),
    }
}

/// Returns an absolute URL with the signature parameters that a client must send back unchanged.
pub fn poll_url(call: &Call<'_>, rest: &str) -> String {
    signed_url(call, rest, &call.api_version())
}

pub fn signed_url(call: &Call<'_>, rest: &str, version: &str) -> String {
    let now = call.now / 100;
    let sign = ids::hex(&["signature", rest, &now.to_string()]);
    format!(
        "https://management.azure.com/subscriptions/{}/{rest}?api-version={version}&t={now}&c=podid-sandbox&s={sign}&h={sign}",
        call.state.subscription
    )
}
