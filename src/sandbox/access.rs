//! What a client needs to reach the sandbox and to sign in.

use super::{
    azure,
    folder::{Folder, Served},
    keys::SandboxKeys,
};
use std::{collections::BTreeMap, path::PathBuf};

/// `Debug` leaves the secret out.
#[derive(Clone)]
pub struct Access {
    /// `http://ADDR:PORT` on this machine.
    pub proxy: String,
    pub ca: PathBuf,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: String,
    pub subscription: String,
    pub kubeconfig: PathBuf,
    /// The metadata services of nodes as `http://ADDR:PORT`, by cluster name.
    pub imds: BTreeMap<String, String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("proxy", &self.proxy)
            .field("ca", &self.ca)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

impl Access {
    pub(super) fn of(folder: &Folder, served: &Served, keys: &SandboxKeys) -> Self {
        // these ids derive from names alone, so they are the same in every world
        let state = azure::seed::new(0);
        Self {
            proxy: format!("http://{}", served.address),
            ca: folder.path("ca.pem"),
            tenant: state.tenant,
            client_id: azure::seed::caller(),
            client_secret: keys.caller_secret.clone(),
            subscription: state.subscription,
            kubeconfig: folder.path("kubeconfig"),
            imds: served.imds.iter().map(|(cluster, address)| (cluster.clone(), format!("http://{address}"))).collect(),
        }
    }
}
