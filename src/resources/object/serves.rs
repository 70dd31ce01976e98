//! Whether a role or a binding that somebody else made gives what is wanted, and perhaps more.

use super::{
    head::{head, text},
    rbac::GROUP,
};
use serde_json::Value;

/// Returns whether an object does what a manifest asks for, however it is written. Kinds that are not known here never do.
pub(super) fn serves(wanted: &Value, live: &Value) -> bool {
    let Ok(head) = head(wanted) else { return false };
    if head.group != GROUP {
        return false;
    }
    match head.kind {
        "Role" | "ClusterRole" => list(wanted, "/rules").all(|rule| list(live, "/rules").any(|there| allows(there, rule))),
        "RoleBinding" | "ClusterRoleBinding" => {
            let leads = |object: &Value| [text(object, "/roleRef/kind"), text(object, "/roleRef/name")].map(|one| one.map(str::to_owned));
            let subjects = list(wanted, "/subjects");
            leads(wanted) == leads(live) && { subjects }.all(|subject| list(live, "/subjects").any(|there| is_of(there, subject)))
        }
        _ => false,
    }
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Whether one rule allows all that another one allows. Names of resources narrow a rule.
fn allows(there: &Value, wanted: &Value) -> bool {
    let has = |field: &str| list(wanted, field).all(|word| list(there, field).any(|known| known == word || known == "*"));
    let narrower = |field: &str| there.get(field).is_some_and(|names| names.as_array().is_some_and(|names| !names.is_empty()));
    ["/apiGroups", "/resources", "/verbs"].into_iter().all(has) && !narrower("resourceNames")
}

/// Whether a subject of a binding includes another one: the same one, or a group of its service accounts.
fn is_of(there: &Value, wanted: &Value) -> bool {
    let part = |object: &Value, name: &str| text(object, name).unwrap_or_default().to_owned();
    let same = |name: &str| part(there, name) == part(wanted, name);
    if part(there, "/kind") == "Group" && part(wanted, "/kind") == "ServiceAccount" {
        let name = part(there, "/name");
        let own = name.strip_prefix("system:serviceaccounts:").is_some_and(|namespace| namespace == part(wanted, "/namespace"));
        return own || name == "system:serviceaccounts";
    }
    ["/kind", "/name", "/namespace"].into_iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn role(rules: Value) -> Value {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "r" }, "rules": rules })
    }

    fn binding(role: &str, subjects: Value) -> Value {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "b" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role }, "subjects": subjects })
    }

    #[test]
    fn a_role_with_more_rules_serves_and_one_that_is_narrower_does_not() {
        let rule = json!({ "apiGroups": ["g"], "resources": ["a"], "verbs": ["use"] });
        let wanted = role(json!([rule]));
        assert!(serves(&wanted, &role(json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }, rule]))));
        assert!(serves(&wanted, &role(json!([{ "apiGroups": ["g"], "resources": ["*"], "verbs": ["use", "get"] }]))));
        assert!(!serves(&wanted, &role(json!([{ "apiGroups": ["g"], "resources": ["b"], "verbs": ["use"] }]))));
        let named = json!({ "apiGroups": ["g"], "resources": ["a"], "verbs": ["use"], "resourceNames": ["x"] });
        assert!(!serves(&wanted, &role(json!([named]))));
    }

    #[test]
    fn a_binding_with_more_subjects_or_their_group_serves_and_one_of_another_role_does_not() {
        let web = json!({ "kind": "ServiceAccount", "namespace": "shop", "name": "web" });
        let wanted = binding("r", json!([web]));
        let other = json!({ "kind": "ServiceAccount", "namespace": "shop", "name": "api" });
        assert!(serves(&wanted, &binding("r", json!([other, web]))));
        assert!(serves(&wanted, &binding("r", json!([{ "kind": "Group", "name": "system:serviceaccounts:shop" }]))));
        assert!(!serves(&wanted, &binding("r", json!([other]))));
        assert!(!serves(&wanted, &binding("other", json!([web]))));
    }

    #[test]
    fn other_kinds_are_compared_by_the_server() {
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": {} });
        assert!(!serves(&map, &map));
    }
}
