//! The chain from a pod to its secrets: what modes and deliveries say of its links. It knows none of them by name.
//!
//! `facts` what is known of one workload · `link` the links, and what is reported of a broken one · `view` what a link is checked with ·
//! `stage` what a proof waits for · `remarks` on a plan · `ground` links that all have in common · `commands` of hints · `texts` of
//! components · `programs` of components · `page` and
//! `pages` what `explain` prints · `found` what `state rebuild` reads them back from · `hosts` that a text names.

pub mod commands;
pub mod edge;
pub mod facts;
pub mod found;
pub mod ground;
pub mod hosts;
pub mod link;
pub mod page;
pub mod pages;
pub mod programs;
pub mod remarks;
pub mod stage;
pub mod texts;
pub mod uses;
pub mod view;
