//! The one path of every changing command: lock, observe, plan, show, ask, execute, report. Commands differ only in their goals.

mod addresses;
mod answers;
mod chosen;
mod clusters;
mod commands;
mod exceptions;
mod failures;
mod federations;
mod follow_up;
mod goal;
mod hints;
mod inputs;
mod look;
mod migration;
mod preflight;
mod proofs;
mod rehearsal;
mod rotation;
mod saved;
mod sharing;
mod symptoms;
mod values;
mod warnings;

use crate::{
    azure,
    cli::{DryRun, Format},
    deliveries,
    engine::{
        event::{Event, EventSink, at_work},
        execute::{Report, Run, execute},
        input::KnownOutputs,
        ledger::Ledger,
        observe::Observed,
        plan::Plan,
    },
    exit::Exit,
    failure::Failure,
    output::{Text, human, json, prompt},
    resources::{
        KINDS, Writer,
        values::{SecretSource, Values},
    },
    session::Session,
    spec::request::Request,
};
pub(crate) use answers::{answer, event_sink, render};
pub(crate) use chosen::cluster_of;
use failures::worst;
pub use goal::Goal;
pub(crate) use inputs::{DEFAULT_APP, Inputs, inputs, spec_beside};
use look::look_and_forget;
pub(crate) use look::{Looked, look};
pub(crate) use rehearsal::{is_made, missing_namespace};
use saved::Basis;
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The time limit of one wait without `--timeout`.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Runs the command of a goal.
pub async fn converge(session: &Session, goal: Goal) -> Result<Exit, Failure> {
    let inputs = session.unless_interrupted(inputs(session, &goal)).await??;
    let values = Arc::new(Values::default());
    let mut looked = session.unless_interrupted(look_and_forget(session, &goal, &inputs, Arc::clone(&values))).await??;
    if goal.sets() == Some(&SecretSource::Ask) && !session.global.dry_run.is_on() && looked.plan.refused.is_empty() {
        // podid asks only when it is known that the secret can be set; with the value, the plan shows what changes
        values::ask_first(session, &inputs.desired, &values).await?;
        looked = session.unless_interrupted(look_and_forget(session, &goal, &inputs, values)).await??;
    }
    let plan = &looked.plan;
    let basis = Basis {
        desired: &inputs.desired,
        placed: &looked.observed.placed,
        values: &looked.values,
        world: inputs.world.as_ref(),
        flags: &session.global,
    };
    goal.check_saved(plan, &basis)?;
    if let Goal::Plan { out: Some(out), .. } = &goal {
        saved::save(out, plan, inputs.spec_path.as_deref(), &basis)?;
    }
    // the current context is no part of a plan, which is saved and compared by now
    hints::send(&mut looked.plan, &commands::reaches(session).await);
    let plan = &looked.plan;
    if let Goal::Plan { exit_code, .. } = &goal {
        show(session, plan)?;
        return Ok(match (*exit_code, plan.has_changes() || !plan.refused.is_empty()) {
            (true, true) => Exit::Differs,
            (false, _) if !plan.refused.is_empty() => Exit::Refused,
            _ => Exit::Done,
        });
    }
    if session.global.dry_run == DryRun::Plan {
        show(session, plan)?;
        return Ok(if plan.refused.is_empty() { Exit::Done } else { Exit::Refused });
    }
    let to_do = plan.has_changes();
    if !plan.refused.is_empty() {
        refused(session, plan)?;
        return Ok(Exit::Refused);
    }
    // a plan that is shown includes the warnings
    if (!to_do || session.terminal.quiet)
        && let Some(text) = human::warnings(plan)
    {
        session.terminal.complain(text);
    }
    session.unless_interrupted(preflight::check(session, plan, &inputs.desired)).await??;
    if session.global.dry_run == DryRun::Server {
        return rehearsal::rehearse(session, &inputs.desired, &looked).await;
    }
    // the plan has all that is needed of the observation, which would only use memory during the run
    let Looked { plan, observed: Observed { known, .. }, values, azure, reader } = looked;
    let plan = &plan;
    drop(reader);
    if to_do {
        session.terminal.say(human::plan(plan, session.terminal.verbose));
        let yes = session.global.yes;
        session.ask(move |terminal, stopped| prompt::consent(terminal, "Do it?", yes, stopped)).await?;
        values::ask_for(session, plan, &values).await?;
    }
    let report = run(session, &inputs, plan, &values, known, azure).await?;
    finish(session, &goal, &inputs, plan, report).await
}

/// Reports a refused plan. For a program the plan is the answer; people see it on stderr with the error.
fn refused(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let terminal = &session.terminal;
    match session.global.output {
        Format::Table => terminal.complain(human::plan(plan, terminal.verbose)),
        Format::Json | Format::Yaml => show(session, plan)?,
    }
    let count = plan.refused.len();
    let message = format!(
        "{} a decision; nothing was changed",
        if count == 1 { "1 resource needs".into() } else { format!("{count} resources need") }
    );
    let ways = plan.refused.iter().map(|r| format!("{}: {}", r.key, r.reason));
    let mut failure = Failure::new(Exit::Refused, message);
    if session.global.output != Format::Table {
        failure = ways.fold(failure, Failure::because);
    }
    terminal.fail(&failure);
    Ok(())
}

fn show(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let text = match session.global.output {
        Format::Table => human::plan(plan, session.terminal.verbose),
        Format::Json | Format::Yaml => render(session, &json::plan(plan)),
    };
    answer(session, text)
}

