//! `--dry-run=server`: sends every write to a cluster with dryRun=All, so that admission, validation, RBAC and other field managers answer.
//! Nothing is kept in the cluster or in the state. Azure has no dry run: its changes stay planned.

use super::{
    answers::{answer, render},
    commands,
    failures::worst,
    hints,
    look::Looked,
};
use crate::{
    azure,
    chain::commands::Reaches,
    cli::Format,
    cluster::Error as ClusterError,
    engine::{
        desired::Desired,
        execute::{self, Report},
        fault::Fault,
        key::Key,
        ledger::Ledger,
        plan::{Act, Action, Plan},
        resource::Side,
    },
    exit::Exit,
    failure::Failure,
    output::{human, json},
    resources::{KINDS, Writer, namespace},
    session::Session,
};
use futures::future::join_all;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What became of one action.
enum Answer {
    Accepted,
    /// It could not be asked; why.
    Planned(String),
    Failed(Fault),
}

pub async fn rehearse(session: &Session, desired: &Desired, looked: &Looked) -> Result<Exit, Failure> {
    let plan = &looked.plan;
    let global = &session.global;
    let writer = Writer {
        // nothing of Azure is written: who only plans waits for nobody
        azure: session.azure.write(Arc::new(|_| {}) as azure::OnWait),
        look: looked.azure.clone(),
        clusters: session.clusters.for_dry_run(),
        values: Arc::clone(&looked.values),
        force_conflicts: global.force_conflicts,
        adopt: global.adopt,
        on_wait: Arc::new(|_| {}),
        limit: Duration::ZERO,
        of_volume: |_| None,
        stop: session.stop.clone(),
    };
    let acting = plan.actions.iter().filter(|a| a.act.changes());
    let writer = &writer;
    let asked = join_all(acting.map(|action| async move {
        let begun = Instant::now();
        let answer = ask(plan, action, writer, global.recover).await;
        (action, begun.elapsed(), answer)
    }));
    let answers: Vec<(&Action, Duration, Answer)> = session.unless_interrupted(asked).await?;
    tell(session, &Told { plan, desired, answers: &answers, reaches: commands::reaches(session).await })
}

async fn ask(plan: &Plan, action: &Action, writer: &Writer, recover: bool) -> Answer {
    if KINDS.of(&action.kind).is_ok_and(|kind| kind.side() == Side::Azure) {
        return Answer::Planned("Azure has no dry run".into());
    }
    match execute::rehearse(KINDS, plan, action, writer, recover).await {
        Ok(()) => Answer::Accepted,
        Err(Fault::Unresolved(reference)) => {
            let key = reference.split('#').next().unwrap_or_default();
            Answer::Planned(format!("waiting for outputs of {key}"))
        }
        Err(fault) => match missing_namespace(&fault).filter(|name| is_made(plan, action, name)) {
            Some(name) => Answer::Planned(format!("the namespace {name} does not exist yet")),
            None => Answer::Failed(fault),
        },
    }
}

/// The namespace that a server says is not there, or is on its way out.
pub(crate) fn missing_namespace(fault: &Fault) -> Option<String> {
    let Fault::Cloud(error) = fault else { return None };
    match error.downcast_ref::<ClusterError>()? {
        ClusterError::NotFound { what } => what.strip_prefix("Namespace ").map(str::to_owned),
        ClusterError::Changed { reason, message } if reason == "NamespaceTerminating" => {
            // forbidden: unable to create new content in namespace shop because it is being terminated
            message.split_once("in namespace ").and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether the same plan makes that namespace, so that the real run would not fail for want of it.
pub(crate) fn is_made(plan: &Plan, action: &Action, name: &str) -> bool {
    let Some(cluster) = &action.cluster else { return false };
    plan.action(&namespace::key(cluster, name)).is_some_and(|a| a.act.changes() && a.act != Act::Delete)
}

/// What there is to tell of a rehearsal.
struct Told<'a> {
    plan: &'a Plan,
    desired: &'a Desired,
    answers: &'a [(&'a Action, Duration, Answer)],
    reaches: Reaches,
}

fn tell(session: &Session, told: &Told<'_>) -> Result<Exit, Failure> {
    let Told { plan, desired, answers, reaches } = told;
    let mut report = Report {
        done: Vec::new(),
        failed: Vec::new(),
        not_started: Vec::new(),
        ledger: Ledger::default(),
        unsaved: None,
        interrupted: false,
    };
    for (action, took, answer) in *answers {
        match answer {
            Answer::Accepted => report.done.push((action.key.clone(), action.act, *took)),
            Answer::Planned(_) => {}
            Answer::Failed(fault) => report.failed.push((action.key.clone(), action.act, fault.clone())),
        }
    }
    let terminal = &session.terminal;
    human::failures(&report, &|key, fault| hints::told(desired, key, fault, reaches)).iter().for_each(|failure| terminal.fail(failure));
    let planned: Vec<(&Key, Act, &str)> = answers
        .iter()
        .filter_map(|(action, _, answer)| match answer {
            Answer::Planned(why) => Some((&action.key, action.act, why.as_str())),
            Answer::Accepted | Answer::Failed(_) => None,
        })
        .collect();
    match session.global.output {
        Format::Table => {
            let mut text = human::plan(plan, terminal.verbose);
            text.append(human::rehearsal(&report, &planned));
            answer(session, text)?;
        }
        _ => answer(session, render(session, &document(told)))?,
    }
    Ok(worst(&report).unwrap_or(Exit::Done))
}

fn document(told: &Told<'_>) -> Value {
    let mut document = json::plan(told.plan);
    document["dry_run"] = json!("server");
    for action in document["actions"].as_array_mut().into_iter().flatten() {
        let Some((of, _, answer)) = told.answers.iter().find(|(of, ..)| action["key"] == of.key.as_str()) else { continue };
        match answer {
            Answer::Accepted => action["result"] = json!("accepted"),
            Answer::Planned(why) => (action["result"], action["because"]) = (json!("planned"), json!(why)),
            Answer::Failed(fault) => {
                let failure = hints::explained(told.desired, &of.key, fault, &told.reaches);
                (action["result"], action["error"]) = (json!("failed"), json::error(&failure));
            }
        }
    }
    document
}
