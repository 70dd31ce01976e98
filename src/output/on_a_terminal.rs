//! Tests questions and progress lines on a real (pseudo) terminal: this test program runs itself in one.

use super::{Options, Terminal, progress::Progress, prompt};
use crate::engine::{event::Event, key::Key, plan::Act};
use rexpect::session::{PtySession, spawn_command};
use secrecy::ExposeSecret;
use std::{env, process::Command, thread, time::Duration};

/// Not a test: the program that runs on the terminal.
#[test]
fn acts_on_a_terminal() {
    let Ok(scene) = env::var("PODID_TEST_SCENE") else { return };
    let terminal = Terminal::of_process(Options { no_color: true, ..Options::default() });
    let outcome = match scene.as_str() {
        "consent" => format!("{:?}", prompt::consent(&terminal, "Do it?", false, &|| false)),
        "secret" => match prompt::secret_value(&terminal, "secret/kv/conn", &|| false) {
            Ok(value) => format!("length {}", value.expose_secret().len()),
            Err(failure) => format!("{failure:?}"),
        },
        "select" => format!("{:?}", prompt::select(&terminal, "identity", &["claims".into(), "shop".into()], "--identity NAME")),
        "hostile" => {
            let progress = Progress::new(&terminal);
            let key = || Key::from("identity/\u{1b}[35mbar");
            progress.tell(&Event::Started { key: key(), act: Act::Create });
            thread::sleep(Duration::from_millis(300));
            progress.tell(&Event::Waiting { key: Some(key()), text: "\u{1b}[36mwaits\nplan: x".into() });
            thread::sleep(Duration::from_millis(300));
            drop(progress);
            let consent = prompt::consent(&terminal, "\u{1b}[34mDo it\u{202e}?", false, &|| false);
            let select = prompt::select(&terminal, "identity", &["\u{1b}[33ma\nb".into(), "c".into()], "--identity NAME");
            format!("{consent:?} {select:?}")
        }
        _ => {
            let progress = Progress::new(&terminal);
            let key = || Key::from("identity/claims");
            progress.tell(&Event::Started { key: key(), act: Act::Create });
            thread::sleep(Duration::from_millis(300));
            progress.tell(&Event::Waiting { key: Some(key()), text: "waiting for it".into() });
            thread::sleep(Duration::from_millis(300));
            progress.tell(&Event::Done { key: key(), act: Act::Create, took: Duration::from_millis(600) });
            String::new()
        }
    };
    println!("outcome: {outcome}<end>");
}

fn scene(name: &str) -> PtySession {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "output::on_a_terminal::acts_on_a_terminal", "--nocapture", "--test-threads=1"]);
    command.env("PODID_TEST_SCENE", name).env("TERM", "xterm");
    spawn_command(command, Some(20_000)).unwrap()
}

fn outcome(mut terminal: PtySession) -> String {
    terminal.exp_string("outcome: ").unwrap();
    terminal.exp_string("<end>").unwrap()
}

#[test]
fn consent_is_given_by_a_person_and_not_by_default() {
    for (typed, taken) in [("y\r", true), ("YES\r", true), ("n\r", false), ("maybe\r", false), ("podid verify\r", false), ("\r", false)] {
        let mut terminal = scene("consent");
        terminal.exp_string("Do it?").unwrap();
        terminal.send(typed).unwrap();
        terminal.flush().unwrap();
        let outcome = outcome(terminal);
        assert_eq!(outcome == "Ok(())", taken, "{typed:?}: {outcome}");
        assert!(taken || outcome.contains("nothing was changed"), "{outcome}");
    }
}

#[test]
fn a_secret_is_typed_twice_and_not_shown() {
    let mut terminal = scene("secret");
    terminal.exp_string("Value of secret/kv/conn").unwrap();
    terminal.send_line("hunter2").unwrap();
    let between = terminal.exp_string("Again").unwrap();
    terminal.send_line("hunter2").unwrap();
    let after = terminal.exp_string("outcome: ").unwrap();
    assert!(!format!("{between}{after}").contains("hunter2"), "{between}{after}");
    assert_eq!(terminal.exp_string("<end>").unwrap(), "length 7");
}

#[test]
fn one_of_several_is_chosen() {
    let mut terminal = scene("select");
    terminal.exp_string("Which identity?").unwrap();
    terminal.exp_string("shop").unwrap();
    terminal.send("j\r").unwrap();
    terminal.flush().unwrap();
    assert_eq!(outcome(terminal), "Ok(1)");
}

/// The terminal receives podid's own control sequences, and none of those in names and messages.
#[test]
fn names_and_messages_do_not_act_on_a_terminal() {
    let mut terminal = scene("hostile");
    let mut seen = terminal.exp_string(r"creating identity/\x1b[35mbar: \x1b[36mwaits\nplan: x").unwrap();
    seen += &terminal.exp_string(r"\x1b[34mDo it\u{202e}?").unwrap();
    terminal.send_line("y").unwrap();
    seen += &terminal.exp_string(r"\x1b[33ma\nb").unwrap();
    terminal.send("\r").unwrap();
    terminal.flush().unwrap();
    seen += &terminal.exp_string("outcome: ").unwrap();
    assert!(!["\u{1b}[33m", "\u{1b}[34m", "\u{1b}[35m", "\u{1b}[36mwaits", "\u{202e}"].iter().any(|acts| seen.contains(acts)), "{seen:?}");
    assert_eq!(terminal.exp_string("<end>").unwrap(), "Ok(()) Ok(0)");
}

#[test]
fn a_running_action_has_one_line_that_ends_as_a_plain_one() {
    let mut terminal = scene("progress");
    terminal.exp_string("creating identity/claims").unwrap();
    terminal.exp_string("creating identity/claims: waiting for it").unwrap();
    terminal.exp_string("created identity/claims in 0.6 s").unwrap();
    assert_eq!(outcome(terminal), "");
}
