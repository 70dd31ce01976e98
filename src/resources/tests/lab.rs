//! Drives the engine with the real kinds, as `converge` does, against any cluster.

use crate::{
    azure::Azure,
    cluster::Settings,
    engine::{
        desired::{Desired, Intent, Requester},
        execute::{Report, Run, execute},
        ledger::{Ledger, LedgerChange, LedgerStore},
        observe::observe,
        plan::{Act, Plan},
        planner::{Consent, all_absent, plan},
    },
    helm,
    resources::{
        KINDS, Reader, Writer, content,
        object::{self, Object},
        values::Values,
        world::{ClusterTarget, Clusters},
    },
};
use crate::{engine::input::Input, engine::key::Key};
use futures::future::BoxFuture;
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

pub const APP: &str = "shop";

pub struct Lab {
    pub target: ClusterTarget,
    clusters: Clusters,
    azure: Azure,
    pub ledger: Ledger,
    pub adopt: bool,
    pub limit: Duration,
    /// The sentences of waits.
    pub said: Arc<Mutex<Vec<String>>>,
}

/// The ledger is kept by the report.
struct Nowhere;

impl LedgerStore for Nowhere {
    fn record(&self, _: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn finish(&self) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

impl Lab {
    pub fn new(kubeconfig: &Path, context: &str) -> Self {
        let settings = Settings {
            kubeconfig: Some(kubeconfig.display().to_string()),
            timeout: Some(Duration::from_secs(5)),
            parallelism: 4,
            ..Settings::default()
        };
        Self {
            target: ClusterTarget { name: "aks".into(), context: context.into(), hosts: Input::Known(Vec::new()) },
            clusters: Clusters::new(settings, true, Arc::new(|_, _| {})),
            azure: Azure::new(crate::azure::Settings::default()).unwrap(),
            ledger: Ledger::default(),
            adopt: false,
            limit: Duration::from_secs(20),
            said: Arc::default(),
        }
    }

    /// The same with an Azure that responds.
    #[cfg(feature = "sandbox")]
    pub fn with_azure(self, settings: crate::azure::Settings) -> Self {
        Self { azure: Azure::new(settings).unwrap(), ..self }
    }

    /// The graph of a component.
    pub fn graph(&self, manifests: &[Value]) -> Desired {
        let mut desired = Desired::new(APP, Requester::Spec);
        for (key, object) in object::in_order(&self.target, manifests.to_vec(), &[]).unwrap() {
            desired.add(key, &object, Intent::Present).unwrap();
        }
        desired
    }

    pub fn object(&self, manifest: Value) -> (Key, Object) {
        let key = object::key(&self.target.name, &manifest).unwrap();
        (key, Object { target: self.target.clone(), manifest, shared: false, is_internal: false, after: Vec::new() })
    }

    /// The same, with this helm.
    pub fn with_helm(self, program: &Path) -> Self {
        let (send, stop) = tokio::sync::watch::channel(false);
        // nobody stops it
        drop(send);
        Self { clusters: self.clusters.with_helm(helm::Program::new(Some(program.to_owned()), stop)), ..self }
    }

    pub async fn plan(&self, desired: &Desired) -> Result<(Plan, crate::engine::input::KnownOutputs), Vec<String>> {
        let reader =
            Reader::new(self.azure.read(), self.clusters.clone(), Arc::new(Values::default()), content()).consenting(self.adopt, false);
        let observed = observe(desired, &self.ledger, KINDS, &reader, false).await;
        let observed = observed.map_err(|faults| faults.iter().map(|(key, fault)| format!("{key}: {fault}")).collect::<Vec<_>>())?;
        let consent = Consent { adopt: self.adopt, ..Consent::default() };
        Ok((plan(desired, &self.ledger, &observed, KINDS, &consent).unwrap(), observed.known))
    }

    /// What a plan does, without what stays.
    pub async fn acts(&self, desired: &Desired) -> Vec<(Act, String)> {
        let (plan, _) = self.plan(desired).await.unwrap();
        plan.actions.iter().filter(|action| action.act.changes()).map(|action| (action.act, action.key.names().to_owned())).collect()
    }

    pub async fn up(&mut self, desired: &Desired) -> Report {
        let (plan, known) = self.plan(desired).await.unwrap();
        assert!(plan.refused.is_empty(), "{:#?}", plan.refused);
        let said = Arc::clone(&self.said);
        let on_wait: crate::azure::OnWait = Arc::new(move |text| said.lock().unwrap().push(text));
        let (_keep, stop) = tokio::sync::watch::channel(false);
        let writer = Writer {
            azure: self.azure.write(Arc::new(|_| {})),
            look: self.azure.read(),
            clusters: self.clusters.clone(),
            values: Arc::new(Values::default()),
            force_conflicts: false,
            adopt: self.adopt,
            on_wait,
            limit: self.limit,
            of_volume: |_| None,
            stop: stop.clone(),
        };
        let run = Run {
            kinds: KINDS,
            writer: Arc::new(writer),
            ledger_store: Arc::new(Nowhere),
            parallelism: 4,
            recover: false,
            adopt: self.adopt,
            events: Arc::new(|_| {}),
            stop,
        };
        let report = execute(&plan, self.ledger.clone(), known, run).await;
        self.ledger = report.ledger.clone();
        report
    }

    pub async fn down(&mut self) -> Report {
        let desired = all_absent(APP, &self.ledger, None, KINDS).unwrap();
        self.up(&desired).await
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

/// The keys of what was done, in order.
pub fn done(report: &Report) -> Vec<String> {
    assert!(report.failed.is_empty(), "{:#?}", report.failed);
    report.done.iter().map(|(key, ..)| key.names().to_owned()).collect()
}
