//! The journal under kills at any byte, damage, edits and copies of the state file, and files of other users in its place.

use super::{
    super::{Error, State, file::beside, load},
    Entry, Ledger, entry, json_of, ledger, room, world,
};
use crate::engine::ledger::LedgerChange::{self, Forget};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Opens the state and waits for its lock, which a process that another test starts may inherit for a moment.
fn open(path: &Path) -> Result<State, Error> {
    State::open(path, Duration::from_secs(20), "podid up")
}

fn journal_of(path: &Path) -> PathBuf {
    beside(path, ".journal")
}

fn numbered(n: usize) -> Entry {
    Entry { spec: json!({ "name": format!("n{n}") }).into(), ..entry("shop", &format!("identity/n{n:04}")) }
}

fn put(entry: Entry) -> LedgerChange {
    LedgerChange::Put(entry.into())
}

fn forget(n: usize) -> LedgerChange {
    Forget { app: "shop".into(), key: numbered(n).key }
}

async fn record(state: &State, changes: &[LedgerChange]) {
    for change in changes {
        state.ledger_store().record(vec![change.clone()]).await.unwrap();
    }
}

/// Returns the ledger before the changes, and after each of them.
fn steps(begin: &Ledger, changes: &[LedgerChange]) -> Vec<Ledger> {
    let mut all = vec![begin.clone()];
    for change in changes {
        let mut next = all.last().unwrap().clone();
        next.apply(change.clone());
        all.push(next);
    }
    all
}

/// Saves a state with one entry, and leaves the changes of a killed run in the journal.
async fn killed(path: &Path, changes: &[LedgerChange]) -> Vec<Ledger> {
    let begin = ledger(&[("shop", "identity/first")]);
    let state = open(path).unwrap();
    state.settle_account(world("s1")).unwrap();
    state.save(&begin).unwrap();
    record(&state, changes).await;
    steps(&begin, changes)
}

fn some_changes() -> Vec<LedgerChange> {
    let begun = Entry { doing: Some(crate::engine::plan::Act::Create), ..numbered(1) };
    vec![put(begun), put(numbered(1)), put(numbered(2)), put(entry("other", "identity/n")), forget(2)]
}

/// Returns the endings of the files next to the state file, without the lock.
fn left(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = entries.filter_map(|n| n.strip_prefix(name).map(str::to_owned)).filter(|n| n != ".lock").collect();
    left.sort();
    left
}

#[tokio::test]
async fn recorded_changes_are_visible_at_once_and_in_the_file_at_the_end() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    state.settle_account(world("s1")).unwrap();
    let steps = steps(&Ledger::default(), &some_changes());
    for (change, after) in some_changes().into_iter().zip(&steps[1..]) {
        state.ledger_store().record(vec![change]).await.unwrap();
        assert_eq!(State::peek(&path).unwrap(), (Some(world("s1")), after.clone()));
    }
    assert_eq!(json_of(&path)["entries"], json!([]), "the file waits");
    state.ledger_store().finish().await.unwrap();
    assert_eq!(left(&path), ["", ".bak"]);
    assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), fs::read(&path).unwrap(), "a copy of an empty state would help nobody");
    assert_eq!(State::peek(&path).unwrap().1, *steps.last().unwrap());
    assert_eq!((json_of(&path)["serial"].as_u64(), state.ledger()), (Some(2), steps.last().unwrap().clone()));

    // in a second run the backup is the state of the first
    let before = fs::read(&path).unwrap();
    record(&state, &[put(numbered(7))]).await;
    state.ledger_store().finish().await.unwrap();
    assert_eq!(left(&path), ["", ".bak"]);
    assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), before);
    assert_eq!(json_of(&path)["serial"], 3);
    state.ledger_store().finish().await.unwrap();
    assert_eq!(json_of(&path)["serial"], 3, "nothing new is nothing to write");
}

