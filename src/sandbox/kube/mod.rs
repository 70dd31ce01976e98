//! The sandbox's Kubernetes: an API server and the controllers behind it, over plain data. Knows nothing of HTTP servers, Azure or podid.
//!
//! A request goes through `router` (what its path means), `authorization` (who asks, and whether RBAC allows it) and `serve`, which calls one verb:
//! `write`, `update`, `apply`, `delete`, `scale`, `watch` or `containers`. Below them: `prepare` turns a body into an object, `managed` keeps field
//! owners, `admission`, `webhook`, `defaults` and `allocate` add what a control plane adds, `validation`, `custom_validation` and `metadata`
//! validate.
//! `controllers` run after each burst of changes; `seed` and `components` make a new cluster, `addons` and `gateway_api` have what AKS adds to one.

pub mod addons;
mod admission;
mod allocate;
mod apply;
mod apply_errors;
mod authentication;
mod authorization;
mod call;
mod cluster;
mod compare;
mod components;
mod containers;
mod controllers;
mod custom_validation;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod escalation;
mod events;
mod export;
mod facts;
mod field_set;
pub mod gateway_api;
mod install;
mod label_selector;
mod lifecycle;
mod log_range;
mod lookup;
mod managed;
mod metadata;
mod names;
mod namespace_defaults;
mod openapi;
mod options;
mod patch;
pub mod pod_identity_addon;
mod prepare;
mod protobuf;
mod rbac;
mod resource;
mod reviews;
mod router;
mod scale;
mod schema;
mod security;
mod seed;
mod select;
mod serve;
mod status;
mod store;
mod strategic;
mod strict;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod typed;
mod update;
mod user;
mod validation;
mod view;
mod watch;
pub mod webhook;
mod write;
mod zero;

pub use cluster::Kube;
pub use components::{csi_driver, mic_exception};
pub use export::{export as exported, kinds};
pub use facts::{Facts, Issuer, TokenKeys};
pub use seed::new_cluster;
pub use store::State;

use crate::attempt::{Panicked, caught};
use crate::http::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Controllers wait this long for a burst of changes to end: clients see a deleted namespace as `Terminating` first.
const BURST: Duration = Duration::from_millis(15);

/// The pause after the controllers as a whole panicked.
const RECOVERY: Duration = Duration::from_secs(1);

impl Kube {
    /// `changed` is called after each change of the state, while no lock is held.
    pub fn new(state: State, facts: Facts, changed: Arc<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let kube = Self::stopped(state, facts, changed);
        kube.start();
        kube
    }

    #[cfg(test)]
    pub fn snapshot(&self) -> State {
        self.lock().state.clone()
    }

    /// Lends the state to those who save it; they must not change it.
    pub fn saved<T>(&self, save: impl FnOnce(&mut State) -> T) -> T {
        save(&mut self.lock().state)
    }

    /// Returns whether nothing is being deleted and no controller has work. A finalizer that nobody removes keeps this false.
    pub fn idle(&self) -> bool {
        !self.dirty.load(Ordering::SeqCst) && !controllers::pending(&self.lock())
    }

    /// Answers a request. A request that panics changes nothing and gets a 500.
    pub async fn answer(self: &Arc<Self>, request: &Request) -> Response {
        self.start();
        caught(|| serve::answer(self, request)).unwrap_or_else(|Panicked| status::Refusal::internal().response())
    }

    /// Returns the refusal of a request that its sender may not make. The head is enough: the body need not be read.
    pub fn refused(self: &Arc<Self>, head: &Request) -> Option<Response> {
        serve::refused(self, head)
    }

    /// Makes this the issuer of service account tokens.
    pub fn publish_issuer(&self, url: &str) {
        self.facts.issuer.publish(url);
    }

    /// Exports all objects, sorted, without what differs from run to run.
    pub fn export(&self) -> serde_json::Value {
        export::export(&self.lock().state.objects)
    }

    /// Starts the controllers, once there is a runtime to run them on.
    fn start(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.started.swap(true, Ordering::SeqCst) {
            return;
        }
        let (me, mut version) = (self.me.clone(), self.version.subscribe());
        runtime.spawn(async move {
            let mut retries = controllers::RetryState::default();
            loop {
                tokio::time::sleep(BURST).await;
                let Some(kube) = me.upgrade() else { return };
                version.mark_unchanged();
                kube.dirty.store(false, Ordering::SeqCst);
                let round = caught(|| kube.hold(|store| controllers::reconcile(store, &kube.facts, &mut retries)));
                let next = round.unwrap_or(controllers::NextRound::After(RECOVERY));
                drop(kube);
                let changed = version.changed();
                let closed = match next {
                    controllers::NextRound::Now => false,
                    controllers::NextRound::After(pause) => matches!(tokio::time::timeout(pause, changed).await, Ok(Err(_))),
                    controllers::NextRound::OnChange => changed.await.is_err(),
                };
                if closed {
                    return;
                }
            }
        });
    }
}
