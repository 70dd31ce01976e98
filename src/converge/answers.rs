//! How an answer gets to people and programs: text, documents, progress and events.

use crate::{
    cli::Format,
    engine::event::{Event, EventSink},
    exit::Exit,
    failure::Failure,
    output::{Text, json, progress::Progress, yaml},
    session::Session,
};
use serde_json::Value;
use std::sync::Arc;

/// Prints an answer on stdout.
pub(crate) fn answer(session: &Session, text: impl Into<Text>) -> Result<(), Failure> {
    session.terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()))
}

/// Renders a document for programs, as YAML or JSON.
pub(crate) fn render(session: &Session, document: &Value) -> Text {
    if session.global.output == Format::Yaml { yaml::text(document) } else { json::text(document) }
}

/// Returns where events go: progress for people, lines for programs.
pub(crate) fn event_sink(session: &Session) -> EventSink {
    let progress = Progress::new(&session.terminal);
    let events = session.events.clone();
    Arc::new(move |event: Event| {
        progress.tell(&event);
        if let Some(events) = &events {
            events.tell(&event);
        }
    })
}
