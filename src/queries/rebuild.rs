//! `podid state rebuild`: the state made again by looking. Names come from the spec, owners from the marks on the things themselves.

use crate::{
    converge::{self, Goal, answer},
    engine::{
        desired::Intent,
        execute::remember,
        plan::{Act, Plan},
    },
    exit::Exit,
    failure::Failure,
    session::Session,
};
use std::path::PathBuf;

pub async fn rebuild(session: &Session, file: Option<PathBuf>) -> Result<Exit, Failure> {
    let goal = Goal::Rebuild { file };
    let scene = session.unless_interrupted(converge::scene(session, &goal)).await??;
    let looked = session.unless_interrupted(converge::look(session, &goal, &scene)).await??;
    let mut found = 0;
    let mut ledger = scene.ledger.clone();
    let mut plan: Plan = looked.plan;
    for action in &mut plan.actions {
        // what is there is known again, also where it differs: the next plan says how
        let there = action.work.actual.is_some() && action.work.node.as_ref().is_some_and(|n| n.intent != Intent::Absent);
        if there {
            action.act = if action.act.changes() { Act::Keep } else { action.act };
            remember(&mut ledger, &plan.app, action);
            found += 1;
        }
    }
    if session.global.dry_run {
        answer(session, &format!("{found} resources of app {} would be known again", plan.app))?;
        return Ok(Exit::Done);
    }
    let state = scene.state.ok_or_else(|| Failure::new(Exit::Bug, "a rebuild without a state"))?;
    state.save(&ledger)?;
    answer(session, &format!("found {found} resources of app {}", plan.app))?;
    for refusal in &plan.refused {
        session.terminal.say(&format!("not found: {}: {}", refusal.key, refusal.reason));
    }
    Ok(Exit::Done)
}
