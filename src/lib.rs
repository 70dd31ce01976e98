//! podid sets up an AKS app to read Key Vault secrets with its own identity, and proves that it can.
//!
//! `cli` turns argv into a command; `session` opens the clients that it uses; `converge` is the one path of every changing command,
//! `queries` only reads, `proof` runs the pod that proves, `rotation` knows who reads a secret of a vault. `spec` is what a user writes, and expands to a graph; `modes` and `deliveries`
//! have one file for each way to an identity and to the secrets, and `chain` describes the links between them; `doctor` has the findings about them. `survey` lists what a
//! cluster and its subscription hold, `access` decides who has a right by it, and `inventory` makes of it the workloads with their identities and secrets, whoever set them up. `engine` observes, plans and
//! executes that graph and knows no cloud; `resources` has one file for each kind of node; only `azure` and `cluster` know an SDK, and `helm` runs the user's helm. `state`
//! is the file between commands; `output` prints and asks; `failure` explains errors; `descriptors` checks the limit of open files;
//! `signals` handles Ctrl-C; `embedded` is the sandbox as podid uses it. Other packages: `podid-crds` has the custom resources as types,
//! `podid-files` files that only their owner may write, and `podid-sandbox` an Azure and a Kubernetes that know nothing of podid.
//! `tests/house` checks rules that the compiler does not.

mod access;
mod apps;
mod azure;
mod chain;
mod cli;
mod cluster;
mod components;
mod converge;
mod deliveries;
mod descriptors;
mod doctor;
mod embedded;
mod engine;
mod exit;
mod failure;
mod helm;
mod inventory;
mod modes;
mod output;
mod proof;
mod queries;
mod resources;
mod rotation;
mod session;
mod signals;
mod spec;
mod state;
mod survey;

mod run;

use podid_crds as crds;
use podid_files as files;

pub use run::run;
