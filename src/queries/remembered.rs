//! `podid output` and `podid state`: the state file itself, without asking any cloud.

use crate::{
    cli::{DEFAULT_SPEC, Format, StateCommand},
    converge::{answer, render},
    engine::{
        key::Key,
        ledger::{Entry, Ledger},
    },
    exit::Exit,
    failure::Failure,
    output::{Line, json, table},
    session::Session,
    spec::load,
    state::State,
};
use serde_json::{Value, json};
use std::path::Path;

/// The app that is meant, as far as flag and spec say, and what the state holds.
pub fn app_ledger(session: &Session, file: Option<&Path>) -> Result<(Option<String>, Ledger), Failure> {
    let default = Path::new(DEFAULT_SPEC);
    let spec = match file {
        Some(file) => Some(load::load(file)?),
        None if default.exists() && session.global.app.is_none() => Some(load::load_beside(default)?),
        None => None,
    };
    let (_, ledger) = State::peek(&session.state_path(spec.as_ref().map(|s| s.path.as_path())))?;
    session.know_clusters(&ledger);
    let app = session.global.app.clone().or_else(|| spec.map(|s| s.spec.metadata.name));
    Ok((app, ledger))
}

/// An entry by its key; several apps may have one.
fn entry<'a>(session: &Session, ledger: &'a Ledger, key: &Key) -> Result<&'a Entry, Failure> {
    let mut found: Vec<&Entry> =
        ledger.entries().filter(|e| e.key == *key && session.global.app.as_ref().is_none_or(|a| *a == e.app)).collect();
    match (found.len(), found.pop()) {
        (1, Some(one)) => Ok(one),
        (0, _) | (_, None) => {
            let failure = Failure::new(Exit::Refused, format!("the state has no entry {key}"));
            let keys: Vec<&str> = ledger.entries().map(|e| e.key.as_str()).collect();
            let failure = match crate::spec::suggest::nearest(key.as_str(), keys.iter().copied()) {
                Some(near) => failure.hint(format!("Did you mean `{near}`?")),
                None => failure,
            };
            Err(failure.hint("List the entries: `podid state list`."))
        }
        (_, Some(last)) => {
            found.push(last);
            let apps: Vec<&str> = found.iter().map(|e| e.app.as_str()).collect();
            Err(Failure::new(Exit::Refused, format!("more than one app has {key}: {}", apps.join(", "))).hint("Name one with `--app APP`."))
        }
    }
}

fn raw(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A bare value for scripts, or all that a resource published. These are ids, names and addresses, none of which has a character that is
/// shown as an escape; what has one is no such value, and is not printed as it is.
pub fn output(session: &Session, key: &Key, field: Option<&str>) -> Result<Exit, Failure> {
    let (_, ledger) = State::peek(&session.state_path(None))?;
    let entry = entry(session, &ledger, key)?;
    let Some(field) = field else {
        let text = match session.global.output {
            Format::Json | Format::Yaml => render(session, &json!(entry.outputs)),
            Format::Table => entry.outputs.iter().map(|(name, value)| Line::from(format!("{name}={}", raw(value)))).collect(),
        };
        answer(session, text)?;
        return Ok(Exit::Done);
    };
    match entry.outputs.get(field) {
        Some(value) => {
            let text = match session.global.output {
                Format::Table => raw(value).into(),
                Format::Json => json::line(value),
                Format::Yaml => render(session, value),
            };
            answer(session, text)?;
            Ok(Exit::Done)
        }
        None => {
            let known: Vec<&str> = entry.outputs.keys().map(String::as_str).collect();
            Err(Failure::new(Exit::Refused, format!("{key} published no {field}"))
                .because(format!("it published {}", if known.is_empty() { "nothing".into() } else { known.join(", ") })))
        }
    }
}

pub fn state(session: &Session, command: &StateCommand) -> Result<Exit, Failure> {
    match command {
        StateCommand::List => list(session),
        StateCommand::Show { key } => show(session, key.as_deref()),
        StateCommand::Forget { key } => forget(session, &Key::from(key.as_str())),
        StateCommand::Rebuild { .. } => Err(Failure::new(Exit::Bug, "a rebuild is no query")),
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list(session: &Session) -> Result<Exit, Failure> {
    let (_, ledger) = State::peek(&session.state_path(None))?;
    let entries: Vec<&Entry> = ledger.entries().filter(|e| session.global.app.as_ref().is_none_or(|a| *a == e.app)).collect();
    let text = match session.global.output {
        Format::Json | Format::Yaml => render(session, &json!({ "version": 1, "entries": entries })),
        Format::Table => {
            let row = |e: &&Entry| {
                let doing = e.doing.map(|act| format!("{} was begun", act.word())).unwrap_or_default();
                vec![e.key.to_string(), e.app.clone(), word(&e.origin), e.cluster.clone().unwrap_or_default(), doing]
            };
            let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
            table::list(&["KEY", "APP", "ORIGIN", "CLUSTER", "UNFINISHED"], &rows, "the state is empty", session.terminal.width)
        }
    };
    answer(session, text)?;
    Ok(Exit::Done)
}

fn show(session: &Session, key: Option<&str>) -> Result<Exit, Failure> {
    let (world, ledger) = State::peek(&session.state_path(None))?;
    let document = match key {
        Some(key) => json!(entry(session, &ledger, &Key::from(key))?),
        None => json!({ "version": 1, "world": world, "entries": ledger.entries().collect::<Vec<_>>() }),
    };
    // a state has no table: its document is what it is
    answer(session, render(session, &document))?;
    Ok(Exit::Done)
}

fn forget(session: &Session, key: &Key) -> Result<Exit, Failure> {
    let state = session.open_state(None)?;
    let mut ledger = state.ledger();
    let app = entry(session, &ledger, key)?.app.clone();
    if session.global.dry_run.is_on() {
        session.terminal.say(format!("would remove {key} from the state; nothing was changed"));
        return Ok(Exit::Done);
    }
    ledger.forget(&app, key);
    state.save(&ledger)?;
    session.terminal.say(format!("removed {key} from the state; the resource was not changed"));
    Ok(Exit::Done)
}
