//! Not a delivery of a spec: what `podid verify --storage` proves. The pod of a workload writes a blob, reads it and deletes it, with the
//! token that it asks for itself.

mod links;
pub mod pages;

use super::{
    delivery::{Delivery, Wanted},
    in_pod::{self, CLIENT_ID},
};
use crate::{
    chain::{
        facts::{Bound, Delivered, Parameters, PodPatch, VaultFacts},
        link::Link,
        stage::{Program, Stage},
        view::PodRef,
    },
    engine::{fault::Fault, key::Key, ledger::Ledger},
    spec::graph::Graph,
};
use serde_json::json;
use std::fmt;

pub struct Blobs;

/// The address of the blob.
const BLOB_URL: &str = "BLOB_URL";
const SCRIPT: &str = concat!(include_str!("in_pod/token.sh"), include_str!("blobs/check.sh"));
/// What the script is called as a program.
const NAME: &str = "podid-blob-check";

/// A container of a storage account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub account: String,
    pub container: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.container)
    }
}

/// What a proof needs to know of a workload. `name` is the workload's; `roles` are the role assignments by which the identity may write, as
/// far as the state knows them.
pub fn delivered(bound: &Bound, name: &str, place: &Place, roles: Vec<Key>) -> Delivered {
    let blob = format!("podid-verify-{}", uuid::Uuid::new_v4().simple());
    let url = format!("https://{}.blob.core.windows.net/{}/{blob}", place.account, place.container);
    let mut parameters: Parameters = [(BLOB_URL.to_owned(), url.into())].into();
    parameters.extend(bound.identity.client_id.clone().map(|id| (CLIENT_ID.to_owned(), id)));
    Delivered {
        delivery: Blobs.name(),
        app: bound.app.clone(),
        by: bound.by,
        cluster: bound.cluster.clone(),
        namespace: bound.namespace.clone(),
        name: name.to_owned(),
        subject: Some(bound.subject.clone()),
        vault: VaultFacts { name: place.to_string(), resource_group: None, uri: None, rbac: None },
        objects: Vec::new(),
        synced: Vec::new(),
        parameters,
        keys: roles,
    }
}

impl Delivery for Blobs {
    fn name(&self) -> &'static str {
        "blobs"
    }

    fn expand(&self, _: Wanted, _: &mut Graph<'_>) -> Result<Parameters, Fault> {
        Err(Fault::Bug("blobs are no delivery of a spec".into()))
    }

    fn recall(&self, _: &Ledger, _: &str) -> Result<Vec<Delivered>, Fault> {
        Ok(Vec::new())
    }

    fn pod(&self, delivered: &Delivered) -> PodPatch {
        let env = delivered.parameters.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        PodPatch { env: env.collect(), ..PodPatch::default() }
    }

    fn program(&self, _: &Delivered) -> Option<Program> {
        Some(in_pod::program(SCRIPT, NAME, std::iter::empty()))
    }

    fn chain(&self, delivered: &Delivered, bound: &Bound) -> Vec<Link> {
        links::links(delivered, bound)
    }

    fn stages(&self, delivered: &Delivered, _: &PodRef) -> Vec<Stage> {
        links::stages(delivered)
    }
}
