//! A federated credential of a managed identity: Entra exchanges the tokens of an issuer (a cluster, GitHub) about a subject for tokens of the
//! identity. It is found by what it accepts, whatever its name, because Azure refuses a second one for the same issuer and subject.

use super::{
    cluster,
    feature::Feature,
    identity,
    kind::{AzureRole, HintScope, Resource},
    roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, FederatedCredential, MOST_FEDERATED_CREDENTIALS},
    engine::{
        fault::Fault,
        input::{DependsOn, Field, Input, Outputs},
        key::Key,
        ledger::Ledger,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The audience of a token that is exchanged at Entra.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

#[derive(Debug, Serialize, Deserialize)]
pub struct Federation {
    /// ARM id of the identity.
    pub identity: Input<String>,
    pub identity_key: Key,
    /// The part of the key that distinguishes it from others of the identity.
    pub word: String,
    /// Exactly as its owner publishes it: a missing slash at the end makes another issuer.
    pub issuer: Input<String>,
    pub subject: String,
    pub audience: String,
    /// Its name, for one that is only to be removed, whatever it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// Whether a removal takes one that podid did not create, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub credential: FederatedCredential,
    /// Whether it accepts what is wanted.
    pub accepts: bool,
    /// When podid wrote it. None: somebody else did.
    #[serde(default)]
    pub written: Option<Timestamp>,
}

impl Actual {
    fn of(credential: &FederatedCredential, accepts: bool) -> Self {
        Self { credential: credential.clone(), accepts, written: None }
    }
}

pub const NAME: Field<String> = Field::new("name");
pub const ISSUER: Field<String> = Field::new("issuer");
pub const WRITTEN: Field<String> = Field::new("written");

/// `word` names the subject: `serviceaccount/CLUSTER/NAMESPACE/NAME`, `github/ORG/REPO:ref:main`.
pub fn key(identity: &str, word: &str) -> Key {
    // a reference to a key ends it with a `#`
    Key::of(Federation::KIND, [identity, word.replace('#', "_").as_str()])
}

/// The subject of a service account's tokens.
pub fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

const PREFIX: &str = "podid-";

impl Federation {
    /// One that accepts nothing yet.
    pub fn of(identity: &Key, word: String) -> Self {
        Self {
            identity: identity::ID.of(identity),
            identity_key: identity.clone(),
            word,
            issuer: Input::Known(String::new()),
            subject: String::new(),
            audience: AUDIENCE.to_owned(),
            named: None,
            foreign: false,
            after: Vec::new(),
        }
    }

    /// `podid-APP-0a1b2c3d`: letters, digits and dashes, at most 120. It says whose it is, because a credential has no tags.
    fn name(&self, app: &str) -> String {
        let of = format!("{}\n{}", self.identity_key.folded(), self.word);
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, of.as_bytes()).simple().to_string();
        format!("{PREFIX}{app}-{}", id.get(..8).unwrap_or(&id))
    }

    fn id(&self) -> Result<ArmId, Fault> {
        let id = self.identity.get()?;
        ArmId::parse(id).ok_or_else(|| Fault::State(format!("{id:?} is not the id of an identity")))
    }

    fn wanted(&self, app: &str) -> Result<FederatedCredential, Fault> {
        Ok(FederatedCredential {
            name: self.name(app),
            issuer: self.issuer.get()?.clone(),
            subject: Some(self.subject.clone()),
            claims_matching_expression: None,
            audiences: vec![self.audience.clone()],
        })
    }

    /// The one that accepts what is wanted, or else the one that podid made for the same subject of an earlier issuer.
    fn find(&self, context: NodeContext<'_>, all: &[FederatedCredential]) -> Option<Actual> {
        if let Some(name) = &self.named {
            let found = all.iter().find(|one| one.name.eq_ignore_ascii_case(name))?;
            return Some(Actual::of(found, true));
        }
        let issuer = self.issuer.known();
        let accepts = |one: &&FederatedCredential| issuer.is_some_and(|issuer| one.accepts(issuer, &self.subject, &self.audience));
        if let Some(found) = all.iter().find(accepts) {
            return Some(Actual::of(found, true));
        }
        // Azure allows no second one for this pair, whatever its audience
        let same = |one: &&FederatedCredential| Some(&one.issuer) == issuer && one.subject.as_ref() == Some(&self.subject);
        if let Some(found) = all.iter().find(same) {
            return Some(Actual::of(found, false));
        }
        let recorded = context.recorded.get(NAME.0).and_then(Value::as_str);
        let name = self.name(context.app);
        let by_name = all.iter().find(|one| one.name == name || Some(one.name.as_str()) == recorded);
        by_name.map(|found| Actual::of(found, false))
    }

    async fn look(&self, context: NodeContext<'_>, writer: &Writer) -> Result<Option<Actual>, Fault> {
        let all = writer.azure.federated_credentials(&self.id()?).await.map_err(Fault::cloud)?;
        Ok(all.and_then(|all| self.find(context, &all)))
    }
}

