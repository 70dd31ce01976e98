//! What must run in a cluster before a plan may bind pods there: the webhook of Workload ID.

use super::names::COMPONENT;
use crate::{
    chain::remarks::{Planned, wanted},
    engine::plan::Refusal,
    resources::{
        component,
        manifested::Manifested as _,
        running::{Sign, running},
        service_account::ServiceAccount,
    },
};
use std::collections::BTreeSet;

/// Clusters of service accounts that this plan binds, in which nothing gives pods their tokens. A login that may not look learns nothing.
pub async fn missing(planned: &Planned<'_>) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let mut seen = BTreeSet::new();
    for node in wanted(planned.desired, ServiceAccount::KIND) {
        let changes = planned.plan.action(&node.key).is_some_and(|action| action.act.changes());
        let Some(account) = planned.placed::<ServiceAccount>(node).filter(|_| changes) else { continue };
        let target = account.target;
        let comes = planned.desired.nodes.contains_key(&component::key(&target.name, COMPONENT));
        if comes || !seen.insert(target.name.clone()) {
            continue;
        }
        let Ok(cluster) = planned.reader.cluster(&target).await else { continue };
        let sign = Sign::new("webhook", &["workload-identity/webhook"]);
        if !running(&cluster, &[sign]).await.is_ok_and(|found| found.is_empty()) {
            continue;
        }
        // on AKS it is a setting of the cluster, elsewhere a chart
        let install = planned.commands.podid(&["cluster", "install", COMPONENT, "--cluster", &target.name]);
        let way_out = format!("Install it: {install}, or `components: [{COMPONENT}]` of `cluster` in the spec.");
        refused.push(Refusal {
            key: node.key.clone(),
            reason: format!("the webhook of Workload ID does not run in the cluster {}: pods would get no token", target.name),
            changes: Vec::new(),
            way_out: Some(way_out),
        });
    }
    refused
}