#[tokio::test]
async fn a_journal_cut_at_any_byte_is_the_state_after_some_of_its_changes() {
    let (_room, path) = room();
    let steps = killed(&path, &some_changes()).await;
    let (file, whole) = (fs::read(&path).unwrap(), fs::read(journal_of(&path)).unwrap());
    let mut least = 0;
    for cut in 0..=whole.len() {
        let (_room, copy) = room();
        fs::write(&copy, &file).unwrap();
        fs::write(journal_of(&copy), &whole[..cut]).unwrap();
        let peeked = State::peek(&copy).unwrap().1;
        let opened = open(&copy).unwrap();
        assert_eq!(opened.ledger(), peeked, "cut at {cut}");
        let at = steps.iter().rposition(|step| *step == peeked).unwrap_or_else(|| panic!("cut at {cut}: {peeked:?}"));
        assert!(at >= least, "cut at {cut}");
        least = at;
        assert_eq!(opened.world(), Some(world("s1")));
        assert!(left(&copy).iter().all(|name| ["", ".bak"].contains(&name.as_str())), "{:?}", left(&copy));
        // podid can go on with it
        record(&opened, &[put(numbered(9))]).await;
        opened.ledger_store().finish().await.unwrap();
        let mut after = peeked;
        after.put(numbered(9));
        assert_eq!(State::peek(&copy).unwrap().1, after);
    }
    assert_eq!(least, steps.len() - 1);
}

#[tokio::test]
async fn a_kill_while_the_journal_goes_into_the_file_loses_nothing() {
    let (_room, path) = room();
    let steps = killed(&path, &some_changes()).await;
    let journal = fs::read(journal_of(&path)).unwrap();
    let before = fs::read(&path).unwrap();
    let (head, after) = load::load(&path).unwrap().state.unwrap();
    // the new file is written, but not renamed yet
    let next = super::Header { serial: head.serial + 1, ..head };
    let staged = super::stage(&path, &next, &after).unwrap().keep().unwrap().1;
    fs::copy(&path, beside(&path, ".bak.next")).unwrap();
    assert_eq!(State::peek(&path).unwrap().1, *steps.last().unwrap());
    assert_eq!(open(&path).unwrap().ledger(), *steps.last().unwrap());
    assert!(!staged.exists());
    // the new file is in place, and the journal still exists
    assert_ne!(fs::read(&path).unwrap(), before);
    fs::write(journal_of(&path), &journal).unwrap();
    assert_eq!(State::peek(&path).unwrap().1, *steps.last().unwrap());
    let serial = json_of(&path)["serial"].clone();
    assert_eq!(open(&path).unwrap().ledger(), *steps.last().unwrap());
    assert!(!journal_of(&path).exists());
    assert_eq!(json_of(&path)["serial"], serial, "it was in the file already");
}

#[tokio::test]
async fn damage_is_refused_and_left_alone_until_a_rebuild() {
    let (_room, path) = room();
    killed(&path, &some_changes()).await;
    let (file, whole) = (fs::read(&path).unwrap(), fs::read(journal_of(&path)).unwrap());
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    for at in 0..lines.len() {
        let mut flipped: Vec<Vec<u8>> = lines.iter().map(|l| l.to_vec()).collect();
        flipped[at][30] ^= 1;
        damaged.push(flipped.concat());
    }
    damaged.push([&lines[..2], &lines[3..]].concat().concat());
    damaged.push([lines[0], lines[2], lines[1]].concat());
    for bytes in &damaged {
        fs::write(&path, &file).unwrap();
        fs::write(journal_of(&path), bytes).unwrap();
        for error in [open(&path).unwrap_err(), State::peek(&path).unwrap_err()] {
            assert!(matches!(&error, Error::Journal { why, .. } if why.contains("is damaged")), "{error}");
        }
        assert_eq!((fs::read(&path).unwrap(), fs::read(journal_of(&path)).unwrap()), (file.clone(), bytes.clone()));
    }
    // both files are unreadable
    fs::write(&path, "scribble").unwrap();
    let state = State::renew(&path, Duration::from_secs(20), "podid state rebuild").unwrap();
    assert!(state.ledger().is_empty());
    assert_eq!(fs::read_to_string(beside(&path, ".damaged")).unwrap(), "scribble");
    state.save(&ledger(&[("shop", "identity/found")])).unwrap();
    assert_eq!(fs::read(beside(&path, ".journal.old")).unwrap(), *damaged.last().unwrap());
    assert!(!journal_of(&path).exists());
}

