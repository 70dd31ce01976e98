//! Commands that only read need no value; commands that set one report in time what is wrong with it.

use super::{OF_VAULT, SPEC, VAULT, World, world};
use serde_json::json;
use std::fs;

#[test]
fn read_only_commands_need_no_value_and_say_that_it_was_not_compared() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    fs::remove_file(world.path("conn.txt")).unwrap();
    for words in [&["plan"][..], &["plan", "--exit-code"], &["status"], &["diff"], &["state", "rebuild", "--yes"], &["up", "--dry-run"]] {
        world.shop(words).ok().says("value: not compared").says("conn.txt");
    }
    let plan = world.shop(&["plan", "-o", "json"]).ok().json();
    let secret = plan["actions"].as_array().unwrap().iter().find(|a| a["key"] == "secret/kv-shop-x1/conn").unwrap().clone();
    assert!(secret["notes"][0].as_str().unwrap().starts_with("value: not compared"), "{secret:#}");
    world.shop(&["down", "--dry-run"]).ok();
    world.podid(&["cluster", "rbac", "-f", "shop.yaml"]).ok();
    world.shop(&["verify"]).ok().says("proved ");

    // A run that writes reports the missing value before it writes anything.
    let mark = world.mark();
    world.up("shop.yaml", &[]).exits(2).says("conn.txt cannot be read");
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[test]
fn a_plan_reports_a_missing_value_of_a_new_secret() {
    let world = world();
    fs::remove_file(world.path("conn.txt")).unwrap();
    world.shop(&["plan"]).ok().says("+ create  secret/kv-shop-x1/conn").says("value: needed by `podid up`").says("conn.txt");
}

#[test]
fn a_plan_without_the_value_can_be_applied_with_it() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    fs::remove_file(world.path("conn.txt")).unwrap();
    world.shop(&["plan", "--out", "plan.json"]).ok();
    world.write("conn.txt", "mine");
    world.shop(&["up", "--plan", "plan.json", "--yes"]).ok();
    world.write("conn.txt", "another");
    world.shop(&["up", "--plan", "plan.json", "--yes"]).exits(4).says("secret/kv-shop-x1/conn");
    assert_eq!(world.secret()["value"], "mine");
}

/// Each is refused at once, without waiting.
#[cfg(unix)]
#[test]
fn an_endless_or_missing_value_is_refused() {
    let world = world();
    assert!(world.program("mkfifo", &["pipe"]).status().unwrap().success());
    let set = |from: &[&'static str]| [&["vault", "secret", "set", "conn", "--yes"], from, OF_VAULT].concat();
    for (file, kind) in [("/dev/zero", "it is a device"), ("pipe", "it is a pipe"), (".", "it is a directory")] {
        world.podid(&set(&["--file", file])).exits(2).says(kind).says("--stdin");
        world.write("shop.yaml", &SPEC.replace("{file: conn.txt}", &format!("{{file: {file}}}")));
        world.up("shop.yaml", &[]).exits(2).says(kind);
    }
    let endless = || fs::File::open("/dev/zero").unwrap();
    let output = world.command(&set(&["--stdin"])).stdin(endless()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("too long"), "{output:?}");
    for words in [&["plan", "-f", "/dev/zero"][..], &["up", "--plan", "/dev/zero"]] {
        world.podid(words).exits(2).says("it is larger than");
    }
    // A spec may come through a pipe.
    let output = piped(&world, &["plan", "-f", "/dev/stdin"], SPEC.as_bytes());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn read_only_commands_need_no_values_of_variables_or_standard_input() {
    let mut world = world();
    world.write("shop.yaml", &SPEC.replace("{file: conn.txt}", "{env: CONN}"));
    world.env.push(("CONN".into(), "mine".into()));
    world.up("shop.yaml", &[]).ok();
    world.env.pop();
    world.shop(&["status"]).ok().says("value: not compared").says("CONN");
    // The value was set from standard input by a single command; this reads it without a spec.
    world.podid(&["status", "--app", "shop"]).ok();
    let set = [&["vault", "secret", "set", "piped", "--stdin", "--yes", "--app", "other"], OF_VAULT].concat();
    let output = piped(&world, &set, b"value");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    world.podid(&["status", "--app", "other"]).ok().says("secret/kv-shop-x1/piped").says("value: not compared");
}

fn piped(world: &World, words: &[&str], bytes: &[u8]) -> crate::common::Output {
    use std::{io::Write as _, process::Stdio};
    let mut child = world.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    crate::common::Output::of(words, child.wait_with_output().unwrap())
}

#[test]
fn a_value_that_is_not_text_is_refused_with_a_hint() {
    let world = world();
    for bytes in [&[0x80, 0x81, 0x82][..], b"a\0b"] {
        fs::write(world.path("conn.txt"), bytes).unwrap();
        let mark = world.mark();
        world.up("shop.yaml", &[]).exits(2).says("conn.txt is not UTF-8 text").says("base64 -w0");
        assert_eq!(world.writes_since(mark), Vec::<String>::new());
        let set = [&["vault", "secret", "set", "piped", "--stdin", "--yes"], OF_VAULT].concat();
        let output = piped(&world, &set, bytes).exits(2);
        output.says("standard input is not UTF-8 text").says("base64 -w0");
    }
    fs::write(world.path("conn.txt"), [0xff, 0xfe, b'a', 0]).unwrap();
    world.up("shop.yaml", &[]).exits(2).says("UTF-16").says("iconv");
    // The bytes are kept, but there is a warning.
    world.write("conn.txt", "\u{feff}mine");
    world.shop(&["plan"]).ok().says("byte order mark");
    world.up("shop.yaml", &[]).ok();
    assert_eq!(world.secret()["value"], json!("\u{feff}mine"));
}

#[test]
fn a_generated_value_is_created_once_and_reported() {
    let world = world();
    world.up("shop.yaml", &[]).ok();
    let set = [&["vault", "secret", "set", "conn", "--generate=20", "--yes", "--app", "shop"], OF_VAULT].concat();
    world.podid(&set).ok().says("value: kept").says(&format!("podid vault secret set conn --vault {VAULT} --prompt"));
    assert_eq!(world.secret()["value"], "mine");
}
