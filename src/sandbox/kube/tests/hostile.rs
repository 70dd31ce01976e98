//! Objects that no real client writes: the API server answers, its controllers continue, and everything that is stored can be listed.

use super::{APPLY, CONFIGMAPS, IDENTITIES, MERGE, ask, cluster, cluster_of, get, idle, post, request, send};
use crate::attempt::caught;
use crate::kube::{State, new_cluster};
use crate::tests::hostile_values::{any_change, kinds, places, replaced};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";

fn deployment(replicas: Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template}})
}

fn crd(schema: Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "ks.g.example"},
        "spec": {"group": "g.example", "scope": "Namespaced", "names": {"plural": "ks", "kind": "K", "singular": "k", "listKind": "KList", "shortNames": ["kk"]},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
            "additionalPrinterColumns": [{"name": "R", "type": "integer", "jsonPath": ".spec.replicas"}]}]}})
}

#[tokio::test]
async fn a_change_that_panics_is_undone_and_the_server_continues() {
    let kube = cluster();
    idle(&kube).await;
    let (before, version) = (kube.export(), kube.snapshot().version);
    let done = caught(|| {
        kube.with(|store| {
            store.remove("namespaces//default");
            store.put("configmaps/default/half", json!({"metadata": {"name": "half"}}));
            let none: Option<u8> = None;
            assert!(none.is_some());
        });
    });
    assert!(done.is_err());
    assert_eq!((kube.export(), kube.snapshot().version), (before, version));
    assert_eq!(get(&kube, &format!("{CONFIGMAPS}/half")).await.code, 404);
    assert_eq!(post(&kube, CONFIGMAPS, json!({"metadata": {"name": "whole"}})).await.code, 201);
}

#[tokio::test]
async fn objects_are_limited_in_size_and_depth_as_in_the_api_server() {
    let kube = cluster();
    let map = |name: &str, bytes: usize| json!({"metadata": {"name": name}, "data": {"a": "x".repeat(bytes)}});
    assert_eq!(post(&kube, CONFIGMAPS, map("small", 1 << 20)).await.code, 201);
    let large = post(&kube, CONFIGMAPS, map("large", 2 << 20)).await;
    assert_eq!((large.code, large.message()), (500, "etcdserver: request is too large"));
    let merge = json!({"data": {"b": "x".repeat(1 << 20)}});
    for (kind, body) in
        [(MERGE, merge.clone()), (STRATEGIC, merge.clone()), (JSON_PATCH, json!([{"op": "copy", "from": "/data/a", "path": "/data/b"}]))]
    {
        let answer = ask(&kube, "PATCH", &format!("{CONFIGMAPS}/small"), kind, body).await;
        assert_eq!((answer.code, answer.message()), (500, "etcdserver: request is too large"), "{kind}");
    }
    let mut applied = merge;
    applied["apiVersion"] = json!("v1");
    applied["kind"] = json!("ConfigMap");
    applied["metadata"] = json!({"name": "small"});
    let answer = ask(&kube, "PATCH", &format!("{CONFIGMAPS}/small?fieldManager=m"), APPLY, applied).await;
    assert_eq!((answer.code, answer.message()), (500, "etcdserver: request is too large"));
    let kept = get(&kube, &format!("{CONFIGMAPS}/small")).await;
    assert_eq!(kept.body["data"].as_object().unwrap().len(), 1);

    let nested = |n: usize| (0..n).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert_eq!(
        post(
            &kube,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            crd(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}))
        )
        .await
        .code,
        201
    );
    let path = "/apis/g.example/v1/namespaces/default/ks";
    let object = |name: &str, n: usize| json!({"apiVersion": "g.example/v1", "kind": "K", "metadata": {"name": name}, "spec": nested(n)});
    assert_eq!(post(&kube, path, object("deep", 120)).await.code, 400);
    assert_eq!(post(&kube, path, object("flat", 90)).await.code, 201);
    let answer = ask(&kube, "PATCH", &format!("{path}/flat"), MERGE, json!({"spec": nested(110)})).await;
    assert_eq!(answer.code, 400, "{}", answer.text);
    let text = serde_json::to_string(&json!({"world": {"clusters": {"name": kube.snapshot()}}})).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "the world can be read again");
}

