//! The Azure half of the sandbox: Entra, ARM, Graph, Key Vault and IMDS over one state.
//!
//! No I/O and no clock of its own: a request, the time and the rules go in, an answer and what became of the state come out.
//! Shapes and refusals are those of recorded traffic with the real service and of its public reference; none is scripted.

pub mod access;
pub mod action;
pub mod arm;
pub mod assertion;
pub mod assignment_index;
pub mod assignments;
pub mod call;
pub mod callers;
pub mod clusters;
pub mod condition;
pub mod data_plane;
pub mod definitions;
pub mod deleted_secrets;
pub mod deleted_vaults;
pub mod directory;
pub mod entra;
pub mod error;
pub mod features;
pub mod federated;
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
pub mod removal;
pub mod resource_ids;
pub mod resources;
pub mod roles;
pub mod scale_sets;
pub mod secret_backups;
pub mod secrets;
pub mod seed;
pub mod shape;
pub mod stand_ins;
pub mod state;
pub mod subscriptions;
mod tables;
pub mod times;
pub mod token;
pub mod vault_body;
pub mod vault_request;
pub mod vaults;

use super::{
    azure::{
        call::{Call, Caller, Effect, Rules},
        hosts::{ARM_HOST, GRAPH_HOST, IMDS_HOST, LOGIN_HOST, VAULT_SUFFIX},
        state::State,
    },
    http::{Request, Response},
};

/// Whether a TLS end for this host is played here. A vault that is not there has no name in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Yes,
    NoSuchVault,
    No,
}

pub fn knows(state: &State, host: &str) -> Known {
    match host {
        LOGIN_HOST | ARM_HOST | GRAPH_HOST => Known::Yes,
        _ => match host.strip_suffix(VAULT_SUFFIX) {
            Some(vault) if state.vaults.contains_key(vault) => Known::Yes,
            Some(_) => Known::NoSuchVault,
            None => Known::No,
        },
    }
}

/// The refusal of a caller who is not known, by the head of the request alone: the body need not be read. The token endpoint and the
/// metadata service take no token.
pub fn refused(state: &mut State, head: &Request, rules: &Rules, now: i64) -> Option<Response> {
    let mut call = Call { state, request: head, rules, now, caller: Caller::default(), pass: None, effect: Effect::Nothing };
    match head.host.as_str() {
        ARM_HOST => arm::refused(&mut call),
        GRAPH_HOST => graph::refused(&mut call),
        host if host.ends_with(VAULT_SUFFIX) => data_plane::refused(&mut call),
        _ => None,
    }
}

/// None where the host is none of Azure's.
pub fn answer(state: &mut State, request: &Request, rules: &Rules, now: i64) -> Option<(Response, Effect)> {
    let mut call = Call { state, request, rules, now, caller: Caller::default(), pass: None, effect: Effect::Nothing };
    let response = match request.host.as_str() {
        LOGIN_HOST => entra::answer(&mut call),
        ARM_HOST => arm::answer(&mut call),
        GRAPH_HOST => graph::answer(&mut call),
        IMDS_HOST => imds::answer(&mut call),
        host if host.ends_with(VAULT_SUFFIX) => data_plane::answer(&mut call),
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
