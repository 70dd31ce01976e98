//! What an apply would make of an object, without asking the server: for who may only read, or must send nothing but reads. It knows no
//! defaults, no webhooks and no rules of lists beyond the usual keys; a server's dry run knows all of these.

use super::{
    compare::holds,
    conflict::Conflict,
    outlook::{Outlook, Terms},
};
use crate::cluster::FIELD_MANAGER;
use serde_json::{Map, Value};

/// `live` has its managed fields.
pub fn outlook(live: &Value, wanted: &Value, terms: Terms) -> Outlook {
    let conflicts = if terms.force() { Vec::new() } else { conflicts(live, wanted) };
    if conflicts.is_empty() {
        return Outlook::Would { object: merged(live, wanted), taken: None };
    }
    Outlook::Conflicts(Conflict::all(conflicts, live, wanted))
}

/// The object with what is wanted of it. What is in the object and not wanted stays: it may be somebody else's.
fn merged(live: &Value, wanted: &Value) -> Value {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            let mut all: Map<String, Value> = live.clone();
            for (name, value) in wanted {
                let there = live.get(name).unwrap_or(&Value::Null);
                all.insert(name.clone(), merged(there, value));
            }
            Value::Object(all)
        }
        // a list that has all that is wanted may have more
        (Value::Array(_), Value::Array(_)) if holds(live, wanted) => live.clone(),
        _ => wanted.clone(),
    }
}

/// Fields with another value that another manager owns, as the server would report them: the field, and its manager.
fn conflicts(live: &Value, wanted: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    for part in ["metadata", "spec", "data", "rules", "subjects", "roleRef"] {
        let Some(wanted) = wanted.get(part) else { continue };
        differing(live.get(part).unwrap_or(&Value::Null), wanted, &[part], &mut |path| {
            let owns = |entry: &&Value| {
                let fields = path.iter().try_fold(entry.get("fieldsV1")?, |fields, name| fields.get(format!("f:{name}")));
                fields.map(|_| ())
            };
            let others = managers.into_iter().flatten().filter(|entry| entry["manager"] != FIELD_MANAGER);
            let owner = others.into_iter().find(|entry| owns(entry).is_some()).and_then(|entry| entry["manager"].as_str());
            found.extend(owner.map(|owner| (format!(".{}", path.join(".")), owner.to_owned())));
        });
    }
    found
}

fn differing<'a>(live: &Value, wanted: &'a Value, path: &[&'a str], tell: &mut impl FnMut(&[&str])) {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            for (name, value) in wanted {
                let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                differing(live.get(name).unwrap_or(&Value::Null), value, &path, tell);
            }
        }
        // nobody owns a field that is not there
        (Value::Null, _) => {}
        _ if holds(live, wanted) => {}
        _ => tell(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NONE: Terms = Terms { adopt: false, force_conflicts: false, mine: true, local: true };

    fn live() -> Value {
        json!({
            "metadata": { "name": "web", "managedFields": [
                { "manager": "podid", "fieldsV1": { "f:spec": { "f:parameters": { "f:keyvaultName": {} } } } },
                { "manager": "kubectl-edit", "fieldsV1": { "f:spec": { "f:parameters": { "f:usePodIdentity": {} } } } },
            ] },
            "spec": { "parameters": { "keyvaultName": "kv", "usePodIdentity": "false", "more": "x" } },
        })
    }

    #[test]
    fn a_field_of_somebody_else_with_another_value_is_a_conflict() {
        let wanted = json!({ "spec": { "parameters": { "usePodIdentity": "true" } } });
        let Outlook::Conflicts(conflicts) = outlook(&live(), &wanted, NONE) else { panic!("it is kubectl's") };
        assert_eq!((conflicts[0].field.as_str(), conflicts[0].manager.as_str()), (".spec.parameters.usePodIdentity", "kubectl-edit"));
        let Outlook::Would { object, .. } = outlook(&live(), &wanted, Terms { force_conflicts: true, ..NONE }) else { panic!("forced") };
        assert_eq!(object["spec"]["parameters"], json!({ "keyvaultName": "kv", "usePodIdentity": "true", "more": "x" }));
    }

    #[test]
    fn a_field_of_ones_own_is_changed_and_one_that_is_missing_is_added() {
        let wanted = json!({ "spec": { "parameters": { "keyvaultName": "other", "tenantID": "t" } } });
        let Outlook::Would { object, .. } = outlook(&live(), &wanted, NONE) else { panic!("no conflict") };
        assert_eq!(
            (&object["spec"]["parameters"]["keyvaultName"], &object["spec"]["parameters"]["tenantID"]),
            (&json!("other"), &json!("t"))
        );
    }
}
