//! Questions at a (pseudo) terminal.

use super::{OF_VAULT, VAULT, World, world};
use rexpect::session::{PtySession, spawn_command};
use std::{
    thread,
    time::{Duration, Instant},
};

fn at_a_terminal(world: &World, words: &[&str]) -> PtySession {
    let mut command = world.command(words);
    command.env("TERM", "xterm").stdin(std::process::Stdio::inherit());
    spawn_command(command, Some(20_000)).unwrap()
}

/// Returns the output up to the end, and the exit code.
fn ended(mut terminal: PtySession) -> (String, i32) {
    let text = terminal.exp_eof().unwrap();
    let ended = format!("{:?}", terminal.process().wait().unwrap());
    let code = ended.strip_prefix("Exited(").and_then(|rest| rest.trim_end_matches(')').rsplit(", ").next()?.parse().ok());
    (text, code.unwrap_or_else(|| panic!("{ended}")))
}

fn set(world: &World, more: &[&str]) -> PtySession {
    at_a_terminal(world, &[&["vault", "secret", "set", "conn", "--app", "shop"], OF_VAULT, more].concat())
}

fn type_twice(terminal: &mut PtySession, value: &str) {
    terminal.exp_string("Value of conn: ").unwrap();
    terminal.send_line(value).unwrap();
    terminal.exp_string("Again: ").unwrap();
    terminal.send_line(value).unwrap();
}

#[test]
fn set_asks_for_a_new_value_even_if_one_exists() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    for (flags, value) in [(&[][..], "typed one"), (&["--prompt"], "typed two")] {
        let mut terminal = set(&world, flags);
        type_twice(&mut terminal, value);
        terminal.exp_string("value: (another value) -> asked on the terminal").unwrap();
        terminal.exp_string("Do it? [y/N] ").unwrap();
        terminal.send_line("yes").unwrap();
        let (text, code) = ended(terminal);
        assert_eq!(code, 0, "{text}");
        assert!(!text.contains(value), "{text}");
        assert_eq!(world.secret()["value"], value);
    }
    // The same value makes no new version.
    let mut terminal = set(&world, &[]);
    type_twice(&mut terminal, "typed two");
    let (text, code) = ended(terminal);
    assert!(code == 0 && text.contains("nothing to do"), "{code}: {text}");
    // Without a terminal, the message names the flags.
    let output = world.podid(&[&["vault", "secret", "set", "conn", "--app", "shop", "--yes"], OF_VAULT].concat()).exits(4);
    output.says("--file FILE").says("--stdin");
    assert_eq!(world.secret()["value"], "typed two");
}

#[test]
fn ctrl_c_at_the_hidden_question_ends_at_once() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let mut terminal = set(&world, &["--yes"]);
    terminal.exp_string("Value of conn: ").unwrap();
    let began = Instant::now();
    terminal.send_control('c').unwrap();
    let (text, code) = ended(terminal);
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(world.secret()["value"], "mine");
}

#[test]
fn a_value_of_several_lines_is_not_cut_after_the_first() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let mut terminal = set(&world, &["--yes"]);
    terminal.exp_string("Value of conn: ").unwrap();
    terminal.send("-----BEGIN\nsecond line\n").unwrap();
    terminal.flush().unwrap();
    let (text, code) = ended(terminal);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--file FILE") && !text.contains("second line"), "{text}");
    assert_eq!(world.secret()["value"], "mine");
}

#[test]
fn a_value_may_be_longer_than_a_line_of_the_terminal() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let value = "long".repeat(1500);
    let mut terminal = set(&world, &["--yes"]);
    type_twice(&mut terminal, &value);
    let (text, code) = ended(terminal);
    assert_eq!(code, 0, "{text}");
    assert_eq!(world.secret()["value"], value);
}

#[test]
fn consent_must_be_typed_after_the_question() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    for (answer, code) in [("maybe", 4), ("podid verify", 4), ("", 4), ("no", 4), ("Yes", 0)] {
        let mut terminal = at_a_terminal(&world, &["down", "-f", "shop.yaml"]);
        // This is like a paste of two commands: the second is there before the question.
        terminal.send_line("y").unwrap();
        terminal.exp_string("Do it? [y/N] ").unwrap();
        thread::sleep(Duration::from_millis(300));
        assert!(world.origin_of("identity/shop-mid").is_some(), "what was typed before is no answer");
        terminal.send_line(answer).unwrap();
        let (text, ended) = ended(terminal);
        assert_eq!(ended, code, "{answer:?}: {text}");
        assert!(code == 0 || text.contains("nothing was changed"), "{text}");
    }
    assert_eq!(world.origin_of("identity/shop-mid"), None);
    assert!(world.origin_of(&format!("vault/{VAULT}")).is_some());
}
