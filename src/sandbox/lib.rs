//! An embedded Azure and a small Kubernetes API on loopback, with rules, not scripts. Knows nothing of the rest of podid.
//!
//! `http` plain requests and answers · `kind` where it listens · `server` the listener, TLS, CONNECT proxy · `connections` how many · `body_limits` bodies ·
//! `answer` one request's way · `attempt` what fails half-way is undone · `running` the world in memory, saved ·
//! `azure/` Entra, ARM, Graph, Key Vault, IMDS · `kube/` the API server · `players/` MIC, NMI, CSI driver and kubelet, as HTTP clients ·
//! `stand_in/` clusters from outside in the place of its own ·
//! `measure`, `yaml` bounds of what is sent · `control` what its users can ask of it while it runs, `remote` asks that of another process.

mod access;
mod answer;
mod attempt;
pub mod azure;
mod body_limits;
mod callers;
mod commands;
mod component_start;
mod components;
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
pub mod players;
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
mod upgrade;
mod world;
mod yaml;

pub use access::Access;
pub use callers::CallerWish;
pub use commands::{access, callers, export, reset, serve};
pub use error::Error;
pub use lateness::Lateness;
pub use log::Reader;
pub use players::Which as Player;
pub use sandbox::{Options, Sandbox, open};
pub use stand_in::Wish;
