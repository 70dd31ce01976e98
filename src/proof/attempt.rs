//! One proof in progress: each wait ends when what is waited for is there, when something is known that waiting cannot heal, or at the time limit.

use super::{
    NotProved, Prover, Target,
    comparison::{self, Comparison, Difference},
    link::{Link, Reason},
    pod::ProofPod,
};
use crate::{
    cluster::{Error as ClusterError, Write},
    engine::{event::Event, fault::Fault},
    resources::azure_identity_binding::{Rival, rivals},
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

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage<'a> {
    Mount,
    /// That the driver keeps a Secret of this name.
    Secret(&'a str),
    Running,
}

impl Stage<'_> {
    fn waits_for(&self) -> String {
        match self {
            Self::Mount => "waiting until the driver has mounted the secrets".into(),
            Self::Secret(name) => format!("waiting until the driver has made the Secret {name}"),
            Self::Running => "waiting until the container runs".into(),
        }
    }

    pub(super) fn in_vain(&self) -> String {
        match self {
            Self::Mount => "the pod did not get its secrets".into(),
            Self::Secret(name) => format!("the secrets were mounted, but the Secret {name} was not made"),
            Self::Running => "the secrets were mounted, but the container did not start".into(),
        }
    }
}

pub(super) struct Attempt<'a> {
    pub(super) prover: &'a Prover,
    pub(super) target: &'a Target,
    pub(super) cluster: &'a Write,
    pub(super) pod: &'a ProofPod,
    begun: Instant,
    compared: Mutex<Option<(Instant, Comparison)>>,
    rivals: OnceCell<Vec<Rival>>,
    /// What was reported last.
    said: std::sync::Mutex<String>,
}

/// What the watching remembers from one look to the next.
#[derive(Default)]
struct Suspicion {
    reason: Option<(Link, Instant)>,
    difference: Option<(String, Instant)>,
}

/// Why waiting does not help although the role is there.
fn of_an_old_role(mut reason: Reason) -> Reason {
    reason.found = reason.found.because("its role was assigned more than 10 minutes ago, so this is not a new role on its way");
    reason.found.hints = vec![
        "A condition of the role assignment or a deny assignment may forbid it: `az role assignment list --all --include-inherited` shows conditions.".into(),
    ];
    reason
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{:.0} s", time.as_secs_f64()) }
}

impl<'a> Attempt<'a> {
    pub(super) fn new(prover: &'a Prover, target: &'a Target, cluster: &'a Write, pod: &'a ProofPod, begun: Instant) -> Self {
        Self { prover, target, cluster, pod, begun, compared: Mutex::default(), rivals: OnceCell::new(), said: std::sync::Mutex::default() }
    }

    pub(super) fn left(&self) -> Duration {
        self.prover.limit.saturating_sub(self.begun.elapsed())
    }

    /// Waits for `what`, which answers None when time ran out.
    pub(super) async fn until<T>(&self, stage: Stage<'_>, what: impl Future<Output = Result<Option<T>, ClusterError>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            outcome = what => match outcome {
                Ok(Some(found)) => Ok(found),
                Ok(None) | Err(ClusterError::TimedOut(_)) => {
                    let reason = Box::pin(self.diagnose(&stage)).await;
                    let compared = self.compared(Duration::ZERO).await;
                    Err(self.not_proved(&stage, reason, &compared.differences))
                }
                Err(error) => Err(Fault::cloud(error)),
            },
            fault = self.watch(stage) => Err(fault),
        }
    }

    /// Reports the latest reason while the wait goes on; ends only with what waiting cannot heal.
    async fn watch(&self, stage: Stage<'_>) -> Fault {
        let mut suspicion = Suspicion::default();
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            pause = PAUSE;
            let reason = Box::pin(self.diagnose(&stage)).await;
            self.report(&stage, reason.as_ref());
            if let Some(fault) = Box::pin(self.decide(&stage, reason, &mut suspicion)).await {
                return fault;
            }
        }
    }

    async fn decide(&self, stage: &Stage<'_>, reason: Option<Reason>, suspicion: &mut Suspicion) -> Option<Fault> {
        let link = reason.as_ref().map(|r| r.found.link);
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
        // MIC takes its time also where all is well
        let quiet = reason.as_ref().is_none_or(|r| r.found.link == Link::Assignment);
        let Some(first) = compared.differences.iter().find(|d| d.breaks || !quiet) else {
            suspicion.difference = None;
            let spread = seen_for >= CONFIRMATION && link.is_some_and(|link| compared.is_spread(link));
            let reason = reason.map(|reason| if spread { of_an_old_role(reason) } else { reason });
            return (over || spread).then(|| self.not_proved(stage, reason, &compared.differences));
        };
        let since = match &suspicion.difference {
            Some((what, since)) if *what == first.found.what => *since,
            _ => Instant::now(),
        };
        if first.certain || since.elapsed() >= CONFIRMATION {
            return Some(self.not_proved(stage, reason, &compared.differences));
        }
        suspicion.difference = Some((first.found.what.clone(), since));
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

    /// Other bindings by which the pod gets a second identity. None are known where this login may not look.
    pub(super) async fn rivals(&self) -> Vec<Rival> {
        let look = || async {
            let Ok(cluster) = self.prover.clusters.reader(&self.target.cluster).await else { return Vec::new() };
            rivals(&cluster, &self.target.own_binding()).await
        };
        self.rivals.get_or_init(look).await.clone()
    }

    fn report(&self, stage: &Stage<'_>, reason: Option<&Reason>) {
        let latest = reason.map_or_else(|| "no component has reported a problem".to_owned(), |r| r.found.what.clone());
        let (lead, rest) = (stage.waits_for(), format!("up to {}): {latest}", seconds(self.prover.limit)));
        let key = self.target.class_key.clone();
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // the same reason is reported once, however long it lasts
        if *said != format!("{lead}{rest}") {
            *said = format!("{lead}{rest}");
            let text = format!("{lead} ({}, {rest}", seconds(self.begun.elapsed()));
            (self.prover.events)(Event::Waiting { key: Some(key), text });
        }
    }

    /// The cause: a difference before any component's text.
    pub(super) fn not_proved(&self, stage: &Stage<'_>, reason: Option<Reason>, differences: &[Difference]) -> Fault {
        let after = format!("{} within {}", stage.in_vain(), seconds(self.begun.elapsed()));
        let found = match (differences.split_first(), reason) {
            (Some((first, others)), reason) => {
                let mut found = first.found.clone().because(after);
                found.causes.extend(others.iter().map(|d| d.found.what.clone()));
                found.hints.extend(others.iter().flat_map(|d| d.found.hints.clone()).filter(|h| !first.found.hints.contains(h)));
                let told = reason.filter(|r| r.found.what != first.found.what).map(|r| r.found.what);
                found.causes.extend(told);
                found
            }
            (None, Some(reason)) if reason.found.what == stage.in_vain() => NotProved { what: after, ..reason.found },
            (None, Some(reason)) => reason.found.because(after),
            (None, None) => NotProved::new(Link::Unknown, format!("{after}, and no component reports why")).hint(format!(
                "Look at the components: `kubectl get pods -A -o wide | grep -E 'mic|nmi|secrets-store'`, and at the events of the namespace: `kubectl get events -n {}`.",
                self.target.namespace
            )),
        };
        Fault::cloud(found)
    }
}
