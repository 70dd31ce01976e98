//! Which workloads `doctor` and `probe` look at: those that the state knows, and those that a survey of a cluster finds; `lint` reads the same
//! survey.

use super::remembered;
use crate::{
    azure::{self, ArmId},
    chain::commands::Commands,
    cluster,
    converge::{self, DEFAULT_APP},
    doctor::case::Selected,
    engine::{fault::Fault, ledger::Ledger},
    failure::Failure,
    inventory::{self, Workload},
    proof::{self, Prover, Target},
    session::Session,
    spec::known::ClusterRef,
    survey::{Scope, Survey},
};
use std::{path::Path, sync::Arc, time::Duration};

/// What the state knows.
pub struct Recorded {
    /// The app that is meant; None: none is known.
    app: Option<String>,
    ledger: Ledger,
    commands: Commands,
    pub targets: Vec<Target>,
    /// The apps whose targets could not be told apart.
    pub faults: Vec<(String, Fault)>,
}

impl Recorded {
    /// `is_wide`: of all apps, also where one is named.
    pub fn read(session: &Session, file: Option<&Path>, is_wide: bool) -> Result<Self, Failure> {
        let (app, ledger) = remembered::app_ledger(session, file)?;
        let commands = converge::commands(session, file);
        let apps = match &app {
            Some(app) if !is_wide => vec![app.clone()],
            _ => ledger.apps().into_iter().map(str::to_owned).collect(),
        };
        let (mut targets, mut faults) = (Vec::new(), Vec::new());
        for app in apps {
            match proof::targets(&ledger, &app, None, None, &commands) {
                Ok(found) => targets.extend(found),
                Err(fault) => faults.push((app, fault)),
            }
        }
        Ok(Self { app, ledger, commands, targets, faults })
    }

    pub fn app(&self) -> &str {
        self.app.as_deref().unwrap_or(DEFAULT_APP)
    }

    /// A prover that sends nothing but reads, and says nothing of them. `limit`: where the command line gives none.
    pub fn prover(&self, session: &Session, limit: Duration) -> Prover {
        Prover {
            clusters: session.clusters.clone(),
            azure: session.azure.clone(),
            ledger: self.ledger.clone(),
            commands: self.commands.clone(),
            fresh: false,
            settle: Duration::ZERO,
            only_reads: true,
            events: Arc::new(|_| {}),
            image: None,
            limit: session.global.timeout.unwrap_or(limit),
            stop: session.stop.clone(),
        }
    }
}

/// A cluster and its subscription, as they were read.
pub struct Looked {
    pub cluster: cluster::Read,
    pub azure: azure::Read,
    pub survey: Survey,
    pub workloads: Vec<Workload>,
}

impl Looked {
    /// `namespace`: None: of all namespaces.
    pub async fn at(session: &Session, cluster: &ClusterRef, namespace: Option<&str>) -> Result<Self, Failure> {
        let read = session.clusters.open(Some(&cluster.context)).await.map_err(|error| Failure::from(&error))?.read();
        let azure = session.azure.read();
        let subscription = ArmId::subscription(cluster.id.subscription_id());
        let scope = Scope { subscription: &subscription, cluster: cluster.issuer.is_none().then_some(&cluster.id), namespace };
        let survey = Survey::read(&read, &azure, &scope).await;
        let workloads = inventory::workloads(&survey, namespace);
        Ok(Self { cluster: read, azure, survey, workloads })
    }
}

/// `workload deployment/web`, as somebody named it; `workload` where nobody did.
pub fn shown(selected: &Selected) -> String {
    let Some(name) = &selected.name else { return "workload".to_owned() };
    let kind = selected.kind.as_ref().map(|kind| format!("{kind}/")).unwrap_or_default();
    format!("workload {kind}{name}")
}
