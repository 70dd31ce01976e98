//! The sandbox itself: not served, served twice, of a newer version, damaged, with its port taken.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::json;

#[test]
fn env_without_a_serve_says_how_to_start_one() {
    assert_snapshot!(Lab::bare().fails("sandbox env"), @r#"
    exit 1
    error: nothing serves the sandbox in [DIR]/.podid
    hint: Start it with `podid sandbox serve`.
    "#);
}

#[test]
fn a_second_serve_of_one_folder_is_refused() {
    let lab = Lab::new().served();
    assert_snapshot!(lab.fails("sandbox serve"), @r#"
    exit 1
    error: a sandbox is already served from [DIR]/.podid (process [PID], 127.0.0.1:[PORT])
    hint: Stop it first, or use the running one.
    "#);
}

#[test]
fn an_occupied_port_names_the_flag() {
    let lab = Lab::bare();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert_snapshot!(lab.fails(&format!("sandbox serve --listen {}", taken.local_addr().unwrap())), @r#"
    exit 1
    error: could not listen on 127.0.0.1:[PORT]: Address already in use (os error 98)
    hint: Give another address with --listen.
    "#);
}

#[test]
fn a_newer_world_is_refused() {
    let lab = Lab::new();
    lab.done("identity list");
    lab.edit_world(|world| world["version"] = json!(99));
    assert_snapshot!(lab.fails("identity list"), @r#"
    exit 5
    error: [DIR]/.podid/world.json was written by a newer podid (version 99, this one knows 2)
    hint: Use that podid, or start over with `podid sandbox reset`.
    "#);
}

#[test]
fn a_damaged_world_says_how_to_start_over() {
    let lab = Lab::new();
    lab.done("identity list");
    lab.write(".podid/world.json", "{\"version\": 1, ");
    assert_snapshot!(lab.fails("identity list"), @r#"
    exit 5
    error: [DIR]/.podid/world.json is damaged (line 1, column 15)
    hint: Start over with `podid sandbox reset`.
    "#);
    lab.done("sandbox reset");
    lab.done("identity list");
}

/// A cloned repository may contain anything in the sandbox's place.
#[cfg(unix)]
#[test]
fn a_symlink_in_the_folder_is_not_followed() {
    use std::os::unix::fs::symlink;
    for name in [
        ".world.json.tmp",
        ".keys.json.tmp",
        "world.json",
        "keys.json",
        "ca.pem",
        "kubeconfig",
        "port",
        "requests.jsonl",
        "changes.jsonl",
        "lock",
    ] {
        let lab = Lab::new();
        std::fs::create_dir(lab.path(".podid")).unwrap();
        lab.write("precious", "precious");
        symlink(lab.path("precious"), lab.path(&format!(".podid/{name}"))).unwrap();
        let code = lab.command("identity list").output().unwrap().status.code();
        assert_eq!(lab.read("precious"), "precious", "{name}");
        assert!(matches!(code, Some(0 | 1 | 5)), "{name}: {code:?}");
    }
    let lab = Lab::new();
    symlink(std::env::temp_dir(), lab.path(".podid")).unwrap();
    assert_snapshot!(lab.fails("identity list"), @r#"
    exit 5
    error: .podid is a symbolic link
    hint: Remove the link (`rm .podid`), or name the place that it leads to.
    "#);
}

#[cfg(unix)]
#[test]
fn a_folder_writable_by_others_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    lab.done("identity list");
    std::fs::set_permissions(lab.path(".podid"), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_snapshot!(lab.fails("identity list"), @r#"
    exit 5
    error: .podid can be written by other users (mode 0777)
    hint: If you trust what is in it, take the right away: `chmod -R go-w .podid`; else remove it.
    "#);
}

#[test]
fn a_served_sandbox_keeps_its_own_settings() {
    let lab = Lab::new().served();
    let quiet = lab.without("PODID_LATENESS");
    let lateness = |lab: &Lab| lab.asked("GET", "/settings")["lateness"].clone();
    quiet.done("identity create -n shop-mid --yes");
    assert_eq!(lateness(&quiet), json!("none"), "a client that says nothing changes nothing");
    quiet.done("identity create -n shop-mid --yes --lateness none");
    assert_snapshot!(quiet.fails("identity create -n shop-mid --yes --lateness realistic"), @r#"
    exit 2
    error: the sandbox in [DIR]/.podid is served with --lateness none, which a client cannot change to realistic
    hint: Leave --lateness (or PODID_LATENESS) out, or serve it again with `podid sandbox serve --lateness realistic`.
    "#);
    assert_eq!(lateness(&quiet), json!("none"));
}