#[tokio::test]
async fn blocks_that_never_reached_the_disk_are_an_unfinished_line() {
    for zeros in [1, 4096] {
        let (_room, path) = room();
        let steps = killed(&path, &some_changes()).await;
        let mut bytes = fs::read(journal_of(&path)).unwrap();
        bytes.extend(std::iter::repeat_n(0, zeros));
        bytes.extend(b"\"}]\n");
        fs::write(journal_of(&path), bytes).unwrap();
        assert_eq!(open(&path).unwrap().ledger(), *steps.last().unwrap());
    }
}

#[tokio::test]
async fn a_deleted_state_is_not_partly_restored_from_its_journal() {
    let (_room, path) = room();
    killed(&path, &some_changes()).await;
    fs::remove_file(&path).unwrap();
    assert_eq!(State::peek(&path).unwrap(), (None, Ledger::default()));
    let state = open(&path).unwrap();
    assert!(state.ledger().is_empty());
    state.save(&ledger(&[("shop", "identity/new")])).unwrap();
    assert_eq!(State::peek(&path).unwrap().1, ledger(&[("shop", "identity/new")]));
    assert_eq!(left(&path), ["", ".journal.old"], "and nothing of it is lost");
}

#[tokio::test]
async fn a_journal_of_another_version_of_the_file_is_never_applied() {
    // an older version, as from a copy; a newer one; and another state
    let older = |state: &mut serde_json::Value| state["serial"] = json!(0);
    let newer = |state: &mut serde_json::Value| state["serial"] = json!(40);
    let other = |state: &mut serde_json::Value| state["lineage"] = json!("another");
    for change in [older as fn(&mut serde_json::Value), newer, other] {
        let (_room, path) = room();
        let steps = killed(&path, &some_changes()).await;
        let mut document = json_of(&path);
        change(&mut document);
        fs::write(&path, document.to_string()).unwrap();
        assert_eq!(State::peek(&path).unwrap().1, steps[0]);
        assert_eq!(open(&path).unwrap().ledger(), steps[0]);
        assert_eq!(left(&path), ["", ".journal.old"]);
    }
}

#[tokio::test]
async fn a_file_that_was_edited_beside_its_journal_needs_a_decision() {
    let (_room, path) = room();
    let steps = killed(&path, &some_changes()).await;
    // whitespace does not change the content
    let document = json_of(&path);
    fs::write(&path, document.to_string()).unwrap();
    assert_eq!(State::peek(&path).unwrap().1, *steps.last().unwrap());

    let mut edited = document;
    edited["entries"][0]["outputs"]["client_id"] = json!("by hand");
    fs::write(&path, edited.to_string()).unwrap();
    for error in [open(&path).unwrap_err(), State::peek(&path).unwrap_err()] {
        assert!(matches!(&error, Error::Journal { why, .. } if why.contains("was edited since")), "{error}");
    }
    assert_eq!(json_of(&path), edited);
    fs::rename(journal_of(&path), beside(&path, ".journal.old")).unwrap();
    assert_eq!(open(&path).unwrap().ledger().entries().next().unwrap().outputs["client_id"], "by hand");
}

