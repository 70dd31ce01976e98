//! The sandbox's Azure beside the real one: each recorded answer (`PODID_RECORDINGS` names the folder) is asked of the sandbox, in the state
//! that it supposes, and compared. `scripts/conformance` runs this.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report, and this one prints its findings")]

mod common;

#[path = "conformance/mod.rs"]
mod conformance;

use conformance::{Count, accepted::Accepted, play, record, world::World};
use std::path::PathBuf;

/// Where the recordings are; without them this says that nothing was compared.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PODID_RECORDINGS").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        // past the capture of the test runner
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "not run: the recorded answers of Azure at the sandbox (`scripts/conformance DIR` plays them)");
    }
    folder.map(PathBuf::from)
}

#[test]
fn recorded_answers_are_those_of_the_sandbox() {
    let Some(folder) = folder() else { return };
    let (examples, sequences) = (record::examples(&folder), record::sequences(&folder));
    assert!(!examples.is_empty() || !sequences.is_empty(), "{} holds neither examples.jsonl nor sequences/", folder.display());
    let mut worlds = [World::start(), World::start()];
    let mut accepted = Accepted::load();
    let parts =
        [("sequences", sequences), ("examples", examples)].map(|(name, records)| (name, play(&mut worlds, &records, &mut accepted)));
    for entry in accepted.unused() {
        println!("\naccepted, and fits nothing here: {} {:?} {:?}", entry.op, entry.status, entry.places);
    }
    println!();
    for (name, count) in &parts {
        println!("{}", count.line(name));
    }
    let sparing = parts.iter().all(|(_, count)| count.sparing());
    let whole = parts.map(|(_, count)| count).into_iter().sum::<Count>();
    println!("{}", whole.line("conformance"));
    assert!(whole.complete(), "the sandbox differs from recorded answers");
    // of each part, and so of the whole
    assert!(sparing, "more is accepted than may be");
}
