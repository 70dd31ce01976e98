//! `doctor`: the chains of workloads, walked without any write.

use super::{
    chosen::{self, Looked, Recorded},
    findings,
};
use crate::{
    access,
    cli::Doctor,
    converge,
    doctor::{
        case,
        finding::{Finding, Report},
        reports::Reports,
        walk::Walk,
    },
    engine::input::Input,
    exit::Exit,
    failure::Failure,
    inventory,
    proof::{Prover, Target},
    resources::world::ClusterTarget,
    session::Session,
    spec::{known::ClusterRef, load, model::Spec, reference::NameOrId},
    survey::{
        Survey,
        kinds::{POD, SERVICE_ACCOUNT},
    },
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};

const LIMIT: Duration = Duration::from_secs(300);
/// How many workloads are examined at once.
const AT_ONCE: usize = 8;

/// How long `--watch` waits between two looks.
const PAUSE: Duration = Duration::from_secs(5);

pub async fn doctor(session: &Session, asked: &Doctor) -> Result<Exit, Failure> {
    let spec = spec(asked)?;
    let suppressed = findings::suppressions(&asked.verdict, spec.as_ref());
    let mut last = None;
    loop {
        let report = look(session, asked, spec.as_ref()).await?;
        let now = report.document();
        if !asked.watch {
            return findings::report(session, report, &asked.verdict, &suppressed);
        }
        // only what changed is shown
        if last.as_ref() != Some(&now) {
            if last.is_some() {
                session.terminal.say(format!("changed at {}", jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default()));
            }
            findings::report(session, report, &asked.verdict, &suppressed)?;
            last = Some(now);
        }
        session.unless_interrupted(tokio::time::sleep(PAUSE)).await?;
    }
}

async fn look(session: &Session, asked: &Doctor, spec: Option<&Spec>) -> Result<Report, Failure> {
    let recorded = Recorded::read(session, asked.file.as_deref(), asked.is_wide())?;
    let mut report = Report { tool: "doctor", file: file(asked, spec.is_some()), ..Report::default() };
    report.findings.extend(recorded.faults.iter().map(|(app, fault)| of_state(app, &Failure::from(fault))));
    let prover = recorded.prover(session, LIMIT);
    // where nothing is known of the app, everything in the cluster is looked at
    let wide = asked.is_wide() || recorded.targets.is_empty();
    let app = recorded.app().to_owned();
    for (cluster, own) in session.unless_interrupted(by_cluster(session, asked, recorded.targets)).await?? {
        report.clusters.push(cluster.id.name().to_owned());
        let look = examine(session, &prover, &cluster, own, asked, (wide, &app), &mut report);
        session.unless_interrupted(Box::pin(look)).await??;
    }
    if report.checked.is_empty() && report.findings.is_empty() && asked.workload.is_some() {
        let what = format!("there is no {} that uses an identity or a vault", chosen::shown(&asked.selected()));
        return Err(Failure::new(Exit::Refused, what)
            .hint("`podid doctor -A` examines all; `kubectl get deployments -A` shows those that there are."));
    }
    Ok(report)
}

fn spec(asked: &Doctor) -> Result<Option<Spec>, Failure> {
    match &asked.file {
        Some(file) => Ok(Some(load::load(file)?.spec)),
        None => Ok(converge::spec_beside()?.map(|loaded| loaded.spec)),
    }
}

fn file(asked: &Doctor, has_spec: bool) -> Option<String> {
    let given = asked.file.as_ref().map(|file| file.display().to_string());
    given.or_else(|| has_spec.then(|| crate::cli::DEFAULT_SPEC.to_owned()))
}

/// The state knows mounts that no binding leads to, or several.
fn of_state(app: &str, failure: &Failure) -> Finding {
    let finding = Finding::new(&crate::chain::pages::TOKEN, format!("app/{app}"), failure.message.clone());
    failure.hints.iter().fold(finding.read("the bindings and mounts in the state"), |finding, hint| finding.hint(hint.clone()))
}

/// The targets of each cluster; where there are none, the cluster that a command goes to.
async fn by_cluster(session: &Session, asked: &Doctor, targets: Vec<Target>) -> Result<Vec<(ClusterRef, Vec<Target>)>, Failure> {
    let mut found: Vec<(ClusterRef, Vec<Target>)> = Vec::new();
    if asked.cluster.is_some() || targets.is_empty() {
        found.push((converge::cluster_of(session, asked.cluster.as_ref()).await?, Vec::new()));
    }
    for target in targets {
        let name = &target.bound.cluster.name;
        if let Some((_, own)) = found.iter_mut().find(|(cluster, _)| cluster.id.name().eq_ignore_ascii_case(name)) {
            own.push(target);
        } else if asked.cluster.is_none() {
            let mut cluster = converge::cluster_of(session, Some(&NameOrId::new(name))).await?;
            cluster.context.clone_from(&target.bound.cluster.context);
            found.push((cluster, vec![target]));
        }
    }
    Ok(found)
}

