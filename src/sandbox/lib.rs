//! An embedded Azure and a small Kubernetes API on loopback. They follow rules and keep state, and do not depend on the rest of podid.
//!
//! - `sandbox` opens it, `commands` and `control` operate it.
//! - `listeners`, `server` and `connections` accept connections; `answer` and `body_limits` handle one request, `attempt` undoes a failed one.
//! - `running`, `world` and `journal` hold and save the world; `component_runner` runs the simulated components of the clusters,
//!   `addons` installs what ARM says into them, `programs` names them and `program_logs` keeps what they log.
//! - `azure/` has Entra, ARM, Graph, Key Vault and IMDS, `kube/` the API server, `components/` MIC, NMI, the CSI driver and kubelet as HTTP
//!   clients, `stand_in/` external clusters, `webhook` the webhook of Azure Workload ID for them, `token_proxy` what identity
//!   bindings need.

mod access;
mod addons;
mod answer;
mod attempt;
pub mod azure;
mod body_limits;
mod callers;
mod commands;
mod component_runner;
mod component_start;
pub mod components;
mod connections;
mod control;
mod error;
mod export;
mod folder;
pub mod http;
mod issuer;
mod journal;
mod keys;
pub mod kube;
mod lateness;
mod limits;
mod listeners;
mod log;
mod measure;
mod pod_identity_addon;
mod program_logs;
mod programs;
mod remote;
mod rsa;
mod running;
mod sandbox;
mod server;
mod settings;
mod stand_in;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod token_proxy;
mod upgrade;
mod webhook;
mod world;
mod yaml;

pub use access::Access;
pub use callers::CallerRequest;
pub use commands::{access, callers, export, reset, serve};
pub use components::Component;
pub use error::Error;
pub use lateness::Lateness;
pub use log::Reader;
pub use sandbox::{Options, Sandbox, open};
pub use stand_in::StandInRequest;
