//! A release of a helm chart. It is looked at without helm, in the Secret in which helm stores it; changed and removed by the user's helm. Its
//! mark is a label that helm keeps with the release (`helm upgrade --labels`).

mod commands;
mod content;
mod model;
mod values;

use super::{
    access::{Access, Reach, Right},
    kind::Resource,
    ownership,
    world::{Cloud, Clusters, Reader, Writer},
};
use crate::{
    cluster::{self, Api, ObjectRef},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Outputs, unresolved},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
    helm::{self, ChartName, History, Release},
};
use commands::Helm;
use model::failed;
pub use model::{Actual, Chart, HelmRelease};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEPLOYED: &str = "deployed";
const VERSION: &str = "version";

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("helmrelease", [cluster, namespace, name])
}

pub(super) fn secrets() -> Api {
    Api::new("", "v1", "Secret", "secrets")
}

/// The app that has marked a release, which is named NAMESPACE/NAME. A login that may not read its Secret learns nothing, and neither does
/// anybody of a Secret that cannot be read: the kind itself reports that.
pub async fn app_of(cluster: &cluster::Read, release: &str) -> Result<Option<String>, cluster::Error> {
    let Some((namespace, name)) = release.split_once('/') else { return Ok(None) };
    let listed = match cluster.list(&secrets(), Some(namespace), Some(&helm::selector(name))).await {
        Err(cluster::Error::Forbidden { .. }) => return Ok(None),
        other => other?,
    };
    Ok(History::read(&listed).ok().flatten().and_then(|history| ownership::app(&history.latest.labels)))
}

impl HelmRelease {
    fn found(&self, history: History) -> Result<Actual, Fault> {
        let History { latest: Release { revision, status, labels, chart, version, config, .. }, secret, deployed } = history;
        let local = self.chart.path().map(ChartName::at).transpose().map_err(failed)?;
        let chart = ChartName { name: chart, version };
        Ok(Actual {
            revision,
            status,
            chart,
            labels,
            secret,
            deployed,
            local,
            values: values::changes(&config, &self.values),
            foreign: Vec::new(),
        })
    }

    /// The name and version that the chart should have, as far as they are known.
    fn wanted_chart<'a>(&'a self, actual: &'a Actual) -> (&'a str, Option<&'a str>) {
        match &actual.local {
            Some(local) => (&local.name, Some(local.version.as_str())),
            None => (self.chart.own_name(), self.chart.exact_version()),
        }
    }

    fn differences(&self, actual: &Actual, marks: Option<&BTreeMap<String, String>>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |field: &str, from: &str, to: &str| {
            if from != to {
                changes.push(Change { field: field.into(), from: json!(from), to: json!(to) });
            }
        };
        change("status", &actual.status, DEPLOYED);
        let (name, version) = self.wanted_chart(actual);
        change("chart", &actual.chart.name, name);
        if let Some(version) = version {
            change("chart.version", actual.chart.version.trim_start_matches('v'), version.trim_start_matches('v'));
        }
        for (name, value) in marks.into_iter().flatten() {
            change(&format!("labels.{name}"), actual.labels.get(name).map(String::as_str).unwrap_or_default(), value);
        }
        changes.extend(actual.values.iter().cloned());
        changes
    }

    /// Reads it past all caches.
    async fn read_again(&self, writer: &Writer) -> Result<Option<Actual>, Fault> {
        let cluster = writer.cluster(&self.target).await?;
        let listed =
            cluster.list(&secrets(), Some(&self.namespace), Some(&helm::selector(&self.name)), None).await.map_err(Fault::cloud)?;
        History::read(&listed).map_err(failed)?.map(|history| self.found(history)).transpose()
    }

    async fn helm<'a>(&'a self, writer: &'a Writer) -> Result<Helm<'a>, Fault> {
        Ok(Helm { release: self, writer, kubeconfig: writer.clusters.kubeconfig(&self.target).await? })
    }

    /// What it would be after an upgrade that was not done.
    fn rehearsed(&self, before: Option<Actual>) -> Actual {
        before.unwrap_or_else(|| Actual {
            revision: 0,
            status: DEPLOYED.into(),
            chart: ChartName { name: self.chart.name.clone(), version: self.chart.version.clone().unwrap_or_default() },
            labels: BTreeMap::new(),
            secret: String::new(),
            deployed: None,
            local: None,
            values: Vec::new(),
            foreign: Vec::new(),
        })
    }
}

