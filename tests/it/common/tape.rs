//! A tape: requests with the answers that a real API server gave. It is replayed against either side, and the answers have to equal the tape
//! byte for byte. `PODID_RECORD=1` records the answers of the control plane (never the sandbox's) again.
//!
//! A tape is text: what it is about, lines `let NAME = VALUE`, then one part per request: `## what it shows`, `METHOD path`, lines
//! `header: value` and `@directive words`, an empty line, the body as YAML; then `--- status`, headers and body of the answer.
//! `$NAME` is a `let`, `$NS` the test's own namespace, `${saved.metadata.uid}` a value of an answer that was saved before.
//!
//! `@save NAME` · `@until 404`, `@until a.b=c` repeats until the answer matches · `@settle` … until it stays the same · `@omit a.b, c`
//! leaves fields out · `@sort a.b` a list in random order · `@unordered` an error list in random order · `@raw` the body is
//! sent as it is · `@pause MS` before the request · `@quiet` compares the status only.

use super::both::Side;
use super::cluster::{Cluster, Reply};
use super::mask::Masks;
use super::{same, until, yaml};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// One request of the tape, without its answer.
#[derive(Default)]
struct Part {
    title: String,
    /// The lines of the request, as they are.
    lines: Vec<String>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    directives: Vec<(String, String)>,
    body: Option<String>,
}

pub struct Tape {
    head: Vec<String>,
    lets: Vec<(String, String)>,
    parts: Vec<Part>,
}

impl Tape {
    pub fn read(text: &str) -> Self {
        let mut tape = Self { head: Vec::new(), lets: Vec::new(), parts: Vec::new() };
        let mut answer = false;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                tape.parts.push(Part { title: title.to_owned(), ..Part::default() });
                answer = false;
            } else if line.starts_with("--- ") {
                answer = true;
            } else if let Some(part) = tape.parts.last_mut() {
                if !answer {
                    part.lines.push(line.to_owned());
                }
            } else {
                if let Some((name, value)) = line.strip_prefix("let ").and_then(|l| l.split_once(" = ")) {
                    tape.lets.push((name.to_owned(), value.to_owned()));
                }
                tape.head.push(line.to_owned());
            }
        }
        tape.parts.iter_mut().for_each(Part::understand);
        tape
    }

    /// Replays all requests; returns the tape with the answers of this cluster.
    fn play(&self, cluster: &Cluster, namespace: &str) -> String {
        let mut lets: Vec<(String, String)> =
            self.lets.iter().map(|(name, value)| (name.clone(), value.replace("$NS", namespace))).collect();
        lets.push(("NS".into(), namespace.into()));
        // If one name begins with another, the longer one is meant.
        lets.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut deck = Deck { cluster, lets, masks: Masks::new(namespace), saved: BTreeMap::new() };
        let mut out = self.head.join("\n");
        out.push('\n');
        for part in &self.parts {
            let request = part.lines.join("\n");
            let _ = write!(out, "## {}\n{}\n", part.title, request.trim_end());
            out += &deck.ask(part);
            out.push('\n');
        }
        out
    }
}

impl Part {
    fn understand(&mut self) {
        let mut lines = self.lines.iter();
        let first = lines.next().unwrap_or_else(|| panic!("{}: no request", self.title));
        let (method, path) = first.split_once(' ').unwrap_or_else(|| panic!("{}: {first}", self.title));
        (self.method, self.path) = (method.to_owned(), path.to_owned());
        for line in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            if let Some(directive) = line.strip_prefix('@') {
                let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
                self.directives.push((name.to_owned(), rest.to_owned()));
            } else {
                let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
                self.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let body: Vec<&str> = lines.map(String::as_str).collect();
        let body = body.join("\n");
        self.body = (!body.trim().is_empty()).then(|| body.trim_end().to_owned());
    }

    fn directive(&self, name: &str) -> Option<&str> {
        self.directives.iter().find(|(n, _)| n == name).map(|(_, rest)| rest.as_str())
    }
}

struct Deck<'a> {
    cluster: &'a Cluster,
    lets: Vec<(String, String)>,
    masks: Masks,
    saved: BTreeMap<String, Value>,
}

