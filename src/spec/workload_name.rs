//! How a command names a workload of a cluster.

use super::names::{dns_label, dns_subdomain};
use std::{fmt, str::FromStr};

/// `deployment/NAME`, `pod/NAME`, `serviceaccount/NAME`, or a name of the spec or the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadName {
    Object { kind: String, name: String },
    ServiceAccount(String),
    Plain(String),
}

/// The kinds with the short names that kubectl has for them.
const KINDS: &[(&str, &[&str])] = &[
    ("deployment", &["deployments", "deploy"]),
    ("statefulset", &["statefulsets", "sts"]),
    ("daemonset", &["daemonsets", "ds"]),
    ("replicaset", &["replicasets", "rs"]),
    ("job", &["jobs"]),
    ("cronjob", &["cronjobs", "cj"]),
    ("pod", &["pods", "po"]),
    (SERVICE_ACCOUNT, &["serviceaccounts", "sa"]),
];
const SERVICE_ACCOUNT: &str = "serviceaccount";

impl FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, name)) = text.split_once('/') else {
            dns_label(text)?;
            return Ok(Self::Plain(text.to_owned()));
        };
        let kind = kind.to_ascii_lowercase();
        let known = KINDS.iter().find(|(own, others)| *own == kind || others.contains(&kind.as_str())).map(|(own, _)| *own);
        let Some(known) = known else {
            let all: Vec<&str> = KINDS.iter().map(|(own, _)| *own).collect();
            return Err(format!("`{kind}` is not a kind of workload: write one of {}", all.join(", ")));
        };
        dns_subdomain(name)?;
        Ok(if known == SERVICE_ACCOUNT {
            Self::ServiceAccount(name.to_owned())
        } else {
            Self::Object { kind: known.to_owned(), name: name.to_owned() }
        })
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { kind, name } => write!(f, "{kind}/{name}"),
            Self::ServiceAccount(name) => write!(f, "{SERVICE_ACCOUNT}/{name}"),
            Self::Plain(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WorkloadName;

    #[test]
    fn a_workload_is_named_by_kind_and_name_or_by_its_name_in_the_spec() {
        let parsed = |text: &str| text.parse::<WorkloadName>().map(|name| name.to_string());
        assert_eq!(parsed("deploy/web").as_deref(), Ok("deployment/web"));
        assert_eq!(parsed("Pod/web-1").as_deref(), Ok("pod/web-1"));
        assert_eq!(parsed("sa/web").as_deref(), Ok("serviceaccount/web"));
        assert_eq!(parsed("web").as_deref(), Ok("web"));
        assert!(parsed("service/web").unwrap_err().contains("is not a kind of workload"));
        assert!(parsed("pod/Not Valid").is_err());
    }
}
