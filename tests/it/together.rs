//! Several podids at once, and one that is interrupted: nothing is lost, nobody waits in vain, and the state records what was done.

use crate::common::{
    World, same,
    specs::{LAB_000, LAB_004, vault_of},
    until,
};
use serde_json::{Value, json};

#[test]
fn a_second_up_on_one_state_is_refused_or_waits() {
    let world = World::served();
    // The delay is long enough for the first to be still running.
    world.settings(&json!({ "delay_ms": 150 }));
    let first = world.start(&["up", "--yes", "-f", LAB_000]);
    until("the first has begun", || (world.requests().len() > 3).then_some(()));
    let mark = world.mark();
    let refused = world.up(LAB_000, &[]).exits(5);
    assert!(refused.stderr.contains(&format!("pid {}", first.id())), "{}", refused.stderr);
    assert!(refused.stderr.contains("podid up --yes -f 000.yaml"), "{}", refused.stderr);
    assert!(world.since(mark).iter().all(|l| !l.is_token()), "it did not even log in");
    let waiting = world.start(&["up", "--yes", "-f", LAB_000, "--lock-timeout", "60s"]);
    first.wait().ok();
    world.settings(&json!({ "delay_ms": 0 }));
    let waited = waiting.wait().ok();
    assert!(waited.last_line().starts_with("nothing to do"), "{}", waited.stdout);
    let alone = World::new();
    alone.up(LAB_000, &[]).ok();
    same("after two at once", &alone.export(), &world.export());
}

/// Readers do not wait for a writer.
#[test]
fn a_plan_needs_no_lock() {
    let world = World::served();
    world.settings(&json!({ "delay_ms": 150 }));
    let up = world.start(&["up", "--yes", "-f", LAB_000]);
    until("it has begun", || (world.requests().len() > 3).then_some(()));
    world.plan(LAB_000).exits(3);
    world.podid(&["state", "list"]).ok();
    up.wait().ok();
}

