//! Findings: what is wrong with workloads, what it means, and what fixes it.
//!
//! `case` is what is examined · `walk` goes along its chain · `pods` looks at the workload's own pods · `logs` reads those of components ·
//! `reports` what is read of either, once for all · `seen` what a walk saw · `finding` one finding, and a report of them · `names` and
//! `case_names` what words in capitals stand for · `suppress` what does not count · `rights` what it needs · `catalog` has the pages of all
//! codes · `sarif` and `junit` the report for other programs · `lint` the checks of what works and should not stay so · `texts` the texts of
//! components that the chain knows · `beyond` those of Azure's own commands, which no chain has.

mod beyond;
pub mod case;
mod case_names;
pub mod catalog;
pub mod finding;
pub mod junit;
pub mod lint;
mod logs;
mod names;
mod pods;
pub mod reports;
pub mod rights;
pub mod sarif;
mod seen;
pub mod suppress;
pub mod texts;
pub mod walk;
