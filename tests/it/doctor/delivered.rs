//! Faults of FlexVolume, and of a vault that slows down, is asked by a wrong clock, or denies.

use super::{CONTEXT, Fault, SPEC, VAULT, deleted, each, edited, fault, identity, policies, secret, settle, template};
use crate::common::{World, doctor::errors, until};
use serde_json::{Value, json};

const FLEXVOLUME: &str = "/apis/apps/v1/namespaces/kv/daemonsets/keyvault-flexvolume";

fn option(world: &World, name: &str, value: Value) {
    let mut found = world.kube("GET", CONTEXT, super::DEPLOYMENT, None).ok();
    let volumes = found["spec"]["template"]["spec"]["volumes"].as_array_mut().unwrap();
    let ours = volumes.iter_mut().find(|volume| volume["flexVolume"].is_object()).unwrap();
    ours["flexVolume"]["options"][name] = value;
    world.kube("PUT", CONTEXT, super::DEPLOYMENT, Some(found)).ok();
}

/// New pods, as after a rollout; the old ones are away.
pub fn restarted(world: &World) {
    world.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok();
}

fn pods(world: &World) -> Vec<Value> {
    world.kube("GET", CONTEXT, "/api/v1/namespaces/shop/pods", None).ok()["items"].as_array().unwrap().clone()
}

/// An event of this reason with a part of a text is there.
pub fn reported(world: &World, reason: &str, part: &str) {
    until("it is reported", || {
        let events = world.kube("GET", CONTEXT, "/api/v1/namespaces/shop/events", None).ok();
        let is = |event: &Value| event["reason"] == reason && event["message"].as_str().is_some_and(|text| text.contains(part));
        events["items"].as_array().unwrap().iter().any(is).then_some(())
    });
}

pub fn with_flexvolume() -> World {
    let world = World::served();
    let spec = SPEC.replace("identity: {name: shop-mid},", "identity: {name: shop-mid}, delivery: flexvolume,");
    world.write("podid.yaml", &spec.replace("cluster: {name: aks-mi}", "cluster: {name: aks-mi, components: [flexvolume]}"));
    world.write("conn.txt", "not-a-real-secret");
    world.podid(&["up", "--yes"]).ok();
    world
}

pub fn of_flexvolume() -> Vec<Fault> {
    vec![
        fault("driver absent", "driver", "PODID1130", "does not run", |w| deleted(w, FLEXVOLUME)),
        Fault {
            mend: Some(|w| {
                edited(w, FLEXVOLUME, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": null } } } } }));
                super::ready(w, FLEXVOLUME, "numberReady");
            }),
            ..fault("driver on no node", "driver", "PODID1130", "no pod of the FlexVolume driver is on the node", |w| {
                edited(w, FLEXVOLUME, json!({ "spec": { "template": { "spec": { "nodeSelector": { "disk": "ssd" } } } } }));
                until("the driver is gone", || {
                    (w.kube("GET", CONTEXT, FLEXVOLUME, None).ok()["status"]["numberReady"].as_u64().unwrap_or_default() == 0).then_some(())
                });
            })
        },
        fault("commas in a list", "template", "PODID8014", "names 2 objects and 1 types", |w| {
            option(w, "keyvaultobjectnames", json!("conn;other"));
        }),
        fault("tenant missing", "template", "PODID8014", "has no option `tenantid`", |w| option(w, "tenantid", json!(""))),
        fault("another vault", "template", "PODID8014", "reads the vault kv-nowhere-x1", |w| {
            option(w, "keyvaultname", json!("kv-nowhere-x1"));
        }),
        fault("no pod identity", "template", "PODID8014", "usepodidentity", |w| option(w, "usepodidentity", json!("false"))),
        fault("no volume", "pod", "PODID2010", "mounts no secrets", |w| {
            template(w, |template| {
                template["spec"]["volumes"] = json!([]);
                template["spec"]["containers"][0]["volumeMounts"] = json!([]);
            });
        }),
        fault("policy missing", "grant", "PODID6001", "is missing", |w| policies(w, &[])),
        Fault {
            mend: Some(|w| secret(w, json!({ "enabled": true }))),
            ..fault("secret disabled", "secret", "PODID8002", "is disabled", |w| secret(w, json!({ "enabled": false })))
        },
        // a node image without jq: the script prints no JSON (driver-call.go), and the pod stays as it is
        Fault {
            mend: Some(|w| {
                w.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/events", None).ok();
                restarted(w);
            }),
            ..fault("script without jq", "driver", "PODID1131", "cannot run on the pod's node", |w| {
                w.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/events", None).ok();
                let pod = pods(w).into_iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null()).unwrap();
                unready(w, &pod);
                let text = "MountVolume.SetUp failed for volume \"secrets\" : invalid character '/' looking for beginning of value";
                told(w, &pod["metadata"], "FailedMount", text);
            })
        },
    ]
}

