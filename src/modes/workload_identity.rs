//! Workload ID: a federated credential lets the tokens of a pod's service account be exchanged at Entra for tokens of a managed identity.
//! The cluster needs its OIDC issuer and the webhook: <https://learn.microsoft.com/azure/aks/workload-identity-overview>

mod links;
mod pages;
mod remarks;
mod uses;

use super::{
    accounts,
    mode::{Discovered, Mode},
};
use crate::{
    chain::{
        facts::{Bound, BoundIdentity, Component, Parameters, PodPatch},
        found::Found,
        link::Link,
        page::Page,
        remarks::{Lists, Planned, Remarks},
        stage::Stage,
        uses::{Asking, IdentityUse, PodView},
        view::View,
    },
    engine::{
        fault::Fault,
        ledger::{Entry, Ledger},
        resource::Kind as _,
    },
    resources::{
        access::Right,
        federation::{self, AUDIENCE, Federation},
        service_account::{self, ServiceAccount},
    },
    spec::{
        graph::{Graph, federation::SERVICE_ACCOUNT},
        request::Bind,
        settings::Setting,
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

pub struct WorkloadIdentity;

impl Mode for WorkloadIdentity {
    fn name(&self) -> &'static str {
        "workload-identity"
    }

    fn settings(&self) -> &'static [Setting] {
        accounts::SETTINGS
    }

    /// Namespace, service account, and the federated credential for it.
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault> {
        let identity = graph.bound_identity(bind)?;
        let target = graph.target()?;
        let account = accounts::add(bind, &identity, graph)?;
        let subject = accounts::name(bind, &identity);
        let key = graph.service_account_federation(&identity, &bind.namespace, &subject, None)?;
        Ok(Bound {
            mode: self.name(),
            app: graph.context.app.to_owned(),
            by: graph.desired.by,
            cluster: target,
            namespace: bind.namespace.clone(),
            name: subject.clone(),
            objects: [(accounts::KIND, subject.clone())].into(),
            subject,
            identity: BoundIdentity::of(identity),
            keys: vec![key, account],
            flags: Vec::new(),
        })
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault> {
        let entries = ledger.of_app(app).filter(|entry| entry.kind == Federation::KIND);
        entries.filter_map(|entry| self.recalled(ledger, entry).transpose()).collect()
    }

    fn found(&self, found: &Found<'_>) -> Vec<Bind> {
        // another mode may bind an account of somebody else: its pods show which
        let is_meant = |account: &Value| found.anyones.is_some() || !accounts::may_use_proxy(found, account);
        accounts::found(found, self.name(), |account, _| is_meant(account).then(Vec::new))
    }

    fn uses(&self, pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey) -> Vec<IdentityUse> {
        uses::uses(pod, asking, survey, self.name())
    }

    fn pod_keys(&self) -> &'static [&'static str] {
        &[accounts::USE]
    }

    fn discovered(&self, pod: &PodView<'_>, _: &IdentityUse) -> Discovered {
        let subject = pod.service_account().to_owned();
        Discovered { objects: [(accounts::KIND, subject.clone())].into(), subject }
    }

    fn pod(&self, bound: &Bound) -> PodPatch {
        accounts::pod(bound)
    }

    fn class_parameters(&self, bound: Option<&Bound>) -> Result<Parameters, Fault> {
        accounts::class_parameters(self.name(), bound)
    }

    fn is_of_class(&self, parameters: &Value) -> bool {
        accounts::names_identity(parameters) && !accounts::is_on(parameters, accounts::TOKEN_PROXY)
    }

    fn chain(&self, bound: &Bound) -> Vec<Link> {
        links::links(bound)
    }

    fn pages(&self) -> Vec<&'static Page> {
        accounts::pages::ALL.iter().chain(pages::ALL).copied().collect()
    }

    fn stages(&self, bound: &Bound) -> Vec<Stage> {
        accounts::stages(bound)
    }

    fn exchanges(&self, _: &Bound) -> Option<&'static str> {
        Some(AUDIENCE)
    }

    fn written(&self, ledger: &Ledger, bound: &Bound) -> Option<Timestamp> {
        bound.keys.iter().filter_map(|key| federation::written(ledger, &bound.app, key)).max()
    }

    fn warnings<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(accounts::warnings(view))
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Remarks> {
        Box::pin(remarks::remarks(planned))
    }

    fn needs(&self) -> &'static [Component] {
        accounts::NEEDS
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[accounts::KIND]
    }

    fn rights(&self) -> Vec<Right> {
        accounts::rights()
    }

    fn one_identity(&self, subject: &str) -> String {
        accounts::one_identity(subject)
    }
}

impl WorkloadIdentity {
    /// None: a credential for something else than a service account of a cluster.
    fn recalled(&self, ledger: &Ledger, entry: &Entry) -> Result<Option<Bound>, Fault> {
        let federation = Federation::deserialize(&*entry.spec)?;
        let mut parts = federation.word.splitn(4, '/');
        let (Some(SERVICE_ACCOUNT), Some(cluster), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        let key = service_account::key(cluster, namespace, name);
        let Some(account) = ledger.get(&entry.app, &key) else { return Ok(None) };
        let placed = ServiceAccount::deserialize(&*account.placed)?;
        let flags = accounts::flags(&placed);
        Ok(Some(Bound {
            mode: self.name(),
            app: entry.app.clone(),
            by: entry.by,
            cluster: placed.target,
            namespace: placed.namespace,
            subject: placed.name.clone(),
            name: placed.name.clone(),
            identity: BoundIdentity::recalled(ledger, &entry.app, Some(federation.identity_key), &placed.name),
            objects: [(accounts::KIND, placed.name)].into(),
            keys: vec![entry.key.clone(), key],
            flags,
        }))
    }
}
