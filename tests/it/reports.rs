//! `podid doctor` reads the logs of components and the events of pods where a chain is broken or pods are not ready: known texts are planted
//! in them, and become findings, or evidence of the finding that they belong to.

use crate::common::{World, doctor::errors, until};
use serde_json::{Value, json};

const CONTEXT: &str = "aks-mi";
const BASE: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault: {name: kv-shop-reports, model: access-policy, secrets: [{name: conn, value: {file: conn.txt}}]}
workloads:
  - {name: web, namespace: shop, identity: {name: shop-mid}, secrets: [{name: conn, alias: conn.txt}], app: {image: 'nginx:1.29'}}
";

fn made() -> World {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    world
}

fn pod(world: &World) -> Value {
    until("the app has a pod", || {
        let all = world.kube("GET", CONTEXT, PODS, None).ok();
        let own =
            all["items"].as_array().unwrap().iter().find(|pod| pod["metadata"]["name"].as_str().unwrap().starts_with("web-")).cloned();
        own.filter(|pod| pod["status"]["phase"] == "Running")
    })
}

/// The container of the pod fails its probes.
fn unready(world: &World) -> String {
    let mut pod = pod(world);
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
        if condition["type"] == "Ready" || condition["type"] == "ContainersReady" {
            condition["status"] = json!("False");
        }
    }
    let patch = json!({ "status": { "conditions": pod["status"]["conditions"] } });
    world.kube("PATCH", CONTEXT, &format!("{PODS}/{name}/status"), Some(patch)).ok();
    name
}

/// Answers requests for the log of a container with these lines.
/// Since the workload's pods were made.
fn log(world: &World, container: &str, lines: &str) {
    log_at(world, &(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60)).to_string(), container, lines);
}

fn log_at(world: &World, at: &str, container: &str, lines: &str) {
    let text: String = lines.lines().map(|line| format!("{at} {line}\n")).collect();
    // the sandbox has no logs of the others, and says so
    let path = format!("/log?container={container}");
    world.settings(&json!({ "fail": [{ "method": "GET", "path": path, "status": 200, "body": text }] }));
}

fn event(world: &World, pod: &str, reason: &str, message: &str) {
    let uid = world.kube("GET", CONTEXT, &format!("{PODS}/{pod}"), None).ok()["metadata"]["uid"].clone();
    // a minute from now, as if the pod were ready for some time
    let at = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60)).round(jiff::Unit::Second).unwrap().to_string();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": format!("{pod}.{}", reason.to_lowercase()), "namespace": "shop" },
        "involvedObject": { "kind": "Pod", "namespace": "shop", "name": pod, "uid": uid }, "type": "Warning", "reason": reason,
        "message": message, "firstTimestamp": at, "lastTimestamp": at, "count": 3,
    });
    world.kube("POST", CONTEXT, "/api/v1/namespaces/shop/events", Some(event)).ok();
}

fn reads_of_logs(world: &World, run: impl FnOnce()) -> usize {
    let mark = world.mark();
    run();
    world.since(mark).iter().filter(|line| line.path.contains("/log?")).count()
}

