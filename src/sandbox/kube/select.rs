//! Label and field selectors. Knows which fields can be selected by, per kind; knows no store.

use super::names;
use super::status::{Outcome, Refusal};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Selector {
    /// `qualified`: `plural.group`; `custom`: of a CRD.
    pub fn new(qualified: &str, custom: bool, labels: Option<&str>, fields: Option<&str>) -> Outcome<Self> {
        let labels = parse_labels(labels.unwrap_or_default())?;
        let fields = parse_fields(qualified, custom, fields.unwrap_or_default())?;
        Ok(Self { labels, fields })
    }
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|r| r.holds(labels))
            && self.fields.iter().all(|(path, equal, wanted)| (field(object, path) == *wanted) == *equal)
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = |key: &str| labels.get(key).and_then(Value::as_str);
        match self {
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Self::NotIn(key, values) => value(key).is_none_or(|v| !values.iter().any(|w| w == v)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::Greater(key, than) => value(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *than),
            Self::Less(key, than) => value(key).and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *than),
        }
    }
}

/// A field as a selector sees it; absent is empty.
fn field(object: &Value, path: &str) -> String {
    let path = match path {
        "involvedObject.kind" | "involvedObject.namespace" => path,
        "source" => "source.component",
        other => other,
    };
    let mut value = object;
    for part in path.split('.') {
        value = &value[part];
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Null if path == "spec.unschedulable" => "false".into(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn allowed(qualified: &str, path: &str) -> bool {
    let more: &[&str] = match qualified {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" | "events.events.k8s.io" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "secrets" => &["type"],
        "replicasets.apps" => &["status.replicas"],
        _ => &[],
    };
    ["metadata.name", "metadata.namespace"].contains(&path) || more.contains(&path)
}

fn parse_fields(qualified: &str, custom: bool, text: &str) -> Outcome<Vec<(String, bool, String)>> {
    let mut out = Vec::new();
    for term in text.split(',').filter(|t| !t.is_empty()) {
        let split = term.split_once("!=").map(|(k, v)| (k, false, v));
        let split = split.or_else(|| term.split_once("==").map(|(k, v)| (k, true, v)));
        let Some((path, equal, value)) = split.or_else(|| term.split_once('=').map(|(k, v)| (k, true, v))) else {
            return Err(Refusal::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
        };
        if !allowed(qualified, path) {
            // in the words of a conversion of its own, or of the one for all others
            let own =
                ["pods", "nodes", "events", "events.events.k8s.io", "namespaces", "secrets", "services", "jobs.batch"].contains(&qualified);
            let why = if !custom && !own {
                format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
            } else {
                format!("field label not supported: {path}")
            };
            return Err(Refusal::bad_request(why));
        }
        out.push((path.to_owned(), equal, value.to_owned()));
    }
    Ok(out)
}

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k`
fn parse_labels(text: &str) -> Outcome<Vec<Requirement>> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma in brackets belongs to the term.
        let mut depth = 0;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                depth += i32::from(*c == '(') - i32::from(*c == ')');
                *c == ',' && depth == 0
            })
            .map_or(rest.len(), |(i, _)| i);
        out.push(requirement(rest[..end].trim())?);
        rest = rest.get(end + 1..).unwrap_or_default().trim();
    }
    Ok(out)
}

fn requirement(term: &str) -> Outcome<Requirement> {
    let fail = |why: String| Refusal::bad_request(format!("unable to parse requirement: {why}"));
    let key = |text: &str| {
        let text = text.trim();
        match names::qualified(text).first() {
            Some(wrong) => Err(fail(format!("<nil>: Invalid value: {}: {wrong}", json!(text)))),
            None => Ok(text.to_owned()),
        }
    };
    let value = |text: &str| {
        let text = text.trim();
        if text.starts_with('=') {
            return Err(fail("found '=', expected: identifier".into()));
        }
        match names::label_value(text).first() {
            Some(wrong) => Err(fail(format!("values[0][{}]: Invalid value: {}: {wrong}", "key", json!(text)))),
            None => Ok(text.to_owned()),
        }
    };
    if let Some(missing) = term.strip_prefix('!') {
        return Ok(Requirement::Missing(key(missing)?));
    }
    for (word, inside) in [(" notin ", false), (" in ", true), (" notin(", false), (" in(", true)] {
        if let Some((left, right)) = term.split_once(word) {
            let list =
                right.trim().trim_start_matches('(').strip_suffix(')').ok_or_else(|| fail("found '', expected: ',' or ')'".into()))?;
            let values = list.split(',').map(value).collect::<Outcome<Vec<String>>>()?;
            return Ok(if inside { Requirement::In(key(left)?, values) } else { Requirement::NotIn(key(left)?, values) });
        }
    }
    if let Some((left, right)) = term.split_once("!=") {
        return Ok(Requirement::NotIn(key(left)?, vec![value(right)?]));
    }
    if let Some((left, right)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(Requirement::In(key(left)?, vec![value(right)?]));
    }
    if let Some((left, right)) = term.split_once('>') {
        let than = right.trim().parse().map_err(|_| fail(format!("for 'Gt', 'Lt' operators, the value must be an integer: {right}")))?;
        return Ok(Requirement::Greater(key(left)?, than));
    }
    if let Some((left, right)) = term.split_once('<') {
        let than = right.trim().parse().map_err(|_| fail(format!("for 'Gt', 'Lt' operators, the value must be an integer: {right}")))?;
        return Ok(Requirement::Less(key(left)?, than));
    }
    Ok(Requirement::Exists(key(term)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_terms_of_a_label_selector_must_hold() {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "web"}}});
        let holds = |text: &str| Selector::new("pods", false, Some(text), None).unwrap().matches(&pod);
        assert!(holds("app=a,tier in (web,db),!gone"));
        assert!(holds("app!=b,tier"));
        assert!(!holds("app=a,tier notin (web)"));
        assert!(!holds("gone"));
    }

    #[test]
    fn a_field_that_is_not_indexed_cannot_be_selected_by() {
        let refusal = Selector::new("azureidentities.aadpodidentity.k8s.io", true, None, Some("spec.x=1")).unwrap_err();
        assert_eq!((refusal.code, refusal.message.as_str()), (400, "field label not supported: spec.x"));
        let pod = json!({"spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        assert!(Selector::new("pods", false, None, Some("spec.nodeName=n,status.phase!=Failed")).unwrap().matches(&pod));
    }
}
