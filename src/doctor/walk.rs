//! The walk along the chain of one case: every link is looked at, also with the workload's own pods. The first broken link is the finding; what
//! is broken after it follows from it, unless the link stands by itself.

use super::{
    case::{self, Case},
    case_names::names,
    finding::Finding,
    logs, pods,
    reports::Reports,
    seen::Seen,
};
use crate::{
    azure,
    chain::{
        ground,
        link::{CLUSTER, GRANT, Heals, Link, MissingLink, Reason},
        page::{Page, Severity},
        pages,
        view::{PodRef, View},
    },
    cluster,
    engine::resource::Side,
    proof::Prover,
    survey::Survey,
};
use jiff::Timestamp;
use serde_json::Value;

/// What a walk looks with.
pub struct Walk<'a> {
    pub prover: &'a Prover,
    pub cluster: &'a cluster::Read,
    pub azure: &'a azure::Read,
    pub survey: &'a Survey,
    pub reports: &'a Reports<'a>,
}

impl Walk<'_> {
    pub async fn examine(&self, case: &Case<'_>) -> Vec<Finding> {
        let mut seen = self.compared(case).await;
        let pods: Vec<(&Value, PodRef)> =
            case.workloads.iter().flat_map(|workload| case::pods(workload, self.survey)).map(|pod| (pod, pods::reference(pod))).collect();
        let base = self.view(case);
        self.look(case, &base, None, &mut seen).await;
        for (_, pod) in &pods {
            let view = View { pod: Some(pod), ..self.view(case) };
            self.look(case, &view, Some(pod), &mut seen).await;
        }
        pods::templates(case, &base, &mut seen);
        pods::volumes(case, &base, &mut seen);
        spare(case, &base, &mut seen);
        soften(case, &mut seen);
        let is_broken = |seen: &[Seen]| seen.iter().any(|one| one.severity == Severity::Error) || !pods::are_ready(case);
        pods::events(case, &base, self.reports, is_broken(&seen), &mut seen).await;
        if is_broken(&seen) {
            logs::look(case, &base, self.reports, &mut seen).await;
        }
        soften(case, &mut seen);
        let mut findings = self.findings(case, seen);
        if findings.iter().all(|finding| finding.severity != Severity::Error) {
            let unexplained = case::missing_edges(case).into_iter().map(|(why, hint)| {
                let finding = Finding::new(&pages::UNKNOWN, case.resource.clone(), why);
                hint.into_iter().fold(finding, Finding::hint)
            });
            findings.splice(0..0, unexplained.collect::<Vec<_>>());
        }
        if pods.is_empty() && findings.iter().all(|finding| finding.severity != Severity::Error) {
            findings.push(Finding::new(&pages::NO_POD, case.resource.clone(), "the workload has no pod at the moment"));
        }
        let names = names(case, &base);
        let cluster = &case.target.bound.cluster.name;
        findings.into_iter().map(|finding| Finding { cluster: Some(cluster.clone()), ..finding.named(&names) }).collect()
    }

    fn view<'v>(&'v self, case: &'v Case<'_>) -> View<'v> {
        View { azure: Some(self.azure), survey: Some(self.survey), ..case.target.view(self.cluster, &self.prover.commands) }
    }

    /// What differs from what podid wrote. Nothing for a workload that it did not bind.
    async fn compared(&self, case: &Case<'_>) -> Vec<Seen> {
        if case.target.bound.keys.is_empty() && case.target.delivered.keys.is_empty() {
            return Vec::new();
        }
        let differences = self.prover.differences(&case.target).await;
        let seen = |missing: MissingLink| {
            let link = case.target.links.iter().find(|link| link.name == missing.link);
            Seen::of(missing, link, "what exists, compared with what podid wrote")
        };
        differences.into_iter().map(|difference| seen(difference.missing)).collect()
    }

    async fn look(&self, case: &Case<'_>, view: &View<'_>, pod: Option<&PodRef>, seen: &mut Vec<Seen>) {
        for link in &case.target.links {
            for check in link.check.iter().chain(link.examine) {
                for reason in (check.look)(view, link).await {
                    let place = if check.side == Side::Azure { "Azure" } else { "the cluster" };
                    let of_pod = pod.map(|pod| format!(", with the pod {}", pod.at.name)).unwrap_or_default();
                    let next = of_reason(reason, link, pod, format!("{} in {place}{of_pod}", link.title));
                    let is_known = |one: &&mut Seen| one.missing.link == next.missing.link && one.missing.what == next.missing.what;
                    match seen.iter_mut().find(is_known) {
                        Some(known) => known.learn(next),
                        None => seen.push(next),
                    }
                }
            }
        }
    }

    fn findings(&self, case: &Case<'_>, mut seen: Vec<Seen>) -> Vec<Finding> {
        // what podid compared or read comes before what components say, which may follow from it
        let is_seen = seen.iter().any(|one| !one.is_told && one.severity == Severity::Error);
        let rank = |one: &Seen| (is_seen && one.is_told, case.target.rank(one.missing.link));
        seen.sort_by_key(rank);
        let mut findings: Vec<Finding> = Vec::new();
        for one in seen {
            let link = case.target.links.iter().find(|link| link.name == one.missing.link);
            if one.severity != Severity::Error {
                let first = findings.iter_mut().find(|finding| finding.severity == Severity::Error).filter(|_| one.is_young);
                match first {
                    Some(first) => follows(first, one.missing.what),
                    None => findings.push(finding(case, one)),
                }
                continue;
            }
            let same = |finding: &&mut Finding| finding.severity == Severity::Error && finding.link == Some(one.missing.link.word);
            let own = link.map_or(one.missing.link.page, |link| link.page);
            if let Some(same) = findings.iter_mut().find(same) {
                join(same, one, own);
                continue;
            }
            let first = findings.iter_mut().find(|finding| finding.severity == Severity::Error);
            let apart = link.is_some_and(|link| link.apart);
            match first {
                Some(first) if !apart || is_seen && one.is_told || first.link == Some(CLUSTER.word) => follows(first, one.missing.what),
                _ => findings.push(finding(case, one)),
            }
        }
        findings
    }
}

