//! What the Kubernetes kinds share when they write: server-side apply as podid's field manager, deletion, and handing over to another app.

use super::{
    compare::changes,
    conflict::{self, Conflict},
    manifest::{Actual, Outlook, Place, Preview, Terms, manifest, outlook},
    takeover::{self, Takeover},
    world::Writer,
};
use crate::{
    cluster,
    engine::{fault::Fault, ledger::Origin, resource::NodeContext},
};
use serde_json::Value;

/// Creates or updates an object, after the fields of earlier client-side applies were taken over.
pub async fn put(
    place: &Place,
    context: NodeContext<'_>,
    before: Option<&Actual>,
    writer: &Writer,
    wanted: Value,
) -> Result<Actual, Fault> {
    let cluster = writer.cluster(&place.target).await?;
    if before.is_some_and(|b| b.terminating) {
        cluster.delete(&place.at, None, None).await.map_err(Fault::cloud)?;
    }
    let terms = Terms { adopt: writer.adopt, force_conflicts: writer.force_conflicts, mine: context.ours == Some(true), local: false };
    let mut taken = before.and_then(|b| b.taken.clone());
    if before.is_some_and(|b| matches!(b.preview, Preview::Unknown { .. })) {
        // now that all is known, the server says whether there is anything to change at all
        let read = writer.clusters.reader(&place.target).await?;
        if let Some(live) = read.get(&place.at).await.map_err(Fault::cloud)? {
            match outlook(&read, place, &live, &wanted, terms).await? {
                Outlook::Would { object, taken: None } if changes(&live, &object).is_empty() => return Ok(Actual::of(&live)),
                Outlook::Would { taken: found, .. } => taken = found,
                Outlook::Conflicts(conflicts) => return Err(conflict::fault(&conflicts, terms.mine)),
            }
        }
    }
    if let Some(taken) = taken {
        take(&cluster, place, taken).await?;
    }
    match cluster.apply(&place.at, &wanted, terms.force()).await {
        // somebody was quicker between plan and write
        Err(cluster::Error::Conflicts(fields)) => {
            let live = writer.clusters.reader(&place.target).await?.get(&place.at).await.map_err(Fault::cloud)?.unwrap_or_default();
            Err(conflict::fault(&Conflict::all(fields, &live, &wanted), terms.mine))
        }
        applied => Ok(Actual::of(&applied.map_err(Fault::cloud)?)),
    }
}

/// How often somebody else may come in between.
const TRIES: usize = 5;

async fn take(cluster: &cluster::Write, place: &Place, mut taken: Takeover) -> Result<(), Fault> {
    for _ in 1..TRIES {
        match cluster.patch(&place.at, &taken.steps()).await {
            Err(cluster::Error::Changed { .. }) => {}
            other => return other.map(drop).map_err(Fault::cloud),
        }
        let live = cluster.get(&place.at).await.map_err(Fault::cloud)?;
        match live.and_then(|live| takeover::of(&live, place.managers())) {
            Some(again) => taken = again,
            None => return Ok(()),
        }
    }
    cluster.patch(&place.at, &taken.steps()).await.map(drop).map_err(Fault::cloud)
}

/// Deletes an object and waits until it does not exist any more. If podid only extended somebody else's object, removes just podid's fields.
pub async fn remove(place: &Place, context: NodeContext<'_>, before: &Actual, writer: &Writer) -> Result<(), Fault> {
    let cluster = writer.cluster(&place.target).await?;
    if place.shared && (context.origin == Some(Origin::Extended) || is_of_the_cluster(place)) {
        let bare = manifest(&place.at, context.app, false, &[], None);
        return cluster.apply(&place.at, &bare, false).await.map(drop).map_err(Fault::cloud);
    }
    cluster.delete(&place.at, Some(&before.uid), None).await.map_err(Fault::cloud)
}

/// Returns whether it is a namespace that every cluster has: the API server refuses its deletion, or the cluster does not survive it.
pub fn is_of_the_cluster(place: &Place) -> bool {
    is_in_every_cluster(&place.at.name) && place.at == super::manifest::namespace_at(&place.at.name)
}

/// Returns whether every cluster has a namespace of this name.
pub fn is_in_every_cluster(namespace: &str) -> bool {
    ["default", "kube-system", "kube-public", "kube-node-lease"].contains(&namespace)
}

/// Gives an object the labels of the app that owns it from now on. Where the server rejects that, the other app's next run writes them.
pub async fn hand_over(place: &Place, writer: &Writer, wanted: &Value) -> Result<(), Fault> {
    let cluster = writer.cluster(&place.target).await?;
    match cluster.apply(&place.at, wanted, false).await {
        Ok(_) | Err(cluster::Error::Conflicts(_) | cluster::Error::Forbidden { .. }) => Ok(()),
        Err(error) => Err(Fault::cloud(error)),
    }
}
