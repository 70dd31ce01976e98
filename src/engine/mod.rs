//! A small resource graph: desired, observed, planned, executed, remembered. It knows neither Azure, nor Kubernetes, nor the terminal.
//!
//! `Desired -> observe -> plan (a pure value) -> execute -> ledger`. What exists in the world is described by kinds (`resource::Kind`);
//! one object of a kind is a node of `Desired`, known by its `Key`; edges are read off the references in its spec (`input`).

pub mod desired;
mod diff;
pub mod event;
pub mod execute;
pub mod fault;
pub mod input;
pub mod key;
pub mod ledger;
pub mod nodes;
pub mod observe;
pub mod plan;
pub mod planner;
pub mod resource;
pub mod shape;
mod terms;

#[cfg(test)]
mod tests;