/// When podid wrote a credential of the ledger; None: it did not.
pub fn written(ledger: &Ledger, app: &str, key: &Key) -> Option<Timestamp> {
    ledger.get(app, key)?.outputs.get(WRITTEN.0)?.as_str()?.parse().ok()
}

/// The app in the name of a credential that podid made.
pub fn app_of(name: &str) -> Option<&str> {
    let (app, hash) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
    (hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then_some(app)
}

impl Kind<Cloud> for Federation {
    const KIND: &'static str = "federation";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    /// Azure refuses two writes on one identity at a time.
    fn lane(&self) -> Option<String> {
        Some(format!("federated credentials of {}", self.identity_key.folded()))
    }
    fn place(&self) -> Option<String> {
        self.identity.known().map(|identity| format!("{}|{}", identity.to_ascii_lowercase(), self.word))
    }
    fn parent(&self) -> Option<Key> {
        Some(self.identity_key.clone())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let all = reader.azure.federated_credentials(&self.id()?).await.map_err(Fault::cloud)?;
        let written = context.recorded.get(WRITTEN.0).and_then(Value::as_str).and_then(|at| at.parse().ok());
        Ok(all.and_then(|all| self.find(context, &all)).map(|found| Actual { written, ..found }))
    }
    fn diff(&self, _: NodeContext<'_>, actual: &Actual) -> Diff {
        if actual.accepts {
            return Diff::Same;
        }
        let there = &actual.credential;
        let fields = [
            ("issuer", json!(there.issuer), json!(self.issuer)),
            ("subject", json!(there.subject), json!(self.subject)),
            ("audiences", json!(there.audiences), json!([self.audience])),
        ];
        let differs = fields.into_iter().filter(|(_, from, to)| from != to);
        Diff::Update(differs.map(|(field, from, to)| Change { field: field.into(), from, to }).collect())
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        match app_of(&actual.credential.name) {
            Some(app) if app == context.app => Owner::Ours,
            Some(other) => Owner::OtherApp(other.to_owned()),
            None if self.foreign => Owner::Ours,
            None => Owner::Unmarked,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let FederatedCredential { name, issuer, subject, .. } = &actual.credential;
        let mut outputs: Outputs =
            [(NAME.0.into(), json!(name)), (ISSUER.0.into(), json!(issuer)), ("subject".into(), json!(subject))].into();
        outputs.extend(actual.written.map(|at| (WRITTEN.0.into(), json!(at))));
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        // the setting that turns the issuer on is the cluster's
        let of_setting = self.issuer.source().filter(|key| key.kind() == Feature::KIND);
        let cluster = of_setting.as_ref().and_then(|key| key.names().split('/').next());
        let issuer = cluster.map_or_else(|| json!(self.issuer), |name| json!(cluster::OIDC_ISSUER.of(&cluster::key(name))));
        vec![("issuer", issuer), ("subject", json!(self.subject)), ("audience", json!(self.audience))]
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the identity {} has no federated credential for {}", self.identity_key.names(), self.subject),
            format!("Create it: `podid identity federate {} --to ...`.", self.identity_key.names()),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let mut wanted = self.wanted(context.app)?;
        if let Some(before) = before {
            wanted.name = before.credential.name;
        }
        match writer.azure.put_federated_credential(&self.id()?, &wanted).await {
            Ok(credential) => Ok(Actual { credential, accepts: true, written: Some(Timestamp::now()) }),
            // somebody else was quicker, under another name
            Err(azure::Error::Refused { status, code, message }) => match self.look(context, writer).await? {
                Some(found) if found.accepts => Ok(found),
                _ => Err(Fault::cloud(azure::Error::Refused { status, code, message })),
            },
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    async fn remove(&self, _: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_federated_credential(&self.id()?, &before.credential.name).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let issuer = self.issuer.known().map_or("ISSUER", String::as_str);
        vec![format!(
            "az identity federated-credential create -g GROUP --identity-name {} -n NAME --issuer {issuer} --subject {} --audiences {}",
            self.identity_key.names(),
            self.subject,
            self.audience
        )]
    }
}

impl Resource for Federation {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/",
        reads: false,
        role: roles::MANAGED_IDENTITY_CONTRIBUTOR,
        scope: HintScope::Resource,
    }];
}

/// Why an identity cannot have that many more credentials; None: it can.
pub fn over_the_limit(identity: &str, there: &[FederatedCredential], more: usize) -> Option<(String, String)> {
    let all = there.len() + more;
    (more > 0 && all > MOST_FEDERATED_CREDENTIALS).then(|| {
        (
            format!("the identity {identity} would have {all} federated credentials, and Azure allows {MOST_FEDERATED_CREDENTIALS}"),
            format!(
                "Remove those that are not needed (`podid identity federation list {identity}` shows them), use another identity for some workloads, or on AKS use `mode: identity-binding`, which needs one credential for all."
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::desired::Intent;

    const SHOP: &str = "https://eastus.oic.prod-aks.azure.com/t/1/";

    fn wanted(issuer: &str) -> Federation {
        Federation {
            identity: Input::Known(
                "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web".into(),
            ),
            identity_key: Key::of("identity", ["web"]),
            word: "serviceaccount/aks/shop/web".into(),
            issuer: Input::Known(issuer.into()),
            subject: service_account("shop", "web"),
            audience: AUDIENCE.into(),
            named: None,
            foreign: false,
            after: Vec::new(),
        }
    }

    fn there(name: &str, issuer: &str) -> FederatedCredential {
        let subject = Some("system:serviceaccount:shop:web".to_owned());
        let audiences = vec![AUDIENCE.into()];
        FederatedCredential { name: name.into(), issuer: issuer.into(), subject, claims_matching_expression: None, audiences }
    }

    fn found(all: &[FederatedCredential]) -> Option<(Actual, Diff, Owner)> {
        let recorded = Outputs::new();
        let context =
            NodeContext { app: "claims-api", intent: Intent::Present, origin: None, recorded: &recorded, ours: None, recover: false };
        let wanted = wanted(SHOP);
        let actual = wanted.find(context, all)?;
        let (diff, owner) = (wanted.diff(context, &actual), wanted.owner(context, &actual));
        Some((actual, diff, owner))
    }

    #[test]
    fn an_issuer_that_is_turned_on_in_the_same_run_is_shown_as_the_clusters() {
        let setting = super::super::feature::key("aks", "workload-identity");
        let issuer = super::super::feature::OIDC_ISSUER.of(&setting);
        let federation = Federation { issuer, ..Federation::of(&identity::key("web"), "w".into()) };
        let shown = federation.creation_summary();
        assert_eq!(shown[0], ("issuer", json!(cluster::OIDC_ISSUER.of(&cluster::key("aks")))));
    }

    #[test]
    fn a_credential_counts_by_what_it_accepts_whatever_its_name() {
        let (actual, diff, owner) = found(&[there("other", "https://x/"), there("by-hand", SHOP)]).unwrap();
        assert_eq!((actual.credential.name.as_str(), diff, owner), ("by-hand", Diff::Same, Owner::Unmarked));
    }

    #[test]
    fn one_of_the_same_subject_with_another_audience_is_changed_because_there_can_be_no_second() {
        let other = FederatedCredential { audiences: vec!["api://Other".into()], ..there("by-hand", SHOP) };
        let (_, diff, owner) = found(&[there("else", "https://x/"), other]).unwrap();
        let Diff::Update(changes) = diff else { panic!("it stays") };
        assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["audiences"]);
        assert_eq!(owner, Owner::Unmarked, "only with --adopt");
    }

    #[test]
    fn an_issuer_without_its_slash_is_another_one() {
        assert!(found(&[there("by-hand", SHOP.trim_end_matches('/'))]).is_none());
    }

    #[test]
    fn the_credential_of_a_cluster_that_was_made_again_gets_the_new_issuer() {
        let name = wanted(SHOP).name("claims-api");
        let (_, diff, owner) = found(&[there(&name, "https://eastus.oic.prod-aks.azure.com/t/0/")]).unwrap();
        let Diff::Update(changes) = diff else { panic!("it stays") };
        assert_eq!(changes.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["issuer"]);
        assert_eq!(owner, Owner::Ours);
    }

    #[test]
    fn the_name_says_whose_it_is_and_fits() {
        let name = wanted(SHOP).name(&"a".repeat(63));
        assert!(name.len() <= 120 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        assert_eq!(app_of(&name), Some("a".repeat(63).as_str()));
        assert_eq!(app_of("podid-web"), None);
        assert_eq!(app_of("podid-web-shop-0a1b2c3d"), Some("web-shop"));
    }

    #[test]
    fn the_twenty_first_is_refused_before_anything_is_written() {
        let all: Vec<FederatedCredential> = (0..19).map(|n| there(&format!("c{n}"), SHOP)).collect();
        assert!(over_the_limit("web", &all, 1).is_none());
        assert!(over_the_limit("web", &all, 2).unwrap().0.contains("21 federated credentials"));
        assert!(over_the_limit("web", &all, 0).is_none());
    }
}
