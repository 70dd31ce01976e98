//! Tests the module against a scripted Azure on loopback, over TLS and a CONNECT proxy, so that the production host names are used.

mod blocked;
mod cluster_settings;
mod errors;
mod fake;
mod hostile;
mod login_methods;
mod logins;
mod logs;
mod operations;
mod pod_identities;
mod reads;
mod registry;
mod replay;
mod vault_secrets;
mod wires;
mod writes;
