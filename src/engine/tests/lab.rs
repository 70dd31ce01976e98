//! Drives the engine as `converge` does: observe, plan, execute, keep the ledger.

use super::{
    kinds::KINDS,
    toy::{Land, Moment, Thing, Toy},
};
use crate::engine::{
    desired::{Desired, Intent, Node, Requester},
    event::Event,
    execute::{Report, Run, execute},
    fault::Fault,
    key::Key,
    ledger::{Entry, Ledger, LedgerStore, Origin},
    observe::{Faults, Observed, observe},
    plan::Plan,
    planner::{Consent, all_absent, plan},
    resource::Kind,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

pub const APP: &str = "shop";

/// Builds a graph.
pub struct Graph(pub Desired);

pub fn graph() -> Graph {
    graph_of(APP, Requester::Spec)
}

pub fn graph_of(app: &str, by: Requester) -> Graph {
    Graph(Desired::new(app, by))
}

impl Graph {
    pub fn node<K: Kind<Toy>>(mut self, key: Key, kind: &K, intent: Intent) -> Self {
        self.0.add(key, kind, intent).unwrap();
        self
    }
    pub fn present<K: Kind<Toy>>(self, key: Key, kind: &K) -> Self {
        self.node(key, kind, Intent::Present)
    }
    pub fn absent<K: Kind<Toy>>(self, key: Key, kind: &K) -> Self {
        self.node(key, kind, Intent::Absent)
    }
    pub fn with(mut self, key: &Key, change: impl FnOnce(&mut Node)) -> Self {
        change(self.0.nodes.get_mut(key).unwrap());
        self
    }
}

pub struct Lab {
    pub land: Arc<Land>,
    pub ledger: Ledger,
    pub consent: Consent,
    pub parallelism: usize,
    pub events: Arc<Mutex<Vec<String>>>,
    /// Where the next runs save. None: in the land.
    pub ledger_store: Option<Arc<dyn LedgerStore>>,
    /// What other users do between the next plan and its execution.
    pub between: Option<fn(&Land)>,
}

impl Default for Lab {
    fn default() -> Self {
        Self {
            land: Arc::default(),
            ledger: Ledger::default(),
            consent: Consent::default(),
            parallelism: 4,
            events: Arc::default(),
            ledger_store: None,
            between: None,
        }
    }
}

impl Lab {
    /// Starts a new run after a killed one.
    pub fn after(moment: &Moment) -> Self {
        let lab = Self { ledger: moment.ledger.clone(), ..Self::default() };
        lab.land.ground().things = moment.things.clone();
        lab.land.ground().made = moment.made.clone();
        lab
    }

    pub async fn look(&self, graph: &Graph) -> Result<Observed, Faults> {
        observe(&graph.0, &self.ledger, KINDS, &self.land, self.consent.recover).await
    }

    pub async fn try_plan(&self, graph: &Graph) -> Result<(Plan, Observed), Fault> {
        let observed = self.look(graph).await.map_err(|mut faults| faults.remove(0).1)?;
        Ok((plan(&graph.0, &self.ledger, &observed, KINDS, &self.consent)?, observed))
    }

    pub async fn plan(&self, graph: &Graph) -> Plan {
        self.try_plan(graph).await.unwrap().0
    }

    /// Returns the acts of a plan without keeps, as text: `create host/a`.
    pub async fn acts(&self, graph: &Graph) -> Vec<String> {
        acts(&self.plan(graph).await)
    }

    pub async fn run(&mut self, graph: &Graph) -> (Plan, Report) {
        let (plan, observed) = self.try_plan(graph).await.unwrap();
        assert_eq!(plan.refused, [], "a plan with a refusal is not executed");
        if let Some(between) = self.between.take() {
            between(&self.land);
        }
        self.land.ground().begin(&self.ledger);
        let events = Arc::clone(&self.events);
        let run = Run {
            kinds: KINDS,
            writer: Arc::clone(&self.land),
            ledger_store: self.ledger_store.clone().unwrap_or_else(|| Arc::clone(&self.land) as _),
            parallelism: self.parallelism,
            recover: self.consent.recover,
            adopt: self.consent.adopt,
            events: Arc::new(move |event| events.lock().unwrap().push(told(&event))),
            stop: self.land.stop.subscribe(),
        };
        let report = execute(&plan, self.ledger.clone(), observed.known, run).await;
        self.ledger = report.ledger.clone();
        (plan, report)
    }

    /// Runs a graph without failures, and checks that a second run has nothing to do and nothing to save.
    pub async fn up(&mut self, graph: &Graph) -> Plan {
        let (plan, report) = self.run(graph).await;
        assert!(report.failed.is_empty() && report.not_started.is_empty() && report.unsaved.is_none(), "{report:?}");
        let (counts, moments) = (self.counts(), self.land.ground().moments.clone());
        let (again, report) = self.run(graph).await;
        assert!(!again.has_changes(), "the second run would {:?}", acts(&again));
        assert_eq!(report.done, [], "{report:?}");
        assert_eq!(self.counts(), counts, "the second run wrote or saved");
        self.land.ground().moments = moments;
        plan
    }

    pub fn nothing(&self) -> Graph {
        Graph(all_absent(APP, &self.ledger, None, KINDS).unwrap())
    }

    pub async fn down(&mut self) -> Plan {
        let graph = self.nothing();
        let (plan, report) = self.run(&graph).await;
        assert!(report.failed.is_empty() && report.not_started.is_empty() && report.unsaved.is_none(), "{report:?}");
        plan
    }

    pub fn entry(&self, key: &Key) -> &Entry {
        self.ledger.get(APP, key).unwrap_or_else(|| panic!("{key} is not in the ledger"))
    }
    pub fn origin(&self, key: &Key) -> Option<Origin> {
        self.ledger.get(APP, key).map(|e| e.origin)
    }
    pub fn paths(&self) -> Vec<String> {
        self.land.ground().things.keys().cloned().collect()
    }
    pub fn things(&self) -> BTreeMap<String, Thing> {
        self.land.ground().things.clone()
    }
    pub fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.land.ground().writes)
    }
    /// Returns the number of writes and saves so far.
    fn counts(&self) -> (usize, usize) {
        let ground = self.land.ground();
        (ground.writes.len(), ground.saves)
    }
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

pub fn acts(plan: &Plan) -> Vec<String> {
    let told = plan.actions.iter().filter(|a| a.act != crate::engine::plan::Act::Keep);
    told.map(|a| format!("{} {}", a.act.word(), a.key)).collect()
}

pub fn why<'a>(plan: &'a Plan, key: &Key) -> &'a str {
    plan.action(key).and_then(|a| a.why.as_deref()).unwrap_or_default()
}

fn told(event: &Event) -> String {
    match event {
        Event::Started { key, .. } => format!("started {key}"),
        Event::Done { key, .. } => format!("done {key}"),
        Event::Failed { key, .. } => format!("failed {key}"),
        Event::NotStarted { key, .. } => format!("not started {key}"),
        other => format!("{other:?}"),
    }
}
