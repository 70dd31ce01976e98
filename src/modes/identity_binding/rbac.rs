//! What allows a service account to use a managed identity through the cluster's proxy.

use crate::{
    chain::texts::field,
    cluster::Api,
    engine::{fault::Fault, input::Input},
    modes::accounts::PROXY_ROLE,
    resources::manifest::{at, manifest},
};
use serde_json::{Value, json};

/// The API group of the proxy, whose resources are client ids.
const GROUP: &str = "cid.wi.aks.azure.com";
const RBAC: &str = "rbac.authorization.k8s.io";
/// The longest name of an object.
const LONGEST: usize = 253;

/// The ClusterRole and its binding.
pub(super) fn manifests(namespace: &str, account: &str, client_id: &Input<String>) -> Result<[Value; 2], Fault> {
    let name = name(namespace, account);
    let frame = |kind: &str, plural: &str| manifest(&at(&Api::new(RBAC, "v1", kind, plural), None, &name), "", false, &[], None);
    let mut role = frame("ClusterRole", "clusterroles");
    role["rules"] = json!([{ "apiGroups": [GROUP], "resources": [serde_json::to_value(client_id)?], "verbs": ["use-managed-identity"] }]);
    let mut binding = frame("ClusterRoleBinding", "clusterrolebindings");
    binding["roleRef"] = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": name });
    binding["subjects"] = json!([{ "kind": "ServiceAccount", "name": account, "namespace": namespace }]);
    Ok([role, binding])
}

/// The name of a ClusterRoleBinding that lets a service account (namespace and name) use an identity.
pub(super) fn allowing<'a>(roles: &[Value], bindings: &'a [Value], account: (&str, &str), client_id: &str) -> Option<&'a str> {
    let has = |rule: &Value, field: &str, wanted: &str| {
        let words = rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        words.into_iter().any(|word| word == "*" || word.eq_ignore_ascii_case(wanted))
    };
    let allows = |role: &Value| {
        let rules = role.get("rules").and_then(Value::as_array).into_iter().flatten();
        rules
            .into_iter()
            .any(|rule| has(rule, "apiGroups", GROUP) && has(rule, "resources", client_id) && has(rule, "verbs", "use-managed-identity"))
    };
    let is_subject = |subject: &Value| match field(subject, "/kind") {
        "ServiceAccount" => (field(subject, "/namespace"), field(subject, "/name")) == account,
        "Group" => {
            let name = field(subject, "/name");
            let of_namespace = name.strip_prefix("system:serviceaccounts:").is_some_and(|namespace| namespace == account.0);
            of_namespace || name == "system:serviceaccounts" || name == "system:authenticated"
        }
        _ => false,
    };
    let fits = |binding: &&Value| {
        let mut subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
        let role = roles.iter().find(|role| field(role, "/metadata/name") == field(binding, "/roleRef/name"));
        subjects.any(is_subject) && role.is_some_and(allows)
    };
    bindings.iter().find(fits).map(|binding| field(binding, "/metadata/name"))
}

/// One for each service account, so that an app which goes takes only its own right along.
fn name(namespace: &str, account: &str) -> String {
    let name = format!("{PROXY_ROLE}{namespace}-{account}");
    if name.len() <= LONGEST {
        return name;
    }
    format!("{PROXY_ROLE}{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_names_the_client_id_and_the_binding_the_service_account() {
        let [role, binding] = manifests("shop", "web", &Input::Known("c".into())).unwrap();
        assert_eq!(role["rules"][0]["resources"], json!(["c"]));
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"][0], json!({ "kind": "ServiceAccount", "name": "web", "namespace": "shop" }));
        assert!(
            manifests(&"n".repeat(63), &"s".repeat(253), &Input::Known("c".into())).unwrap()[0]["metadata"]["name"].as_str().unwrap().len()
                <= 253
        );
    }
}
