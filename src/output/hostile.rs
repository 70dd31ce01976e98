//! Checks that nothing that podid prints affects a terminal or a CI, whatever names, messages and values contain.

use super::{
    Line, Options, Paint, Terminal, Text, clean,
    events::Events,
    human, json, panics,
    progress::Progress,
    table,
    tests::{Kept, action, change},
    unified, yaml,
};
use crate::{
    engine::{
        event::Event,
        execute::Report,
        fault::Fault,
        key::Key,
        ledger::Ledger,
        plan::{Act, FORMAT, LeftOut, Plan, Refusal, Warning},
    },
    exit::Exit,
    failure::Failure,
};
use serde_json::{Value, json};
use std::{io, process::Command, time::Duration};

/// A text that forges a line of a plan, a proof, an event and commands of GitHub and Azure Pipelines, hides itself, and reverses the rest.
const HOSTILE: &str = "x\n::error::a\r\n  ::set-output name=b::c\nproved by nobody\n{\"event\":\"done\"}\u{1b}[2K\u{1b}[1A\u{1b}[32m\u{9b}0m\u{7}\t##[error]d ##vso[e]\u{202e}\u{2066}\u{200b}\u{2028}\u{85}\u{e0041}\u{7f}\0";

/// Checks that each line is podid's own: no character affects its reader, and no CI takes it for a command.
#[track_caller]
fn is_harmless(text: &str) {
    for line in text.split('\n') {
        assert!(line.chars().all(clean::is_visible), "{line:?} in:\n{text}");
        assert!(clean::commands(line).is_empty(), "{line:?} in:\n{text}");
        assert!(!line.trim_start().starts_with("proved") && !line.starts_with("{\"event\":\"done"), "{line:?} in:\n{text}");
    }
}

fn key() -> Key {
    Key::from(format!("identity/{HOSTILE}").as_str())
}

fn failure() -> Failure {
    Failure::new(Exit::Failed, HOSTILE).because(HOSTILE).hint(HOSTILE)
}

fn plan() -> Plan {
    let mut create = action(key().as_str(), Act::Create);
    create.changes = vec![change(HOSTILE, Value::Null, json!([HOSTILE]))];
    create.why = Some(HOSTILE.into());
    create.notes.0.push(HOSTILE.into());
    create.commands = vec![HOSTILE.into()];
    create.cluster = Some(HOSTILE.into());
    let mut kept = action("vault/kv", Act::Keep);
    kept.why = Some(HOSTILE.into());
    let refused = Refusal {
        changes: vec![change(HOSTILE, json!(HOSTILE), json!({ HOSTILE: HOSTILE }))],
        key: key(),
        reason: HOSTILE.into(),
        way_out: Some(HOSTILE.into()),
    };
    let warning = Warning { key: key(), text: HOSTILE.into(), hint: Some(HOSTILE.into()) };
    Plan {
        version: FORMAT,
        app: HOSTILE.into(),
        actions: vec![create, kept],
        refused: vec![refused],
        warnings: vec![warning],
        left_out: LeftOut::default(),
    }
}

fn report() -> Report {
    Report {
        done: vec![(key(), Act::Replace, Duration::ZERO)],
        failed: vec![("role/x".into(), Act::Update, Fault::Bug(HOSTILE.into()))],
        not_started: vec![(key(), Act::Create, HOSTILE.into())],
        ledger: Ledger::default(),
        unsaved: Some(HOSTILE.into()),
        interrupted: false,
    }
}

fn joined(mut text: Text, more: Text) -> Text {
    text.append(more);
    text
}

fn everything() -> Vec<Text> {
    let rows = [vec![HOSTILE.to_owned(), "::warning::x".into()], vec!["::error::y".into(), format!("{HOSTILE} ").repeat(3)]];
    let object = json!({ "metadata": { "name": HOSTILE }, "list": [HOSTILE], "text": "a\n::error::b\nc" });
    let named = json!({ HOSTILE: { "-- live/x": HOSTILE } });
    let diff = |live: Option<&Value>, merged: Option<&Value>| unified::shown(&unified::diff(HOSTILE, live, merged));
    vec![
        human::plan(&plan(), 2),
        human::warnings(&plan()).unwrap(),
        human::report(&report(), &plan(), Duration::ZERO, 2),
        human::rehearsal(&report(), &[(&key(), Act::Create, HOSTILE)]),
        human::failures(&report(), &|_, _| failure()).iter().map(human::failure).fold(human::not_started(&report()), joined),
        human::failure(&failure()),
        human::failure(&panics::failure(&HOSTILE, Some(HOSTILE.into()))),
        table::list(&["NAME", "DETAIL"], &rows, HOSTILE, None),
        table::list(&["NAME", "DETAIL"], &rows, HOSTILE, Some(20)),
        table::list(&["NAME"], &[], HOSTILE, None),
        table::record(&[("name", Some(HOSTILE.into()))]),
        json::text(&json::plan(&plan())),
        json::text(&json::report(&report(), &plan(), &|_, _| failure(), Duration::ZERO)),
        json::text(&json::failure(&failure())),
        json::line(&object),
        yaml::text(&object),
        yaml::text(&named),
        yaml::text(&json::plan(&plan())),
        diff(Some(&object), Some(&named)),
        diff(Some(&object), None),
        diff(None, Some(&object)),
        HOSTILE.into(),
        Text::of_lines(HOSTILE).render(Paint(false)).replace("proved", "").as_str().into(),
        Line::new().bold(HOSTILE).plain("#").red("#[error]").into(),
    ]
}

