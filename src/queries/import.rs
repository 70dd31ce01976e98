//! `podid import`: writes a spec for what somebody made by hand. The spec is then planned, and what the plan would still change is listed.

use super::surveyed::{Ask, Wanted, surveyed};
use crate::{
    cli::Import,
    converge::{self, Goal, answer},
    engine::plan::Act,
    exit::Exit,
    failure::Failure,
    files,
    inventory::import::{Imported, Place, imported},
    session::Session,
};
use std::{io::Write as _, path::Path};

pub async fn import(session: &Session, wanted: &Import) -> Result<Exit, Failure> {
    if wanted.out.exists() {
        return Err(Failure::new(Exit::Refused, format!("the file {} exists", wanted.out.display()))
            .hint("Give another name with `--out FILE`, or remove it."));
    }
    let namespace = wanted.namespace.as_deref();
    let found = surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace, ask: Ask::Later }).await?;
    let Some(cluster) = &found.cluster_id else {
        let hint = "A spec names the managed cluster: give it with `--cluster NAME -g GROUP`, and log in to its subscription.";
        return Err(Failure::new(Exit::Refused, "the managed cluster could not be found in Azure").hint(hint));
    };
    let app = session.global.app.as_deref().or(namespace).unwrap_or("imported");
    let place = Place { app, cluster, context: &found.context, namespace };
    let Imported { spec, left_out } = imported(&found.survey, &found.workloads, &place);
    let count = spec["workloads"].as_array().map_or(0, Vec::len);
    let text = serde_saphyr::to_string(&spec).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
    write(&wanted.out, &text)?;
    for one in &left_out {
        session.terminal.complain(format!("left out: {one}"));
    }
    for gap in found.survey.gaps() {
        session.terminal.complain(format!("not read: {}: {}", gap.what, gap.why));
    }
    if count > 0 {
        check(session, &wanted.out).await?;
    }
    answer(
        session,
        format!("wrote {} with {count} workloads; see what `podid plan -f {}` would change", wanted.out.display(), wanted.out.display()),
    )?;
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: files::Error| Failure::new(Exit::Failed, format!("could not write {}: {}", path.display(), error.cause()));
    files::replace(path, |file| file.write_all(text.as_bytes())).map(drop).map_err(failed)
}

/// Says what a plan of the spec would do beside adopting what is there.
async fn check(session: &Session, file: &Path) -> Result<(), Failure> {
    let goal = Goal::Plan { file: Some(file.to_owned()), out: None, exit_code: false };
    let inputs = session.unless_interrupted(converge::inputs(session, &goal)).await??;
    let plan = session.unless_interrupted(converge::look(session, &goal, &inputs)).await??.plan;
    for action in plan.actions.iter().filter(|action| !matches!(action.act, Act::Keep | Act::Adopt)) {
        let fields: Vec<&str> = action.changes.iter().map(|change| change.field.as_str()).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        session.terminal.complain(format!("the plan would still change {}{fields}", action.key));
    }
    for refusal in &plan.refused {
        session.terminal.complain(format!("the plan needs a decision about {}: {}", refusal.key, refusal.reason));
    }
    Ok(())
}
