//! Texts of a spec, a server or objects of a cluster must not control a terminal or a CI, whatever podid prints of them.

use super::{CLASS, SPEC, edited, made};
use crate::common::{Output, World};
use serde_json::{Value, json};

/// Forges lines of a proof and of a plan, commands of GitHub and Azure Pipelines, and hides the rest.
const HOSTILE: &str = "x\n::error::forged\r\n  ::set-output name=a::b\nproved shop/web\n##[error]forged ##vso[task.x]\u{1b}[2K\u{1b}[1A\u{1b}[32m\u{9b}0m\u{202e}\u{200b}\u{2028}\u{7f}";

#[track_caller]
fn check_harmless(output: &Output) {
    for line in output.stdout.split('\n').chain(output.stderr.split('\n')) {
        let acts = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!line.chars().any(acts), "{line:?} in\n{output:?}");
        assert!(!line.trim_start().starts_with("::") && !line.contains("##[") && !line.contains("##vso["), "{line:?} in\n{output:?}");
        assert!(!line.starts_with("proved"), "{line:?} in\n{output:?}");
    }
}

#[track_caller]
fn are_events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"))).collect()
}

const FORMATS: [&[&str]; 5] = [&[], &["-o", "json"], &["-o", "yaml"], &["-vvv"], &["--events", "-"]];

#[test]
fn a_hostile_spec_is_escaped() {
    let world = World::new();
    // YAML allows these characters only as escapes.
    let escaped = |c: char| if matches!(c, ' '..='~') { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    let quoted: String = json!(HOSTILE).to_string().chars().map(escaped).collect();
    for (from, to) in [("kind: App", "kind: "), ("{name: shop}", "{name: "), ("alias: conn.txt}", "alias: ")] {
        let spec = SPEC.replace(from, &format!("{to}{quoted}{}", if from.ends_with('}') { "}" } else { "" }));
        world.write("podid.yaml", &spec);
        for format in FORMATS {
            for command in ["plan", "up", "status", "verify", "diff"] {
                let output = world.podid(&[&[command, "-f", "podid.yaml"], format].concat());
                assert_ne!(output.code, Some(101));
                check_harmless(&output);
            }
        }
    }
    world.write("podid.yaml", &SPEC.replace("alias: conn.txt", &format!("alias: conn.txt, vault: {quoted}")));
    let output = world.podid(&["plan"]).exits(2).says("the spec has no vault `x\n  | ::error::forged\n");
    check_harmless(&output);
}

#[test]
fn a_hostile_argument_is_escaped() {
    let world = World::new();
    for words in [&[HOSTILE][..], &["up", HOSTILE], &["identity", "create", "-n", HOSTILE], &["output", HOSTILE], &["-f", HOSTILE, "plan"]]
    {
        check_harmless(&world.podid(words).exits(2));
    }
    let words = ["vault", "secret", "set", "conn=hunter2\n::error::forged", "--vault", "kv1", "-vvv"];
    let output = world.podid(&words).exits(2);
    check_harmless(&output);
    assert!(!output.stderr.contains("hunter2") && output.stderr.contains("conn=...") && output.stderr.contains("--stdin"), "{output:?}");
}

#[test]
fn a_hostile_answer_of_a_server_is_escaped() {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.write("conn.txt", "not-a-real-secret");
    let fail = |method: &str, path: &str, status: u16| {
        world.settings(&json!({ "fail": [{ "method": method, "path": path, "status": status,
            "body": { "error": { "code": format!("Bad{HOSTILE}"), "message": HOSTILE } } }] }));
    };
    for (method, path, status) in
        [("PUT", "/userAssignedIdentities/", 400), ("PUT", "/userAssignedIdentities/", 403), ("GET", "/vaults/", 400)]
    {
        fail(method, path, status);
        for format in FORMATS {
            let output = world.podid(&[&["up", "--yes"], format].concat());
            assert!(output.code != Some(0) && output.stderr.contains("forged"), "{output:?}");
            check_harmless(&output);
            if format.contains(&"--events") {
                let events = are_events(&output.stderr);
                assert!(events.iter().any(|event| event["event"] == "error" && event["exit"].is_u64()), "{events:?}");
            }
        }
    }
}

#[test]
fn a_hostile_object_is_escaped() {
    let world = made();
    edited(
        &world,
        CLASS,
        json!({ "spec": { "parameters": { "keyvaultName": HOSTILE, "objects": format!("array:\n  - |\n    {HOSTILE}") } } }),
    );
    for format in FORMATS {
        for command in [&["verify", "--timeout", "20s"][..], &["plan"], &["status"], &["diff"], &["up", "--dry-run"]] {
            let output = world.podid(&[command, format].concat());
            check_harmless(&output);
            if command[0] == "verify" {
                assert!(output.code == Some(1) && !output.stdout.contains("\"proved\": true"), "{output:?}");
            }
            if format.contains(&"json") {
                output.json();
            }
            if format.contains(&"--events") {
                are_events(&output.stderr);
            }
        }
    }
}

/// Each line of stderr is an event, however podid ends.
#[test]
fn events_do_not_share_stderr_with_text() {
    let world = made();
    let events = |words: &[&str], code: i32| are_events(&world.podid(words).exits(code).stderr);
    let last = |words: &[&str], code: i32| events(words, code).pop().unwrap();
    for words in [
        &["up", "--events", "-", "--nonsense"][..],
        &["--events=-", "up", "x"],
        &["--events", "-"],
        &["plan", "--events", "-", "-f", "none.yaml"],
    ] {
        assert!(matches!(last(words, 2)["event"].as_str(), Some("error" | "message")));
    }
    let kinds: Vec<Value> = events(&["verify", "--events", "-"], 0).into_iter().map(|event| event["event"].clone()).collect();
    assert!(!kinds.contains(&json!("error")), "{kinds:?}");
    world.write("conn.txt", "another");
    // podid asks nobody: a question would be text.
    assert_eq!(last(&["up", "--events", "-"], 4)["exit"], 4);
    let up = events(&["up", "--yes", "--events", "-", "-vv"], 0);
    for kind in ["observing", "started", "done", "message"] {
        assert!(up.iter().any(|event| event["event"] == kind), "no {kind} in {up:?}");
    }
    let mut both = world.command(&["status", "--events", "/dev/stderr"]);
    let output = both.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`--events -`"));
}

/// A reader that closes the pipe is not a bug.
#[cfg(unix)]
#[test]
fn a_closed_stream_causes_no_panic() {
    let world = World::new();
    for words in [&["--help"][..], &["nonsense"], &["sandbox", "crds"], &["identity", "list"], &["plan"], &["plan", "-o", "json", "-vv"]] {
        for stream in ["out", "err"] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = world.command(words);
            match stream {
                "out" => command.stdout(writer).stderr(std::process::Stdio::null()),
                _ => command.stderr(writer).stdout(std::process::Stdio::null()),
            };
            let code = command.status().unwrap().code();
            assert!(matches!(code, Some(0..=5)), "{words:?} with a closed std{stream} ends with {code:?}");
        }
    }
}
