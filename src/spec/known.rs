//! What earlier commands named, read off the state's entries, so that later ones need no ids. Nothing is asked of any cloud.

use crate::{
    azure::ArmId,
    engine::{
        fault::Fault,
        key::Key,
        ledger::{Entry, Ledger},
        resource::Kind as _,
    },
    resources::{self, cluster::Cluster, identity::Identity, kind::spec_of, vault::Vault},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct ClusterRef {
    pub id: ArmId,
    pub context: String,
    pub principal_id: Option<String>,
    /// The issuer of its service account tokens, of a cluster that Azure Resource Manager does not know.
    pub issuer: Option<String>,
}

/// Entries of the own app come first; those of other apps are a second best.
#[derive(Clone, Debug, Default)]
pub struct KnownResources {
    ledger: Ledger,
    app: String,
    /// What the spec names: the kind, and the id.
    spec: Vec<(&'static str, ArmId)>,
}

impl KnownResources {
    pub fn new(ledger: &Ledger, app: &str) -> Self {
        Self { ledger: ledger.clone(), app: app.to_owned(), spec: Vec::new() }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn app(&self) -> &str {
        &self.app
    }

    fn own(&self) -> Vec<&Entry> {
        self.ledger.of_app(&self.app).collect()
    }

    fn others(&self) -> Vec<&Entry> {
        self.ledger.entries().filter(|e| e.app != self.app).collect()
    }

    /// What a spec names comes before what the state remembers.
    pub(super) fn add(&mut self, kind: &'static str, id: ArmId) {
        if !self.spec.contains(&(kind, id.clone())) {
            self.spec.push((kind, id));
        }
    }

    fn ids(&self, kind: &str) -> Vec<ArmId> {
        let named: Vec<ArmId> = self.spec.iter().filter(|(of, _)| *of == kind).map(|(_, id)| id.clone()).collect();
        if !named.is_empty() {
            return named;
        }
        self.remembered(kind)
    }

    fn remembered(&self, kind: &str) -> Vec<ArmId> {
        let of = |entries: Vec<&Entry>| {
            let mut ids: Vec<ArmId> = Vec::new();
            for entry in entries.into_iter().filter(|e| e.kind == kind) {
                if let Some(id) = text(entry, "id").and_then(ArmId::parse)
                    && !ids.contains(&id)
                {
                    ids.push(id);
                }
            }
            ids
        };
        let own = of(self.own());
        if own.is_empty() { of(self.others()) } else { own }
    }

    /// Where a resource of that name was: None if no command named one, refused if several did. `arm_type`: as `Microsoft.KeyVault/vaults`.
    pub fn id_of(&self, arm_type: &str, name: &str) -> Result<Option<ArmId>, Fault> {
        let is = |known: &str| known.eq_ignore_ascii_case(arm_type);
        let Some(kind) = resources::all().find(|kind| kind.arm_type().is_some_and(is)).map(|kind| kind.kind()) else { return Ok(None) };
        let called = |id: &ArmId| id.name().eq_ignore_ascii_case(name);
        let mut ids: Vec<ArmId> = self.spec.iter().filter(|(of, id)| *of == kind && called(id)).map(|(_, id)| id.clone()).collect();
        if ids.is_empty() {
            ids = self.remembered(kind).into_iter().filter(called).collect();
        }
        match ids.len() {
            0 | 1 => Ok(ids.pop()),
            _ => Err(several(kind, &ids)),
        }
    }

    pub fn only_identity(&self) -> Result<ArmId, Fault> {
        self.only(Identity::KIND)
    }

    pub fn only_vault(&self) -> Result<ArmId, Fault> {
        self.only(Vault::KIND)
    }

    fn only(&self, kind: &str) -> Result<ArmId, Fault> {
        let mut ids = self.ids(kind);
        match (ids.len(), ids.pop()) {
            (1, Some(id)) => Ok(id),
            (0, _) | (_, None) => {
                Err(Fault::refused(format!("no {kind} given, and the state has none"), format!("Name it with `--{kind} NAME`.")))
            }
            (_, Some(last)) => {
                ids.push(last);
                Err(several(kind, &ids))
            }
        }
    }

    /// The identities, or vaults, that could be meant.
    pub fn candidates(&self, kind: &str) -> Vec<ArmId> {
        self.ids(kind)
    }

    /// Clusters that earlier commands named.
    pub fn clusters(&self) -> Vec<ClusterRef> {
        let of = |entries: Vec<&Entry>| -> Vec<ClusterRef> {
            let read = |entry: &Entry| {
                let Cluster { id, context, principal_id, .. } = spec_of(&entry.kind, &entry.spec)?;
                Some(ClusterRef { id, context, principal_id, issuer: None })
            };
            entries.into_iter().filter_map(read).collect()
        };
        let own = of(self.own());
        if own.is_empty() { of(self.others()) } else { own }
    }

    /// Whether this app has a resource in the state.
    pub fn knows(&self, key: &Key) -> bool {
        self.ledger.get(&self.app, key).is_some()
    }

    /// The spec with which this app wrote a resource last.
    pub fn recorded<K: DeserializeOwned>(&self, key: &Key) -> Option<K> {
        let entry = self.ledger.get(&self.app, key)?;
        K::deserialize(&*entry.spec).ok()
    }
}

fn text<'a>(entry: &'a Entry, field: &str) -> Option<&'a str> {
    entry.spec.get(field).and_then(Value::as_str)
}

fn several(kind: &str, ids: &[ArmId]) -> Fault {
    let list: Vec<String> = ids.iter().map(|id| format!("{} ({})", id.name(), id.group_name().unwrap_or("?"))).collect();
    Fault::refused(
        format!("more than one {kind} could be meant: {}", list.join(", ")),
        format!("Name one, or give its full id: --{kind} NAME."),
    )
}
