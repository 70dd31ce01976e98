//! The pod identity add-on of AKS (`podIdentityProfile`): AKS runs NMI in managed mode, puts the identity of each entry on all nodes, and
//! makes an AzureIdentity and an AzureIdentityBinding for it. The control plane needs Managed Identity Operator on the identity.
//! It left support in September 2025: <https://learn.microsoft.com/azure/aks/use-azure-ad-pod-identity>

mod found;
mod links;
mod pages;
mod preflight;
mod settings;
mod uses;

use super::{
    aad::{self, AZURE_IDENTITY, BINDING, GROUP, default_binding},
    mode::{Discovered, Mode, ModeRole},
};
use crate::{
    azure::ArmId,
    chain::{
        facts::{Bound, BoundIdentity, Component, Parameters, PodPatch},
        found::Found,
        link::{Link, Reason},
        page::Page,
        remarks::{IdentityUser, Lists, Planned, Remarks},
        uses::{Asking, IdentityUse, NodeAccess, PodView},
        view::View,
    },
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, needs},
        key::Key,
        ledger::{Entry, Ledger},
        resource::Kind as _,
    },
    resources::{
        access::{Reach, Right},
        addon_identity::{self, AddonIdentity},
        cluster,
        feature::{self, Feature},
        identity,
        registration::{self, Registration},
        roles,
    },
    spec::{
        claim::Claim,
        complaint::Complaint,
        graph::Graph,
        names::{name_in, object_name},
        request::Bind,
        settings::{Setting, Settings},
    },
    survey::Survey,
};
use futures::future::BoxFuture;
use preflight::ADDON;
use serde::Deserialize as _;
use serde_json::{Value, json};

pub struct PodIdentityAddon;

/// Refers to the add-on of the graph's cluster, which is on already, and returns its key.
pub fn existing(graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let (cluster, id) = (graph.cluster_key()?, graph.cluster_ref()?.id.clone());
    let key = feature::key(id.name(), ADDON);
    let kind = Feature {
        cluster: id,
        name: ADDON.to_owned(),
        on: json!({ "podIdentityProfile": { "enabled": true } }),
        off: None,
        note: None,
        after: vec![DependsOn::of(&cluster)],
    };
    graph.add(&key, &kind, Intent::Existing)?;
    Ok(key)
}

const PROVIDER: &str = "Microsoft.ContainerService";
const PREVIEW: &str = "EnablePodIdentityPreview";

