//! What a person is told when something went wrong: what, why, and what to run next.
//! `explain` turns the errors of all rooms into this.

mod azure;
mod blocked;
mod cluster;
mod explain;

pub use explain::{explain, of_node};

use crate::exit::Exit;

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: Exit,
    /// A lower-case fragment: `could not read podid.yaml`, or what is wrong.
    pub message: String,
    /// Why, the outermost first; lower-case fragments.
    pub causes: Vec<String>,
    /// Whole sentences, each with a command to run where there is one.
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

    /// Whether another one is the same trouble; its places and ways out are then taken over, each once.
    pub fn takes(&mut self, other: &Self) -> bool {
        if (self.kind, &self.message) != (other.kind, &other.message) {
            return false;
        }
        // Azure writes one and the same scope in several casings
        let has = |all: &[String], one: &str| all.iter().any(|a| a.eq_ignore_ascii_case(one));
        let missing = |all: &[String], more: &[String]| more.iter().filter(|m| !has(all, m)).cloned().collect::<Vec<_>>();
        self.causes.extend(missing(&self.causes, &other.causes));
        self.hints.extend(missing(&self.hints, &other.hints));
        true
    }
}
