//! Limits the lifetime that a token endpoint reports for a token.

use super::{Error, Result};
use bytes::Bytes;
use serde_json::Value;

/// The longest lifetime that is accepted. The longest that Entra issues is 28 hours.
const LONGEST: i64 = 7 * 24 * 60 * 60;

/// Limits `expires_in` in the response of a token endpoint: azure_identity adds it to the current time without a check, and panics
/// if the sum is out of range.
pub fn with_sane_lifetime(host: &str, body: Bytes) -> Result<Bytes> {
    // azure_identity rejects any body that is not an object
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else { return Ok(body) };
    let seconds = match answer.get("expires_in") {
        None => return Ok(body),
        Some(Value::Number(given)) => given.as_f64(),
        Some(Value::String(given)) => given.trim().parse().ok(),
        Some(_) => None,
    };
    let Some(seconds) = seconds.filter(|seconds: &f64| !seconds.is_nan()) else {
        return Err(Error::Protocol(format!("{host}: the expires_in of a token is not a number of seconds")));
    };
    if answer.get("expires_in").and_then(Value::as_i64).is_some_and(|given| (0..=LONGEST).contains(&given)) {
        return Ok(body);
    }
    // numbers outside the range of an integer become the largest or the smallest one
    answer.insert("expires_in".to_owned(), (seconds as i64).clamp(0, LONGEST).into());
    // other clients use this field, and its value may be just as wrong
    answer.remove("ext_expires_in");
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|_| Error::Protocol(format!("{host}: a token that cannot be kept")))
}
