//! The inputs of a run besides the plan.

use super::super::{
    event::EventSink,
    ledger::LedgerStore,
    resource::{Backend, Kinds},
};
use std::sync::Arc;
use tokio::sync::watch;

pub struct Run<W: Backend> {
    pub kinds: Kinds<W>,
    pub writer: Arc<W::Writer>,
    pub ledger_store: Arc<dyn LedgerStore>,
    pub parallelism: usize,
    pub recover: bool,
    /// Foreign resources that differ may be taken over.
    pub adopt: bool,
    pub events: EventSink,
    /// Becomes true on Ctrl-C.
    pub stop: watch::Receiver<bool>,
}
