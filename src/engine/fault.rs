//! Why a node could not be observed, planned or done. What a cloud said stays closed in here; `failure` opens it.

use std::{error::Error, fmt, sync::Arc};

#[derive(Clone, Debug)]
pub enum Fault {
    /// A reference that is not known (yet).
    Unresolved(String),
    /// Something needs a decision: why, and the way out as a whole sentence.
    Refused { reason: String, way_out: Option<String> },
    /// It cannot be looked at for want of a right; fine where the right is about to be given.
    Unreadable(Box<Fault>),
    /// What a cloud or cluster answered.
    Cloud(Arc<dyn Error + Send + Sync>),
    /// The state could not be written; nothing more is started.
    Unsaved(String),
    /// Ctrl-C came first.
    Interrupted,
    /// What the state says is not what a state says.
    State(String),
    /// podid itself is wrong.
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
            Self::Unsaved(why) => write!(f, "the state could not be saved: {why}")?,
            Self::Interrupted => f.write_str("interrupted")?,
            Self::State(why) => write!(f, "the state is not understood: {why}")?,
            Self::Bug(what) => write!(f, "a bug of podid: {what}")?,
        }
        Ok(())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Bug(error.to_string())
    }
}
