//! podid is killed at every request of a lab, before and after its effect, against a sandbox that keeps running. The next run finishes the
//! work, and the result equals that of a run without interruption.

use crate::common::{
    World, same,
    specs::{LAB_000, LAB_004, vault_of},
    until,
};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How many sandboxes run at once: podid mostly waits for answers and for processes to start.
const AT_ONCE: usize = 3;
const WHENS: [&str; 2] = ["before", "after"];

/// Returns the result of a run without interruption.
fn unbroken(spec: &str) -> String {
    let world = World::served();
    world.up(spec, &["--verify"]).ok();
    exported(&world)
}

fn exported(world: &World) -> String {
    format!("{:#}\n", world.control("GET", "/export", None).ok())
}

/// Returns how many versions each secret of the world has.
fn versions(world: &World) -> Vec<(String, usize)> {
    let saved = world.saved();
    let secrets = saved["azure"]["secrets"].as_object().unwrap();
    secrets.iter().map(|(name, secret)| (name.clone(), secret["versions"].as_array().unwrap().len())).collect()
}

/// Kills a run at its n-th request. Returns false if the run has fewer requests.
pub fn killed_at(world: &World, words: &[&str], n: u64, when: &str) -> bool {
    world.hold(n, when);
    let mut run = world.start(words);
    let held = until("a request is held, or the run ends", || {
        let held = world.setting("held") == true;
        (held || run.ended()).then_some(held)
    });
    if held {
        run.kill();
        until("the held request is let go of", || (world.setting("holding") == 0).then_some(()));
    } else {
        run.wait().ok();
    }
    world.settings(&json!({ "hold": null }));
    held
}

/// Runs a test at every request, before and after it, several at once, until a run ends before it is held. Returns the number of kills.
pub fn at_every_request(one: impl Fn(&mut Option<World>, u64, &str) -> bool + Sync) -> u64 {
    let (next, kills, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut world = None;
                while !over.load(Ordering::SeqCst) {
                    let turn = next.fetch_add(1, Ordering::SeqCst);
                    if one(&mut world, turn / 2 + 1, WHENS[usize::try_from(turn % 2).unwrap()]) {
                        kills.fetch_add(1, Ordering::SeqCst);
                    } else {
                        over.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    kills.into_inner()
}

fn pods(world: &World) -> usize {
    let export = world.control("GET", "/export", None).ok();
    let clusters = export["kubernetes"].as_object().unwrap().values();
    let all = clusters.flat_map(|c| c["pods"].as_object().into_iter().flatten());
    all.filter(|(namespace, _)| *namespace != "kube-system").map(|(_, pods)| pods.as_object().unwrap().len()).sum()
}

fn is_finished_by_the_next_run(world: &World, spec: &str, unbroken: &str, at: &str) {
    let up = world.up(spec, &[]);
    assert_eq!(up.code, Some(0), "{at}: the next run\n{}{}", up.stdout, up.stderr);
    // The pod of a proof is deleted by the next proof.
    if pods(world) > 0 {
        let verify = world.podid(&["verify", "-f", spec]);
        assert_eq!(verify.code, Some(0), "{at}: the next proof\n{}{}", verify.stdout, verify.stderr);
        assert_eq!(pods(world), 0, "{at}");
    }
    let plan = world.plan(spec);
    assert_eq!(plan.code, Some(0), "{at}: the plan after it\n{}{}", plan.stdout, plan.stderr);
    same(&format!("{at}: the world"), unbroken, &exported(world));
    let versions = versions(world);
    assert!(!versions.is_empty());
    assert!(versions.iter().all(|(_, count)| *count == 1), "{at}: {versions:?}");
}

fn survives_a_kill_at_every_request(spec: &'static str) {
    let unbroken = unbroken(spec);
    let kills = at_every_request(|world, n, when| {
        let world = world.get_or_insert_with(World::served);
        world.control("POST", "/reset", None).ok();
        let held = killed_at(world, &["up", "--yes", "--verify", "-f", spec], n, when);
        if held {
            is_finished_by_the_next_run(world, spec, &unbroken, &format!("{spec}, killed {when} request {n}"));
        }
        held
    });
    println!("{spec}: {kills} kills");
    // A count of nearly zero would prove nothing.
    assert!(kills >= 70, "{kills} kills only");
}

#[test]
fn lab_000_survives_a_kill_at_every_request() {
    survives_a_kill_at_every_request(LAB_000);
}

#[test]
fn lab_004_survives_a_kill_at_every_request() {
    survives_a_kill_at_every_request(LAB_004);
}

/// The export without the versions of secrets, whose names derive from values that podid generates.
fn without_generated(world: &World) -> String {
    let mut export = world.control("GET", "/export", None).ok();
    export["secrets"] = json!(null);
    // the digest of a synced Secret's value is that of a generated one, too
    export["kubernetes"].as_object_mut().unwrap().values_mut().for_each(|cluster| cluster["secrets"] = json!(null));
    format!("{export:#}\n")
}

/// How many requests of a whole lab are passed over between two kills. `PODID_TEST_ALL_KILLS` set: none, which takes many minutes.
fn stride() -> u64 {
    if std::env::var_os("PODID_TEST_ALL_KILLS").is_some() { 1 } else { 40 }
}

/// The same for a lab from its first step, on a cluster without components.
fn a_whole_lab_survives_kills(spec: &'static str, least: u64) {
    let reset = |world: &World| world.control("POST", "/reset", Some(&json!({ "bare": true }))).ok();
    let served = || {
        let mut world = World::new();
        world.serve_with(&["--bare"]);
        world
    };
    let words = ["up", "--yes", "--verify", "-f", spec];
    let whole = served();
    whole.podid(&words).ok();
    let unbroken = without_generated(&whole);
    let stride = stride();
    let kills = at_every_request(|slot, n, when| {
        let world = slot.get_or_insert_with(served);
        reset(world);
        let at = format!("{spec}, killed {when} request {}", 1 + (n - 1) * stride);
        let held = killed_at(world, &words, 1 + (n - 1) * stride, when);
        if held {
            let again = world.podid(&words);
            assert_eq!(again.code, Some(0), "{at}: the next run\n{}{}", again.stdout, again.stderr);
            world.plan(spec).ok().says("nothing to do");
            same(&format!("{at}: the world"), &unbroken, &without_generated(world));
            assert!(versions(world).iter().all(|(_, count)| *count == 1), "{at}: {:?}", versions(world));
        }
        held
    });
    println!("{spec} from a bare cluster: {kills} kills");
    assert!(kills * stride >= least, "{kills} kills only");
}

#[test]
fn lab_000_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/000.yaml", 150);
}

#[test]
fn lab_001_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/001.yaml", 150);
}

#[test]
fn lab_002_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/002.yaml", 80);
}

