//! `world.json`: all that there is in the sandbox, as one file of a known version.

use super::{azure, error::Error, folder::Folder, kube};
use serde::Deserialize;
use std::collections::BTreeMap;

pub const VERSION: u32 = 1;
pub const FILE: &str = "world.json";

pub struct World {
    /// Not from a file.
    pub new: bool,
    pub azure: azure::State,
    /// By cluster name.
    pub clusters: BTreeMap<String, kube::State>,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
struct Saved {
    azure: azure::State,
    clusters: BTreeMap<String, kube::State>,
}

impl World {
    pub fn new() -> Self {
        Self { new: true, azure: azure::seed::new(azure::times::now()), clusters: BTreeMap::new() }
    }

    /// A new world where there is no file.
    pub fn load(folder: &Folder) -> Result<Self, Error> {
        let path = folder.path(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Self::new()),
            Err(source) => return Err(Error::File { what: "read", path, source }),
        };
        // where, not what: the text of the fault could quote a secret
        let damaged = |why: serde_json::Error| Error::Damaged {
            path: folder.path(FILE),
            why: format!("line {}, column {}", why.line(), why.column()),
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
        if head.version > VERSION {
            return Err(Error::Newer { path, found: head.version, known: VERSION });
        }
        let saved: Saved = serde_json::from_slice(&bytes).map_err(damaged)?;
        Ok(Self { new: false, azure: saved.azure, clusters: saved.clusters })
    }
}

/// The file's text of parts that are JSON already: what did not change is not written out again.
pub fn text(azure: &str, clusters: &BTreeMap<String, String>) -> String {
    let mut text = format!("{{\"version\":{VERSION},\"azure\":{azure},\"clusters\":{{");
    for (at, (name, state)) in clusters.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&format!("{}:{state}", serde_json::Value::from(name.as_str())));
    }
    text.push_str("}}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_world_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write(FILE, b"{\"version\": 99, \"what\": []}").unwrap();
        let text = World::load(&folder).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains("version 99") && text.contains("podid sandbox reset"), "{text}");
        folder.write(FILE, b"{\"version\": 1, \"azure\"").unwrap();
        assert!(matches!(World::load(&folder), Err(Error::Damaged { .. })));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let azure = serde_json::to_string(&World::new().azure).unwrap();
        let clusters = [("a".to_owned(), serde_json::to_string(&kube::State::default()).unwrap())].into();
        folder.write(FILE, text(&azure, &clusters).as_bytes()).unwrap();
        let world = World::load(&folder).unwrap();
        assert_eq!(serde_json::to_string(&world.azure).unwrap(), azure);
        assert!(world.clusters.contains_key("a"));
    }
}
