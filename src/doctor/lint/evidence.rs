//! What the checks look at: a spec, a cluster with its subscription, or both.

use crate::{
    inventory::Workload,
    spec::model::{Spec, VaultSpec},
    survey::Survey,
};
use std::collections::BTreeSet;

pub struct Evidence<'a> {
    pub spec: Option<&'a Spec>,
    pub cluster: Option<Cluster<'a>>,
}

/// What a survey listed, and the workloads in it that have to do with identities or vaults.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    pub survey: &'a Survey,
    pub workloads: &'a [Workload],
}

impl<'a> Evidence<'a> {
    pub fn vaults_of_spec(&self) -> impl Iterator<Item = &'a VaultSpec> {
        self.spec.into_iter().flat_map(|spec| spec.vault.iter().chain(&spec.vaults))
    }
}

impl<'a> Cluster<'a> {
    pub fn concerned(&self) -> impl Iterator<Item = &'a Workload> {
        self.workloads.iter().filter(|workload| workload.is_concerned())
    }

    /// The names of the vaults that workloads read, in lower case.
    pub fn vaults(&self) -> BTreeSet<String> {
        let mounts = self.workloads.iter().flat_map(|workload| &workload.mounts);
        mounts.filter_map(|mount| mount.secrets.vault.as_ref()).map(|name| name.to_ascii_lowercase()).collect()
    }

    /// Object ids of the identities that workloads have, in lower case.
    pub fn principals(&self) -> BTreeSet<String> {
        let all = self.workloads.iter().flat_map(Workload::all_identities);
        all.filter_map(|one| one.identity.found(self.survey)).map(|identity| identity.principal_id.to_ascii_lowercase()).collect()
    }
}

/// `deployment/shop/web`, as findings name a workload.
pub fn resource(workload: &Workload) -> String {
    format!("{}/{}/{}", workload.kind.to_lowercase(), workload.namespace, workload.name)
}
