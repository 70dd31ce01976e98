//! The sandbox's Kubernetes: an API server and the controllers behind it, over plain data. Knows nothing of HTTP servers, of Azure, of podid.
//!
//! `router` what a path means · `admit` whether it may be asked · `serve` one request · `call`, `options` what it asks for · `prepare` body to object · `write`, `apply`, `change`, `erase`, `watch`, `scale`,
//! `containers` the verbs ·
//! `schema`, `typed`, `fault`, `fields`, `managed` types and who owns which field · `decode`, `strict`, `check`, `names`, `metadata`, `rules`, `security` what is refused ·
//! `defaults`, `admission`, `allocate`, `controllers` what a control plane adds · `resource`, `discovery`, `openapi`, `table` how kinds are told ·
//! `auth`, `tokens`, `rbac`, `grants`, `reviews` who may · `seed`, `components` a new cluster · `export` what is left of it for comparison.

mod admission;
mod admit;
mod allocate;
mod apply;
mod auth;
mod call;
mod change;
mod check;
mod components;
mod containers;
mod controllers;
mod decode;
mod defaults;
mod discovery;
mod erase;
mod events;
mod export;
mod fault;
mod fields;
mod grants;
mod managed;
mod metadata;
mod names;
mod openapi;
mod options;
mod patch;
mod prepare;
mod protobuf;
mod rbac;
mod resource;
mod reviews;
mod router;
mod rules;
mod scale;
mod schema;
mod security;
mod seed;
mod select;
mod serve;
mod status;
mod store;
mod strict;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod typed;
mod watch;
mod write;
mod zero;

pub use components::{csi_driver, mic_exception};
pub use export::{export as exported, kinds};
pub use seed::new_cluster;
pub use store::State;
pub use tokens::Keys;

use crate::attempt::{Panicked, attempt, caught};
use crate::http::{Request, Response};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use store::Store;
use tokio::sync::watch as channel;

/// Controllers let a burst of changes end before they look: a namespace that goes is seen `Terminating` first.
const CALM: Duration = Duration::from_millis(15);

/// After a panic of the controllers as a whole.
const RECOVERY: Duration = Duration::from_secs(1);

/// What a cluster is told about itself.
#[derive(Clone)]
pub struct Facts {
    pub name: String,
    pub fqdn: String,
    /// The name of its one node.
    pub node: String,
    /// The resource group of its nodes.
    pub node_group: String,
    /// `azure:///subscriptions/…`
    pub provider_id: String,
    /// A bearer of this token is in `system:masters`.
    pub admin_token: String,
    /// Of those who sign the server's certificate.
    pub ca_pem: String,
    pub uid_seed: String,
    /// Of service account tokens, also their default audience: an `https` URL.
    pub issuer: String,
    pub jwks_uri: String,
    pub keys: Arc<dyn Keys>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("name", &self.name).field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}

pub struct Kube {
    store: Mutex<Store>,
    facts: Facts,
    changed: Arc<dyn Fn() + Send + Sync>,
    /// The last version, for watches and controllers.
    version: channel::Sender<u64>,
    /// Controllers have not yet looked at the last change.
    restless: AtomicBool,
    started: AtomicBool,
    me: Weak<Kube>,
}

impl Kube {
    /// `changed` is called after each change of the state, without a lock held.
    pub fn new(state: State, facts: Facts, changed: Arc<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let version = state.version;
        let kube = Arc::new_cyclic(|me| Self {
            store: Mutex::new(Store::new(state)),
            facts,
            changed,
            version: channel::channel(version).0,
            restless: AtomicBool::new(true),
            started: AtomicBool::new(false),
            me: me.clone(),
        });
        kube.start();
        kube
    }

    #[cfg(test)]
    pub fn snapshot(&self) -> State {
        self.lock().state.clone()
    }

    /// For those who save it; nothing is to be changed.
    pub fn saved<T>(&self, save: impl FnOnce(&mut State) -> T) -> T {
        save(&mut self.lock().state)
    }

    /// Nothing is being deleted and no controller has work. An object whose finalizer nobody takes away keeps this false.
    pub fn idle(&self) -> bool {
        !self.restless.load(Ordering::SeqCst) && !controllers::pending(&self.lock())
    }

    /// A request that panics changes nothing and gets a 500.
    pub async fn answer(self: &Arc<Self>, request: &Request) -> Response {
        self.start();
        caught(|| serve::answer(self, request)).unwrap_or_else(|Panicked| status::Refusal::internal().response())
    }

    /// The refusal of a request that nobody may make, by its head alone: its body need not be read.
    pub fn refused(self: &Arc<Self>, head: &Request) -> Option<Response> {
        serve::refused(self, head)
    }

    /// All objects, sorted, without what differs from run to run.
    pub fn export(&self) -> serde_json::Value {
        export::export(&self.lock().state.objects)
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something on the store and tells everybody if it changed. If it panics, the store is as it was, and the panic goes on.
    fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let done = self.hold(|store| attempt(store, act));
        done.unwrap_or_else(|panicked| std::panic::resume_unwind(Box::new(panicked)))
    }

    /// Runs something on the store that undoes by itself what fails of it, and tells everybody if the store changed.
    fn hold<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.lock();
        let before = store.state.version;
        let out = act(&mut store);
        let (after, touched) = (store.state.version, store.state.touched());
        if after != before {
            self.restless.store(true, Ordering::SeqCst);
        }
        drop(store);
        if after != before {
            self.version.send_replace(after);
        }
        if touched {
            (self.changed)();
        }
        out
    }

    /// Controllers run once there is a runtime to run them on.
    fn start(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.started.swap(true, Ordering::SeqCst) {
            return;
        }
        let (me, mut version) = (self.me.clone(), self.version.subscribe());
        runtime.spawn(async move {
            let mut memory = controllers::Memory::default();
            loop {
                tokio::time::sleep(CALM).await;
                let Some(kube) = me.upgrade() else { return };
                version.mark_unchanged();
                kube.restless.store(false, Ordering::SeqCst);
                let settled = caught(|| kube.hold(|store| controllers::settle(store, &kube.facts, &mut memory)));
                let next = settled.unwrap_or(controllers::Next::In(RECOVERY));
                drop(kube);
                let changed = version.changed();
                let gone = match next {
                    controllers::Next::AtOnce => false,
                    controllers::Next::In(pause) => matches!(tokio::time::timeout(pause, changed).await, Ok(Err(_))),
                    controllers::Next::OnChange => changed.await.is_err(),
                };
                if gone {
                    return;
                }
            }
        });
    }
}
