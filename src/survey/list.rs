//! A list that was read, and what is missing in it.

use serde::Serialize;

#[derive(Clone, Debug)]
pub struct List<T> {
    pub items: Vec<T>,
    /// None: it is the whole list.
    pub gap: Option<Gap>,
}

/// Something that was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What is missing, such as `pods` or `the secrets of kv-shop`.
    pub what: String,
    pub why: String,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), gap: None }
    }
}

impl<T> List<T> {
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, gap: None }
    }

    pub fn missing(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { items: Vec::new(), gap: Some(Gap { what: what.into(), why: why.into() }) }
    }

    /// Returns what a request returned. The reason of a failure is its first line: services append traces to it.
    pub fn of<E: std::fmt::Display>(what: &str, found: Result<Vec<T>, E>) -> Self {
        match found {
            Ok(items) => Self::whole(items),
            Err(error) => Self::missing(what, first_line(&error.to_string())),
        }
    }

    /// Adds another list; what is missing in either is missing.
    pub fn extend(&mut self, other: Self) {
        self.items.extend(other.items);
        self.gap = self.gap.take().or(other.gap);
    }

    /// Whether something that is not in it does not exist.
    pub fn is_whole(&self) -> bool {
        self.gap.is_none()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
}

pub fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason was given").to_owned()
}
