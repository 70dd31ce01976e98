//! The state file under everything that happens to files: kills, edits, newer versions, other accounts, two processes.

mod journal;

use super::{
    Error, State,
    file::{beside, stage},
    format::{AzureAccount, Header},
};
use crate::engine::{
    desired::Requester,
    ledger::{Entry, Ledger, Origin},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn room() -> (TempDir, PathBuf) {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("podid.state.json");
    (room, path)
}

/// Waits a moment for the lock: a program that another test starts holds it, too, until it runs.
fn open(path: &Path) -> Result<State, Error> {
    State::open(path, Duration::from_millis(500), "podid up")
}

fn entry(app: &str, key: &str) -> Entry {
    Entry {
        app: app.into(),
        key: key.into(),
        kind: "identity".into(),
        cluster: None,
        by: Requester::Spec,
        origin: Origin::Created,
        spec: json!({"name": "claims"}).into(),
        placed: json!({"name": "claims"}).into(),
        outputs: [("client_id".to_owned(), json!("c"))].into(),
        left: Vec::new(),
        doing: None,
    }
}

fn ledger(keys: &[(&str, &str)]) -> Ledger {
    keys.iter().map(|(app, key)| entry(app, key)).collect()
}

fn world(subscription: &str) -> AzureAccount {
    AzureAccount { cloud: "AzureCloud".into(), tenant: "AAAA-1".into(), subscription: subscription.into() }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_saved_state_is_read_again() {
    let (_room, path) = room();
    let saved = ledger(&[("shop", "identity/b"), ("claims", "identity/z"), ("shop", "identity/a")]);
    {
        let state = open(&path).unwrap();
        state.settle_account(world("s1")).unwrap();
        state.save(&saved).unwrap();
    }
    let state = open(&path).unwrap();
    assert_eq!(state.ledger(), saved);
    assert_eq!(state.world(), Some(world("s1")));
    let paper = json_of(&path);
    let order: Vec<String> = paper["entries"].as_array().unwrap().iter().map(|e| format!("{} {}", e["app"], e["key"])).collect();
    assert_eq!(order, [r#""claims" "identity/z""#, r#""shop" "identity/a""#, r#""shop" "identity/b""#]);
    assert_eq!(paper["version"], 1);
}

#[test]
fn the_serial_counts_changes_and_only_changes() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.save(&ledger(&[("a", "identity/x")])).unwrap();
    let first = json_of(&path);
    state.save(&ledger(&[("a", "identity/x")])).unwrap();
    assert_eq!(json_of(&path), first);
    state.save(&Ledger::default()).unwrap();
    let last = json_of(&path);
    assert_eq!((first["serial"].as_u64(), last["serial"].as_u64()), (Some(1), Some(2)));
    assert_eq!(first["lineage"], last["lineage"]);
    assert_eq!(last["entries"], json!([]));
}

#[test]
fn an_empty_state_makes_no_file() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.settle_account(world("s1")).unwrap();
    state.save(&Ledger::default()).unwrap();
    assert!(!path.exists());
    assert_eq!(State::peek(&path).unwrap(), (None, Ledger::default()));
}

#[test]
fn the_former_file_is_kept_as_backup() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.save(&ledger(&[("a", "identity/x")])).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(!beside(&path, ".bak").exists());
    state.save(&ledger(&[("a", "identity/y")])).unwrap();
    assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), before);
    assert_ne!(fs::read(&path).unwrap(), before);
    assert!(!beside(&path, ".bak.next").exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.save(&ledger(&[("a", "identity/x")])).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    state.save(&ledger(&[("a", "identity/y")])).unwrap();
    for file in [path.clone(), beside(&path, ".lock")] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_kill_before_the_rename_leaves_the_old_state() {
    let (room, path) = room();
    let old = ledger(&[("a", "identity/x")]);
    open(&path).unwrap().save(&old).unwrap();
    // as after a kill: a temporary file that was never renamed or removed
    let staged = stage(&path, &Header::fresh(), &ledger(&[("a", "identity/new")])).unwrap().keep().unwrap().1;
    assert!(staged.exists());
    let state = open(&path).unwrap();
    assert_eq!(state.ledger(), old);
    assert!(!staged.exists(), "the next holder sweeps");
    let left: Vec<_> = fs::read_dir(room.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let (_room, path) = room();
    for text in
        ["", "{\"version\":1,\"lineage\":", "[]", "{\"version\":0}", "{\"version\":1,\"lineage\":\"x\",\"serial\":1,\"entries\":[{}]}"]
    {
        fs::write(&path, text).unwrap();
        let Err(Error::Damaged { has_backup, .. }) = open(&path) else { panic!("{text:?} was read") };
        assert!(!has_backup);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(beside(&path, ".bak"), "{}").unwrap();
    assert!(matches!(State::peek(&path), Err(Error::Damaged { has_backup: true, .. })));
}

#[test]
fn a_duplicate_entry_is_damage() {
    let (_room, path) = room();
    open(&path).unwrap().save(&ledger(&[("a", "identity/x")])).unwrap();
    let mut paper = json_of(&path);
    let twice = paper["entries"][0].clone();
    paper["entries"].as_array_mut().unwrap().push(twice);
    fs::write(&path, paper.to_string()).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("identity/x of app a stands in it twice"), "{error}");
}

#[test]
fn a_newer_version_is_refused_whatever_else_is_in_it() {
    let (_room, path) = room();
    fs::write(&path, r#"{"version":7,"shape":"unheard of"}"#).unwrap();
    assert!(matches!(open(&path), Err(Error::Newer { found: 7, known: 1, .. })));
    assert!(matches!(State::renew(&path, Duration::ZERO, "podid state rebuild"), Err(Error::Newer { .. })));
}

#[test]
fn a_rebuild_starts_empty_and_keeps_what_it_could_not_read() {
    let (_room, path) = room();
    fs::write(&path, "scribble").unwrap();
    let state = State::renew(&path, Duration::ZERO, "podid state rebuild").unwrap();
    state.save(&ledger(&[("a", "identity/x")])).unwrap();
    assert_eq!(fs::read_to_string(beside(&path, ".damaged")).unwrap(), "scribble");
    let lineage = json_of(&path)["lineage"].clone();
    drop(state);
    let again = State::renew(&path, Duration::ZERO, "podid state rebuild").unwrap();
    assert!(again.ledger().is_empty());
    again.save(&Ledger::default()).unwrap();
    assert_eq!(json_of(&path)["lineage"], lineage);
    assert_eq!(json_of(&path)["entries"], json!([]));
}

#[test]
fn a_state_of_another_account_is_refused_and_both_are_shown() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.settle_account(world("s1")).unwrap();
    state.settle_account(AzureAccount { tenant: "aaaa-1".into(), ..world("S1") }).unwrap();
    let error = state.settle_account(world("s2")).unwrap_err();
    assert!(matches!(error, Error::OtherAccount { .. }));
    let text = error.to_string();
    assert!(text.contains("subscription s1") && text.contains("subscription s2"), "{text}");
}

#[test]
fn the_second_process_sees_who_holds_the_lock() {
    let (_room, path) = room();
    let first = State::open(&path, Duration::ZERO, "podid up -f a.yaml").unwrap();
    let Err(Error::Locked { holder, since, .. }) = open(&path) else { panic!("two hold it") };
    assert!(holder.contains(&format!("pid {}: podid up -f a.yaml", std::process::id())), "{holder}");
    assert!(since.starts_with("20") && since.ends_with('Z'), "{since}");
    assert!(State::peek(&path).is_ok(), "looking needs no lock");
    let ledger_store = first.ledger_store();
    drop(first);
    assert!(open(&path).is_err(), "a keeper still writes");
    drop(ledger_store);
    assert!(open(&path).is_ok());
}

#[test]
fn a_waiting_process_gets_the_lock_when_it_is_released() {
    let (_room, path) = room();
    let first = open(&path).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let second = scope.spawn(|| State::open(&path, Duration::from_secs(20), "podid up"));
        thread::sleep(Duration::from_millis(150));
        drop(first);
        assert!(second.join().unwrap().is_ok());
    });
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[cfg(unix)]
#[test]
fn a_process_that_waits_for_a_replaced_lock_file_waits_for_the_new_one() {
    let (_room, path) = room();
    let first = open(&path).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| State::open(&path, Duration::from_millis(800), "podid up"));
        // it has opened the old file by now, or will open the new one
        thread::sleep(Duration::from_millis(200));
        fs::remove_file(beside(&path, ".lock")).unwrap();
        let third = open(&path).unwrap();
        drop(first);
        let second = waiting.join().unwrap();
        assert!(matches!(second, Err(Error::Locked { .. })), "two hold the lock");
        drop(third);
    });
    assert!(open(&path).is_ok());
}

