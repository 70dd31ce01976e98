//! Searches for a canary secret value in everything that podid writes, prints and leaves behind: it is only where it must be.

use crate::common::{
    World,
    specs::{LAB_000, LAB_004, vault_of},
    until,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{fs, io::Write as _, path::Path, process::Stdio};

const CANARY: &str = "kanarienvogel&<\"7f3a91\">+c0ffee";

/// The canary as it is, and in the encodings of JSON, URLs and Kubernetes.
fn shapes() -> Vec<String> {
    let json = serde_json::to_string(CANARY).unwrap();
    let url: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    vec![CANARY.to_owned(), json.trim_matches('"').to_owned(), url, BASE64_STANDARD.encode(CANARY), "kanarienvogel".to_owned()]
}

fn holds(text: &[u8]) -> bool {
    shapes().iter().any(|shape| text.windows(shape.len()).any(|window| window == shape.as_bytes()))
}

#[track_caller]
fn check_no_canary(what: &str, text: &[u8]) {
    assert!(!holds(text), "{what} holds the secret's value:\n{}", String::from_utf8_lossy(text));
}

/// Searches all files but the world's own and the source of the value.
#[track_caller]
fn folder_is_clean(folder: &Path, source: Option<&str>) {
    let mut seen = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["world.json", ".world.json.tmp", "changes.jsonl"].contains(&name.as_str()) && source != Some(name.as_str()) {
                seen += 1;
                check_no_canary(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
            }
        }
    }
    assert!(seen > 10, "{seen} files only");
}

/// Runs a command and checks its output.
fn run(world: &World, code: i32, words: &[&str]) {
    let all = [words, &["-vvv"]].concat();
    let output = world.podid(&all);
    check_no_canary(&format!("stdout of {all:?}"), output.stdout.as_bytes());
    check_no_canary(&format!("stderr of {all:?}"), output.stderr.as_bytes());
    output.exits(code);
}

fn world_with_canary(mut world: World) -> World {
    world.env.push(("RUST_BACKTRACE".into(), "full".into()));
    world.write("canary.txt", CANARY);
    let text = world.read(LAB_004).replace("004.ExamplePassword.txt", "canary.txt");
    world.write("canary.yaml", &text);
    world
}

#[test]
fn the_search_finds_the_canary_where_it_may_be() {
    let world = world_with_canary(World::new());
    world.up("canary.yaml", &[]).ok();
    assert!(holds(&fs::read(world.path(".podid/world.json")).unwrap()), "else the other tests prove nothing");
    assert!(holds(&fs::read(world.path("canary.txt")).unwrap()));
    assert!(holds(BASE64_STANDARD.encode(CANARY).as_bytes()));
    let shown = world.podid(&["vault", "secret", "show", "ExamplePassword", "--vault", "myk8skv", "-g", "podid-lab", "--reveal"]).ok();
    assert!(holds(shown.stdout.as_bytes()));
}

