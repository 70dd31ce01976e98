//! The sandbox's Azure: Entra, ARM, Graph, Key Vault, Blob Storage, IMDS and Microsoft's registry over one state.
//!
//! It has no I/O and no clock of its own: a request, the time and the rules go in, and an answer and the effect on the state come out. The
//! answers follow recorded traffic with the real service and its public reference.

pub mod access;
pub mod action;
pub mod arm;
pub mod assertion;
pub mod assignment_index;
pub mod assignments;
pub mod blobs;
pub mod call;
pub mod callers;
pub mod clusters;
pub mod condition;
pub mod data_plane;
pub mod definitions;
pub mod deleted_secrets;
pub mod deleted_vaults;
pub mod denial;
pub mod denials;
pub mod directory;
pub mod entra;
pub mod error;
pub mod features;
pub mod federated;
pub mod field_types;
pub mod filter;
pub mod graph;
pub mod groups;
pub mod hosts;
pub mod identities;
pub mod ids;
pub mod imds;
pub mod instance;
pub mod issuers;
pub mod kubeconfig;
pub mod locks;
pub mod operations;
pub mod path;
pub mod plain;
pub mod policies;
pub mod policy_updates;
pub mod providers;
pub mod registry;
pub mod removal;
pub mod resource_ids;
pub mod resources;
pub mod roles;
pub mod scale_sets;
pub mod secret_backups;
pub mod secrets;
pub mod seed;
pub mod stand_ins;
pub mod state;
pub mod storage_accounts;
pub mod storage_containers;
pub mod stored_objects;
pub mod subscriptions;
mod tables;
pub mod times;
pub mod token;
pub mod vault_body;
pub mod vault_objects;
pub mod vault_request;
pub mod vaults;

use super::{
    azure::{
        call::{Call, Caller, Effect, Rules},
        hosts::{ARM_HOST, BLOB_SUFFIX, GRAPH_HOST, IMDS_HOST, LOGIN_HOST, REGISTRY_HOST, VAULT_SUFFIX},
        state::State,
    },
    http::{Request, Response},
};

/// Whether the sandbox answers for a host. A vault or storage account that does not exist has no DNS name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Yes,
    NoSuchVault,
    NoSuchAccount,
    No,
}

pub fn knows(state: &State, host: &str) -> Known {
    match host {
        LOGIN_HOST | ARM_HOST | GRAPH_HOST | REGISTRY_HOST => Known::Yes,
        _ => match (host.strip_suffix(VAULT_SUFFIX), host.strip_suffix(BLOB_SUFFIX)) {
            (Some(vault), _) if state.vaults.contains_key(vault) => Known::Yes,
            (_, Some(account)) if storage_accounts::find(state, account).is_some() => Known::Yes,
            (Some(_), _) => Known::NoSuchVault,
            (_, Some(_)) => Known::NoSuchAccount,
            (None, None) => Known::No,
        },
    }
}

/// Rejects an unknown caller by the head of the request, without reading the body. The token endpoint and the metadata service need no
/// token.
pub fn refused(state: &mut State, head: &Request, rules: &Rules, now: i64) -> Option<Response> {
    let mut call = Call { state, request: head, rules, now, caller: Caller::default(), pass: None, effect: Effect::Nothing };
    match head.host.as_str() {
        ARM_HOST => arm::refused(&mut call),
        GRAPH_HOST => graph::refused(&mut call),
        host if host.ends_with(VAULT_SUFFIX) => data_plane::refused(&mut call),
        host if host.ends_with(BLOB_SUFFIX) => blobs::refused(&mut call),
        _ => None,
    }
}

/// Returns None if the host does not belong to Azure.
pub fn answer(state: &mut State, request: &Request, rules: &Rules, now: i64) -> Option<(Response, Effect)> {
    let mut call = Call { state, request, rules, now, caller: Caller::default(), pass: None, effect: Effect::Nothing };
    let response = match request.host.as_str() {
        LOGIN_HOST => entra::answer(&mut call),
        ARM_HOST => arm::answer(&mut call),
        GRAPH_HOST => graph::answer(&mut call),
        IMDS_HOST => imds::answer(&mut call),
        REGISTRY_HOST => registry::answer(request),
        host if host.ends_with(VAULT_SUFFIX) => data_plane::answer(&mut call),
        host if host.ends_with(BLOB_SUFFIX) => blobs::answer(&mut call),
        _ => return None,
    };
    #[cfg(test)]
    if request.header("x-podid-test-panic").is_some() {
        call.state.vaults.retain(|_, _| false);
        call.state.groups.retain(|_, _| false);
        crate::attempt::panic_if_asked(request);
    }
    Some((response, call.effect))
}
