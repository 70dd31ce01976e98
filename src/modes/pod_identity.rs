//! AAD Pod Identity: MIC puts the managed identity on the nodes where pods with the label `aadpodidbinding` run, and NMI answers
//! their token requests. The cluster needs Managed Identity Operator on the identity and Virtual Machine Contributor on its nodes.

mod found;
mod links;
mod remarks;
mod settings;
mod uses;

use super::{
    aad::{self, AZURE_IDENTITY, BINDING, GROUP, default_binding},
    mode::{Discovered, Mode, ModeRole},
};
use crate::{
    chain::{
        facts::{Bound, BoundIdentity, Component, Parameters, PodPatch},
        found::Found,
        link::{Link, Reason},
        page::Page,
        remarks::{IdentityUser, ListAhead, Lists, Planned, Remarks},
        uses::{Asking, IdentityUse, NodeAccess, PodView},
        view::View,
    },
    engine::{
        desired::{Desired, Intent},
        fault::Fault,
        input::{DependsOn, KnownOutputs, needs},
        ledger::{Entry, Ledger},
    },
    resources::{
        access::{Reach, Right},
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::{self, AzureIdentityBinding},
        identity,
        manifested::Manifested as _,
        roles,
    },
    spec::{
        claim::Claim,
        complaint::Complaint,
        graph::Graph,
        names::{name_in, object_name},
        reference::Scope,
        request::Bind,
        settings::{Setting, Settings},
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use serde::Deserialize as _;
use serde_json::Value;

pub struct PodIdentity;

const WIDE: &str = "warning: wider than needed; with it the cluster may change every machine in the subscription";

impl Mode for PodIdentity {
    fn name(&self) -> &'static str {
        "pod-identity"
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    fn check(&self, identity: &str, settings: &Settings) -> Result<Vec<Claim>, Complaint> {
        let name = settings.get(aad::NAME).map_or_else(|| object_name(name_in(identity)), str::to_owned);
        aad::check_selector(&name, settings)?;
        let hint = "Give it another name with `names: {azureIdentity: NAME}`.";
        Ok(vec![Claim { field: "identity.name", kind: AZURE_IDENTITY, name, shown: "AzureIdentity", hint }])
    }

    fn check_bind(&self, bind: &Bind) -> Result<(), Complaint> {
        aad::check_bind(bind)
    }

    fn roles(&self) -> &'static [ModeRole] {
        &[
            ModeRole { role: roles::MANAGED_IDENTITY_OPERATOR, serves: None },
            // MIC has this right once for all that it does in a cluster
            ModeRole { role: roles::VIRTUAL_MACHINE_CONTRIBUTOR, serves: Some(AzureIdentityBinding::api) },
        ]
    }

    /// Namespace, AzureIdentity, AzureIdentityBinding, and the two roles that MIC needs (role-assignment page of aad-pod-identity).
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault> {
        let identity = graph.bound_identity(bind)?;
        let target = graph.target()?;
        let cluster = graph.cluster_ref()?;
        let mut given = Vec::new();
        if let Some((operator, wide)) = aad::operator_scope(bind, graph, &identity)? {
            let principal = graph.clusters_principal(cluster)?;
            given.push(graph.add_role(roles::MANAGED_IDENTITY_OPERATOR, principal, operator, wide, None)?);
        }
        let (nodes, wide) = match bind.settings.get(aad::CONTRIBUTOR_SCOPE) {
            Some(aad::NO_ROLE) => (None, None),
            Some(aad::SUBSCRIPTION) => (Some(graph.scope(&Scope::Subscription)?), Some(WIDE.to_owned())),
            _ => (Some(graph.node_scope(cluster)?), None),
        };
        if let Some(nodes) = nodes {
            let principal = graph.clusters_principal(cluster)?;
            let serves = Some(AzureIdentityBinding::api());
            given.push(graph.add_role(roles::VIRTUAL_MACHINE_CONTRIBUTOR, principal, nodes, wide, serves)?);
        }

        let namespace = graph.namespace(&target, &bind.namespace, Intent::Present)?;
        let name = bind.settings.get(aad::NAME).map_or_else(|| object_name(identity.names()), str::to_owned);
        let azure_identity = azure_identity::key(&target.name, &bind.namespace, &name);
        let kind = AzureIdentity {
            target: target.clone(),
            namespace: bind.namespace.clone(),
            name: name.clone(),
            resource_id: identity::ID.of(&identity),
            client_id: identity::CLIENT_ID.of(&identity),
            counts_everywhere: bind.settings.get(aad::NAMESPACED) == Some(aad::EVERYWHERE),
            within: DependsOn::of(&namespace),
            after: Vec::new(),
        };
        graph.add_in_cluster(&azure_identity, &kind, Intent::Present, &target)?;
        let binding_name = bind.settings.get(aad::BINDING_NAME).map_or_else(|| default_binding(&name), str::to_owned);
        let binding = azure_identity_binding::key(&target.name, &bind.namespace, &binding_name);
        let kind = AzureIdentityBinding {
            target: target.clone(),
            namespace: bind.namespace.clone(),
            name: binding_name.clone(),
            selector: bind.settings.get(aad::SELECTOR).map_or_else(|| name.clone(), str::to_owned),
            azure_identity: name.clone(),
            within: DependsOn::of(&namespace),
            after: Vec::new(),
            identity: DependsOn::of(&azure_identity),
            roles: given.iter().map(DependsOn::of).collect(),
        };
        graph.add_in_cluster(&binding, &kind, Intent::Present, &target)?;
        Ok(Bound {
            mode: self.name(),
            app: graph.context.app.to_owned(),
            by: graph.desired.by,
            cluster: target,
            namespace: kind.namespace,
            subject: kind.selector,
            name: name.clone(),
            identity: BoundIdentity::of(identity),
            objects: [(AZURE_IDENTITY, name), (BINDING, binding_name)].into(),
            keys: std::iter::once(binding).chain(given).collect(),
            flags: Vec::new(),
        })
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault> {
        let mut found = Vec::new();
        for entry in ledger.of_app(app).filter(|e| e.kind == BINDING) {
            found.push(self.recalled(ledger, entry)?);
        }
        Ok(found)
    }

    fn found(&self, found: &Found<'_>) -> Vec<Bind> {
        found::binds(found, self.name())
    }

    fn uses(&self, pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey) -> Vec<IdentityUse> {
        uses::uses(pod, asking, survey, self.name())
    }

    fn node_access(&self, pod: &PodView<'_>, survey: &Survey) -> Option<NodeAccess> {
        aad::node_access(pod, survey, self.name(), false)
    }

    fn guards_nodes(&self, survey: &Survey) -> bool {
        aad::Programs::of(survey).has_nmi()
    }

    fn pod_keys(&self) -> &'static [&'static str] {
        &[aad::LABEL]
    }

    fn discovered(&self, pod: &PodView<'_>, found: &IdentityUse) -> Discovered {
        let (subject, objects) = aad::examine::names_of(pod.label(aad::LABEL).unwrap_or_default(), &found.edges);
        Discovered { subject, objects }
    }

    fn pod(&self, bound: &Bound) -> PodPatch {
        aad::pod(bound)
    }

    fn class_parameters(&self, _: Option<&Bound>) -> Result<Parameters, Fault> {
        Ok(aad::class_parameters())
    }

    fn is_of_class(&self, parameters: &Value) -> bool {
        aad::is_of_class(parameters)
    }

    fn chain(&self, bound: &Bound) -> Vec<Link> {
        links::links(bound)
    }

    fn is_retired(&self) -> bool {
        true
    }

    fn pages(&self) -> Vec<&'static Page> {
        aad::pages::ALL.to_vec()
    }

    fn warnings<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move { aad::rivals(view).await.iter().map(|rival| rival.warning(&view.bound.subject)).collect() })
    }

    fn refused_other<'a>(&'a self, view: &'a View<'a>, client_id: &'a str) -> BoxFuture<'a, Reason> {
        Box::pin(
            async move { aad::refused_other(view, client_id, "`kubectl get azureassignedidentities -A`", &links::bind(view.bound)).await },
        )
    }

    fn lists(&self, desired: &Desired, known: &KnownOutputs) -> Vec<ListAhead> {
        remarks::lists(desired, known)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>, lists: &'a mut Lists) -> BoxFuture<'a, Remarks> {
        Box::pin(remarks::remarks(planned, lists))
    }

    fn other_users<'a>(&'a self, planned: &'a Planned<'a>, lists: &'a mut Lists) -> BoxFuture<'a, Vec<IdentityUser>> {
        Box::pin(remarks::other_users(planned, lists))
    }

    fn needs(&self) -> &'static [Component] {
        &[Component { name: "pod-identity", pods: &["mic", "nmi"] }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[AZURE_IDENTITY, BINDING]
    }

    /// What the chain is looked at with. MIC may keep its assignments in another namespace than the pod's.
    fn rights(&self) -> Vec<Right> {
        let looks = |resource, verbs, reach| Right::new(GROUP, resource, verbs, reach);
        vec![
            looks("azureassignedidentities", &["list", "watch"], Reach::Everywhere)
                .optional("a proof does not show when MIC assigned the identity, nor tell whether it did if it failed"),
            looks("azureidentitybindings", &["list"], Reach::Everywhere)
                .optional("a second binding of another namespace with the same selector is not noticed"),
            looks("azureidentitybindings", &["list"], Reach::Within).optional("a second binding with the same selector is not noticed"),
        ]
    }

    fn one_identity(&self, subject: &str) -> String {
        aad::one_identity(subject)
    }
}

