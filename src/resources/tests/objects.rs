//! Objects given as manifests: found by discovery, applied in order, awaited, removed.

use super::{
    lab::{APP, Lab, done},
    server::Server,
};
use crate::{
    engine::{
        desired::{Desired, Intent, Requester},
        input::DependsOn,
        ledger::Origin,
        plan::Act,
        resource::{Diff, Kind as _, NodeContext},
    },
    resources::{
        access::{Access, Named, Reach},
        kind::Resource as _,
        object::{self, Object},
    },
};
use serde_json::{Value, json};
use std::time::Duration;

fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "demo" } })
}

fn config() -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "demo" }, "data": { "a": "1" } })
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "gates.demo.example" },
        "spec": { "group": "demo.example", "names": { "kind": "Gate", "plural": "gates" }, "scope": "Namespaced",
            "versions": [{ "name": "v1", "served": true, "storage": true }] },
    })
}

fn gate() -> Value {
    json!({ "apiVersion": "demo.example/v1", "kind": "Gate", "metadata": { "name": "north", "namespace": "demo" }, "spec": { "open": true } })
}

fn workload(kind: &str, image: &str) -> Value {
    let labels = json!({ "app": "mic" });
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "mic", "namespace": "demo" },
        "spec": { "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "mic", "image": image }] } } },
    })
}

fn role() -> Value {
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "mic:reader" }, "rules": [] })
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "mic" },
        "roleRef": { "kind": "ClusterRole", "name": "mic:reader" },
    })
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/demo/deployments/mic";
const CONFIG: &str = "/api/v1/namespaces/demo/configmaps/settings";
const GATE: &str = "/apis/demo.example/v1/namespaces/demo/gates/north";

fn at(order: &[String], part: &str) -> usize {
    order.iter().position(|key| key.contains(part)).unwrap_or_else(|| panic!("{part} is not in {order:?}"))
}

#[tokio::test]
async fn a_component_is_installed_in_order_awaited_and_removed_in_reverse() {
    let server = Server::start().await;
    let mut lab = server.lab();
    let all =
        [gate(), workload("Deployment", "mic:1"), workload("DaemonSet", "nmi:1"), binding(), role(), config(), definition(), namespace()];
    let graph = lab.graph(&all);
    assert_eq!(lab.acts(&graph).await.len(), all.len(), "a kind that this graph defines is not there yet, and that is no error");
    let order = done(&lab.up(&graph).await);
    let steps = ["namespace/demo", "customresourcedefinition", "clusterrole.", "clusterrolebinding.", "deployment.", "gate."];
    let places: Vec<usize> = steps.iter().map(|step| at(&order, step)).collect();
    assert!(places.is_sorted(), "{order:?}");
    assert_eq!(server.get(GATE).unwrap()["metadata"]["labels"], json!({ "managed-by": "podid", "podid-app": APP }));
    let said = lab.said();
    assert!(said.contains("waiting for the deployment demo/mic to be ready (0 s, up to 20 s): 0 of 1 pods are available"), "{said}");
    assert!(said.contains("waiting for the customresourcedefinition gates.demo.example to be ready"), "{said}");
    assert!(said.contains("waiting for the API server to serve the kind Gate (demo.example)"), "{said}");

    assert_eq!(lab.acts(&graph).await, [], "nothing is left to do");
    let gone = done(&lab.down().await);
    let places: Vec<usize> = steps.iter().map(|step| at(&gone, step)).collect();
    assert!(places.iter().rev().is_sorted(), "{gone:?}");
    assert!(server.state.lock().unwrap().objects.is_empty());
}

#[tokio::test]
async fn the_kinds_of_a_group_are_asked_for_once_and_again_when_one_is_missing() {
    let server = Server::start().await;
    let mut lab = server.lab();
    let graph = lab.graph(&[namespace(), workload("Deployment", "mic:1"), workload("DaemonSet", "nmi:1")]);
    lab.up(&graph).await;
    lab.acts(&graph).await;
    assert_eq!(server.fake.asked().iter().filter(|line| *line == "GET /apis/apps/v1").count(), 1);
    let faults = lab.plan(&lab.graph(&[namespace(), gate()])).await.unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("does not know the kind Gate (demo.example/v1)"), "{faults:?}");
    server.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gates.demo.example", definition());
    lab.plan(&lab.graph(&[namespace(), gate()])).await.unwrap_err();
    assert_eq!(lab.acts(&lab.graph(&[namespace(), gate()])).await, [(Act::Create, "aks/gate.demo.example/demo/north".into())]);
}

