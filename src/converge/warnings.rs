//! What a plan should say although nothing stands in its way: modes, components and deliveries know it.

use super::{federations, goal::Goal, sharing};
use crate::{
    chain::remarks::{Lists, Planned, Remarks},
    components, deliveries,
    engine::{desired::Desired, ledger::Ledger, plan::Plan},
    modes,
    resources::Reader,
};

/// Whether the goal is one that makes things, or tells how they are.
fn applies(goal: &Goal) -> bool {
    goal.makes() || matches!(goal, Goal::Plan { .. } | Goal::Status)
}

/// Asks the clusters for what the modes will need while everything else is looked at.
pub(super) async fn prepare(goal: &Goal, desired: &Desired, ledger: &Ledger, reader: &Reader) -> Lists {
    let mut lists = Lists::default();
    if !applies(goal) {
        return lists;
    }
    let known = ledger.known(&desired.app);
    for ahead in modes::all().flat_map(|mode| mode.lists(desired, &known)) {
        if let Ok(cluster) = reader.cluster(&ahead.target).await {
            lists.of(&cluster, &ahead).await;
        }
    }
    lists
}

/// What is to be said of a plan.
pub(super) async fn find(goal: &Goal, planned: &Planned<'_>, ledger: &Ledger, mut lists: Lists) -> Remarks {
    let mut all = Remarks { refused: federations::not_ours(goal, planned), warnings: components::kept::warnings(planned) };
    all.warnings.extend(modes::all().flat_map(|mode| mode.leftovers(planned)));
    if !applies(goal) {
        return all;
    }
    for mode in modes::all() {
        all.add(mode.remarks(planned, &mut lists).await);
    }
    for component in components::all() {
        all.add(component.remarks(planned).await);
    }
    for delivery in deliveries::all() {
        all.add(delivery.remarks(planned).await);
    }
    all.add(federations::remarks(goal, planned).await);
    all.warnings.extend(sharing::warnings(planned, ledger, &mut lists).await);
    all
}

pub(super) fn add(plan: &mut Plan, remarks: Remarks) {
    // what cannot be made as it is needs no decision of its own about this
    let refused = remarks.refused.into_iter().filter(|r| !plan.refused.iter().any(|other| other.key == r.key));
    let refused: Vec<_> = refused.collect();
    plan.refused.extend(refused);
    plan.warnings.extend(remarks.warnings);
}
