//! The Azure SDKs for Python and Go, unmodified, on a sandbox that is served: tests/sdk has a program for each, which prints what it saw at
//! every step, and in rounds.jsonl what both must have seen. PODID_SDKS decides: `required` (missing is a failure), `off`, or unset: used
//! where they are installed, else one line says what was not run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends")]

mod common;

use common::{World, by_hand::GROUP, same, without_guids};
use serde_json::{Map, Value};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

const ROUNDS: &[&str] = &["login", "identities", "roles", "vaults", "secrets"];
/// Only the SDK for Python lets its caller say how long a page of secrets is.
const OF_PYTHON: &[&str] = &["secret.list by tens"];

#[derive(Clone, Copy, PartialEq)]
enum Sdk {
    Python,
    Go,
}

/// The Python and the Go program.
type Programs = (PathBuf, PathBuf);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asked once per process; what is not run is said then.
fn programs() -> Option<&'static Programs> {
    static ANSWER: OnceLock<Option<Programs>> = OnceLock::new();
    let script = root().join("scripts/with-sdks");
    let wanted = || match std::env::var("PODID_SDKS").as_deref() {
        Ok("required") => true,
        Ok("off") => say("PODID_SDKS=off"),
        Ok("") | Err(_) => match Command::new(&script).arg("--have").stdin(Stdio::null()).status().unwrap().code() {
            Some(0) => true,
            Some(3) => say("they are not installed yet; `scripts/with-sdks true` does that, once, in about 3 minutes"),
            _ => say("they cannot be installed here; `scripts/with-sdks true` says what is missing"),
        },
        Ok(other) => panic!("PODID_SDKS is `required`, `off` or unset, not {other:?}"),
    };
    let find = || {
        let output = Command::new(&script).args(["sh", "-c", "echo \"$PODID_SDK_PYTHON\"; echo \"$PODID_SDK_GO\""]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (python, go) = text.trim_end().split_once('\n').unwrap();
        (python.into(), go.into())
    };
    ANSWER.get_or_init(|| wanted().then(find)).as_ref()
}

/// Not by eprintln: libtest would keep it for itself.
fn say(why: &str) -> bool {
    let _ = std::io::stderr().write_all(format!("not run: the tests with the Azure SDKs ({why})\n").as_bytes());
    false
}

/// What the program saw, one step a line, with names in the place of what is of this world.
fn play(world: &World, sdk: Sdk, programs: &Programs, credential: &str, tag: &str) -> String {
    let rounds = root().join("tests/sdk/python/rounds.py");
    let words = [&[credential, tag, GROUP], ROUNDS].concat();
    let mut command = match sdk {
        Sdk::Python => world.program(&programs.0, &[&["-B", rounds.to_str().unwrap()], words.as_slice()].concat()),
        Sdk::Go => world.program(&programs.1, &words),
    };
    let output = command.envs(world.environment()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the rounds ended with {}:\n{said}", output.status);
    let names = [(world.subscription(), "SUBSCRIPTION"), (tag.to_owned(), "TAG")];
    let text = String::from_utf8(output.stdout).unwrap();
    let text = names.iter().fold(text, |text, (of_this, name)| text.replace(of_this, name));
    versions_named(&without_guids(&text.lines().map(|line| sorted(line) + "\n").collect::<String>()))
}

/// With its keys in order.
fn sorted(line: &str) -> String {
    fn sort(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sort(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(entries.into_iter().collect::<Map<_, _>>())
            }
            Value::Array(list) => list.into_iter().map(sort).collect(),
            other => other,
        }
    }
    sort(serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).to_string()
}

/// The first version of a secret that is met is VERSION-1, and so on.
fn versions_named(text: &str) -> String {
    let shape = regex::Regex::new(r"\b[0-9a-f]{32}\b").unwrap();
    let mut known: Vec<String> = Vec::new();
    let name = |found: &regex::Captures<'_>| {
        let at = known.iter().position(|v| *v == found[0]).unwrap_or_else(|| {
            known.push(found[0].to_owned());
            known.len() - 1
        });
        format!("VERSION-{}", at + 1)
    };
    shape.replace_all(text, name).into_owned()
}

/// What must have been seen: of the SDK for Go without the types of Python's errors.
fn expected(sdk: Sdk) -> String {
    let text = std::fs::read_to_string(root().join("tests/sdk/rounds.jsonl")).unwrap();
    let mut lines = String::new();
    for line in text.lines() {
        let mut step: Value = serde_json::from_str(line).unwrap();
        let name = step["step"].as_str().unwrap().to_owned();
        if sdk == Sdk::Go {
            if OF_PYTHON.contains(&name.as_str()) {
                continue;
            }
            if let Some(refused) = step["saw"].get_mut("refused").and_then(Value::as_object_mut) {
                refused.shift_remove("type");
            }
            // Entra's own words reach the caller; MSAL for Python has others
            if name == "login.unknown tenant" {
                step["saw"]["refused"]["says"] = "AADSTS90002".into();
            }
        }
        lines += &(step.to_string() + "\n");
    }
    lines
}

#[test]
fn the_sdk_for_python_sees_azure_with_a_client_secret() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    same("what the SDK for Python saw", &expected(Sdk::Python), &play(&world, Sdk::Python, programs, "secret", "py-secret"));
}

#[test]
fn the_sdk_for_go_sees_azure_with_a_client_secret() {
    let Some(programs) = programs() else { return };
    let world = World::served();
    same("what the SDK for Go saw", &expected(Sdk::Go), &play(&world, Sdk::Go, programs, "secret", "go-secret"));
}
