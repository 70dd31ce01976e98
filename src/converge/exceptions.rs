//! Where an exception belongs, which is read from the cluster's document: the pod identity add-on keeps its own list.

use super::{clusters::Clusters, goal::Goal};
use crate::{
    azure::{self, pod_exceptions},
    failure::Failure,
    resources::{addon_exception, exception},
    spec::{known::KnownResources, request::Request},
};

impl Goal {
    /// Says of an exception whether it is one of the add-on. One that the state knows is removed where it was made.
    pub(super) async fn with_place_of_exception(
        mut self,
        azure: &azure::Read,
        clusters: &Clusters,
        known: &KnownResources,
    ) -> Result<Self, Failure> {
        let Self::Request { request: Request::Exception(wanted), remove } = &mut self else { return Ok(self) };
        let Some(cluster) = clusters.own.as_ref().filter(|cluster| cluster.issuer.is_none()) else { return Ok(self) };
        let (namespace, name) = (&wanted.namespace, &wanted.name);
        if *remove && known.knows(&exception::key(cluster.id.name(), namespace, name)) {
            return Ok(self);
        }
        let is_known = *remove && known.knows(&addon_exception::key(cluster.id.name(), namespace, name));
        wanted.of_addon = is_known
            || match azure.cluster_document(&cluster.id).await {
                // a login that sees only the cluster itself
                Err(azure::Error::Forbidden { .. }) => false,
                found => found.map_err(|error| Failure::from(&error))?.is_some_and(|document| pod_exceptions::is_on(&document)),
            };
        Ok(self)
    }
}