impl PodIdentity {
    fn recalled(&self, ledger: &Ledger, entry: &Entry) -> Result<Bound, Fault> {
        let binding = AzureIdentityBinding::deserialize(&*entry.placed)?;
        let app = &entry.app;
        let object = ledger.get(app, &azure_identity::key(&binding.target.name, &binding.namespace, &binding.azure_identity));
        let wanted = object.and_then(|e| AzureIdentity::deserialize(&*e.spec).ok());
        let key = wanted.as_ref().and_then(|wanted| wanted.resource_id.source());
        let keys = needs(&entry.spec);
        let role = |begins: &str| keys.iter().find(|key| key.folded().starts_with(begins));
        let mut flags = aad::operator_flags(role("role/managed-identity-operator/"));
        flags.extend(aad::contributor_flags(role("role/virtual-machine-contributor/")));
        if wanted.as_ref().is_some_and(|wanted| wanted.counts_everywhere) {
            flags.extend(["--namespaced", aad::EVERYWHERE].map(str::to_owned));
        }
        Ok(Bound {
            mode: self.name(),
            app: app.clone(),
            by: entry.by,
            identity: BoundIdentity::recalled(ledger, app, key, &binding.azure_identity),
            cluster: binding.target,
            namespace: binding.namespace,
            subject: binding.selector,
            name: binding.azure_identity.clone(),
            objects: [(AZURE_IDENTITY, binding.azure_identity), (BINDING, binding.name)].into(),
            keys: std::iter::once(entry.key.clone()).chain(keys).collect(),
            flags,
        })
    }
}
