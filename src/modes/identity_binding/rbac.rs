//! What allows a service account to use a managed identity through the cluster's proxy.

use crate::{
    chain::texts::field,
    cluster::Api,
    engine::{fault::Fault, input::Input, ledger::Ledger, resource::Kind as _},
    modes::accounts::PROXY_ROLE,
    resources::{
        manifest::{at, manifest},
        object::{self, Object},
        service_account::ServiceAccount,
    },
};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// The API group of the proxy, whose resources are client ids.
const GROUP: &str = "cid.wi.aks.azure.com";
const RBAC: &str = "rbac.authorization.k8s.io";
/// The longest name of an object.
const LONGEST: usize = 253;

/// Names that the ClusterRole and its binding have in the place of the usual one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    pub role: Option<String>,
    pub binding: Option<String>,
}

/// The ClusterRole and its binding.
pub(super) fn manifests(names: &Names, namespace: &str, account: &str, client_id: &Input<String>) -> Result<[Value; 2], Fault> {
    let usual = name(namespace, account);
    let (name, bound) = (names.role.as_ref().unwrap_or(&usual), names.binding.as_ref().unwrap_or(&usual));
    let frame = |kind: &str, plural: &str, name: &str| manifest(&at(&Api::new(RBAC, "v1", kind, plural), None, name), "", false, &[], None);
    let mut role = frame("ClusterRole", "clusterroles", name);
    role["rules"] = json!([{ "apiGroups": [GROUP], "resources": [serde_json::to_value(client_id)?], "verbs": ["use-managed-identity"] }]);
    let mut binding = frame("ClusterRoleBinding", "clusterrolebindings", bound);
    binding["roleRef"] = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": name });
    binding["subjects"] = json!([{ "kind": "ServiceAccount", "name": account, "namespace": namespace }]);
    Ok([role, binding])
}

/// The names that the objects of a service account have in the state; None: it has no such objects.
pub(super) fn recalled(ledger: &Ledger, app: &str, account: &ServiceAccount) -> Result<Option<Names>, Fault> {
    let usual = name(&account.namespace, &account.name);
    for entry in ledger.of_app(app).filter(|entry| entry.kind == Object::KIND) {
        let object = Object::deserialize(&*entry.placed)?;
        let manifest = &object.manifest;
        let subjects = manifest.pointer("/subjects").and_then(Value::as_array).into_iter().flatten();
        let is_of = |subject: &Value| (field(subject, "/namespace"), field(subject, "/name")) == (&account.namespace, &account.name);
        let is_in = object.target.name.eq_ignore_ascii_case(&account.target.name);
        if !is_in || field(manifest, "/kind") != "ClusterRoleBinding" || !{ subjects }.any(is_of) {
            continue;
        }
        let own = |name: &str| Some(name.to_owned()).filter(|name| *name != usual);
        let names = Names { role: own(field(manifest, "/roleRef/name")), binding: own(field(manifest, "/metadata/name")) };
        let role = ledger.get(
            app,
            &object::key(&object.target.name, &manifests(&names, &account.namespace, &account.name, &Input::Known(String::new()))?[0])?,
        );
        let allows = |role: &Object| role.manifest.pointer("/rules/0/apiGroups/0").is_some_and(|group| group == GROUP);
        if role.and_then(|entry| Object::deserialize(&*entry.placed).ok()).is_some_and(|role| allows(&role)) {
            return Ok(Some(names));
        }
    }
    Ok(None)
}

/// The names of a ClusterRole and of the ClusterRoleBinding by which a service account (namespace and name) may use an identity.
pub(super) fn allowing<'a>(roles: &[Value], bindings: &'a [Value], account: (&str, &str), client_id: &str) -> Option<[&'a str; 2]> {
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
    bindings.iter().find(fits).map(|binding| [field(binding, "/roleRef/name"), field(binding, "/metadata/name")])
}

/// One for each service account, so that an app which goes takes only its own right along.
pub(super) fn name(namespace: &str, account: &str) -> String {
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
        let [role, binding] = manifests(&Names::default(), "shop", "web", &Input::Known("c".into())).unwrap();
        assert_eq!(role["rules"][0]["resources"], json!(["c"]));
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["subjects"][0], json!({ "kind": "ServiceAccount", "name": "web", "namespace": "shop" }));
        assert!(
            manifests(&Names::default(), &"n".repeat(63), &"s".repeat(253), &Input::Known("c".into())).unwrap()[0]["metadata"]["name"]
                .as_str()
                .unwrap()
                .len()
                <= 253
        );
    }
}