#[tokio::test]
async fn a_change_is_shown_by_the_server_and_awaited() {
    let server = Server::start().await;
    let mut lab = server.lab();
    lab.up(&lab.graph(&[namespace(), workload("Deployment", "mic:1")])).await;
    let next = lab.graph(&[namespace(), workload("Deployment", "mic:2")]);
    let (plan, _) = lab.plan(&next).await.unwrap();
    let action = plan.actions.iter().find(|action| action.act == Act::Update).unwrap();
    assert_eq!(action.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["spec.template.spec.containers[mic].image"]);
    let before = lab.said.lock().unwrap().len();
    done(&lab.up(&next).await);
    assert!(lab.said.lock().unwrap().len() > before);
    assert_eq!(server.get(DEPLOYMENT).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"], "mic:2");
}

#[tokio::test]
async fn what_waiting_cannot_heal_ends_the_wait_and_the_next_run_waits_again() {
    let server = Server::start().await;
    let mut lab = server.lab();
    server.state.lock().unwrap().steps = usize::MAX;
    let pod = json!({
        "metadata": { "name": "mic-1", "namespace": "demo" }, "spec": { "containers": [{ "name": "mic", "image": "mic:!" }] },
        "status": { "containerStatuses": [{ "name": "mic", "state": { "waiting": { "reason": "InvalidImageName", "message": "couldn't parse image" } } }] },
    });
    server.put("/api/v1/namespaces/demo/pods/mic-1", pod);
    let graph = lab.graph(&[namespace(), workload("Deployment", "mic:!"), gate(), definition()]);
    let report = lab.up(&graph).await;
    let [(key, _, fault)] = report.failed.as_slice() else { panic!("{:#?}", report.failed) };
    let failure = crate::failure::explain(key, fault);
    assert!(failure.message.ends_with("the deployment demo/mic is not ready"), "{failure:?}");
    assert!(
        failure.causes[0].contains("the container mic of the pod mic-1 does not start: InvalidImageName: couldn't parse image"),
        "{failure:?}"
    );
    assert!(failure.hints[1].contains("`kubectl describe deployment mic -n demo`"), "{failure:?}");
    assert_eq!(report.not_started.len(), 1, "the gate depends on it");

    // the same manifest, and still not ready: that is a difference
    let left = lab.acts(&graph).await;
    assert!(left.contains(&(Act::Update, "aks/deployment.apps/demo/mic".into())), "{left:?}");
    server.state.lock().unwrap().steps = 1;
    done(&lab.up(&graph).await);
    server.state.lock().unwrap().steps = usize::MAX;
    assert_eq!(lab.acts(&graph).await, [], "health after that is not a matter of the plan");
}

#[tokio::test]
async fn a_wait_that_takes_too_long_says_for_what() {
    let server = Server::start().await;
    let mut lab = server.lab();
    lab.limit = Duration::from_millis(400);
    server.state.lock().unwrap().steps = usize::MAX;
    let report = lab.up(&lab.graph(&[namespace(), workload("DaemonSet", "nmi:1")])).await;
    let [(key, _, fault)] = report.failed.as_slice() else { panic!("{:#?}", report.failed) };
    let failure = crate::failure::explain(key, fault);
    assert!(failure.message.contains("the daemonset demo/mic is not ready after 0 s"), "{failure:?}");
    assert_eq!(failure.causes, ["1 of 3 pods are available"]);
}

#[tokio::test]
async fn a_foreign_object_that_is_equal_is_adopted_and_one_that_differs_is_refused() {
    let server = Server::start().await;
    let mut lab = server.lab();
    server.put("/api/v1/namespaces/demo", namespace());
    server.put(CONFIG, config());
    let graph = lab.graph(&[namespace(), config()]);
    let (plan, _) = lab.plan(&graph).await.unwrap();
    assert!(plan.actions.iter().all(|action| action.act == Act::Adopt), "{plan:#?}");
    lab.up(&graph).await;
    lab.down().await;
    assert!(server.get(CONFIG).is_some(), "what was adopted stays");

    let mut other = config();
    other["data"]["a"] = json!("2");
    let graph = lab.graph(&[namespace(), other]);
    let (plan, _) = lab.plan(&graph).await.unwrap();
    assert!(plan.refused[0].reason.contains("differs in data.a"), "{:?}", plan.refused);
    lab.adopt = true;
    done(&lab.up(&graph).await);
    assert_eq!(server.get(CONFIG).unwrap()["data"]["a"], "2");
}

#[tokio::test]
async fn a_definition_stays_while_somebody_elses_objects_would_go_with_it() {
    let server = Server::start().await;
    let mut lab = server.lab();
    done(&lab.up(&lab.graph(&[definition()])).await);
    let mut foreign = gate();
    foreign["metadata"]["name"] = json!("south");
    // where a list of all namespaces finds it
    server.put("/apis/demo.example/v1/gates/south", foreign);
    let report = lab.down().await;
    assert!(report.failed.is_empty() && server.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gates.demo.example").is_some());
}

fn context(origin: Option<Origin>, recorded: &crate::engine::input::Outputs) -> NodeContext<'_> {
    NodeContext { app: APP, intent: Intent::Present, origin, recorded, ours: None, recover: false }
}

#[tokio::test]
async fn fields_are_added_to_a_shared_object_without_asking_and_only_they_go() {
    let server = Server::start().await;
    let mut lab = server.lab();
    server.put("/api/v1/namespaces/demo", namespace());
    server.put(CONFIG, config());
    let mut wanted = config();
    wanted["metadata"]["annotations"] = json!({ "azure.workload.identity/client-id": "c" });
    let (key, object) = lab.object(wanted);
    let mut desired = Desired::new(APP, Requester::Spec);
    desired.add(key.clone(), &Object { shared: true, ..object }, Intent::Present).unwrap();
    done(&lab.up(&desired).await);
    assert_eq!(lab.ledger.get(APP, &key).unwrap().origin, Origin::Extended);
    lab.down().await;
    // this server keeps no field managers: what was applied last is all there is
    let left = server.get(CONFIG).unwrap();
    assert_eq!((left["metadata"]["name"].as_str(), left["metadata"].get("annotations")), (Some("settings"), None));
}

#[test]
fn a_key_has_no_version_and_a_manifest_no_secret_values() {
    let key = |manifest: &Value| object::key("aks", manifest).map(|key| key.to_string());
    assert_eq!(key(&workload("Deployment", "x")).unwrap(), "object/aks/deployment.apps/demo/mic");
    assert_eq!(key(&role()).unwrap(), "object/aks/clusterrole.rbac.authorization.k8s.io/mic:reader");
    assert_eq!(key(&namespace()).unwrap(), "object/aks/namespace/demo");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "a": "YQ==" } });
    assert!(key(&secret).unwrap_err().to_string().contains("must not get into the state"));
}

