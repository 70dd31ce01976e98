//! Exceptions of the pod identity add-on: `podIdentityProfile.userAssignedIdentityExceptions` of a managed cluster. Only the one that is
//! meant is changed; all others go back as they were read.

use super::{ArmId, Error, Result, Write, cluster_settings::change, pod_identities::complete};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pods of the namespace with any one of the labels get tokens from the node, as if there were no NMI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodException {
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

const PROFILE: &str = "/properties/podIdentityProfile";
const LIST: &str = "userAssignedIdentityExceptions";

impl PodException {
    fn of(entry: &Value) -> Self {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let labels = entry["podLabels"].as_object().into_iter().flatten();
        Self {
            namespace: text("namespace"),
            name: text("name"),
            labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        }
    }

    fn document(&self) -> Value {
        json!({ "name": self.name, "namespace": self.namespace, "podLabels": self.labels })
    }

    fn has_name_of(&self, other: &Self) -> bool {
        self.namespace == other.namespace && self.name == other.name
    }
}

/// Whether the add-on is on, as a cluster's document says.
pub fn is_on(document: &Value) -> bool {
    document.pointer(PROFILE).is_some_and(|profile| profile["enabled"] == true)
}

/// Returns the exceptions of a cluster's document.
pub fn exceptions(document: &Value) -> Vec<PodException> {
    let all = document.pointer(PROFILE).and_then(|profile| profile[LIST].as_array());
    all.into_iter().flatten().map(PodException::of).collect()
}

impl Write {
    /// Adds an exception, or changes the one of its name. Returns false if there is no such cluster.
    pub async fn put_pod_exception(&self, cluster: &ArmId, wanted: &PodException) -> Result<bool> {
        let edit = |document: &mut Value| set(document, wanted);
        self.call(change(&self.core.arm, &self.patience, cluster, edit)).await.map(|document| document.is_some())
    }

    pub async fn delete_pod_exception(&self, cluster: &ArmId, exception: &PodException) -> Result<()> {
        let edit = |document: &mut Value| Ok(remove(document, exception));
        self.call(change(&self.core.arm, &self.patience, cluster, edit)).await.map(drop)
    }
}

/// Puts an exception into a document, in the place of all of its name. Returns whether it changes.
fn set(document: &mut Value, wanted: &PodException) -> Result<bool> {
    if !is_on(document) {
        return Err(Error::NotDone {
            message: "the pod identity add-on was turned off meanwhile".to_owned(),
            way_out: "Run the same command again: the exception then becomes an object of the cluster.".to_owned(),
        });
    }
    let of_name: Vec<PodException> = exceptions(document).into_iter().filter(|one| one.has_name_of(wanted)).collect();
    if of_name == [wanted.clone()] {
        return Ok(false);
    }
    remove(document, wanted);
    let Some(profile) = document.pointer_mut(PROFILE) else { return Ok(false) };
    match profile[LIST].as_array_mut() {
        Some(list) => list.push(wanted.document()),
        None => profile[LIST] = json!([wanted.document()]),
    }
    complete(document);
    Ok(true)
}

/// Takes the exceptions of a name out of a document. Returns whether it changes.
fn remove(document: &mut Value, exception: &PodException) -> bool {
    let Some(list) = document.pointer_mut(PROFILE).and_then(|profile| profile.get_mut(LIST)?.as_array_mut()) else { return false };
    let before = list.len();
    list.retain(|entry| !PodException::of(entry).has_name_of(exception));
    let changes = list.len() != before;
    if changes {
        complete(document);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(label: &str) -> PodException {
        PodException { namespace: "shop".into(), name: "agents".into(), labels: [("app".to_owned(), label.to_owned())].into() }
    }

    #[test]
    fn only_the_exception_of_its_name_is_changed() {
        let other = json!({ "name": "agents", "namespace": "other", "podLabels": { "a": "b" }, "unknown": 1 });
        let mut document = json!({ "properties": { "podIdentityProfile": { "enabled": true, "userAssignedIdentities": [{ "name": "i" }],
            "userAssignedIdentityExceptions": [other] } } });
        assert!(set(&mut document, &wanted("x")).unwrap());
        assert!(!set(&mut document, &wanted("x")).unwrap(), "a second time nothing changes");
        assert!(set(&mut document, &wanted("y")).unwrap());
        assert_eq!(exceptions(&document)[1], wanted("y"));
        assert!(remove(&mut document, &wanted("z")), "its labels do not matter");
        assert!(!remove(&mut document, &wanted("z")));
        let profile = &document["properties"]["podIdentityProfile"];
        assert_eq!((&profile[LIST], &profile["userAssignedIdentities"]), (&json!([other]), &json!([{ "name": "i" }])));
    }

    #[test]
    fn the_first_exception_makes_the_list_and_an_add_on_that_is_off_gets_none() {
        let mut document = json!({ "properties": { "podIdentityProfile": { "enabled": true } } });
        assert!(set(&mut document, &wanted("x")).unwrap());
        assert_eq!(exceptions(&document), [wanted("x")]);
        let mut off = json!({ "properties": {} });
        assert!(matches!(set(&mut off, &wanted("x")), Err(Error::NotDone { .. })) && !remove(&mut off, &wanted("x")));
    }
}
