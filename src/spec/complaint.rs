//! What is wrong in a spec, by the field where it is written.

use super::{names::Checked, suggest::nearest};

/// A field by its path, what is wrong with it, and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

pub type Verdict = Result<(), Complaint>;

pub fn wrong(path: impl Into<String>, message: impl Into<String>) -> Complaint {
    Complaint { path: path.into(), message: message.into(), hint: None }
}

impl Complaint {
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts the path, which is relative to a part of the spec, below that part.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        self.path = format!("{path}.{}", self.path);
        self
    }
}

/// Holds a field to the rule for its names.
pub fn named(path: &str, rule: fn(&str) -> Checked, text: &str) -> Verdict {
    rule(text).map_err(|rule| wrong(path, rule))
}

/// The same for a field that may be left out.
pub fn maybe(path: &str, rule: fn(&str) -> Checked, text: Option<&String>) -> Verdict {
    text.map_or(Ok(()), |text| named(path, rule, text))
}

/// A word that is not one of the known ones.
pub fn unknown_word(path: impl Into<String>, word: &str, known: Vec<&str>) -> Complaint {
    // what is not written like a word of a spec may be a password
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_');
    let shown = if is_word { format!("unknown word `{word}`") } else { "unknown word".to_owned() };
    let meant = nearest(word, known.iter().copied()).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
    wrong(path, shown).hint(format!("{meant}The known ones are: {}.", known.join(", ")))
}
