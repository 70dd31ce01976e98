//! The date formats of the services. Times are unix nanoseconds.

use jiff::Timestamp;

fn stamp(at: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

pub const SECOND: i64 = 1_000_000_000;
pub const DAY: i64 = 86_400 * SECOND;

pub fn unix(at: i64) -> i64 {
    at.div_euclid(SECOND)
}

/// Role assignments: seven fraction digits with trailing zeros.
pub fn ticks(at: i64) -> String {
    format!("{}.{:07}Z", stamp(at).strftime("%Y-%m-%dT%H:%M:%S"), at.rem_euclid(SECOND) / 100)
}

/// `systemData` of a vault: up to three fraction digits without trailing zeros.
pub fn millis(at: i64) -> String {
    let millis = at.rem_euclid(SECOND) / 1_000_000;
    let fraction = format!("{millis:03}");
    let fraction = fraction.trim_end_matches('0');
    format!("{}{}{fraction}Z", stamp(at).strftime("%Y-%m-%dT%H:%M:%S"), if fraction.is_empty() { "" } else { "." })
}

/// Graph, and the deletion dates of vaults: whole seconds.
pub fn seconds(at: i64) -> String {
    format!("{}Z", stamp(at).strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Entra's errors and Key Vault's operation results: a space instead of the T.
pub fn spaced(at: i64) -> String {
    format!("{}Z", stamp(at).strftime("%Y-%m-%d %H:%M:%S"))
}

/// The error for an expired token: `8/17/2020 3:46:33 AM`.
pub fn american(at: i64) -> String {
    stamp(at).strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
}

/// `x-ms-routing-request-id`.
pub fn compact(at: i64) -> String {
    stamp(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Headers of HTTP: `Mon, 30 Nov 2026 16:00:00 GMT`.
pub fn http(at: i64) -> String {
    stamp(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Parses RFC 3339.
pub fn read(text: &str) -> Option<i64> {
    i64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_date_format() {
        let at = 1_597_635_993 * SECOND + 120_000_000;
        assert_eq!(ticks(at), "2020-08-17T03:46:33.1200000Z");
        assert_eq!(millis(at), "2020-08-17T03:46:33.12Z");
        assert_eq!(millis(at - 120_000_000), "2020-08-17T03:46:33Z");
        assert_eq!(seconds(at), "2020-08-17T03:46:33Z");
        assert_eq!(spaced(at), "2020-08-17 03:46:33Z");
        assert_eq!(american(at), "8/17/2020 3:46:33 AM");
        assert_eq!(compact(at), "20200817T034633Z");
        assert_eq!(http(at), "Mon, 17 Aug 2020 03:46:33 GMT");
    }
}