async fn run(
    session: &Session,
    inputs: &Inputs,
    plan: &Plan,
    values: &Arc<Values>,
    known: KnownOutputs,
    look: azure::Read,
) -> Result<Done, Failure> {
    let state = inputs.state.as_ref().ok_or_else(|| Failure::new(Exit::Bug, "a change without a state"))?;
    let tell = event_sink(session);
    let waits = Arc::clone(&tell);
    let on_wait: azure::OnWait = Arc::new(move |text| waits(Event::Waiting { key: at_work(), text }));
    let writer = Writer {
        azure: session.azure.write(Arc::clone(&on_wait)),
        look,
        clusters: session.clusters.clone(),
        values: Arc::clone(values),
        force_conflicts: session.global.force_conflicts,
        adopt: session.global.adopt,
        on_wait,
        limit: session.global.timeout.unwrap_or(LONGEST_WAIT),
        of_volume: deliveries::of_volume,
        stop: session.stop.clone(),
    };
    let begun = Instant::now();
    let run = Run {
        kinds: KINDS,
        writer: Arc::new(writer),
        ledger_store: state.ledger_store(),
        parallelism: usize::from(session.global.parallelism),
        recover: session.global.recover,
        adopt: session.global.adopt,
        events: Arc::clone(&tell),
        stop: session.stop.clone(),
    };
    let report = execute(plan, inputs.ledger.clone(), known, run).await;
    Ok(Done { report, took: begun.elapsed(), tell })
}

struct Done {
    report: Report,
    took: Duration,
    /// Receives the events after the run, in the same place as those of the run.
    tell: EventSink,
}

async fn finish(session: &Session, goal: &Goal, inputs: &Inputs, plan: &Plan, done: Done) -> Result<Exit, Failure> {
    let Done { report, took, tell } = done;
    let exit = if report.unsaved.is_some() {
        Exit::Bug
    } else if report.interrupted {
        Exit::Interrupted
    } else {
        worst(&report).unwrap_or(Exit::Done)
    };
    let terminal = &session.terminal;
    let commands = commands(session, inputs.spec_path.as_deref());
    let reaches = commands::reaches(session).await;
    let told = |key: &_, fault: &_| {
        let mut failure = hints::told(&inputs.desired, key, fault, &reaches);
        symptoms::add(&mut failure, key, &report, &plan.app, &commands);
        failure
    };
    human::failures(&report, &told).iter().for_each(|failure| terminal.fail(failure));
    terminal.complain(human::not_started(&report));
    // people read the report before the proof begins; programs get one document at the end
    let table = session.global.output == Format::Table;
    if table {
        answer(session, human::report(&report, plan, took, terminal.verbose))?;
    }
    let reached = match (goal.makes(), exit) {
        (true, Exit::Done) => addresses::addresses(session, &report.ledger, &plan.app, true).await,
        _ => Vec::new(),
    };
    if table && !reached.is_empty() {
        answer(session, addresses::shown(&reached))?;
    }
    let followed = match (goal, exit) {
        (Goal::Request { request: Request::Rotate(rotate), remove: false }, Exit::Done) if rotation::applies(session) => {
            Some(Box::pin(rotation::follow(session, inputs, &report.ledger, rotate, Arc::clone(&tell))).await)
        }
        (Goal::Request { request: Request::MigrateVault(migration), .. }, Exit::Done) => {
            Some(Box::pin(migration::follow(session, inputs, &report, migration, Arc::clone(&tell))).await)
        }
        _ => None,
    };
    let wanted = matches!(goal, Goal::Up { verify: true, .. }) && exit == Exit::Done;
    let proofs = if wanted { Box::pin(proofs::prove(session, inputs, &report.ledger, plan, tell)).await } else { Ok(Vec::new()) };
    if !table {
        let explained = |key: &_, fault: &_| hints::explained(&inputs.desired, key, fault, &reaches);
        let mut document = json::report(&report, plan, &explained, took);
        if let (true, Ok(proofs), Value::Object(map)) = (wanted, &proofs, &mut document) {
            map.insert("proofs".into(), proofs::documents(proofs));
        }
        if !reached.is_empty() {
            document["addresses"] = addresses::documents(&reached);
        }
        if let (Some(Ok(done)), Value::Object(map)) = (&followed, &mut document) {
            map.insert(done.field.into(), done.document.clone());
        }
        answer(session, render(session, &document))?;
    } else if let (true, Ok(proofs)) = (wanted, &proofs) {
        answer(session, proofs::shown(proofs))?;
    } else if let Some(Ok(done)) = &followed {
        answer(session, done.text.clone())?;
    }
    if let Some(why) = &report.unsaved {
        let mut text = Text::from(format!("could not save the state: {why}; save these entries by hand:"));
        text.append(state_text(&report.ledger));
        terminal.complain(text);
    }
    match followed {
        Some(Err(failure)) if table => return Err(failure),
        // the document is printed already, and a program gets only one
        Some(Err(failure)) => {
            terminal.fail(&failure);
            return Ok(failure.kind);
        }
        _ => {}
    }
    let proved = match proofs {
        Ok(proofs) => proofs::complain(session, &proofs),
        // the document is printed already, and a program gets only one
        Err(failure) if !table => {
            terminal.fail(&failure);
            failure.kind
        }
        Err(failure) => return Err(failure),
    };
    Ok(if proved == Exit::Done { exit } else { proved })
}

/// Returns the entries that could not be saved, so that a person can save them.
fn state_text(ledger: &Ledger) -> Text {
    let entries: Vec<_> = ledger.entries().collect();
    json::text(&serde_json::to_value(entries).unwrap_or_default())
}

pub(crate) use addresses::{Address, addresses};
pub(crate) use commands::{commands, only_reach};
pub(crate) use proofs::{
    Proving, complain as complain_of_proofs, document as proofs_document, prove_targets, rehearse_targets, shown as shown_proofs,
};
