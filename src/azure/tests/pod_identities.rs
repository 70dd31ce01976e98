//! Entries of the pod identity add-on and registrations of preview features: what is sent, in which order, and what is awaited.

use super::fake::{Fake, SUB, error, listener, pass, reply};
use crate::azure::{ArmId, Error, PodIdentity, Write, id::CLUSTER};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const ARM: &str = "management.azure.com";

fn id() -> ArmId {
    ArmId::resource(SUB, "g", CLUSTER, "aks")
}

fn wanted(identity: &str) -> PodIdentity {
    PodIdentity {
        namespace: "shop".into(),
        name: "web".into(),
        selector: "web".into(),
        resource_id: format!("/subscriptions/s/resourcegroups/g/providers/x/{identity}"),
        client_id: "c".into(),
        object_id: "o".into(),
        state: None,
        problem: None,
    }
}

fn entry(identity: &str, state: &str) -> Value {
    json!({"name": "web", "namespace": "shop", "bindingSelector": "web", "provisioningState": state,
        "identity": {"resourceId": wanted(identity).resource_id, "clientId": "c", "objectId": "o"}})
}

fn document(entries: Value) -> Value {
    json!({"id": id(), "properties": {"provisioningState": "Succeeded", "podIdentityProfile": {"enabled": true, "userAssignedIdentities": entries}}})
}

fn write(fake: &Fake) -> (Write, Arc<Mutex<Vec<String>>>) {
    let (on_wait, said) = listener();
    (fake.azure_with(|settings| settings.timeout = Some(Duration::from_secs(20)), &[]).write(on_wait), said)
}

/// The entries of each PUT.
fn sent(fake: &Fake) -> Vec<Value> {
    let puts = fake.on(ARM).into_iter().filter(|seen| seen.method == "PUT");
    puts.map(|seen| {
        serde_json::from_str::<Value>(&seen.body).unwrap()["properties"]["podIdentityProfile"]["userAssignedIdentities"].clone()
    })
    .collect()
}

#[tokio::test]
async fn an_entry_of_another_identity_is_deleted_first_and_the_new_one_is_awaited() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", 0) => reply(200, document(json!([entry("old", "Assigned")]))),
        ("GET", 1) | ("PUT", 0) => reply(200, document(json!([]))),
        ("PUT", 1) => reply(200, document(json!([entry("new", "Updating")]))),
        ("GET", _) => reply(200, document(json!([entry("new", "Assigned")]))),
        _ => pass(),
    })
    .await;
    let (write, said) = write(&fake);
    let done = write.put_pod_identity(&id(), &wanted("new")).await.unwrap().unwrap();
    assert_eq!(done.state.as_deref(), Some("Assigned"));
    let sent = sent(&fake);
    assert_eq!((sent.len(), &sent[0]), (2, &json!([])));
    assert_eq!(sent[1][0]["identity"]["resourceId"], wanted("new").resource_id);
    assert_eq!(*said.lock().unwrap(), ["waiting until the pod identity shop/web of the cluster aks is on the nodes (Updating)"]);
}

#[tokio::test]
async fn a_role_that_aks_does_not_see_yet_is_awaited_and_one_on_another_identity_is_not() {
    let message = |identity: &str| {
        format!("Cluster identity has no assignment permission over identity 'resourceId: {} -", wanted(identity).resource_id)
    };
    let refused = error(400, "PodIdentityAddonIdentitiesAssignmentError", &message("web"));
    let fake = Fake::new(move |seen, nth| match (seen.method.as_str(), nth) {
        ("GET", _) => reply(200, document(json!([]))),
        ("PUT", 0) => refused.clone(),
        ("PUT", _) => reply(200, document(json!([entry("web", "Assigned")]))),
        _ => pass(),
    })
    .await;
    let (writes, said) = write(&fake);
    writes.put_pod_identity(&id(), &wanted("web")).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["waiting until AKS sees the role Managed Identity Operator of the cluster's control plane"]);
    let refused = error(400, "PodIdentityAddonIdentitiesAssignmentError", &message("other"));
    let fake = Fake::new(move |seen, _| match seen.method.as_str() {
        "GET" => reply(200, document(json!([]))),
        "PUT" => refused.clone(),
        _ => pass(),
    })
    .await;
    let refused = write(&fake).0.put_pod_identity(&id(), &wanted("web")).await;
    assert!(matches!(refused, Err(Error::Refused { code, .. }) if code == "PodIdentityAddonIdentitiesAssignmentError"));
    assert_eq!(sent(&fake).len(), 1);
}

#[tokio::test]
async fn an_entry_that_aks_could_not_assign_has_its_reason() {
    let mut failed = entry("web", "Failed");
    failed["provisioningInfo"] = json!({"error": {"error": {"code": "X", "message": "no such scale set"}}});
    let fake = Fake::new(move |seen, _| match seen.method.as_str() {
        "GET" => reply(200, document(json!([]))),
        _ => reply(200, document(json!([failed]))),
    })
    .await;
    let Err(Error::NotDone { message, .. }) = write(&fake).0.put_pod_identity(&id(), &wanted("web")).await else { panic!("it succeeds") };
    assert!(message.ends_with("no such scale set"), "{message}");
}

#[tokio::test]
async fn an_absent_entry_is_not_deleted_and_an_absent_cluster_has_none() {
    let fake = Fake::new(|seen, _| if seen.method == "GET" { reply(200, document(json!([]))) } else { pass() }).await;
    write(&fake).0.delete_pod_identity(&id(), "shop", "web").await.unwrap();
    assert!(sent(&fake).is_empty());
    let fake = Fake::new(|_, _| error(404, "ResourceNotFound", "m")).await;
    write(&fake).0.delete_pod_identity(&id(), "shop", "web").await.unwrap();
    assert_eq!(write(&fake).0.put_pod_identity(&id(), &wanted("web")).await.unwrap(), None);
}

#[tokio::test]
async fn the_provider_is_registered_again_once_the_feature_is() {
    let feature = |state: &str| json!({"properties": {"state": state}, "name": "Microsoft.ContainerService/X"});
    let fake = Fake::new(move |seen, nth| match (seen.method.as_str(), nth) {
        ("POST", _) if seen.path.contains("/features/X/register") => reply(200, feature("Registering")),
        ("POST", _) => reply(200, json!({"registrationState": "Registered"})),
        ("GET", 0) => reply(200, feature("Registering")),
        ("GET", _) => reply(200, feature("Registered")),
        _ => pass(),
    })
    .await;
    let (write, said) = write(&fake);
    let state = write.register_feature(&ArmId::subscription(SUB), "Microsoft.ContainerService", "X").await.unwrap();
    assert_eq!(state, "Registered");
    let text = "waiting until the preview feature Microsoft.ContainerService/X is registered (Registering)";
    assert_eq!(*said.lock().unwrap(), [text]);
    let last = fake.on(ARM).pop().unwrap();
    assert!(last.method == "POST" && last.path.contains("/providers/Microsoft.ContainerService/register?"), "{}", last.path);
}
