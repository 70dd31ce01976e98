//! What proofs are made with.

use crate::{
    azure::Azure,
    chain::commands::Commands,
    engine::{event::EventSink, ledger::Ledger},
    resources::world::Clusters,
};
use std::time::Duration;
use tokio::sync::watch;

pub struct Prover {
    pub clusters: Clusters,
    pub azure: Azure,
    /// What was written, which a proof that fails is compared with.
    pub ledger: Ledger,
    pub commands: Commands,
    /// Whether a run has just written everything, so that Azure may not show all of it yet.
    pub fresh: bool,
    /// How long Entra may take until all of it knows a new credential.
    pub settle: Duration,
    /// Whether nothing but reads may be sent, so that no server is asked for a dry run.
    pub only_reads: bool,
    pub events: EventSink,
    /// Of the pod; None: the default one of the delivery.
    pub image: Option<String>,
    pub limit: Duration,
    /// Turns true on Ctrl-C: the pod is removed all the same.
    pub stop: watch::Receiver<bool>,
}
