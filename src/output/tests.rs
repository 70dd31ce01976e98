//! Checks what people and programs read, word by word.

use super::*;
use crate::{
    engine::{
        event::Event,
        execute::Report,
        fault::Fault,
        key::Key,
        ledger::{Ledger, Origin},
        plan::{Act, Action, FORMAT, LeftOut, Notes, Plan, Refusal, Work},
        resource::Change,
    },
    exit::Exit,
    failure::Failure,
    output::{events::Events, progress::Progress},
};
use serde_json::{Value, json};
use std::time::Duration;

/// A stream that can be read again.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub fn action(key: &str, act: Act) -> Action {
    Action {
        key: key.into(),
        act,
        changes: Vec::new(),
        why: None,
        unseen: false,
        notes: Notes::default(),
        after: Vec::new(),
        commands: Vec::new(),
        kind: Key::from(key).kind().into(),
        cluster: None,
        origin: Origin::Created,
        work: Work::default(),
    }
}

pub fn change(field: &str, from: Value, to: Value) -> Change {
    Change { field: field.into(), from, to }
}

fn a_plan() -> Plan {
    let mut identity = action("identity/claims", Act::Create);
    identity.changes = vec![change("location", Value::Null, json!("westeurope"))];
    identity.commands = vec!["az identity create -g podid-lab -n claims".into()];
    let mut object = action("azureidentity/dev/claims", Act::Create);
    object.changes = vec![change("spec.clientID", Value::Null, json!("(after identity/claims)"))];
    object.after = vec!["identity/claims".into()];
    object.cluster = Some("aks-mi".into());
    let mut grant = action("grant/kv/claims", Act::Update);
    grant.changes = vec![change("secrets", json!(["get"]), json!(["get", "list"])), change("note", Value::Null, json!("x"))];
    let mut cluster = action("cluster/aks-mi", Act::Keep);
    (cluster.why, cluster.origin) = (Some("existing".into()), Origin::Existing);
    let mut vault = action("vault/kv", Act::Keep);
    vault.why = Some("it holds data: `--delete-data kv` deletes it".into());
    let actions = vec![
        identity,
        object,
        grant,
        cluster,
        action("namespace/dev", Act::Keep),
        action("role/x", Act::Adopt),
        action("secret/kv/old", Act::Delete),
        vault,
    ];
    Plan { version: FORMAT, app: "claims".into(), actions, refused: Vec::new(), warnings: Vec::new(), left_out: LeftOut::default() }
}

fn refused() -> Plan {
    let refusal = Refusal {
        changes: Vec::new(),
        key: "vault/kv".into(),
        reason: "a soft-deleted vault has this name".into(),
        way_out: Some("Bring it back with `--recover`.".into()),
    };
    Plan {
        version: FORMAT,
        app: "claims".into(),
        actions: vec![action("identity/claims", Act::Create)],
        refused: vec![refusal],
        warnings: Vec::new(),
        left_out: LeftOut::default(),
    }
}

