//! The table of deliveries: a new way to bring secrets into a pod is one file and one line here. Everybody else asks the table.

pub mod blobs;
mod csi;
pub mod delivery;
mod flexvolume;
pub mod in_pod;
mod recorded;
mod sdk;
mod vault_facts;

use crate::{
    chain::{
        facts::Delivered,
        link::{Heals, Meaning},
    },
    engine::{fault::Fault, ledger::Ledger},
    resources::readiness::trouble::OfVolume,
    spec::settings::Owner,
};
pub use delivery::Delivery;
use std::time::Duration;

/// The first one is the default.
static DELIVERIES: &[&dyn Delivery] = &[&csi::Csi, &flexvolume::FlexVolume, &sdk::Sdk];

pub fn all() -> impl Iterator<Item = &'static dyn Delivery> {
    DELIVERIES.iter().copied()
}

/// Returns the delivery of that name, or the default one for None.
pub fn named(name: Option<&str>) -> Result<&'static dyn Delivery, Fault> {
    let found = all().find(|delivery| name.is_none_or(|name| name == delivery.name()));
    found.ok_or_else(|| {
        let known: Vec<&str> = all().map(Delivery::name).collect();
        Fault::refused(
            format!("unknown delivery `{}`", name.unwrap_or_default()),
            format!("The known deliveries are: {}.", known.join(", ")),
        )
    })
}

/// Returns the name of the delivery of apps that ask by themselves, for those of which nothing more is known.
pub fn without_objects() -> &'static str {
    sdk::Sdk.name()
}

/// Returns the delivery that brings these secrets.
pub fn of(delivered: &Delivered) -> Result<&'static dyn Delivery, Fault> {
    named(Some(delivered.delivery))
}

/// Returns a delivery as the owner of its settings.
pub fn owner(delivery: &'static dyn Delivery) -> Owner {
    Owner { noun: "delivery", name: delivery.name(), settings: delivery.settings() }
}

/// Lists what the state knows of an app's deliveries, of every kind.
pub fn recall(ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault> {
    let mut found = Vec::new();
    for delivery in all() {
        found.extend(delivery.recall(ledger, app)?);
    }
    Ok(found)
}

/// Says what a text about a pod's volume means, where it means the same for all workloads.
pub fn of_volume(text: &str) -> Option<OfVolume> {
    let symptom = all().flat_map(Delivery::of_volume).find(|symptom| symptom.fits(text))?;
    let Meaning::Known { heals, what, .. } = symptom.means else { return None };
    let patience = match heals {
        Heals::Never => Some(Duration::ZERO),
        Heals::Within(bound) => Some(bound),
        Heals::Perhaps => None,
    };
    Some(OfVolume { what, patience })
}
