//! The saved world in two files: `world.json` has all of it as of some save, and `changes.jsonl` the changes of each save since then. A
//! file of an older version is upgraded when it is read, one of a newer version is rejected.

use super::{azure, error::Error, folder::Folder, kube, upgrade};
use podid_files as files;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Seek as _},
    path::Path,
};

pub const VERSION: u32 = 2;
pub const FILE: &str = "world.json";
pub const CHANGES_FILE: &str = "changes.jsonl";

pub struct World {
    /// Whether the next save must write the whole world, because the files are missing or of another version.
    pub new: bool,
    /// The number of the last save.
    pub saves: u64,
    pub azure: azure::state::State,
    /// By cluster name.
    pub clusters: BTreeMap<String, kube::State>,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
struct SavedWorld {
    version: u32,
    saves: u64,
    azure: azure::state::State,
    clusters: BTreeMap<String, kube::State>,
}

/// The changes of one save: `n` is the number of the save, and null marks removed entries.
#[derive(Default, Deserialize, serde::Serialize)]
pub struct Change {
    pub n: u64,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub azure: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clusters: BTreeMap<String, Map<String, Value>>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.azure.is_empty() && self.clusters.is_empty()
    }
}

/// Returns the place of the error only, because its text could quote a secret.
fn damaged(path: &Path, why: serde_json::Error) -> Error {
    if why.is_io() {
        return Error::File { what: "read", path: path.to_owned(), source: why.into() };
    }
    Error::Damaged { path: path.to_owned(), why: format!("line {}, column {}", why.line(), why.column()) }
}

/// Reads a world again that is damaged or not of this version. `why`: it could not be read as one of this version.
fn upgraded(file: &mut File, path: &Path, why: Option<serde_json::Error>) -> Result<SavedWorld, Error> {
    let wrong = |why| damaged(path, why);
    file.rewind().map_err(Error::file("read", path))?;
    let Head { version } = serde_json::from_reader(BufReader::new(&*file)).map_err(wrong)?;
    match (version, why) {
        (0, _) => Err(Error::Damaged { path: path.to_owned(), why: "version 0 does not exist".to_owned() }),
        (VERSION, Some(why)) => Err(wrong(why)),
        (1..=VERSION, _) => {
            file.rewind().map_err(Error::file("read", path))?;
            let world = serde_json::from_reader(BufReader::new(&*file)).map_err(wrong)?;
            upgrade::from(version, world).and_then(serde_json::from_value).map_err(wrong)
        }
        _ => Err(Error::Newer { path: path.to_owned(), found: version, known: VERSION }),
    }
}

impl World {
    pub fn new(bare: bool) -> Self {
        let azure = azure::state::State { bare, ..azure::seed::new(azure::times::now()) };
        Self { new: true, saves: 0, azure, clusters: BTreeMap::new() }
    }

    /// Returns a new world if there is no file. With `bare`, a world of the other kind is rejected.
    pub fn open(folder: &Folder, bare: bool) -> Result<Self, Error> {
        let world = Self::load(folder, bare)?;
        if bare && !world.azure.bare {
            return Err(Error::not_bare(folder.dir()));
        }
        Ok(world)
    }

    fn load(folder: &Folder, bare: bool) -> Result<Self, Error> {
        let path = folder.path(FILE);
        let Some(mut file) = files::open_existing(&path)? else { return Ok(Self::new(bare)) };
        // read as a stream, because the text of a large world needs much memory
        let (older, saved) = match serde_json::from_reader(BufReader::new(&file)) {
            Ok(saved @ SavedWorld { version: VERSION, .. }) => (false, saved),
            read => (true, upgraded(&mut file, &path, read.err())?),
        };
        let mut world = Self { new: older, saves: saved.saves, azure: saved.azure, clusters: saved.clusters };
        world.replay(folder)?;
        Ok(world)
    }

    /// Replays the saves after the file was written. A line without an end was not answered before its writer was killed.
    fn replay(&mut self, folder: &Folder) -> Result<(), Error> {
        let path = folder.path(CHANGES_FILE);
        let Some(file) = files::open_existing(&path)? else { return Ok(()) };
        let mut changes = BufReader::new(file);
        // one line at a time, because together they may be as long as the world
        let mut line = Vec::new();
        for at in 1.. {
            line.clear();
            changes.read_until(b'\n', &mut line).map_err(Error::file("read", &path))?;
            if !line.ends_with(b"\n") {
                break;
            }
            let here = |why: serde_json::Error| Error::Damaged { path: path.clone(), why: format!("line {at}, column {}", why.column()) };
            let change: Change = serde_json::from_slice(&line).map_err(here)?;
            if change.n <= self.saves {
                continue;
            }
            self.saves = change.n;
            self.azure.apply(change.azure).map_err(here)?;
            for (name, changes) in change.clusters {
                self.clusters.entry(name).or_default().apply(changes).map_err(here)?;
            }
        }
        self.new = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_world_is_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write(FILE, b"{\"version\": 99, \"what\": []}").unwrap();
        let text = World::open(&folder, false).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains("version 99") && text.contains("podid sandbox reset"), "{text}");
        for damaged in [
            "{\"version\": 0, \"azure\": {}}",
            "{\"version\": 1, \"azure\"",
            "{\"version\": 1, \"azure\": []}",
            "{\"version\": 2, \"azure\": {}}",
        ] {
            folder.write(FILE, damaged.as_bytes()).unwrap();
            assert!(matches!(World::open(&folder, false), Err(Error::Damaged { .. })), "{damaged}");
        }
    }
}
