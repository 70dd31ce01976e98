//! A secret in a vault. Its spec says where the value comes from; what is seen of it is version and equal or not, never the value.

use super::{
    kind::{AzureRole, HintScope, Resource},
    ownership, roles,
    values::{SecretSource, Values},
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, NewSecret, Tags},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Data, Diff, Kind, NodeContext, Owner, Recheck, Side},
    },
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

#[derive(Debug, Serialize, Deserialize)]
pub struct Secret {
    pub uri: Input<String>,
    pub vault_key: Key,
    pub name: String,
    /// None: its value is none of this node's business (removal, or it must be there).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SecretSource>,
    /// The version that a rotation replaces, whatever its value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// podid's own right to the vault, where podid gives itself one: known means that a refusal is only lateness.
    pub granted: Input<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Actual {
    Live(Live),
    /// Nobody can read it until it is enabled again, podid included.
    Disabled,
    /// Soft-deleted: its name is taken until it is recovered or purged.
    Deleted,
    /// It is there as far as the state knows: podid may not list the vault's secrets. Its removal will say which right is missing.
    Unlisted,
}

/// The current version, without its value.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Live {
    pub version: Option<String>,
    /// None: there is nothing to compare it with; `uncompared` says why, where that should be known.
    pub equal: Option<bool>,
    pub uncompared: Option<String>,
    pub tags: Tags,
    pub content_type: Option<String>,
    /// Unix seconds, as `not_before`.
    pub expires: Option<i64>,
    pub not_before: Option<i64>,
    /// What the dates mean now, if anything.
    pub dates: Option<String>,
}

pub const VERSION: Field<String> = Field::new("version");

pub fn key(vault: &str, name: &str) -> Key {
    Key::of("secret", [vault, name])
}

/// The command that makes a disabled secret readable again.
pub fn enabling(vault: &str, name: &str) -> String {
    format!("az keyvault secret set-attributes --vault-name {vault} --name {name} --enabled true")
}

/// What the two dates of a secret mean at a moment. Key Vault returns the value all the same: they are for those who read it.
pub fn dates(not_before: Option<i64>, expires: Option<i64>, now: Timestamp) -> Option<String> {
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    match (expires.and_then(time).filter(|at| *at <= now), not_before.and_then(time).filter(|at| *at > now)) {
        (Some(at), _) => Some(format!("expired on {at}")),
        (None, Some(at)) => Some(format!("not valid before {at}")),
        (None, None) => None,
    }
}

