//! `podid state rebuild`: the state made again by looking. With a spec, names come from it; without one, everything that carries
//! podid's marks is looked for. Owners are told by the marks on the things themselves.

use super::found::found;
use crate::{
    converge::{self, Goal, Inputs, answer},
    engine::{desired::Intent, execute::remember, ledger::Ledger, plan::Act},
    exit::Exit,
    failure::Failure,
    session::Session,
    state::State,
};
use std::path::PathBuf;

pub async fn rebuild(session: &Session, file: Option<PathBuf>) -> Result<Exit, Failure> {
    if file.is_none() && !std::path::Path::new(crate::cli::DEFAULT_SPEC).exists() {
        return without_spec(session).await;
    }
    let goal = Goal::Rebuild { file };
    let inputs = session.unless_interrupted(converge::inputs(session, &goal)).await??;
    // other apps of a state that can be read are none of this spec's business
    let others = State::peek(&session.state_path(inputs.spec_path.as_deref())).map(|(_, ledger)| ledger).unwrap_or_default();
    let mut ledger: Ledger = others.entries().filter(|e| e.app != inputs.app).cloned().collect();
    let count = look(session, &goal, &inputs, &mut ledger).await?;
    finish(session, inputs.state.as_ref(), &ledger, &[(inputs.app.clone(), count)])
}

async fn without_spec(session: &Session) -> Result<Exit, Failure> {
    let path = session.state_path(None);
    let state =
        (!session.global.dry_run.is_on()).then(|| State::renew(&path, session.global.lock_timeout, &session.command)).transpose()?;
    let azure = session.azure.read();
    let world = state.as_ref().and_then(State::world);
    let subscription = session.subscription(None, world.as_ref())?;
    if let Some(state) = &state {
        state.settle_account(session.world(&azure, &subscription).await?)?;
    }
    let mut ledger = Ledger::default();
    let mut counts = Vec::new();
    for desired in session.unless_interrupted(found(session, &azure, &subscription)).await?? {
        if session.global.app.as_ref().is_some_and(|app| *app != desired.app) {
            continue;
        }
        let app = desired.app.clone();
        let inputs = Inputs {
            app: app.clone(),
            desired,
            ledger: Ledger::default(),
            state: None,
            azure: azure.clone(),
            spec_path: None,
            world: None,
        };
        let count = look(session, &Goal::Rebuild { file: None }, &inputs, &mut ledger).await?;
        counts.push((app, count));
    }
    finish(session, state.as_ref(), &ledger, &counts)
}

/// What is there is known again, also where it differs: the next plan says how.
async fn look(session: &Session, goal: &Goal, inputs: &Inputs, ledger: &mut Ledger) -> Result<usize, Failure> {
    let looked = session.unless_interrupted(converge::look(session, goal, inputs)).await??;
    let mut plan = looked.plan;
    let mut count = 0;
    for action in &mut plan.actions {
        let there = action.work.actual.is_some() && action.work.node.as_ref().is_some_and(|n| n.intent != Intent::Absent);
        if there {
            action.act = if action.act.changes() { Act::Keep } else { action.act };
            remember(ledger, &plan.app, action);
            count += 1;
        }
    }
    for action in plan.actions.iter().filter(|a| !a.notes.is_empty()) {
        session.terminal.say(format!("{}: {}", action.key, action.notes.0.join("; ")));
    }
    for refusal in &plan.refused {
        session.terminal.say(format!("not found: {}: {}", refusal.key, refusal.reason));
    }
    Ok(count)
}

fn finish(session: &Session, state: Option<&State>, ledger: &Ledger, counts: &[(String, usize)]) -> Result<Exit, Failure> {
    if let Some(state) = state {
        state.save(ledger)?;
    }
    if counts.is_empty() {
        answer(session, "found nothing that carries podid's marks")?;
    }
    for (app, count) in counts {
        answer(session, format!("found {count} resources of app {app}"))?;
    }
    Ok(Exit::Done)
}
