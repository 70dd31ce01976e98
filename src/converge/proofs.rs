//! Proofs after a run, or alone: each workload's own pod, all at once, and what is said of them.

use super::{answer, paper};
use crate::{
    azure,
    cli::{DryRun, Format},
    engine::{ledger::Ledger, plan::Plan},
    exit::Exit,
    failure::Failure,
    output::human,
    proof::{self, Proof, Prover, Target, pod_name},
    session::Session,
};
use futures::future::join_all;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

pub async fn prove(session: &Session, azure: &azure::Read, ledger: &Ledger, plan: &Plan) -> Result<(Vec<Proof>, Exit), Failure> {
    let targets = proof::targets(ledger, &plan.app, None, None).map_err(|f| Failure::from(&f))?;
    prove_targets(session, azure, &targets, proof::IMAGE).await
}

fn prover(session: &Session, azure: &azure::Read, targets: &[Target], image: &str) -> Result<Prover, Failure> {
    if targets.is_empty() {
        return Err(Failure::new(Exit::Refused, "there is nothing to prove: no workload mounts a secret")
            .hint("Apply a mount first: `podid mount apply`, or `secrets:` of a workload in the spec."));
    }
    Ok(Prover {
        clusters: session.clusters.clone(),
        azure: azure.clone(),
        image: image.to_owned(),
        limit: session.global.timeout.unwrap_or(LIMIT),
        stop: session.stop.clone(),
    })
}

/// What a proof would begin with. With a server's dry run the cluster says whether it takes the pod.
pub async fn rehearse_targets(session: &Session, azure: &azure::Read, targets: &[Target], image: &str) -> Result<Exit, Failure> {
    let prover = prover(session, azure, targets, image)?;
    let server = session.global.dry_run == DryRun::Server;
    let prover = &prover;
    let asked = join_all(targets.iter().map(|target| async move {
        let name = if server { prover.rehearse(target).await } else { Ok(pod_name(&target.class.name)) };
        (target, name)
    }));
    let mut worst = Exit::Done;
    let mut pods = Vec::new();
    for (target, name) in session.unless_interrupted(asked).await? {
        match name {
            Ok(name) => pods.push(format!("{}/{name}", target.namespace)),
            Err(fault) => {
                let mut failure = Failure::from(&fault);
                failure.message = format!("could not prove {}/{}: {}", target.namespace, target.class.name, failure.message);
                worst = worst.max(failure.kind);
                session.terminal.complain(&human::failure(&failure, session.terminal.color_err));
            }
        }
    }
    let how = if server { "server" } else { "plan" };
    let shown = |pod: &String| if server { format!("created pod {pod} (server dry run)\n") } else { format!("would create pod {pod}\n") };
    answer(
        session,
        &match session.global.output {
            Format::Table => pods.iter().map(shown).collect::<String>() + "dry run: nothing was changed, and nothing is proved\n",
            Format::Json | Format::Yaml => paper(session, &serde_json::json!({ "version": 1, "dry_run": how, "pods": pods, "proofs": [] })),
        },
    )?;
    Ok(worst)
}

pub async fn prove_targets(session: &Session, azure: &azure::Read, targets: &[Target], image: &str) -> Result<(Vec<Proof>, Exit), Failure> {
    let prover = prover(session, azure, targets, image)?;
    let proofs = join_all(targets.iter().map(|t| prover.prove(t))).await;
    for proof in &proofs {
        if let Some(fault) = &proof.fault {
            let mut failure = Failure::from(fault);
            failure.message = format!("could not prove {}: {}", proof.workload, failure.message);
            session.terminal.complain(&human::failure(&failure, session.terminal.color_err));
        }
    }
    let worst = proofs.iter().filter_map(|p| p.fault.as_ref()).map(|f| Failure::from(f).kind).max();
    Ok((proofs, worst.unwrap_or(Exit::Done)))
}

/// The hops of each, and a line that begins with `proved ` for each that was.
pub fn shown(proofs: &[Proof]) -> String {
    let mut lines = Vec::new();
    for proof in proofs {
        lines.push(format!("{} by {} from {}", proof.workload, proof.identity, proof.vault));
        for hop in &proof.hops {
            lines.push(format!("  {:>6.1} s  {:<9} {}", hop.after.as_secs_f64(), hop.name, hop.detail));
        }
    }
    for proof in proofs.iter().filter(|p| p.proved()) {
        let names: Vec<&str> = proof.objects.keys().map(String::as_str).collect();
        let took = proof.hops.last().map_or(0.0, |h| h.after.as_secs_f64());
        lines.push(format!(
            "proved {} reads {} from {} as {}, in {took:.1} s",
            proof.workload,
            names.join(", "),
            proof.vault,
            proof.identity
        ));
    }
    lines.join("\n")
}

pub fn document(proofs: &[Proof]) -> serde_json::Value {
    let proved = proofs.iter().map(|p| {
        let mut value = serde_json::to_value(p).unwrap_or_default();
        if let serde_json::Value::Object(map) = &mut value {
            map.insert("proved".into(), p.proved().into());
        }
        value
    });
    serde_json::json!({ "version": 1, "proofs": proved.collect::<Vec<_>>() })
}
