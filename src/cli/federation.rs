//! `podid identity federate` and `podid identity federation`.

use super::{Command, Error, Global, ReadCommand, check};
use crate::spec::{
    reference::{FederatedSubject, NameOrId},
    request::{self, Credential, Request},
};
use clap::{Args, Subcommand};

const FEDERATE: &str = "\
Examples:
  podid identity federate claims-api-mid --to serviceaccount/shop/web
  podid identity federate ci-mid --to github/acme/shop:environment:prod
  podid identity federate ci-mid --to github/acme/shop:ref:main
  podid identity federate ci-mid --to github/acme@1234/shop@5678:pull_request
  podid identity federate ci-mid --to azure-devops/acme/Shop/azure-prod \\
      --issuer https://vstoken.dev.azure.com/ORGANIZATION-GUID
  podid identity federate ci-mid --to issuer=https://gitlab.com,subject=project_path:acme/shop:ref_type:branch:ref:main

Subjects are compared byte by byte, with case. Repositories of GitHub that were created or renamed since
July 15, 2026 have the ids of owner and repository in their subjects (ORG@ID/REPO@ID):
`gh api repos/ORG/REPO/actions/oidc/customization/sub` shows the begin of them.
New service connections of Azure DevOps have tokens of Entra, whose subject Azure DevOps makes: take both
from the connection's page, and use issuer=URL,subject=TEXT.";

const LIST: &str = "\
Examples:
  podid identity federation list claims-api-mid
  podid identity federation list claims-api-mid -o json";

const REMOVE: &str = "\
Examples:
  podid identity federation remove ci-mid --to github/acme/shop:ref:main
  podid identity federation remove ci-mid --name by-hand --adopt

What podid did not create is only removed with --adopt.";

/// Accept tokens of a service account, GitHub or Azure DevOps for an identity
#[derive(Debug, Args)]
#[command(after_help = FEDERATE)]
pub(super) struct Federate {
    #[command(flatten)]
    identity: FederatedIdentity,
    /// Whose tokens: `serviceaccount/NAMESPACE/NAME`, `github/ORG/REPO:environment:NAME`, `:ref:BRANCH` or `:pull_request`, `azure-devops/ORG/PROJECT/CONNECTION`, or `issuer=URL,subject=TEXT`
    #[arg(long, value_name = "WHO", num_args = 1..=2, value_parser = Who::parse)]
    to: Vec<Who>,
    #[command(flatten)]
    issuer: Issuer,
    /// Audience of the tokens; default: api://AzureADTokenExchange
    #[arg(long, value_parser = check::filled)]
    audience: Option<String>,
    #[command(flatten)]
    cluster: OfCluster,
}

#[derive(Debug, Args)]
struct FederatedIdentity {
    /// Name or full id of the managed identity; default: the only one in spec and state
    #[arg(value_name = "NAME", value_parser = check::identity_or_id)]
    identity: Option<NameOrId>,
}

#[derive(Debug, Args)]
struct Issuer {
    /// Issuer of the tokens where podid cannot know it: of an Azure DevOps organization, or of an enterprise on GitHub
    #[arg(long, value_name = "URL", value_parser = check::issuer)]
    issuer: Option<String>,
}

#[derive(Debug, Args)]
struct OfCluster {
    /// Name or full id of the AKS cluster of a service account; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    cluster: Option<NameOrId>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Federation {
    /// List the federated credentials of an identity
    #[command(after_help = LIST)]
    List(List),
    /// Remove a federated credential of an identity
    #[command(after_help = REMOVE)]
    Remove(Box<Remove>),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    identity: FederatedIdentity,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    identity: FederatedIdentity,
    /// Whose tokens it accepts, as for `podid identity federate`
    #[arg(long, value_name = "WHO", num_args = 1..=2, value_parser = Who::parse, required_unless_present = "name")]
    to: Vec<Who>,
    /// Name of the credential, as `podid identity federation list` shows it
    #[arg(long, value_name = "CREDENTIAL", value_parser = check::federated_credential, conflicts_with = "to")]
    name: Option<String>,
    #[command(flatten)]
    issuer: Issuer,
    #[command(flatten)]
    cluster: OfCluster,
}

/// A word after `--to`. Issuer and subject may be two words; another word after the first one is the identity.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Subject(FederatedSubject),
    /// `issuer=URL`
    Issuer(String),
    /// `subject=TEXT`
    About(String),
    Identity(NameOrId),
}

impl Who {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("subject=") {
            Some(about) => Ok(Self::About(about.to_owned())),
            None if text.starts_with("issuer=") && !text.contains(",subject=") => Ok(Self::Issuer(text.to_owned())),
            None if text.starts_with('/') || !text.contains(['/', '=']) => check::identity_or_id(text).map(Self::Identity),
            None => check::federated_subject(text).map(Self::Subject),
        }
    }
}

/// Whose tokens, and the identity if it stands there.
fn whose(words: Vec<Who>, named: Option<NameOrId>) -> Result<(FederatedSubject, Option<NameOrId>), Error> {
    let hint = "`podid help identity federate` shows examples.";
    let mut words = words.into_iter();
    let (to, identity) = match (words.next(), words.next()) {
        (Some(Who::Subject(to)), None) => (Ok(to), named),
        (Some(Who::Subject(to)), Some(Who::Identity(identity))) if named.is_none() => (Ok(to), Some(identity)),
        (Some(Who::Issuer(issuer)), Some(Who::About(about))) => (format!("{issuer},subject={about}").parse(), named),
        (Some(Who::Issuer(issuer)), None) => (issuer.parse(), named),
        (Some(Who::About(_)), _) => (Err("the form is `issuer=URL,subject=TEXT`".to_owned()), named),
        (Some(Who::Identity(other)), None) => (other.to_string().parse(), named),
        _ => (Err("it takes one value".to_owned()), named),
    };
    to.map(|to| (to, identity)).map_err(|wrong| Error::usage(format!("invalid value for `--to`: {wrong}"), hint))
}

/// With the issuer that was given; of a service account in any cluster but one on AKS, of Entra and the like, podid cannot make the subject.
fn subject(to: FederatedSubject, issuer: Issuer) -> Result<Credential, Error> {
    let hint = "`podid help identity federate` shows examples.";
    let subject = to.with_issuer(issuer.issuer.as_deref());
    subject.map(Credential::For).map_err(|wrong| Error::usage(format!("--issuer cannot be used here: {wrong}"), hint))
}

impl Federate {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let Self { identity, to, issuer, audience, cluster } = self;
        let (to, identity) = whose(to, identity.identity)?;
        let request = request::Federate {
            identity,
            group: global.resource_group.clone(),
            credential: subject(to, issuer)?,
            audience,
            cluster: cluster.cluster,
            foreign: false,
        };
        Ok(Command::Change { request: Request::Federate(Box::new(request)), remove: false })
    }
}

impl Federation {
    pub(super) fn command(self, global: &Global) -> Result<Command, Error> {
        let group = global.resource_group.clone();
        let Remove { identity, to, name, issuer, cluster } = match self {
            Self::List(list) => return Ok(Command::Read(ReadCommand::Federations { identity: list.identity.identity, group })),
            Self::Remove(remove) => *remove,
        };
        let (credential, identity) = match name {
            Some(name) => (Credential::Name(name), identity.identity),
            None => {
                let (to, identity) = whose(to, identity.identity)?;
                (subject(to, issuer)?, identity)
            }
        };
        let request = request::Federate { identity, group, credential, audience: None, cluster: cluster.cluster, foreign: global.adopt };
        Ok(Command::Change { request: Request::Federate(Box::new(request)), remove: true })
    }
}
