//! Fields of a Kubernetes object that another manager owns with another value: both values, and the flag that decides.

use crate::engine::{fault::Fault, resource::Change};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// As the server writes it: `.spec.selector`.
    pub field: String,
    pub manager: String,
    pub live: Value,
    pub wanted: Value,
}

impl Conflict {
    /// Adds the values to what the server reported.
    pub fn all(reported: Vec<(String, String)>, live: &Value, wanted: &Value) -> Vec<Self> {
        let value = |root: &Value, field: &str| at(root, field).cloned().unwrap_or_default();
        let one = |(field, manager): (String, String)| Self { live: value(live, &field), wanted: value(wanted, &field), field, manager };
        reported.into_iter().map(one).collect()
    }

    pub fn change(&self) -> Change {
        Change { field: format!("{} (owned by {})", self.field, self.manager), from: self.live.clone(), to: self.wanted.clone() }
    }
}

/// The value at a path such as `.spec.parameters.keyvaultName`; names may have dots themselves.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Some(value);
    }
    let rest = |name: &str| path.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('.')).map(str::to_owned);
    let (name, rest) = value.as_object()?.keys().filter_map(|name| Some((name, rest(name)?))).max_by_key(|(name, _)| name.len())?;
    at(value.get(name)?, &rest)
}

/// `.spec.selector is owned by kubectl-edit (there: theirs, podid's: mine)`, for each.
pub fn reason(conflicts: &[Conflict]) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    };
    let one = |c: &Conflict| format!("{} is owned by {} (there: {}, podid's: {})", c.field, c.manager, text(&c.live), text(&c.wanted));
    format!("others changed what podid set: {}", conflicts.iter().map(one).collect::<Vec<_>>().join(", "))
}

pub fn way_out(mine: bool) -> String {
    if mine {
        "Overwrite the fields with `--force-conflicts`, or change the spec to the current values.".to_owned()
    } else {
        "Take it over as it is wanted with `--adopt`, or choose another name.".to_owned()
    }
}

/// The refusal of a write that met them.
pub fn fault(conflicts: &[Conflict], mine: bool) -> Fault {
    Fault::refused(reason(conflicts), way_out(mine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_values_are_found_also_under_names_with_dots() {
        let live =
            json!({ "metadata": { "labels": { "app.kubernetes.io/name": "theirs" } }, "spec": { "selector": "theirs", "list": [1] } });
        let wanted = json!({ "metadata": { "labels": { "app.kubernetes.io/name": "mine" } }, "spec": { "selector": "mine" } });
        let fields = [".metadata.labels.app.kubernetes.io/name", ".spec.selector", ".spec.list"];
        let reported = fields.iter().map(|f| ((*f).to_owned(), "kubectl-edit".to_owned())).collect();
        let conflicts = Conflict::all(reported, &live, &wanted);
        let values: Vec<_> = conflicts.iter().map(|c| (c.live.clone(), c.wanted.clone())).collect();
        assert_eq!(values, [(json!("theirs"), json!("mine")), (json!("theirs"), json!("mine")), (json!([1]), Value::Null)]);
        assert_eq!(
            reason(&conflicts[1..2]),
            "others changed what podid set: .spec.selector is owned by kubectl-edit (there: theirs, podid's: mine)"
        );
    }
}
