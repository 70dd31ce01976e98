//! Reads and writes the federated credentials of managed identities. azure_mgmt_msi has the calls, but its type drops `claimsMatchingExpression`, and
//! a flexible credential would look like one without a subject.

use super::{
    ArmId, Error, Result, Write, arm,
    failures::absent,
    wait::{Poll, REPLICATION},
};
use ::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

const VERSION: &str = "2024-11-30";
const SEGMENT: &str = "federatedIdentityCredentials";
/// The most of one identity: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>
pub const MOST: usize = 20;

/// Azure answers a token request with a token of the identity if the caller shows a token of this issuer, subject and audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FederatedCredential {
    pub name: String,
    /// With its trailing slash, where it has one: it is compared byte by byte.
    pub issuer: String,
    /// None: a flexible credential, which has an expression in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub audiences: Vec<String>,
}

impl FederatedCredential {
    /// Returns whether it accepts the same tokens, whatever its name.
    pub fn accepts(&self, issuer: &str, subject: &str, audience: &str) -> bool {
        self.issuer == issuer && self.subject.as_deref() == Some(subject) && self.audiences.iter().any(|own| own == audience)
    }
}

impl Write {
    /// Lists them past all caches.
    pub async fn federated_credentials(&self, identity: &ArmId) -> Result<Option<Vec<FederatedCredential>>> {
        self.call(list(&self.core.arm, identity)).await
    }

    /// Creates a credential or replaces the one of its name. Azure rejects writes on one identity that come at the same time, also those of
    /// other programs: these are sent again.
    pub async fn put_federated_credential(&self, identity: &ArmId, wanted: &FederatedCredential) -> Result<FederatedCredential> {
        let FederatedCredential { name, issuer, subject, audiences } = wanted;
        let body = json!({ "properties": { "issuer": issuer, "subject": subject, "audiences": audiences } });
        let id = identity.child(SEGMENT, name);
        let put = || async { self.core.arm.put::<CredentialBody>(&id, VERSION, &body).await };
        let what = format!("the federated credential {name}");
        self.call(self.patience.until(&what, REPLICATION, || retried(identity, put()))).await.map(FederatedCredential::from)
    }

    pub async fn delete_federated_credential(&self, identity: &ArmId, name: &str) -> Result<()> {
        let id = identity.child(SEGMENT, name);
        let delete = || async {
            let answer = self.core.arm.exchange(Method::DELETE, arm::url(&id, &[], VERSION)?, None::<&()>).await;
            absent(answer).map(drop)
        };
        let what = format!("the federated credential {name}");
        self.call(self.patience.until(&what, REPLICATION, || retried(identity, delete()))).await
    }
}

/// Waits while somebody else writes a credential of the same identity.
async fn retried<T>(identity: &ArmId, sent: impl Future<Output = Result<T>>) -> Result<Poll<T>> {
    match sent.await {
        Err(Error::Conflict { code, .. }) if code == "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity" => {
            Ok(Poll::Wait(format!("waiting for another write of a federated credential of {} to end", identity.name())))
        }
        other => other.map(Poll::Done),
    }
}

/// Lists the federated credentials of an identity. None: there is no such identity.
pub async fn list(arm: &arm::Arm, identity: &ArmId) -> Result<Option<Vec<FederatedCredential>>> {
    let found: Option<Vec<CredentialBody>> = absent(arm.nested(identity, &[SEGMENT], VERSION).await)?;
    Ok(found.map(|all| all.into_iter().map(FederatedCredential::from).collect()))
}

#[derive(Deserialize)]
struct CredentialBody {
    name: String,
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(default)]
    issuer: String,
    subject: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
}

impl From<CredentialBody> for FederatedCredential {
    fn from(CredentialBody { name, properties }: CredentialBody) -> Self {
        let Properties { issuer, subject, audiences } = properties;
        Self { name, issuer, subject: subject.filter(|subject| !subject.is_empty()), audiences }
    }
}
