//! Who reads a secret of a vault in a cluster, and whether a new version gets there: the classes and pods that mount it (`classes`), the CSI
//! driver's rotation (`driver`), and the workloads that see it only after a restart (`readers`). It knows neither terminal nor spec.

mod classes;
mod driver;
mod lists;
mod readers;
mod rights;

pub use classes::{Class, Mounting, classes, mounting};
pub use driver::{Following, following};
pub use readers::{Readers, Workload, latest_warning, owners, readers, restart};
pub use rights::rights;

use crate::{
    deliveries,
    engine::{fault::Fault, ledger::Ledger},
    resources::world::ClusterTarget,
};

/// The component of which the driver is a part.
pub const CSI: &str = "csi";

/// A cluster that the state knows, and the namespaces in which the app's pods mount secrets.
pub struct Place {
    pub target: ClusterTarget,
    pub namespaces: Vec<String>,
}

/// Lists the clusters in which pods mount secrets, as the state knows them, whatever app they are of.
pub fn places(ledger: &Ledger) -> Result<Vec<Place>, Fault> {
    let mut places: Vec<Place> = Vec::new();
    for app in ledger.apps() {
        for delivered in deliveries::recall(ledger, app)? {
            match places.iter_mut().find(|place| place.target.context == delivered.cluster.context) {
                Some(place) if place.namespaces.contains(&delivered.namespace) => {}
                Some(place) => place.namespaces.push(delivered.namespace),
                None => places.push(Place { target: delivered.cluster, namespaces: vec![delivered.namespace] }),
            }
        }
    }
    Ok(places)
}
