//! podid takes an application on AKS from nothing to reading its Key Vault secrets with an identity of its own, and proves that it does.
//!
//! The map of the house. `cli` turns argv into a command; `session` opens the world that it runs in; `converge` is the one path of every
//! changing command, `queries` is what only looks, `proof` is the pod that proves. `spec` is what a user writes, and how it becomes a graph;
//! `engine` observes, plans and executes that graph and knows no cloud; `resources` has one file for each kind of node; `azure` and
//! `cluster` are the only rooms that know an SDK; `state` is the file between commands; `output` prints and asks; `failure` is what people
//! are told; `descriptors` are the open files that a run needs; `crds` are the custom resources as types; `files` are those that only their owner may write; `sandbox` is an Azure and a Kubernetes of our own, which knows nothing of the rest
//! but those two. `tests/house.rs` holds who may use whom.

pub mod azure;
pub mod cli;
pub mod cluster;
pub mod converge;
pub mod crds;
pub mod descriptors;
pub mod engine;
pub mod exit;
pub mod failure;
pub mod files;
pub mod output;
pub mod proof;
pub mod queries;
pub mod resources;
pub mod sandbox;
pub mod session;
pub mod spec;
pub mod state;

mod run;

pub use run::run;
