//! The Azure half of the sandbox: Entra, ARM, Graph, Key Vault and IMDS over one state.
//!
//! No I/O and no clock of its own: a request, the time and the rules go in, an answer and what became of the state come out.
//! Shapes and refusals are those of recorded traffic with the real service and of its public reference; none is scripted.

pub mod access;
pub mod arm;
pub mod assertion;
pub mod assignments;
pub mod callers;
pub mod clusters;
pub mod condition;
pub mod definitions;
pub mod deleted_secrets;
pub mod deleted_vaults;
pub mod directory;
pub mod entra;
pub mod error;
pub mod features;
pub mod federated;
pub mod graph;
pub mod groups;
pub mod identities;
pub mod ids;
pub mod imds;
pub mod instance;
pub mod issuers;
pub mod locks;
pub mod plain;
pub mod policies;
pub mod providers;
pub mod resources;
pub mod roles;
pub mod roster;
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
pub mod vault_gate;
pub mod vaults;

pub use state::State;

use super::{
    http::{Request, Response},
    lateness::Lateness,
    limits::Spent,
};
use std::{collections::BTreeMap, sync::Arc};

pub const LOGIN_HOST: &str = "login.microsoftonline.com";
pub const ARM_HOST: &str = "management.azure.com";
pub const GRAPH_HOST: &str = "graph.microsoft.com";
pub const VAULT_SUFFIX: &str = ".vault.azure.net";
pub const IMDS_HOST: &str = "169.254.169.254";

/// What holds for all requests until it is changed by a setting.
#[derive(Clone)]
pub struct Rules {
    pub lateness: Lateness,
    /// Actions (with `*`) that are refused to everyone, whatever the role assignments say.
    pub deny: Vec<String>,
    pub token_seconds: i64,
    /// How often a write of a scale set is looked at before it is done; 0: it is done when it is answered.
    pub scale_set_polls: u32,
    /// New clusters are filled in as AKS did on this day (`2024-06-01`); None: as it does today.
    pub aks_day: Option<String>,
    /// The limit that this one request is over.
    pub spent: Option<Spent>,
    /// Signs the tokens of this sandbox.
    pub token_key: Vec<u8>,
    /// Where the key is that the sandbox's clusters sign service account tokens with.
    pub account_keys: Arc<dyn crate::kube::TokenKeys>,
    /// The keys of those that others stand in for.
    pub issuers: Arc<issuers::Issuers>,
    /// For `listClusterUserCredential`.
    pub ca_pem: String,
    pub admin_token: String,
    /// Of the clusters that another stands in for, by name.
    pub entries: Arc<BTreeMap<String, clusters::Entry>>,
}

/// What a request did to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Nothing,
    /// A lateness was counted: worth keeping, not worth waiting for.
    Counted,
    Changed,
}

/// Either the answer or the refusal; both are answers.
pub type Answer = Result<Response, Response>;

/// Who asks, read off the bearer token.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub object_id: String,
    pub app_id: String,
}

/// One request on its way through the rules.
pub struct Call<'a> {
    pub state: &'a mut State,
    pub request: &'a Request,
    pub rules: &'a Rules,
    /// Unix nanoseconds.
    pub now: i64,
    pub caller: Caller,
    /// The role assignment that let the caller at a vault's data, on a vault of roles.
    pub pass: Option<String>,
    pub effect: Effect,
}

impl Call<'_> {
    pub fn changed(&mut self) {
        self.effect = Effect::Changed;
    }
    pub fn counted(&mut self) {
        self.effect = self.effect.max(Effect::Counted);
    }
    pub fn api_version(&self) -> String {
        self.request.query("api-version").unwrap_or_default()
    }
}

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
        host if host.ends_with(VAULT_SUFFIX) => vault_gate::refused(&mut call),
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
        host if host.ends_with(VAULT_SUFFIX) => vault_gate::answer(&mut call),
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
