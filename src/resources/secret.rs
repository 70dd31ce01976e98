//! A secret in a vault. Its spec says where the value comes from; what is seen of it is version and equal or not, never the value.

use super::{
    ownership,
    values::From as Source,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, Tags},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Around, Change, Data, Diff, Kind, Owner, Side},
    },
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Secret {
    pub uri: Input<String>,
    pub vault_key: Key,
    pub name: String,
    /// None: its value is none of this node's business (removal, or it must be there).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Source>,
    /// podid's own right to the vault, where podid gives itself one: known means that a refusal is only lateness.
    pub granted: Input<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Actual {
    Live {
        version: Option<String>,
        equal: Option<bool>,
        tags: Tags,
        enabled: bool,
    },
    /// Soft-deleted: its name is taken until it is recovered or purged.
    Deleted,
}

pub const VERSION: Field<String> = Field::new("version");

pub fn key(vault: &str, name: &str) -> Key {
    Key::of("secret", [vault, name])
}

/// Reading compares bytes in constant time: a plan may be run by who can only guess.
fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

impl Secret {
    fn key(&self) -> Key {
        key(self.vault_key.names(), &self.name)
    }

    fn live(&self, secret: &azure::Secret, values: &super::values::Values) -> Result<Actual, Fault> {
        let equal = match &self.value {
            Some(source) if source.comparable() => {
                Some(equal(values.of(&self.key(), source)?.expose_secret(), secret.value.expose_secret()))
            }
            _ => None,
        };
        Ok(Actual::Live { version: secret.info.version.clone(), equal, tags: secret.info.tags.clone(), enabled: secret.info.enabled })
    }
}

impl Kind<Cloud> for Secret {
    const KIND: &'static str = "secret";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Content;
    /// A token for vaults goes to the address that Azure gives for the vault, never to one that is only in a state file.
    const LOOKS_EARLY: bool = false;
    type Actual = Actual;

    fn within(&self) -> Option<Key> {
        Some(self.vault_key.clone())
    }
    async fn observe(&self, around: Around<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let uri = self.uri.get()?;
        if around.intent == Intent::Absent {
            let listed = match reader.azure.secrets(uri).await {
                Ok(listed) => listed,
                // what cannot be listed is there as far as the ledger knows; its removal will say what right is missing
                Err(azure::Error::Forbidden { .. }) if around.origin.is_some() => {
                    return Ok(Some(Actual::Live { version: None, equal: None, tags: Tags::new(), enabled: true }));
                }
                Err(azure::Error::Forbidden { .. }) => return Ok(None),
                Err(error) => return Err(Fault::cloud(error)),
            };
            let found = listed.into_iter().find(|s| s.name.eq_ignore_ascii_case(&self.name));
            return Ok(found.map(|s| Actual::Live { version: s.version, equal: None, tags: s.tags, enabled: s.enabled }));
        }
        let found = match reader.azure.secret(uri, &self.name).await {
            Err(error @ azure::Error::Forbidden { .. }) => return Err(Fault::Blind(Box::new(Fault::cloud(error)))),
            other => other.map_err(Fault::cloud)?,
        };
        if let Some(secret) = found {
            return self.live(&secret, &reader.values).map(Some);
        }
        match reader.azure.deleted_secret(uri, &self.name).await {
            Ok(deleted) => Ok(deleted.map(|_| Actual::Deleted)),
            Err(azure::Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    fn diff(&self, around: Around<'_>, actual: &Actual) -> Diff {
        let Actual::Live { equal, tags, .. } = actual else {
            if around.recover {
                return Diff::Extend(vec![Change { field: "state".into(), from: json!("soft-deleted"), to: json!("recovered") }]);
            }
            return Diff::Refuse {
                reason: format!("the secret {} is soft-deleted in {}: its name is taken", self.name, self.vault_key),
                way_out: format!(
                    "Bring it back by `--recover`, or purge it: `az keyvault secret purge --vault-name {} -n {}`.",
                    self.vault_key.names(),
                    self.name
                ),
            };
        };
        let mut changes = Vec::new();
        if *equal == Some(false) {
            let to = self.value.as_ref().map(Source::shown);
            changes.push(Change { field: "value".into(), from: json!("(another value)"), to: json!(to) });
        }
        let wanted = ownership::marked(around.app, tags);
        if around.mine(self.owner(around, actual)) && *tags != wanted {
            changes.push(Change { field: "tags".into(), from: json!(tags), to: json!(wanted) });
        }
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, around: Around<'_>, actual: &Actual) -> Owner {
        match actual {
            Actual::Live { tags, .. } => ownership::owner(around.app, tags),
            Actual::Deleted => Owner::Untold,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        match actual {
            Actual::Live { version: Some(version), .. } => [(VERSION.0.into(), json!(version))].into(),
            _ => Outputs::new(),
        }
    }
    fn summary(&self) -> Vec<(&'static str, Value)> {
        vec![("value", json!(self.value.as_ref().map(Source::shown)))]
    }
    fn missing(&self) -> (String, String) {
        (
            format!("the secret {} is not in {}", self.name, self.vault_key),
            format!("Set it: `podid vault secret set {} --vault {} --file FILE`.", self.name, self.vault_key.names()),
        )
    }
    /// Looks once more before it writes: a run that was killed after the write must not make a second version.
    async fn put(&self, around: Around<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let uri = self.uri.get()?;
        let patient = self.granted.known().is_some();
        if matches!(before, Some(Actual::Deleted)) {
            writer.azure.recover_secret(uri, &self.name, patient).await.map_err(Fault::cloud)?;
        }
        let now = writer.azure.secret(uri, &self.name, patient).await.map_err(Fault::cloud)?;
        let live = now.map(|secret| self.live(&secret, &writer.values)).transpose()?;
        if let Some(Actual::Live { version, equal, tags, enabled }) = live
            && equal != Some(false)
        {
            let wanted = ownership::marked(around.app, &tags);
            if around.ours == Some(true) && tags != wanted {
                let info = writer.azure.tag_secret(uri, &self.name, &wanted).await.map_err(Fault::cloud)?;
                return Ok(Actual::Live { version: info.version.or(version), equal: Some(true), tags: wanted, enabled });
            }
            return Ok(Actual::Live { version, equal: Some(true), tags, enabled });
        }
        let source = self.value.as_ref().ok_or_else(|| Fault::Bug(format!("{} has no source of a value", self.key())))?;
        let value = writer.values.of(&self.key(), source)?;
        let tags = if around.ours == Some(true) { ownership::marks(around.app) } else { Tags::new() };
        let set = writer.azure.set_secret(uri, &self.name, &value, &tags, patient).await;
        let info = match set {
            Err(azure::Error::Conflict { code, .. }) if code == "ObjectIsDeletedButRecoverable" => {
                return Err(Fault::refused(
                    format!("the secret {} is soft-deleted in {}: its name is taken", self.name, self.vault_key),
                    "Bring it back by `--recover`, or purge it.",
                ));
            }
            other => other.map_err(Fault::cloud)?,
        };
        Ok(Actual::Live { version: info.version, equal: Some(true), tags, enabled: true })
    }
    async fn remove(&self, _: Around<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_secret(self.uri.get()?, &self.name).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, around: Around<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let Actual::Live { tags, .. } = before else { return Ok(()) };
        let tags = ownership::marked(around.app, &tags);
        writer.azure.tag_secret(self.uri.get()?, &self.name, &tags).await.map(drop).map_err(Fault::cloud)
    }
    /// Its value came from the app that made it.
    fn inherited(self) -> Self {
        Self { value: None, ..self }
    }
    fn commands(&self) -> Vec<String> {
        let name = self.vault_key.names();
        vec![match &self.value {
            Some(Source::File(path)) => format!("az keyvault secret set --vault-name {name} -n {} --file {}", self.name, path.display()),
            _ => format!("az keyvault secret set --vault-name {name} -n {} --value …", self.name),
        }]
    }
}
