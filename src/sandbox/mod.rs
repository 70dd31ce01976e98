//! An embedded Azure and a small Kubernetes API on loopback, with rules, not scripts. Knows nothing of the rest of podid.
//!
//! `http` plain requests and answers · `server` listener, TLS, CONNECT proxy, request log · `world` what there is, and its file ·
//! `azure/` Entra, ARM, Graph, Key Vault, IMDS · `kube/` the API server · `players/` MIC, NMI, CSI driver and kubelet, as HTTP clients.

pub mod http;
mod stub;
pub use stub::*;
pub mod kube;
pub mod players;