/// The same may be read at several places.
fn follows(first: &mut Finding, what: String) {
    if !first.consequences.contains(&what) && first.what != what && !first.causes.contains(&what) {
        first.consequences.push(what);
    }
}

/// What may pass by itself, and is not older than it may take, is not certain yet.
fn of_reason(reason: Reason, link: &Link, pod: Option<&PodRef>, evidence: String) -> Seen {
    let mut seen = Seen::of(reason.missing, Some(link), evidence);
    let age = pod.and_then(|pod| pod.made).map(|made| Timestamp::now().duration_since(made));
    if let (Heals::Within(bound), Some(age)) = (reason.heals, age)
        && age.unsigned_abs() < bound
        && link.slow
    {
        seen.severity = Severity::Warning;
        seen.is_young = true;
        seen.missing.causes.push(format!("the pod is {} s old, and this may take {} s", age.as_secs(), bound.as_secs()));
    }
    seen
}

/// podid's own grant may be missing while another role or policy gives the same right.
fn spare(case: &Case<'_>, view: &View<'_>, seen: &mut [Seen]) {
    let Some(how) = ground::has_right(view) else { return };
    let is_compared =
        |one: &&mut Seen| one.missing.link == GRANT && one.severity == Severity::Error && one.evidence.starts_with("what exists, compared");
    for one in seen.iter_mut().filter(is_compared) {
        one.severity = Severity::Warning;
        one.missing.causes.push(format!("the identity has the right by another way: {how}"));
        let resources = case.target.links.iter().filter(|link| link.name == GRANT).filter_map(|link| link.resource.as_ref());
        if let Some(resource) = resources.into_iter().find(|resource| one.missing.what.ends_with(resource.missing)) {
            one.missing.what = resource.spared(&one.missing.what);
        }
    }
}

/// What only an app needs is no fault of a volume that gets its token without it, unless components report that it is needed.
fn soften(case: &Case<'_>, seen: &mut [Seen]) {
    for one in seen.iter_mut().filter(|_| case.is_by_volume_alone()) {
        let of_app = case.target.links.iter().any(|link| link.name == one.missing.link && link.of_app);
        if of_app && one.severity == Severity::Error && !one.is_told {
            one.severity = Severity::Warning;
            one.missing.causes.push("the volume gets its token without it; only an app that asks by itself needs it".to_owned());
        }
    }
}

fn finding(case: &Case<'_>, seen: Seen) -> Finding {
    let page = seen.page();
    Finding {
        severity: seen.severity,
        link: Some(seen.missing.link.word),
        evidence: vec![seen.evidence],
        causes: seen.missing.causes,
        hints: seen.missing.hints,
        ..Finding::new(page, case.resource.clone(), seen.missing.what)
    }
}

/// `general`: the page of their link.
fn join(finding: &mut Finding, mut other: Seen, general: &Page) {
    // what podid saw more exactly gives the finding its name
    if other.is_special && !other.is_told && finding.page == general {
        finding.page = other.page();
        std::mem::swap(&mut finding.what, &mut other.missing.what);
    }
    if finding.what != other.missing.what {
        finding.causes.push(other.missing.what);
    }
    finding.causes.extend(other.missing.causes);
    // one way is enough
    if finding.hints.is_empty() {
        finding.hints.extend(other.missing.hints);
    }
    finding.evidence.push(other.evidence);
    for list in [&mut finding.causes, &mut finding.hints, &mut finding.evidence] {
        let mut once: Vec<String> = Vec::new();
        for text in list.drain(..) {
            if !once.contains(&text) {
                once.push(text);
            }
        }
        *list = once;
    }
}
