//! One request to the sandbox's Azure: what every service receives and returns.

use super::{denial::Denial, issuers::Issuers, kubeconfig::KubeconfigEntry, state::State};
use crate::{
    http::{Request, Response},
    kube,
    lateness::Lateness,
    limits::ExceededLimit,
};
use std::{collections::BTreeMap, sync::Arc};

/// Rules for all requests, until a setting changes them.
#[derive(Clone)]
pub struct Rules {
    pub lateness: Lateness,
    /// Actions (with `*`) that nobody may perform, whatever the role assignments are.
    pub deny: Vec<String>,
    /// The deny assignments of the subscription.
    pub denials: Arc<Vec<Denial>>,
    pub token_seconds: i64,
    /// How many polls report a write of a scale set as running; with 0, the write is done when it is answered.
    pub scale_set_polls: u32,
    /// The day (`2024-06-01`) whose AKS defaults new clusters get; None means today's.
    pub aks_day: Option<String>,
    /// The number of SecretProviderClasses by cluster name, for a request that writes a cluster.
    pub mounted: Arc<BTreeMap<String, usize>>,
    /// The limit that this request exceeds.
    pub spent: Option<ExceededLimit>,
    /// The key that signs the tokens of this sandbox.
    pub token_key: Vec<u8>,
    /// The key that the sandbox's clusters sign service account tokens with.
    pub account_keys: Arc<dyn kube::TokenKeys>,
    /// The keys of the issuers of external clusters.
    pub issuers: Arc<Issuers>,
    /// Part of the answer to `listClusterUserCredential`.
    pub ca_pem: String,
    pub admin_token: String,
    /// Kubeconfig entries of external clusters, by cluster name.
    pub entries: Arc<BTreeMap<String, KubeconfigEntry>>,
}

/// The effect of a request on the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Nothing,
    /// A simulated delay was counted. The state is saved, but the answer does not wait for that.
    Counted,
    Changed,
}

/// The answer or the refusal; both are responses.
pub type Answer = Result<Response, Response>;

/// The caller that the bearer token names.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub object_id: String,
    pub app_id: String,
}

/// One request and what is needed to answer it.
pub struct Call<'a> {
    pub state: &'a mut State,
    pub request: &'a Request,
    pub rules: &'a Rules,
    /// Unix nanoseconds.
    pub now: i64,
    pub caller: Caller,
    /// The role assignment that allowed the caller to read or write the data of a vault with Azure RBAC.
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