#[test]
fn a_plan_shows_changes_field_by_field_and_folds_what_stays() {
    insta::assert_snapshot!(human::plan(&a_plan(), 0), @r#"
    app claims:
      + create  identity/claims
                  location: westeurope
      + create  azureidentity/dev/claims
                  spec.clientID: (after identity/claims)
      ~ update  grant/kv/claims
                  secrets: get -> get, list
                  note: (none) -> x
      = adopt   role/x
      - delete  secret/kv/old
      = keep    vault/kv (it holds data: `--delete-data kv` deletes it)

    plan: 2 to create, 1 to update, 1 to delete, 1 to adopt, 3 unchanged
    "#);
}

#[test]
fn a_verbose_plan_shows_what_stays_and_the_commands_it_stands_for() {
    insta::assert_snapshot!(human::plan(&a_plan(), 1), @r#"
    app claims:
      + create  identity/claims
                  location: westeurope
                  $ az identity create -g podid-lab -n claims
      + create  azureidentity/dev/claims on aks-mi
                  spec.clientID: (after identity/claims)
      ~ update  grant/kv/claims
                  secrets: get -> get, list
                  note: (none) -> x
      = keep    cluster/aks-mi (existing)
      = keep    namespace/dev
      = adopt   role/x
      - delete  secret/kv/old
      = keep    vault/kv (it holds data: `--delete-data kv` deletes it)

    plan: 2 to create, 1 to update, 1 to delete, 1 to adopt, 3 unchanged
    "#);
}

#[test]
fn a_refusal_has_a_hint() {
    insta::assert_snapshot!(human::plan(&refused(), 0), @r#"
    app claims:
      + create  identity/claims
      ! refused vault/kv
                  a soft-deleted vault has this name
                  Bring it back with `--recover`.

    plan: 1 to create, 0 to update, 0 to delete, 0 unchanged, 1 refused
    "#);
}

#[test]
fn nothing_to_do_is_one_line() {
    let stay = |n: usize| Plan {
        version: FORMAT,
        app: "claims".into(),
        actions: (0..n).map(|i| action(&format!("identity/i{i}"), Act::Keep)).collect(),
        refused: Vec::new(),
        warnings: Vec::new(),
        left_out: LeftOut::default(),
    };
    assert_eq!(human::plan(&stay(14), 0).to_string(), "nothing to do: 14 resources are as they should be\n");
    assert_eq!(human::plan(&stay(1), 0).to_string(), "nothing to do: 1 resource is as it should be\n");
    assert_eq!(human::plan(&stay(0), 0).to_string(), "nothing to do: app claims has no resources\n");
}

#[test]
fn what_only_leaves_out_is_counted_and_named_on_request() {
    let keys = ["component/aks/csi", "component/aks/pod-identity", "namespace/aks/shop"].map(Key::from).into();
    let plan = Plan { left_out: LeftOut { flag: "--only azure", keys }, refused: Vec::new(), ..a_plan() };
    let shown = human::plan(&plan, 0).to_string();
    assert!(shown.contains("left out because of --only azure: 2 component, 1 namespace (-v names them)"), "{shown}");
    let shown = human::plan(&plan, 1).to_string();
    assert!(
        shown.contains("left out because of --only azure: component/aks/csi, component/aks/pod-identity, namespace/aks/shop"),
        "{shown}"
    );
    assert_eq!(json::plan(&plan)["left_out"][2], "namespace/aks/shop");
}

#[test]
fn color_does_not_change_the_words() {
    let plain = human::plan(&a_plan(), 1).to_string();
    let painted = human::plan(&a_plan(), 1).render(Paint(true));
    assert_ne!(plain, painted);
    assert_eq!(dialoguer::console::strip_ansi_codes(&painted), plain);
}

fn a_report() -> Report {
    Report {
        done: vec![("identity/claims".into(), Act::Create, Duration::from_millis(320))],
        failed: vec![("grant/kv/claims".into(), Act::Update, Fault::Bug("boom".into()))],
        not_started: vec![("azureidentity/dev/claims".into(), Act::Create, "grant/kv/claims failed".into())],
        ledger: Ledger::default(),
        unsaved: None,
        interrupted: false,
    }
}

fn explain(key: &Key, fault: &Fault) -> Failure {
    Failure::new(Exit::Failed, format!("{fault}")).because("the answer was odd").hint(format!("Look at `podid state show {key}`."))
}

/// Returns the documents as they are printed.
fn troubles(report: &Report, explain: human::Explain<'_>) -> String {
    let failures: String = human::failures(report, explain).iter().map(|failure| human::failure(failure).to_string()).collect();
    failures + &human::not_started(report).to_string()
}

#[test]
fn a_report_tells_what_was_done_what_failed_and_what_was_not_started() {
    insta::assert_snapshot!(troubles(&a_report(), &explain), @r#"
    error: could not update grant/kv/claims: internal error (this is a bug in podid): boom
      because the answer was odd
    hint: Look at `podid state show grant/kv/claims`.
    not started: to create azureidentity/dev/claims: grant/kv/claims failed
    "#);
    insta::assert_snapshot!(human::report(&a_report(), &a_plan(), Duration::from_secs(150), 0), @r#"
      done        created identity/claims in 0.3 s
      kept vault/kv: it holds data: `--delete-data kv` deletes it
    not done: 1 created, 0 updated, 0 deleted, 1 adopted, 3 unchanged, 1 failed, 1 not started, in 2 min 30 s
    "#);
}

#[test]
fn a_cause_of_several_failures_is_reported_once() {
    let failed = ["role/a", "role/b"].map(|key| (Key::from(key), Act::Create, Fault::Interrupted)).to_vec();
    let explain = |_: &Key, fault: &Fault| Failure::new(Exit::Failed, fault.to_string()).hint("Look there.");
    let text = troubles(&Report { failed, not_started: Vec::new(), ..a_report() }, &explain);
    assert_eq!(text, "error: could not create role/a, create role/b: interrupted\nhint: Look there.\n");
}

#[test]
fn a_report_without_trouble_is_one_line_and_what_was_kept() {
    let report = Report { failed: Vec::new(), not_started: Vec::new(), ..a_report() };
    assert_eq!(troubles(&report, &explain), "");
    let text = human::report(&report, &a_plan(), Duration::from_millis(12_345), 0).to_string();
    let (kept, sum) = text.split_once('\n').unwrap();
    assert_eq!(kept, "  kept vault/kv: it holds data: `--delete-data kv` deletes it");
    assert_eq!(sum, "done: 1 created, 0 updated, 0 deleted, 1 adopted, 3 unchanged, in 12 s\n");
}

#[test]
fn entries_that_could_not_be_saved_are_printed() {
    let report = Report { unsaved: Some("no space left".into()), failed: Vec::new(), ..a_report() };
    let text = human::report(&report, &a_plan(), Duration::ZERO, 0).to_string();
    assert!(text.contains("could not save the state: no space left\nmissing from the state file:\n  created identity/claims\n"), "{text}");
}

#[test]
fn a_plan_as_json_has_the_fixed_names() {
    let document = json::plan(&refused());
    assert_eq!(document["version"], 1);
    assert_eq!(document["actions"][0]["key"], "identity/claims");
    assert_eq!(document["actions"][0]["act"], "create");
    assert_eq!(document["refused"][0]["way_out"], "Bring it back with `--recover`.");
    let expected = json!({"create": 1, "update": 0, "replace": 0, "delete": 0, "adopt": 0, "keep": 0, "failed": 0, "not_started": 0});
    assert_eq!(document["summary"], expected);
    assert!(document["actions"][0].get("work").is_none());
}

#[test]
fn a_report_as_json_has_a_result_for_each_action() {
    let document = json::report(&a_report(), &a_plan(), &explain, Duration::from_millis(1500));
    let result = |key: &str| document["actions"].as_array().unwrap().iter().find(|a| a["key"] == key).cloned().unwrap();
    assert_eq!(result("identity/claims")["result"], "done");
    assert_eq!(result("identity/claims")["seconds"], 0.32);
    assert_eq!(result("grant/kv/claims")["error"]["message"], "internal error (this is a bug in podid): boom");
    assert_eq!(result("azureidentity/dev/claims")["because"], "grant/kv/claims failed");
    assert_eq!(result("vault/kv")["result"], "kept");
    assert_eq!(document["summary"]["failed"], 1);
    assert_eq!(document["seconds"], 1.5);
}

#[test]
fn a_failure_says_what_why_and_what_next() {
    let failure = Failure::new(Exit::Failed, "could not create identity/claims")
        .because("Azure forbids Microsoft.ManagedIdentity/userAssignedIdentities/write")
        .because("the caller has no role on the group")
        .hint("Ask an owner to run `az role assignment create`.");
    insta::assert_snapshot!(human::failure(&failure), @r#"
    error: could not create identity/claims
      because Azure forbids Microsoft.ManagedIdentity/userAssignedIdentities/write
      because the caller has no role on the group
    hint: Ask an owner to run `az role assignment create`.
    "#);
    assert_eq!(json::failure(&failure)["exit"], 1);
}

#[test]
fn progress_without_a_terminal_is_plain_lines() {
    let err = Kept::default();
    let progress = Progress::new(&Terminal::piped(io::sink(), err.clone()));
    let key = || Key::from("identity/claims");
    progress.tell(&Event::Observing { nodes: 3 });
    progress.tell(&Event::Observed { took: Duration::from_millis(5) });
    progress.tell(&Event::Started { key: key(), act: Act::Create });
    for _ in 0..2 {
        progress.tell(&Event::Waiting { key: Some(key()), text: "waiting for it".into() });
    }
    progress.tell(&Event::Done { key: key(), act: Act::Create, took: Duration::from_millis(321) });
    progress.tell(&Event::Failed { key: "grant/kv/claims".into(), act: Act::Update, fault: Fault::Interrupted });
    progress.tell(&Event::NotStarted { key: "role/x".into(), act: Act::Delete, because: "interrupted".into() });
    insta::assert_snapshot!(err.text(), @r#"
    creating identity/claims ...
    identity/claims: waiting for it
    created identity/claims in 0.3 s
    failed to update grant/kv/claims: interrupted
    "#);
}

#[test]
fn quiet_says_only_what_must_be_seen() {
    let (out, err) = (Kept::default(), Kept::default());
    let terminal = Terminal { quiet: true, ..Terminal::piped(out.clone(), err.clone()) };
    Progress::new(&terminal).tell(&Event::Started { key: "identity/claims".into(), act: Act::Create });
    terminal.say("a word");
    terminal.complain("an error\n\n");
    terminal.answer("an answer").unwrap();
    assert_eq!((out.text().as_str(), err.text().as_str()), ("an answer\n", "an error\n"));
}

#[test]
fn events_are_json_lines() {
    let sink = Kept::default();
    let events = Events::to(sink.clone());
    events.tell(&Event::Started { key: "identity/claims".into(), act: Act::Update });
    events.tell(&Event::Waiting { key: None, text: "Waiting.".into() });
    let lines: Vec<Value> = sink.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["event"], &lines[0]["act"]), (2, &json!("started"), &json!("update")));
    assert_eq!(lines[1]["key"], Value::Null);
    assert!(lines.iter().all(|line| line["time"].as_str().is_some_and(|time| time.ends_with('Z'))));
}

#[test]
fn without_a_terminal_every_question_names_its_flag() {
    let terminal = Terminal::piped(io::sink(), io::sink());
    assert_eq!(prompt::consent(&terminal, "Do it?", true, &|| false), Ok(()));
    let failure = prompt::consent(&terminal, "Do it?", false, &|| false).unwrap_err();
    assert_eq!(failure.kind, Exit::Refused);
    assert!(failure.hints[0].contains("--yes"));
    let failure = prompt::secret_value(&terminal, "secret/kv/conn", &|| false).unwrap_err();
    assert!(failure.message.contains("secret/kv/conn") && failure.hints[0].contains("--stdin"));
    let failure = prompt::select(&terminal, "identity", &["a".into(), "b".into()], "--identity NAME").unwrap_err();
    assert!(failure.message.ends_with("which identity is meant: a, b") && failure.hints[0].contains("--identity NAME"));
    assert_eq!(failure.kind, Exit::Refused);
}

#[test]
fn a_list_has_columns_or_says_that_it_is_empty() {
    let rows = vec![vec!["claims-api-mid".into(), "westeurope".into()], vec!["b".into(), "x".into()]];
    assert_eq!(
        table::list(&["name", "location"], &rows, "", None).to_string(),
        "NAME            LOCATION\nclaims-api-mid  westeurope\nb               x\n"
    );
    assert_eq!(table::list(&["name"], &[], "no identities in podid-lab", Some(80)).to_string(), "no identities in podid-lab\n");
    let record = table::record(&[("name", Some("claims".into())), ("clientId", Some("c".into())), ("tags", None)]);
    assert_eq!(record.to_string(), "name:     claims\nclientId: c\n");
}
