//! One request to the sandbox's Azure on its way through the rules: what every service gets and gives back.

use super::{issuers::Issuers, kubeconfig::KubeconfigEntry, state::State};
use crate::{
    http::{Request, Response},
    kube,
    lateness::Lateness,
    limits::Spent,
};
use std::{collections::BTreeMap, sync::Arc};

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
    pub account_keys: Arc<dyn kube::TokenKeys>,
    /// The keys of those that others stand in for.
    pub issuers: Arc<Issuers>,
    /// For `listClusterUserCredential`.
    pub ca_pem: String,
    pub admin_token: String,
    /// Of the clusters that another stands in for, by name.
    pub entries: Arc<BTreeMap<String, KubeconfigEntry>>,
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
