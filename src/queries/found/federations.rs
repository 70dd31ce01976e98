//! Federated credentials of podid's: they have no tags, and their names say whose they are.

use crate::{
    azure::{self, ArmId, FederatedCredential, Identity},
    resources::federation::{self, AUDIENCE},
    session::Session,
    spec::{
        reference::{FederatedSubject, NameOrId},
        request::{Credential, Federate, Request},
    },
};
use futures::{StreamExt as _, stream};

/// How many identities are asked at once.
const AT_ONCE: usize = 8;

pub(super) struct MarkedFederation {
    pub(super) app: String,
    identity: ArmId,
    credential: FederatedCredential,
}

/// Asks each identity. What cannot be read is left out, and said.
pub(super) async fn listed(session: &Session, azure: &azure::Read, identities: &[Identity]) -> Vec<MarkedFederation> {
    let ask = |identity: &Identity| {
        let id = identity.id.clone();
        async move { (azure.federated_credentials(&id).await, id) }
    };
    let asked: Vec<_> = stream::iter(identities.iter().map(ask)).buffered(AT_ONCE).collect().await;
    let mut found = Vec::new();
    for (answer, identity) in asked {
        match answer {
            Ok(credentials) => found.extend(credentials.iter().flat_map(|all| all.iter()).filter_map(|credential| {
                let app = federation::app_of(&credential.name)?.to_owned();
                Some(MarkedFederation { app, identity: identity.clone(), credential: credential.clone() })
            })),
            Err(error) => session.terminal.say(format!("skipped the federated credentials of {}: {error}", identity.name())),
        }
    }
    found
}

impl MarkedFederation {
    pub(super) fn issuer(&self) -> &str {
        &self.credential.issuer
    }

    /// The request that would have made it. Those of modes come with the service accounts, and have the same keys. `of_cluster`: whether a
    /// cluster that is known has its issuer.
    pub(super) fn request(&self, of_cluster: bool) -> Option<Request> {
        let FederatedCredential { issuer, subject, audiences, .. } = &self.credential;
        let subject = subject.as_deref()?;
        let account = subject.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let to = match account.filter(|_| of_cluster) {
            Some((namespace, name)) => FederatedSubject::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() },
            None => format!("issuer={issuer},subject={subject}").parse().ok()?,
        };
        Some(Request::Federate(Box::new(Federate {
            identity: Some(NameOrId::Id(self.identity.clone())),
            group: None,
            credential: Credential::For(to),
            audience: audiences.first().filter(|audience| *audience != AUDIENCE).cloned(),
            cluster: None,
            foreign: false,
        })))
    }
}
