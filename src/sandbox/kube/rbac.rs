//! Decides whether a user may do something: roles and bindings as the RBAC authorizer reads them (kubernetes, `plugin/pkg/auth/authorizer/rbac`).

use super::status::{About, Refusal};
use super::store::Store;
use super::user::User;
use serde_json::Value;

/// What a user wants to do, as the authorizer sees it.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pub verb: String,
    pub group: String,
    /// Empty for a path that is not a resource.
    pub resource: String,
    pub subresource: String,
    pub name: String,
    /// Empty for the whole cluster.
    pub namespace: String,
    pub path: String,
}

impl Attributes {
    fn resource_path(&self) -> String {
        if self.subresource.is_empty() { self.resource.clone() } else { format!("{}/{}", self.resource, self.subresource) }
    }
    /// Returns the 403 of this request.
    pub fn refusal(&self, user: &User) -> Refusal {
        if self.resource.is_empty() {
            let message = format!("forbidden: User {:?} cannot {} path {:?}", user.name, self.verb, self.path);
            return Refusal { details: serde_json::json!({}), ..Refusal::new(403, "Forbidden", message) };
        }
        let place =
            if self.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace {:?}", self.namespace) };
        let why =
            format!("User {:?} cannot {} resource {:?} in API group {:?} {place}", user.name, self.verb, self.resource_path(), self.group);
        Refusal::forbidden(About { group: &self.group, plural: &self.resource }, &self.name, &why)
    }
}

pub fn allows(store: &Store, user: &User, attributes: &Attributes) -> bool {
    if user.groups.iter().any(|g| g == "system:masters") {
        return true;
    }
    rules(store, user, &attributes.namespace).iter().any(|rule| covers(rule, attributes))
}

/// Returns all rules that apply to a user in a namespace (empty: cluster-wide).
pub fn rules(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let mut add = |binding: &Value, at: &str| {
        let bound = binding["subjects"].as_array().into_iter().flatten().any(|s| includes(s, user, at));
        if !bound {
            return;
        }
        let name = binding["roleRef"]["name"].as_str().unwrap_or_default();
        let role = if binding["roleRef"]["kind"] == "Role" {
            store.get(&format!("roles.rbac.authorization.k8s.io/{at}/{name}"))
        } else {
            store.get(&format!("clusterroles.rbac.authorization.k8s.io//{name}"))
        };
        out.extend(role.and_then(|r| r["rules"].as_array()).into_iter().flatten().cloned());
    };
    store.with_prefix("clusterrolebindings.rbac.authorization.k8s.io//").for_each(|(_, binding)| add(binding, ""));
    if !namespace.is_empty() {
        store.with_prefix(&format!("rolebindings.rbac.authorization.k8s.io/{namespace}/")).for_each(|(_, binding)| add(binding, namespace));
    }
    out
}

fn includes(subject: &Value, user: &User, at: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => name == "*" || name == user.name,
        Some("Group") => user.groups.iter().any(|g| g == name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().filter(|n| !n.is_empty()).unwrap_or(at);
            user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

fn covers(rule: &Value, attributes: &Attributes) -> bool {
    let has = |list: &str, wanted: &str| {
        rule[list].as_array().is_some_and(|all| all.iter().filter_map(Value::as_str).any(|one| one == "*" || one == wanted))
    };
    if attributes.resource.is_empty() {
        let paths = rule["nonResourceURLs"].as_array().cloned().unwrap_or_default();
        let fits = |path: &str| path == attributes.path || path.strip_suffix('*').is_some_and(|start| attributes.path.starts_with(start));
        return has("verbs", &attributes.verb) && paths.iter().filter_map(Value::as_str).any(fits);
    }
    let resource = attributes.resource_path();
    let any_sub = format!("*/{}", attributes.subresource);
    let named =
        rule["resourceNames"].as_array().is_none_or(|names| names.is_empty() || names.iter().any(|n| *n == attributes.name.as_str()));
    has("verbs", &attributes.verb)
        && has("apiGroups", &attributes.group)
        && (has("resources", &resource) || (!attributes.subresource.is_empty() && has("resources", &any_sub)))
        && named
}

#[cfg(test)]
mod tests {
    use super::super::store::State;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_role_reaches_only_its_namespace() {
        let mut store = Store::new(State::default());
        store.put(
            "roles.rbac.authorization.k8s.io/a/r",
            json!({"metadata": {}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        );
        let binding =
            json!({"metadata": {}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]});
        store.put("rolebindings.rbac.authorization.k8s.io/a/b", binding);
        let user = User { name: "system:serviceaccount:a:s".into(), uid: String::new(), groups: Vec::new(), extra: Value::Null };
        let attributes = |verb: &str, namespace: &str| Attributes {
            verb: verb.into(),
            resource: "pods".into(),
            name: "p".into(),
            namespace: namespace.into(),
            ..Attributes::default()
        };
        assert!(allows(&store, &user, &attributes("get", "a")));
        assert!(!allows(&store, &user, &attributes("list", "a")));
        assert!(!allows(&store, &user, &attributes("get", "b")));
        assert_eq!(
            attributes("get", "b").refusal(&user).message,
            "pods \"p\" is forbidden: User \"system:serviceaccount:a:s\" cannot get resource \"pods\" in API group \"\" in the namespace \"b\""
        );
    }
}