async fn examine(
    session: &Session,
    prover: &Prover,
    cluster: &ClusterRef,
    targets: Vec<Target>,
    asked: &Doctor,
    (wide, app): (bool, &str),
    report: &mut Report,
) -> Result<(), Failure> {
    let (selected, before) = (asked.selected(), report.findings.len());
    // one namespace is enough where only workloads of one are meant
    let namespace = selected.namespace.clone().or_else(|| only_namespace(&targets, wide));
    let Looked { cluster: read, azure, mut survey, workloads } = Looked::at(session, cluster, namespace.as_deref()).await?;
    // each pod and each account is looked at by several links, and is not asked for again
    for kind in [&POD, &SERVICE_ACCOUNT] {
        survey.cluster.of_kind(kind).iter().for_each(|object| read.know(&kind.api(), object));
    }
    let unknown = unknown_vaults(&survey, &workloads, &targets, &selected);
    survey.azure.find_vaults(&azure, &unknown, &asked.vault_ids).await;
    let identities = inventory::federated(&workloads, &survey);
    survey.azure.read_credentials(&azure, &identities).await;
    let workloads = inventory::workloads(&survey, namespace.as_deref());
    let target = ClusterTarget { name: cluster.id.name().to_owned(), context: cluster.context.clone(), hosts: Input::Known(Vec::new()) };
    let meant: &[inventory::Workload] = &workloads;
    let mut cases = case::cases(targets, meant, &survey, &target, &selected, app).map_err(|fault| Failure::from(&fault))?;
    if !wide {
        cases.retain(|case| !case.target.bound.keys.is_empty());
    }
    let questions = case::questions(&cases, &survey);
    access::ask_readers(&mut survey, &azure, &questions).await;
    let reports = Reports::new(&read, &survey, oldest(&cases), namespace.is_none());
    let walk = Walk { prover, cluster: &read, azure: &azure, survey: &survey, reports: &reports };
    let walk = &walk;
    let findings: Vec<Vec<Finding>> = stream::iter(&cases).map(|case| Box::pin(walk.examine(case))).buffered(AT_ONCE).collect().await;
    if wide {
        report.findings.extend(case::unbound(meant, &survey, &selected));
    }
    report.checked.extend(cases.iter().map(|case| case.resource.clone()));
    report.findings.extend(findings.into_iter().flatten());
    let reach = prover.commands.reach(read.other_context());
    report.findings.iter_mut().skip(before).for_each(|finding| finding.send(&reach));
    report.unseen.extend(survey.gaps().into_iter().map(|gap| format!("{}: {}", gap.what, gap.why)));
    report.unseen.extend(reports.unseen());
    Ok(())
}

/// The age of the oldest pod, in seconds.
fn oldest(cases: &[case::Case<'_>]) -> Option<i64> {
    let pods = cases.iter().flat_map(|case| &case.workloads).flat_map(|workload| &workload.pods);
    let made: Option<Timestamp> = pods.filter_map(|pod| pod.created.parse().ok()).min();
    made.map(|made| Timestamp::now().duration_since(made).as_secs())
}

/// The vaults that the selected workloads read, and that the subscription does not have.
fn unknown_vaults(survey: &Survey, workloads: &[inventory::Workload], targets: &[Target], selected: &case::Selected) -> BTreeSet<String> {
    if !survey.azure.vaults.is_whole() || survey.azure.subscription.is_none() {
        return BTreeSet::new();
    }
    let of_workloads =
        workloads.iter().filter(|one| selected.has(one)).flat_map(|one| &one.mounts).filter_map(|mount| mount.secrets.vault.clone());
    let of_targets = targets.iter().map(|target| target.delivered.vault.name.clone());
    of_workloads.chain(of_targets).filter(|name| !name.is_empty() && survey.azure.vault(name).is_none()).collect()
}

fn only_namespace(targets: &[Target], wide: bool) -> Option<String> {
    let first = targets.first().filter(|_| !wide)?;
    let same = targets.iter().all(|target| target.delivered.namespace == first.delivered.namespace);
    same.then(|| first.delivered.namespace.clone())
}