#[test]
fn what_is_not_known_yet_is_not_applied() {
    let lab = Lab::new(std::path::Path::new("/nowhere"), "lab");
    let mut wanted = config();
    wanted["data"]["client"] = json!({ "$from": "identity/claims#client_id" });
    let (_, object) = lab.object(wanted);
    let recorded = crate::engine::input::Outputs::new();
    let unknown = serde_json::json!({ "uid": "u", "labels": {}, "terminating": false, "ready": true,
        "preview": { "Unknown": { "reference": "identity/claims#client_id" } } });
    let actual: object::Actual = serde_json::from_value(unknown).unwrap();
    let Diff::Update(changes) = object.diff(context(Some(Origin::Created), &recorded), &actual) else { panic!("it differs in any case") };
    assert_eq!(changes[0].to, json!("(after identity/claims)"));
}

#[test]
fn the_rights_are_read_off_the_manifest() {
    let lab = Lab::new(std::path::Path::new("/nowhere"), "lab");
    let rights = |manifest: Value, access| {
        let own = lab.object(manifest).1.own_access(access);
        own.into_iter().map(|r| (format!("{} {}", r.verbs.join(","), r.resource), r.reach, r.named)).collect::<Vec<_>>()
    };
    let named = |name: &str| Named::These(vec![name.to_owned()]);
    let demo = || Reach::Namespace("demo".to_owned());
    assert_eq!(
        rights(workload("Deployment", "x"), Access::Write),
        [
            ("get,patch deployments".into(), demo(), named("mic")),
            ("create deployments".into(), demo(), Named::Any),
            ("list pods".into(), demo(), Named::Any),
            ("list events".into(), demo(), Named::Any),
        ]
    );
    assert_eq!(rights(config(), Access::Delete), [("get,delete configmaps".into(), demo(), named("settings"))]);
    let write = rights(binding(), Access::Write);
    assert_eq!(write[2], ("bind clusterroles".into(), Reach::Everywhere, named("mic:reader")));
    assert_eq!(rights(role(), Access::Write)[2], ("escalate clusterroles".into(), Reach::Everywhere, named("mic:reader")));
    for (kind, plural) in
        [("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Gateway", "gateways"), ("CSIDriver", "csidrivers")]
    {
        let manifest = json!({ "apiVersion": "x.example/v1", "kind": kind, "metadata": { "name": "a" } });
        assert_eq!(rights(manifest, Access::Read)[0].0, format!("get,patch {plural}"));
    }
}

#[test]
fn each_object_comes_after_those_that_it_may_need() {
    let lab = Lab::new(std::path::Path::new("/nowhere"), "lab");
    let first = crate::engine::key::Key::from("cluster/aks");
    let listed = object::in_order(&lab.target, vec![gate(), config(), definition(), namespace()], std::slice::from_ref(&first)).unwrap();
    let after = |name: &str| -> Vec<String> {
        let (_, object) = listed.iter().find(|(key, _)| key.as_str().contains(name)).unwrap();
        object.after.iter().map(|after: &DependsOn| after.key().names().to_owned()).collect()
    };
    assert_eq!(after("namespace/demo"), ["aks"]);
    assert_eq!(after("customresourcedefinition"), ["aks/namespace/demo"]);
    assert_eq!(after("configmap"), ["aks/customresourcedefinition.apiextensions.k8s.io/gates.demo.example"]);
    assert_eq!(
        after("gate.demo.example"),
        ["aks/configmap/demo/settings", "aks/customresourcedefinition.apiextensions.k8s.io/gates.demo.example"]
    );
}
