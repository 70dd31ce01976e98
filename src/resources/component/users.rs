//! Who uses a component: objects of others, which would lose it, and objects that its programs have to delete before they go.

use crate::{
    cluster::{self, Api},
    engine::{fault::Fault, resource::Owner},
    resources::{
        manifest::labels,
        ownership,
        readiness::NotReady,
        world::{ClusterTarget, Writer},
    },
};
use serde_json::Value;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(500);

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn shown(api: &Api, object: &Value) -> String {
    format!("{} {}/{}", api.kind, text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// The objects of these kinds that this app did not make.
pub(super) async fn foreign(cluster: &cluster::Read, kinds: &[Api], app: &str) -> Result<Vec<String>, cluster::Error> {
    let mut found = Vec::new();
    for api in kinds {
        let listed = match cluster.list(api, None, None).await {
            Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => continue,
            // what may not be seen may be there
            Err(cluster::Error::Forbidden { verb, resource, .. }) => {
                found.push(format!("{resource}, perhaps: this login may not {verb} {resource}"));
                continue;
            }
            listed => listed?,
        };
        let others = listed.iter().filter(|object| ownership::owner(app, &labels(object)) != Owner::Ours);
        found.extend(others.map(|object| shown(api, object)));
    }
    Ok(found)
}

/// Waits until no object of a kind is left. One whose finalizer nobody removes is told with the command that releases it.
pub(super) async fn drained(writer: &Writer, target: &ClusterTarget, api: &Api, component: &str) -> Result<(), Fault> {
    let begun = Instant::now();
    let mut told = usize::MAX;
    loop {
        let left = match writer.clusters.reader(target).await?.list(api, None, None).await {
            Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => return Ok(()),
            left => left.map_err(Fault::cloud)?,
        };
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() + PAUSE >= writer.limit {
            return Err(stuck(api, component, &left, begun.elapsed()));
        }
        if told != left.len() {
            told = left.len();
            let first = left.first().map(|object| shown(api, object)).unwrap_or_default();
            (writer.on_wait)(format!("waiting until {component} has removed {told} of its objects, such as {first}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn stuck(api: &Api, component: &str, left: &[Value], waited: Duration) -> Fault {
    let release = |object: &Value| {
        format!(
            "kubectl patch {} {} -n {} --type merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
            api.plural,
            text(object, "/metadata/name"),
            text(object, "/metadata/namespace")
        )
    };
    let identity = |object: &Value| text(object, "/spec/azureIdentityRef/spec/resourceID").to_owned();
    let causes = left.iter().map(|object| {
        let stays = Some(identity(object)).filter(|id| !id.is_empty());
        let stays = stays.map(|id| format!("; {id} stays on the nodes' scale set")).unwrap_or_default();
        let state = if object.pointer("/metadata/deletionTimestamp").is_some() { "is being deleted" } else { "is still used by its pod" };
        format!("{} {state}{stays}", shown(api, object))
    });
    let mut hints = vec!["Delete the pods that use them, and look whether MIC runs and may write to the scale set.".to_owned()];
    hints.extend(left.first().map(|object| {
        format!(
            "To release one without MIC: `{}`; then remove the identity from the scale set: `az vmss identity remove`.",
            release(object)
        )
    }));
    Fault::cloud(NotReady {
        what: format!("{component} was not uninstalled: {} of its objects were not removed in {} s", left.len(), waited.as_secs()),
        causes: causes.collect(),
        hints,
    })
}
