//! Identity bindings of AKS: a proxy in the cluster gives the pods of a service account tokens of a managed identity, if the cluster has a
//! binding for the identity and its RBAC allows the service account to use it. One federated credential serves any number of pods:
//! <https://learn.microsoft.com/azure/aks/identity-bindings-concepts>

mod links;
mod names;
mod pages;
mod rbac;
mod remarks;
mod settings;
mod uses;

pub use uses::is_asked;

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
        texts::field,
        uses::{Asking, IdentityUse, PodView},
        view::View,
    },
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, Input},
        ledger::{Entry, Ledger},
        plan::Warning,
    },
    resources::{
        access::Right,
        feature, identity,
        identity_binding::{self, IdentityBinding as Kind},
        object::{self, Object},
        service_account::ServiceAccount,
    },
    spec::{graph::Graph, request::Bind, settings::Setting},
    survey::Survey,
};
use futures::future::BoxFuture;
use names::USE;
use serde::Deserialize as _;
use serde_json::Value;

pub struct IdentityBinding;

impl Mode for IdentityBinding {
    fn name(&self) -> &'static str {
        "identity-binding"
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    /// Namespace, service account, the binding in ARM, and the right of the service account to use it.
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault> {
        let identity = graph.bound_identity(bind)?;
        let target = graph.target()?;
        let account = accounts::add(bind, &identity, graph)?;
        let subject = accounts::name(bind, &identity);
        let cluster = graph.cluster_key()?;
        let setting = feature::key(&target.name, accounts::COMPONENT);
        let needs = if graph.desired.nodes.contains_key(&setting) { vec![cluster, setting] } else { vec![cluster] };
        let name = identity_binding::name(identity.names());
        let key = identity_binding::key(&target.name, &name);
        let kind = Kind {
            cluster: graph.cluster_ref()?.id.clone(),
            created_as: identity_binding::created_as(graph.context.app, &name),
            name,
            identity: identity::ID.of(&identity),
            after: needs.iter().map(DependsOn::of).collect(),
        };
        graph.add(&key, &kind, Intent::Present)?;
        let mut keys = vec![account.clone(), key.clone()];
        for manifest in rbac::manifests(&settings::names(&bind.settings), &bind.namespace, &subject, &identity::CLIENT_ID.of(&identity))? {
            let object = object::key(&target.name, &manifest)?;
            let after = keys.iter().map(DependsOn::of).collect();
            let kind = Object { target: target.clone(), manifest, shared: false, is_internal: false, after };
            graph.add_in_cluster(&object, &kind, Intent::Present, &target)?;
            keys.push(object);
        }
        // what binds the pods comes first
        keys.reverse();
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
            keys,
            flags: Vec::new(),
        })
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault> {
        let entries = ledger.of_app(app).filter(|entry| entry.kind == accounts::KIND);
        entries.filter_map(|entry| self.recalled(ledger, entry).transpose()).collect()
    }

    fn found(&self, found: &Found<'_>) -> Vec<Bind> {
        if found.anyones.is_none() {
            return accounts::found(found, self.name(), |account, _| accounts::may_use_proxy(found, account).then(Vec::new));
        }
        let of_kind = |kind: &str| found.objects.of::<Object>().filter(|one| field(one, "/kind") == kind).cloned().collect::<Vec<_>>();
        let (roles, bindings) = (of_kind("ClusterRole"), of_kind("ClusterRoleBinding"));
        accounts::found(found, self.name(), |account, id| {
            let account = (field(account, "/metadata/namespace"), field(account, "/metadata/name"));
            let [role, binding] = rbac::allowing(&roles, &bindings, account, id)?;
            Some(settings::of_names(account, role, binding))
        })
    }

    fn uses(&self, pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey) -> Vec<IdentityUse> {
        uses::uses(pod, asking, survey, self.name())
    }

    fn pod_keys(&self) -> &'static [&'static str] {
        &[accounts::USE, USE]
    }

    fn discovered(&self, pod: &PodView<'_>, _: &IdentityUse) -> Discovered {
        let subject = pod.service_account().to_owned();
        Discovered { objects: [(accounts::KIND, subject.clone())].into(), subject }
    }

    fn pod(&self, bound: &Bound) -> PodPatch {
        PodPatch { annotations: [(USE.to_owned(), "true".to_owned())].into(), ..accounts::pod(bound) }
    }

    fn class_parameters(&self, bound: Option<&Bound>) -> Result<Parameters, Fault> {
        let mut parameters = accounts::class_parameters(self.name(), bound)?;
        parameters.insert(accounts::TOKEN_PROXY.to_owned(), Input::Known("true".to_owned()));
        Ok(parameters)
    }

    fn is_of_class(&self, parameters: &Value) -> bool {
        accounts::names_identity(parameters) && accounts::is_on(parameters, accounts::TOKEN_PROXY)
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

    fn warnings<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(accounts::warnings(view))
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Remarks> {
        Box::pin(remarks::remarks(planned))
    }

    fn leftovers(&self, planned: &Planned<'_>) -> Vec<Warning> {
        remarks::leftovers(planned)
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

impl IdentityBinding {
    /// None: the service account is bound in another mode.
    fn recalled(&self, ledger: &Ledger, entry: &Entry) -> Result<Option<Bound>, Fault> {
        let placed = ServiceAccount::deserialize(&*entry.placed)?;
        let Some(identity) = ServiceAccount::deserialize(&*entry.spec)?.client_id.source() else { return Ok(None) };
        let mut keys = Vec::new();
        let Some(names) = rbac::recalled(ledger, &entry.app, &placed)? else { return Ok(None) };
        for manifest in rbac::manifests(&names, &placed.namespace, &placed.name, &Input::Known(String::new()))? {
            keys.insert(0, object::key(&placed.target.name, &manifest)?);
        }
        if !keys.iter().all(|key| ledger.get(&entry.app, key).is_some()) {
            return Ok(None);
        }
        keys.push(identity_binding::key(&placed.target.name, &identity_binding::name(identity.names())));
        keys.push(entry.key.clone());
        let mut flags = accounts::flags(&placed);
        flags.extend(settings::flags(&names));
        Ok(Some(Bound {
            mode: self.name(),
            app: entry.app.clone(),
            by: entry.by,
            cluster: placed.target,
            namespace: placed.namespace,
            subject: placed.name.clone(),
            name: placed.name.clone(),
            identity: BoundIdentity::recalled(ledger, &entry.app, Some(identity), &placed.name),
            objects: [(accounts::KIND, placed.name)].into(),
            keys,
            flags,
        }))
    }
}
