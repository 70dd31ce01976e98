//! Proofs after a run, or alone: each workload's own pod, all at once, and what is said of them.

use super::{
    answers::{answer, render},
    commands::commands,
    inputs::Inputs,
};
use crate::{
    chain::commands::Commands,
    cli::{DryRun, Format, Lateness},
    engine::{event::EventSink, ledger::Ledger, plan::Plan},
    exit::Exit,
    failure::Failure,
    output::{Line, Text},
    proof::{self, Proof, Prover, Target, shown_name},
    session::Session,
};
use futures::future::join_all;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const LIMIT: Duration = Duration::from_secs(300);
/// How long Entra may take until all of it knows a new federated credential: "seconds to minutes", as its documentation says.
const SETTLE: Duration = Duration::from_secs(15);

/// What a proof works with beside its targets.
pub struct Proving<'a> {
    pub ledger: &'a Ledger,
    pub commands: &'a Commands,
    /// A run has just written everything.
    pub fresh: bool,
    pub events: EventSink,
    /// None: the default one of each delivery.
    pub image: Option<&'a str>,
    /// podid does the steps of a pod by itself.
    pub without_pod: bool,
}

pub async fn prove(session: &Session, inputs: &Inputs, ledger: &Ledger, plan: &Plan, tell: EventSink) -> Result<Vec<Proof>, Failure> {
    let commands = commands(session, inputs.spec_path.as_deref());
    let targets = proof::targets(ledger, &plan.app, None, None, &commands).map_err(|f| Failure::from(&f))?;
    let proving = Proving { ledger, commands: &commands, fresh: plan.has_changes(), events: tell, image: None, without_pod: false };
    prove_targets(session, &proving, &targets).await
}

fn prover(session: &Session, proving: &Proving<'_>, targets: &[Target]) -> Result<Prover, Failure> {
    if targets.is_empty() {
        return Err(Failure::new(Exit::Refused, "there is nothing to prove: no workload mounts a secret")
            .hint("Apply a mount first: `podid mount apply`, or `secrets:` of a workload in the spec."));
    }
    Ok(Prover {
        clusters: session.clusters.clone(),
        azure: session.azure.clone(),
        ledger: proving.ledger.clone(),
        commands: proving.commands.clone(),
        fresh: proving.fresh,
        settle: settle(session),
        only_reads: false,
        events: Arc::clone(&proving.events),
        image: proving.image.map(str::to_owned),
        limit: session.global.timeout.unwrap_or(LIMIT),
        stop: session.stop.clone(),
    })
}

/// The embedded sandbox remembers no refusal, and by default counts requests instead of time.
fn settle(session: &Session) -> Duration {
    let global = &session.global;
    if global.sandbox && global.lateness != Some(Lateness::Realistic) { Duration::ZERO } else { SETTLE }
}

/// What a proof would begin with. With a server's dry run the cluster says whether it takes the pod.
pub async fn rehearse_targets(session: &Session, proving: &Proving<'_>, targets: &[Target]) -> Result<Exit, Failure> {
    let prover = prover(session, proving, targets)?;
    let server = session.global.dry_run == DryRun::Server;
    let prover = &prover;
    let asked = join_all(targets.iter().map(|target| async move {
        let name = if server { prover.rehearse(target).await } else { Ok(shown_name(&target.delivered.name)) };
        (target, name)
    }));
    let mut worst = Exit::Done;
    let mut pods = Vec::new();
    for (target, name) in session.unless_interrupted(asked).await? {
        match name {
            Ok(name) => pods.push(format!("{}/{name}", target.delivered.namespace)),
            Err(fault) => {
                let mut failure = Failure::from(&fault);
                failure.message = format!("could not prove {}: {}", target.shown(), failure.message);
                worst = worst.max(failure.kind);
                session.terminal.fail(&failure);
            }
        }
    }
    let how = if server { "server" } else { "plan" };
    let shown = |pod: &String| if server { format!("created pod {pod} (server dry run)") } else { format!("would create pod {pod}") };
    let text = match session.global.output {
        Format::Table => {
            let mut text: Text = pods.iter().map(shown).map(Line::from).collect();
            text.push("dry run: no pod was created, so nothing was verified");
            text
        }
        Format::Json | Format::Yaml => render(session, &json!({ "version": 1, "dry_run": how, "pods": pods, "proofs": [] })),
    };
    answer(session, text)?;
    Ok(worst)
}

pub async fn prove_targets(session: &Session, proving: &Proving<'_>, targets: &[Target]) -> Result<Vec<Proof>, Failure> {
    let prover = prover(session, proving, targets)?;
    let prove = async |target| if proving.without_pod { prover.prove_without_pod(target).await } else { prover.prove(target).await };
    Ok(join_all(targets.iter().map(prove)).await)
}

/// What went wrong, on stderr; the worst exit code.
pub fn complain(session: &Session, proofs: &[Proof]) -> Exit {
    let mut worst = Exit::Done;
    for proof in proofs {
        let Some(fault) = &proof.fault else { continue };
        let mut failure = Failure::from(fault);
        failure.message = format!("could not prove {}: {}", proof.workload, failure.message);
        proof.reach.texts(&mut failure.hints);
        worst = worst.max(failure.kind);
        session.terminal.fail(&failure);
    }
    worst
}

/// The steps of each, and a line that begins with `proved ` for each that was.
pub fn shown(proofs: &[Proof]) -> Text {
    let mut lines = Text::new();
    for proof in proofs {
        lines.push(match &proof.storage {
            Some(place) => format!("{} by {} in {place}", proof.workload, proof.identity),
            None => format!("{} by {} from {}", proof.workload, proof.identity, proof.vault),
        });
        for step in &proof.hops {
            lines.push(format!("  {:>6.1} s  {:<9} {}", step.after.as_secs_f64(), step.name, step.detail));
        }
        lines.extend(proof.warnings.iter().map(|warning| Line::from(format!("  warning: {warning}"))));
    }
    for proof in proofs.iter().filter(|p| p.proved()) {
        let names: Vec<&str> = proof.objects.keys().map(String::as_str).collect();
        let took = proof.hops.last().map_or(0.0, |h| h.after.as_secs_f64());
        let what = match &proof.storage {
            Some(place) => format!("writes, reads and deletes a blob in {place}"),
            None => format!("reads {} from {}", names.join(", "), proof.vault),
        };
        lines.push(format!("proved {} {what} as {}, in {took:.1} s", proof.workload, proof.identity));
    }
    lines
}

pub fn document(proofs: &[Proof]) -> Value {
    json!({ "version": 1, "proofs": documents(proofs) })
}

/// Each with whether it is proved; one that is not, with the reason, the way out, and the link of the chain that is broken.
pub fn documents(proofs: &[Proof]) -> Value {
    let one = |proof: &Proof| {
        let mut value = serde_json::to_value(proof).unwrap_or_default();
        value["proved"] = proof.proved().into();
        if let Some(fault) = &proof.fault {
            let mut failure = Failure::from(fault);
            proof.reach.texts(&mut failure.hints);
            value["link"] = json!(proof.broken_link());
            value["reason"] = json!(failure.message);
            value["causes"] = json!(failure.causes);
            value["hints"] = json!(failure.hints);
        }
        value
    };
    proofs.iter().map(one).collect()
}
