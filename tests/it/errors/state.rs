//! The state file: locked, damaged, newer, of another world, in a place that is not writable.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::json;
use std::{fs, process::Stdio, time::Duration};

#[test]
fn a_locked_state_names_its_holder_and_the_start_time() {
    let lab = Lab::with_app().served();
    // One request that hangs keeps the first run busy, and with it the lock.
    lab.set(&json!({ "hold": { "n": 3, "when": "before" } }));
    let mut first = lab.command("up -f app.yaml --yes").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !fs::read_to_string(lab.path(".podid/state.json.lock")).is_ok_and(|text| text.contains("pid")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = lab.fails("up -f app.yaml --yes");
    first.kill().unwrap();
    first.wait().unwrap();
    assert_snapshot!(told, @r#"
    exit 5
    error: the state file .podid/state.json is in use by [HOLDER]: podid up -f app.yaml --yes, since [SINCE]
    hint: Wait for it with `--lock-timeout 5m`, or use another state file with `--state FILE`.
    "#);
}

#[test]
fn a_damaged_state_names_its_backup_and_the_rebuild() {
    let lab = Lab::made();
    let text = lab.read(".podid/state.json");
    lab.write(".podid/state.json", &text[..24]);
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 5
    error: the state file [DIR]/.podid/state.json cannot be read: EOF while parsing a string at line 3 column 6
    hint: The state before the last change is in [DIR]/.podid/state.json.bak: copy it over the file.
    hint: Or rebuild the state from existing resources: `podid state rebuild -f SPEC`.
    "#);
    lab.done("state rebuild -f app.yaml");
    lab.done("plan -f app.yaml --exit-code");
}

#[test]
fn a_damaged_journal_is_refused_with_two_hints() {
    let lab = Lab::made();
    lab.write(".podid/state.json.journal", "0123456789abcdef {}\n");
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 5
    error: the journal of the state file, [DIR]/.podid/state.json.journal, cannot be used: line 1 is damaged
    hint: To go on with the state file as it is, move the journal away: `mv [DIR]/.podid/state.json.journal [DIR]/.podid/state.json.journal.old`.
    hint: Or rebuild the state from existing resources: `podid state rebuild`.
    "#);
    assert_snapshot!(lab.fails("state list"), @r#"
    exit 5
    error: the journal of the state file, [DIR]/.podid/state.json.journal, cannot be used: line 1 is damaged
    hint: To go on with the state file as it is, move the journal away: `mv [DIR]/.podid/state.json.journal [DIR]/.podid/state.json.journal.old`.
    hint: Or rebuild the state from existing resources: `podid state rebuild`.
    "#);
    lab.done("state rebuild -f app.yaml");
    lab.done("plan -f app.yaml --exit-code");
}

#[test]
fn a_newer_state_is_refused() {
    let lab = Lab::made();
    lab.edit(".podid/state.json", |state| state["version"] = json!(99));
    assert_snapshot!(lab.fails("up -f app.yaml --yes"), @r#"
    exit 5
    error: the state file [DIR]/.podid/state.json was written by a newer podid (format 99; this one knows up to 1)
    hint: Use the podid that wrote it, or a newer one.
    "#);
    assert_snapshot!(lab.fails("state list"), @r#"
    exit 5
    error: the state file [DIR]/.podid/state.json was written by a newer podid (format 99; this one knows up to 1)
    hint: Use the podid that wrote it, or a newer one.
    "#);
}

#[test]
fn a_state_of_another_world_is_refused() {
    let lab = Lab::made();
    lab.edit(".podid/state.json", |state| state["world"]["subscription"] = json!("00000000-0000-4000-8000-000000000001"));
    assert_snapshot!(lab.fails("up -f app.yaml --yes --subscription e76701e5-3b27-571a-a68b-54a47a441782"), @r#"
    exit 5
    error: the state file [DIR]/.podid/state.json belongs to another world: it holds AzureCloud tenant [ID] subscription [ID], this command is for AzureCloud tenant [ID] subscription [ID]
    hint: Name the right subscription with `--subscription`, log in to the right tenant, or use another state file with `--state FILE`.
    "#);
}

#[test]
fn a_state_in_an_unwritable_place_is_refused_before_any_change() {
    let lab = Lab::with_app();
    lab.write("file", "");
    assert_snapshot!(lab.fails("up -f app.yaml --yes --state file/state.json"), @r#"
    exit 5
    error: could not create the folder file: File exists (os error 17)
    hint: Check that the folder is there and may be written, or use another one with `--state FILE`.
    "#);
}

#[test]
fn down_with_several_apps_asks_which() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes --app shop");
    lab.done("identity create -n till-mid --yes --app till");
    assert_snapshot!(lab.fails("down --yes"), @r#"
    exit 4
    error: the state holds more than one app: shop, till
    hint: Name one with `--app APP`, or the spec with `-f FILE`.
    "#);
}

#[test]
fn down_without_an_app_says_how_to_name_one() {
    assert_snapshot!(Lab::new().fails("down --yes"), @r#"
    exit 4
    error: no app given: the state has no app, and there is no spec
    hint: Give the spec with `-f FILE` or the state with `--state FILE`, or rebuild the state: `podid state rebuild -f FILE`.
    "#);
}

/// Entries of the app's state are edited by hand; every command that uses them reports it, and the state can be rebuilt.
#[test]
fn a_malformed_state_is_reported_and_can_be_rebuilt() {
    type Edit = fn(&mut serde_json::Value);
    let edits: &[(Edit, &str)] = &[
        (|entry| entry["kind"] = json!("teapot"), r#"its kind is "teapot""#),
        (|entry| entry["spec"] = json!([1]), "spec: "),
        (|entry| entry["placed"] = json!({ "id": 5 }), "placed: "),
        (|entry| entry["spec"]["id"] = json!("/not/an/id"), "spec: "),
        (|entry| entry["left"] = json!([{ "placed": "x", "origin": "created" }]), "left.placed: "),
        (|entry| entry["spec"]["location"] = json!({ "$from": "identity/shop-mid#location" }), "in a circle"),
    ];
    for (edit, why) in edits {
        let lab = Lab::made();
        lab.edit(".podid/state.json", |state| {
            let entries = state["entries"].as_array_mut().unwrap();
            edit(entries.iter_mut().find(|e| e["key"] == "identity/shop-mid").unwrap());
        });
        for command in ["up -f app.yaml --yes", "plan -f app.yaml", "status --app shop", "down --yes --app shop", "identity list"] {
            let told = lab.fails(command);
            assert!(told.starts_with("exit 5") && told.contains(why) && told.contains("podid state rebuild"), "{command}: {why}\n{told}");
        }
        lab.done("state rebuild -f app.yaml");
        lab.done("plan -f app.yaml --exit-code");
    }
}

#[test]
fn malformed_outputs_are_reported() {
    for output in ["id", "client_id", "principal_id", "location", "tenant_id"] {
        let lab = Lab::made();
        lab.edit(".podid/state.json", |state| {
            for entry in state["entries"].as_array_mut().unwrap() {
                if let Some(value) = entry["outputs"].as_object_mut().and_then(|outputs| outputs.get_mut(output)) {
                    *value = json!([{ "x": 5 }]);
                }
            }
        });
        for command in ["status --app shop", "plan -f app.yaml --only kubernetes", "down --yes --app shop --dry-run", "plan -f app.yaml"] {
            let code = lab.command(command).output().unwrap().status.code();
            assert!(matches!(code, Some(0 | 4 | 5)), "{command} with another {output}: {code:?}");
        }
    }
}