#[test]
fn each_fault_of_flexvolume_is_named_and_mended_by_the_command_that_is_printed() {
    each(&with_flexvolume(), of_flexvolume(), settle);
}

/// Its containers do not run.
fn unready(world: &World, pod: &Value) {
    let mut status = pod["status"].clone();
    for condition in status["conditions"].as_array_mut().unwrap().iter_mut().filter(|one| one["type"] == "Ready") {
        condition["status"] = json!("False");
    }
    let path = format!("/api/v1/namespaces/shop/pods/{}/status", pod["metadata"]["name"].as_str().unwrap());
    edited(world, &path, json!({ "status": status }));
}

/// Writes an event as kubelet would.
pub fn told(world: &World, pod: &Value, reason: &str, text: &str) {
    let at = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap().to_string();
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "generateName": "told-", "namespace": "shop" }, "type": "Warning", "reason": reason,
        "message": text, "firstTimestamp": at, "lastTimestamp": at, "count": 1, "source": { "component": "kubelet" },
        "involvedObject": { "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": pod["name"], "uid": pod["uid"] },
    });
    world.kube("POST", CONTEXT, "/api/v1/namespaces/shop/events", Some(event)).ok();
}

fn throttled() -> Value {
    let body = json!({ "error": { "code": "Throttled", "message": "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached" } });
    json!({ "fail": [{ "host": format!("{VAULT}.vault.azure.net"), "by": "csi", "path": "/secrets/conn", "status": 429, "body": body }] })
}

