//! One proof in progress: each wait ends when what is waited for is there, when something is known that waiting cannot heal, or at the time limit.

use super::{
    comparison::{self, Comparison, Difference},
    prover::Prover,
    target::Target,
};
use crate::{
    chain::{
        link::{LinkName, MissingLink, Reason, UNKNOWN, of_an_old_role},
        stage::Stage,
        view::{PodRef, View},
    },
    cluster::{Error as ClusterError, Read, Write},
    engine::{event::Event, fault::Fault},
};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell};

/// Before the first look at why it takes time; a proof that goes well costs no requests for that.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(2);
/// The comparison is made once a proof takes as long as this; after a run that just wrote everything, later.
const SUSPICION: Duration = Duration::from_secs(2);
const SUSPICION_AFTER_A_RUN: Duration = Duration::from_secs(10);
/// What Azure may only not show yet must be missing for so long.
const CONFIRMATION: Duration = Duration::from_secs(4);
/// A comparison that takes longer (Azure is out of reach) is given up.
const LONGEST: Duration = Duration::from_secs(20);
/// A comparison is made again after this.
const AGE: Duration = Duration::from_secs(20);

pub(super) struct Attempt<'a> {
    pub(super) prover: &'a Prover,
    pub(super) target: &'a Target,
    pub(super) cluster: &'a Write,
    pub(super) pod: &'a PodRef,
    begun: Instant,
    compared: Mutex<Option<(Instant, Comparison)>>,
    warnings: OnceCell<Vec<String>>,
    /// What was reported last.
    said: std::sync::Mutex<String>,
}

/// What the watching remembers from one look to the next.
#[derive(Default)]
struct Suspicion {
    reason: Option<(LinkName, Instant)>,
    difference: Option<(String, Instant)>,
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{:.0} s", time.as_secs_f64()) }
}

impl<'a> Attempt<'a> {
    pub(super) fn new(prover: &'a Prover, target: &'a Target, cluster: &'a Write, pod: &'a PodRef, begun: Instant) -> Self {
        Self {
            prover,
            target,
            cluster,
            pod,
            begun,
            compared: Mutex::default(),
            warnings: OnceCell::new(),
            said: std::sync::Mutex::default(),
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.prover.limit.saturating_sub(self.begun.elapsed())
    }

    /// Waits for `what`, which answers None when time ran out.
    pub(super) async fn until<T>(&self, stage: &Stage, what: impl Future<Output = Result<Option<T>, ClusterError>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            outcome = what => match outcome {
                Ok(Some(found)) => Ok(found),
                Ok(None) | Err(ClusterError::TimedOut(_)) => {
                    let reason = Box::pin(self.diagnose(stage)).await;
                    let compared = self.compared(Duration::ZERO).await;
                    Err(self.not_proved(stage, reason, &compared.differences))
                }
                Err(error) => Err(Fault::cloud(error)),
            },
            fault = self.watch(stage) => Err(fault),
        }
    }

