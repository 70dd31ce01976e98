//! The files of the world as they are written: a line of `changes.jsonl` for each save, and now and then all of it anew, by rename.
//! A process killed anywhere leaves a whole `world.json` and, line by line, all that was answered since.

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

/// How long the changes may get beside a small world; beside a large one, as long as it is.
const LEAST: u64 = 1 << 20;

pub struct Journal {
    folder: Folder,
    /// Of the last save.
    n: u64,
    behind: bool,
    /// None: the next save writes all.
    changes: Option<File>,
    length: u64,
    world: u64,
}

impl Journal {
    pub const FILE: &str = "changes.jsonl";

    /// `behind`: the files do not tell all that is in memory. What another process left is never gone on with: the first save writes all.
    pub fn new(folder: Folder, n: u64, behind: bool) -> Self {
        Self { folder, n, behind, changes: None, length: 0, world: 0 }
    }

    pub fn behind(&self) -> bool {
        self.behind
    }

    /// Whether there is anything beside the one file.
    pub fn begun(&self) -> bool {
        self.length > 0
    }

    /// Whether the next save is to write all.
    pub fn due(&self) -> bool {
        self.changes.is_none() || self.length > self.world.max(LEAST)
    }

    /// It is not known what the files tell of the last changes: the next save writes all.
    pub fn forget(&mut self) {
        (self.changes, self.behind) = (None, true);
    }

    /// Changes could not be put into words.
    pub fn lost(&mut self, why: &serde_json::Error) -> Error {
        self.forget();
        Error::Damaged { path: self.folder.path(Self::FILE), why: why.to_string() }
    }

    pub fn append(&mut self, mut change: Change) -> Result<(), Error> {
        let path = self.folder.path(Self::FILE);
        change.n = self.n + 1;
        let mut line = serde_json::to_vec(&change).map_err(|why| self.lost(&why))?;
        line.push(b'\n');
        // not gone on with after a fault: it is not known how much of the line is there
        let (file, behind) = (self.changes.take(), std::mem::replace(&mut self.behind, true));
        let mut file = file.ok_or_else(|| Error::Damaged { path: path.clone(), why: "it was not begun".to_owned() })?;
        file.write_all(&line).map_err(Error::file("write", path))?;
        (self.changes, self.behind) = (Some(file), behind);
        self.n = change.n;
        self.length += u64::try_from(line.len()).unwrap_or_default();
        Ok(())
    }

    /// `write` puts the parts of the world into words; what was saved until now is in them.
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
        let path = self.folder.path(Self::FILE);
        self.changes = Some(files::create(&path)?);
        (self.length, self.behind) = (0, false);
        Ok(())
    }
}
