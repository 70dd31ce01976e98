//! Compares two answers, the recorded one and the sandbox's: status, codes, shape of the body. `headers` compares the headers.

use super::{
    headers,
    record::{self, Record},
    shape,
};
use serde_json::{Map, Value};
use std::fmt;

/// An answer of the sandbox.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `status`, `codes`, `state`, `header NAME`, `body`, or `body.` with the path of the value; `[]` is any element.
    pub place: String,
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

pub fn difference(place: impl Into<String>, what: impl Into<String>) -> Difference {
    Difference { place: place.into(), what: what.into() }
}

/// Objects with keys that users choose: only the kind of their values is compared.
const CHOSEN: [&str; 2] = ["tags", "userAssignedIdentities"];
const MORE: &str = "is there, and was not";
const NOT_EMPTY: &str = "is not empty, and was";
const OVERWRITTEN: &str = "00000000-0000-0000-0000-000000000001";
/// Fields whose texts are part of the contract and compared exactly.
const WORDS: [&str; 8] = ["type", "code", "Code", "subcode", "reason", "@odata.context", "@odata.type", "namespace"];

pub fn answers(recorded: &Record, given: &Reply) -> Vec<Difference> {
    let mut found = Vec::new();
    if recorded.status != given.status {
        found.push(difference("status", format!("{} for {}: {}", given.status, recorded.status, start(&given.text))));
        return found;
    }
    let body = given.json();
    let codes = record::codes(&body);
    if recorded.codes != codes && recorded.status >= 400 {
        found.push(difference("codes", format!("{codes:?} for {:?}", recorded.codes)));
    }
    found.extend(headers::compare(&recorded.headers, &given.headers));
    match (recorded.text.trim().is_empty(), given.text.is_empty()) {
        (true, true) => {}
        (true, false) => found.push(difference("body", format!("there is one, and there was none: {}", start(&given.text)))),
        (false, true) => found.push(difference("body", "there is none, and there was one")),
        (false, false) if recorded.body.is_null() != body.is_null() => found.push(difference("body", "one of the two is no JSON")),
        (false, false) => values("body", &recorded.body, &body, &mut found),
    }
    // If a body is not complete, only what is there is compared.
    if recorded.shortened() {
        found.retain(|d| d.what != MORE && d.what != NOT_EMPTY);
    }
    found
}

fn start(text: &str) -> String {
    text.chars().take(160).collect()
}

fn last(place: &str) -> &str {
    let name = place.rsplit_once('.').map_or(place, |(_, name)| name);
    if place.contains("@odata.") && matches!(name, "context" | "type") {
        return if name == "context" { "@odata.context" } else { "@odata.type" };
    }
    name
}

/// Compares values: `was` is recorded, `is` is the sandbox's.
pub fn values(place: &str, was: &Value, is: &Value, found: &mut Vec<Difference>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) if CHOSEN.contains(&last(place)) => chosen(place, was, is, found),
        (Value::Object(was), Value::Object(is)) => {
            for (name, value) in was {
                match is.get(name) {
                    Some(there) => values(&format!("{place}.{name}"), value, there, found),
                    None => found.push(difference(format!("{place}.{name}"), "is not there")),
                }
            }
            for name in is.keys().filter(|name| !was.contains_key(*name)) {
                found.push(difference(format!("{place}.{name}"), MORE));
            }
        }
        (Value::Array(was), Value::Array(is)) => elements(place, was, is, found),
        (Value::String(was), Value::String(is)) => texts(place, was, is, found),
        _ if shape::kind(was) != shape::kind(is) => {
            found.push(difference(place, format!("is {}, and was {}", shape::kind(is), shape::kind(was))));
        }
        _ => {}
    }
}

fn chosen(place: &str, was: &Map<String, Value>, is: &Map<String, Value>, found: &mut Vec<Difference>) {
    let empty = was.is_empty() != is.is_empty();
    if empty {
        found.push(difference(place, "only one of the two is empty"));
    }
    let (Some(was), false) = (was.values().next(), empty) else { return };
    let other = is.values().map(shape::kind).find(|kind| *kind != shape::kind(was));
    found.extend(other.map(|kind| difference(format!("{place}.*"), format!("is {kind}, and was {}", shape::kind(was)))));
}

/// Compares each recorded element with the most similar one; no element may have a key that no recorded element has.
fn elements(place: &str, was: &[Value], is: &[Value], found: &mut Vec<Difference>) {
    if was.is_empty() != is.is_empty() {
        found.push(difference(place, if is.is_empty() { "is empty, and was not" } else { NOT_EMPTY }));
        return;
    }
    let inner = format!("{place}[]");
    let mut closest: Vec<Difference> = Vec::new();
    for element in was {
        let mut least: Option<Vec<Difference>> = None;
        for candidate in is {
            let mut differences = Vec::new();
            values(&inner, element, candidate, &mut differences);
            if least.as_ref().is_none_or(|least| differences.len() < least.len()) {
                least = Some(differences);
            }
            // This stops early: lists of hundreds are often equal in the first element.
            if least.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        closest.extend(least.unwrap_or_default());
    }
    let known = |name: &String| was.iter().any(|element| element.get(name).is_some());
    for name in is.iter().filter_map(Value::as_object).flat_map(Map::keys).filter(|name| !known(name)) {
        closest.push(difference(format!("{inner}.{name}"), MORE));
    }
    closest.sort_by(|a, b| (&a.place, &a.what).cmp(&(&b.place, &b.what)));
    closest.dedup();
    found.extend(closest);
}

fn texts(place: &str, was: &str, is: &str, found: &mut Vec<Difference>) {
    // The `type` of a principal or location is a single word, that of a resource has a slash: both are part of the contract.
    if WORDS.contains(&last(place)) {
        if was != is {
            found.push(difference(place, format!("is {is:?}, and was {was:?}")));
        }
        return;
    }
    // A recorder overwrites client ids of any kind with this, `msi` too.
    if was == OVERWRITTEN && last(place) == "clientId" {
        return;
    }
    let Some(pattern) = shape::pattern(was) else { return };
    let there = shape::pattern(is);
    let dates = pattern == "a date" || there.as_deref() == Some("a date");
    let same = if dates { there.as_deref().is_some_and(|p| p.starts_with("a date")) } else { there.as_ref() == Some(&pattern) };
    if !same {
        found.push(difference(place, format!("is {} ({is}), and was {pattern}", there.as_deref().unwrap_or("of no pattern"))));
    }
}
