//! The logs of the programs that the sandbox plays: a file for each program, or for each of its nodes, below `logs/`, because commands come
//! and go. A log that cannot be written is given up: it must not stop the program.

use super::{error::Error, folder::Folder, programs::Program};
use jiff::Timestamp;
use podid_files as files;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What a file keeps when it has grown to twice as much.
const KEPT: u64 = 128 << 10;

/// The logs of one cluster; those of the default are dropped.
#[derive(Clone, Default)]
pub struct ProgramLogs {
    files: Option<Arc<Mutex<PathBuf>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    pub text: String,
}

impl ProgramLogs {
    pub fn of_cluster(folder: &Folder, cluster: &str) -> Self {
        let dir = folder.logs().join(cluster);
        Self { files: Some(Arc::new(Mutex::new(dir))) }
    }

    /// Adds a text of one line or several; it must not contain secrets.
    pub fn write(&self, program: Program, node: &str, text: &str) {
        let Some(files) = &self.files else { return };
        let dir = files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = append(&dir, &file(&dir, program, node), text) {
            tracing::debug!("could not write the log of {}: {why}", program.name());
        }
    }

    /// The lines since some time, the oldest first.
    pub fn read(&self, program: Program, node: &str, since: Timestamp) -> Vec<LogLine> {
        let Some(files) = &self.files else { return Vec::new() };
        let dir = files.lock().unwrap_or_else(PoisonError::into_inner);
        let text = fs::read_to_string(file(&dir, program, node)).unwrap_or_default();
        let lines = text.lines().filter_map(|line| {
            let (at, text) = line.split_once(' ')?;
            Some(LogLine { at: at.parse().ok()?, text: text.to_owned() })
        });
        lines.filter(|line| line.at >= since).collect()
    }
}

fn file(dir: &Path, program: Program, node: &str) -> PathBuf {
    if !program.is_per_node() {
        return dir.join(format!("{}.log", program.name()));
    }
    // names of nodes are those of DNS; what is not cannot lead to another folder
    let node: String = node.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    dir.join(format!("{}.{node}.log", program.name()))
}

fn append(dir: &Path, path: &Path, text: &str) -> Result<(), Error> {
    if !dir.is_dir() {
        files::private_folder(dir)?;
    }
    let at = Timestamp::now();
    let lines: String = text.trim_end().lines().map(|line| format!("{at:.9} {line}\n")).collect();
    let mut file = files::open_to_append(path)?;
    file.write_all(lines.as_bytes()).map_err(Error::file("write", path))?;
    if file.metadata().is_ok_and(|now| now.len() > 2 * KEPT) {
        let whole = fs::read(path).map_err(Error::file("read", path))?;
        let tail = &whole[whole.len().saturating_sub(KEPT as usize)..];
        let from = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        files::replace(path, |file| file.write_all(&tail[from..]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs() -> (tempfile::TempDir, ProgramLogs) {
        let dir = tempfile::tempdir().unwrap();
        let logs = ProgramLogs::of_cluster(&Folder::open(&dir.path().join("sandbox")).unwrap(), "aks");
        (dir, logs)
    }

    #[test]
    fn a_log_is_that_of_its_program_and_node_and_goes_on_with_the_next_process() {
        let (dir, logs) = logs();
        logs.write(Program::Nmi, "n1", "first\nsecond\n");
        logs.write(Program::Nmi, "../n2", "elsewhere");
        logs.write(Program::Mic, "n1", "of the cluster");
        let again = ProgramLogs::of_cluster(&Folder::open(&dir.path().join("sandbox")).unwrap(), "aks");
        again.write(Program::Nmi, "n1", "third");
        let read = |program, node| again.read(program, node, Timestamp::MIN).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(read(Program::Nmi, "n1"), ["first", "second", "third"]);
        assert_eq!(read(Program::Nmi, "../n2"), ["elsewhere"]);
        assert_eq!(read(Program::Mic, "n2"), ["of the cluster"]);
        assert_eq!(read(Program::Provider, "n1"), [""; 0]);
        assert_eq!(again.read(Program::Nmi, "n1", Timestamp::MAX), []);
        ProgramLogs::default().write(Program::Mic, "", "dropped");
    }

    #[test]
    fn a_log_keeps_its_last_lines() {
        let (_dir, logs) = logs();
        let line = "x".repeat(1000);
        for n in 0..600 {
            logs.write(Program::Mic, "", &format!("{n} {line}"));
        }
        let read = logs.read(Program::Mic, "", Timestamp::MIN);
        assert!(read.len() > 100 && read.len() < 280, "{}", read.len());
        assert!(read.last().unwrap().text.starts_with("599 ") && read.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }
}
