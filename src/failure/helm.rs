//! Explains why helm did not do its work.

use super::Failure;
use crate::{exit::Exit, helm::Error};

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let failure = Self::new(Exit::Failed, error.to_string());
        match error {
            Error::Missing { given: true, .. } => {
                failure.hint("Give the path of helm with `--helm FILE` or PODID_HELM, or leave both out to use the one in PATH.")
            }
            Error::Missing { given: false, .. } => failure
                .because("podid installs charts with your helm".to_owned())
                .hint("Install helm 3.13 or newer (https://helm.sh/docs/intro/install), or name it with `--helm FILE`."),
            Error::NotStarted { .. } => failure.hint("Check that it may be executed: `helm version`."),
            Error::Unusable { .. } => {
                failure.hint("Install helm 3.13 or newer (https://helm.sh/docs/intro/install), or name it with `--helm FILE`.")
            }
            Error::Failed { lines, .. } => lines
                .iter()
                .fold(failure, |failure, line| failure.because(line.clone()))
                .hint("Correct the cause, then run the same command again: it continues from what helm left."),
            Error::TimedOut { .. } => failure.hint("Give it longer with `--timeout`, then run the same command again."),
            Error::Interrupted => Self::new(Exit::Interrupted, error.to_string()),
            Error::Chart { .. } => {
                failure.hint("Give the path of a chart's folder or archive; `helm pull CHART --repo URL --version VERSION` gets one.")
            }
            Error::Release { .. } => failure.hint(
                "Look at it with `helm list --all` and `helm get all RELEASE`; a Secret that helm cannot read either can be deleted.",
            ),
            Error::File(_) => failure.hint("Check that the folder for temporary files (TMPDIR) exists and has free space."),
        }
    }
}
