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
/// The first that has the expression of a flexible credential.
const WITH_EXPRESSIONS: &str = "2025-05-31-preview";
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
    /// What a flexible credential asks of the token's claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_matching_expression: Option<String>,
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
        let FederatedCredential { name, issuer, subject, audiences, .. } = wanted;
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
    let listed = async |version| -> Result<Option<Vec<FederatedCredential>>> {
        let found: Option<Vec<CredentialBody>> = absent(arm.nested(identity, &[SEGMENT], version).await)?;
        Ok(found.map(|all| all.into_iter().map(FederatedCredential::from).collect()))
    };
    let found = listed(VERSION).await?;
    let is_bare = |one: &FederatedCredential| one.subject.is_none() && one.claims_matching_expression.is_none();
    if !found.iter().flatten().any(is_bare) {
        return Ok(found);
    }
    // not every region and cloud has the preview
    Ok(listed(WITH_EXPRESSIONS).await.ok().flatten().or(found))
}

#[derive(Deserialize)]
struct CredentialBody {
    name: String,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default)]
    issuer: String,
    subject: Option<String>,
    claims_matching_expression: Option<Expression>,
    #[serde(default)]
    audiences: Vec<String>,
}

#[derive(Deserialize)]
struct Expression {
    #[serde(default)]
    value: String,
}

impl From<CredentialBody> for FederatedCredential {
    fn from(CredentialBody { name, properties }: CredentialBody) -> Self {
        let Properties { issuer, subject, claims_matching_expression, audiences } = properties;
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let expression = claims_matching_expression.and_then(|expression| filled(expression.value));
        Self { name, issuer, subject: subject.and_then(filled), claims_matching_expression: expression, audiences }
    }
}
