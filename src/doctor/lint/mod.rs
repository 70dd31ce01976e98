//! The checks of `lint`: what works and should not stay so. One file has one check, and a new one is one line in the table. They look at the
//! spec, at what a survey listed, or at both.

mod check;
mod default_namespace;
mod evidence;
mod exceptions;
mod group_names;
mod images;
mod mic_names;
mod namespaced;
mod operator_roles;
mod public_vaults;
mod purge_protection;
mod retired_modes;
mod secret_expiry;
mod several_apps;
mod shared_identities;
mod wide_permissions;

use check::Lint;
pub use evidence::{Cluster, Evidence};

use std::collections::BTreeSet;

pub static ALL: &[&Lint] = &[
    &shared_identities::LINT,
    &several_apps::LINT,
    &operator_roles::LINT,
    &default_namespace::LINT,
    &images::LINT,
    &namespaced::LINT,
    &exceptions::LINT,
    &mic_names::LINT,
    &group_names::LINT,
    &secret_expiry::LINT,
    &wide_permissions::LINT,
    &purge_protection::LINT,
    &public_vaults::LINT,
    &retired_modes::LINT,
];

/// The principals whose groups decide what the checks find.
pub fn undecided(cluster: &Cluster<'_>) -> BTreeSet<String> {
    operator_roles::undecided(cluster).into_iter().chain(wide_permissions::undecided(cluster)).collect()
}
