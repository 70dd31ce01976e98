//! Converts faults of the engine and errors of the other modules to failures, by variant and never by text.

use super::Failure;
use crate::{
    chain::link::MissingLink,
    cluster::Error as ClusterError,
    engine::{fault::Fault, key::Key, resource::Kind as _},
    exit::Exit,
    files::whole::FileKind,
    resources::{
        self, caller,
        readiness::NotReady,
        secret::Secret,
        values::{Error as ValueError, is_variable_name},
    },
    state::Error as StateError,
};

/// Explains the fault of a node. `key` provides names for hints that the response does not have.
pub fn of_node(key: &Key, fault: &Fault) -> Failure {
    let mut failure = Failure::from(fault);
    if key.kind() == Secret::KIND
        && let Some((vault, name)) = key.names().split_once('/')
    {
        let filled = format!("--vault-name {vault} --name {name}");
        failure.hints.iter_mut().for_each(|hint| *hint = hint.replace("--vault-name VAULT --name NAME", &filled));
    }
    failure
}

/// Explains the fault like `of_node`, with the key before the message.
pub fn explain(key: &Key, fault: &Fault) -> Failure {
    let mut failure = of_node(key, fault);
    if *key != caller::key() {
        failure.message = format!("{key}: {}", failure.message);
    }
    failure
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Unresolved(reference) => {
                let (key, field) = reference.split_once('#').unwrap_or((reference, "value"));
                let key = Key::from(key);
                let hint = resources::of(key.kind()).ok().and_then(|kind| kind.missing_output(&key, field));
                Self::new(Exit::Failed, format!("{key} has no value for {} yet", field.replace('_', " ")))
                    .hint(hint.unwrap_or_else(|| format!("Show its outputs: `podid output {key}`.")))
            }
            Fault::Refused { reason, way_out } => {
                let failure = Self::new(Exit::Refused, reason.clone());
                way_out.iter().fold(failure, |f, hint| f.hint(hint.clone()))
            }
            Fault::Unreadable(inner) => Self::from(inner.as_ref()),
            Fault::Cloud(error) => cloud(error.as_ref()),
            Fault::Unsaved(why) => Self::new(Exit::Bug, "could not save the state")
                .because(why.clone())
                .hint("Check free disk space and permissions of the state file, then run the same command again; it finds the existing resources."),
            Fault::Interrupted => Self::new(Exit::Interrupted, "interrupted"),
            Fault::State(why) => Self::new(Exit::State, "could not use the state: it has invalid entries")
                .because(why.clone())
                .hint("Copy the backup beside the state file over it (`.bak`), or drop the entry: `podid state forget KEY --app APP`.")
                .hint("Or rebuild the state from existing resources: `podid state rebuild -f SPEC`."),
            Fault::Bug(what) => Self::new(Exit::Bug, "internal error (this is a bug in podid)")
                .because(what.clone())
                .hint("Please report it with the command and this message."),
        }
    }
}

fn cloud(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Failure {
    if let Some(error) = error.downcast_ref::<crate::azure::Error>() {
        return Failure::from(error);
    }
    if let Some(error) = error.downcast_ref::<ClusterError>() {
        return Failure::from(error);
    }
    if let Some(error) = error.downcast_ref::<ValueError>() {
        return Failure::from(error);
    }
    if let Some(MissingLink { what, causes, hints, .. }) = error.downcast_ref::<MissingLink>() {
        return Failure { causes: causes.clone(), hints: hints.clone(), ..Failure::new(Exit::Failed, what.clone()) };
    }
    if let Some(NotReady { what, causes, hints }) = error.downcast_ref::<NotReady>() {
        return Failure { causes: causes.clone(), hints: hints.clone(), ..Failure::new(Exit::Failed, what.clone()) };
    }
    if let Some(error) = error.downcast_ref::<crate::azure::ImageError>() {
        return Failure::from(error);
    }
    if let Some(error) = error.downcast_ref::<crate::helm::Error>() {
        return Failure::from(error);
    }
    Failure::new(Exit::Failed, error.to_string())
}

impl From<&ValueError> for Failure {
    fn from(error: &ValueError) -> Self {
        let failure = Self::new(Exit::Usage, error.to_string());
        match error {
            ValueError::File(..) => {
                failure.hint("A relative path is relative to the spec, or on the command line to the working directory.")
            }
            ValueError::NotRegular { kind, .. } => match kind {
                FileKind::Pipe => failure.hint("Pipe the value in: `COMMAND | podid vault secret set NAME --vault VAULT --stdin`."),
                _ => failure.hint(
                    "Give the file that holds the value, or pipe the value in with `podid vault secret set NAME --vault VAULT --stdin`.",
                ),
            },
            ValueError::Env(name) if is_variable_name(name) => failure.hint(format!("Set {name}, or give the value by a file.")),
            ValueError::Env(_) => {
                failure.hint("Give the variable's name without `$`: `--env DB_PASSWORD`, or `{env: DB_PASSWORD}` in a spec.")
            }
            ValueError::NotText(what) => failure.hint(what.way_out()),
            ValueError::TooLong(_) | ValueError::Empty(_) => failure.hint("Give another value."),
            ValueError::NotAsked(_) | ValueError::NoRandom(_) => Self::new(Exit::Bug, error.to_string()),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let failure = Self::new(Exit::State, error.to_string());
        match &error {
            StateError::Locked { .. } => failure.hint("Wait for it with `--lock-timeout 5m`, or use another state file with `--state FILE`."),
            StateError::LockLost { .. } => {
                failure.hint("Leave the lock file in place: the lock ends with its process. Check the result with `podid status`, then run the command again.")
            }
            StateError::Damaged { path, has_backup, .. } => {
                let failure = if *has_backup {
                    failure.hint(format!("The state before the last change is in {}.bak: copy it over the file.", path.display()))
                } else {
                    failure
                };
                failure.hint("Or rebuild the state from existing resources: `podid state rebuild -f SPEC`.")
            }
            StateError::Journal { state, .. } => failure
                .hint(format!("To go on with the state file as it is, move the journal away: `{}`.", moved(state)))
                .hint("Or rebuild the state from existing resources: `podid state rebuild`."),
            StateError::Newer { .. } => failure.hint("Use the podid that wrote it, or a newer one."),
            StateError::OtherAccount { .. } => {
                failure.hint("Name the right subscription with `--subscription`, log in to the right tenant, or use another state file with `--state FILE`.")
            }
            StateError::Files(unsafe_file) => unsafe_file.way_out().into_iter().fold(failure, Failure::hint),
            StateError::Io { .. } => failure.hint("Check that the folder is there and may be written, or use another one with `--state FILE`."),
        }
    }
}

/// Returns the command that moves the journal away, quoted for a Unix shell.
fn moved(state: &std::path::Path) -> String {
    let quoted = |text: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
        if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    let journal = format!("{}.journal", state.display());
    format!("mv {} {}", quoted(journal.clone()), quoted(format!("{journal}.old")))
}

impl From<crate::spec::load::Error> for Failure {
    fn from(error: crate::spec::load::Error) -> Self {
        let failure = Self::new(Exit::Usage, error.to_string());
        error.hint().into_iter().fold(failure, Self::hint)
    }
}
