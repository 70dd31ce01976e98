//! podid takes an application on AKS from nothing to reading its Key Vault secrets with an identity of its own, and proves that it does.
//!
//! The map of the house. `cli` turns argv into a command; `session` opens the world that it runs in; `converge` is the one path of every
//! changing command, `queries` is what only looks, `proof` is the pod that proves. `spec` is what a user writes, and how it becomes a graph;
//! `modes` and `deliveries` have one file for each way to an identity and to the secrets, `chain` is what they say of the links between;
//! `engine` observes, plans and executes that graph and knows no cloud; `resources` has one file for each kind of node; `azure` and
//! `cluster` are the only rooms that know an SDK; `state` is the file between commands; `output` prints and asks; `failure` is what people
//! are told; `descriptors` are the open files that a run needs, `signals` end it early; `embedded` is the sandbox as podid uses it. Packages of their own:
//! `podid-crds`, the custom resources as types; `podid-files`, files that only their owner may write; `podid-sandbox`, an Azure and a
//! Kubernetes of our own, which knows nothing of podid. `tests/house.rs` holds who may use whom.

mod azure;
mod chain;
mod cli;
mod cluster;
mod converge;
mod deliveries;
mod descriptors;
mod embedded;
mod engine;
mod exit;
mod failure;
mod modes;
mod output;
mod proof;
mod queries;
mod resources;
mod session;
mod signals;
mod spec;
mod state;

mod run;

use podid_crds as crds;
use podid_files as files;

pub use run::run;
