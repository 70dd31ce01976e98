//! The cluster of a command that has no graph, such as `cluster components`.

use super::{
    clusters::Known,
    inputs::{DEFAULT_APP, spec_beside},
};
use crate::{
    failure::Failure,
    session::Session,
    spec::{
        known::{ClusterRef, KnownResources},
        reference::NameOrId,
    },
    state::State,
};

/// Returns the named cluster, or the one that Kubernetes objects would go to.
pub async fn cluster_of(session: &Session, named: Option<&NameOrId>) -> Result<ClusterRef, Failure> {
    let loaded = spec_beside()?;
    let spec = loaded.as_ref().map(|loaded| &loaded.spec);
    let (account, ledger) = State::peek(&session.state_path(None))?;
    let subscription = session.subscription(spec.and_then(|spec| spec.subscription.as_deref()), account.as_ref())?;
    let app = session.global.app.as_deref().or(spec.map(|spec| spec.metadata.name.as_str())).unwrap_or(DEFAULT_APP);
    let resources = KnownResources::new(&ledger, app);
    let azure = session.azure.read();
    Known { session, spec, azure: &azure, resources: &resources, subscription: &subscription }.cluster(named).await
}
