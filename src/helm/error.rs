//! Why helm did not do what it was asked for, by what the user would do about it.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// `given`: a flag or variable names this program.
    #[error("could not run {program}: there is no such program")]
    Missing { program: String, given: bool },
    #[error("could not run {program}: {cause}")]
    NotStarted { program: String, cause: String },
    #[error("{program} is not a helm that podid can use: {cause}")]
    Unusable { program: String, cause: String },
    /// `lines` is the end of what it wrote to stderr, without secrets.
    #[error("could not {action}")]
    Failed { action: String, lines: Vec<String> },
    #[error("could not {action}: helm did not end within {limit:?}")]
    TimedOut { action: String, limit: Duration },
    #[error("helm was stopped")]
    Interrupted,
    #[error("could not read the chart {path}: {cause}")]
    Chart { path: String, cause: String },
    #[error("could not read the release in Secret {secret}: {cause}")]
    Release { secret: String, cause: String },
    #[error("could not write a private file for helm: {0}")]
    File(String),
}
