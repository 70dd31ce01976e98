//! `podid app wire --patch`: prints what an existing workload needs, for those who deploy it from a source of their own. Nothing is changed.

use crate::{
    apps::patches::{Needs, Patch, PatchFormat},
    cli::{Format, app_looks::PrintPatch},
    converge::{DEFAULT_APP, answer, render},
    deliveries,
    engine::fault::Fault,
    exit::Exit,
    failure::Failure,
    modes,
    output::{Line, Text, yaml},
    resources::{manifest, pod_patch::PodPatch},
    session::Session,
    spec::{expand::app::recalled, request::Wire},
};

/// Prints the patch of a workload.
pub async fn print_patch(session: &Session, print: &PrintPatch) -> Result<Exit, Failure> {
    let failed = |fault: Fault| Failure::from(&fault);
    let PrintPatch { wire, format } = print;
    let (app, ledger) = super::remembered::app_ledger(session, None)?;
    let app = app.unwrap_or_else(|| DEFAULT_APP.to_owned());
    let bound = modes::recall(&ledger, &app).map_err(failed)?;
    let named = wire.needs.cluster.as_ref().map(|named| named.name().to_owned());
    let is_meant = |name: &str| named.as_ref().is_none_or(|named| named.eq_ignore_ascii_case(name));
    let mut clusters = bound.iter().filter(|bound| bound.namespace == wire.namespace).map(|bound| &bound.cluster);
    let target = clusters.find(|target| is_meant(&target.name) && session.global.context.as_ref().is_none_or(|c| *c == target.context));
    let cluster = target.map(|target| target.name.clone()).or(named).unwrap_or_default();
    let (bound, delivered) = recalled(&wire.needs, &cluster, &wire.namespace, &wire.name, &ledger, &app).map_err(failed)?;
    let mut patch = modes::of(&bound).map_err(failed)?.pod(&bound);
    for one in &delivered {
        patch = patch.and(deliveries::of(one).map_err(failed)?.pod(one));
    }
    let containers = match &wire.container {
        Some(container) => vec![container.clone()],
        None if *format == PatchFormat::HelmValues || !patch.is_for_containers() => Vec::new(),
        None => live_containers(session, wire, &bound.cluster).await?,
    };
    written(session, wire, *format, &patch, &containers)
}

/// The containers of the workload as it is now.
async fn live_containers(session: &Session, wire: &Wire, target: &crate::resources::world::ClusterTarget) -> Result<Vec<String>, Failure> {
    let failed = |fault: Fault| Failure::from(&fault);
    let reader = session.clusters.reader(target).await.map_err(failed)?;
    let at = manifest::at(&wire.workload.api(), Some(&wire.namespace), &wire.name);
    match reader.get(&at).await.map_err(|e| Failure::from(&e))? {
        Some(live) => Ok(wire.workload.containers(&live)),
        None => Err(Failure::new(Exit::Refused, format!("the {} {}/{} does not exist", wire.workload.word(), wire.namespace, wire.name))
            .hint("For one that is not deployed yet, name its container: `--container NAME`.")),
    }
}

fn written(session: &Session, wire: &Wire, format: PatchFormat, patch: &PodPatch, containers: &[String]) -> Result<Exit, Failure> {
    let needs = Needs { workload: wire.workload, namespace: &wire.namespace, name: &wire.name, containers, patch };
    let Patch { comment, document } = needs.written(format, |tree| yaml::text(tree).to_string());
    let text = match session.global.output {
        Format::Table => {
            let mut text: Text = comment.iter().map(|line| Line::from(format!("# {line}"))).collect();
            text.append(yaml::text(&document));
            text
        }
        Format::Json | Format::Yaml => render(session, &document),
    };
    answer(session, text)?;
    Ok(Exit::Done)
}