impl Mode for PodIdentityAddon {
    fn name(&self) -> &'static str {
        "pod-identity-addon"
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
        &[ModeRole { role: roles::MANAGED_IDENTITY_OPERATOR, serves: None }]
    }

    /// The preview feature, the add-on, the role of the control plane, the namespace and the entry.
    fn expand(&self, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault> {
        let identity = graph.bound_identity(bind)?;
        let target = graph.target()?;
        let id = graph.cluster_ref()?.id.clone();
        let preview = registration::key(PROVIDER, PREVIEW);
        let subscription = ArmId::subscription(id.subscription_id());
        let kind = Registration { subscription, provider: PROVIDER.to_owned(), feature: PREVIEW.to_owned() };
        graph.add(&preview, &kind, Intent::Present)?;

        let addon = feature::key(&target.name, ADDON);
        let mut profile = json!({ "enabled": true });
        if bind.settings.get(settings::KUBENET) == Some(settings::ALLOWED) {
            profile["allowNetworkPluginKubenet"] = json!(true);
        }
        let kind = Feature {
            cluster: id.clone(),
            name: ADDON.to_owned(),
            on: json!({ "podIdentityProfile": profile }),
            off: Some(json!({"podIdentityProfile": {"enabled": false}})),
            note: Some("runs NMI on every Linux node".to_owned()),
            after: vec![DependsOn::of(&cluster::key(&target.name)), DependsOn::of(&preview)],
        };
        graph.add(&addon, &kind, Intent::Present)?;

        let operates = match aad::operator_scope(bind, graph, &identity)? {
            Some((scope, wide)) => Some(graph.add_control_plane_role(roles::MANAGED_IDENTITY_OPERATOR, scope, wide)?),
            None => None,
        };
        let namespace = graph.namespace(&target, &bind.namespace, Intent::Present)?;
        let name = bind.settings.get(aad::NAME).map_or_else(|| object_name(identity.names()), str::to_owned);
        let key = addon_identity::key(&target.name, &bind.namespace, &name);
        let kind = AddonIdentity {
            cluster: id,
            namespace: bind.namespace.clone(),
            name: name.clone(),
            selector: bind.settings.get(aad::SELECTOR).map_or_else(|| name.clone(), str::to_owned),
            resource_id: identity::ID.of(&identity),
            client_id: identity::CLIENT_ID.of(&identity),
            principal_id: identity::PRINCIPAL_ID.of(&identity),
            target: Some(target.clone()),
            after: [&addon].into_iter().chain(&operates).chain([&namespace]).map(DependsOn::of).collect(),
        };
        graph.add(&key, &kind, Intent::Present)?;
        Ok(Bound {
            mode: self.name(),
            app: graph.context.app.to_owned(),
            by: graph.desired.by,
            cluster: target,
            namespace: kind.namespace,
            subject: kind.selector,
            identity: BoundIdentity::of(identity),
            objects: [(AZURE_IDENTITY, name.clone()), (BINDING, default_binding(&name))].into(),
            name,
            keys: std::iter::once(key).chain(operates).collect(),
            flags: Vec::new(),
        })
    }

    fn recall(&self, ledger: &Ledger, app: &str) -> Result<Vec<Bound>, Fault> {
        let entries = ledger.of_app(app).filter(|entry| entry.kind == AddonIdentity::KIND);
        entries.filter_map(|entry| self.recalled(ledger, entry).transpose()).collect()
    }

    fn found(&self, found: &Found<'_>) -> Vec<Bind> {
        found::binds(found, self.name())
    }

    fn uses(&self, pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey) -> Vec<IdentityUse> {
        uses::uses(pod, asking, survey, self.name())
    }

    fn node_access(&self, pod: &PodView<'_>, survey: &Survey) -> Option<NodeAccess> {
        aad::node_access(pod, survey, self.name(), true)
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
        aad::pages::ALL.iter().chain(pages::ALL).copied().collect()
    }

    fn warnings<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move { aad::rivals(view).await.iter().map(|rival| rival.warning(&view.bound.subject)).collect() })
    }

    fn refused_other<'a>(&'a self, view: &'a View<'a>, client_id: &'a str) -> BoxFuture<'a, Reason> {
        Box::pin(async move {
            let look = format!("`kubectl get azureidentities,azureidentitybindings -n {}`", view.bound.namespace);
            aad::refused_other(view, client_id, &look, &links::bind(view.bound)).await
        })
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Remarks> {
        Box::pin(preflight::remarks(planned))
    }

    fn other_users<'a>(&'a self, planned: &'a Planned<'a>, _: &'a mut Lists) -> BoxFuture<'a, Vec<IdentityUser>> {
        Box::pin(preflight::other_users(planned))
    }

    fn needs(&self) -> &'static [Component] {
        &[Component { name: "pod-identity", pods: &["nmi"] }]
    }

    /// AKS makes the objects.
    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn rights(&self) -> Vec<Right> {
        let looks = |resource, verbs| Right::new(GROUP, resource, verbs, Reach::Within);
        vec![
            looks("azureidentities", &["get"]).optional("a proof that fails does not say whether AKS made the AzureIdentity"),
            looks("azureidentitybindings", &["list"]).optional("a second binding with the same selector is not noticed"),
        ]
    }

    fn one_identity(&self, subject: &str) -> String {
        aad::one_identity(subject)
    }
}

impl PodIdentityAddon {
    /// None: an entry of an older podid, which says nothing of the context.
    fn recalled(&self, ledger: &Ledger, entry: &Entry) -> Result<Option<Bound>, Fault> {
        let kind = AddonIdentity::deserialize(&*entry.placed)?;
        let Some(cluster) = kind.target else { return Ok(None) };
        let wanted = AddonIdentity::deserialize(&*entry.spec)?;
        let operator = needs(&entry.spec).into_iter().find(|key| key.folded().starts_with("role/managed-identity-operator/"));
        Ok(Some(Bound {
            mode: self.name(),
            app: entry.app.clone(),
            by: entry.by,
            identity: BoundIdentity::recalled(ledger, &entry.app, wanted.resource_id.source(), &kind.name),
            cluster,
            namespace: kind.namespace,
            subject: kind.selector,
            name: kind.name.clone(),
            objects: [(AZURE_IDENTITY, kind.name.clone()), (BINDING, default_binding(&kind.name))].into(),
            keys: std::iter::once(entry.key.clone()).chain(needs(&entry.spec)).collect(),
            flags: aad::operator_flags(operator.as_ref()),
        }))
    }
}
