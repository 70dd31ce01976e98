//! Answers reviews: who am I, may I, whose token is this. Stores nothing.

use super::authentication;
use super::facts::Facts;
use super::rbac::{self, Attributes};
use super::status::Cause;
use super::store::{Store, now};
use super::user::User;
use serde_json::{Value, json};

/// Answers a review. `kind` is the kind's name in the catalog.
pub fn answer(store: &Store, facts: &Facts, user: &User, kind: &str, mut review: Value) -> Value {
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    review["status"] = match kind {
        "SelfSubjectReview" => {
            review["metadata"]["creationTimestamp"] = json!(now());
            json!({"userInfo": user.json()})
        }
        "SelfSubjectAccessReview" => access(store, user, &review["spec"]),
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let groups = review["spec"]["groups"].as_array().into_iter().flatten().filter_map(|g| Some(g.as_str()?.to_owned())).collect();
            let name = review["spec"]["user"].as_str().unwrap_or_default().to_owned();
            let other = User { name, uid: String::new(), groups, extra: Value::Null };
            access(store, &other, &review["spec"])
        }
        "SelfSubjectRulesReview" => {
            let namespace = review["spec"]["namespace"].as_str().unwrap_or_default().to_owned();
            // The server answers with a new object that repeats nothing of the request.
            review["metadata"] = json!({});
            review["spec"] = json!({});
            rules(store, user, &namespace)
        }
        "TokenReview" => {
            let mut audiences: Vec<String> =
                review["spec"]["audiences"].as_array().into_iter().flatten().filter_map(|a| Some(a.as_str()?.to_owned())).collect();
            if audiences.is_empty() {
                audiences = facts.issuer.accepted();
            }
            let token = review["spec"]["token"].as_str().unwrap_or_default();
            match authentication::token_user(store, facts, token, &audiences) {
                Some((found, audiences_of_token)) => json!({"authenticated": true, "user": found.json(), "audiences": audiences_of_token}),
                None => json!({"user": {}, "error": "[invalid bearer token, unknown]"}),
            }
        }
        _ => json!({}),
    };
    review
}

/// Returns the causes that make a review invalid.
pub fn causes(review: &Value) -> Vec<Cause> {
    let spec = &review["spec"];
    let asked = ["resourceAttributes", "nonResourceAttributes"].iter().filter(|name| spec[**name].is_object()).count();
    if !review["kind"].as_str().is_some_and(|kind| kind.ends_with("AccessReview")) || asked == 1 {
        return Vec::new();
    }
    let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    vec![Cause::invalid("spec.resourceAttributes", &spec["resourceAttributes"], why)]
}

fn access(store: &Store, user: &User, spec: &Value) -> Value {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let resource = &spec["resourceAttributes"];
    let attributes = if resource.is_object() {
        Attributes {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            name: text(resource, "name"),
            namespace: text(resource, "namespace"),
            path: String::new(),
        }
    } else {
        let other = &spec["nonResourceAttributes"];
        Attributes { verb: text(other, "verb"), path: text(other, "path"), ..Attributes::default() }
    };
    json!({"allowed": rbac::allows(store, user, &attributes)})
}

fn rules(store: &Store, user: &User, namespace: &str) -> Value {
    let mut all = rbac::rules(store, user, namespace);
    if user.groups.iter().any(|g| g == "system:masters") {
        all.insert(0, json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        all.insert(1, json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    let (paths, resources): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|r| r["nonResourceURLs"].is_array());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}
