//! Whose tokens a federated credential accepts: `serviceaccount/NAMESPACE/NAME`, `github/ORG/REPO:ref:main` and the like. What an issuer writes
//! into the subject of its tokens is known here: <https://docs.github.com/actions/reference/openid-connect-reference>,
//! <https://learn.microsoft.com/azure/devops/pipelines/release/configure-workload-identity>

use crate::spec::names;
use std::str::FromStr;

/// The issuer of GitHub's tokens; an enterprise can have one of its own.
pub const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// Azure DevOps as the issuer; the organization's GUID follows. New service connections have tokens of Entra in its place.
const AZURE_DEVOPS: &str = "https://vstoken.dev.azure.com/";
/// Entra as the issuer of Azure DevOps' tokens.
const ENTRA: &str = "https://login.microsoftonline.com/";
/// The most characters of an issuer, and of a subject.
const LONGEST: usize = 600;

/// The forms, for messages.
const FORMS: &str = "`serviceaccount/NAMESPACE/NAME`, `github/ORG/REPO:environment:NAME`, `github/ORG/REPO:ref:BRANCH`, `github/ORG/REPO:pull_request`, `azure-devops/ORG/PROJECT/CONNECTION`, or `issuer=URL,subject=TEXT`";

/// Whose tokens a federated credential accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FederatedSubject {
    /// A service account of the cluster, whose issuer is the cluster's.
    ServiceAccount {
        namespace: String,
        name: String,
    },
    GitHub {
        repository: Repository,
        jobs: Jobs,
    },
    /// A service connection of Azure DevOps.
    AzureDevOps {
        organization: String,
        project: String,
        connection: String,
        /// Has the organization's GUID. None: it is not known, which only a removal can do without.
        issuer: Option<String>,
    },
    /// Any issuer and subject.
    Other {
        issuer: String,
        subject: String,
    },
}

/// `ORG/REPO`, or `ORG@ID/REPO@ID`: the subjects of repositories that were created or renamed since July 15, 2026 have the ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
    /// Those of the owner and of the repository.
    pub ids: Option<(String, String)>,
}

/// The jobs of a repository whose tokens have one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// Jobs of an environment.
    Environment(String),
    /// Jobs without one that run for a ref, `refs/heads/main`.
    Ref(String),
    /// Jobs without one that run for a pull request.
    PullRequest,
}

