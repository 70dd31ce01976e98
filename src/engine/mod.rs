//! A small resource graph: desired, observed, planned, executed, remembered. It knows neither Azure, nor Kubernetes, nor the terminal.
//!
//! `Desired -> observe -> plan (a pure value) -> execute -> ledger`. What there is in the world comes in as kinds (`resource::Kind`);
//! one object of a kind is a node of `Desired`, known by its `Key`; edges are read off the references in its spec (`input`).

pub mod desired;
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

#[cfg(test)]
mod tests;
