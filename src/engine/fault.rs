//! Why a node could not be observed, planned or executed. Errors of clouds are opaque here; `failure` explains them.

use std::{error::Error, fmt, sync::Arc};

#[derive(Clone, Debug)]
pub enum Fault {
    /// A reference has no value (yet).
    Unresolved(String),
    /// A decision is needed first. `way_out` is a whole sentence.
    Refused { reason: String, way_out: Option<String> },
    /// The caller may not read it. This is fine if the run grants the permission.
    Unreadable(Box<Fault>),
    /// The cloud or cluster returned an error.
    Cloud(Arc<dyn Error + Send + Sync>),
    /// The state could not be written; nothing more is started.
    Unsaved(String),
    /// Ctrl-C was pressed before it started.
    Interrupted,
    /// The state has content that podid does not write.
    State(String),
    /// podid has a bug.
    Bug(String),
}

impl Fault {
    pub fn cloud(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Cloud(Arc::new(error))
    }
    pub fn refused(reason: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), way_out: Some(way_out.into()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(reference) => write!(f, "{} is not known", reference.replace('#', " "))?,
            Self::Refused { reason, .. } => f.write_str(reason)?,
            Self::Unreadable(fault) => write!(f, "{fault}")?,
            Self::Cloud(error) => write!(f, "{error}")?,
            Self::Unsaved(why) => write!(f, "could not save the state: {why}")?,
            Self::Interrupted => f.write_str("interrupted")?,
            Self::State(why) => write!(f, "could not use the state: {why}")?,
            Self::Bug(what) => write!(f, "internal error (this is a bug in podid): {what}")?,
        }
        Ok(())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Bug(error.to_string())
    }
}
