//! A release as it is wanted, and as helm stored it.

use super::super::world::ClusterTarget;
use crate::{
    engine::{fault::Fault, input::DependsOn, resource::Change},
    helm::{self, ChartName},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
    /// A path, where the chart's files are on this machine.
    pub fn path(&self) -> Option<&str> {
        (self.repository.is_none() && !self.name.starts_with("oci://")).then_some(self.name.as_str())
    }

    /// `1.2.3`, and not a range of versions.
    pub fn exact_version(&self) -> Option<&str> {
        self.version.as_deref().map(|version| version.trim_start_matches('v')).filter(|version| {
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