#[test]
fn known_texts_in_logs_of_components_become_findings_where_no_link_explains_them() {
    let world = made();
    let sound = reads_of_logs(&world, || assert_eq!(errors(&world, &[]), Vec::<Value>::new()));
    assert_eq!(sound, 0, "the chain is sound and the pods are ready");
    assert!(!world.podid(&["doctor"]).ok().stdout.contains("not looked at"), "and nothing is missed");
    let name = unready(&world);
    let client_id = world.podid(&["output", "identity/shop-mid", "client_id"]).ok().stdout.trim().to_owned();
    let redacted = format!("{}##### REDACTED #####{}", &client_id[..4], &client_id[client_id.len() - 4..]);
    let other = world.identity_id("other-mid");
    world.arm("PUT", &format!("{other}?api-version=2024-11-30"), Some(json!({ "location": "westeurope" }))).ok();
    let linked = |id: &str| {
        format!(
            "E1130 12:00:00.1 1 mic.go:1111] Code=\"LinkedAuthorizationFailed\" Message=\"The client 'c' does not have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{id}'\""
        )
    };
    let texts: &[(&str, String, &str)] = &[
        ("mic", linked(&world.identity_id("shop-mid")), "PODID5010"),
        (
            "mic",
            "E1130 12:00:00.1 1 cloudprovider.go:1] compute.VirtualMachineScaleSetsClient#Get: Failure responding: StatusCode=403 Code=\"AuthorizationFailed\" Message=\"does not have authorization to perform action 'Microsoft.Compute/virtualMachineScaleSets/read'\"".into(),
            "PODID5010",
        ),
        ("mic", "E1130 12:00:00.1 1 mic.go:1] adal: Refresh request failed. AADSTS7000215: Invalid client secret is provided.".into(), "PODID4025"),
        (
            "nmi",
            format!("E1130 12:00:00.1 1 standard.go:1] getting assigned identities for pod shop/{name} in CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>"),
            "PODID4004",
        ),
        ("nmi", format!("E1130 12:00:00.1 1 standard.go:1] no azure identity found for request clientID {redacted}"), "PODID4006"),
        ("nmi", "E1130 12:00:00.1 1 main.go:1] failed to update iptables: Another app is currently holding the xtables lock".into(), "PODID1116"),
        (
            "provider-azure",
            format!("E1130 12:00:00.1 1 server.go:1] \"failed to process mount request\" err=\"nmi response failed with status code: 404, response body: getting assigned identities\" pod=\"shop/{name}\""),
            "PODID4004",
        ),
        (
            "provider-azure",
            "E1130 12:00:00.1 1 provider.go:1] Get \"https://kv-shop-reports.vault.azure.net/secrets/conn\": StatusCode=429 Code=\"TooManyRequests\"".into(),
            "PODID7004",
        ),
        (
            "provider-azure",
            "E1130 12:00:00.1 1 provider.go:1] Get \"https://kv-shop-reports.vault.azure.net/secrets/conn\": x509: certificate signed by unknown authority".into(),
            "PODID7010",
        ),
    ];
    let mut wrong = Vec::new();
    for (container, line, code) in texts {
        log(&world, container, &format!("I1130 12:00:00.1 1 main.go:1] started\n{line}"));
        let found = errors(&world, &[]);
        let first = found.iter().find(|finding| finding["code"] == *code);
        if first.is_none_or(|first| !first["evidence"].to_string().contains("the log of ")) {
            wrong.push(format!("{code} {line}\n{found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // what another workload is refused says nothing of this one, and neither does a line without an error
    log(&world, "mic", &linked(&other));
    assert_eq!(errors(&world, &[]), Vec::<Value>::new());
    // and neither does what was written before its pods were made
    log_at(&world, "2024-01-01T00:00:00.1Z", "mic", &linked(&world.identity_id("shop-mid")));
    assert_eq!(errors(&world, &[]), Vec::<Value>::new());
    log(&world, "nmi", "I1130 12:00:00.1 1 server.go:1] status (200) took 1 ns for req.path=/host/token 169.254.169.254");
    assert_eq!(errors(&world, &[]), Vec::<Value>::new());
    // what NMI said before it crashed
    let all = world.kube("GET", CONTEXT, "/api/v1/namespaces/kube-system/pods", None).ok();
    let nmi = all["items"].as_array().unwrap().iter().find(|pod| pod["spec"]["containers"][0]["name"] == "nmi").unwrap().clone();
    let mut statuses = nmi["status"]["containerStatuses"].clone();
    statuses[0]["restartCount"] = json!(3);
    statuses[0]["ready"] = json!(false);
    let path = format!("/api/v1/namespaces/kube-system/pods/{}/status", nmi["metadata"]["name"].as_str().unwrap());
    world.kube("PATCH", CONTEXT, &path, Some(json!({ "status": { "containerStatuses": statuses } }))).ok();
    let text = "2026-11-30T12:00:00Z F1130 12:00:00.1 1 main.go:86] AAD Pod Identity is not supported for Kubenet. Review https://azure.github.io\n";
    world.settings(&json!({ "fail": [{ "method": "GET", "path": "previous=true", "status": 200, "body": text }] }));
    let found = errors(&world, &[]);
    assert!(found.iter().any(|finding| finding["evidence"].to_string().contains("not supported for Kubenet")), "{found:#?}");
    // no token of a log is shown
    let token = format!("eyJ{}.eyJ{}.{}", "a".repeat(40), "b".repeat(40), "c".repeat(40));
    log(&world, "mic", &format!("{} with {token}", linked(&world.identity_id("shop-mid"))));
    let shown = world.podid(&["doctor"]).ok();
    assert!(shown.stdout.contains("with ***") && !shown.stdout.contains("eyJ"), "{}", shown.stdout);
}

#[test]
fn what_a_log_repeats_is_evidence_of_the_broken_link_and_logs_that_may_not_be_read_are_named() {
    let world = made();
    let name = pod(&world)["metadata"]["name"].as_str().unwrap().to_owned();
    let binding = format!("{BASE}/azureidentitybindings/shop-mid-binding");
    world.kube("PATCH", CONTEXT, &binding, Some(json!({ "spec": { "selector": "other" } }))).ok();
    log(
        &world,
        "nmi",
        &format!(
            "E1130 12:00:00.1 1 standard.go:1] getting assigned identities for pod shop/{name} in CREATED state failed after 16 attempts"
        ),
    );
    let found = errors(&world, &[]);
    assert_eq!((found.len(), &found[0]["code"]), (1, &json!("PODID3003")), "{found:#?}");
    assert!(found[0]["evidence"].to_string().contains("in CREATED state failed after 16 attempts"), "{found:#?}");
    // logs and events are forbidden
    let refused = |what: &str| {
        let message =
            format!("{what} is forbidden: User \"ci\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"kube-system\"");
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden", "code": 403, "details": { "kind": "pods" } })
    };
    world.settings(&json!({ "fail": [
        { "method": "GET", "path": "/log?container=", "status": 403, "body": refused("pods \"nmi\"") },
        { "method": "GET", "path": "/api/v1/namespaces/shop/events", "status": 403, "body": refused("events") },
    ] }));
    let asked = reads_of_logs(&world, || {
        let document = world.podid(&["doctor", "-o", "json"]).ok().json();
        assert_eq!(document["findings"][0]["code"], "PODID3003", "{document:#}");
        let unseen = document["unseen"].to_string();
        assert!(unseen.contains("logs of the components in the namespace kube-system") && unseen.contains("pods/log"), "{unseen}");
        assert!(unseen.contains("events of the namespace shop"), "{unseen}");
    });
    assert!((1..=4).contains(&asked), "one refusal is enough: {asked}");
    world.podid(&["doctor"]).ok().says("not looked at: logs of the components in the namespace kube-system");
}

#[test]
fn events_of_pods_that_are_not_ready_or_not_renewed_are_read() {
    let world = made();
    let name = pod(&world)["metadata"]["name"].as_str().unwrap().to_owned();
    // a pod that runs, whose secrets the driver cannot renew
    event(
        &world,
        &name,
        "MountRotationFailed",
        "failed to rotate: StatusCode=429 Code=\"TooManyRequests\" at https://kv-shop-reports.vault.azure.net",
    );
    let document = world.podid(&["doctor", "-o", "json"]).ok().json();
    let warned = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "PODID7004")
        .unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!((&warned["severity"], &document["summary"]["error"]), (&json!("warning"), &json!(0)));
    assert!(warned["causes"].to_string().contains("are not renewed: MountRotationFailed"), "{warned:#}");
    world.kube("DELETE", CONTEXT, &format!("/api/v1/namespaces/shop/events/{name}.mountrotationfailed"), None).ok();
    assert_eq!(unready(&world), name);
    event(
        &world,
        &name,
        "Failed",
        "Failed to pull image \"r.azurecr.io/web:1\": failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
    );
    let found = errors(&world, &[]);
    let image = found.iter().find(|finding| finding["code"] == "PODID2008").unwrap_or_else(|| panic!("{found:#?}"));
    assert!(image["evidence"].to_string().contains("the event Failed of the pod"), "{image:#}");
}
