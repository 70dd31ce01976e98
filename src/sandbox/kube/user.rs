//! A user as the API server sees it: name, uid, groups and extra attributes.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Value,
}

impl User {
    pub fn admin() -> Self {
        Self {
            name: "masterclient".into(),
            uid: String::new(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            extra: Value::Null,
        }
    }
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".into(), uid: String::new(), groups: vec!["system:unauthenticated".into()], extra: Value::Null }
    }
    pub fn account(namespace: &str, name: &str, uid: &str, extra: Value) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".into()],
            extra,
        }
    }
    pub fn json(&self) -> Value {
        let mut out = json!({"username": self.name});
        if !self.uid.is_empty() {
            out["uid"] = json!(self.uid);
        }
        out["groups"] = json!(self.groups);
        if !self.extra.is_null() {
            out["extra"] = self.extra.clone();
        }
        out
    }
}
