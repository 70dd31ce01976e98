//! Writes the files of the world: a line of `changes.jsonl` for each save, and from time to time the whole world, by rename. If the process
//! is killed, `world.json` is complete and `changes.jsonl` has all answered changes since then.

use super::{
    error::Error,
    folder::{self, Folder},
    world::{self, Change},
};
use podid_files as files;
use std::{
    fs::File,
    io::{BufWriter, Write},
};

/// The largest length of the changes of a small world; for a large world it is the world's own length.
const LEAST: u64 = 1 << 20;

pub struct Journal {
    folder: Folder,
    /// The number of the last save.
    n: u64,
    behind: bool,
    /// If None, the next save writes the whole world.
    changes: Option<File>,
    length: u64,
    world: u64,
}

impl Journal {
    /// `behind` means that the files lack changes that are in memory. The first save always writes the whole world, because another process
    /// may have left the files.
    pub fn new(folder: Folder, n: u64, behind: bool) -> Self {
        Self { folder, n, behind, changes: None, length: 0, world: 0 }
    }

    pub fn behind(&self) -> bool {
        self.behind
    }

    /// Returns whether there are changes beside the world's file.
    pub fn has_changes(&self) -> bool {
        self.length > 0
    }

    /// Returns whether the next save must write the whole world.
    pub fn must_rewrite(&self) -> bool {
        self.changes.is_none() || self.length > self.world.max(LEAST)
    }

    /// Makes the next save write the whole world, because it is unknown what the files contain of the last changes.
    pub fn invalidate(&mut self) {
        (self.changes, self.behind) = (None, true);
    }

    /// Returns the error for changes that could not be serialized.
    pub fn serialization_error(&mut self, why: &serde_json::Error) -> Error {
        self.invalidate();
        Error::Damaged { path: self.folder.path(world::CHANGES_FILE), why: why.to_string() }
    }

    pub fn append(&mut self, mut change: Change) -> Result<(), Error> {
        let path = self.folder.path(world::CHANGES_FILE);
        change.n = self.n + 1;
        let mut line = serde_json::to_vec(&change).map_err(|why| self.serialization_error(&why))?;
        line.push(b'\n');
        // after an error the file is not used again, because a part of the line may have been written
        let (file, behind) = (self.changes.take(), std::mem::replace(&mut self.behind, true));
        let mut file = file.ok_or_else(|| Error::Damaged { path: path.clone(), why: "it was not opened".to_owned() })?;
        file.write_all(&line).map_err(Error::file("write", path))?;
        (self.changes, self.behind) = (Some(file), behind);
        self.n = change.n;
        self.length += u64::try_from(line.len()).unwrap_or_default();
        Ok(())
    }

    /// Replaces the world's file. `write` serializes the parts of the world.
    pub fn rewrite(&mut self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Error> {
        (self.changes, self.behind) = (None, true);
        self.n += 1;
        let path = self.folder.path(world::FILE);
        let all = |file: &mut File| {
            let mut out = BufWriter::with_capacity(1 << 16, file);
            write!(out, "{{\"version\":{},\"saves\":{},", world::VERSION, self.n)?;
            write(&mut out)?;
            out.write_all(b"}\n")?;
            out.flush()
        };
        self.world = folder::write_by(&path, all)?;
        let path = self.folder.path(world::CHANGES_FILE);
        self.changes = Some(files::create(&path)?);
        (self.length, self.behind) = (0, false);
        Ok(())
    }
}
