//! Adds federated credentials of managed identities.

use super::Graph;
use crate::{
    engine::{desired::Intent, fault::Fault, input::Input, key::Key},
    resources::{
        cluster,
        feature::{self, WORKLOAD_IDENTITY},
        federation::{self, AUDIENCE, Federation},
    },
};

/// The begin of the words of credentials for service accounts; the names of cluster, namespace and service account follow.
pub const SERVICE_ACCOUNT: &str = "serviceaccount";

/// What a credential accepts.
pub struct Accepted {
    pub issuer: Input<String>,
    pub subject: String,
    /// None: that of Azure.
    pub audience: Option<String>,
}

impl Graph<'_> {
    /// A credential for a service account of the cluster that Kubernetes objects go to.
    pub fn service_account_federation(
        &mut self,
        identity: &Key,
        namespace: &str,
        name: &str,
        audience: Option<String>,
    ) -> Result<Key, Fault> {
        let cluster = self.cluster_ref()?.id.name();
        let word = format!("{SERVICE_ACCOUNT}/{cluster}/{namespace}/{name}");
        let subject = federation::service_account(namespace, name);
        let issuer = self.cluster_issuer()?;
        self.federation(identity, word, Accepted { issuer, subject, audience })
    }

    pub fn federation(&mut self, identity: &Key, word: String, Accepted { issuer, subject, audience }: Accepted) -> Result<Key, Fault> {
        let key = self.spelled(federation::key(identity.names(), &word));
        let audience = audience.unwrap_or_else(|| AUDIENCE.to_owned());
        self.add(&key, &Federation { issuer, subject, audience, ..Federation::of(identity, word) }, Intent::Present)?;
        Ok(key)
    }

    /// The issuer of the cluster's service account tokens, which the graph may be turning on.
    fn cluster_issuer(&mut self) -> Result<Input<String>, Fault> {
        if let Some(issuer) = &self.cluster_ref()?.issuer {
            return Ok(Input::Known(issuer.clone()));
        }
        let setting = feature::key(self.cluster_ref()?.id.name(), WORKLOAD_IDENTITY);
        if self.desired.nodes.contains_key(&setting) {
            return Ok(feature::OIDC_ISSUER.of(&setting));
        }
        let cluster = self.cluster_key()?;
        Ok(cluster::OIDC_ISSUER.of(&cluster))
    }

    /// The credential of this name, whatever it accepts.
    pub fn named_federation(&mut self, identity: &Key, name: &str) -> Result<Key, Fault> {
        let word = format!("name/{name}");
        let key = federation::key(identity.names(), &word);
        self.add(&key, &Federation { named: Some(name.to_owned()), ..Federation::of(identity, word) }, Intent::Present)?;
        Ok(key)
    }
}