impl Deck<'_> {
    fn filled(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (name, value) in &self.lets {
            out = out.replace(&format!("${name}"), value);
        }
        while let Some(start) = out.find("${") {
            let end = start + out[start..].find('}').expect("a closing brace");
            let (name, path) = out[start + 2..end].split_once('.').expect("saved.path");
            let value = at(self.saved.get(name).unwrap_or_else(|| panic!("{name} was not saved")), path);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.replace_range(start..=end, &value);
        }
        out
    }

    fn ask(&mut self, part: &Part) -> String {
        let path = self.filled(&part.path);
        let mut headers: Vec<(String, String)> = part.headers.iter().map(|(n, v)| (n.clone(), self.filled(v))).collect();
        for (_, value) in headers.iter_mut().filter(|(name, _)| name == "content-type") {
            *value = match value.as_str() {
                "apply" => "application/apply-patch+yaml".into(),
                "merge" => "application/merge-patch+json".into(),
                "strategic" => "application/strategic-merge-patch+json".into(),
                "json-patch" => "application/json-patch+json".into(),
                other => other.into(),
            };
        }
        for (_, value) in headers.iter_mut().filter(|(name, _)| name == "accept") {
            *value = value.replace("table", "application/json;as=Table;v=v1;g=meta.k8s.io");
        }
        let body = part.body.as_ref().map(|body| {
            let body = self.filled(body);
            if part.directive("raw").is_some() {
                return body;
            }
            let value: Value = serde_saphyr::from_str(&body).unwrap_or_else(|why| panic!("{}: {why}\n{body}", part.title));
            value.to_string()
        });
        if let Some(pause) = part.directive("pause") {
            std::thread::sleep(Duration::from_millis(pause.parse().unwrap()));
        }
        let ask = || self.cluster.ask(&part.method, &path, &headers, body.clone());
        let reply = match (part.directive("until"), part.directive("settle")) {
            (Some(wanted), _) => {
                until(&format!("{}: {wanted}", part.title), || Some(ask()).filter(|reply| matches_condition(reply, wanted)))
            }
            (None, Some(_)) => {
                let mut last = ask();
                until(&format!("{}: it settles", part.title), || {
                    std::thread::sleep(Duration::from_millis(400));
                    let next = ask();
                    let calm = next.text == last.text;
                    last = next;
                    calm.then_some(())
                });
                last
            }
            (None, None) => ask(),
        };
        self.format_answer(part, &reply)
    }

    fn format_answer(&mut self, part: &Part, reply: &Reply) -> String {
        let mut out = format!("--- {}\n", reply.status);
        let watching = part.path.contains("watch=") || part.path.contains("/watch/");
        let mut answer = if watching && reply.status == 200 {
            let events = reply.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            // A server sends bookmarks at any time; only the one that ends the initial objects counts.
            events.filter(|e| e["type"] != "BOOKMARK" || !e["object"]["metadata"]["annotations"].is_null()).collect()
        } else {
            serde_json::from_str(&reply.text).unwrap_or_else(|_| json!(reply.text))
        };
        if let Some(name) = part.directive("save") {
            self.saved.insert(name.to_owned(), answer.clone());
        }
        if part.directive("quiet").is_some() {
            return out;
        }
        for path in part.directive("omit").unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()) {
            omit(&mut answer, &path.split('.').collect::<Vec<_>>());
        }
        for path in part.directive("sort").unwrap_or_default().split(',').map(str::trim).filter(|p| !p.is_empty()) {
            if let Some(list) = answer.pointer_mut(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_array_mut) {
                list.sort_by_key(Value::to_string);
            }
        }
        if part.directive("unordered").is_some() {
            unorder(&mut answer);
        }
        for (name, value) in &reply.headers {
            // The sandbox adds a warning about objects that nothing acts on.
            if name == "warning" && value.starts_with("299 - \"the sandbox ") {
                continue;
            }
            if name == "warning" || (name == "content-type" && value != "application/json") {
                let _ = writeln!(out, "{name}: {}", self.masks.text(value));
            }
        }
        let answer = self.masks.answer(&answer);
        match &answer {
            Value::String(text) => out += &format!("{}\n", text.trim_end()),
            other => out += &yaml::print(other),
        }
        out
    }
}

/// Returns a value by a path such as `a.b.0.c`.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| match name.parse::<usize>() {
        Ok(i) if value.is_array() => &value[i],
        _ => &value[name],
    })
}

fn matches_condition(reply: &Reply, wanted: &str) -> bool {
    match wanted.split_once('=') {
        None => reply.status.to_string() == wanted,
        Some((path, wanted)) => {
            let answer = reply.json();
            let value = at(&answer, path);
            value.as_str().map_or_else(|| value.to_string(), str::to_owned) == wanted
        }
    }
}

/// Removes a field. `*` is every item of a list or every field of a map.
fn omit(value: &mut Value, path: &[&str]) {
    let [first, rest @ ..] = path else { return };
    match value {
        Value::Array(list) if *first == "*" => list.iter_mut().for_each(|item| omit(item, rest)),
        Value::Object(map) if rest.is_empty() => {
            map.shift_remove(*first);
        }
        Value::Object(map) if *first == "*" => map.values_mut().for_each(|item| omit(item, rest)),
        Value::Object(map) => {
            if let Some(inner) = map.get_mut(*first) {
                omit(inner, rest);
            }
        }
        _ => {}
    }
}

/// Sorts causes: the API server collects them from Go maps, so they and the parts of the message come in any order.
fn unorder(status: &mut Value) {
    if let Some(causes) = status.pointer_mut("/details/causes").and_then(Value::as_array_mut) {
        causes.sort_by_key(Value::to_string);
    }
    if let Some(message) = status["message"].as_str() {
        let separators = ['[', ']', ',', '\n'];
        let mut parts: Vec<&str> = message.split(separators).map(str::trim).filter(|p| !p.is_empty()).collect();
        parts.sort_unstable();
        status["message"] = json!(parts.join(" / "));
    }
}

/// Replays a tape of `tests/`, and compares the answers.
pub fn play(side: Side, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{file}: {why}"));
    let tape = Tape::read(&text);
    let cluster = Cluster::shared(side);
    let namespace = cluster.namespace();
    let played = tape.play(cluster, &namespace);
    cluster.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), &[], None);
    if side == Side::ControlPlane && std::env::var_os("PODID_RECORD").is_some() {
        std::fs::write(&path, played).unwrap();
        return;
    }
    let of = match side {
        Side::Sandbox => "the sandbox",
        Side::ControlPlane => "this control plane",
    };
    if played != text {
        // Writes the whole tape, to compare it with the recorded one.
        let name = format!("{}.{side:?}", file.replace('/', "-"));
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), &played).unwrap();
    }
    same(&format!("{file}: - as recorded from a real API server, + as {of} answers"), &text, &played);
}
