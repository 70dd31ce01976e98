//! Entries of the pod identity add-on: `podIdentityProfile.userAssignedIdentities` of a managed cluster. Only the entry that is meant is
//! changed; all others go back as they were read.
//! <https://learn.microsoft.com/azure/aks/use-azure-ad-pod-identity>

use super::arm::{self, Arm};
use super::{
    ArmId, Error, Result, Write,
    cluster_settings::change,
    clusters::VERSION,
    failures::absent,
    hosts,
    wait::{OPERATION, Poll, Waiter},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An entry: pods of the namespace with the label `aadpodidbinding: SELECTOR` get the identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodIdentity {
    pub namespace: String,
    pub name: String,
    pub selector: String,
    pub resource_id: String,
    pub client_id: String,
    pub object_id: String,
    /// `Assigned` once the nodes have the identity. Only AKS sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why AKS could not assign it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The code of the refusal because of an identity that the control plane may not assign.
pub const LACKS_OPERATOR: &str = "PodIdentityAddonIdentitiesAssignmentError";
const LIST: &str = "/properties/podIdentityProfile/userAssignedIdentities";

impl PodIdentity {
    fn of(entry: &Value) -> Self {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let owned = |pointer: &str| text(pointer).unwrap_or_default().to_owned();
        Self {
            namespace: owned("/namespace"),
            name: owned("/name"),
            // the default of AKS
            selector: text("/bindingSelector").or_else(|| text("/name")).unwrap_or_default().to_owned(),
            resource_id: owned("/identity/resourceId"),
            client_id: owned("/identity/clientId"),
            object_id: owned("/identity/objectId"),
            state: text("/provisioningState").map(str::to_owned),
            problem: problem(entry),
        }
    }

    fn document(&self) -> Value {
        json!({"name": self.name, "namespace": self.namespace, "bindingSelector": self.selector,
            "identity": {"resourceId": self.resource_id, "clientId": self.client_id, "objectId": self.object_id}})
    }

    fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Whether both lead to the same managed identity.
    pub fn has_identity_of(&self, other: &Self) -> bool {
        self.resource_id.eq_ignore_ascii_case(&other.resource_id)
    }

    /// Whether both say the same, but for what only AKS sets.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.has_identity_of(other)
            && self.selector == other.selector
            && self.client_id.eq_ignore_ascii_case(&other.client_id)
            && self.object_id.eq_ignore_ascii_case(&other.object_id)
    }

    pub fn has_failed(&self) -> bool {
        self.state.as_deref().is_some_and(|state| ["Failed", "Canceled"].iter().any(|bad| state.eq_ignore_ascii_case(bad)))
    }

    /// Whether AKS is still at work on it.
    pub fn is_running(&self) -> bool {
        self.state.as_deref().is_some_and(|state| ["Updating", "Deleting"].iter().any(|word| state.eq_ignore_ascii_case(word)))
    }
}

/// The message of the innermost error that AKS reports of an entry.
fn problem(entry: &Value) -> Option<String> {
    let error = entry.pointer("/provisioningInfo/error/error")?;
    let text = |error: &Value, name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let inner = error.get("details").and_then(Value::as_array).into_iter().flatten().find_map(|detail| text(detail, "message"));
    text(error, "message").or(inner).or_else(|| text(error, "code"))
}

/// Returns the entries of a cluster's document.
pub fn entries(document: &Value) -> Vec<PodIdentity> {
    document.pointer(LIST).and_then(Value::as_array).into_iter().flatten().map(PodIdentity::of).collect()
}

/// Returns the entry of this namespace and name, of a cluster's document.
pub fn entry(document: &Value, namespace: &str, name: &str) -> Option<PodIdentity> {
    entries(document).into_iter().find(|entry| entry.is(namespace, name))
}

impl Write {
    /// Adds an entry, or changes the one of its name, and waits until the nodes have the identity. An entry that leads to another identity is
    /// deleted first, because AKS refuses to retarget it (Azure/AKS#2943).
    pub async fn put_pod_identity(&self, cluster: &ArmId, wanted: &PodIdentity) -> Result<Option<PodIdentity>> {
        self.call(put(&self.core.arm, &self.patience, cluster, wanted)).await
    }

    /// Deletes an entry and waits until AKS has taken the identity off the nodes.
    pub async fn delete_pod_identity(&self, cluster: &ArmId, namespace: &str, name: &str) -> Result<()> {
        self.call(async {
            let keeps = |entry: &PodIdentity| !entry.is(namespace, name);
            change(&self.core.arm, &self.patience, cluster, |document| Ok(retain(document, keeps))).await.map(drop)
        })
        .await
    }
}

async fn put(arm: &Arm, patience: &Waiter, cluster: &ArmId, wanted: &PodIdentity) -> Result<Option<PodIdentity>> {
    let (namespace, name) = (wanted.namespace.as_str(), wanted.name.as_str());
    let keeps = |entry: &PodIdentity| !entry.is(namespace, name) || entry.has_identity_of(wanted);
    change(arm, patience, cluster, |document| Ok(retain(document, keeps))).await?;
    // a role that the control plane just got takes a while to reach AKS (az waits 30 s for it)
    let step = || async {
        match change(arm, patience, cluster, |document| set(document, wanted)).await {
            Err(Error::Refused { code, message, .. }) if code == LACKS_OPERATOR && names(&message, &wanted.resource_id) => {
                let text = "waiting until AKS sees the role Managed Identity Operator of the cluster's control plane";
                Ok(Poll::Wait(text.to_owned()))
            }
            done => done.map(Poll::Done),
        }
    };
    let what = format!("the role Managed Identity Operator of the control plane of {}", cluster.name());
    let Some(document) = patience.until(&what, OPERATION, step).await? else { return Ok(None) };
    assigned(arm, patience, cluster, wanted, document).await.map(Some)
}

fn names(message: &str, id: &str) -> bool {
    message.to_ascii_lowercase().contains(&id.to_ascii_lowercase())
}

/// Takes entries out of a document. Returns whether it changes.
fn retain(document: &mut Value, keeps: impl Fn(&PodIdentity) -> bool) -> bool {
    let Some(list) = document.pointer_mut(LIST).and_then(Value::as_array_mut) else { return false };
    let before = list.len();
    list.retain(|entry| keeps(&PodIdentity::of(entry)));
    let changes = list.len() != before;
    if changes {
        complete(document);
    }
    changes
}

/// Puts an entry into a document, in the place of all of its name. Returns whether it changes. An entry that failed is sent again.
fn set(document: &mut Value, wanted: &PodIdentity) -> Result<bool> {
    let there: Vec<PodIdentity> = entries(document).into_iter().filter(|entry| entry.is(&wanted.namespace, &wanted.name)).collect();
    if let [entry] = there.as_slice()
        && entry.says_the_same(wanted)
        && !entry.has_failed()
    {
        return Ok(false);
    }
    let profile = document.pointer_mut("/properties/podIdentityProfile").and_then(Value::as_object_mut);
    let Some(profile) = profile.filter(|profile| profile.get("enabled") == Some(&Value::Bool(true))) else {
        return Err(Error::NotDone {
            message: "the pod identity add-on was turned off meanwhile".to_owned(),
            way_out: "Run the same command again, which turns it on.".to_owned(),
        });
    };
    let list = profile.entry("userAssignedIdentities").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut() {
        let at = list.iter().position(|entry| PodIdentity::of(entry).is(&wanted.namespace, &wanted.name)).unwrap_or(list.len());
        list.retain(|entry| !PodIdentity::of(entry).is(&wanted.namespace, &wanted.name));
        list.insert(at.min(list.len()), wanted.document());
    }
    complete(document);
    Ok(true)
}

/// Fills in what AKS leaves out of its answers and demands in requests (azure-cli-extensions, `_fill_defaults_for_pod_identity_exceptions`).
pub(super) fn complete(document: &mut Value) {
    let exceptions = document.pointer_mut("/properties/podIdentityProfile/userAssignedIdentityExceptions").and_then(Value::as_array_mut);
    for exception in exceptions.into_iter().flatten().filter_map(Value::as_object_mut) {
        let labels = exception.entry("podLabels").or_insert_with(|| json!({}));
        if labels.is_null() {
            *labels = json!({});
        }
    }
}

/// Waits until AKS reports that the nodes have the identity.
async fn assigned(arm: &Arm, patience: &Waiter, cluster: &ArmId, wanted: &PodIdentity, first: Value) -> Result<PodIdentity> {
    let what = format!("the pod identity {}/{} of the cluster {}", wanted.namespace, wanted.name, cluster.name());
    let mut first = Some(first);
    let step = || {
        let (known, what) = (first.take(), &what);
        async move {
            let document = match known {
                Some(document) => Some(document),
                None => absent(arm.body(cluster, VERSION).await)?.map(|body| arm::parsed(hosts::ARM, &body)).transpose()?,
            };
            let found = document.as_ref().and_then(|document| entry(document, &wanted.namespace, &wanted.name));
            let lost = |message: String| Error::NotDone { message, way_out: "Run the same command again.".to_owned() };
            match found {
                None => Err(lost(format!("{what} was deleted right after it was added"))),
                Some(entry) if entry.has_failed() => {
                    let why = entry.problem.as_deref().unwrap_or("Azure gives no reason");
                    Err(lost(format!("AKS could not assign {what}: {why}")))
                }
                Some(entry) if entry.is_running() => {
                    let state = entry.state.as_deref().unwrap_or_default();
                    Ok(Poll::Wait(format!("waiting until {what} is on the nodes ({state})")))
                }
                Some(entry) => Ok(Poll::Done(entry)),
            }
        }
    };
    patience.until(&what, OPERATION, step).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(identity: &str) -> PodIdentity {
        PodIdentity {
            namespace: "shop".into(),
            name: "web".into(),
            selector: "web".into(),
            resource_id: format!("/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}"),
            client_id: format!("client-{identity}"),
            object_id: format!("object-{identity}"),
            state: None,
            problem: None,
        }
    }

    fn cluster(entries: Value) -> Value {
        json!({"location": "westeurope", "properties": {"dnsPrefix": "aks", "podIdentityProfile": {"enabled": true,
            "userAssignedIdentities": entries, "userAssignedIdentityExceptions": [{"name": "e", "namespace": "n", "podLabels": null}]}}})
    }

    fn foreign() -> Value {
        json!({"name": "web", "namespace": "other", "identity": {"resourceId": "r"}, "provisioningState": "Assigned", "unknown": [1]})
    }

    #[test]
    fn only_the_entry_of_its_namespace_and_name_is_changed() {
        let mut document = cluster(json!([foreign(), {"name": "web", "namespace": "shop", "identity": {"resourceId": "old"}}]));
        assert!(set(&mut document, &wanted("a")).unwrap());
        let list = &document["properties"]["podIdentityProfile"]["userAssignedIdentities"];
        assert_eq!((&list[0], &list[1]["bindingSelector"], list.as_array().unwrap().len()), (&foreign(), &json!("web"), 2));
        assert_eq!(document["properties"]["dnsPrefix"], "aks");
        assert!(!set(&mut document, &wanted("a")).unwrap(), "a second time nothing changes");
    }

    #[test]
    fn several_entries_of_one_name_become_one() {
        let one = wanted("a").document();
        let mut document = cluster(json!([one, foreign(), one]));
        assert!(set(&mut document, &wanted("a")).unwrap());
        let names: Vec<String> = entries(&document).into_iter().map(|entry| entry.namespace).collect();
        assert_eq!(names, ["shop", "other"]);
    }

    #[test]
    fn an_exception_without_labels_gets_the_empty_ones_that_aks_demands() {
        let mut document = cluster(json!([foreign(), wanted("a").document()]));
        assert!(retain(&mut document, |entry| entry.namespace != "shop"));
        let profile = &document["properties"]["podIdentityProfile"];
        assert_eq!(profile["userAssignedIdentities"], json!([foreign()]));
        assert_eq!(profile["userAssignedIdentityExceptions"][0]["podLabels"], json!({}));
        assert!(!retain(&mut document, |entry| entry.namespace != "shop"));
    }

    #[test]
    fn an_entry_that_failed_is_sent_again_and_its_reason_is_read() {
        let mut failed = wanted("a").document();
        failed["provisioningState"] = json!("Failed");
        failed["provisioningInfo"] = json!({"error": {"error": {"code": "X", "message": "no permission", "details": []}}});
        let mut document = cluster(json!([failed]));
        let found = entry(&document, "shop", "web").unwrap();
        assert!(found.has_failed() && found.says_the_same(&wanted("a")));
        assert_eq!(found.problem.as_deref(), Some("no permission"));
        assert!(set(&mut document, &wanted("a")).unwrap());
        assert!(!entry(&document, "shop", "web").unwrap().has_failed());
    }

    #[test]
    fn an_add_on_that_is_off_gets_no_entries() {
        let mut document = json!({"properties": {"podIdentityProfile": {}}});
        assert!(matches!(set(&mut document, &wanted("a")), Err(Error::NotDone { .. })));
        assert!(!retain(&mut document, |_| false));
    }
}