impl Kind<Cloud> for HelmRelease {
    const KIND: &'static str = "helmrelease";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    /// One helm at a time: they share the folder in which helm keeps what it downloads.
    fn lane(&self) -> Option<String> {
        Some("helm".to_owned())
    }
    fn place(&self) -> Option<String> {
        Some(format!("{}/{}/{}", self.target.name.to_ascii_lowercase(), self.namespace, self.name))
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let cluster = reader.cluster(&self.target).await?;
        let listed = cluster.list(&secrets(), Some(&self.namespace), Some(&helm::selector(&self.name))).await.map_err(Fault::cloud)?;
        let Some(history) = History::read(&listed).map_err(failed)? else { return Ok(None) };
        let definitions = history.latest.definitions.clone();
        let mut actual = match context.intent {
            Intent::Present => self.found(history)?,
            _ => self.without_files().found(history)?,
        };
        if context.intent == Intent::Absent && context.mine(self.owner(context, &actual)) {
            actual.foreign = content::foreign(&cluster, context.app, self, &definitions).await?;
        }
        Ok(Some(actual))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let marks = context.mine(self.owner(context, actual)).then(|| ownership::marks(context.app));
        let changes = self.differences(actual, marks.as_ref());
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        ownership::owner(context.app, &actual.labels)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [
            ("chart".into(), json!(actual.chart.name)),
            (VERSION.into(), json!(actual.chart.version)),
            ("revision".into(), json!(actual.revision)),
        ]
        .into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let values = if values::is_nothing(&self.values) { Value::Null } else { values::shown(&self.values) };
        vec![("chart", json!(self.chart.shown())), ("values", values)]
    }
    fn plan_note(&self) -> Option<String> {
        Some(match &self.retired {
            Some(retired) => format!("by helm; the chart {} is {retired}", self.chart.name),
            None => "by helm".to_owned(),
        })
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        let at = format!("revision {} is {}", actual.revision, actual.status);
        match (actual.is_interrupted(), commands::way_back(actual)) {
            (false, _) => None,
            (true, Some(revision)) => Some(format!("{at}: an interrupted helm is rolled back to revision {revision} first")),
            (true, None) => Some(format!("{at}: what an interrupted helm left is uninstalled first")),
        }
    }
    fn way_out(&self, actual: &Actual) -> Option<String> {
        let Self { name, namespace, .. } = self;
        let heal = match commands::way_back(actual) {
            Some(revision) => format!("helm rollback {name} {revision} -n {namespace}"),
            None => format!("helm uninstall {name} -n {namespace}"),
        };
        actual.is_interrupted().then(|| {
            format!("Another helm may be at work: wait for it. If it was killed, run `{heal}`, or let podid do it with `--adopt`.")
        })
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        content::blocker(&actual.foreign)
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the helm release {} does not exist in namespace {} of the cluster {}", self.name, self.namespace, self.target.name),
            format!("Install it first; `helm list -n {}` shows those that there are.", self.namespace),
        )
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        // where it changes, the plan says so already
        let same = self.differences(actual, None).is_empty();
        self.retired.iter().filter(|_| same).map(|retired| format!("the chart {} is {retired}", actual.chart.name)).collect()
    }
    async fn put(&self, context: NodeContext<'_>, planned: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        if let Some(reference) = unresolved(&self.values) {
            return Err(Fault::Unresolved(reference.to_owned()));
        }
        let marks = (context.ours == Some(true)).then(|| ownership::marks(context.app));
        let before = self.read_again(writer).await?;
        if let Some(found) = &before {
            if planned.is_none() && self.owner(context, found) != Owner::Ours {
                return Err(Fault::refused(
                    format!("somebody else installed the release {} in namespace {} meanwhile", self.name, self.namespace),
                    "Run the same command again: the plan then says how it differs.",
                ));
            }
            // of a value that was unknown to the plan it is seen only now
            if self.differences(found, marks.as_ref()).is_empty() {
                return Ok(found.clone());
            }
        }
        let helm = self.helm(writer).await?;
        if writer.clusters.is_dry_run() {
            // what is under way refuses any other change, also a rehearsed one
            if !before.as_ref().is_some_and(Actual::is_interrupted) {
                helm.upgrade(marks.as_ref(), true).await?;
            }
            return Ok(self.rehearsed(before));
        }
        if let Some(before) = before.as_ref().filter(|before| before.is_interrupted()) {
            helm.heal(before).await?;
        }
        helm.upgrade(marks.as_ref(), false).await?;
        let after = self.read_again(writer).await?;
        after.ok_or_else(|| {
            Fault::refused(
                format!("helm installed the release {}, and its Secret is not in namespace {}", self.name, self.namespace),
                format!("Look where helm stored it: `helm list -n {} --all`.", self.namespace),
            )
        })
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        let helm = self.helm(writer).await?;
        match helm.uninstall().await {
            // somebody else was quicker
            Err(_) if self.is_gone(writer).await => Ok(()),
            ended => ended,
        }
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let at = ObjectRef { api: secrets(), namespace: Some(self.namespace.clone()), name: before.secret };
        let step = |(name, value): (String, String)| json!({ "op": "add", "path": format!("/metadata/labels/{name}"), "value": value });
        let steps: Vec<Value> = ownership::marks(context.app).into_iter().map(step).collect();
        writer.cluster(&self.target).await?.patch(&at, &json!(steps)).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![commands::line(self)]
    }
}

impl HelmRelease {
    /// The same, for when the chart's files do not matter and may not be there any more.
    fn without_files(&self) -> Self {
        Self { chart: Chart { repository: Some(String::new()), ..self.chart.clone() }, ..self.clone() }
    }

    async fn is_gone(&self, writer: &Writer) -> bool {
        matches!(self.without_files().read_again(writer).await, Ok(None))
    }
}

impl Resource for HelmRelease {
    /// Without a usable helm not even the release's namespace is made.
    async fn preflight(clusters: &Clusters) -> Result<(), Fault> {
        clusters.helm().check().await.map_err(failed)
    }
    /// Whose a release is, only its Secret tells.
    fn access(access: Access) -> Vec<Right> {
        let without = "helm releases that podid installed are not found again";
        let look = Right::new("", "secrets", &["list"], Reach::Everywhere).optional(without);
        if access == Access::List { vec![look] } else { Vec::new() }
    }
    /// What a chart holds, and with it what helm may do, is known to nobody before helm renders it.
    fn own_access(&self, access: Access) -> Vec<Right> {
        let within = || Reach::Namespace(self.namespace.clone());
        let look = Right::new("", "secrets", &["list"], within());
        let work = |without| Right::new("*", "*", &["*"], Reach::Everywhere).optional(without);
        match access {
            Access::Read => vec![look],
            Access::Write => vec![
                look,
                work(
                    "helm cannot install the chart: it needs the rights on all that the chart holds, in most cases those of cluster-admin",
                ),
            ],
            Access::Delete => vec![look, work("helm cannot uninstall the chart: it needs the rights on all that the chart holds")],
            Access::List | Access::Content => Vec::new(),
        }
    }
}
