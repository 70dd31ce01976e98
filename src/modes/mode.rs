//! What a mode says about itself: which resources give pods an identity, what the pod template and the SecretProviderClass must say,
//! and the links from the pod to its token.

use crate::{
    chain::{
        facts::{Bound, Component, Parameters, PodPatch},
        found::Found,
        link::{Heals, Link, MissingLink, Reason, TOKEN},
        page::Page,
        remarks::{IdentityUser, ListAhead, Lists, Planned, Remarks},
        stage::Stage,
        uses::{Asking, IdentityUse, NodeAccess, PodView},
        view::View,
    },
    cluster::Api,
    engine::{desired::Desired, fault::Fault, input::KnownOutputs, ledger::Ledger, plan::Warning},
    resources::access::Right,
    spec::{
        claim::Claim,
        complaint::Complaint,
        graph::Graph,
        request::Bind,
        settings::{Setting, Settings},
    },
    survey::Survey,
};
use futures::future::{BoxFuture, ready};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

pub trait Mode: Sync {
    /// The word of the spec and of `--mode`.
    fn name(&self) -> &'static str;

    /// Lists the fields of a workload, and the flags of `podid bind`, that it has beside those of all modes.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Checks what a workload says of this mode beyond the rules of the single settings, with paths below the workload. Returns what the
    /// workload's identity, which is given by name or id, takes for itself in the namespace.
    fn check(&self, _identity: &str, _: &Settings) -> Result<Vec<Claim>, Complaint> {
        Ok(Vec::new())
    }

    /// Checks what `podid bind` is told, as far as that is more than the rules of the single flags.
    fn check_bind(&self, _: &Bind) -> Result<(), Complaint> {
        Ok(())
    }

    /// Lists the roles that come with its bindings, so that `state rebuild` does not take them for requests of their own.
    fn roles(&self) -> &'static [ModeRole] {
        &[]
    }

    /// Adds the resources that give the pods their identity.
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault>;

    /// Lists what this mode bound for an app, from the state.
    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault>;

    /// Returns the requests that would have made what was found in a cluster.
    fn found(&self, found: &Found<'_>) -> Vec<Bind>;

    /// Lists the identities that a pod gets this way, whoever set that up, from the objects of its cluster. An identity that it is meant to
    /// get, and does not, is one whose path has a missing edge.
    fn uses(&self, pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey) -> Vec<IdentityUse>;

    /// Says why a pod gets the tokens of all identities of its node, whatever it is bound to. None: it does not.
    fn node_access(&self, _: &PodView<'_>, _: &Survey) -> Option<NodeAccess> {
        None
    }

    /// Returns how pods that somebody else bound are told apart, and the names of the mode's objects for them, as `Bound` has them.
    fn discovered(&self, pod: &PodView<'_>, found: &IdentityUse) -> Discovered;

    /// Returns whether it keeps pods from asking the metadata service of their nodes for tokens of any identity there.
    fn guards_nodes(&self, _: &Survey) -> bool {
        false
    }

    /// Returns what a pod template must have to be bound.
    fn pod(&self, bound: &Bound) -> PodPatch;

    /// Lists the labels and annotations by which it gives pods an identity. A user cannot set them on an app that podid deploys.
    fn pod_keys(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns what a SecretProviderClass says to get a token this way. None: nothing is bound in its namespace yet, or pods are bound in
    /// several ways; a mode that must name an identity then refuses with the command that binds.
    fn class_parameters(&self, bound: Option<&Bound>) -> Result<Parameters, Fault>;

    /// Returns whether a SecretProviderClass with these parameters gets its token this way.
    fn is_of_class(&self, parameters: &Value) -> bool;

    /// Lists the links from the cluster to the pod's token, in the order in which each rests on those before it.
    fn chain(&self, bound: &Bound) -> Vec<Link>;

    /// Says whether it should not be used any more.
    fn is_retired(&self) -> bool {
        false
    }

    /// Lists the pages of its links, beside those that all modes have.
    fn pages(&self) -> Vec<&'static Page>;

    /// Lists what a proof waits for before the delivery's stages.
    fn stages(&self, _: &Bound) -> Vec<Stage> {
        Vec::new()
    }

    /// Returns the audience of a service account token that Entra exchanges for one of the identity. None: only a pod gets a token.
    fn exchanges(&self, _: &Bound) -> Option<&'static str> {
        None
    }

    /// Returns when podid wrote what Entra must know before it gives out a token; an earlier request may make later ones fail, too. None:
    /// nothing of that kind, or somebody else wrote it.
    fn written(&self, _: &Ledger, _: &Bound) -> Option<Timestamp> {
        None
    }

    /// Says what makes it uncertain by which identity the workload's own pods read, although nothing is missing.
    fn warnings<'a>(&'a self, _: &'a View<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(ready(Vec::new()))
    }

    /// Says why the vault was asked by another identity than the bound one.
    fn refused_other<'a>(&'a self, view: &'a View<'a>, client_id: &'a str) -> BoxFuture<'a, Reason> {
        Box::pin(ready(other_identity(view, client_id)))
    }

    /// Names the lists of objects that `remarks` will need of the clusters.
    fn lists(&self, _: &Desired, _: &KnownOutputs) -> Vec<ListAhead> {
        Vec::new()
    }

    /// Says what makes a plan of this mode's objects doubtful.
    fn remarks<'a>(&'a self, _: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Remarks> {
        Box::pin(ready(Remarks::default()))
    }

    /// Says what the deletions of a plan leave in Azure, because somebody else made it for what is deleted.
    fn leftovers(&self, _: &Planned<'_>) -> Vec<Warning> {
        Vec::new()
    }

    /// Lists the pods that the clusters of this plan give an identity by this mode, and that the plan says nothing of.
    fn other_users<'a>(&'a self, _: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Vec<IdentityUser>> {
        Box::pin(ready(Vec::new()))
    }

    /// Lists the components that must run in the cluster.
    fn needs(&self) -> &'static [Component] {
        &[]
    }

    /// Lists the kinds of objects that it puts into a cluster, beside the namespace.
    fn kinds(&self) -> &'static [&'static str];

    /// Lists what looking at the chain needs of the cluster's RBAC.
    fn rights(&self) -> Vec<Right> {
        Vec::new()
    }

    /// Says how to tell apart several identities that one subject would get.
    fn one_identity(&self, subject: &str) -> String;
}

/// What a binding is called that was found in a cluster.
pub struct Discovered {
    pub subject: String,
    pub objects: BTreeMap<&'static str, String>,
}

/// A role that comes with the bindings of a mode.
pub struct ModeRole {
    pub role: &'static str,
    /// The objects of a cluster that all live on one such assignment at the cluster's nodes: it is deleted only with the last of them.
    pub serves: Option<fn() -> Api>,
}

/// The token was another identity's, and the mode does not know why.
pub fn other_identity(view: &View<'_>, client_id: &str) -> Reason {
    let (own, vault) = (&view.bound.identity.name, view.vault());
    let what = format!("the vault {vault} refused the token of another identity (client id {client_id}), not of {own}");
    let again = view.commands.podid(&["status", "--app", &view.bound.app]);
    let hint = format!("Look for differences between what exists and what podid created: {again}.");
    Reason::new(Heals::Never, MissingLink::new(TOKEN, what).hint(hint))
}
