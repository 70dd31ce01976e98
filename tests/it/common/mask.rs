//! Replaces what differs between any two clusters: ids, versions, times, generated names. The same value gets the same placeholder, so that
//! "the version did not change" can still be checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Controllers write when they get to it, so their entries in managedFields come and go.
const LOOPS: [&str; 7] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kwok", "kwok-controller", "secrets-store-csi"];

pub struct Masks {
    namespace: String,
    uids: Vec<String>,
    versions: Vec<String>,
    /// Pairs of a text and its placeholder.
    names: Vec<(String, String)>,
}

impl Masks {
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), uids: Vec::new(), versions: Vec::new(), names: Vec::new() }
    }

    pub fn answer(&mut self, answer: &Value) -> Value {
        self.learn(answer);
        self.value("", answer)
    }

    /// Collects texts first, so that a placeholder does not depend on where the text occurs.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let (Some(name), Some(prefix)) =
                    (map.get("name").and_then(Value::as_str), map.get("generateName").and_then(Value::as_str))
                    && let Some(rest) = name.strip_prefix(prefix)
                {
                    self.name(name, &format!("{prefix}<{}>", rest.len()));
                }
                map.values().for_each(|inner| self.learn(inner));
            }
            Value::Array(list) => list.iter().for_each(|inner| self.learn(inner)),
            Value::String(text) => {
                if let Some(issuer) = claims(text).and_then(|c| c["iss"].as_str().map(str::to_owned)) {
                    self.name(&issuer, "<issuer>");
                }
                if let Some(at) = text.find("kube-api-access-") {
                    let end = text.len().min(at + "kube-api-access-".len() + 5);
                    self.name(&text[at..end], "kube-api-access-<5>");
                }
            }
            _ => {}
        }
    }

    pub fn name(&mut self, text: &str, placeholder: &str) {
        if !self.names.iter().any(|(known, _)| known == text) {
            self.names.push((text.to_owned(), placeholder.to_owned()));
        }
    }

    fn value(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                // The version of a list is that of the whole store: everybody's writes change it.
                let list = map.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List") || k == "Table")
                    || map.get("type").is_some_and(|t| t == "BOOKMARK");
                let mut names: Vec<&String> = map.keys().collect();
                names.sort();
                let mut out = Map::new();
                for name in names {
                    let mut inner = map[name].clone();
                    if list {
                        for at in ["/resourceVersion", "/metadata/resourceVersion"] {
                            if (name == "metadata" || name == "object")
                                && let Some(text) = inner.pointer_mut(at).filter(|v| v.is_string())
                            {
                                *text = json!("<store>");
                            }
                        }
                    }
                    let masked = self.value(name, &inner);
                    if name == "managedFields" && masked == json!([]) {
                        continue;
                    }
                    out.insert(self.text(name), masked);
                }
                Value::Object(out)
            }
            Value::Array(items) if key == "managedFields" => {
                let of_loop = |entry: &Value| entry["manager"].as_str().is_some_and(|m| LOOPS.contains(&m));
                let mut entries: Vec<Value> = items.iter().filter(|e| !of_loop(e)).map(|e| self.value("", e)).collect();
                // The server orders them by time, in whole seconds: by chance, if two were written in one second.
                entries.sort_by_key(|e| (e["operation"].to_string(), e["manager"].to_string(), e.to_string()));
                Value::Array(entries)
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(key, item)).collect()),
            Value::String(text) if key == "resourceVersion" && text.parse::<u64>().is_ok_and(|n| n > 1) => {
                json!(format!("<rv{}>", place(&mut self.versions, text)))
            }
            Value::String(text) if key == "continue" && !text.is_empty() => json!("<continue>"),
            Value::String(text) if key == "cells" && is_age(text) => json!("<age>"),
            Value::String(text) if text.starts_with("-----BEGIN ") => json!("<pem>"),
            Value::String(text) => match claims(text) {
                Some(claims) => self.token(claims),
                None => json!(self.text(text)),
            },
            other => other.clone(),
        }
    }

    /// Shows a token by its claims, with times relative to each other.
    fn token(&mut self, mut claims: Value) -> Value {
        let issued = claims["iat"].as_i64().unwrap_or_default();
        for name in ["exp", "nbf"] {
            claims[name] = json!(format!("iat+{}", claims[name].as_i64().unwrap_or_default() - issued));
        }
        claims["iat"] = json!("<seconds>");
        json!({ "token with claims": self.value("", &claims) })
    }

    pub fn text(&mut self, text: &str) -> String {
        let mut out = text.to_owned();
        for (known, placeholder) in &self.names {
            out = out.replace(known.as_str(), placeholder);
        }
        out = out.replace(&self.namespace, "$NS");
        let found: Vec<(usize, usize, String)> = shapes(&out).into_iter().map(|(at, len, shape)| (at, len, shape.to_owned())).collect();
        for (at, len, shape) in found.into_iter().rev() {
            let word = out[at..at + len].to_owned();
            let placeholder = match shape.as_str() {
                "uid" => format!("<uid{}>", place(&mut self.uids, &word)),
                "number" => match self.versions.iter().position(|v| *v == word) {
                    Some(i) => format!("<rv{}>", i + 1),
                    None => continue,
                },
                other => format!("<{other}>"),
            };
            out.replace_range(at..at + len, &placeholder);
        }
        out
    }
}

/// Returns the number of a text, from 1.
fn place(known: &mut Vec<String>, text: &str) -> usize {
    let at = known.iter().position(|k| k == text).unwrap_or_else(|| {
        known.push(text.to_owned());
        known.len() - 1
    });
    at + 1
}

/// Finds words that look like a UUID, a time, or a version: start, length, kind.
fn shapes(text: &str) -> Vec<(usize, usize, &'static str)> {
    const SHAPES: [(&str, &str); 4] = [
        ("hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh", "uid"),
        ("dddd-dd-ddTdd:dd:dd.ddddddZ", "micro time"),
        ("dddd-dd-ddTdd:dd:ddZ", "time"),
        ("dddd-dd-ddTdd:dd:dd.dddddddddZ", "nano time"),
    ];
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let fresh = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let fits = |shape: &str| {
            bytes.get(at..at + shape.len()).is_some_and(|part| {
                part.iter().zip(shape.bytes()).all(|(b, s)| match s {
                    b'h' => b.is_ascii_hexdigit(),
                    b'd' => b.is_ascii_digit(),
                    other => *b == other,
                })
            })
        };
        if let Some((shape, name)) = SHAPES.iter().find(|(shape, _)| fresh && fits(shape)) {
            out.push((at, shape.len(), *name));
            at += shape.len();
            continue;
        }
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            let ends = bytes.get(at + digits).is_none_or(|b| !b.is_ascii_alphanumeric());
            let before = text.get(at.saturating_sub(40)..at).unwrap_or_default().to_lowercase();
            if fresh && ends && (before.contains("resourceversion") || before.contains("resource version")) {
                out.push((at, digits, "number"));
            }
            at += digits;
        } else {
            at += 1;
        }
    }
    out
}

fn is_age(text: &str) -> bool {
    text.len() >= 2
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.chars().next().is_some_and(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c))
}

fn claims(text: &str) -> Option<Value> {
    let mut parts = text.starts_with("eyJ").then(|| text.split('.'))?;
    let (_, body, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}