/// Compares in constant time: whoever runs a plan may only be able to guess the value.
fn equal(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

impl Secret {
    fn key(&self) -> Key {
        key(self.vault_key.names(), &self.name)
    }

    /// Whether the value is the wanted one; None: there is none to compare it with. Fails where the wanted value cannot be had.
    fn equal(&self, secret: &azure::Secret, values: &Values) -> Result<Option<bool>, Fault> {
        match &self.value {
            Some(source) if source.comparable() => {
                Ok(Some(equal(values.of(&self.key(), source)?.expose_secret(), secret.value.expose_secret())))
            }
            _ => Ok(None),
        }
    }

    fn is_replaced(&self, live: &Live) -> bool {
        self.replaces.is_some() && self.replaces == live.version
    }

    fn live(secret: &azure::Secret) -> Live {
        let info = &secret.info;
        Live {
            version: info.version.clone(),
            equal: None,
            uncompared: None,
            tags: info.tags.clone(),
            content_type: info.content_type.clone(),
            expires: info.expires,
            not_before: info.not_before,
            dates: dates(info.not_before, info.expires, Timestamp::now()),
        }
    }

    /// Who only looks can do so without the wanted value.
    fn seen(&self, secret: &azure::Secret, values: &Values) -> Live {
        match self.equal(secret, values) {
            Ok(equal) => Live { equal, ..Self::live(secret) },
            Err(fault) => Live { uncompared: Some(fault.to_string()), ..Self::live(secret) },
        }
    }

    fn name_is_taken(&self) -> Fault {
        let (reason, way_out) = self.taken();
        Fault::refused(reason, way_out)
    }

    fn taken(&self) -> (String, String) {
        (
            format!("the secret {} is soft-deleted in {}: its name is taken", self.name, self.vault_key),
            format!(
                "Bring it back by `--recover`, or purge it: `az keyvault secret purge --vault-name {} -n {}`.",
                self.vault_key.names(),
                self.name
            ),
        )
    }

    /// What is there, past any memory.
    async fn current(&self, writer: &Writer) -> Result<Option<Actual>, Fault> {
        let patient = self.granted.known().is_some();
        match writer.azure.secret(self.uri.get()?, &self.name, patient).await {
            Err(error) if error.is_disabled_secret() => Ok(Some(Actual::Disabled)),
            Err(error) => Err(Fault::cloud(error)),
            Ok(None) => Ok(None),
            Ok(Some(secret)) => {
                let equal = self.equal(&secret, &writer.values)?;
                Ok(Some(Actual::Live(Live { equal, ..Self::live(&secret) })))
            }
        }
    }

    /// What was brought back may be somebody else's, which could not be seen before.
    async fn recovered(&self, context: NodeContext<'_>, writer: &Writer) -> Result<Option<Live>, Fault> {
        let patient = self.granted.known().is_some();
        writer.azure.recover_secret(self.uri.get()?, &self.name, patient).await.map_err(Fault::cloud)?;
        let live = match self.current(writer).await? {
            Some(Actual::Live(live)) => live,
            Some(Actual::Disabled) => return Err(self.disabled()),
            Some(Actual::Deleted | Actual::Unlisted) | None => return Ok(None),
        };
        let ours = context.ours == Some(true) || ownership::owner(context.app, &live.tags) == Owner::Ours;
        if live.equal == Some(false) && !ours && !writer.adopt {
            return Err(Fault::refused(
                format!("{} was brought back, is not podid's (app {}), and differs in value: its value stays", self.key(), context.app),
                "Take it over as it is wanted with `--adopt`, or choose another name.",
            ));
        }
        Ok(Some(live))
    }

    fn disabled(&self) -> Fault {
        let (reason, way_out) = self.is_disabled();
        Fault::refused(reason, way_out)
    }

    fn is_disabled(&self) -> (String, String) {
        let vault = self.vault_key.names();
        (
            format!("the secret {} is disabled in {}: nobody can read it", self.name, self.vault_key),
            format!("Enable it: `{}`.", enabling(vault, &self.name)),
        )
    }
}

impl Kind<Cloud> for Secret {
    const KIND: &'static str = "secret";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Content;
    /// A token for vaults goes to the address that Azure gives for the vault, never to one that is only in a state file.
    const LOOKS_EARLY: bool = false;
    type Actual = Actual;

    fn parent(&self) -> Option<Key> {
        Some(self.vault_key.clone())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let uri = self.uri.get()?;
        if context.intent == Intent::Absent {
            let listed = match reader.azure.secrets(uri).await {
                Ok(listed) => listed,
                Err(azure::Error::Forbidden { .. }) if context.origin.is_some() => return Ok(Some(Actual::Unlisted)),
                Err(azure::Error::Forbidden { .. }) => return Ok(None),
                Err(error) => return Err(Fault::cloud(error)),
            };
            let found = listed.into_iter().find(|s| s.name.eq_ignore_ascii_case(&self.name));
            return Ok(found.map(|s| Actual::Live(Live { version: s.version, tags: s.tags, ..Live::default() })));
        }
        let found = match reader.azure.secret(uri, &self.name).await {
            Err(error) if error.is_disabled_secret() => return Ok(Some(Actual::Disabled)),
            Err(error @ azure::Error::Forbidden { .. }) => return Err(Fault::Unreadable(Box::new(Fault::cloud(error)))),
            other => other.map_err(Fault::cloud)?,
        };
        if let Some(secret) = found {
            return Ok(Some(Actual::Live(self.seen(&secret, &reader.values))));
        }
        match reader.azure.deleted_secret(uri, &self.name).await {
            Ok(deleted) => Ok(deleted.map(|_| Actual::Deleted)),
            Err(azure::Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let live = match actual {
            Actual::Live(live) => live,
            Actual::Unlisted => return Diff::Same,
            Actual::Disabled => {
                let (reason, way_out) = self.is_disabled();
                return Diff::Refuse { reason, way_out };
            }
            Actual::Deleted if context.recover => {
                return Diff::Extend(vec![Change { field: "state".into(), from: json!("soft-deleted"), to: json!("recovered") }]);
            }
            Actual::Deleted => {
                let (reason, way_out) = self.taken();
                return Diff::Refuse { reason, way_out };
            }
        };
        let mut changes = Vec::new();
        if live.equal == Some(false) {
            let to = self.value.as_ref().map(SecretSource::shown);
            changes.push(Change { field: "value".into(), from: json!("(another value)"), to: json!(to) });
        } else if self.is_replaced(live) {
            if live.equal == Some(true) {
                return Diff::Refuse {
                    reason: format!("the new value of {} is the current one", self.name),
                    way_out: "Give another source, or let podid generate a value with `--generate`.".into(),
                };
            }
            let to = self.value.as_ref().map(SecretSource::shown);
            changes.push(Change {
                field: "value".into(),
                from: json!(format!("version {}", self.replaces.as_deref().unwrap_or_default())),
                to: json!(to),
            });
        }
        let wanted = ownership::marked(context.app, &live.tags);
        if context.mine(self.owner(context, actual)) && live.tags != wanted {
            changes.push(Change { field: "tags".into(), from: json!(live.tags), to: json!(wanted) });
        }
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        match actual {
            Actual::Live(live) => ownership::owner(context.app, &live.tags),
            Actual::Disabled | Actual::Deleted | Actual::Unlisted => Owner::Unmarkable,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        match actual {
            Actual::Live(Live { version: Some(version), .. }) => [(VERSION.0.into(), json!(version))].into(),
            _ => Outputs::new(),
        }
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("value", json!(self.value.as_ref().map(SecretSource::shown)))]
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let Actual::Live(live) = actual else { return Vec::new() };
        let mut notes = Vec::new();
        match (&live.uncompared, &self.value) {
            (Some(why), _) => notes.push(format!("value: not compared ({why})")),
            (None, Some(SecretSource::Prompt)) => notes.push("value: not compared (it is asked for once, and then kept)".into()),
            (None, _) => {}
        }
        if let Some(dates) = &live.dates {
            let (vault, name) = (self.vault_key.names(), &self.name);
            let keeps = if live.equal == Some(false) { "; a new version keeps that date" } else { "" };
            let set = match dates.starts_with("expired") {
                true => format!("az keyvault secret set-attributes --vault-name {vault} --name {name} --expires 2030-01-01T00:00:00Z"),
                false => format!("az keyvault secret set-attributes --vault-name {vault} --name {name} --not-before 2020-01-01T00:00:00Z"),
            };
            notes.push(format!("{dates}{keeps}; another date is set like this: `{set}`"));
        }
        notes
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the secret {} is not in {}", self.name, self.vault_key),
            format!("Set it: `podid vault secret set {} --vault {} --file FILE`.", self.name, self.vault_key.names()),
        )
    }
    /// Also finds what a run that was killed after its write left: that must not become a second version.
    async fn recheck(&self, context: NodeContext<'_>, writer: &Writer) -> Result<Recheck<Actual>, Fault> {
        if let Some(actual) = self.current(writer).await? {
            return Ok(Recheck::Found(actual));
        }
        if !context.recover {
            return Ok(Recheck::Absent);
        }
        match writer.look.deleted_secret(self.uri.get()?, &self.name).await {
            Ok(Some(_)) => Ok(Recheck::Found(Actual::Deleted)),
            Ok(None) | Err(azure::Error::Forbidden { .. }) => Ok(Recheck::Absent),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    /// A new version keeps what is not podid's to say: content type, dates, tags of others.
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let uri = self.uri.get()?;
        let before = match before {
            None | Some(Actual::Unlisted) => None,
            Some(Actual::Live(live)) => Some(live),
            Some(Actual::Deleted) => self.recovered(context, writer).await?,
            Some(Actual::Disabled) => return Err(self.disabled()),
        };
        let marked = |live: &Live| match context.ours == Some(true) || ownership::owner(context.app, &live.tags) == Owner::Ours {
            true => ownership::marked(context.app, &live.tags),
            false => live.tags.clone(),
        };
        let before = match before {
            Some(live) if live.equal != Some(false) && !self.is_replaced(&live) => {
                let wanted = marked(&live);
                if live.tags == wanted {
                    return Ok(Actual::Live(live));
                }
                let info = writer.azure.tag_secret(uri, &self.name, &wanted).await.map_err(Fault::cloud)?;
                return Ok(Actual::Live(Live { version: info.version.or(live.version.clone()), tags: wanted, ..live }));
            }
            other => other,
        };
        let source = self.value.as_ref().ok_or_else(|| Fault::Bug(format!("{} has no source of a value", self.key())))?;
        let value = writer.values.of(&self.key(), source)?;
        let live = before.unwrap_or_default();
        let new = NewSecret {
            value,
            tags: marked(&live),
            content_type: live.content_type.clone(),
            expires: live.expires,
            not_before: live.not_before,
        };
        let info = match writer.azure.set_secret(uri, &self.name, &new, self.granted.known().is_some()).await {
            Err(azure::Error::Conflict { code, .. }) if code == "ObjectIsDeletedButRecoverable" => return Err(self.name_is_taken()),
            other => other.map_err(Fault::cloud)?,
        };
        Ok(Actual::Live(Live { version: info.version, equal: Some(true), tags: new.tags, ..live }))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_secret(self.uri.get()?, &self.name).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let Actual::Live(live) = before else { return Ok(()) };
        let tags = ownership::marked(context.app, &live.tags);
        writer.azure.tag_secret(self.uri.get()?, &self.name, &tags).await.map(drop).map_err(Fault::cloud)
    }
    /// Its value came from the app that made it.
    fn for_new_owner(self) -> Self {
        Self { value: None, ..self }
    }
    fn commands(&self) -> Vec<String> {
        let name = self.vault_key.names();
        vec![match &self.value {
            Some(SecretSource::File(path)) => {
                format!("az keyvault secret set --vault-name {name} -n {} --file {}", self.name, path.display())
            }
            _ => format!("az keyvault secret set --vault-name {name} -n {} --value …", self.name),
        }]
    }
}

impl Resource for Secret {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.KeyVault/vaults/secrets/",
        reads: true,
        role: roles::SECRETS_OFFICER,
        scope: HintScope::Resource,
    }];
}
