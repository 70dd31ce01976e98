//! The signing keys of the issuers of external clusters, as far as they were fetched. This file fetches nothing.

use crate::rsa::Public;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Keys by issuer, as tokens name it.
#[derive(Default)]
pub struct Issuers(Mutex<BTreeMap<String, Arc<Vec<Public>>>>);

impl Issuers {
    /// Returns None if the keys were never fetched.
    pub fn keys(&self, issuer: &str) -> Option<Arc<Vec<Public>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned()
    }

    /// Replaces the keys of an issuer, so that a withdrawn key is no longer accepted.
    pub fn store(&self, issuer: &str, keys: Vec<Public>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(issuer.to_owned(), Arc::new(keys));
    }

    pub fn has(&self, issuer: &str, key: &str) -> bool {
        self.keys(issuer).is_some_and(|keys| keys.iter().any(|known| known.id() == key))
    }
}
