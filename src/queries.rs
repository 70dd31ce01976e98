//! The commands that only read: show, list, status, verify, output, state. They change nothing but podid's own state file.

mod apps;
mod chosen;
mod components;
mod credentials;
mod diff;
mod doctor;
mod exceptions;
mod explain;
mod findings;
mod found;
mod graph;
mod import;
mod inventory;
mod lint;
mod logs;
mod looks;
mod migration;
mod patch;
mod probe;
mod rbac;
mod rebuild;
mod remembered;
mod rotation;
mod surveyed;
mod who_can;
mod why;

pub use apps::app_status;
pub use components::components;
pub use credentials::credentials;
pub use diff::diff;
pub use doctor::doctor;
pub use exceptions::exceptions;
pub use explain::explain;
pub use graph::graph;
pub use import::import;
pub use inventory::inventory;
pub use lint::lint;
pub use logs::logs;
pub use looks::{look, orphans::orphans};
pub use migration::migrate_vault;
pub use patch::print_patch;
pub use probe::probe;
pub use rbac::rbac;
pub use rebuild::rebuild;
pub use remembered::{output, state};
pub use rotation::rotate;
pub use who_can::who_can;
pub use why::why;

use crate::{
    cli::{Format, Verify},
    converge::{self, Goal, answer, render},
    engine::plan::Act,
    exit::Exit,
    failure::Failure,
    output::table,
    proof,
    session::Session,
};
use serde_json::json;
use std::path::PathBuf;

/// Prints the status of every resource of an app: up to date, or how it differs.
pub async fn status(session: &Session, file: Option<PathBuf>) -> Result<Exit, Failure> {
    let goal = Goal::Plan { file: file.clone(), out: None, exit_code: false };
    let goal = if file.is_none() && !std::path::Path::new(crate::cli::DEFAULT_SPEC).exists() { Goal::Status } else { goal };
    let inputs = session.unless_interrupted(converge::inputs(session, &goal)).await??;
    let looked = session.unless_interrupted(converge::look(session, &goal, &inputs)).await??;
    let plan = looked.plan;
    let word = |action: &crate::engine::plan::Action| match action.act {
        _ if action.unseen => "cannot be read yet",
        Act::Keep | Act::Adopt => "ok",
        Act::Create => "missing",
        Act::Update | Act::Replace => "differs",
        Act::Delete | Act::HandOver | Act::Forget => "not wanted any more",
    };
    let origin = |a: &crate::engine::plan::Action| {
        serde_json::to_value(a.origin).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let detail = |a: &crate::engine::plan::Action| {
        let fields: Vec<&str> = a.changes.iter().map(|c| c.field.as_str()).collect();
        let parts = match a.act {
            Act::Update => vec![fields.join(", ")],
            Act::Replace => {
                vec![fields.join(", "), format!("`up` replaces it: {}", a.why.as_deref().unwrap_or("the old one is deleted"))]
            }
            _ => Vec::new(),
        };
        parts.into_iter().chain(a.notes.0.iter().cloned()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    };
    match session.global.output {
        Format::Json | Format::Yaml => {
            let all: Vec<_> =
                plan.actions.iter().map(|a| json!({ "key": a.key, "status": word(a), "origin": origin(a), "detail": detail(a) })).collect();
            let refused: Vec<_> = plan.refused.iter().map(|r| json!({ "key": r.key, "reason": r.reason, "changes": r.changes })).collect();
            let mut document = json!({ "version": 1, "app": plan.app, "resources": all, "refused": refused });
            if !plan.warnings.is_empty() {
                document["warnings"] = json!(plan.warnings);
            }
            answer(session, render(session, &document))?;
        }
        Format::Table => {
            let mut rows: Vec<Vec<String>> =
                plan.actions.iter().map(|a| vec![a.key.to_string(), word(a).into(), origin(a), detail(a)]).collect();
            rows.extend(plan.refused.iter().map(|r| vec![r.key.to_string(), "needs a decision".into(), String::new(), r.reason.clone()]));
            rows.extend(plan.warnings.iter().map(|w| {
                let hint = w.hint.iter().map(|hint| format!(" {hint}")).collect::<String>();
                vec![w.key.to_string(), "warning".into(), String::new(), format!("{}.{hint}", w.text)]
            }));
            let text = table::list(&["KEY", "STATUS", "ORIGIN", "DETAIL"], &rows, "nothing is known of this app", session.terminal.width);
            answer(session, text)?;
        }
    }
    Ok(Exit::Done)
}

/// Proves each workload in the state.
pub async fn verify(session: &Session, verify: &Verify) -> Result<Exit, Failure> {
    let (app, ledger) = remembered::app_ledger(session, verify.file.as_deref())?;
    let commands = converge::commands(session, verify.file.as_deref());
    let find = |app: &str| {
        let (namespace, name) = (verify.namespace.as_deref(), verify.name.as_deref());
        let mut targets = proof::targets(&ledger, app, namespace, name, &commands).map_err(|f| Failure::from(&f))?;
        if let Some(place) = &verify.storage {
            targets.extend(proof::storage_targets(&ledger, app, namespace, name, place).map_err(|f| Failure::from(&f))?);
        }
        Ok::<_, Failure>(targets)
    };
    let targets = match app {
        Some(app) => find(&app)?,
        None => ledger.apps().into_iter().map(find).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
    };
    if targets.is_empty()
        && let Some(wanted) =
            verify.namespace.as_ref().map(|n| format!("in namespace {n}")).or(verify.name.as_ref().map(|n| format!("as {n}")))
    {
        return Err(Failure::new(Exit::Refused, format!("there is nothing to prove: podid knows of no mount {wanted}"))
            .hint("`podid state list` shows what podid knows; `podid mount apply` makes a mount."));
    }
    let image = verify.image.as_deref();
    let (events, without_pod) = (converge::event_sink(session), verify.no_pod);
    let proving = converge::Proving { ledger: &ledger, commands: &commands, fresh: false, events, image, without_pod };
    if session.global.dry_run.is_on() {
        return converge::rehearse_targets(session, &proving, &targets).await;
    }
    let proofs = converge::prove_targets(session, &proving, &targets).await?;
    drop(proving);
    match session.global.output {
        Format::Table => answer(session, converge::shown_proofs(&proofs))?,
        Format::Json | Format::Yaml => answer(session, render(session, &converge::proofs_document(&proofs)))?,
    }
    Ok(converge::complain_of_proofs(session, &proofs))
}
