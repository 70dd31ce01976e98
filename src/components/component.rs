//! What a component says about itself: how it is recognised, how podid can install it, when it works, and who uses it.

use crate::{
    chain::remarks::{Planned, Remarks},
    engine::{fault::Fault, key::Key},
    resources::{component::Works, running::Sign},
    spec::{complaint::Complaint, graph::Graph, model::ComponentSpec},
};
use futures::future::BoxFuture;

/// A way to install a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A setting of the managed cluster.
    Addon,
    /// podid's own manifests.
    Manifests,
    /// The user's helm.
    Helm,
}

impl Via {
    /// The word of the spec and of `--via`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Addon => "addon",
            Self::Manifests => "manifests",
            Self::Helm => "helm",
        }
    }
}

/// The programs that log for a component, for `podid logs`.
pub struct Program {
    /// The word of the command.
    pub name: &'static str,
    /// The name of the program's sign.
    pub sign: &'static str,
    pub container: &'static str,
}

pub trait Component: Sync {
    /// The word of the spec and of `podid cluster install`.
    fn name(&self) -> &'static str;

    /// The ways to install it; the first one is the default.
    fn ways(&self) -> &'static [Via];

    /// How its programs are recognised, whoever installed them.
    fn signs(&self) -> Vec<Sign>;

    /// What it has when it works, if it is installed in this way.
    fn works(&self, wanted: &ComponentSpec) -> Works;

    /// The fields of the spec that only some components have, and this one has.
    fn fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns what it takes the place of, if that is retired.
    fn replaces(&self) -> Option<&'static str> {
        None
    }

    /// Checks its own options, with paths below the component.
    fn check(&self, _: &ComponentSpec) -> Result<(), Complaint> {
        Ok(())
    }

    /// Adds what of the cluster is used in the place of an installation, and returns it. None: it is to be installed.
    fn adopt(&self, _: &ComponentSpec, _: &mut Graph<'_>) -> Result<Option<Key>, Fault> {
        Ok(None)
    }

    /// Adds what installs it in this way, and returns what it works after.
    fn install(&self, via: Via, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault>;

    /// Says what makes a plan that installs it doubtful, or impossible.
    fn remarks<'a>(&'a self, _: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async { Remarks::default() })
    }

    /// The namespace that podid's own manifests use, where the user names no other.
    fn namespace(&self) -> &'static str {
        "kube-system"
    }

    /// The user's choices that `remarks` warns of, or asks for.
    fn options(&self, _: &ComponentSpec) -> Vec<String> {
        Vec::new()
    }

    /// Programs whose log a user may want.
    fn programs(&self) -> &'static [Program] {
        &[]
    }
}
