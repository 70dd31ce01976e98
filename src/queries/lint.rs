//! `lint`: the checks over a spec, a cluster with its subscription, or both.

use super::{chosen::Looked, findings};
use crate::{
    chain::commands::Reach,
    cli::Lint,
    converge,
    doctor::{
        finding::Report,
        lint::{self, Cluster, Evidence},
    },
    exit::Exit,
    failure::Failure,
    inventory::{self, Workload},
    session::Session,
    spec::{load, model::Spec},
    survey::Survey,
};

pub async fn lint(session: &Session, asked: &Lint) -> Result<Exit, Failure> {
    let spec: Option<Spec> = match &asked.file {
        Some(file) => Some(load::load(file)?.spec),
        None => converge::spec_beside()?.map(|loaded| loaded.spec),
    };
    let file = asked.file.as_ref().map(|file| file.display().to_string());
    let file = file.or_else(|| spec.is_some().then(|| crate::cli::DEFAULT_SPEC.to_owned()));
    let mut report = Report { tool: "lint", file, ..Report::default() };
    if spec.is_none() && asked.offline {
        return Err(Failure::new(Exit::Refused, "there is no spec to look at").hint("Name one with `-f FILE`, or leave `--offline` out."));
    }
    let surveyed = if asked.offline { None } else { surveyed(session, asked, spec.is_some(), &mut report).await? };
    let cluster = surveyed.as_ref().map(|(survey, workloads, _)| Cluster { survey, workloads });
    let evidence = Evidence { spec: spec.as_ref(), cluster };
    for check in lint::ALL {
        report.checked.push(check.name.to_owned());
        report.findings.extend((check.run)(&evidence));
    }
    if let Some((.., reach)) = &surveyed {
        report.findings.iter_mut().for_each(|finding| finding.send(reach));
    }
    let suppressed = findings::suppressions(&asked.verdict, spec.as_ref());
    findings::report(session, report, &asked.verdict, &suppressed)
}

/// None: there is a spec, and no cluster could be looked at.
async fn surveyed(
    session: &Session,
    asked: &Lint,
    has_spec: bool,
    report: &mut Report,
) -> Result<Option<(Survey, Vec<Workload>, Reach)>, Failure> {
    match session.unless_interrupted(Box::pin(survey(session, asked))).await? {
        Ok((survey, workloads, reach)) => {
            report.unseen.extend(survey.gaps().into_iter().map(|gap| format!("{}: {}", gap.what, gap.why)));
            Ok(Some((survey, workloads, reach)))
        }
        Err(failure) if has_spec && asked.cluster.is_none() => {
            report.unseen.push(format!("the cluster: {}", failure.message));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

async fn survey(session: &Session, asked: &Lint) -> Result<(Survey, Vec<Workload>, Reach), Failure> {
    let cluster = converge::cluster_of(session, asked.cluster.as_ref()).await?;
    let Looked { cluster: read, azure, mut survey, workloads } = Looked::at(session, &cluster, asked.namespace.as_deref()).await?;
    let vaults = inventory::used_vaults(&workloads, &survey);
    survey.azure.read_secrets(&azure, &vaults).await;
    let undecided = lint::undecided(&Cluster { survey: &survey, workloads: &workloads });
    survey.azure.read_groups(&azure, &undecided).await;
    let reach = converge::commands(session, asked.file.as_deref()).reach(read.other_context());
    Ok((survey, workloads, reach))
}