#[tokio::test]
async fn numbers_that_no_go_type_can_hold_are_refused() {
    let kube = cluster();
    for replicas in [json!(1_u64 << 31), json!(i64::MAX), json!(u64::MAX), json!(1.5), json!("3")] {
        let answer = post(&kube, DEPLOYMENTS, deployment(replicas.clone())).await;
        assert_eq!(answer.code, 400, "{replicas}: {}", answer.text);
    }
    let token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    for spec in [json!("x"), json!(["x"]), json!({"expirationSeconds": "600"}), json!({"audiences": [1]}), json!({"boundObjectRef": "x"})] {
        let answer = post(&kube, token, json!({"spec": spec})).await;
        assert_eq!(answer.code, 400, "{}", answer.text);
    }
    assert_eq!(post(&kube, token, json!({"spec": {"expirationSeconds": i64::MAX}})).await.code, 422);
    assert_eq!(post(&kube, DEPLOYMENTS, deployment(json!(0))).await.code, 201);
    for replicas in [json!(u64::MAX), json!(-1), json!("x")] {
        let scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "a", "namespace": "default"}, "spec": {"replicas": replicas}});
        let answer = ask(&kube, "PUT", &format!("{DEPLOYMENTS}/a/scale"), "application/json", scale).await;
        assert!(matches!(answer.code, 400 | 422), "{}", answer.text);
    }
    let forever =
        send(&kube, &request("admin", "GET", "/api/v1/pods?limit=9223372036854775807&timeoutSeconds=9223372036854775807", "", "")).await;
    assert_eq!(forever.code, 200);
    let watch = kube.answer(&request("admin", "GET", "/api/v1/pods?watch=1&timeoutSeconds=9223372036854775807", "", "")).await;
    assert_eq!(watch.status, 200);
}

#[tokio::test]
async fn a_billion_replicas_are_not_a_billion_pods() {
    let kube = cluster();
    assert_eq!(post(&kube, DEPLOYMENTS, deployment(json!(i32::MAX))).await.code, 201);
    let mut pods = 0;
    for _ in 0..600 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let now = kube.saved(|state| state.objects.keys().filter(|key| key.starts_with("pods/")).count());
        let settled = kube.saved(|state| state.objects.keys().any(|key| key.starts_with("replicasets.apps/default/"))) && now == pods;
        pods = now;
        if settled && pods > 500 {
            break;
        }
    }
    assert!((500..=1100).contains(&pods), "{pods}");
    assert_eq!(post(&kube, CONFIGMAPS, json!({"metadata": {"name": "meanwhile"}})).await.code, 201, "others are served");
}

#[tokio::test]
async fn annotations_and_times_at_their_limits_do_not_stop_a_controller() {
    let kube = cluster();
    let mut first = deployment(json!(1));
    first["spec"]["minReadySeconds"] = json!(i32::MAX);
    first["spec"]["progressDeadlineSeconds"] = json!(i32::MAX);
    first["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "9223372036854775807%", "maxUnavailable": "9223372036854775807%"}});
    assert_eq!(post(&kube, DEPLOYMENTS, first).await.code, 201);
    idle(&kube).await;
    let sets = get(&kube, SETS).await;
    let set = sets.body["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let marks = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": i64::MAX.to_string(),
        "deployment.kubernetes.io/max-replicas": i64::MAX.to_string(), "deployment.kubernetes.io/desired-replicas": i64::MAX.to_string()}}});
    assert_eq!(ask(&kube, "PATCH", &format!("{SETS}/{set}"), MERGE, marks).await.code, 200);
    let late = json!({"status": {"conditions": [{"type": "Progressing", "status": "True", "reason": "x", "lastUpdateTime": "9999-12-31T23:59:59Z",
        "lastTransitionTime": "9999-12-31T23:59:59Z"}], "replicas": i32::MAX, "collisionCount": i32::MAX}});
    assert_eq!(ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/a/status"), MERGE, late).await.code, 200);
    let pods = get(&kube, "/api/v1/namespaces/default/pods").await;
    let pod = pods.body["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "9999-12-31T23:59:59Z"}]}});
    assert_eq!(ask(&kube, "PATCH", &format!("/api/v1/namespaces/default/pods/{pod}/status"), MERGE, ready).await.code, 200);
    let more = json!({"spec": {"replicas": 3, "template": {"metadata": {"labels": {"b": "c"}}}}});
    assert_eq!(ask(&kube, "PATCH", &format!("{DEPLOYMENTS}/a"), MERGE, more).await.code, 200);
    // Another deployment still makes progress.
    let mut other = deployment(json!(2));
    other["metadata"]["name"] = json!("other");
    other["spec"]["selector"] = json!({"matchLabels": {"app": "other"}});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    assert_eq!(post(&kube, DEPLOYMENTS, other).await.code, 201);
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let there = get(&kube, "/api/v1/namespaces/default/pods?labelSelector=app%3Dother").await;
        if there.body["items"].as_array().unwrap().len() == 2 {
            return;
        }
    }
    panic!("the other deployment has no pods");
}

