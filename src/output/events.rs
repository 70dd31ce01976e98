//! Events as JSON lines, for programs that watch a run. With `--events -` messages for people are events, too.

use super::{Terminal, Text, clean, json::error};
use crate::{engine::event::Event, exit::Exit, failure::Failure, files};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
};

pub struct Events(Sink);

enum Sink {
    Stderr(Terminal),
    Other(Mutex<Box<dyn Write + Send>>),
}

impl Events {
    /// Writes events to the terminal's stderr, which then has no other output.
    pub fn to_stderr(terminal: &Terminal) -> Self {
        Self(Sink::Stderr(terminal.clone()))
    }

    /// Creates or replaces a file. A file that is also stdout or stderr is refused.
    pub fn to_file(path: &Path) -> Result<Self, Failure> {
        let failed = || Failure::new(Exit::Usage, format!("could not open {} for events", path.display()));
        let file = files::create(path).map_err(|e| e.way_out().into_iter().fold(failed().because(e.to_string()), Failure::hint))?;
        if is_own_stream(&file) {
            return Err(failed()
                .because("podid's answers or messages go there as well")
                .hint("Name a file, or write `--events -`: then stderr holds nothing but events."));
        }
        Ok(Self::to(file))
    }

    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Sink::Other(Mutex::new(Box::new(sink))))
    }

    /// Writes a line. A failure is ignored: a run does not fail because nobody reads its events.
    pub fn tell(&self, event: &Event) {
        match &self.0 {
            Sink::Stderr(terminal) => terminal.event(document(event)),
            Sink::Other(sink) => {
                let line = line(document(event)) + "\n";
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = sink.write_all(line.as_bytes()).and_then(|()| sink.flush());
            }
        }
    }
}

/// Returns whether a file is stdout or stderr. /dev/null does not count.
#[cfg(unix)]
fn is_own_stream(file: &File) -> bool {
    use std::io::{self, IsTerminal as _};
    let Ok(this) = rustix::fs::fstat(file) else { return false };
    let is_device = rustix::fs::FileType::from_raw_mode(this.st_mode) == rustix::fs::FileType::CharacterDevice;
    let is_same =
        |stream: rustix::io::Result<rustix::fs::Stat>| stream.is_ok_and(|other| (other.st_dev, other.st_ino) == (this.st_dev, this.st_ino));
    (!is_device || file.is_terminal()) && (is_same(rustix::fs::fstat(io::stdout())) || is_same(rustix::fs::fstat(io::stderr())))
}

#[cfg(not(unix))]
fn is_own_stream(_: &File) -> bool {
    false
}

/// Formats an event with its time, without a line break.
pub(super) fn line(mut document: Value) -> String {
    document["time"] = json!(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    clean::json(&document.to_string())
}

pub(super) fn message(level: &str, text: &Text) -> Value {
    json!({ "event": "message", "level": level, "text": text.to_string().trim_end() })
}

pub(super) fn failure(failure: &Failure) -> Value {
    let mut document = error(failure);
    if let Value::Object(fields) = &mut document {
        fields.insert("exit".into(), json!(failure.kind.code()));
        fields.shift_insert(0, "event".into(), json!("error"));
    }
    document
}

fn document(event: &Event) -> Value {
    match event {
        Event::Observing { nodes } => json!({ "event": "observing", "resources": nodes }),
        Event::Observed { took } => json!({ "event": "observed", "seconds": took.as_secs_f64() }),
        Event::Started { key, act } => json!({ "event": "started", "key": key, "act": act }),
        Event::Waiting { key, text } => json!({ "event": "waiting", "key": key, "text": text }),
        Event::Done { key, act, took } => json!({ "event": "done", "key": key, "act": act, "seconds": took.as_secs_f64() }),
        Event::Failed { key, act, fault } => json!({ "event": "failed", "key": key, "act": act, "error": fault.to_string() }),
        Event::NotStarted { key, act, because } => json!({ "event": "not_started", "key": key, "act": act, "because": because }),
    }
}
