//! Tests the module against servers on loopback.

mod config;
mod export;
pub(crate) mod fake;
mod hostile;
mod reads;
mod secure;
mod users;
mod writes;

use super::{Api, ObjectRef};

fn pods() -> Api {
    Api::new("", "v1", "Pod", "pods")
}

fn identities() -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", "AzureIdentity", "azureidentities")
}

fn at(api: Api, name: &str) -> ObjectRef {
    ObjectRef { api, namespace: Some("shop".into()), name: name.into() }
}
