//! What the texts of components mean that keep an app from becoming ready: the links of its chain know them.

use crate::{
    chain::commands::Commands,
    engine::{execute::Report, key::Key, resource::Kind as _},
    failure::Failure,
    proof,
    resources::{object::Object, wiring::Wiring},
};

/// Adds to the failure of a workload what its causes mean, and the command that looks at each link.
pub(super) fn add(failure: &mut Failure, key: &Key, report: &Report, app: &str, commands: &Commands) {
    let is_workload = [Object::KIND, Wiring::KIND].contains(&key.kind()) && failure.message.contains("is not ready");
    let Some(namespace) = namespace(key).filter(|_| is_workload) else { return };
    let targets = proof::targets(&report.ledger, app, Some(namespace), None, commands).unwrap_or_default();
    let meant = targets.iter().find_map(|target| failure.causes.iter().find_map(|cause| target.meaning(cause)));
    failure.causes.extend(meant.map(str::to_owned));
    if !targets.is_empty() {
        failure.hints.push(format!("Prove each link on the way to the secrets: {}.", commands.podid(&["verify", "-n", namespace])));
    }
}

/// The namespace in `object/aks/deployment.apps/shop/web` and in `wiring/aks/deployment/shop/web`.
fn namespace(key: &Key) -> Option<&str> {
    match key.names().split('/').collect::<Vec<_>>().as_slice() {
        [_, _, namespace, _] => Some(namespace),
        _ => None,
    }
}
