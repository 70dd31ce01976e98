//! Everything up to the plan: observe, plan, warn. It writes nothing.

use super::{answers::event_sink, commands, failures::all_faults, goal::Goal, hints, inputs::Inputs, values, warnings};
use crate::{
    azure,
    chain::remarks::Planned,
    cli::{Format, Only},
    engine::{
        desired::{Desired, Intent, Node},
        event::Event,
        ledger::Ledger,
        observe::{Observed, observe},
        plan::{LeftOut, Plan},
        planner::{self, Consent},
        resource::Side,
    },
    failure::Failure,
    resources::{self, KINDS, Reader, values::Values},
    session::Session,
};
use std::{collections::BTreeSet, sync::Arc, time::Instant};

/// What was observed, and the plan that follows from it.
pub(crate) struct Looked {
    pub plan: Plan,
    pub observed: Observed,
    pub values: Arc<Values>,
    pub azure: azure::Read,
    /// The reader that was used; it remembers what it read.
    pub reader: Reader,
}

/// Observes and plans, for a plan that is only shown.
pub(crate) async fn look(session: &Session, goal: &Goal, inputs: &Inputs) -> Result<Looked, Failure> {
    let mut looked = look_with(session, goal, inputs, Arc::new(Values::default()), true).await?;
    hints::send(&mut looked.plan, &commands::reaches(session).await);
    Ok(looked)
}

/// Does the same and drops the objects that were read before the plan is made: those of a large app take much memory. `values` are those that
/// were given before.
pub(super) async fn look_and_forget(session: &Session, goal: &Goal, inputs: &Inputs, values: Arc<Values>) -> Result<Looked, Failure> {
    look_with(session, goal, inputs, values, false).await
}

async fn look_with(session: &Session, goal: &Goal, inputs: &Inputs, values: Arc<Values>, keep_objects: bool) -> Result<Looked, Failure> {
    let kept;
    let (desired, left_out) = match session.global.only {
        Some(only) => {
            let (rest, left_out) = keep_side(inputs.desired.clone(), &inputs.ledger, only)?;
            kept = rest;
            (&kept, left_out)
        }
        None => (&inputs.desired, LeftOut::default()),
    };
    if goal.makes() {
        values::give_stdin(session, desired, &values)?;
        if goal.sets().is_some() || !session.global.dry_run.is_on() {
            values::check(desired, &values)?;
        }
    }
    let azure = inputs.azure.clone();
    let global = &session.global;
    let reader = Reader::new(azure.clone(), session.clusters.clone(), Arc::clone(&values), resources::content())
        .consenting(global.adopt, global.force_conflicts)
        .knowing(resources::brought(&inputs.ledger, &desired.app));
    let recover = global.recover;
    let begun = Instant::now();
    let progress = event_sink(session);
    progress(Event::Observing { nodes: desired.nodes.len() });
    // a list that the warnings need is read at the same time
    let (observed, lists) =
        tokio::join!(observe(desired, &inputs.ledger, KINDS, &reader, recover), warnings::prepare(goal, desired, &inputs.ledger, &reader));
    let observed = match observed {
        Ok(observed) => observed,
        Err(faults) => return Err(all_faults(desired, &faults, &commands::reaches(session).await)),
    };
    progress(Event::Observed { took: begun.elapsed() });
    if !keep_objects {
        reader.forget().await;
    }
    let delete_data = global.delete_data.iter().cloned().collect();
    let consent = Consent { adopt: global.adopt, recover, delete_data, named: goal.data_to_delete(desired) };
    let mut plan = planner::plan(desired, &inputs.ledger, &observed, KINDS, &consent).map_err(|f| Failure::from(&f))?;
    plan.left_out = left_out;
    values::remark(&mut plan, goal.sets(), &values);
    let commands = commands::commands(session, inputs.spec_path.as_deref());
    let planned = Planned { desired, observed: &observed, plan: &plan, reader: &reader, commands: &commands };
    let remarks = warnings::find(goal, &planned, &inputs.ledger, lists).await;
    warnings::add(&mut plan, remarks);
    if global.output != Format::Table {
        // people read these on stderr before the first request
        plan.warnings.extend(session.clusters.warnings().await);
    }
    goal.check_removal(&plan)?;
    Ok(Looked { plan, observed, values, azure, reader })
}

/// Leaves out the other side, which is not observed: its outputs come from the state. Returns the rest, and what is left out.
fn keep_side(mut desired: Desired, ledger: &Ledger, only: Only) -> Result<(Desired, LeftOut), Failure> {
    let failed = |fault| Failure::from(&fault);
    let (side, flag) = match only {
        Only::Azure => (Side::Azure, "--only azure"),
        Only::Kubernetes => (Side::Kubernetes, "--only kubernetes"),
    };
    let mut other = Vec::new();
    for node in desired.nodes.values() {
        if KINDS.of(&node.kind).map_err(failed)?.side() != side {
            other.push(node.key.clone());
        }
    }
    let needed: BTreeSet<_> = desired.nodes.values().filter(|n| !other.contains(&n.key)).flat_map(Node::needs).collect();
    let mut left_out = LeftOut { flag, keys: Vec::new() };
    for key in other {
        // what is only read is not done by the other half either
        let is_done = desired.nodes.get(&key).is_some_and(|node| matches!(node.intent, Intent::Present | Intent::Absent));
        let Some(node) = desired.nodes.get_mut(&key).filter(|_| needed.contains(&key)) else {
            desired.nodes.remove(&key);
            left_out.keys.extend(is_done.then_some(key));
            continue;
        };
        let is_new = node.intent == Intent::Present && ledger.get(&desired.app, &key).is_none();
        let unlooked = || resources::of(&node.kind)?.without_looking(&node.spec);
        match if is_new { unlooked().map_err(failed)? } else { None } {
            Some(spec) => node.spec = Arc::new(spec),
            None => {
                node.intent = Intent::Assumed;
                left_out.keys.extend(is_done.then_some(key));
            }
        }
    }
    Ok((desired, left_out))
}
