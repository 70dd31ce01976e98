//! The `$filter` of lists.

use super::{error, ids};
use crate::http::Response;

pub fn bad_filter(filter: &str) -> Response {
    error::gateway(400, "InvalidFilterInQueryString", format!("Invalid $filter '{filter}' specified in the query string."))
}

/// Splits a filter into the clauses that `and` joins.
pub fn split_and(filter: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted) = (0, false);
    let folded = ids::fold(filter);
    for (at, c) in filter.char_indices() {
        if c == '\'' {
            quoted = !quoted;
        }
        if !quoted && folded[at..].starts_with(" and ") {
            parts.push(filter[from..at].trim());
            from = at + 5;
        }
    }
    parts.push(filter[from.min(filter.len())..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}
