//! What an existing workload of somebody else gets so that its pods are bound and get their secrets: labels, volumes, mounts and variables, by
//! server-side apply with nothing but these fields. The object itself is never podid's: it is not created, and only podid's fields are removed.

use super::{
    access::{Access, Named, READ, Reach, Right},
    apply, conflict,
    kind::Resource,
    manifest::{self, Place, Preview, Rendered, Terms},
    ownership,
    pod_patch::PodPatch,
    readiness::{self, State},
    workload::{Collision, WorkloadKind, collisions, is_extended, keeper},
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::engine::{
    desired::Intent,
    fault::Fault,
    input::{DependsOn, Outputs},
    key::Key,
    ledger::Origin,
    resource::{Change, Diff, Kind, NodeContext, Owner, Side},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wiring {
    pub target: ClusterTarget,
    pub workload: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// The container that gets mounts and variables; None: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    pub patch: PodPatch,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    object: manifest::Actual,
    /// What stands in the way, and the way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<(String, String)>,
    /// podid has applied fields of it.
    extended: bool,
    /// Who may take out what is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keeper: Option<String>,
    /// Its rollout was done after podid extended it, or is done now.
    ready: bool,
}

const LESS_EXACT: &str = "the reason why a workload does not become ready is less exact";
/// Published once the rollout was done: a run that was killed before waits in the next one.
const READY: &str = "ready";

pub fn key(cluster: &str, workload: WorkloadKind, namespace: &str, name: &str) -> Key {
    Key::of("wiring", [cluster, workload.word(), namespace, name])
}

impl Wiring {
    fn at(&self) -> Place {
        let at = manifest::at(&self.workload.api(), Some(&self.namespace), &self.name);
        Place { target: self.target.clone(), at, shared: true }
    }

    /// `deployment shop/web`
    fn shown(&self) -> String {
        format!("{} {}/{}", self.workload.word(), self.namespace, self.name)
    }

    fn containers(&self, live: &Value) -> Vec<String> {
        let all = self.workload.containers(live);
        match &self.container {
            Some(one) => all.into_iter().filter(|name| name == one).collect(),
            None => all,
        }
    }

    fn wanted(&self, live: &Value) -> Value {
        self.workload.manifest(&self.namespace, &self.name, &self.patch, &self.containers(live))
    }

    /// The command that prints what would be added.
    fn patch_command(&self) -> String {
        format!("podid app wire {}/{} -n {} --patch kustomize", self.workload.word(), self.name, self.namespace)
    }

    fn missing(&self) -> (String, String) {
        let (reason, shown) = (self.not_found().0, &self.namespace);
        let way = format!(
            "Deploy it first, or let podid do it: `podid app deploy {} -n {shown} --image IMAGE`. See what there is: `kubectl get {}s -n {shown}`.",
            self.name,
            self.workload.word()
        );
        (reason, way)
    }

    /// What keeps podid from extending this object.
    fn problem(&self, live: &Value) -> Option<(String, String)> {
        let shown = self.shown();
        if self.workload == WorkloadKind::Job {
            let way = format!(
                "Delete the Job and create it again with these fields, which `{}` prints; or wire the CronJob that makes it.",
                self.patch_command()
            );
            return Some((format!("the {shown} cannot be changed: the pod template of a Job is immutable"), way));
        }
        if ownership::marked_by_any(&manifest::labels(live)) {
            let way = "Change it with `podid app deploy`, or with `app:` of its workload in the spec.".to_owned();
            return Some((format!("the {shown} was deployed by podid, which gives it all that it needs"), way));
        }
        let containers = self.containers(live);
        if let (Some(container), true) = (&self.container, containers.is_empty()) {
            let way = format!("Its containers are: {}.", self.workload.containers(live).join(", "));
            return Some((format!("the {shown} has no container {container}"), way));
        }
        let found = collisions(self.workload, live, &self.patch, &containers);
        let first = found.first()?;
        let each: Vec<String> = found.iter().map(Collision::to_string).collect();
        let way = format!(
            "Rename {} in its manifest, or add what podid needs by hand under another name: `{}` prints it.",
            first.what,
            self.patch_command()
        );
        Some((format!("the {shown} has something else already: {}", each.join(", ")), way))
    }
}

impl Kind<Cloud> for Wiring {
    const KIND: &'static str = "wiring";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(format!("{}/{}", self.workload.word(), self.at().text()))
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let place = self.at();
        let cluster = reader.cluster(&self.target).await?;
        let found = cluster.get(&place.at).await.map_err(Fault::cloud)?;
        let wants = context.intent == Intent::Present;
        let Some(live) = found else {
            let nothing = manifest::Actual::of(&Value::Null);
            let problem = Some(self.missing());
            return Ok(wants.then_some(Actual { object: nothing, problem, extended: false, keeper: None, ready: false }));
        };
        let mut actual = Actual {
            object: manifest::Actual::of(&live),
            problem: wants.then(|| self.problem(&live)).flatten(),
            extended: is_extended(&live),
            keeper: keeper(&live),
            ready: context.recorded.get(READY).and_then(Value::as_bool).unwrap_or_default() || readiness::state(&live) == State::Ready,
        };
        if wants && actual.problem.is_none() {
            let terms = Terms { adopt: reader.adopt, force_conflicts: reader.force_conflicts, mine: false, local: reader.only_reads };
            actual.object.preview = match manifest::outlook(&cluster, &place, &live, &self.wanted(&live), terms).await? {
                manifest::Outlook::Conflicts(conflicts) => Preview::Conflicts(conflicts),
                manifest::Outlook::Would { object, .. } => {
                    let (live, would) = (manifest::shown(&live), manifest::shown(&object));
                    if live == would { Preview::Same } else { Preview::Changed { live, would } }
                }
            };
        }
        Ok(Some(actual))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let extended = context.origin == Some(Origin::Extended);
        if let Some((reason, way_out)) = &actual.problem {
            return Diff::Refuse { reason: reason.clone(), way_out: way_out.clone() };
        }
        if let Preview::Conflicts(conflicts) = &actual.object.preview {
            return Diff::Refuse { reason: conflict::reason(conflicts), way_out: conflict::way_out(extended) };
        }
        match manifest::diff(context, &actual.object, true) {
            // its own fields may change without asking
            Diff::Update(changes) if extended => Diff::Extend(changes),
            Diff::Same if extended && !actual.ready => {
                Diff::Extend(vec![Change { field: "status".into(), from: json!("not ready"), to: json!("ready") }])
            }
            // the state that recorded it was lost
            Diff::Same if context.origin.is_none() && actual.extended => Diff::Extend(Vec::new()),
            other => other,
        }
    }
    /// It has no marks: the object belongs to whoever made it.
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarked
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        manifest::same(recorded, &actual.object)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let mut outputs = manifest::publish(&actual.object);
        if actual.ready {
            outputs.insert(READY.into(), json!(true));
        }
        outputs
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let note = |keeper: &String| {
            format!(
                "warning: {keeper} keeps this object and may take out what podid adds: put it into the source instead, `{}` prints it",
                self.patch_command()
            )
        };
        let mut notes: Vec<String> = actual.keeper.iter().map(note).collect();
        if self.workload == WorkloadKind::CronJob {
            let (name, namespace) = (&self.name, &self.namespace);
            notes
                .push(format!("its next job gets them; run one now: `kubectl create job {name}-now --from=cronjob/{name} -n {namespace}`"));
        }
        notes
    }
    fn not_found(&self) -> (String, String) {
        let reason = format!("the {} does not exist in the cluster {}", self.shown(), self.target.name);
        (reason, "Deploy it first.".to_owned())
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let place = self.at();
        let reader = writer.clusters.reader(&self.target).await?;
        let Some(live) = reader.get(&place.at).await.map_err(Fault::cloud)? else {
            let (reason, way_out) = self.missing();
            return Err(Fault::refused(reason, way_out));
        };
        let before = before.map(|before| before.object);
        let object = apply::put(&place, context, before.as_ref(), writer, self.wanted(&live)).await?;
        if !writer.clusters.is_dry_run() {
            readiness::wait(&writer.cluster(&self.target).await?, &place.at, writer).await?;
        }
        Ok(Actual { object, problem: None, extended: true, keeper: None, ready: true })
    }
    /// Applies a manifest without these fields, which the server then removes unless others own them, too.
    async fn remove(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let place = self.at();
        let reader = writer.clusters.reader(&self.target).await?;
        match reader.get(&place.at).await.map_err(Fault::cloud)? {
            Some(_) => {
                let context = NodeContext { origin: Some(Origin::Extended), ..context };
                apply::remove(&place, context, &before.object, writer).await
            }
            None => Ok(()),
        }
    }
    fn commands(&self) -> Vec<String> {
        let (word, name, namespace) = (self.workload.word(), &self.name, &self.namespace);
        vec![format!("kubectl patch {word} {name} -n {namespace} --patch-file {name}.yaml # labels, volume, mounts, variables")]
    }
}

impl Resource for Wiring {
    fn own_access(&self, access: Access) -> Vec<Right> {
        let api = self.workload.api();
        let right = |group: &str, resource: &str, verbs| Right {
            group: group.to_owned().into(),
            resource: resource.to_owned().into(),
            ..Right::new("", "", verbs, Reach::Namespace(self.namespace.clone()))
        };
        let own = |verbs| right(&api.group, &api.plural, verbs).named(Named::These(vec![self.name.clone()]));
        match access {
            Access::Read | Access::Delete => vec![own(READ)],
            Access::Write => {
                let reasons = ["pods", "events"].map(|resource| right("", resource, &["list"]).optional(LESS_EXACT));
                std::iter::once(own(READ)).chain(reasons).collect()
            }
            Access::List | Access::Content => Vec::new(),
        }
    }
    async fn rendered(&self, _: &str, _: bool, reader: &Reader) -> Result<Option<Rendered>, Fault> {
        let place = self.at();
        let live = reader.cluster(&self.target).await?.get(&place.at).await.map_err(Fault::cloud)?;
        Ok(live.map(|live| Rendered { manifest: self.wanted(&live), place, unknown: None }))
    }
}
