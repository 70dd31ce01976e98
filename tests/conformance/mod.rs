//! Each record of real traffic, played at the sandbox: what differs, what of it is accepted, and a count.

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
use world::World;

/// Of the records, the part that may differ by what is accepted.
const MOST_ACCEPTED: (usize, usize) = (6, 100);

/// What became of a list of records.
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
    /// Whether each is equal or accepted.
    pub fn complete(&self) -> bool {
        self.equal + self.accepted == self.all
    }

    /// Whether no more is accepted than may be.
    pub fn sparing(&self) -> bool {
        let (part, whole) = MOST_ACCEPTED;
        self.accepted * whole <= self.all * part
    }

    pub fn line(&self, name: &str) -> String {
        format!("{name}: {} of {}, {} accepted", self.equal, self.all, self.accepted)
    }
}

/// Plays them all, each world a part of them, and prints each difference.
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
