//! What a mode says about itself: which resources give pods an identity, what the pod template and the SecretProviderClass must say,
//! and the links from the pod to its token.

use crate::{
    chain::{
        facts::{Bound, Component, Parameters, PodPatch},
        link::{Link, Reason},
        remarks::{ListAhead, Lists, Planned, Remarks},
        view::View,
    },
    engine::{desired::Desired, fault::Fault, input::KnownOutputs, ledger::Ledger},
    resources::access::Right,
    spec::{complaint::Complaint, graph::Graph, model::Workload, request::Bind},
};
use futures::future::BoxFuture;

pub trait Mode: Sync {
    /// The word of the spec and of `--mode`.
    fn name(&self) -> &'static str;

    /// Checks what a workload says of this mode, with paths below the workload, and returns what it takes for itself in its namespace.
    fn check(&self, workload: &Workload) -> Result<Vec<Claim>, Complaint>;

    /// Checks what `podid bind` is told, as far as that is more than the rules of the single flags.
    fn check_bind(&self, bind: &Bind) -> Result<(), Complaint>;

    /// Adds the resources that give the pods their identity.
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault>;

    /// Lists what this mode bound for an app, from the state.
    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault>;

    /// Returns what a pod template must have to be bound.
    fn pod(&self, bound: &Bound) -> PodPatch;

    /// Returns what a SecretProviderClass says to get a token this way. None: nothing is bound in its namespace yet.
    fn class_parameters(&self, bound: Option<&Bound>) -> Result<Parameters, Fault>;

    /// Lists the links from the cluster to the pod's token, in the order in which each rests on those before it.
    fn chain(&self, bound: &Bound) -> Vec<Link>;

    /// Says what makes it uncertain by which identity the workload's own pods read, although nothing is missing.
    fn warnings<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Vec<String>>;

    /// Says why the vault was asked by another identity than the bound one.
    fn refused_other<'a>(&'a self, view: &'a View<'a>, client_id: &'a str) -> BoxFuture<'a, Reason>;

    /// Names the lists of objects that `remarks` will need of the clusters.
    fn lists(&self, desired: &Desired, known: &KnownOutputs) -> Vec<ListAhead>;

    /// Says what makes a plan of this mode's objects doubtful.
    fn remarks<'a>(&'a self, planned: &'a Planned<'a>, lists: &'a mut Lists) -> BoxFuture<'a, Remarks>;

    /// Lists the components that must run in the cluster.
    fn needs(&self) -> &'static [Component];

    /// Lists the kinds of objects that it puts into a cluster, beside the namespace.
    fn kinds(&self) -> &'static [&'static str];

    /// Lists what looking at the chain needs of the cluster's RBAC.
    fn rights(&self) -> Vec<Right>;

    /// Says how to tell apart several identities that one subject would get.
    fn one_identity(&self, subject: &str) -> String;
}

/// A name in the namespace that only one identity can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub kind: &'static str,
    pub name: String,
    /// The kind as Kubernetes writes it.
    pub shown: &'static str,
    /// The way out where another identity has it.
    pub hint: &'static str,
}