#[test]
fn no_text_affects_a_terminal_or_a_ci() {
    everything().iter().for_each(|text| is_harmless(&text.to_string()));
}

/// Checks that only podid's own colors are added: the text is the same without them, and has no other control sequence.
#[test]
fn on_a_terminal_there_are_only_podids_colours() {
    let colours = regex::Regex::new("\u{1b}\\[(0|1|2|31|32|33)m").unwrap();
    for text in everything() {
        let painted = text.render(Paint(true));
        let bare = colours.replace_all(&painted, "");
        is_harmless(&bare);
        assert_eq!(bare, text.to_string());
    }
}

#[test]
fn documents_hold_the_same_values() {
    let document = json::plan(&plan());
    let read: Value = serde_json::from_str(&json::text(&document).to_string()).unwrap();
    assert_eq!(read, document);
    assert_eq!(read["app"], HOSTILE);
    let read: Value = serde_saphyr::from_str(&yaml::text(&document).to_string()).unwrap();
    assert_eq!(read, document);
}

fn events() -> [Event; 7] {
    [
        Event::Observing { nodes: 1 },
        Event::Observed { took: Duration::ZERO },
        Event::Started { key: key(), act: Act::Create },
        Event::Waiting { key: Some(key()), text: HOSTILE.into() },
        Event::Waiting { key: None, text: HOSTILE.into() },
        Event::Failed { key: key(), act: Act::Create, fault: Fault::Bug(HOSTILE.into()) },
        Event::Done { key: "identity/x".into(), act: Act::Update, took: Duration::ZERO },
    ]
}

#[test]
fn progress_does_not_affect_a_terminal_or_a_ci() {
    let err = Kept::default();
    let progress = Progress::new(&Terminal { verbose: 2, ..Terminal::piped(io::sink(), err.clone()) });
    events().iter().for_each(|event| progress.tell(event));
    is_harmless(&err.text());
    assert!(err.text().lines().count() > 4, "{}", err.text());
}

#[test]
fn output_of_a_plugin_keeps_only_its_line_breaks() {
    let err = Kept::default();
    let terminal = Terminal::piped(io::sink(), err.clone());
    terminal.pass_on("Open https://microsoft.com/devicelogin\r\nand type ");
    terminal.pass_on("the code \u{1b}[2KABC: ");
    assert_eq!(err.text(), "Open https://microsoft.com/devicelogin\nand type the code \\x1b[2KABC: ");
}

#[test]
fn events_on_stderr_are_all_that_is_there() {
    let (out, err) = (Kept::default(), Kept::default());
    let terminal = Terminal { events_on_stderr: true, stdin_tty: true, stderr_tty: true, ..Terminal::piped(out.clone(), err.clone()) };
    let (progress, watchers) = (Progress::new(&terminal), Events::to_stderr(&terminal));
    for event in events() {
        progress.tell(&event);
        watchers.tell(&event);
    }
    terminal.say(human::plan(&plan(), 0));
    terminal.complain(HOSTILE);
    terminal.fail(&failure());
    terminal.debug(HOSTILE);
    terminal.pass_on(HOSTILE);
    terminal.answer("the answer").unwrap();
    assert!(!terminal.can_ask(), "a question would be text");
    let lines: Vec<Value> = err.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert_eq!(lines.len(), events().len() + 5);
    assert!(
        err.text().chars().all(|c| c == '\n' || clean::is_visible(c)) && err.text().lines().all(|line| clean::commands(line).is_empty())
    );
    let error = lines.iter().find(|line| line["event"] == "error").unwrap();
    assert_eq!((&error["message"], &error["exit"]), (&json!(HOSTILE), &json!(1)));
    assert!(lines.iter().any(|line| line["level"] == "info" && line["text"].as_str().unwrap().contains("plan: 1 to create")));
    assert_eq!(out.text(), "the answer\n");
}

#[test]
fn a_value_for_scripts_is_exact_on_a_pipe_and_shown_on_a_terminal() {
    let out = Kept::default();
    let piped = Terminal::piped(out.clone(), io::sink());
    piped.value("p\u{1b}[31m\tq").unwrap();
    Terminal { stdout_tty: true, ..piped }.value("p\u{1b}[31m\tq\nr").unwrap();
    assert_eq!(out.text(), "p\u{1b}[31m\tq\np\\x1b[31m\\tq\nr\n");
}

/// Not a test: the child process of the next one.
#[test]
fn panics_where_a_parent_asks_for_it() {
    let Ok(how) = std::env::var("PODID_TEST_PANICS") else { return };
    let terminal = Terminal::of_process(Options { events_on_stderr: how == "events", ..Options::default() });
    panics::report_to(&terminal, |_| ());
    let ended = std::panic::catch_unwind(|| panic!("{HOSTILE}"));
    std::process::exit(if ended.is_err() { 70 } else { 0 });
}

#[test]
fn a_panic_is_told_as_a_failure() {
    for how in ["text", "events"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "output::hostile::panics_where_a_parent_asks_for_it", "--nocapture"])
            .env("PODID_TEST_PANICS", how)
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(70), "{err}");
        if how == "events" {
            let event: Value = serde_json::from_str(&err).unwrap_or_else(|_| panic!("{err}"));
            assert_eq!((&event["event"], &event["exit"]), (&json!("error"), &json!(70)));
        } else {
            assert!(err.starts_with("error: internal error (this is a bug in podid)\n  because x\n    | "), "{err}");
            is_harmless(&err.replace("| proved", "| "));
        }
    }
}
