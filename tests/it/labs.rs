//! Labs 000, 001 and 004 as their users see them in the cluster: podid creates what tests/labs/NNN.expected.yaml shows, and adopts what the labs' own
//! commands created (NNN.lab.yaml). On the sandbox's own cluster, and on a real control plane with the sandbox's Azure.

use crate::common::{
    World,
    both::Side,
    flexvolume,
    log::Mark,
    objects::{KINDS, text},
    same,
    specs::vault_of,
    until,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

struct Lab {
    spec: &'static str,
    context: &'static str,
    identity: &'static str,
}

const LAB_000: Lab = Lab { spec: "000.yaml", context: "aks-sp", identity: "claims-api-mid" };
const LAB_001: Lab = Lab { spec: "001.yaml", context: "aks-sp", identity: "demo-mid" };
const LAB_004: Lab = Lab { spec: "004.yaml", context: "aks-mi", identity: "aks2kvIdentity" };

/// Returns the documents of a file of tests/labs; values of Azure replace the placeholders in angle brackets.
fn documents(world: &World, lab: &Lab, kind: &str) -> Vec<Value> {
    let name = lab.spec.replace(".yaml", &format!(".{kind}.yaml"));
    let mut all = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labs").join(name)).unwrap();
    let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id(lab.identity)), None).ok();
    for (placeholder, value) in [
        ("<id>", text(&identity, "/id")),
        ("<clientId>", text(&identity, "/properties/clientId")),
        ("<tenant id>", text(&identity, "/properties/tenantId")),
        ("<subscription id>", &world.subscription()),
    ] {
        all = all.replace(placeholder, value);
    }
    assert!(!all.contains(": <"), "a placeholder is left:\n{all}");
    all.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn place(object: &Value) -> (&str, &str, &str) {
    (text(object, "/kind"), text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// Removes what the server counts and records.
fn shown(mut object: Value) -> String {
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"] {
        object["metadata"].as_object_mut().unwrap().shift_remove(field);
    }
    format!("{:#}\n", sorted(object))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            json!(fields)
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Returns the new objects of the kinds that podid writes.
fn new_since(world: &World, context: &str, before: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let kinds = ["Namespace", "AzureIdentity", "AzureIdentityBinding", "SecretProviderClass", "Secret"];
    let now = world.metadata(context, "uid").into_iter().filter(|(key, uid)| before.get(key) != Some(uid));
    now.map(|(key, _)| key).filter(|key| kinds.contains(&key.split(' ').next().unwrap())).collect()
}

fn is_as_expected(lab: &Lab, world: &World) {
    let export = world.export();
    let before = world.metadata(lab.context, "uid");
    let up = world.up(lab.spec, &["--verify"]).ok();
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    let expected = documents(world, lab, "expected");
    for object in &expected {
        let (kind, namespace, name) = place(object);
        let there = world.get(lab.context, kind, namespace, name).unwrap_or_else(|| panic!("there is no {kind} {name}"));
        same(&format!("{kind} {name}"), &shown(object.clone()), &shown(there));
    }
    let all = expected.iter().map(|object| {
        let (kind, namespace, name) = place(object);
        format!("{kind} {namespace}/{name}")
    });
    let all: BTreeSet<String> = all.collect();
    // A Secret that was synced for the proof's pod is deleted after it.
    until("nothing else is there", || (new_since(world, lab.context, &before) == all).then_some(()));
    a_second_run_writes_nothing(lab, world);
    world.down(lab.spec, &["--delete-data", vault_of(lab.spec)]).ok();
    world.collected(lab.context);
    same("after `down`", &export, &world.export());
}

fn a_second_run_writes_nothing(lab: &Lab, world: &World) {
    let (versions, marked) = (world.metadata(lab.context, "resourceVersion"), world.mark());
    assert_ne!(world.writes_since(Mark::default()), Vec::<String>::new(), "the first run wrote");
    let again = world.up(lab.spec, &[]).ok();
    assert!(again.last_line().starts_with("nothing to do"), "{}", again.stdout);
    for (key, now) in world.metadata(lab.context, "resourceVersion") {
        assert_eq!(Some(&now), versions.get(&key), "{key} was written");
    }
    assert_eq!(world.writes_since(marked), Vec::<String>::new(), "nor to Azure");
}

both! {
    lab_000_makes_what_the_lab_wants, |side| is_as_expected(&LAB_000, &World::on(side, LAB_000.context).without_the_flag());
    lab_001_makes_what_the_lab_wants, |side| is_as_expected(&LAB_001, &World::on(side, LAB_001.context).without_the_flag());
    lab_004_makes_what_the_lab_wants, |side| is_as_expected(&LAB_004, &World::on(side, LAB_004.context).without_the_flag())
}

fn a_pod_that_does_not_mount_is_no_proof(side: Side) {
    let mut world = World::on(side, LAB_004.context);
    world.up(LAB_004.spec, &["--verify"]).ok();
    let verify = ["verify", "-n", "default", "--app", "lab-004", "--timeout", "20s"];
    let policy = |world: &World, secrets: &[&str]| {
        let identity = world.arm("GET", &format!("{}?api-version=2023-01-31", world.identity_id(LAB_004.identity)), None).ok();
        let properties = &identity["properties"];
        let entry = json!({"tenantId": properties["tenantId"], "objectId": properties["principalId"], "permissions": {"secrets": secrets}});
        let path = format!("{}/accessPolicies/replace?api-version=2023-07-01", world.vault_id("myk8skv"));
        world.arm("PUT", &path, Some(json!({"properties": {"accessPolicies": [entry]}}))).ok();
    };
    policy(&world, &["list"]);
    let not = world.podid(&verify).exits(1);
    assert!(
        not.stdout.contains("Forbidden") || not.stderr.contains("Forbidden") || not.stderr.contains("may not"),
        "{}{}",
        not.stdout,
        not.stderr
    );
    policy(&world, &["get"]);
    world.kill_api_server();
    until("the API server is back", || world.kubectl("aks-mi", &["get", "--raw", "/readyz"]).code.filter(|code| *code == 0));
    world.podid(&["verify", "-n", "default", "--app", "lab-004"]).ok().says("proved default/spc-myk8skv");
}

both! { a_failing_mount_is_no_proof_and_components_survive_the_api_server, a_pod_that_does_not_mount_is_no_proof }

/// Removes fields that may change: of an object that must not be touched, or whose metadata may change.
fn stable_fields(object: &Value) -> Value {
    json!({"uid": object["metadata"]["uid"], "created": object["metadata"]["creationTimestamp"], "generation": object["metadata"]["generation"],
        "spec": object["spec"]})
}

fn is_adopted(lab: &Lab, world: &World) {
    let context = lab.context;
    // This is Azure as the lab's az commands leave it, recorded in no state.
    world.podid(&["up", "--yes", "-f", lab.spec, "--only", "azure", "--state", "azure.json"]).ok();
    let objects = documents(world, lab, "lab");
    if lab.spec == LAB_000.spec {
        flexvolume::install(world);
    }
    world.kubectl_apply(context, &objects);
    let pods = until("the lab's pods run", || {
        let pods: Vec<Value> = world.all(context, "Pod").into_iter().filter(|p| text(p, "/metadata/namespace") != "kube-system").collect();
        let run = pods.iter().all(|pod| pod["status"]["phase"] == "Running");
        // Until then its status still changes.
        let available = |d: &Value| d["status"]["availableReplicas"] == d["spec"]["replicas"];
        let settled = world.all(context, "Deployment").iter().filter(|d| text(d, "/metadata/namespace") != "kube-system").all(available);
        (run && settled && !pods.is_empty()).then_some(pods)
    });
    let again = |pod: &Value| world.get(context, "Pod", text(pod, "/metadata/namespace"), text(pod, "/metadata/name")).unwrap();
    let pods: Vec<Value> = pods.iter().map(again).collect();
    let key = |object: &Value| {
        let (kind, namespace, name) = place(object);
        let namespace = if kind == "Namespace" {
            ""
        } else if namespace.is_empty() {
            "default"
        } else {
            namespace
        };
        (kind.to_owned(), namespace.to_owned(), name.to_owned())
    };
    let seen = || -> BTreeMap<_, Value> {
        let found = objects.iter().map(key).map(|key| {
            let object = world.get(context, &key.0, &key.1, &key.2).unwrap_or_else(|| panic!("{key:?} is gone"));
            (key, object)
        });
        found.collect()
    };
    let before = seen();
    // An object that differs is refused first.
    world.up(lab.spec, &[]).exits(4).says("--adopt");
    assert_eq!(
        seen().values().map(|o| &o["metadata"]["resourceVersion"]).collect::<Vec<_>>(),
        before.values().map(|o| &o["metadata"]["resourceVersion"]).collect::<Vec<_>>()
    );
    let up = world.up(lab.spec, &["--adopt", "--verify"]).ok();
    assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    for (key, now) in seen() {
        let was = &before[&key];
        if key.0 == "SecretProviderClass" {
            // The deprecated tenantId gets its successor beside it.
            assert_eq!(
                (&now["metadata"]["uid"], &now["metadata"]["creationTimestamp"]),
                (&was["metadata"]["uid"], &was["metadata"]["creationTimestamp"])
            );
            assert_eq!(now["spec"]["parameters"]["tenantID"], was["spec"]["parameters"]["tenantId"]);
            continue;
        }
        assert_eq!(stable_fields(&now), stable_fields(was), "{key:?}");
        if !matches!(key.0.as_str(), "AzureIdentity" | "AzureIdentityBinding") {
            assert_eq!(now["metadata"]["resourceVersion"], was["metadata"]["resourceVersion"], "{key:?} was written");
        }
    }
    for pod in pods {
        same("the app goes on as it was", &format!("{pod:#}\n"), &format!("{:#}\n", again(&pod)));
    }
    a_second_run_writes_nothing(lab, world);
    // Adopted objects stay as they are.
    let kept = seen();
    world.down(lab.spec, &[]).ok();
    for (key, now) in seen() {
        assert_eq!(now["metadata"]["uid"], kept[&key]["metadata"]["uid"], "{key:?}");
    }
}

both! {
    a_cluster_that_the_commands_of_lab_000_set_up_is_adopted, |side| is_adopted(&LAB_000, &World::on(side, LAB_000.context).without_the_flag());
    a_cluster_that_the_commands_of_lab_001_set_up_is_adopted, |side| is_adopted(&LAB_001, &World::on(side, LAB_001.context).without_the_flag());
    a_cluster_that_the_commands_of_lab_004_set_up_is_adopted, |side| is_adopted(&LAB_004, &World::on(side, LAB_004.context).without_the_flag())
}

#[test]
fn the_lab_files_contain_only_kinds_that_are_compared() {
    let world = World::served();
    for lab in [&LAB_000, &LAB_001, &LAB_004] {
        world.podid(&["identity", "create", "-g", "podid-lab", "-n", lab.identity, "--yes"]).ok();
        for object in documents(&world, lab, "expected").iter().chain(&documents(&world, lab, "lab")) {
            let kind = text(object, "/kind");
            assert!(KINDS.iter().any(|(_, _, known)| *known == kind), "{kind}");
        }
    }
}
