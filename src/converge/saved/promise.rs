//! What a saved plan holds beside its actions, so that nothing can be changed under an approved plan: digests of all that was wanted, and of
//! the values that it sets.
//!
//! A value's digest is made slow on purpose (PBKDF2 with a salt of its own for each plan): who has the file and not the value can only guess,
//! about ten times a second. Still, a plan file is for those who may know the state.

use super::super::values;
use crate::{
    cli::{Global, Only},
    engine::{
        desired::{Desired, Node},
        key::Key,
        plan::Plan,
    },
    exit::Exit,
    failure::Failure,
    resources::values::Values,
    state::format::AzureAccount,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::pbkdf2;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
};

/// What a plan is made from.
pub struct Basis<'a> {
    pub desired: &'a Desired,
    /// The specs of its nodes with the values that were known when they were looked at.
    pub placed: &'a BTreeMap<Key, Arc<Value>>,
    pub values: &'a Values,
    pub world: Option<&'a AzureAccount>,
    pub flags: &'a Global,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The version of podid: another one may see the same spec otherwise.
    podid: String,
    world: Option<AzureAccount>,
    /// The flags that change what a run does.
    flags: BTreeSet<String>,
    /// SHA-256 of each resource as it is wanted.
    resources: BTreeMap<Key, String>,
    /// Base64, as the digests of values.
    salt: String,
    /// Of the secrets that the plan sets and whose value was known.
    values: BTreeMap<Key, String>,
}

const ITERATIONS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();
static ALGORITHM: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;

impl Promise {
    pub fn of(plan: &Plan, basis: &Basis<'_>) -> Result<Self, Failure> {
        let mut salt = [0_u8; 32];
        getrandom::fill(&mut salt).map_err(|e| Failure::new(Exit::Failed, format!("no random bytes: {e}")))?;
        let of_value = |(key, value): (Key, SecretString)| {
            let digest = value_digest(&salt, &key, &value);
            (key, digest)
        };
        Ok(Self {
            podid: env!("CARGO_PKG_VERSION").to_owned(),
            world: basis.world.cloned(),
            flags: flags(basis.flags),
            resources: resources(basis)?,
            salt: STANDARD.encode(salt),
            values: values::set_by(plan, basis.values).map(of_value).collect(),
        })
    }

    /// Differences of the run as a whole.
    pub fn broken_options(&self, basis: &Basis<'_>) -> Vec<String> {
        let mut broken = Vec::new();
        if self.podid != env!("CARGO_PKG_VERSION") {
            broken.push(format!("the plan was saved by podid {}, and this is podid {}", self.podid, env!("CARGO_PKG_VERSION")));
        }
        if let (Some(then), Some(now)) = (&self.world, basis.world)
            && !then.is(now)
        {
            broken.push(format!("the plan is for {then}, and this run is for {now}"));
        }
        let now = flags(basis.flags);
        broken.extend(self.flags.difference(&now).map(|flag| format!("the plan was saved with {flag}: give it again")));
        broken.extend(now.difference(&self.flags).map(|flag| format!("the plan was saved without {flag}")));
        broken
    }

    /// Resources that are wanted otherwise, and lines about values that are not the same.
    pub fn broken(&self, now: &Plan, basis: &Basis<'_>) -> (Vec<(Key, String)>, Vec<String>) {
        let Ok(wanted) = resources(basis) else { return (Vec::new(), vec!["the resources could not be compared".to_owned()]) };
        let keys: BTreeSet<&Key> = self.resources.keys().chain(wanted.keys()).collect();
        let differ = |key: &&Key| self.resources.get(key) != wanted.get(key);
        let why = |key: &Key| match (self.resources.get(key), wanted.get(key)) {
            (Some(_), None) => "is no longer wanted",
            (None, _) => "was not wanted when the plan was saved",
            (Some(_), Some(_)) => "the spec of this resource changed since the plan was saved",
        };
        let resources = keys.into_iter().filter(differ).map(|key| (key.clone(), why(key).to_owned())).collect();
        let salt = STANDARD.decode(&self.salt).unwrap_or_default();
        let another = |(key, value): &(Key, SecretString)| {
            let then = self.values.get(key).map(|digest| STANDARD.decode(digest).unwrap_or_default());
            then.is_some_and(|then| !is_value(&salt, key, value, &then))
        };
        let values = values::set_by(now, basis.values)
            .filter(another)
            .map(|(key, _)| format!("{key}: the value of its source changed since the plan was saved"))
            .collect();
        (resources, values)
    }
}

fn flags(global: &Global) -> BTreeSet<String> {
    let only = global.only.map(|only| match only {
        Only::Azure => "--only azure",
        Only::Kubernetes => "--only kubernetes",
    });
    let switches = [(global.adopt, "--adopt"), (global.recover, "--recover"), (global.force_conflicts, "--force-conflicts")];
    let given = switches.into_iter().filter_map(|(given, flag)| given.then_some(flag)).chain(only).map(str::to_owned);
    given.chain(global.delete_data.iter().map(|name| format!("--delete-data {name}"))).collect()
}

fn resources(basis: &Basis<'_>) -> Result<BTreeMap<Key, String>, Failure> {
    let digest = |node: &Node| -> Result<(Key, String), Failure> {
        let whole = serde_json::to_vec(&(node, basis.placed.get(&node.key), basis.desired.by));
        let whole = whole.map_err(|e| Failure::new(Exit::Bug, e.to_string()))?;
        Ok((node.key.clone(), STANDARD.encode(Sha256::digest(&whole))))
    };
    basis.desired.nodes.values().map(digest).collect()
}

/// The salt of one value: two secrets of the same value have two digests.
fn salt_of(salt: &[u8], key: &Key) -> Vec<u8> {
    [salt, key.folded().as_bytes()].concat()
}

fn value_digest(salt: &[u8], key: &Key, value: &SecretString) -> String {
    let mut digest = [0_u8; ring::digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(ALGORITHM, ITERATIONS, &salt_of(salt, key), value.expose_secret().as_bytes(), &mut digest);
    STANDARD.encode(digest)
}

/// In constant time.
fn is_value(salt: &[u8], key: &Key, value: &SecretString, digest: &[u8]) -> bool {
    pbkdf2::verify(ALGORITHM, ITERATIONS, &salt_of(salt, key), value.expose_secret().as_bytes(), digest).is_ok()
}