#[test]
fn a_vault_that_slows_down_is_named_for_new_pods_and_for_those_that_run() {
    let world = super::made();
    world.settings(&throttled());
    restarted(&world);
    reported(&world, "FailedMount", "429");
    let found = errors(&world, &[]);
    let first = found.first().unwrap_or_else(|| panic!("nothing is found"));
    assert_eq!((&first["link"], &first["code"]), (&json!("vault"), &json!("PODID7004")), "{found:#?}");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(first["native"], json!([]), "az could change only the add-on, and a chart has the driver here");
    world.settings(&json!({ "fail": null }));
    settle(&world);
    world.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/events", None).ok();
    assert_eq!(errors(&world, &[]), Vec::<Value>::new());
    // the driver's next round is refused, and the pod goes on with what it has
    let pod = pods(&world)[0]["metadata"].clone();
    told(
        &world,
        &pod,
        "MountRotationFailed",
        "failed to mount secrets store objects for pod shop/web, err: StatusCode=429 -- Original Error: autorest/azure: Service returned an error. Status=429 Code=\"TooManyRequests\"",
    );
    let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
    let finding = warned["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "PODID7004").unwrap();
    assert_eq!(finding["severity"], "warning", "{finding:#}");
    assert_eq!(errors(&world, &[]), Vec::<Value>::new());
}

/// Puts a condition on the assignment of the identity.
pub fn conditional(w: &World, condition: &str) {
    let own = w.arm("GET", &identity(w), None).ok()["properties"]["principalId"].clone();
    let mut one = w.assignments(&w.vault_id(VAULT)).into_iter().find(|one| one["properties"]["principalId"] == own).unwrap();
    one["properties"]["condition"] = json!(condition);
    one["properties"]["conditionVersion"] = json!("2.0");
    let at = format!("{}?api-version=2022-04-01", one["id"].as_str().unwrap());
    w.arm("PUT", &at, Some(json!({ "properties": one["properties"] }))).ok();
}

pub fn denied(world: &World) {
    let denial = json!({
        "name": "5f0b4b5e-0c7f-4b0f-9b1e-0b7f4b5e0c7f", "denyAssignmentName": "stack-shop", "scope": world.vault_id(VAULT),
        "permissions": [{ "dataActions": ["Microsoft.KeyVault/vaults/secrets/*"] }],
    });
    world.settings(&json!({ "deny_assignments": [denial] }));
}

#[test]
fn a_deny_assignment_a_condition_and_dates_are_named() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    world.write("podid.yaml", &SPEC.replace("model: access-policy", "model: rbac"));
    world.podid(&["up", "--yes"]).ok();
    let faults = vec![
        Fault {
            mend: Some(|w| w.settings(&json!({ "deny_assignments": null }))),
            ..fault("deny assignment", "grant", "PODID6004", "deny assignment", denied)
        },
        fault("condition", "grant", "PODID6003", "only under a condition", |w| {
            conditional(w, "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other'");
        }),
    ];
    let begun = std::time::Instant::now();
    denied(&world);
    // a proof reads it in what Key Vault says, and does not wait for what waiting cannot heal
    let unproved = world.podid(&["verify"]).exits(1);
    unproved.says("the deny assignment 5f0b4b5e").says("deployment stack");
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    world.settings(&json!({ "deny_assignments": null }));
    each(&world, faults, settle);
    // a condition that the secrets fulfil is no fault, and one that podid does not understand is a warning
    for (condition, severity, why) in [
        ("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'conn'", None, ("yes ", "if @Resource[")),
        (
            "@Environment[utcNow] DateTimeGreaterThan '2026-01-01T00:00:00.0Z'",
            Some("warning"),
            ("unknown ", "the role counts only under its condition, which podid does not understand"),
        ),
        (
            "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other'",
            Some("error"),
            ("no ", "the condition of the role keeps out the secret conn"),
        ),
    ] {
        conditional(&world, condition);
        let told = world.podid(&["why", "deployment/web", "conn", "-n", "shop"]).ok().stdout;
        assert!(told.starts_with(why.0) && told.contains(why.1), "{condition}: {told}");
        let document = world.podid(&["doctor", "-o", "json"]).ok().json();
        let found = document["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "PODID6003");
        assert_eq!(found.map(|finding| finding["severity"].as_str().unwrap()), severity, "{document:#}");
    }
    world.podid(&["up", "--yes"]).ok();
    let path = format!("{}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01", world.group_id());
    assert_eq!(world.arm("GET", &path, None).ok()["value"], json!([]));
    for (attributes, says) in
        [(json!({ "exp": 1_600_000_000 }), "expired"), (json!({ "exp": 4_100_000_000_u64, "nbf": 4_000_000_000_u64 }), "not valid before")]
    {
        secret(&world, attributes);
        let warned = world.podid(&["doctor", "-o", "json"]).ok().json();
        let all = warned["findings"].as_array().unwrap();
        assert_eq!(
            (&all[0]["code"], &all[0]["link"], &all[0]["severity"]),
            (&json!("PODID8003"), &json!("secret"), &json!("warning")),
            "{all:#?}"
        );
        assert!(all[0]["title"].as_str().unwrap().contains(says), "{all:#?}");
    }
}

#[test]
fn a_wrong_clock_is_told_from_a_token_that_was_kept() {
    let world = World::served();
    world.write("conn.txt", "not-a-real-secret");
    let spec = SPEC.replace("namespace: shop,", "namespace: shop, mode: workload-identity, serviceAccount: {name: web},");
    world.write("podid.yaml", &spec.replace("cluster: {name: aks-mi}", "cluster: {name: aks-mi, components: [workload-identity]}"));
    world.podid(&["up", "--yes"]).ok();
    let refused = |times: &str| {
        let text = format!(
            "AADSTS700024: Client assertion is not within its valid time range. {times} Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
        );
        let body = json!({ "error": "invalid_client", "error_description": text, "error_codes": [700024] });
        world.settings(&json!({ "fail": [{ "method": "POST", "host": "login.microsoftonline.com", "by": "csi", "path": "/oauth2/v2.0/token", "status": 401, "body": body }] }));
        world.kube("DELETE", CONTEXT, "/api/v1/namespaces/shop/events", None).ok();
        restarted(&world);
        reported(&world, "FailedMount", "AADSTS700024");
        errors(&world, &[]).first().cloned().unwrap()
    };
    // the token is of the future for Entra: the node that issued it is ahead
    let ahead = refused(
        "Current time: 2026-12-01T10:00:00.0000000Z, assertion valid from 2026-12-01T10:20:00.0000000Z, expiry time of assertion 2026-12-01T11:20:00.0000000Z.",
    );
    assert_eq!((&ahead["link"], &ahead["code"]), (&json!("token"), &json!("PODID1006")), "{ahead:#}");
    let kept = refused(
        "Current time: 2026-12-01T10:00:00.0000000Z, assertion valid from 2026-12-01T08:00:00.0000000Z, expiry time of assertion 2026-12-01T09:00:00.0000000Z.",
    );
    assert_eq!((&kept["link"], &kept["code"]), (&json!("token"), &json!("PODID4011")), "{kept:#}");
}
