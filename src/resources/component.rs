//! A component of a cluster that works: its programs are ready on the nodes, its definitions are established, its driver is registered,
//! its webhook answers. It comes after whatever installs it, and everything that uses it comes after it.

mod state;
mod users;
mod webhook;

use super::{
    access::{Access, Named, Reach, Right},
    kind::Resource,
    readiness::NotReady,
    running::{Running, Sign},
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    cluster::Api,
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use webhook::Shown;
pub use webhook::Webhook;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Component {
    pub target: ClusterTarget,
    pub name: String,
    pub works: Works,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

/// What a component has when it works.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Works {
    pub signs: Vec<Sign>,
    /// Names of its CustomResourceDefinitions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<String>,
    /// Names of further objects: a CSIDriver, a GatewayClass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Registered>,
    /// A pod that its webhook changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Objects that need it: while there are some of others, it stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Api>,
    /// Objects that its programs delete themselves, and that have to be gone before these go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drains: Option<Api>,
}

/// A cluster-scoped object that the component registers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    pub api: Api,
    pub name: String,
    /// A condition of its status that must be `True`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub running: Vec<Running>,
    /// What keeps it from working.
    pub lacks: Vec<String>,
    /// What others would miss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

pub const VERSION: &str = "version";

const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of("component", [cluster, name])
}

impl Component {
    /// What its webhook lacks. Where this login may not try it, that is told, and the component counts as working.
    async fn webhook_lacks(&self, writer: &Writer) -> Result<Vec<String>, Fault> {
        let Some(webhook) = &self.works.webhook else { return Ok(Vec::new()) };
        Ok(match webhook.ask(&writer.clusters, &self.target).await? {
            Shown::Works => Vec::new(),
            Shown::Lacks(why) => vec![why],
            Shown::Untried(why) => {
                (writer.on_wait)(format!("not checked: {why}"));
                Vec::new()
            }
        })
    }

    fn not_working(&self, lacks: Vec<String>, waited: Duration) -> Fault {
        let programs: Vec<&str> = self.works.signs.iter().map(|sign| sign.program.as_str()).collect();
        Fault::cloud(NotReady {
            what: format!("the component {} of the cluster {} does not work after {} s", self.name, self.target.name, waited.as_secs()),
            causes: lacks,
            hints: vec![
                format!("Look at its pods: `kubectl get pods -A | grep -E '{}'`.", programs.join("|")),
                "It stays installed: correct what keeps it from working, then run the same command again.".to_owned(),
            ],
        })
    }
}

impl Kind<Cloud> for Component {
    const KIND: &'static str = "component";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let cluster = reader.cluster(&self.target).await?;
        if context.intent == Intent::Absent {
            let (running, users) = futures::try_join!(
                super::running::running(&cluster, &self.works.signs),
                users::foreign(&cluster, &self.works.users, context.app)
            )
            .map_err(Fault::cloud)?;
            return Ok((!running.is_empty()).then_some(Actual { running, lacks: Vec::new(), users }));
        }
        let (running, lacks) = state::look(&cluster, &self.works).await.map_err(Fault::cloud)?;
        Ok((!running.is_empty()).then_some(Actual { running, lacks, users: Vec::new() }))
    }
    /// Only podid's own installation is waited for; of another one the plan tells what it lacks.
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        if actual.lacks.is_empty() || context.origin.is_none() || !context.mine(self.owner(context, actual)) {
            return Diff::Same;
        }
        Diff::Update(vec![Change { field: "status".into(), from: json!(actual.lacks.join("; ")), to: json!("works") }])
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let version = actual.running.first().map(Running::version);
        version.map(|version| (VERSION.into(), json!(version))).into_iter().collect()
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        actual.lacks.iter().map(|lack| format!("warning: {lack}")).collect()
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        let first = actual.users.first()?;
        let more = match actual.users.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("others use it: {first}{more}"))
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let begun = Instant::now();
        let mut pause = PAUSE;
        let mut told = None;
        loop {
            let cluster = writer.clusters.reader(&self.target).await?;
            let (running, lacks) = state::look(&cluster, &self.works).await.map_err(Fault::cloud)?;
            let lacks = match running.is_empty() {
                true => vec![format!("no workload of {} is in the cluster yet", self.name)],
                false if lacks.is_empty() => self.webhook_lacks(writer).await?,
                false => lacks,
            };
            if lacks.is_empty() || writer.clusters.is_dry_run() {
                return Ok(Actual { running, lacks, users: Vec::new() });
            }
            if begun.elapsed() + pause >= writer.limit {
                return Err(self.not_working(lacks, begun.elapsed()));
            }
            if told.as_ref() != Some(&lacks) {
                (writer.on_wait)(format!("waiting for {} to work: {}", self.name, lacks.join("; ")));
                told = Some(lacks);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    /// What its programs have to clean up is cleaned up before they go.
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        match &self.works.drains {
            Some(api) if !writer.clusters.is_dry_run() => users::drained(writer, &self.target, api, &self.name).await,
            _ => Ok(()),
        }
    }
    fn commands(&self) -> Vec<String> {
        let waits = |sign: &Sign| format!("kubectl get daemonsets,deployments -A | grep {}", sign.program);
        self.works.signs.iter().map(waits).collect()
    }
}

impl Resource for Component {
    fn own_access(&self, access: Access) -> Vec<Right> {
        let list = |group: &str, resource: &str| Right {
            group: group.to_owned().into(),
            resource: resource.to_owned().into(),
            ..Right::new("", "", &["list"], Reach::Everywhere)
        };
        let mut rights = vec![list("apps", "daemonsets"), list("apps", "deployments")];
        match access {
            Access::Read | Access::Write => {
                let get = |group: &str, resource: &str, name: &str| Right {
                    verbs: &["get"],
                    ..list(group, resource).named(Named::These(vec![name.to_owned()]))
                };
                let definitions = self.works.definitions.iter();
                rights.extend(definitions.map(|name| get("apiextensions.k8s.io", "customresourcedefinitions", name)));
                rights.extend(self.works.objects.iter().map(|one| get(&one.api.group, &one.api.plural, &one.name)));
                rights.extend([
                    list("", "nodes").optional("a component is not compared with the nodes that it should run on"),
                    list("", "pods").optional("the reason why a component is not ready on a node is not told"),
                ]);
                if let (Access::Write, Some(webhook)) = (access, &self.works.webhook) {
                    let within = Reach::Namespace(webhook.namespace().to_owned());
                    rights.push(Right::new("", "pods", &["create"], within).optional("the component's webhook is not tried"));
                }
            }
            Access::Delete => {
                rights.extend(self.works.users.iter().chain(&self.works.drains).map(|api| list(&api.group, &api.plural)));
            }
            Access::List | Access::Content => rights.clear(),
        }
        rights
    }
}
