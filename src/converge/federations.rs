//! What a plan with federated credentials must say before anything is written: that an identity would have too many of them, that a
//! credential to be removed is not podid's, and which subjects GitHub may write otherwise.

use super::goal::Goal;
use crate::{
    azure::ArmId,
    chain::remarks::{Planned, Remarks, wanted},
    engine::{
        desired::{Intent, Node},
        key::Key,
        plan::{Act, Refusal, Warning},
        resource::Kind as _,
    },
    resources::{
        cluster::{self, Cluster},
        federation::{self, Federation, over_the_limit},
        identity,
        kind::Resource as _,
    },
    spec::{
        reference::FederatedSubject,
        request::{Credential, Request},
    },
};
use serde::Deserialize as _;
use std::{collections::BTreeMap, sync::Arc};

fn refusal(key: &Key, (reason, way_out): (String, String)) -> Refusal {
    Refusal { key: key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) }
}

/// Of a plan that creates credentials.
pub(super) async fn remarks(goal: &Goal, planned: &Planned<'_>) -> Remarks {
    let created: Vec<&Node> = wanted(planned.desired, Federation::KIND)
        .filter(|node| planned.plan.action(&node.key).is_some_and(|action| action.act == Act::Create))
        .collect();
    let warnings = created.first().and_then(|node| names_only(goal, &node.key)).into_iter().collect();
    let mut refused = limits(planned, &created).await;
    refused.extend(created.iter().filter_map(|node| no_issuer(planned, node)));
    Remarks { refused, warnings }
}

/// The cluster is there, nothing in this plan changes it, and it publishes no issuer.
fn no_issuer(planned: &Planned<'_>, node: &Node) -> Option<Refusal> {
    let source = planned.placed::<Federation>(node)?.issuer.source()?;
    if source.kind() != Cluster::KIND || planned.plan.action(&source).is_some_and(|action| action.act.changes()) {
        return None;
    }
    planned.observed.seen.get(&source)?.as_ref()?;
    let way_out = Cluster::missing_output(&source, cluster::OIDC_ISSUER.0);
    let reason = format!("the cluster {} has no OIDC issuer, so no token of its service accounts can be exchanged", source.names());
    Some(Refusal { key: node.key.clone(), reason, changes: Vec::new(), way_out })
}

/// Identities that cannot have all credentials that this plan creates.
async fn limits(planned: &Planned<'_>, created: &[&Node]) -> Vec<Refusal> {
    let mut more: BTreeMap<Key, (Key, usize)> = BTreeMap::new();
    for node in created {
        if let Some(federation) = planned.placed::<Federation>(node) {
            more.entry(federation.identity_key).or_insert_with(|| (node.key.clone(), 0)).1 += 1;
        }
    }
    let mut refused = Vec::new();
    for (identity, (key, more)) in more {
        let id = planned.observed.known.get(&identity).and_then(|known| known.get(identity::ID.0)?.as_str());
        let there = match id.and_then(ArmId::parse) {
            // it was listed for the plan, and is not asked for again
            Some(id) => planned.reader.azure.federated_credentials(&id).await.ok().flatten().unwrap_or_default(),
            None => Arc::default(),
        };
        refused.extend(over_the_limit(identity.names(), &there, more).map(|why| refusal(&key, why)));
    }
    refused
}

/// GitHub does not tell podid how a repository's subjects begin.
fn names_only(goal: &Goal, key: &Key) -> Option<Warning> {
    let Goal::Request { request: Request::Federate(wanted), remove: false } = goal else { return None };
    let Credential::For(FederatedSubject::GitHub { repository, .. }) = &wanted.credential else { return None };
    if repository.ids.is_some() {
        return None;
    }
    let (owner, name) = (&repository.owner, &repository.name);
    Some(Warning {
        key: key.clone(),
        text: format!(
            "the subject names {owner}/{name} without ids; GitHub writes them for repositories that were created or renamed since July 15, 2026, and then no token matches"
        ),
        hint: Some(format!(
            "Compare it with the begin that GitHub shows: `gh api repos/{owner}/{name}/actions/oidc/customization/sub`. With ids, use `--to github/{owner}@ID/{name}@ID:...`."
        )),
    })
}

/// Of a removal of a credential that podid did not create.
pub(super) fn not_ours(goal: &Goal, planned: &Planned<'_>) -> Vec<Refusal> {
    let Goal::Request { request: Request::Federate(_), remove: true } = goal else { return Vec::new() };
    let absent = planned.desired.nodes.values().filter(|node| node.kind == Federation::KIND && node.intent == Intent::Absent);
    absent.filter_map(|node| foreign(planned, node)).collect()
}

fn foreign(planned: &Planned<'_>, node: &Node) -> Option<Refusal> {
    let seen = planned.observed.seen.get(&node.key)?.as_ref()?;
    let action = planned.plan.action(&node.key);
    if action.is_some_and(|action| action.act != Act::Keep) {
        return None;
    }
    let name = federation::Actual::deserialize(&*seen.actual).ok()?.credential.name;
    let federation = planned.placed::<Federation>(node)?;
    let identity = federation.identity_key.names().to_owned();
    let why = match federation::app_of(&name) {
        Some(app) if app == planned.desired.app => return None,
        Some(app) => (
            format!("the federated credential {name} of {identity} belongs to the app {app}"),
            format!("Remove it as that app: add `--app {app}`."),
        ),
        None => (
            format!("podid did not create the federated credential {name} of {identity}"),
            format!(
                "Remove it all the same with `--adopt`, or with `az identity federated-credential delete -g GROUP --identity-name {identity} -n {name}`."
            ),
        ),
    };
    Some(refusal(&node.key, why))
}