#[test]
fn lab_003_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/003.yaml", 150);
}

#[test]
fn lab_004_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/004.yaml", 150);
}

#[test]
fn workload_id_survives_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/workload-id.yaml", 100);
}

#[test]
fn identity_bindings_survive_kills_from_a_bare_cluster() {
    a_whole_lab_survives_kills("labs/identity-binding.yaml", 100);
}

/// The same for `down`.
#[test]
fn a_down_survives_a_kill_at_every_request() {
    let spec = LAB_000;
    let made = World::new();
    let before = made.export();
    made.up(spec, &[]).ok();
    let words = ["down", "--yes", "-f", spec, "--delete-data", vault_of(spec)];
    let kills = at_every_request(|slot, n, when| {
        let mut world = World::copy_of(&made);
        world.serve();
        let world = slot.insert(world);
        let held = killed_at(world, &words, n, when);
        if held {
            let again = world.podid(&words);
            assert_eq!(again.code, Some(0), "killed {when} request {n} of `down`\n{}{}", again.stdout, again.stderr);
            same(&format!("killed {when} request {n} of `down`"), &before, &exported(world));
        }
        held
    });
    println!("down: {kills} kills");
    assert!(kills >= 40, "{kills} kills only");
}

/// Kills in the middle of a line of the journal as well: then nothing records what was about to begin.
#[test]
fn a_lab_survives_a_kill_within_any_line_of_the_journal() {
    let spec = LAB_004;
    let unbroken = unbroken(spec);
    let torn = AtomicU64::new(0);
    let kills = at_every_request(|world, n, when| {
        let world = world.get_or_insert_with(World::served);
        world.control("POST", "/reset", None).ok();
        // With one action at a time, the last line is about the action that is held.
        let held = killed_at(world, &["up", "--yes", "--verify", "--parallelism", "1", "-f", spec], n, "before");
        let journal = world.path(".podid/state.json.journal");
        if let (true, Ok(bytes)) = (held, std::fs::read(&journal)) {
            let begin = bytes[..bytes.len().saturating_sub(1)].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let cut = if when == "before" { begin + (bytes.len() - begin) / 2 } else { bytes.len() - 1 };
            std::fs::write(&journal, &bytes[..cut]).unwrap();
            torn.fetch_add(1, Ordering::SeqCst);
        }
        if held {
            is_finished_by_the_next_run(world, spec, &unbroken, &format!("{spec}, a line torn at request {n}"));
        }
        held
    });
    let torn = torn.into_inner();
    println!("{spec}: {kills} kills, {torn} torn lines");
    assert!(torn >= 24, "{torn} torn lines only");
}

/// A limit of the file size simulates a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_and_the_next_one_continues() {
    let unbroken = unbroken(LAB_004);
    let world = World::served();
    for blocks in ["1", "4", "12"] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let words = ["-c", &limited, crate::common::PODID, "up", "--yes", "-f", LAB_004];
        let output = crate::common::Output::of(&words, world.program("/bin/sh", &words).output().unwrap());
        output.exits(70).says("could not save the state").says("state.json.journal");
    }
    is_finished_by_the_next_run(&world, LAB_004, &unbroken, "after a full disk");
}
