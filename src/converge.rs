//! The one path of every changing command: lock, observe, plan, show, ask, execute, report. Commands differ only in their goals.

mod clusters;
mod goal;
mod hints;
mod proofs;
mod rehearsal;
mod saved;
mod values;
mod warnings;

use crate::{
    azure,
    chain::remarks::Planned,
    cli::{DryRun, Format, Only},
    engine::{
        desired::{Desired, Intent},
        event::{Event, EventSink, at_work},
        execute::{Report, Run, execute},
        fault::Fault,
        input::KnownOutputs,
        key::Key,
        ledger::Ledger,
        observe::{Observed, observe},
        plan::{Act, Plan},
        planner::{self, Consent},
        resource::Side,
    },
    exit::Exit,
    failure::{Failure, explain},
    output::{Text, human, json, progress::Progress, prompt, yaml},
    resources::{
        self, KINDS, Reader, Writer, caller,
        values::{SecretSource, Values},
    },
    session::Session,
};
pub use goal::Goal;
pub(crate) use goal::{Inputs, inputs, spec_beside};
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
    if let Goal::Plan { out, exit_code, .. } = &goal {
        if let Some(out) = out {
            saved::save(out, plan, inputs.spec_path.as_deref(), &basis)?;
        }
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
    if session.global.dry_run == DryRun::Server {
        return rehearsal::rehearse(session, &looked).await;
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

/// The result of everything up to the plan, which writes nothing.
pub(crate) struct Looked {
    pub plan: Plan,
    pub observed: Observed,
    pub values: Arc<Values>,
    pub azure: azure::Read,
    /// The reader of the observation, with its cache.
    pub reader: Reader,
}

pub(crate) async fn look(session: &Session, goal: &Goal, inputs: &Inputs) -> Result<Looked, Failure> {
    look_with(session, goal, inputs, Arc::new(Values::default()), true).await
}

/// Makes the plan and drops the observed objects before it, because those of a large app use much memory. `values` are the given values.
async fn look_and_forget(session: &Session, goal: &Goal, inputs: &Inputs, values: Arc<Values>) -> Result<Looked, Failure> {
    look_with(session, goal, inputs, values, false).await
}

async fn look_with(session: &Session, goal: &Goal, inputs: &Inputs, values: Arc<Values>, keep_objects: bool) -> Result<Looked, Failure> {
    let desired = match session.global.only {
        Some(only) => &keep_side(inputs.desired.clone(), only)?,
        None => &inputs.desired,
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
        .consenting(global.adopt, global.force_conflicts);
    let recover = global.recover;
    let begun = Instant::now();
    let progress = event_sink(session);
    progress(Event::Observing { nodes: desired.nodes.len() });
    // a list for the warnings is requested at the same time, so that it costs no time of its own
    let (observed, lists) =
        tokio::join!(observe(desired, &inputs.ledger, KINDS, &reader, recover), warnings::prepare(goal, desired, &inputs.ledger, &reader));
    let observed = observed.map_err(|faults| all_faults(desired, &faults))?;
    progress(Event::Observed { took: begun.elapsed() });
    if !keep_objects {
        reader.forget().await;
    }
    let delete_data = global.delete_data.iter().cloned().collect();
    let consent = Consent { adopt: global.adopt, recover, delete_data, named: goal.data_to_delete(desired) };
    let mut plan = planner::plan(desired, &inputs.ledger, &observed, KINDS, &consent).map_err(|f| Failure::from(&f))?;
    values::remark(&mut plan, goal, &values);
    let commands = commands(session, inputs.spec_path.as_deref());
    let planned = Planned { desired, observed: &observed, plan: &plan, reader: &reader, commands: &commands };
    let remarks = warnings::find(goal, &planned, lists).await;
    warnings::add(&mut plan, remarks);
    if global.output != Format::Table {
        // in a table people see these warnings on stderr before the first request
        plan.warnings.extend(session.clusters.warnings().await);
    }
    goal.check_removal(&plan)?;
    Ok(Looked { plan, observed, values, azure, reader })
}

fn all_faults(desired: &Desired, faults: &crate::engine::observe::Faults) -> Failure {
    one_failure(faults.iter().map(|(key, fault)| (key, hints::told(desired, key, fault))))
}

/// Merges faults with one cause (no login, an unreachable cluster), which is reported once and not for each node.
fn one_failure<'a>(failures: impl Iterator<Item = (&'a Key, Failure)>) -> Failure {
    let mut told: Vec<(Vec<&Key>, Failure)> = Vec::new();
    for (key, failure) in failures {
        match told.iter_mut().find_map(|(keys, f)| f.takes(&failure).then_some(keys)) {
            Some(keys) => keys.push(key),
            None => told.push((vec![key], failure)),
        }
    }
    let mut told = told.into_iter().map(|(keys, mut failure)| {
        match keys.as_slice() {
            [one] if **one != caller::key() => failure.message = format!("{one}: {}", failure.message),
            [_] | [] => {}
            [first, second] => failure.causes.push(format!("it stops {first} and {second}")),
            [first, second, rest @ ..] => failure.causes.push(format!("it stops {first}, {second} and {} more", rest.len())),
        }
        failure
    });
    let Some(mut first) = told.next() else { return Failure::new(Exit::Bug, "a fault without a cause") };
    for other in told {
        first.kind = first.kind.min(other.kind);
        first.causes.push(other.message);
        first.causes.extend(other.causes);
        first.hints.extend(other.hints.into_iter().filter(|h| !first.hints.contains(h)).collect::<Vec<_>>());
    }
    first
}

/// Reports a refused plan. For a program the plan is the answer; people see it on stderr with the error.
fn refused(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let terminal = &session.terminal;
    match session.global.output {
        Format::Table => terminal.complain(human::plan(plan, terminal.verbose)),
        Format::Json | Format::Yaml => show(session, plan)?,
    }
    let count = plan.refused.len();
    let message =
        format!("nothing was changed: {} a decision", if count == 1 { "1 thing needs".into() } else { format!("{count} things need") });
    let ways = plan.refused.iter().map(|r| format!("{}: {}", r.key, r.reason));
    let mut failure = Failure::new(Exit::Refused, message);
    if session.global.output != Format::Table {
        failure = ways.fold(failure, Failure::because);
    }
    terminal.fail(&failure);
    Ok(())
}

/// Keeps one side of the graph. The other side is not observed: its outputs come from the state.
fn keep_side(mut desired: Desired, only: Only) -> Result<Desired, Failure> {
    let side = match only {
        Only::Azure => Side::Azure,
        Only::Kubernetes => Side::Kubernetes,
    };
    let mut other = Vec::new();
    for node in desired.nodes.values() {
        if KINDS.of(&node.kind).map_err(|f| Failure::from(&f))?.side() != side {
            other.push(node.key.clone());
        }
    }
    let needed: std::collections::BTreeSet<_> =
        desired.nodes.values().filter(|n| !other.contains(&n.key)).flat_map(crate::engine::desired::Node::needs).collect();
    for key in other {
        if needed.contains(&key) {
            if let Some(node) = desired.nodes.get_mut(&key) {
                node.intent = Intent::Assumed;
            }
        } else {
            desired.nodes.remove(&key);
        }
    }
    Ok(desired)
}

fn show(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let text = match session.global.output {
        Format::Table => human::plan(plan, session.terminal.verbose),
        Format::Json | Format::Yaml => render(session, &json::plan(plan)),
    };
    answer(session, text)
}

pub(crate) fn answer(session: &Session, text: impl Into<Text>) -> Result<(), Failure> {
    session.terminal.answer(text).map_err(|e| Failure::new(Exit::Failed, "could not write the answer").because(e.to_string()))
}

/// Formats a document in the requested format, for programs.
pub(crate) fn render(session: &Session, document: &Value) -> Text {
    if session.global.output == Format::Yaml { yaml::text(document) } else { json::text(document) }
}

/// Returns a function that shows the progress to people and sends events to programs.
pub(crate) fn event_sink(session: &Session) -> EventSink {
    let progress = Progress::new(&session.terminal);
    let events = session.events.clone();
    Arc::new(move |event: Event| {
        progress.tell(&event);
        if let Some(events) = &events {
            events.tell(&event);
        }
    })
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

/// Returns the exit code of a run with failures: `Refused` only if every failure is a refusal.
fn worst(report: &Report) -> Option<Exit> {
    let refused = |(key, _, fault): &(Key, Act, Fault)| explain(key, fault).kind == Exit::Refused;
    let all = report.failed.iter().all(refused);
    (!report.failed.is_empty()).then_some(if all { Exit::Refused } else { Exit::Failed })
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
    human::failures(&report, &|key, fault| hints::told(&inputs.desired, key, fault)).iter().for_each(|failure| terminal.fail(failure));
    terminal.complain(human::not_started(&report));
    // people read the report before the proof begins; programs get one document at the end
    let table = session.global.output == Format::Table;
    if table {
        answer(session, human::report(&report, plan, took, terminal.verbose))?;
    }
    let wanted = matches!(goal, Goal::Up { verify: true, .. }) && exit == Exit::Done;
    let proofs = if wanted { Box::pin(proofs::prove(session, inputs, &report.ledger, plan, tell)).await } else { Ok(Vec::new()) };
    if !table {
        let mut document = json::report(&report, plan, &explain, took);
        if let (true, Ok(proofs), Value::Object(map)) = (wanted, &proofs, &mut document) {
            map.insert("proofs".into(), proofs::documents(proofs));
        }
        answer(session, render(session, &document))?;
    } else if let (true, Ok(proofs)) = (wanted, &proofs) {
        answer(session, proofs::shown(proofs))?;
    }
    if let Some(why) = &report.unsaved {
        let mut text = Text::from(format!("the state could not be saved ({why}); it would hold:"));
        text.append(state_text(&report.ledger));
        terminal.complain(text);
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

pub(crate) use proofs::{
    Proving, commands, complain as complain_of_proofs, document as proofs_document, prove_targets, rehearse_targets, shown as shown_proofs,
};

/// The app of single commands: their resources are recorded under this name.
pub(crate) const DEFAULT_APP: &str = "default";
