//! Converts error responses and transport errors to `Error`, by status and code. Text is read only for the action and scope of a refusal.

use super::{Error, blocked};
use http::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// The cause when a host has no address (yet): the DNS publishes a vault's name up to a minute after its creation.
pub const NO_SUCH_NAME: &str = "the name has no address";
/// The cause when a proxy refused the CONNECT.
pub const NO_TUNNEL: &str = "the proxy opens no tunnel to it";

/// The codes of one error body. Shapes: ARM and Graph `{"error":{code,message,details,innererror}}`, AKS the same without `error`,
/// Key Vault with the specific code in `innererror`, Entra `{"error":"invalid_client","error_description":"AADSTS…"}`.
struct ErrorBody {
    code: String,
    message: String,
    login: bool,
}

/// Returns the error of an error response. `host` replaces an empty text.
pub fn refusal(host: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
    let told = read(host, status, body);
    let ErrorBody { code, message, login } = told;
    if login && status < 500 && status != 429 {
        return Error::LoginRefused { code, message };
    }
    if (400..500).contains(&status)
        && let Some(by) = blocked::of(&code, &message, body)
    {
        return Error::Blocked { code, message, by: Box::new(by) };
    }
    match status {
        401 => Error::LoginRefused { code, message },
        403 => {
            let (action, scope, caller) = blocked::refused_action(&message);
            Error::Forbidden { code, message, action, scope, caller }
        }
        404 => Error::NotFound { code, message },
        409 | 412 => Error::Conflict { code, message },
        429 => Error::Throttled { message, after: retry_after(headers) },
        500.. => Error::Failed { status, code, message },
        _ => Error::Refused { status, code, message },
    }
}

/// Returns the error of an operation that was accepted and failed later. `status` is its final status, such as `Failed`.
pub fn failed_operation(host: &str, status: &str, body: &[u8]) -> Error {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    // the error is in the operation's record, or in the resource
    let error = [parsed.get("error"), parsed.pointer("/properties/error")].into_iter().flatten().find(|error| error.is_object());
    let told = error.map(|error| read(host, 200, error.to_string().as_bytes()));
    let (code, message) = match told {
        Some(ErrorBody { code, message, .. }) if code != "200" => (code, message),
        _ => (status.to_owned(), format!("{host} ended the operation with {status}")),
    };
    if let Some(by) = blocked::of(&code, &message, body) {
        return Error::Blocked { code, message, by: Box::new(by) };
    }
    let (action, scope, caller) = blocked::refused_action(&message);
    match action {
        Some(action) => Error::Forbidden { code, message, action: Some(action), scope, caller },
        None => Error::Refused { status: 200, code, message },
    }
}

fn read(host: &str, status: u16, body: &[u8]) -> ErrorBody {
    let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    if let Some(short) = text(&parsed, "error") {
        let described = text(&parsed, "error_description").unwrap_or_default();
        // trace id, correlation id and timestamp follow on lines of their own
        let line = described.lines().next().unwrap_or_default();
        return match line.split_once(": ") {
            Some((code, rest)) if code.starts_with("AADSTS") => ErrorBody { code: code.to_owned(), message: rest.to_owned(), login: true },
            _ => ErrorBody { code: short.clone(), message: if line.is_empty() { short } else { line.to_owned() }, login: true },
        };
    }
    let error = parsed.get("error").filter(|e| e.is_object()).unwrap_or(&parsed);
    let inner = ["innererror", "innerError"].iter().find_map(|key| text(error.get(key)?, "code"));
    let outer = text(error, "code");
    // Key Vault: "Forbidden" and "Conflict" only repeat the status, the reason is inside
    let code = inner.or(outer).unwrap_or_else(|| status.to_string());
    let mut message = text(error, "message").unwrap_or_else(|| format!("{host} answered with status {status}"));
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
        if let Some(more) = text(detail, "message").filter(|more| !message.contains(more.as_str())) {
            message = format!("{message} {more}");
        }
    }
    ErrorBody { code, message, login: false }
}

/// The longest pause that is returned: one day, which can be added to any time without overflow.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `Retry-After` (seconds or a date) and its two millisecond forms; at most a day. Anything else is ignored.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    // a number with too many digits counts as a very long time
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(ms) = text(name).and_then(number) {
            return Some(Duration::from_millis(ms).min(LONGEST_PAUSE));
        }
    }
    let value = text("retry-after")?;
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(until).unwrap_or_default().min(LONGEST_PAUSE))
}

/// Why there was no response. `refused` means that one quick retry may help.
pub struct TransportError {
    pub error: Error,
    pub refused: bool,
    /// The connection was open and broke. It is retried like a 5xx.
    pub broken: bool,
}

impl TransportError {
    /// Makes an error that a retry does not help.
    pub fn of(error: Error) -> Self {
        Self { error, refused: false, broken: false }
    }
}

pub fn transport_error(host: &str, error: &reqwest::Error, limit: Duration) -> TransportError {
    let host = host.to_owned();
    let plain = TransportError::of;
    let (mut io, mut names) = (None, false);
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(this) = next {
        if let Some(tls) = certificate(this) {
            return plain(Error::Untrusted { host, cause: tls });
        }
        names |= this.is::<super::http::NoSuchName>();
        if let Some(found) = this.downcast_ref::<std::io::Error>() {
            io = Some(found.kind());
        }
        last = this.to_string();
        next = this.source();
    }
    if names {
        return plain(Error::Unreachable { host, cause: NO_SUCH_NAME.to_owned() });
    }
    if error.is_timeout() {
        return plain(if error.is_connect() {
            Error::Unreachable { host, cause: "no connection was made in time".to_owned() }
        } else {
            Error::TimedOut(limit)
        });
    }
    if error.is_connect() {
        return match io {
            Some(kind) => TransportError {
                error: Error::Unreachable { host, cause: last },
                refused: kind == std::io::ErrorKind::ConnectionRefused,
                broken: false,
            },
            None => plain(Error::Unreachable { host, cause: NO_TUNNEL.to_owned() }),
        };
    }
    TransportError { error: Error::Unreachable { host, cause: last }, refused: false, broken: true }
}

/// Returns the error of rustls, which wraps it in an `io::Error` whose `source` skips it.
fn certificate(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let tls = match error.downcast_ref::<rustls::Error>() {
        Some(tls) => tls,
        None => error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?,
    };
    match tls {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

/// Returns podid's own error from inside an SDK's error, where the transports put it.
pub fn unwrapped(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut next = Some(error);
    while let Some(this) = next {
        if let Some(ours) = this.downcast_ref::<Error>() {
            return ours.clone();
        }
        next = this.source();
    }
    Error::Protocol(error.to_string())
}

impl From<azure_core::Error> for Error {
    fn from(error: azure_core::Error) -> Self {
        unwrapped(&error)
    }
}

impl From<azure_core_legacy::Error> for Error {
    fn from(error: azure_core_legacy::Error) -> Self {
        unwrapped(&error)
    }
}

impl Error {
    /// Returns whether the error is a 404 of the resource or its group, not of the subscription.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Error::NotFound { code, .. } if code != "SubscriptionNotFound")
    }
}

/// Returns None if the resource does not exist.
pub fn absent<T>(answer: super::Result<T>) -> super::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}