impl Repository {
    fn shown(&self) -> String {
        let Self { owner, name, ids } = self;
        match ids {
            Some((of_owner, id)) => format!("{owner}@{of_owner}/{name}@{id}"),
            None => format!("{owner}/{name}"),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        const RULE: &str = "a repository is ORG/REPO, or ORG@ID/REPO@ID with the ids that GitHub puts into its subjects";
        let (owner, name) = text.split_once('/').ok_or(RULE)?;
        let part = |text: &str, others: &str, most: usize| -> Result<(String, Option<String>), String> {
            let (word, id) = text.split_once('@').map_or((text, None), |(word, id)| (word, Some(id)));
            let fine = (1..=most).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
            let fine_id = id.is_none_or(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
            if fine && fine_id { Ok((word.to_owned(), id.map(str::to_owned))) } else { Err(RULE.to_owned()) }
        };
        let ((owner, of_owner), (name, id)) = (part(owner, "-_", 39)?, part(name, "-_.", 100)?);
        let ids = match (of_owner, id) {
            (Some(of_owner), Some(id)) => Some((of_owner, id)),
            (None, None) => None,
            _ => return Err(RULE.to_owned()),
        };
        Ok(Self { owner, name, ids })
    }
}

impl Jobs {
    fn shown(&self) -> String {
        match self {
            // GitHub writes a colon of the name this way
            Self::Environment(name) => format!("environment:{}", name.replace(':', "%3A")),
            Self::Ref(name) => format!("ref:{name}"),
            Self::PullRequest => "pull_request".to_owned(),
        }
    }

    fn parse(text: Option<&str>, repository: &str) -> Result<Self, String> {
        let forms = || {
            format!(
                "which jobs of {repository}? Add one of `:environment:NAME`, `:ref:BRANCH`, `:ref:refs/tags/TAG`, `:pull_request`: a credential accepts exactly one subject, and no token has the repository alone. For a customized subject, use `issuer={GITHUB},subject=TEXT`"
            )
        };
        let text = text.ok_or_else(forms)?;
        match text.split_once(':') {
            None if text == "pull_request" => Ok(Self::PullRequest),
            Some(("environment", name)) => {
                subject(name)?;
                Ok(Self::Environment(name.replace("%3A", ":")))
            }
            Some(("ref", name)) => {
                if name.contains('*') {
                    return Err(format!("{name:?} is not a ref: a credential of a managed identity has no wildcards"));
                }
                let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?[\\".contains(c);
                if name.is_empty() || name.contains(odd) || name.contains("..") || name.contains("//") {
                    return Err(format!("{name:?} is not a branch or a full ref such as `refs/tags/v1`"));
                }
                Ok(Self::Ref(if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }))
            }
            _ => Err(forms()),
        }
    }
}

/// Checks an issuer. It is compared byte by byte, and kept as it is.
pub fn issuer(text: &str) -> Result<(), String> {
    let host = text.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    let fine = host.is_some_and(|host| !host.is_empty()) && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if !fine {
        return Err(format!("the issuer {text:?} is not a URL that begins with https://"));
    }
    if text.chars().count() > LONGEST {
        return Err(format!("an issuer has at most {LONGEST} characters"));
    }
    Ok(())
}

fn subject(text: &str) -> Result<(), String> {
    // Entra blocks the exchange if there is white space at an end
    if text.is_empty() || text.trim() != text || text.contains(char::is_control) {
        return Err(format!("{text:?} is not a subject: it is empty, or begins or ends with white space"));
    }
    if text.chars().count() > LONGEST {
        return Err(format!("a subject has at most {LONGEST} characters"));
    }
    Ok(())
}

impl FromStr for FederatedSubject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.split_once('/') {
            _ if text.starts_with("issuer=") => {
                let rest = text.trim_start_matches("issuer=");
                let (of, about) =
                    rest.split_once(",subject=").or_else(|| rest.split_once(" subject=")).ok_or("the form is `issuer=URL,subject=TEXT`")?;
                issuer(of)?;
                subject(about)?;
                return Ok(Self::known(of, about).unwrap_or_else(|| Self::Other { issuer: of.to_owned(), subject: about.to_owned() }));
            }
            Some(("serviceaccount", rest)) => {
                let (namespace, name) = rest.split_once('/').ok_or("the form is `serviceaccount/NAMESPACE/NAME`")?;
                names::dns_label(namespace)?;
                names::dns_subdomain(name)?;
                Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() }
            }
            Some(("github", rest)) => Self::github(rest)?,
            Some(("azure-devops", rest)) => Self::azure_devops(rest)?,
            _ => return Err(format!("a token is that of {FORMS}")),
        };
        subject(&parsed.subject())?;
        Ok(parsed)
    }
}

impl FederatedSubject {
    fn github(text: &str) -> Result<Self, String> {
        let (repository, jobs) = text.split_once(':').map_or((text, None), |(repository, jobs)| (repository, Some(jobs)));
        Ok(Self::GitHub { repository: Repository::parse(repository)?, jobs: Jobs::parse(jobs, repository)? })
    }

    fn azure_devops(text: &str) -> Result<Self, String> {
        // a connection's name may have a slash
        match text.splitn(3, '/').collect::<Vec<_>>()[..] {
            [organization, project, connection] if [organization, project, connection].iter().all(|part| subject(part).is_ok()) => {
                let [organization, project, connection] = [organization, project, connection].map(str::to_owned);
                Ok(Self::AzureDevOps { organization, project, connection, issuer: None })
            }
            _ => Err("the form is `azure-devops/ORGANIZATION/PROJECT/CONNECTION`".to_owned()),
        }
    }

    /// The other form of an issuer and a subject, so that one credential has one key.
    fn known(of: &str, about: &str) -> Option<Self> {
        let parsed = if of == GITHUB {
            Self::github(about.strip_prefix("repo:")?).ok()?
        } else if of.starts_with(AZURE_DEVOPS) {
            Self::azure_devops(about.strip_prefix("sc://")?).ok()?.with_issuer(Some(of)).ok()?
        } else {
            return None;
        };
        (parsed.subject() == about).then_some(parsed)
    }