#[test]
fn a_value_from_a_file_is_in_no_output_and_in_no_file() {
    let world = world_with_canary(World::new());
    let vault = ["--vault", "myk8skv", "-g", "podid-lab"];
    run(&world, 0, &["plan", "-f", "canary.yaml", "--out", "plan.json", "-o", "json"]);
    run(&world, 0, &["up", "--yes", "--verify", "-f", "canary.yaml", "--events", "events.jsonl", "-o", "json"]);
    run(&world, 0, &["up", "--yes", "--verify", "-f", "canary.yaml", "--events", "-"]);
    run(&world, 0, &["plan", "-f", "canary.yaml"]);
    run(&world, 0, &["status", "-f", "canary.yaml", "-o", "json"]);
    run(&world, 0, &["state", "list"]);
    run(&world, 0, &["state", "show"]);
    run(&world, 0, &["state", "show", "secret/myk8skv/ExamplePassword", "-o", "json"]);
    run(&world, 0, &["output", "secret/myk8skv/ExamplePassword"]);
    run(&world, 0, &[&["vault", "secret", "list"], &vault[..]].concat());
    run(&world, 0, &[&["vault", "secret", "show", "ExamplePassword", "-o", "json"], &vault[..]].concat());
    run(&world, 0, &["verify", "-f", "canary.yaml", "-o", "json"]);
    run(&world, 0, &["inventory", "-o", "json", "--all"]);
    run(&world, 0, &["inventory"]);
    run(&world, 0, &["who-can", "ExamplePassword", "--vault", "myk8skv"]);
    run(&world, 0, &["graph", "--format", "dot"]);
    run(&world, 0, &["doctor", "-f", "canary.yaml"]);
    run(&world, 0, &["doctor", "-A", "-o", "json"]);
    run(&world, 0, &["lint", "-f", "canary.yaml", "-o", "sarif"]);
    run(&world, 0, &["probe", "-f", "canary.yaml", "-o", "json"]);
    run(&world, 0, &["import", "--out", "imported.yaml"]);
    // A different value is a change and is shown as one.
    world.write("canary.txt", &format!("{CANARY} second"));
    run(&world, 3, &["plan", "--exit-code", "-f", "canary.yaml", "-o", "json"]);
    run(&world, 0, &["up", "--yes", "-f", "canary.yaml"]);
    run(&world, 0, &["state", "rebuild", "-f", "canary.yaml"]);
    run(&world, 0, &["sandbox", "export"]);
    run(&world, 0, &["down", "--yes", "-f", "canary.yaml", "--delete-data", "myk8skv"]);
    run(&world, 4, &["up", "--yes", "-f", "canary.yaml"]);
    folder_is_clean(world.dir(), Some("canary.txt"));
}

#[test]
fn no_error_contains_a_refused_or_failed_value() {
    let world = world_with_canary(World::served());
    let echo = |status: u16| {
        json!({ "fail": [{ "method": "PUT", "path": "/secrets/", "status": status,
        "body": { "error": { "code": "BadParameter", "message": "The request was not understood." } } }] })
    };
    for status in [400, 403, 409, 500] {
        world.settings(&echo(status));
        let output = world.podid(&["up", "--yes", "-f", "canary.yaml", "-vvv", "-o", "json", "--timeout", "3s"]);
        assert_ne!(output.code, Some(0), "{status}");
        check_no_canary(&format!("stdout at {status}"), output.stdout.as_bytes());
        check_no_canary(&format!("stderr at {status}"), output.stderr.as_bytes());
    }
    world.settings(&json!({ "fail": null }));
    // There is no terminal and no consent.
    run(&world, 4, &["up", "-f", "canary.yaml"]);
    run(&world, 0, &["up", "--yes", "-f", "canary.yaml"]);
    // This answer is not valid JSON.
    world.settings(&json!({ "fail": [{ "method": "GET", "path": "/secrets/", "status": 200, "body": { "value": 7 } }] }));
    let output = world.podid(&["up", "--yes", "-f", "canary.yaml", "-vvv"]);
    check_no_canary("stderr", output.stderr.as_bytes());
    // The value is in an answer that cannot be parsed.
    world.settings(&json!({ "fail": [{ "method": "GET", "path": "/secrets/", "status": 200, "body": { "value": CANARY, "id": 7, "attributes": 7 } }] }));
    let output = world.podid(&["up", "--yes", "-f", "canary.yaml", "-vvv"]);
    check_no_canary("stdout of an answer of a wrong shape", output.stdout.as_bytes());
    check_no_canary("stderr of an answer of a wrong shape", output.stderr.as_bytes());
    world.settings(&json!({ "fail": [{ "method": "GET", "path": "/secrets/", "status": 400, "body": { "error": { "code": "Bad", "message": "bad" } , "value": CANARY } }] }));
    let output = world.podid(&["up", "--yes", "-f", "canary.yaml", "-vvv"]);
    check_no_canary("stderr of an error with a value", output.stderr.as_bytes());
    folder_is_clean(world.dir(), Some("canary.txt"));
}

