//! Who installs a component in a cluster. It writes nothing itself: what podid installs depends on it and is only wanted where the
//! installation is podid's. A component that somebody else installed is used as it is, and two installations of one are refused.

use super::{
    access::{Access, Reach, Right},
    helm_release,
    kind::Resource,
    running::{self, Running, Sign, rivals, running},
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::engine::{
    fault::Fault,
    input::Outputs,
    key::Key,
    resource::{Diff, Kind, NodeContext, Owner, Side},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Installation {
    pub target: ClusterTarget,
    /// Name of the component.
    pub component: String,
    /// How podid installs it, as `--via` has it.
    pub via: String,
    /// Whether the user asked for this way, so that a component that was installed in another way is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Choices of the user that a plan may have to warn of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    pub signs: Vec<Sign>,
    /// What it takes the place of, in words: something that is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The cluster is not asked who has installed it: podid installs it through Azure, and a second installation is found by the next run
    /// that may look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// What was found; nothing yet where podid has only decided to install it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub running: Vec<Running>,
    /// The app whose helm release it is. Asked only where the state does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<String>,
}

/// The way to install that only asks Azure.
const ADDON: &str = "addon";
const HELM: &str = "helm";
/// How it was installed.
const VIA: &str = "via";

pub fn key(cluster: &str, component: &str) -> Key {
    Key::of("installation", [cluster, component])
}

impl Kind<Cloud> for Installation {
    const KIND: &'static str = "installation";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        if self.unasked {
            return Ok(None);
        }
        let cluster = reader.cluster(&self.target).await?;
        let running = running(&cluster, &self.signs).await.map_err(Fault::cloud)?;
        let release = running.iter().find_map(|one| match &one.installer {
            running::Installer::Helm { release, .. } => Some(release),
            _ => None,
        });
        let app = match release.filter(|_| context.origin.is_none() && self.via == HELM) {
            Some(release) => helm_release::app_of(&cluster, release).await.map_err(Fault::cloud)?,
            None => None,
        };
        Ok((!running.is_empty()).then_some(Actual { running, app }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let (cluster, component) = (&self.target.name, &self.component);
        if let Some((program, installers)) = rivals(&actual.running) {
            let shown: Vec<String> = installers.iter().map(ToString::to_string).collect();
            let ways: Vec<String> = installers.iter().map(|one| one.way_to_remove().replace("COMPONENT", component)).collect();
            return Diff::Refuse {
                reason: format!("{component} is installed twice in the cluster {cluster}: {program} by {}", shown.join(" and by ")),
                way_out: format!("Remove one of them: {}.", ways.join("; or ")),
            };
        }
        let recorded = context.recorded.get(VIA).and_then(Value::as_str);
        if context.mine(self.owner(context, actual)) {
            return match recorded.filter(|recorded| *recorded != self.via) {
                Some(recorded) => Diff::Refuse {
                    reason: format!("podid installed {component} via {recorded}, and `via: {}` would install a second one", self.via),
                    way_out: format!("Uninstall it first: `podid cluster uninstall {component}`; or write `via: {recorded}`."),
                },
                None => Diff::Same,
            };
        }
        let Some(installer) = actual.running.first().map(|one| &one.installer) else { return Diff::Same };
        if self.strict && installer.via() != Some(self.via.as_str()) {
            return Diff::Refuse {
                reason: format!("{component} is installed by {installer}, not via {}", self.via),
                way_out: format!(
                    "Leave out `via` to use what is there, or remove that one first: {}.",
                    installer.way_to_remove().replace("COMPONENT", component)
                ),
            };
        }
        Diff::Same
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        let marked = |one: &'_ Running| if let running::Installer::Podid(app) = &one.installer { Some(app.clone()) } else { None };
        let apps = || actual.running.iter().filter_map(marked).chain(actual.app.clone());
        match apps().find(|app| *app != context.app) {
            Some(other) => Owner::OtherApp(other),
            None if apps().next().is_some() => Owner::Ours,
            // an add-on and a chart carry no marks of podid's
            None => Owner::Unmarkable,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let first = actual.running.first();
        let via = first.map_or(Some(self.via.as_str()), |one| one.installer.via()).unwrap_or("unknown");
        let mut outputs: Outputs = [(VIA.into(), json!(via))].into();
        if let Some(one) = first {
            outputs.insert("by".into(), json!(one.installer.to_string()));
            outputs.insert("namespace".into(), json!(one.namespace));
            outputs.insert("version".into(), json!(one.version()));
        }
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("via", json!(self.via)), ("namespace", json!(self.namespace)), ("version", json!(self.version))]
    }
    fn plan_note(&self) -> Option<String> {
        self.replaces.as_ref().map(|retired| format!("takes the place of {retired}, which is retired"))
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let foreign = |one: &&Running| !matches!(one.installer, running::Installer::Podid(_));
        let Some(one) = actual.running.first().filter(foreign) else { return Vec::new() };
        vec![format!("installed by {}, {}", one.installer, one.version())]
    }
    async fn put(&self, _: NodeContext<'_>, before: Option<Actual>, _: &Writer) -> Result<Actual, Fault> {
        Ok(before.unwrap_or(Actual { running: Vec::new(), app: None }))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
}

impl Resource for Installation {
    /// An add-on is installed by Azure alone.
    fn without_looking(self) -> Option<Self> {
        (self.via == ADDON).then_some(Self { unasked: true, ..self })
    }
    /// Of what podid installed, workloads are looked for by their marks.
    fn access(access: Access) -> Vec<Right> {
        let list = |resource| Right::new("apps", resource, &["list"], Reach::Everywhere);
        if access == Access::List { vec![list("daemonsets"), list("deployments")] } else { Vec::new() }
    }
    fn own_access(&self, access: Access) -> Vec<Right> {
        let list = |resource| Right::new("apps", resource, &["list"], Reach::Everywhere);
        match access {
            Access::Read | Access::Write | Access::Delete => vec![list("daemonsets"), list("deployments")],
            Access::List | Access::Content => Vec::new(),
        }
    }
}
