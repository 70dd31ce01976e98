//! A release as it is wanted, and as helm stored it.

use super::super::world::ClusterTarget;
use crate::{
    engine::{fault::Fault, input::DependsOn, resource::Change},
    helm::{self, ChartName},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const OCI: &str = "oci://";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HelmRelease {
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    pub chart: Chart,
    /// The values that differ from the chart's. They may hold references to what other resources publish, and no secrets: they get into the
    /// state.
    pub values: Value,
    /// What people must know of a chart that nobody maintains: "retired March 2026, no security patches".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// The address of a chart repository (`https://…`) or of a folder of a registry (`oci://…`). None: the name is a path, or a whole
    /// `oci://` reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The chart's name in its repository, or the path of its folder or archive.
    pub name: String,
    /// None: the latest one when it is installed, and any that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A release as helm stored it, compared with what is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Actual {
    pub revision: u64,
    pub status: String,
    pub chart: ChartName,
    pub labels: BTreeMap<String, String>,
    /// The Secret of the latest revision.
    pub secret: String,
    /// The latest revision that was deployed, to which an interrupted upgrade goes back.
    pub deployed: Option<u64>,
    /// Name and version of the wanted chart, where its files are on this machine.
    pub local: Option<ChartName>,
    /// How its values differ. They themselves are not kept: a foreign release may hold a secret there.
    pub values: Vec<Change>,
    /// What would be deleted with its definitions and is not podid's.
    pub foreign: Vec<String>,
}

impl Chart {
    /// A chart of a folder or an archive on this machine, or of a whole `oci://` reference. `version` is for a reference without a tag.
    pub fn of_user(name: &str, version: Option<&str>) -> Self {
        let version = version.filter(|_| name.starts_with(OCI)).map(str::to_owned);
        Self { repository: None, name: name.to_owned(), version }
    }

    /// A path, where the chart's files are on this machine.
    pub fn path(&self) -> Option<&str> {
        (self.repository.is_none() && !self.name.starts_with(OCI)).then_some(self.name.as_str())
    }

    /// Name and tag of a whole `oci://` reference: `oci://registry.example/charts/web:1.2.3@sha256:…`.
    fn reference(&self) -> (&str, Option<&str>) {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        let last = last.split_once('@').map_or(last, |(last, _)| last);
        match last.split_once(':') {
            Some((name, tag)) if self.name.starts_with(OCI) => (name, Some(tag)),
            _ => (last, None),
        }
    }

    /// What `Chart.yaml` calls it, where its files are not on this machine.
    pub fn own_name(&self) -> &str {
        self.reference().0
    }

    /// `1.2.3`, and not a range of versions.
    pub fn exact_version(&self) -> Option<&str> {
        self.reference().1.or(self.version.as_deref()).map(|version| version.trim_start_matches('v')).filter(|version| {
            let mut parts = version.splitn(3, '.');
            let number = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
            number(parts.next()) && number(parts.next()) && parts.next().is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }

    pub fn shown(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let from = self.repository.as_ref().map(|repository| format!(" from {repository}")).unwrap_or_default();
        format!("{}{version}{from}", self.name)
    }
}

impl Actual {
    /// helm was killed during its work, or is still at work.
    pub fn is_interrupted(&self) -> bool {
        self.status.starts_with("pending-") || self.status == "uninstalling"
    }
}

/// An error of helm; one that podid itself caused is no failure.
pub fn failed(error: helm::Error) -> Fault {
    match error {
        helm::Error::Interrupted => Fault::Interrupted,
        error => Fault::cloud(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_a_registry_has_its_name_and_its_version_in_its_reference() {
        let of = |name: &str, version| {
            let chart = Chart::of_user(name, version);
            (chart.own_name().to_owned(), chart.exact_version().map(str::to_owned), chart.path().is_some())
        };
        let exact = Some("1.2.3".to_owned());
        assert_eq!(of("oci://r.example:5000/charts/web", Some("1.2.3")), ("web".into(), exact.clone(), false));
        assert_eq!(of("oci://r.example/charts/web:1.2.3", None), ("web".into(), exact.clone(), false));
        assert_eq!(of("oci://r.example/charts/web:1.2.3@sha256:aa", None), ("web".into(), exact, false));
        assert_eq!(of("oci://r.example/charts/web", None), ("web".into(), None, false));
        assert_eq!(of("./charts/web", Some("1.2.3")), ("web".into(), None, true), "the files say their version");
    }
}
