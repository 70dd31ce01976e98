//! The helm commands that change a release.

use super::{
    super::world::Writer,
    model::{Actual, HelmRelease, failed},
    values,
};
use crate::{engine::fault::Fault, helm};
use secrecy::SecretString;
use std::{collections::BTreeMap, ffi::OsString};

pub(super) struct Helm<'a> {
    pub release: &'a HelmRelease,
    pub writer: &'a Writer,
    pub kubeconfig: SecretString,
}

/// The revision to which an interrupted upgrade goes back. None: the release was never deployed, or is on its way out.
pub(super) fn way_back(actual: &Actual) -> Option<u64> {
    actual.deployed.filter(|deployed| actual.status != "uninstalling" && *deployed < actual.revision)
}

/// The command that a person would type.
pub(super) fn line(release: &HelmRelease) -> String {
    let HelmRelease { name, namespace, chart, .. } = release;
    let repository = chart.repository.as_ref().map(|repository| format!(" --repo {repository}")).unwrap_or_default();
    let version = chart.version.as_ref().map(|version| format!(" --version {version}")).unwrap_or_default();
    format!("helm upgrade --install {name} {}{repository}{version} -n {namespace} --create-namespace --wait -f values.yaml", chart.name)
}

impl Helm<'_> {
    /// Installs or upgrades the release. `marks`: those of the app whose release it is.
    pub(super) async fn upgrade(&self, marks: Option<&BTreeMap<String, String>>, dry_run: bool) -> Result<(), Fault> {
        let chart = &self.release.chart;
        let mut arguments = vec!["--values".into(), "-".into()];
        let mut flag = |name: &str, value: &str| arguments.extend([OsString::from(name), value.into()]);
        let address = chart.repository.as_deref().or_else(|| chart.path().is_none().then_some(chart.name.as_str()));
        let name = match &chart.repository {
            _ if address.is_some_and(has_login) => {
                return Err(Fault::refused(
                    format!(
                        "the address of the chart repository of {} holds a password, which other users of this machine could see",
                        chart.name
                    ),
                    "Leave it out, and log in with `helm repo add NAME URL --username USER` or `helm registry login`; then name the chart by its path after `helm pull`.",
                ));
            }
            Some(registry) if registry.starts_with("oci://") => format!("{}/{}", registry.trim_end_matches('/'), chart.name),
            Some(repository) => {
                flag("--repo", repository);
                chart.name.clone()
            }
            None => chart.name.clone(),
        };
        // a chart on this machine has just the one version
        if let Some(version) = chart.version.as_ref().filter(|_| chart.path().is_none()) {
            flag("--version", version);
        }
        if let Some(marks) = marks {
            let labels: Vec<String> = marks.iter().map(|(name, value)| format!("{name}={value}")).collect();
            flag("--labels", &labels.join(","));
        }
        if dry_run {
            arguments.push("--dry-run=server".into());
        } else {
            arguments.push("--wait".into());
        }
        arguments.extend(["--install", "--create-namespace", "--timeout"].map(OsString::from));
        arguments.push(self.timeout());
        let action = format!("install the chart {} as release {}", chart.name, self.release.name);
        self.run("upgrade", arguments, &[&name], Some(self.release.values.to_string()), action).await
    }

    /// Takes away what an interrupted helm left, as helm's own message advises: while a release is pending, it refuses any other change.
    pub(super) async fn heal(&self, before: &Actual) -> Result<(), Fault> {
        let name = &self.release.name;
        match way_back(before) {
            Some(revision) => {
                let action = format!("roll the release {name} back to revision {revision}");
                self.run("rollback", Vec::new(), &[&revision.to_string()], None, action).await
            }
            None => self.uninstall().await,
        }
    }

    pub(super) async fn uninstall(&self) -> Result<(), Fault> {
        let arguments = vec!["--wait".into(), "--timeout".into(), self.timeout()];
        self.run("uninstall", arguments, &[], None, format!("uninstall the release {}", self.release.name)).await
    }

    fn timeout(&self) -> OsString {
        format!("{}s", self.writer.limit.as_secs().max(1)).into()
    }

    /// `words`: what follows the name of the release.
    async fn run(&self, command: &str, flags: Vec<OsString>, words: &[&str], values: Option<String>, action: String) -> Result<(), Fault> {
        let mut arguments: Vec<OsString> = vec![command.into(), "--namespace".into(), self.release.namespace.clone().into()];
        arguments.extend(flags);
        (self.writer.on_wait)(format!("waiting for helm to {action}"));
        let call = helm::Call {
            action,
            arguments,
            words: std::iter::once(self.release.name.as_str()).chain(words.iter().copied()).map(OsString::from).collect(),
            kubeconfig: &self.kubeconfig,
            values,
            secrets: values::secrets(&self.release.values),
            limit: self.writer.limit,
        };
        self.writer.clusters.helm().run(call).await.map_err(failed)
    }
}

/// Whether an address holds a user name or a password.
fn has_login(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}