#[tokio::test]
async fn an_object_that_no_controller_understands_does_not_stop_the_controllers() {
    let mut state: State = new_cluster(&super::facts());
    let odd = [
        (
            "deployments.apps/default/odd",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "odd", "namespace": "default", "uid": "u1"}, "spec": {"replicas": 1, "template": "x", "selector": "x"}, "status": "x"}),
        ),
        (
            "replicasets.apps/default/odd",
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "odd", "namespace": "default", "uid": "u2"}, "spec": {"replicas": i64::MAX, "template": ["x"]}, "status": 1}),
        ),
        (
            "pods/default/odd",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "default", "uid": "u3"}, "spec": {"schedulerName": "default-scheduler", "containers": "x"}, "status": {"phase": "Pending", "conditions": "x"}}),
        ),
    ];
    for (key, object) in odd {
        state.objects.insert(key.to_owned(), object);
    }
    let kube = cluster_of(state);
    assert_eq!(post(&kube, DEPLOYMENTS, deployment(json!(2))).await.code, 201);
    for _ in 0..300 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let there = get(&kube, "/api/v1/namespaces/default/pods?labelSelector=app%3Da").await;
        if there.body["items"].as_array().unwrap().len() == 2 {
            for path in ["/api/v1/pods", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets"] {
                assert_eq!(get(&kube, path).await.code, 200);
                assert_eq!(table(&kube, path).await, 200, "{path}");
            }
            return;
        }
    }
    panic!("the sound deployment has no pods");
}

async fn table(kube: &std::sync::Arc<super::Kube>, path: &str) -> u16 {
    let mut asked = request("admin", "GET", path, "", "");
    asked.headers.push(("accept".into(), "application/json;as=Table;v=v1;g=meta.k8s.io".into()));
    send(kube, &asked).await.code
}

/// Returns collections, with a valid object of each.
fn sound() -> Vec<(&'static str, Value)> {
    let namespace = |kind: &str, more: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"},
            "finalizers": ["example.com/x"], "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u", "controller": true}]}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let pod = json!({"spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "v"}],
        "resources": {"limits": {"cpu": "1"}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}], "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "k", "operator": "Exists"}], "nodeSelector": {"a": "b"}, "terminationGracePeriodSeconds": 1}});
    let service =
        json!({"spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "x", "protocol": "TCP"}]}});
    let job = json!({"apiVersion": "batch/v1", "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}});
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "default"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"replicas": {"type": "integer", "default": 1, "minimum": 0},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "x-kubernetes-embedded-resource": true}}}}}});
    vec![
        (CONFIGMAPS, namespace("ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"c": "AAAA"}, "immutable": false}))),
        (
            "/api/v1/namespaces/default/secrets",
            namespace("Secret", json!({"data": {"a": "AAAA"}, "stringData": {"b": "c"}, "type": "Opaque"})),
        ),
        ("/api/v1/namespaces/default/serviceaccounts", namespace("ServiceAccount", json!({"secrets": [{"name": "x"}]}))),
        ("/api/v1/namespaces/default/pods", namespace("Pod", pod)),
        ("/api/v1/namespaces/default/services", namespace("Service", service)),
        (
            "/api/v1/namespaces/default/events",
            namespace(
                "Event",
                json!({"involvedObject": {"kind": "Pod", "namespace": "default", "name": "a"}, "count": 1, "lastTimestamp": "2026-01-01T00:00:00Z"}),
            ),
        ),
        ("/api/v1/namespaces", namespace("Namespace", json!({}))),
        (
            "/api/v1/nodes",
            namespace(
                "Node",
                json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            ),
        ),
        (DEPLOYMENTS, deployment(json!(1))),
        (SETS, namespace("ReplicaSet", json!({"apiVersion": "apps/v1", "spec": deployment(json!(1))["spec"]}))),
        ("/apis/batch/v1/namespaces/default/jobs", namespace("Job", job)),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", namespace("ClusterRole", role)),
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", namespace("RoleBinding", binding)),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(schema)),
        (
            "/apis/g.example/v1/namespaces/default/ks",
            json!({"apiVersion": "g.example/v1", "kind": "K", "metadata": {"name": "a"}, "spec": {"replicas": 2, "list": [{"name": "x", "apiVersion": "v1", "kind": "Y"}]}}),
        ),
        (
            IDENTITIES,
            json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity", "metadata": {"name": "a"}, "spec": {"type": 0, "resourceID": "/x", "clientID": "c"}}),
        ),
        (
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["a"], "expirationSeconds": 600, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "a"}}}),
        ),
    ]
}