#[cfg(unix)]
#[tokio::test]
async fn the_journal_is_for_this_user_only_and_never_a_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (room, path) = room();
    let steps = killed(&path, &some_changes()).await;
    assert_eq!(fs::metadata(journal_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);

    // the journal is moved elsewhere, and its path is a link to it
    let elsewhere = room.path().join("elsewhere");
    fs::rename(journal_of(&path), &elsewhere).unwrap();
    symlink(&elsewhere, journal_of(&path)).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("it is a symbolic link") && State::peek(&path).is_err(), "{error}");
    fs::remove_file(journal_of(&path)).unwrap();
    fs::create_dir(journal_of(&path)).unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("is not a regular file"));
    fs::remove_dir(journal_of(&path)).unwrap();

    // a link that appears while a run begins is not written through
    let state = open(&path).unwrap();
    let victim = room.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, journal_of(&path)).unwrap();
    assert!(state.ledger_store().record(vec![forget(1)]).await.is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    drop(state);
    fs::remove_file(journal_of(&path)).unwrap();

    // the lock file is not written through a link either
    fs::remove_file(beside(&path, ".lock")).unwrap();
    symlink(&victim, beside(&path, ".lock")).unwrap();
    assert!(open(&path).is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(beside(&path, ".lock")).unwrap();
    fs::rename(&elsewhere, journal_of(&path)).unwrap();
    assert_eq!(open(&path).unwrap().ledger(), *steps.last().unwrap());
}

#[tokio::test]
async fn each_change_costs_a_line_however_many_there_are() {
    let mut per_change = Vec::new();
    for n in [10, 300] {
        let (_room, path) = room();
        let state = open(&path).unwrap();
        let changes: Vec<LedgerChange> = (0..n).map(|i| put(numbered(i))).collect();
        record(&state, &changes).await;
        let counts = state.0.content().journal.as_ref().unwrap().counts;
        let n = u64::try_from(n).unwrap();
        assert_eq!((counts.lines, counts.syncs), (n + 1, n + 1), "the first line, and one for each");
        assert_eq!(counts.bytes, fs::metadata(journal_of(&path)).unwrap().len());
        per_change.push(counts.bytes / n);
        assert_eq!(json_of(&path)["serial"], 1, "the file was not written meanwhile");
        state.ledger_store().finish().await.unwrap();
        assert_eq!(json_of(&path)["serial"], 2);
    }
    assert!(per_change[1] <= per_change[0], "bytes for each change: {per_change:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_come_together_share_a_write() {
    let (_room, path) = room();
    let state = open(&path).unwrap();
    let ledger_store = state.ledger_store();
    let changes = (0..64).map(|i| ledger_store.record(vec![put(numbered(i))]));
    assert!(futures::future::join_all(changes).await.iter().all(Result::is_ok));
    let counts = state.0.content().journal.as_ref().unwrap().counts;
    assert_eq!(counts.lines, 2, "all came before the first was written");
    ledger_store.finish().await.unwrap();
    assert_eq!(State::peek(&path).unwrap().1, (0..64).map(numbered).collect());
}

#[tokio::test]
async fn after_a_failed_write_nothing_more_is_recorded() {
    let (room, path) = room();
    let state = open(&path).unwrap();
    let ledger_store = state.ledger_store();
    fs::create_dir(journal_of(&path)).unwrap();
    let why = ledger_store.record(vec![put(numbered(1))]).await.unwrap_err();
    assert!(why.contains("podid.state.json.journal"), "{why}");
    fs::remove_dir(journal_of(&path)).unwrap();
    assert_eq!(ledger_store.record(vec![put(numbered(2))]).await.unwrap_err(), why);
    drop((ledger_store, state));
    assert!(open(&path).unwrap().ledger().is_empty());
    drop(room);
}

/// Not a test: records until it is killed, and prints what is on the disk.
#[tokio::test]
async fn records_where_a_parent_asks_for_it() {
    let Ok(path) = std::env::var("PODID_TEST_RECORDS") else { return };
    let state = open(Path::new(&path)).unwrap();
    for n in 0.. {
        state.ledger_store().record(vec![put(numbered(n))]).await.unwrap();
        println!("recorded {n} end");
        if n % 40 == 39 {
            state.ledger_store().finish().await.unwrap();
        }
    }
}

#[test]
fn a_process_that_is_killed_anywhere_loses_nothing_that_it_recorded() {
    let (_room, path) = room();
    for round in 0..12_u32 {
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "state::tests::journal::records_where_a_parent_asks_for_it", "--nocapture"])
            .env("PODID_TEST_RECORDS", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: String| line.split_once("recorded ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<usize>().ok());
        let enough = usize::try_from(17 * round % 97).unwrap();
        let mut last = lines.by_ref().filter_map(number).find(|n| *n >= enough).unwrap();
        other.kill().unwrap();
        last = lines.filter_map(number).last().unwrap_or(last);
        other.wait().unwrap();
        let ledger = open(&path).unwrap().ledger();
        let have = |n: usize| ledger.get("shop", &numbered(n).key) == Some(&numbered(n));
        assert!((0..=last).all(have), "round {round}: killed after {last}");
        assert!(left(&path).iter().all(|name| ["", ".bak"].contains(&name.as_str())), "{:?}", left(&path));
        fs::remove_file(&path).unwrap();
    }
}