    /// With the issuer that `--issuer` gives.
    pub fn with_issuer(self, given: Option<&str>) -> Result<Self, String> {
        let Some(given) = given else { return Ok(self) };
        match self {
            Self::ServiceAccount { namespace, name } => Err(format!(
                "the issuer of a service account is that of its cluster; for a cluster that is not on AKS, use `--to issuer={given},subject=system:serviceaccount:{namespace}:{name}`"
            )),
            Self::GitHub { .. } if given == GITHUB => Ok(self),
            Self::GitHub { .. } => Ok(Self::Other { issuer: given.to_owned(), subject: self.subject() }),
            Self::AzureDevOps { connection, .. } if given.starts_with(ENTRA) => Err(format!(
                "Entra issues the tokens of the connection {connection}, and Azure DevOps made their subject, which begins with `/eid1/`: use `--to issuer={given},subject=SUBJECT` with both as the connection's page shows them"
            )),
            Self::AzureDevOps { organization, project, connection, .. } => {
                if given.strip_prefix(AZURE_DEVOPS).is_none_or(|guid| names::guid(guid).is_err()) {
                    return Err(format!("the issuer of Azure DevOps is `{AZURE_DEVOPS}` with the GUID of the organization, not {given:?}"));
                }
                Ok(Self::AzureDevOps { organization, project, connection, issuer: Some(given.to_owned()) })
            }
            Self::Other { .. } => Err("`--to issuer=URL,subject=TEXT` has an issuer already".to_owned()),
        }
    }

    /// Why a credential for it cannot be created, and the way to find what is missing.
    pub fn lacks_issuer(&self) -> Option<(String, String)> {
        let Self::AzureDevOps { organization, project, connection, issuer: None } = self else { return None };
        Some((
            format!(
                "the issuer of the tokens of the service connection {connection} is not known: it has the GUID of {organization} or of the tenant"
            ),
            format!(
                "Ask Azure DevOps: `az devops service-endpoint list --org https://dev.azure.com/{organization} --project \"{project}\" --query \"[?name=='{connection}'].authorization.parameters\"` (of the extension azure-devops; or the page of the connection). With an issuer that begins with {AZURE_DEVOPS}, add `--issuer URL`; with one that begins with {ENTRA}, use `--to issuer=URL,subject=/eid1/...` with both as they are."
            ),
        ))
    }

