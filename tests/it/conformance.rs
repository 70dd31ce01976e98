//! Compares the sandbox's Azure with the real one: each recorded request (`PODID_RECORDINGS` names the folder) is sent to the sandbox, in the
//! state that the recording implies, and the answers are compared. `scripts/conformance` runs this.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "in a test a panic is the report, and this one prints its findings")]

pub mod accepted;
pub mod compare;
pub mod headers;
pub mod record;
pub mod shape;
pub mod suppose;
#[cfg(test)]
mod tests;
pub mod world;

use accepted::Accepted;
use compare::{Difference, difference};
use record::Record;
use std::path::PathBuf;
use world::World;

/// The largest share of records whose differences may be accepted.
const MAX_ACCEPTED: (usize, usize) = (6, 100);

/// The result of a list of records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub equal: usize,
    pub accepted: usize,
    pub all: usize,
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self { equal: a.equal + b.equal, accepted: a.accepted + b.accepted, all: a.all + b.all })
    }
}

impl Count {
    /// Returns whether each record is equal or accepted.
    pub fn complete(&self) -> bool {
        self.equal + self.accepted == self.all
    }

    /// Returns whether not too many are accepted.
    pub fn within_limit(&self) -> bool {
        let (part, whole) = MAX_ACCEPTED;
        self.accepted * whole <= self.all * part
    }

    pub fn line(&self, name: &str) -> String {
        format!("{name}: {} of {}, {} accepted", self.equal, self.all, self.accepted)
    }
}

/// Replays all records, divided among the worlds, and prints each difference.
pub fn play(worlds: &mut [World], records: &[Record], accepted: &mut Accepted) -> Count {
    let found = differences(worlds, records);
    let mut count = Count { all: records.len(), ..Count::default() };
    for (record, differences) in records.iter().zip(&found) {
        if differences.is_empty() {
            count.equal += 1;
            continue;
        }
        let all = accepted.all(record, differences);
        count.accepted += usize::from(all);
        println!(
            "\n{} {} {} [{}] {}",
            if all { "accepted" } else { "DIFFERS " },
            record.op,
            record.status,
            record.api_version,
            record.label
        );
        for difference in differences {
            let mark = if accepted.covers(record, difference) { " (accepted)" } else { "" };
            println!("    {difference}{mark}");
        }
    }
    count
}

fn differences(worlds: &mut [World], records: &[Record]) -> Vec<Vec<Difference>> {
    let part = records.len().div_ceil(worlds.len()).max(1);
    std::thread::scope(|scope| {
        let parts = worlds.iter_mut().zip(records.chunks(part));
        let players: Vec<_> =
            parts.map(|(world, part)| scope.spawn(move || part.iter().map(|record| of(world, record)).collect::<Vec<_>>())).collect();
        players.into_iter().flat_map(|player| player.join().unwrap()).collect()
    })
}

fn of(world: &World, record: &Record) -> Vec<Difference> {
    match suppose::play(world, record) {
        Ok(reply) => compare::answers(record, &reply),
        Err(why) => vec![difference("state", why)],
    }
}

/// Returns the folder of the recordings; without one, prints that nothing was compared.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PODID_RECORDINGS").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        // This bypasses the capture of the test runner.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "not run: the recorded answers of Azure at the sandbox (`scripts/conformance DIR` plays them)");
    }
    folder.map(PathBuf::from)
}

#[test]
fn the_sandbox_gives_the_recorded_answers() {
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
    let within_limit = parts.iter().all(|(_, count)| count.within_limit());
    let whole = parts.map(|(_, count)| count).into_iter().sum::<Count>();
    println!("{}", whole.line("conformance"));
    assert!(whole.complete(), "the sandbox differs from recorded answers");
    // The limit holds for each part, and so for the whole.
    assert!(within_limit, "more is accepted than may be");
}
