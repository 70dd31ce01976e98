//! What a cluster and its subscription hold, as their own services list it: each kind once, for all workloads together, and without a write.
//! What this login may not read is left out and named with its reason, so that read rights on a part are enough to look at that part.
//!
//! The survey knows no identity mode and no delivery: these read it (`Mode::uses`, `Delivery::mounts`), and `inventory` puts together what
//! they say.

mod azure;
mod cluster;
pub mod kinds;
mod list;
pub mod rights;
mod scope;
mod secrets;

pub use azure::AzureSurvey;
pub use cluster::ClusterSurvey;
pub use list::{Gap, List};
pub use scope::Scope;
#[cfg(test)]
pub use secrets::VaultContent;

use crate::cluster::Read;

/// What was read of one cluster and of its subscription.
#[derive(Debug, Default)]
pub struct Survey {
    pub cluster: ClusterSurvey,
    pub azure: AzureSurvey,
}

impl Survey {
    /// Lists all kinds at the same time. The federated credentials of identities and the secrets of vaults are asked for afterwards, when it
    /// is known which of them workloads use.
    pub async fn read(cluster: &Read, azure: &crate::azure::Read, scope: &Scope<'_>) -> Self {
        let (cluster, azure) = futures::join!(ClusterSurvey::read(cluster, scope.namespace), AzureSurvey::read(azure, scope));
        Self { cluster, azure }
    }

    /// Lists the kinds of the cluster alone.
    pub async fn of_cluster(cluster: &Read, namespace: Option<&str>) -> Self {
        Self { cluster: ClusterSurvey::read(cluster, namespace).await, azure: AzureSurvey::default() }
    }

    /// Everything that could not be read, or was not asked for.
    pub fn gaps(&self) -> Vec<&Gap> {
        self.cluster.gaps().chain(self.azure.gaps()).collect()
    }
}
