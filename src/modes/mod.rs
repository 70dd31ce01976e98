//! The table of identity modes: a new mode is one file and one line here. Everybody else asks the table.

mod aad;
mod accounts;
mod identity_binding;
pub mod mode;
mod pod_identity;
mod pod_identity_addon;
mod workload_identity;

use crate::{
    chain::facts::Bound,
    cluster::Api,
    engine::{fault::Fault, ledger::Ledger},
    spec::settings::Owner,
};
pub use aad::{OPERATOR_SCOPE, excepting, is_namespaced};
pub use mode::Mode;
pub use pod_identity_addon::existing as addon_feature;
use serde_json::Value;

/// The first one is the default.
static MODES: &[&dyn Mode] = &[
    &pod_identity::PodIdentity,
    &pod_identity_addon::PodIdentityAddon,
    &workload_identity::WorkloadIdentity,
    &identity_binding::IdentityBinding,
];

pub fn all() -> impl Iterator<Item = &'static dyn Mode> {
    MODES.iter().copied()
}

/// The words of the spec and of `--mode`.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(Mode::name)
}

/// Returns the mode of that name, or the default one for None.
pub fn named(name: Option<&str>) -> Result<&'static dyn Mode, Fault> {
    let found = all().find(|mode| name.is_none_or(|name| name == mode.name()));
    found.ok_or_else(|| {
        let known: Vec<&str> = names().collect();
        Fault::refused(format!("unknown mode `{}`", name.unwrap_or_default()), format!("The known modes are: {}.", known.join(", ")))
    })
}

/// Returns the mode that bound these pods.
pub fn of(bound: &Bound) -> Result<&'static dyn Mode, Fault> {
    named(Some(bound.mode))
}

/// Returns a mode as the owner of its settings.
pub fn owner(mode: &'static dyn Mode) -> Owner {
    Owner { noun: "mode", name: mode.name(), settings: mode.settings() }
}

/// Returns the mode by which a SecretProviderClass with these parameters gets its token. None where they do not tell.
pub fn of_class(parameters: &Value) -> Option<&'static dyn Mode> {
    let mut found = all().filter(|mode| mode.is_of_class(parameters));
    found.next().filter(|_| found.next().is_none())
}

/// Returns the objects of a cluster that all live on an assignment of this role at the cluster's nodes.
pub fn served_by(role: &str) -> Option<Api> {
    let roles = all().flat_map(|mode| mode.roles());
    roles.filter(|known| known.role == role).find_map(|known| known.serves).map(|api| api())
}

/// Lists the bindings of an app that the state knows, of every mode.
pub fn recall(ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault> {
    let mut found = Vec::new();
    for mode in all() {
        found.extend(mode.recall(ledger, app)?);
    }
    Ok(found)
}