/// Replaces each part of each object by a value of each wrong type.
#[tokio::test]
async fn a_value_of_a_wrong_type_is_refused_or_accepted_but_breaks_nothing() {
    let state = new_cluster(&super::facts());
    for (path, object) in sound() {
        let kube = cluster_of(state.clone());
        post(
            &kube,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            crd(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
        )
        .await;
        let mut n = 0;
        for place in places(&object) {
            for value in kinds() {
                n += 1;
                let mut body = replaced(&object, &place, value);
                if let Some(metadata) =
                    body.get_mut("metadata").and_then(Value::as_object_mut).filter(|m| m.get("name") == Some(&json!("a")))
                {
                    metadata.insert("name".to_owned(), json!(format!("a{n}")));
                }
                let answer = post(&kube, path, body.clone()).await;
                assert!(answer.body["reason"] != "InternalError", "POST {path} {body}: {}", answer.text);
            }
        }
        if !path.ends_with("reviews") && !path.ends_with("token") {
            assert!(matches!(get(&kube, path).await.code, 200 | 404), "GET {path}");
            assert!(matches!(table(&kube, path).await, 200 | 404), "{path} as a table");
        }
    }
}

#[test]
fn everything_that_an_api_server_stores_can_be_listed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let all = sound();
    let ways = [
        ("POST", "application/json", ""),
        ("PUT", "application/json", ""),
        ("PATCH", MERGE, ""),
        ("PATCH", STRATEGIC, ""),
        ("PATCH", JSON_PATCH, ""),
        ("PATCH", APPLY, "?fieldManager=m&force=true"),
        ("PATCH", MERGE, "status"),
        ("PUT", "application/json", "status"),
        ("PATCH", MERGE, "scale"),
        ("DELETE", "application/json", ""),
    ];
    let change = (0..all.len(), any_change(), prop::sample::select(ways.to_vec()));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 40, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() });
    let state = new_cluster(&super::facts());
    let done = runner.run(&prop::collection::vec(change, 1..8), |changes| {
        runtime.block_on(async {
            let kube = cluster_of(state.clone());
            for (path, object) in &all {
                let answer = post(&kube, path, object.clone()).await;
                prop_assert!(answer.code < 500, "POST {path}: {}", answer.text);
            }
            for (at, (place, value), (method, kind, more)) in changes {
                let (path, object) = &all[at];
                let steps = json!([{"op": "add", "path": "/spec", "value": "x"}, {"op": "copy", "from": "/metadata", "path": "/x"}]);
                let body = if kind == JSON_PATCH { &steps } else { object };
                let places = places(body);
                let body = replaced(body, place.get::<Vec<usize>>(&places), value);
                let path = match (method, more) {
                    ("POST", _) => (*path).to_owned(),
                    (_, "status" | "scale") => format!("{path}/a/{more}"),
                    _ => format!("{path}/{}{more}", object["metadata"]["name"].as_str().unwrap_or("a")),
                };
                let answer = ask(&kube, method, &path, kind, body.clone()).await;
                prop_assert!(answer.body["reason"] != "InternalError", "{method} {path} {kind} {body}: {}", answer.text);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            for (path, _) in all.iter().take(all.len() - 2) {
                let answer = get(&kube, path).await;
                prop_assert!(matches!(answer.code, 200 | 404), "GET {path}: {}", answer.text);
                prop_assert!(matches!(table(&kube, path).await, 200 | 404), "{path} as a table");
            }
            for path in ["/openapi/v2", "/openapi/v3", "/apis", "/openapi/v3/apis/g.example/v1"] {
                prop_assert!(get(&kube, path).await.code < 500, "{path}");
            }
            let text = serde_json::to_string(&kube.snapshot()).unwrap();
            prop_assert!(serde_json::from_str::<State>(&text).is_ok(), "the world cannot be read again");
            Ok(())
        })
    });
    done.unwrap();
}
