//! `podid import`: writes a spec for what somebody made by hand. The spec is then planned, and what the plan would still change is listed.

mod text;

use super::surveyed::{Ask, Surveyed, Wanted, surveyed};
use crate::{
    cli::Import,
    converge::{self, Goal, answer},
    engine::plan::Act,
    exit::Exit,
    failure::Failure,
    files,
    inventory::{
        self,
        import::{Place, imported},
    },
    session::Session,
};
use std::{io::Write as _, path::Path};

pub async fn import(session: &Session, wanted: &Import) -> Result<Exit, Failure> {
    let out = &wanted.out;
    if out.exists() && !wanted.force {
        return Err(Failure::new(Exit::Refused, format!("the file {} exists", out.display()))
            .hint("Give another name with `--out FILE`, or overwrite it with `--force`."));
    }
    let namespace = wanted.namespace.as_deref();
    let mut found = surveyed(session, &Wanted { cluster: wanted.cluster.as_ref(), namespace, ask: Ask::Later }).await?;
    let Some(cluster) = found.cluster_id.clone() else {
        let hint = "A spec names the managed cluster: give it with `--cluster NAME -g GROUP`, and log in to its subscription.";
        return Err(Failure::new(Exit::Refused, "the managed cluster could not be found in Azure").hint(hint));
    };
    let nodes = session.unless_interrupted(rights(&mut found)).await??;
    let app = session.global.app.as_deref().or(namespace).unwrap_or("imported");
    let place = Place { app, cluster: &cluster, context: &found.context, namespace, nodes: nodes.as_deref() };
    let imported = imported(&found.survey, &found.workloads, &place);
    let count = imported.spec["workloads"].as_array().map_or(0, Vec::len);
    for one in &imported.left_out {
        session.terminal.complain(format!("left out: {one}"));
    }
    for gap in found.survey.gaps() {
        session.terminal.complain(format!("not read: {}: {}", gap.what, gap.why));
    }
    if count == 0 {
        let place = namespace.map_or_else(|| format!("the cluster {}", found.cluster), |name| format!("the namespace {name}"));
        let hint = "See what is there: `podid inventory`.";
        let message = format!("found no workload in {place} that a spec could have; nothing was written");
        return Err(Failure::new(Exit::Refused, message).hint(hint));
    }
    write(out, &text::text(&imported, &head(&found, namespace)))?;
    let open = match check(session, out).await {
        Err(failure) if failure.kind == Exit::Interrupted => return Err(failure),
        Err(failure) => {
            session.terminal.complain(format!("the plan could not be checked: {}", failure.message));
            None
        }
        Ok(open) => Some(open),
    };
    let workloads = if count == 1 { "1 workload".to_owned() } else { format!("{count} workloads") };
    let plan = match open {
        None => "its plan could not be checked".to_owned(),
        Some(0) => format!("`podid plan -f {}` finds nothing to change", out.display()),
        Some(open) => format!("its plan has {open} more to decide or to change, listed above: `podid plan -f {}`", out.display()),
    };
    answer(session, format!("wrote {} with {workloads}; {plan}", out.display()))?;
    Ok(Exit::Done)
}

/// Reads who has the rights that a spec speaks of. Returns the principal as which the cluster's nodes act.
async fn rights(found: &mut Surveyed) -> Result<Option<String>, Failure> {
    let vaults = inventory::used_vaults(&found.workloads, &found.survey);
    found.ask_names(&vaults, "").await;
    found.ask_rights().await;
    let Some(cluster) = &found.survey.azure.cluster else { return Ok(None) };
    Ok(match (&cluster.kubelet, &cluster.service_principal_client_id) {
        (Some(kubelet), _) => Some(kubelet.object_id.clone()),
        // who may not read the directory imports the usual roles
        (None, Some(app)) => found.azure.service_principal(app).await.ok().flatten().map(|principal| principal.object_id),
        (None, None) => None,
    })
}

fn head(found: &Surveyed, namespace: Option<&str>) -> String {
    let within = namespace.map(|name| format!(", namespace {name}")).unwrap_or_default();
    format!("Written by `podid import` from the cluster {}{within}. A comment says where each part was found.", found.cluster)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: files::Error| Failure::new(Exit::Failed, format!("could not write {}: {}", path.display(), error.cause()));
    files::replace(path, |file| file.write_all(text.as_bytes())).map(drop).map_err(failed)
}

/// Says what a plan of the spec would do beside adopting what is there, and counts it.
async fn check(session: &Session, file: &Path) -> Result<usize, Failure> {
    let goal = Goal::Plan { file: Some(file.to_owned()), out: None, exit_code: false };
    let inputs = session.unless_interrupted(converge::inputs(session, &goal)).await??;
    let plan = session.unless_interrupted(converge::look(session, &goal, &inputs)).await??.plan;
    let open: Vec<_> = plan.actions.iter().filter(|action| !matches!(action.act, Act::Keep | Act::Adopt)).collect();
    for action in &open {
        let fields: Vec<&str> = action.changes.iter().map(|change| change.field.as_str()).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        session.terminal.complain(format!("the plan would still {} {}{fields}", action.act.word(), action.key));
    }
    for refusal in &plan.refused {
        session.terminal.complain(format!("the plan needs a decision about {}: {}", refusal.key, refusal.reason));
    }
    Ok(open.len() + plan.refused.len())
}
