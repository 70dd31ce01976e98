//! What `state rebuild` found in the subscription and in one cluster. Modes and deliveries turn it back into the requests that would have
//! made it.

use crate::{
    access::{self, AzureRight, Holder},
    azure::{ArmId, Identity, RoleAssignment, Vault},
    engine::resource::Kind,
    resources::{
        self, Cloud,
        kind::{AnyResource, Listed},
        manifest, ownership,
    },
    survey::AzureSurvey,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the kinds listed, by kind.
#[derive(Default)]
pub struct Listing(BTreeMap<&'static str, Vec<Listed>>);

impl Listing {
    pub fn add(&mut self, kind: &'static str, listed: Vec<Listed>) {
        self.0.insert(kind, listed);
    }

    /// Those of one kind, as their client returned them.
    pub fn of<K: Kind<Cloud>>(&self) -> impl Iterator<Item = &Value> {
        self.0.get(K::KIND).into_iter().flatten().map(|listed| &listed.actual)
    }

    /// The same, as the type of their client.
    pub fn read<K: Kind<Cloud>, T: DeserializeOwned>(&self) -> Vec<T> {
        self.of::<K>().filter_map(|actual| T::deserialize(actual).ok()).collect()
    }

    /// What carries the marks of an app, with its kind.
    pub fn of_app(&self, app: &str) -> impl Iterator<Item = (&'static dyn AnyResource, &Listed)> {
        let listed = |kind: &'static dyn AnyResource| self.0.get(kind.kind()).into_iter().flatten().map(move |listed| (kind, listed));
        resources::all().flat_map(listed).filter(move |(_, listed)| listed.app.as_deref() == Some(app))
    }

    /// The apps whose marks it has.
    pub fn apps(&self) -> impl Iterator<Item = String> {
        self.0.values().flatten().filter_map(|listed| listed.app.clone())
    }
}

/// One app in one cluster, and what it may refer to.
pub struct Found<'a> {
    pub app: &'a str,
    /// Objects of the cluster: the marked ones, and all of the kinds that marked ones refer to.
    pub objects: &'a Listing,
    pub identities: &'a [Identity],
    pub vaults: &'a [Vault],
    pub assignments: &'a [RoleAssignment],
    /// Everything counts as the app's, whoever made it, if this is there (`podid import`).
    pub anyones: Option<ClusterRoles<'a>>,
}

/// The roles that count for a cluster, as its subscription lists them.
#[derive(Clone, Copy)]
pub struct ClusterRoles<'a> {
    pub azure: &'a AzureSurvey,
    /// The principal as which components in the cluster act: the kubelet's, or the cluster's service principal. None: it is not known.
    pub nodes: Option<&'a str>,
    pub control_plane: Option<&'a str>,
    /// The resource group of the nodes.
    pub node_group: Option<&'a ArmId>,
}

/// Where a principal has a role that it needs at some resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolePlace {
    /// At the resource itself, given to the principal itself.
    Here,
    /// At a resource group or a subscription above it.
    Above(ArmId),
    /// Elsewhere, or by another role that allows the same.
    Elsewhere,
}

impl ClusterRoles<'_> {
    /// Returns where a principal has a role (its GUID), or another one that gives the same right; None: nowhere. A condition makes a role
    /// another one, and so does a group that has it.
    pub fn place(&self, principal: Option<&str>, (guid, right): (&str, AzureRight), resource: &ArmId) -> Option<RolePlace> {
        let principal = principal?;
        let counts = |one: &Holder<'_>| one.grant.condition.is_none() && one.grant.covers(resource);
        let own: Vec<Holder<'_>> = access::grants_of(self.azure, principal).filter(counts).collect();
        let mut same = own.iter().filter(|one| one.group.is_none() && one.grant.role.eq_ignore_ascii_case(guid)).map(|one| one.grant);
        if same.clone().any(|grant| grant.is_at(resource)) {
            return Some(RolePlace::Here);
        }
        let above = same.find_map(|grant| ArmId::parse(&grant.scope).filter(|scope| scope.kind().is_none()));
        if let Some(scope) = above {
            return Some(RolePlace::Above(scope));
        }
        let allows = |one: &&Holder<'_>| {
            one.grant.role.eq_ignore_ascii_case(guid) || access::allows(self.azure, &one.grant.role, right) == Some(true)
        };
        own.iter().find(allows).map(|_| RolePlace::Elsewhere)
    }
}

impl<'a> Found<'a> {
    /// Whether an object carries the app's label.
    pub fn is_ours(&self, object: &Value) -> bool {
        self.anyones.is_some() || manifest::labels(object).get(ownership::APP).is_some_and(|app| app == self.app)
    }

    /// The app's own role assignments.
    pub fn own_assignments(&self) -> impl Iterator<Item = &'a RoleAssignment> {
        let (app, anyones) = (self.app, self.anyones.is_some());
        self.assignments.iter().filter(move |a| anyones || ownership::app_of(a.description.as_deref()).is_some_and(|other| other == app))
    }
}