    /// None: the cluster's, or not known.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount { .. } => None,
            Self::GitHub { .. } => Some(GITHUB),
            Self::AzureDevOps { issuer, .. } => issuer.as_deref(),
            Self::Other { issuer, .. } => Some(issuer),
        }
    }

    pub fn subject(&self) -> String {
        match self {
            Self::ServiceAccount { namespace, name } => format!("system:serviceaccount:{namespace}:{name}"),
            Self::GitHub { repository, jobs } => format!("repo:{}:{}", repository.shown(), jobs.shown()),
            Self::AzureDevOps { organization, project, connection, .. } => format!("sc://{organization}/{project}/{connection}"),
            Self::Other { subject, .. } => subject.clone(),
        }
    }

    /// The part of the key that tells its credential from others of an identity. None: the cluster's name belongs to it.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::ServiceAccount { .. } => None,
            Self::GitHub { repository, jobs } => Some(format!("github/{}:{}", repository.shown(), jobs.shown())),
            Self::AzureDevOps { organization, project, connection, .. } => {
                Some(format!("azure-devops/{organization}/{project}/{connection}"))
            }
            Self::Other { issuer, subject } => {
                let host = issuer.split('/').nth(2).unwrap_or_default();
                let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{issuer}\n{subject}").as_bytes()).simple().to_string();
                Some(format!("issuer/{host}/{}", hash.get(..8).unwrap_or(&hash)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "6c9f1e0a-0d3b-4e58-9e2b-000000000001";

    fn of(text: &str) -> FederatedSubject {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn wrong(text: &str) -> String {
        text.parse::<FederatedSubject>().expect_err(text)
    }

    #[test]
    fn a_job_of_github_has_the_subject_that_github_writes() {
        for (text, subject) in [
            ("github/acme/shop:environment:prod", "repo:acme/shop:environment:prod"),
            ("github/acme/shop:environment:Prod: EU", "repo:acme/shop:environment:Prod%3A EU"),
            ("github/acme/shop:ref:main", "repo:acme/shop:ref:refs/heads/main"),
            ("github/acme/shop:ref:feature/x", "repo:acme/shop:ref:refs/heads/feature/x"),
            ("github/acme/shop:ref:refs/tags/v1", "repo:acme/shop:ref:refs/tags/v1"),
            ("github/Acme/shop.js:pull_request", "repo:Acme/shop.js:pull_request"),
            ("github/acme@12/shop@34:pull_request", "repo:acme@12/shop@34:pull_request"),
        ] {
            assert_eq!(of(text).subject(), subject, "{text}");
            assert_eq!(of(text).issuer(), Some(GITHUB));
            assert_eq!(of(&format!("issuer={GITHUB},subject={subject}")), of(text), "one credential, one key");
        }
    }

    #[test]
    fn a_repository_alone_is_answered_with_the_possible_suffixes() {
        for text in ["github/acme/shop", "github/acme/shop:", "github/acme/shop:ref", "github/acme/shop:branch:main"] {
            let told = wrong(text);
            for suffix in [":environment:NAME", ":ref:BRANCH", ":ref:refs/tags/TAG", ":pull_request"] {
                assert!(told.contains(suffix), "{text}: {told}");
            }
        }
        assert!(wrong("github/acme/shop:ref:*").contains("no wildcards"));
        for text in ["github/acme", "github/a b/c:pull_request", "github/acme@1/shop:pull_request", "github/acme@x/shop@1:pull_request"] {
            assert!(wrong(text).contains("ORG/REPO"), "{text}");
        }
        for text in ["github/acme/shop:ref:", "github/acme/shop:ref:a b", "github/acme/shop:environment:", "github/acme/shop:environment: "]
        {
            wrong(text);
        }
    }

    #[test]
    fn a_service_account_has_the_issuer_of_its_cluster() {
        let account = of("serviceaccount/shop/web");
        assert_eq!((account.subject().as_str(), account.issuer(), account.word()), ("system:serviceaccount:shop:web", None, None));
        assert!(account.with_issuer(Some("https://x/")).unwrap_err().contains("issuer=https://x/,subject=system:serviceaccount:shop:web"));
        for text in ["serviceaccount/shop", "serviceaccount/Shop/web", "serviceaccount/shop/a/b"] {
            wrong(text);
        }
    }

    #[test]
    fn azure_devops_needs_the_guid_of_its_organization() {
        let connection = of("azure-devops/acme/My Shop/azure/prod");
        assert_eq!(connection.subject(), "sc://acme/My Shop/azure/prod");
        let (reason, way_out) = connection.lacks_issuer().unwrap();
        assert!(reason.contains("azure/prod") && way_out.contains("az devops service-endpoint list"), "{way_out}");
        let own = format!("https://vstoken.dev.azure.com/{GUID}");
        let with = connection.clone().with_issuer(Some(&own)).unwrap();
        assert_eq!((with.issuer(), with.lacks_issuer()), (Some(own.as_str()), None));
        assert_eq!(of(&format!("issuer={own},subject={}", with.subject())), with);
        let entra = format!("https://login.microsoftonline.com/{GUID}/v2.0");
        assert!(connection.clone().with_issuer(Some(&entra)).unwrap_err().contains(&format!("--to issuer={entra},subject=SUBJECT")));
        assert!(connection.with_issuer(Some("https://vstoken.dev.azure.com/acme")).unwrap_err().contains("GUID of the organization"));
        wrong("azure-devops/acme/shop");
        wrong("azure-devops/acme//shop");
    }

    #[test]
    fn any_issuer_is_kept_with_its_slash_and_has_to_be_https() {
        let FederatedSubject::Other { issuer, subject } = of("issuer=https://Gitlab.example.com/,subject=project_path:a/b,ref:main") else {
            panic!("another form")
        };
        assert_eq!((issuer.as_str(), subject.as_str()), ("https://Gitlab.example.com/", "project_path:a/b,ref:main"));
        let long = "x".repeat(601);
        for text in [
            "issuer=http://x/,subject=a".to_owned(),
            "issuer=https://,subject=a".into(),
            "issuer=https://x y/,subject=a".into(),
            "issuer=https://x/,subject=".into(),
            "issuer=https://x/,subject=a ".into(),
            "issuer=https://x/".into(),
            "subject=a".into(),
            format!("issuer=https://{long},subject=a"),
            format!("issuer=https://x/,subject={long}"),
            format!("github/acme/shop:environment:{long}"),
        ] {
            wrong(&text);
        }
        let word = |text: &str| of(text).word().unwrap();
        assert_ne!(word("issuer=https://x/,subject=a"), word("issuer=https://x,subject=a"));
        assert_ne!(word("issuer=https://x/,subject=a"), word("issuer=https://x/,subject=A"));
        assert!(names::key(&format!("federation/web/{}", word("issuer=https://x/,subject=sc://a"))).is_ok());
    }

    #[test]
    fn an_enterprise_of_github_can_have_its_own_issuer() {
        let own = "https://token.actions.githubusercontent.com/acme";
        let with = of("github/acme/shop:ref:main").with_issuer(Some(own)).unwrap();
        assert_eq!((with.issuer(), with.subject().as_str()), (Some(own), "repo:acme/shop:ref:refs/heads/main"));
        assert_eq!(of("github/acme/shop:ref:main").with_issuer(Some(GITHUB)).unwrap(), of("github/acme/shop:ref:main"));
    }
}
