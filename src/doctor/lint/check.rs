//! A check of `lint`.

use super::evidence::Evidence;
use crate::{chain::page::Page, doctor::finding::Finding};

/// A check, with the pages of what it finds.
pub struct Lint {
    pub name: &'static str,
    pub pages: &'static [&'static Page],
    pub run: fn(&Evidence<'_>) -> Vec<Finding>,
}
