//! The links that both modes of AAD Pod Identity have: the objects in the cluster, and what NMI reports (texts of aad-pod-identity 1.8).

use super::{
    names::{AZURE_IDENTITY, BINDING, LABEL},
    pages, uses,
};
use crate::{
    azure::{ArmId, id},
    chain::{
        facts::Bound,
        link::{Heals, Link, LinkName, MissingLink, Reason, TOKEN},
        pages as common,
        texts::field,
        view::View,
    },
    engine::key::Key,
    resources::{
        azure_identity,
        azure_identity_binding::{self, AzureIdentityBinding, Own, Rival},
        manifested::Manifested as _,
        roles,
    },
    survey::kinds::{AZURE_IDENTITY as AZURE_IDENTITY_BOUND, AZURE_IDENTITY_BINDING},
};
use futures::future::BoxFuture;
use serde_json::Value;

/// A role of the cluster, without which nobody can put the identity on the nodes.
pub const CLUSTER_ROLE: LinkName = LinkName::new("role", &common::CLUSTER_ROLE);
/// The AzureIdentity in the cluster.
pub const OBJECT: LinkName = LinkName::new("azure-identity", &pages::OBJECT);
/// The AzureIdentityBinding, or another one with the same selector.
pub const BOUND: LinkName = LinkName::new("binding", &pages::BOUND);

/// `the AzureIdentity shop/web`
pub fn object_title(bound: &Bound, shown: &str, kind: &str) -> String {
    format!("the {shown} {}/{}", bound.namespace, bound.object(kind))
}

/// Where a role of the cluster holds, after its title.
pub fn role_place(spec: &Value) -> String {
    format!(" (principal {}) at {}", field(spec, "/principal"), field(spec, "/scope"))
}

/// The resource of a role among those that the pods depend on.
pub fn role_key(bound: &Bound, role: &str) -> Option<Key> {
    let begins = format!("role/{}/", roles::slug(role));
    bound.keys.iter().find(|key| key.folded().starts_with(&begins)).cloned()
}

/// Whether podid was told to assign no such role, because the cluster has it from elsewhere. Of pods that podid did not bind, every role is
/// looked for.
pub fn has_from_elsewhere(bound: &Bound, role: &str) -> bool {
    !bound.keys.is_empty() && role_key(bound, role).is_none()
}

/// The binding by whose selector the pods are bound. Err: this login may not list bindings.
pub async fn binding(view: &View<'_>) -> Result<Option<Value>, ()> {
    let bindings = view.cluster.list(&AzureIdentityBinding::api(), Some(&view.bound.namespace), None).await.map_err(drop)?;
    let is_ours = |binding: &&Value| field(binding, "/spec/selector") == view.bound.subject;
    let here = bindings.iter().find(is_ours).cloned();
    Ok(here.or_else(|| elsewhere(view)))
}

/// A binding of another namespace counts, too, unless MIC and NMI or its AzureIdentity are namespaced.
fn elsewhere(view: &View<'_>) -> Option<Value> {
    let survey = view.survey.filter(|survey| !uses::is_namespaced(survey))?;
    let is_ours = |binding: &&Value| {
        let identity =
            survey.cluster.named(&AZURE_IDENTITY_BOUND, field(binding, "/metadata/namespace"), field(binding, "/spec/azureIdentity"));
        field(binding, "/spec/selector") == view.bound.subject && identity.is_some_and(|identity| !azure_identity::is_namespaced(identity))
    };
    survey.cluster.of_kind(&AZURE_IDENTITY_BINDING).iter().find(is_ours).cloned()
}

pub fn look_at_binding<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Ok(None) = binding(view).await else { return Vec::new() };
        let Bound { namespace, subject, .. } = view.bound;
        let what = format!("no AzureIdentityBinding in namespace {namespace} has the selector {subject}");
        vec![Reason::new(Heals::Never, MissingLink::new(BOUND, what).hint(format!("Write it again: {}.", view.again(&link.again))))]
    })
}

pub fn look_at_identity<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Ok(Some(binding)) = binding(view).await else { return Vec::new() };
        let namespace = field(&binding, "/metadata/namespace");
        let named = field(&binding, "/spec/azureIdentity");
        let own = view.bound.object(AZURE_IDENTITY);
        let missing = match view.cluster.get(&azure_identity::at(namespace, named)).await {
            Ok(None) => {
                let what = format!(
                    "the AzureIdentity {named}, which the binding {} names, is not in namespace {namespace}",
                    field(&binding, "/metadata/name")
                );
                // the binding is what is wrong where it names another one than podid wrote
                MissingLink::new(if own.is_empty() || own == named { OBJECT } else { BOUND }, what)
            }
            Ok(Some(there)) if field(&there, "/spec/resourceID").is_empty() => {
                let missing =
                    MissingLink::new(OBJECT, format!("the AzureIdentity {namespace}/{named} has no resourceID, so MIC ignores it"));
                missing.page(&pages::CASING).because("fields in the old spelling (`ResourceID`, `ClientID`) are dropped by the CRD")
            }
            Ok(Some(there)) if !ArmId::parse(field(&there, "/spec/resourceID")).is_some_and(|id| id.is_kind(id::IDENTITY)) => {
                let what = format!(
                    "the AzureIdentity {named} has a resourceID that is not one of a managed identity ({:?}), so MIC ignores it",
                    field(&there, "/spec/resourceID")
                );
                MissingLink::new(OBJECT, what)
            }
            _ => return Vec::new(),
        };
        vec![Reason::new(Heals::Never, missing.hint(format!("Write it again: {}.", view.again(&link.again))))]
    })
}

/// Other bindings by which the pods get a second identity. None are known where this login may not look.
pub async fn rivals(view: &View<'_>) -> Vec<Rival> {
    let bound = view.bound;
    let own = Own {
        namespace: &bound.namespace,
        binding: bound.object(BINDING),
        selector: &bound.subject,
        azure_identity: bound.object(AZURE_IDENTITY),
        resource_id: bound.identity.resource_id(),
        client_id: bound.identity.client_id(),
    };
    azure_identity_binding::rivals(view.cluster, &own).await
}

/// The vault was asked by another identity than the bound one: a pod may have got two. `look`: the command that shows which pods get which.
pub async fn refused_other(view: &View<'_>, client_id: &str, look: &str, bind: &[String]) -> Reason {
    let (own, vault, selector) = (&view.bound.identity.name, view.vault(), &view.bound.subject);
    let rival = rivals(view).await.into_iter().find(|r| r.client_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(client_id)));
    let what = |who: &str| format!("the vault {vault} refused the token of {who}, not of {own}");
    let missing = match rival {
        Some(rival) => MissingLink::new(BOUND, what(&format!("the identity {} (client id {client_id})", rival.identity)))
            .because(format!(
                "the binding {}/{} has the selector {selector} too, so a pod gets both identities, and NMI gives out either",
                rival.namespace, rival.binding
            ))
            .hint(format!(
                "Give the workload a `selector` of its own, or delete the other binding: `kubectl delete azureidentitybinding {} -n {}`.",
                rival.binding, rival.namespace
            )),
        None => MissingLink::new(TOKEN, what(&format!("another identity (client id {client_id})"))).hint(format!(
            "Look which identities pods with the label {LABEL}={selector} get: {look}; write the AzureIdentity again by {}.",
            view.again(bind)
        )),
    };
    Reason::new(Heals::Never, missing)
}
