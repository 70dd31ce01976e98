//! What happens, as JSON lines: for programs that watch a run.

use crate::{engine::event::Event, files};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

pub struct Events(Mutex<Box<dyn Write + Send>>);

impl Events {
    pub fn to_stderr() -> Self {
        Self::to(io::stderr())
    }
    /// A new file; one that is there is replaced.
    pub fn to_file(path: &Path) -> Result<Self, files::Error> {
        Ok(Self::to(files::create(path)?))
    }
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(sink)))
    }

    /// A line that cannot be written is lost: a run does not end for its watchers.
    pub fn tell(&self, event: &Event) {
        let mut line = document(event);
        line["time"] = json!(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(format!("{line}\n").as_bytes()).and_then(|()| sink.flush());
    }
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
