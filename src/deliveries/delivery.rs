//! What a delivery says about itself: which resources bring secrets into pods, what the pod template must say, and the links from the
//! token to the bytes in the container.

use crate::{
    chain::{
        facts::{Bound, Component, Delivered, Parameters, PodPatch},
        found::Found,
        link::{Link, Symptom},
        page::Page,
        remarks::{Planned, Remarks},
        stage::{Program, Stage},
        uses::{PodView, SecretUse},
        view::PodRef,
    },
    engine::{fault::Fault, input::Input, key::Key, ledger::Ledger},
    resources::{
        access::Right,
        secret_provider_class::{Object, Synced},
    },
    spec::{
        claim::Claim,
        complaint::Verdict,
        graph::Graph,
        request::Mount,
        settings::{Setting, Settings},
    },
    survey::Survey,
};
use futures::future::{BoxFuture, ready};

pub trait Delivery: Sync {
    /// The word of the spec.
    fn name(&self) -> &'static str;

    /// Lists the fields of a workload that it has beside those of all deliveries.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Returns what a workload, which is given by name, takes for itself in its namespace.
    fn claims(&self, _workload: &str, _: &Settings) -> Vec<Claim> {
        Vec::new()
    }

    /// Returns the name of the object that delivers to a workload.
    fn object_name(&self, workload: &str, _: &Settings) -> String {
        workload.to_owned()
    }

    /// Checks what a workload asks of it, with paths below the workload.
    fn check(&self, _: &[Asked<'_>]) -> Verdict {
        Ok(())
    }

    /// Adds the resources that bring the secrets into the pods, and returns what the pod template must say of identity and vault.
    fn expand(&self, wanted: Wanted, graph: &mut Graph<'_>) -> Result<Parameters, Fault>;

    /// Lists what this delivery brings for an app, from the state.
    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Delivered>, Fault>;

    /// Returns the requests that would have made what was found in a cluster. Nothing for a delivery that has no objects there.
    fn found(&self, _: &Found<'_>) -> Vec<Mount> {
        Vec::new()
    }

    /// Lists the secrets that a pod gets this way, whoever set that up, from the pod itself and the objects of its cluster.
    fn mounts(&self, _: &PodView<'_>, _: &Survey) -> Vec<SecretUse> {
        Vec::new()
    }

    /// Returns what a pod template must have to get the secrets.
    fn pod(&self, delivered: &Delivered) -> PodPatch;

    /// Returns what the pod of a proof runs. None: any container will do.
    fn program(&self, _: &Delivered) -> Option<Program> {
        None
    }

    /// Lists the links from the token to the bytes in the container, in the order in which each rests on those before it.
    fn chain(&self, delivered: &Delivered, bound: &Bound) -> Vec<Link>;

    /// Says whether it should not be used any more.
    fn is_retired(&self) -> bool {
        false
    }

    /// Lists the pages of its links, beside those that all deliveries have.
    fn pages(&self) -> &'static [&'static Page] {
        &[]
    }

    /// Lists the known texts about a volume of this delivery.
    fn of_volume(&self) -> Vec<&'static Symptom> {
        Vec::new()
    }

    /// Lists what a proof waits for with such a pod, one after the other.
    fn stages(&self, delivered: &Delivered, pod: &PodRef) -> Vec<Stage>;

    /// Says what makes a plan of this delivery's resources doubtful.
    fn remarks<'a>(&'a self, _: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(ready(Remarks::default()))
    }

    /// Lists the components that must run in the cluster.
    fn needs(&self) -> &'static [Component] {
        &[]
    }

    /// Lists the kinds of objects that it puts into a cluster.
    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    /// Lists what looking at the chain and waiting for the stages need of the cluster's RBAC.
    fn rights(&self) -> Vec<Right> {
        Vec::new()
    }
}

/// A secret as a workload asks for it.
pub struct Asked<'a> {
    pub name: &'a str,
    pub alias: Option<&'a str>,
    /// Whether it is to be kept in a Kubernetes Secret.
    pub is_synced: bool,
    /// Whether it is to be an environment variable.
    pub is_variable: bool,
}

/// The secrets of one vault that pods of a namespace are to get.
pub struct Wanted {
    pub namespace: String,
    /// Name of the workload, or of the object that delivers.
    pub name: String,
    pub vault: Key,
    pub objects: Vec<Object>,
    pub synced: Vec<Synced>,
    /// Which bound pods get them; None: any of the namespace.
    pub subject: Option<String>,
    /// How the identity mode gets a token for them.
    pub identity: Parameters,
    /// Client id of the identity of the pods; None: nothing is bound in the namespace yet.
    pub client_id: Option<Input<String>>,
}
