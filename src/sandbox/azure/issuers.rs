//! The keys of issuers whose clusters are not played here, as far as they were fetched. Fetches nothing itself.

use crate::rsa::Public;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// By issuer, as its tokens name it.
#[derive(Default)]
pub struct Issuers(Mutex<BTreeMap<String, Arc<Vec<Public>>>>);

impl Issuers {
    /// None: they were never fetched.
    pub fn keys(&self, issuer: &str) -> Option<Arc<Vec<Public>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned()
    }

    /// In the place of those that it had before: a key that is withdrawn is good no more.
    pub fn learn(&self, issuer: &str, keys: Vec<Public>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(issuer.to_owned(), Arc::new(keys));
    }

    pub fn has(&self, issuer: &str, key: &str) -> bool {
        self.keys(issuer).is_some_and(|keys| keys.iter().any(|known| known.id() == key))
    }
}
