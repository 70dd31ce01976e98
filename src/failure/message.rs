//! The type of a failure.

use crate::exit::Exit;

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: Exit,
    /// A fragment in lower case, such as `could not read podid.yaml: permission denied`.
    pub message: String,
    /// The causes, the outermost first, as fragments in lower case.
    pub causes: Vec<String>,
    /// Whole sentences, with a command to run where there is one.
    pub hints: Vec<String>,
}

impl Failure {
    pub fn new(kind: Exit, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns whether another failure has the same message. Its causes and hints are then added, each once.
    pub fn takes(&mut self, other: &Self) -> bool {
        if (self.kind, &self.message) != (other.kind, &other.message) {
            return false;
        }
        // Azure writes the same scope in several casings
        let has = |all: &[String], one: &str| all.iter().any(|a| a.eq_ignore_ascii_case(one));
        let missing = |all: &[String], more: &[String]| more.iter().filter(|m| !has(all, m)).cloned().collect::<Vec<_>>();
        self.causes.extend(missing(&self.causes, &other.causes));
        self.hints.extend(missing(&self.hints, &other.hints));
        true
    }
}

/// Returns the first line of a service's message.
pub(super) fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end().to_owned()
}
