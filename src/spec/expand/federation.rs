//! A single federated credential of a managed identity as a part of a graph.

use crate::{
    engine::{desired::Intent, fault::Fault, input::Input, key::Key, ledger::Entry, resource::Kind as _},
    resources::{
        federation::{self, Federation},
        identity::Identity,
        kind::spec_of,
    },
    spec::{
        graph::{Graph, federation::Accepted},
        reference::FederatedSubject,
        request::{Credential, Federate},
    },
};
use serde_json::Value;

impl Graph<'_> {
    pub(super) fn federate(&mut self, wanted: &Federate) -> Result<(), Fault> {
        let identity = self.federated_identity(wanted)?;
        let key = match &wanted.credential {
            Credential::Name(name) => match self.recorded_federation(&identity, |entry| text(entry, federation::NAME.0) == Some(name)) {
                Some(recorded) => self.again(recorded)?,
                None => self.named_federation(&identity, name)?,
            },
            Credential::For(subject) => self.federation_for(&identity, subject, wanted.audience.clone())?,
        };
        if wanted.foreign
            && let Some(mut found) = self.created::<Federation>(&key)
        {
            found.foreign = true;
            self.desired.nodes.remove(&key);
            self.add(&key, &found, Intent::Present)?;
        }
        Ok(())
    }

    fn federated_identity(&mut self, wanted: &Federate) -> Result<Key, Fault> {
        if wanted.identity.is_none() && self.context.memory.candidates(Identity::KIND).is_empty() {
            return Err(Fault::refused(
                "no identity given, and the state has none",
                "Name it: `podid identity federate NAME --to ...`. `podid identity list` shows those of the subscription.",
            ));
        }
        self.identity_or_only(wanted.identity.as_ref(), wanted.group.as_deref())
    }

    fn federation_for(&mut self, identity: &Key, to: &FederatedSubject, audience: Option<String>) -> Result<Key, Fault> {
        if let FederatedSubject::ServiceAccount { namespace, name } = to {
            return self.service_account_federation(identity, namespace, name, audience);
        }
        if !self.removes()
            && let Some((reason, way_out)) = to.lacks_issuer()
        {
            return Err(Fault::refused(reason, way_out));
        }
        let (issuer, subject) = (to.issuer().unwrap_or_default().to_owned(), to.subject());
        // what a mode made has a key of its own
        let same = |entry: &Entry| text(entry, federation::ISSUER.0) == Some(&issuer) && text(entry, "subject") == Some(&subject);
        if let FederatedSubject::Other { .. } = to
            && audience.is_none()
            && let Some(recorded) = self.recorded_federation(identity, same)
        {
            return self.again(recorded);
        }
        let word = to.word().unwrap_or_default();
        self.federation(identity, word, Accepted { issuer: Input::Known(issuer), subject, audience })
    }

    /// A credential of the identity that this app has in the state, as it was written last.
    fn recorded_federation(&self, identity: &Key, is: impl Fn(&Entry) -> bool) -> Option<(Key, Federation)> {
        let memory = self.context.memory;
        let own = memory.ledger().of_app(memory.app()).filter(|entry| entry.kind == Federation::KIND && is(entry));
        let mut own = own.filter_map(|entry| {
            let mut found = spec_of::<Federation>(&entry.kind, &entry.spec)?;
            // the cluster that publishes it is not asked again
            found.issuer = Input::Known(text(entry, federation::ISSUER.0)?.to_owned());
            found.after.clear();
            Some((entry.key.clone(), found))
        });
        own.find(|(_, found)| found.identity_key == *identity)
    }

    fn again(&mut self, (key, found): (Key, Federation)) -> Result<Key, Fault> {
        self.add(&key, &found, Intent::Present)?;
        Ok(key)
    }
}

fn text<'a>(entry: &'a Entry, field: &str) -> Option<&'a String> {
    match entry.outputs.get(field)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