#[test]
fn a_value_from_the_environment_is_written_nowhere() {
    let mut world = world_with_canary(World::new());
    fs::remove_file(world.path("canary.txt")).unwrap();
    world.env.push(("KANARI".into(), CANARY.into()));
    let vault = ["--vault", "claims-api-kv", "-g", "podid-lab"];
    run(&world, 0, &["vault", "create", "-g", "podid-lab", "-n", "claims-api-kv", "--yes"]);
    run(&world, 0, &[&["vault", "secret", "set", "one", "--env", "KANARI", "--yes", "--events", "events.jsonl"], &vault[..]].concat());
    run(&world, 0, &[&["vault", "secret", "set", "one", "--env", "KANARI", "--yes", "-o", "json"], &vault[..]].concat());
    run(&world, 2, &[&["vault", "secret", "set", "one", "--env", "NOT_SET", "--yes"], &vault[..]].concat());
    // A value is never an argument, and is not repeated if somebody tries.
    run(&world, 2, &[&["vault", "secret", "set", "one", "--value", CANARY], &vault[..]].concat());
    run(&world, 2, &[&["vault", "secret", "set", "one", CANARY], &vault[..]].concat());
    run(&world, 0, &[&["vault", "secret", "delete", "one", "--yes"], &vault[..]].concat());
    folder_is_clean(world.dir(), None);
}

#[test]
fn no_other_process_can_see_a_value_from_standard_input() {
    let world = World::served();
    let vault = vault_of(LAB_000);
    world.podid(&["vault", "create", "-g", "podid-lab", "-n", vault, "--yes"]).ok();
    world.settings(&json!({ "delay_ms": 100 }));
    let words = ["vault", "secret", "set", "one", "--vault", vault, "-g", "podid-lab", "--stdin", "--yes", "-vvv"];
    let mut child = world.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(CANARY.as_bytes()).unwrap();
    let looks = processes_are_clean(&mut child);
    let output = child.wait_with_output().unwrap();
    check_no_canary("stdout", &output.stdout);
    check_no_canary("stderr", &output.stderr);
    assert_eq!(output.status.code(), Some(0));
    assert!(looks > 3, "{looks} looks only");
    assert!(holds(world.saved().to_string().as_bytes()));
    folder_is_clean(world.dir(), None);
}

/// Reads command line and environment of the process, as any process of the user may, until it ends.
fn processes_are_clean(child: &mut std::process::Child) -> usize {
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        for name in ["cmdline", "environ"] {
            let path = format!("/proc/{}/{name}", child.id());
            let text = fs::read(&path).unwrap_or_default();
            check_no_canary(&path, &text);
            looks += usize::from(!text.is_empty());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    looks
}

/// Finds the value in objects of a cluster, and returns the paths.
fn found_in(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| found_in(inner, &format!("{path}/{name}"), found)),
        Value::Array(all) => all.iter().enumerate().for_each(|(at, inner)| found_in(inner, &format!("{path}/{at}"), found)),
        Value::String(text) if holds(text.as_bytes()) => found.push(path.to_owned()),
        _ => {}
    }
}

#[test]
fn only_the_synced_secret_of_a_cluster_contains_the_value() {
    let world = world_with_canary(World::served());
    world.up("canary.yaml", &[]).ok();
    // The delay is long enough to see the proof's pod with its Secret.
    world.settings(&json!({ "delay_ms": 150 }));
    let verify = world.start(&["verify", "-f", "canary.yaml"]);
    let saved = until("the Secret is synced", || {
        let saved = world.saved();
        let mut found = Vec::new();
        found_in(&saved["clusters"], "", &mut found);
        (!found.is_empty()).then_some(saved)
    });
    let secret = world.kube("GET", "aks-mi", "/api/v1/namespaces/default/secrets/test-secret", None);
    let mut found = Vec::new();
    found_in(&saved["clusters"], "", &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("/data/key"), "{found:?}");
    assert_eq!(secret.ok()["data"]["key"], BASE64_STANDARD.encode(CANARY));
    verify.wait().ok();
    world.settings(&json!({ "delay_ms": 0 }));
    let after: Value = until("the Secret goes with the pod", || {
        let saved = world.saved();
        let mut found = Vec::new();
        found_in(&saved["clusters"], "", &mut found);
        found.is_empty().then_some(saved)
    });
    assert!(after["clusters"].is_object());
    let events = world.kube("GET", "aks-mi", "/api/v1/namespaces/default/events", None).ok();
    assert!(!events["items"].as_array().unwrap().is_empty());
    check_no_canary("the events", events.to_string().as_bytes());
}