    /// Reports the latest reason while the wait goes on; ends only with what waiting cannot heal.
    async fn watch(&self, stage: &Stage) -> Fault {
        let mut suspicion = Suspicion::default();
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            pause = PAUSE;
            let reason = Box::pin(self.diagnose(stage)).await;
            self.report(stage, reason.as_ref());
            if let Some(fault) = Box::pin(self.decide(stage, reason, &mut suspicion)).await {
                return fault;
            }
        }
    }

    async fn decide(&self, stage: &Stage, reason: Option<Reason>, suspicion: &mut Suspicion) -> Option<Fault> {
        let link = reason.as_ref().map(|r| r.missing.link);
        let new = link != suspicion.reason.map(|(link, _)| link);
        if new {
            suspicion.reason = link.map(|link| (link, Instant::now()));
        }
        let seen_for = suspicion.reason.map(|(_, since)| since.elapsed()).unwrap_or_default();
        let over = reason.as_ref().is_some_and(|r| r.heals.is_over(seen_for));
        let patience = if self.prover.fresh { SUSPICION_AFTER_A_RUN } else { SUSPICION };
        if !over && self.begun.elapsed() < patience {
            return None;
        }
        let age = match &suspicion.difference {
            Some((_, since)) if since.elapsed() >= CONFIRMATION => Duration::ZERO,
            _ if over && new => Duration::ZERO,
            _ => AGE,
        };
        let compared = self.compared(age).await;
        let slow = |name: LinkName| self.target.links.iter().any(|link| link.name == name && link.slow);
        let quiet = reason.as_ref().is_none_or(|r| slow(r.missing.link));
        let Some(first) = compared.differences.iter().find(|d| d.breaks || !quiet) else {
            suspicion.difference = None;
            let bound = link.and_then(|link| compared.heals(link));
            let spread = seen_for >= CONFIRMATION && link.is_some_and(|link| compared.is_spread(link) || bound == Some(Duration::ZERO));
            let over = bound.map_or(over, |bound| spread || !bound.is_zero() && seen_for >= bound);
            let reason = reason.map(|reason| if spread { Reason { missing: of_an_old_role(reason.missing), ..reason } } else { reason });
            return (over || spread).then(|| self.not_proved(stage, reason, &compared.differences));
        };
        let since = match &suspicion.difference {
            Some((what, since)) if *what == first.missing.what => *since,
            _ => Instant::now(),
        };
        if first.certain || since.elapsed() >= CONFIRMATION {
            return Some(self.not_proved(stage, reason, &compared.differences));
        }
        suspicion.difference = Some((first.missing.what.clone(), since));
        None
    }

    /// What is not as podid wrote it; `age`: how old the answer may be.
    async fn compared(&self, age: Duration) -> Comparison {
        let mut last = self.compared.lock().await;
        if let Some((at, comparison)) = last.as_ref()
            && at.elapsed() < age
        {
            return comparison.clone();
        }
        let comparison = tokio::time::timeout(LONGEST, Box::pin(comparison::compare(self.prover, self.target))).await.unwrap_or_default();
        *last = Some((Instant::now(), comparison.clone()));
        comparison
    }

    pub(super) fn view<'v>(&'v self, reader: &'v Read) -> View<'v> {
        View { pod: Some(self.pod), ..self.target.view(reader, &self.prover.commands) }
    }

    /// What makes the outcome uncertain for the workload's own pods. Nothing is known where this login may not look.
    pub(super) async fn warnings(&self) -> Vec<String> {
        let look = || async {
            let Ok(reader) = self.prover.clusters.reader(&self.target.bound.cluster).await else { return Vec::new() };
            self.target.mode.warnings(&self.view(&reader)).await
        };
        self.warnings.get_or_init(look).await.clone()
    }

    fn report(&self, stage: &Stage, reason: Option<&Reason>) {
        let latest = reason.map_or_else(|| "no component has reported a problem".to_owned(), |r| r.missing.what.clone());
        let (lead, rest) = (&stage.waits_for, format!("up to {}): {latest}", seconds(self.prover.limit)));
        let key = self.target.delivered.keys.first().cloned();
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // the same reason is reported once, however long it lasts
        if *said != format!("{lead}{rest}") {
            *said = format!("{lead}{rest}");
            let text = format!("{lead} ({}, {rest}", seconds(self.begun.elapsed()));
            (self.prover.events)(Event::Waiting { key, text });
        }
    }

    /// The cause: a difference before any component's text.
    pub(super) fn not_proved(&self, stage: &Stage, reason: Option<Reason>, differences: &[Difference]) -> Fault {
        let after = format!("{} within {}", stage.in_vain, seconds(self.begun.elapsed()));
        let mut found = match (differences.split_first(), reason) {
            (Some((first, others)), reason) => {
                let mut found = first.missing.clone().because(after);
                found.causes.extend(others.iter().map(|d| d.missing.what.clone()));
                found.hints.extend(others.iter().flat_map(|d| d.missing.hints.clone()).filter(|h| !first.missing.hints.contains(h)));
                let told = reason.filter(|r| r.missing.what != first.missing.what).map(|r| r.missing.what);
                found.causes.extend(told);
                found
            }
            (None, Some(reason)) if reason.missing.what == stage.in_vain => MissingLink { what: after, ..reason.missing },
            (None, Some(reason)) => reason.missing.because(after),
            (None, None) => {
                let (names, pods) = self.target.components();
                MissingLink::new(UNKNOWN, format!("{after}, and no component reports why")).hint(format!(
                    "Look at the components ({names}): `kubectl get pods -A -o wide | grep -E '{pods}'`, and at the events of the namespace: `kubectl get events -n {}`.",
                    self.target.bound.namespace
                ))
            }
        };
        let reach = self.prover.commands.reach(self.cluster.other_context());
        reach.texts(&mut found.hints);
        Fault::cloud(found)
    }
}
