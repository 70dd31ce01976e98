//! What some commands do after their plan was executed, and how it is told.

use crate::output::Text;
use serde_json::Value;

/// The outcome, for people and for programs.
pub(super) struct FollowUp {
    /// Where it is in the document of the run.
    pub field: &'static str,
    pub document: Value,
    pub text: Text,
}
