//! Prevents privilege escalation: who writes a role must hold its rules, and who binds a role must hold the rules of that role, unless they
//! have the verbs `escalate` or `bind` (kubernetes, `pkg/registry/rbac`). Reads the store.

use super::call::Call;
use super::rbac::{self, Attributes};
use super::status::{Outcome, Refusal};
use super::store::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Checks a new or changed role or binding. `old` is null for a new object.
pub fn check(store: &Store, call: &Call, old: &Value, new: &Value) -> Outcome<()> {
    let Some(user) = call.user.as_ref().filter(|_| call.resource.group == "rbac.authorization.k8s.io") else { return Ok(()) };
    let namespace = call.namespace.as_deref().unwrap_or_default();
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    let roles = matches!(call.resource.kind.as_str(), "Role" | "ClusterRole");
    let same = if roles { old["rules"] == new["rules"] } else { old["roleRef"] == new["roleRef"] && old["subjects"] == new["subjects"] };
    if !old.is_null() && same {
        return Ok(());
    }
    let (verb, plural, of) = if roles {
        ("escalate", call.resource.plural.as_str(), name)
    } else {
        let plural = if new["roleRef"]["kind"] == "Role" { "roles" } else { "clusterroles" };
        ("bind", plural, new["roleRef"]["name"].as_str().unwrap_or_default())
    };
    let attributes = Attributes {
        verb: verb.into(),
        group: call.resource.group.clone(),
        resource: plural.into(),
        name: of.into(),
        namespace: namespace.into(),
        ..Attributes::default()
    };
    if rbac::allows(store, user, &attributes) {
        return Ok(());
    }
    let role = || {
        let at = if plural == "roles" { namespace } else { "" };
        store.get(&format!("{plural}.rbac.authorization.k8s.io/{at}/{of}"))
    };
    let rules = if roles { &new["rules"] } else { role().map_or(&Value::Null, |role| &role["rules"]) };
    let missing: Vec<Attributes> =
        all_attributes(rules, namespace).into_iter().filter(|attributes| !rbac::allows(store, user, attributes)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|g| json!(g).to_string()).collect();
    let why = format!(
        "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        json!(user.name),
        groups.join(" "),
        shown(&missing).join("\n")
    );
    Err(Refusal::forbidden(call.resource.about(), name, &why))
}

/// Returns every single permission that rules grant.
fn all_attributes(rules: &Value, namespace: &str) -> Vec<Attributes> {
    let list = |rule: &Value, name: &str| -> Vec<String> {
        rule[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut out = Vec::new();
    for rule in rules.as_array().into_iter().flatten() {
        for verb in list(rule, "verbs") {
            out.extend(list(rule, "nonResourceURLs").into_iter().map(|path| Attributes {
                verb: verb.clone(),
                path,
                ..Attributes::default()
            }));
            for group in list(rule, "apiGroups") {
                for resource in list(rule, "resources") {
                    let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
                    let mut names = list(rule, "resourceNames");
                    if names.is_empty() {
                        names.push(String::new());
                    }
                    out.extend(names.into_iter().map(|name| Attributes {
                        verb: verb.clone(),
                        group: group.clone(),
                        resource: resource.to_owned(),
                        subresource: subresource.to_owned(),
                        name,
                        namespace: namespace.to_owned(),
                        path: String::new(),
                    }));
                }
            }
        }
    }
    out
}

/// Returns one line for each resource, sorted.
fn shown(missing: &[Attributes]) -> Vec<String> {
    let mut verbs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for attributes in missing {
        let resource = if attributes.subresource.is_empty() {
            attributes.resource.clone()
        } else {
            format!("{}/{}", attributes.resource, attributes.subresource)
        };
        let what = if attributes.resource.is_empty() {
            format!("NonResourceURLs:[{}]", json!(attributes.path))
        } else if attributes.name.is_empty() {
            format!("APIGroups:[{}], Resources:[{}]", json!(attributes.group), json!(resource))
        } else {
            format!("APIGroups:[{}], Resources:[{}], ResourceNames:[{}]", json!(attributes.group), json!(resource), json!(attributes.name))
        };
        verbs.entry(what).or_default().push(json!(attributes.verb).to_string());
    }
    verbs.into_iter().map(|(what, verbs)| format!("{{{what}, Verbs:[{}]}}", verbs.join(" "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_permissions_are_one_line_for_each_resource() {
        let rules = json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}]);
        let lines = shown(&all_attributes(&rules, "a"));
        assert_eq!(lines[0], r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#);
        assert_eq!(lines.len(), 2);
    }
}
