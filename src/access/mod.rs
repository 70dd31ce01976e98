//! Who has a right in Azure, by what a survey listed: roles at any scope, given to a principal itself or to a group that it is in, the
//! conditions of these, deny assignments, and the access policies of vaults. `doctor`, `why`, `who-can`, `inventory`, `lint` and `import` ask
//! here. What was not read is said, and never guessed.

mod ask;
mod denial;
mod holder;
mod principal;
mod reader;
mod right;
mod verdict;

pub use ask::{Question, ask_holders, ask_readers};
pub use denial::denied_groups;
pub use holder::{Doubt, Holder, Holding, grants_of, holder, is_undecided};
pub use principal::shown_principal;
pub use reader::{Grant, Passes, Reader, expanded, is_get, readers};
pub use right::{AzureRight, allows, role_name};
pub use verdict::{Verdict, verdict};

#[cfg(test)]
mod tests;