#[test]
fn embedded_sandboxes_take_turns() {
    let world = World::new();
    let names = ["one", "two", "three", "four"];
    let all: Vec<_> = names
        .iter()
        .map(|name| {
            let state = format!("{name}.json");
            world.start(&["identity", "create", "-g", "podid-lab", "-n", name, "--yes", "--state", &state])
        })
        .collect();
    for one in all {
        one.wait().ok();
    }
    let listed = world.podid(&["identity", "list", "-g", "podid-lab", "-o", "json"]).ok().json();
    let mut found: Vec<&str> = listed["identities"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    found.retain(|name| names.contains(name));
    found.sort_unstable();
    assert_eq!(found, ["four", "one", "three", "two"]);
    // Each request has its own number.
    let numbers: Vec<u64> = world.requests().iter().map(|l| l.n).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

/// Another app with its own identity, namespace and secret, on the vault of lab 000.
fn neighbour(world: &World) -> &'static str {
    let text = world.read(LAB_000);
    let text = text.replace("name: lab-000", "name: neighbour").replace("claims-api-mid", "neighbour-mid");
    let text = text.replace("dev-claims-podid", "dev-neighbour").replace("claims-api-podid", "neighbour-podid");
    let text = text.replace("name: sqldbconn", "name: neighbours");
    world.write("neighbour.yaml", &text);
    "neighbour.yaml"
}

fn readers(world: &World, vault: &str) -> usize {
    let found = world.arm("GET", &format!("{}?api-version=2023-07-01", world.vault_id(vault)), None).ok();
    found["properties"]["accessPolicies"].as_array().unwrap().iter().filter(|p| p["permissions"]["secrets"] == json!(["get"])).count()
}

#[test]
fn two_apps_on_one_vault_at_once_keep_all_grants() {
    let world = World::served();
    let other = neighbour(&world);
    let vault = vault_of(LAB_000);
    world.podid(&["vault", "create", "--app", "lab-000", "-g", "podid-lab", "-n", vault, "--model", "access-policy", "--yes"]).ok();
    let ups = [
        world.start(&["up", "--yes", "--verify", "-f", LAB_000]),
        world.start(&["up", "--yes", "--verify", "-f", other, "--state", "other.json"]),
    ];
    for up in ups {
        let up = up.wait();
        assert_eq!(up.code, Some(0), "{}{}", up.stdout, up.stderr);
    }
    assert_eq!(readers(&world, vault), 2);
    // One app is deleted, the other stays.
    world.podid(&["down", "--yes", "-f", other, "--state", "other.json"]).ok();
    assert_eq!(readers(&world, vault), 1);
    world.podid(&["verify", "-f", LAB_000]).ok().says("proved ");
    // Both created the right to the nodes at once, and it has the mark of one.
    world.up(LAB_000, &["--verify"]).ok().says("proved ");
    world.plan(LAB_000).ok();
}

#[test]
fn deleting_the_app_that_created_the_vault_keeps_the_other_working() {
    let world = World::served();
    let other = neighbour(&world);
    world.up(LAB_000, &[]).ok();
    world.podid(&["up", "--yes", "-f", other, "--state", "other.json"]).ok();
    let vault = vault_of(LAB_000);
    assert_eq!(readers(&world, vault), 2);
    world.down(LAB_000, &[]).ok().says("needs it");
    assert_eq!(readers(&world, vault), 1);
    let pod = world.podid(&["verify", "-f", other, "--state", "other.json", "--timeout", "30s"]);
    // The pod can still read; podid's own right, to compare versions, was deleted with the app that had created it.
    assert!(pod.stdout.contains("mounted"), "{}{}", pod.stdout, pod.stderr);
    let again = world.podid(&["up", "--yes", "--verify", "-f", other, "--state", "other.json"]).ok();
    assert!(again.last_line().starts_with("proved "), "{}", again.stdout);
}

/// Both start from nothing at once: the second one finds the vault.
#[test]
fn two_apps_create_one_vault_at_once() {
    let world = World::served();
    let other = neighbour(&world);
    let ups = [world.start(&["up", "--yes", "-f", LAB_000]), world.start(&["up", "--yes", "-f", other, "--state", "other.json"])];
    for up in ups {
        let up = up.wait();
        assert_eq!(up.code, Some(0), "{}{}", up.stdout, up.stderr);
    }
    assert_eq!(readers(&world, vault_of(LAB_000)), 2);
    world.podid(&["verify", "-f", LAB_000]).ok().says("proved ");
    world.podid(&["verify", "-f", other, "--state", "other.json"]).ok().says("proved ");
}

#[test]
fn two_labs_at_once_on_two_states_both_succeed() {
    let world = World::served();
    let ups = [
        world.start(&["up", "--yes", "--verify", "-f", LAB_000, "--state", "a.json"]),
        world.start(&["up", "--yes", "--verify", "-f", LAB_004, "--state", "b.json"]),
    ];
    for up in ups {
        let up = up.wait().ok();
        assert!(up.last_line().starts_with("proved "), "{}", up.stdout);
    }
    let one_by_one = World::new();
    one_by_one.up(LAB_000, &["--verify"]).ok();
    one_by_one.up(LAB_004, &["--verify"]).ok();
    same("two labs at once", &one_by_one.export(), &world.export());
}

fn pods(world: &World) -> Vec<String> {
    let all = world.kube("GET", "aks-sp", "/api/v1/namespaces/dev-claims-podid/pods", None).ok();
    all["items"].as_array().unwrap().iter().map(|p| p["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_interrupted_proof_deletes_its_pod() {
    let world = World::served();
    world.up(LAB_000, &[]).ok();
    // The identity may not read the secret: the proof waits in vain.
    let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/dev-claims-podid/azureidentitybindings/claims-api-podid-binding";
    world.kube("PATCH", "aks-sp", path, Some(json!({ "spec": { "azureIdentity": "none" } }))).ok();
    // A closed terminal sends SIGHUP more than once; under `nohup` it is ignored, here as in podid.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().any(|line| line.starts_with("SigIgn:") && line.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']));
    for signals in [&["-INT"][..], &["-TERM"], &["-HUP", "-HUP"]] {
        if ignored && signals.contains(&"-HUP") {
            continue;
        }
        let verify = world.start(&["verify", "-f", LAB_000]);
        until("the pod is there", || (!pods(&world).is_empty()).then_some(()));
        signals.iter().for_each(|signal| verify.signal(signal));
        verify.wait().exits(130);
        assert_eq!(pods(&world), Vec::<String>::new(), "{signals:?} leaves the pod");
    }
}

#[test]
fn an_interrupted_up_records_what_it_did_and_the_next_one_finishes() {
    let world = World::served();
    world.settings(&json!({ "delay_ms": 150 }));
    let up = world.start(&["up", "--yes", "-f", LAB_000, "-o", "json"]);
    until("it writes", || (!world.writes_since(crate::common::log::Mark::default()).is_empty()).then_some(()));
    up.interrupt();
    let up = up.wait().exits(130);
    world.settings(&json!({ "delay_ms": 0 }));
    let report = up.json();
    assert_eq!(report["interrupted"], true);
    let of = |result: &str| -> Vec<String> {
        let all = report["actions"].as_array().unwrap().iter();
        all.filter(|a| a["act"] == "create" && a["result"] == result).map(|a| a["key"].as_str().unwrap().to_owned()).collect()
    };
    let (done, not_started) = (of("done"), of("not_started"));
    assert!(!done.is_empty() && !not_started.is_empty(), "{report:#}");
    let listed = world.listed();
    let known: Vec<&Value> = listed["entries"].as_array().unwrap().iter().map(|e| &e["key"]).collect();
    for key in &done {
        assert!(known.iter().any(|k| *k == key), "{key} is done and not known");
    }
    let again = world.up(LAB_000, &["-o", "json"]).ok().json();
    // A secret that cannot be read because podid's own right is missing counts as changed.
    let summed = ["create", "update"].map(|act| again["summary"][act].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(usize::try_from(summed).unwrap() + done.len(), 12, "nothing is made twice: {again:#}");
    let alone = World::new();
    alone.up(LAB_000, &[]).ok();
    same("after an interrupted run and another", &alone.export(), &world.export());
}