/// Not a test: the other process of the next one.
#[test]
fn holds_the_lock_where_a_parent_asks_for_it() {
    let Ok(path) = std::env::var("PODID_TEST_HOLDS") else { return };
    let _state = State::open(Path::new(&path), Duration::ZERO, "podid down").unwrap();
    println!("held");
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn another_process_holds_it_until_it_is_killed() {
    let (_room, path) = room();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "state::tests::holds_the_lock_where_a_parent_asks_for_it", "--nocapture"])
        .env("PODID_TEST_HOLDS", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("held")));
    let Err(Error::Locked { holder, .. }) = open(&path) else { panic!("two processes hold it") };
    assert!(holder.contains(&format!("pid {}: podid down", other.id())), "{holder}");
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(open(&path).is_ok());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let (room, path) = room();
    let target = room.path().join("elsewhere.json");
    open(&target).unwrap().save(&ledger(&[("a", "identity/x")])).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    open(&path).unwrap().save(&ledger(&[("a", "identity/y")])).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(State::peek(&target).unwrap().1, ledger(&[("a", "identity/y")]));
}

#[test]
fn two_spellings_of_an_older_version_are_read_as_one_entry() {
    let (_room, path) = room();
    open(&path).unwrap().save(&ledger(&[("shop", "identity/claims")])).unwrap();
    let mut document = json_of(&path);
    let mut other = document["entries"][0].clone();
    other["key"] = json!("identity/Claims");
    other["origin"] = json!("adopted");
    document["entries"].as_array_mut().unwrap().push(other);
    fs::write(&path, document.to_string()).unwrap();
    let (_, ledger) = State::peek(&path).unwrap();
    let read: Vec<_> = ledger.entries().map(|e| (e.key.as_str(), e.origin)).collect();
    assert_eq!(read, [("identity/claims", Origin::Created)]);
}

