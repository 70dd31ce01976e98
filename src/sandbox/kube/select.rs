//! Label selectors and field selectors. Has the list of fields that each kind can be selected by; does not use the store.

mod labels;

use super::status::{Outcome, Refusal};
use labels::Requirement;
use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

impl Selector {
    /// Parses both selectors. `qualified` is `plural.group`; `custom` is true for the kind of a CRD.
    pub fn new(qualified: &str, custom: bool, labels: Option<&str>, fields: Option<&str>) -> Outcome<Self> {
        let labels = labels::parse(labels.unwrap_or_default()).map_err(Refusal::bad_request)?;
        let fields = parse_fields(qualified, custom, fields.unwrap_or_default())?;
        Ok(Self { labels, fields })
    }
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|r| r.holds(labels))
            && self.fields.iter().all(|(path, equal, wanted)| (field(object, path) == *wanted) == *equal)
    }
}

/// Returns a field as a selector compares it; an absent field is empty.
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
            // Some kinds have a conversion with its own message; all others share one.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_terms_of_a_label_selector_must_match() {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "web"}}});
        let holds = |text: &str| Selector::new("pods", false, Some(text), None).unwrap().matches(&pod);
        assert!(holds("app=a,tier in (web,db),!gone"));
        assert!(holds("app!=b,tier"));
        assert!(!holds("app=a,tier notin (web)"));
        assert!(!holds("gone"));
    }

    #[test]
    fn a_field_without_an_index_cannot_be_selected_by() {
        let refusal = Selector::new("azureidentities.aadpodidentity.k8s.io", true, None, Some("spec.x=1")).unwrap_err();
        assert_eq!((refusal.code, refusal.message.as_str()), (400, "field label not supported: spec.x"));
        let pod = json!({"spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        assert!(Selector::new("pods", false, None, Some("spec.nodeName=n,status.phase!=Failed")).unwrap().matches(&pod));
    }
}