#[cfg(unix)]
#[test]
fn a_lock_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_room, path) = room();
    let lock = beside(&path, ".lock");
    fs::write(&lock, "").unwrap();
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
    let error = open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Files(_)), "{error}");
    assert!(error.to_string().ends_with("can be written by other users (mode 0666)"), "{error}");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(open(&path).is_ok());
}

#[cfg(unix)]
#[test]
fn a_state_or_journal_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_room, path) = room();
    open(&path).unwrap().save(&ledger(&[("shop", "identity/claims")])).unwrap();
    let mode = |file: &Path, mode: u32| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    mode(&path, 0o666);
    for error in [open(&path).map(|_| ()).unwrap_err(), State::peek(&path).map(|_| ()).unwrap_err()] {
        assert!(matches!(&error, Error::Files(files) if files.way_out().is_some()), "{error}");
        assert!(error.to_string().ends_with("can be written by other users (mode 0666)"), "{error}");
    }
    mode(&path, 0o644);
    let journal = beside(&path, ".journal");
    fs::write(&journal, "").unwrap();
    mode(&journal, 0o622);
    let error = State::peek(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("it can be written by other users (mode 0622)"), "{error}");
    mode(&journal, 0o600);
    assert!(State::peek(&path).is_ok());
    // only root can change the owner of a file
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(State::peek(&path).unwrap_err().to_string().contains("belongs to another user (uid 12345)"));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_state_is_not_waited_for() {
    let (_room, path) = room();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let error = State::peek(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("is not a regular file"), "{error}");
}

#[test]
fn a_state_that_would_take_too_much_memory_is_refused_before_it_takes_any() {
    let (_room, path) = room();
    let refused = |text: String, why: &str| {
        fs::write(&path, text).unwrap();
        let error = State::peek(&path).map(|_| ()).unwrap_err();
        assert!(matches!(&error, Error::Damaged { why: said, .. } if said.contains(why)), "{error}");
    };
    refused(format!(r#"{{"version":1,"entries":[{}0]}}"#, "0,".repeat(1_000_001)), "it has more than 1000000 values");
    refused(" ".repeat((32 << 20) + 1), "it is larger than 32 MiB");
    // a quoted string is one value
    let text = format!(r#"{{"version":1,"lineage":"{}\\\"","serial":1,"entries":[]}}"#, "[,{".repeat(1_000_000));
    fs::write(&path, text).unwrap();
    assert!(State::peek(&path).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_that_lost_the_lock_writes_nothing() {
    let (_room, path) = room();
    let first = open(&path).unwrap();
    first.save(&ledger(&[("shop", "identity/one")])).unwrap();
    let ledger_store = first.ledger_store();
    fs::remove_file(beside(&path, ".lock")).unwrap();
    // the second process locks the new file, and is the only one that writes
    let second = open(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let error = first.save(&ledger(&[("shop", "identity/two")])).unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error}");
    let forget = crate::engine::ledger::LedgerChange::Forget { app: "shop".into(), key: "identity/one".into() };
    assert!(ledger_store.record(vec![forget]).await.unwrap_err().contains("was removed or replaced"));
    assert!(ledger_store.finish().await.is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!beside(&path, ".journal").exists());
    second.save(&ledger(&[("shop", "identity/three")])).unwrap();
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_made_for_it_is_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (room, _) = room();
    let path = room.path().join("a/b/state.json");
    open(&path).unwrap().save(&ledger(&[("shop", "identity/one")])).unwrap();
    for (made, mode) in [("a", 0o700), ("a/b", 0o700), ("a/b/state.json", 0o600), ("a/b/state.json.lock", 0o600)] {
        assert_eq!(fs::metadata(room.path().join(made)).unwrap().permissions().mode() & 0o777, mode, "{made}");
    }
}
