//! The links of the add-on, from the preview feature to NMI's token.

use super::{pages, preflight::ADDON};
use crate::{
    access::AzureRight,
    chain::{
        facts::Bound,
        ground,
        link::{Heals, Link, LinkName, Resource, Symptom, TOKEN},
    },
    engine::{
        plan::Action,
        resource::{Kind as _, Side},
    },
    modes::aad::{self, AZURE_IDENTITY, BINDING, examine, texts},
    resources::{
        addon_identity::AddonIdentity,
        feature::{self, Feature},
        registration::Registration,
        role::Role,
        roles,
    },
};
use serde_json::Value;

/// The preview feature of the subscription.
const PREVIEW: LinkName = LinkName::new("preview-feature", &pages::PREVIEW);
/// The add-on is on.
const ENABLED: LinkName = LinkName::new("addon", &pages::ADDON);
/// The entry of the add-on.
const ENTRY: LinkName = LinkName::new("pod-identity", &pages::ENTRY);

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = bind(bound);
    let cluster = &bound.cluster.name;
    let mut links = ground::of_identity(bound, &again);
    let role = roles::MANAGED_IDENTITY_OPERATOR;
    links.extend([
        Link::new(PREVIEW, "the preview feature EnablePodIdentityPreview of the subscription", again.clone())
            .resource(Resource { missing: "is not registered", ..Resource::of(Registration::KIND) })
            .symptoms(OF_PREVIEW),
        Link::new(ENABLED, format!("the pod identity add-on of the cluster {cluster}"), again.clone())
            .resource(Resource {
                key: Some(feature::key(cluster, ADDON)),
                missing: "is off",
                judge: Some(is_off),
                ..Resource::of(Feature::KIND)
            })
            .symptoms(OF_ADDON),
    ]);
    if !aad::has_from_elsewhere(bound, role) {
        links.push(Link::new(aad::CLUSTER_ROLE, format!("the role {role} of the control plane of {cluster}"), again.clone()).resource(
            Resource {
                key: aad::role_key(bound, role),
                place: aad::role_place,
                missing: "is not assigned, so AKS cannot put the identity on the nodes",
                spreads: true,
                right: Some(AzureRight::HandOut),
                ..Resource::of(Role::KIND)
            },
        ));
    }
    links.extend([
        Link::new(ENTRY, format!("the entry {}/{} of the add-on", bound.namespace, bound.name), again.clone())
            .resource(Resource { judge: Some(not_assigned), ..Resource::of(AddonIdentity::KIND) })
            .symptoms(OF_ENTRY),
        Link::new(aad::OBJECT, aad::object_title(bound, "AzureIdentity", AZURE_IDENTITY), again.clone())
            .check(Side::Kubernetes, |view, link| aad::look_at_identity(view, link))
            .symptoms(texts::OF_OBJECT)
            .examine(examine::OF_OBJECT),
        Link::new(aad::BOUND, aad::object_title(bound, "AzureIdentityBinding", BINDING), again.clone())
            .check(Side::Kubernetes, |view, link| aad::look_at_binding(view, link))
            .examine(examine::OF_BINDING),
        Link::new(TOKEN, "NMI on the pod's node", again).symptoms(texts::OF_NMI).examine(examine::OF_MANAGED_NMI),
    ]);
    links
}

/// The command that binds the pods again; only what is not a default is named.
pub(super) fn bind(bound: &Bound) -> Vec<String> {
    aad::bind(bound, &["--mode", "pod-identity-addon"])
}

/// The add-on was turned off, which drops all entries.
fn is_off(action: &Action) -> Option<String> {
    let enabled = action.changes.iter().any(|change| change.field.ends_with("podIdentityProfile.enabled"));
    enabled.then(|| "is off".to_owned())
}

/// What AKS says of the entry.
fn not_assigned(action: &Action) -> Option<String> {
    let entry = action.work.actual.as_ref()?.get("entry")?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let state = text("state").filter(|state| !state.eq_ignore_ascii_case("Assigned") && !state.eq_ignore_ascii_case("Succeeded"))?;
    let why = text("problem").map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("is {state}, so the nodes may not have the identity{why}"))
}

// texts of AKS: https://github.com/Azure/AKS/issues/2011, /2943, https://github.com/Azure/aad-pod-identity/issues/1123

const OF_PREVIEW: &[Symptom] = &[Symptom::known(
    &["PodIdentityAddonFeatureFlagNotEnabled", "EnablePodIdentityPreview' is not enabled"],
    Heals::Perhaps,
    "the preview feature of the add-on is not registered",
    |view, link| format!("Register it (up to 20 minutes): {}.", view.again(&link.again)),
)];

const OF_ADDON: &[Symptom] = &[
    Symptom::known(
        &["PodIdentity addon requires managed identity"],
        Heals::Never,
        "the cluster has a service principal, and the add-on needs a managed identity",
        |view, _| {
            format!(
                "Change the cluster: `az aks update -g GROUP -n {} --enable-managed-identity`; or use another mode.",
                view.bound.cluster.name
            )
        },
    ),
    Symptom::known(
        &["kubenet is not supported to use with PodIdentity"],
        Heals::Never,
        "the add-on refuses the network plugin kubenet",
        |_, _| "Set `kubenet: allowed` for the workload after reading what it opens, or use Azure CNI.".into(),
    )
    .page(&aad::pages::KUBENET),
];

const OF_ENTRY: &[Symptom] = &[
    Symptom::known(
        &["PodIdentityAddonIdentitiesAssignmentError", "has no assignment permission over identity"],
        Heals::Within(crate::chain::link::ROLE),
        "AKS cannot assign an identity of the add-on: it was deleted, or the control plane lacks Managed Identity Operator on it",
        |view, link| {
            format!(
                "Remove the entry of an identity that was deleted (`az aks pod-identity list -g GROUP --cluster-name {}` of the extension aks-preview); give the role by {}.",
                view.bound.cluster.name,
                view.again(&link.again)
            )
        },
    ),
    Symptom::known(
        &["use different identities with the same name"],
        Heals::Never,
        "another entry of the add-on has this name with another identity",
        |view, link| format!("Delete the entry, then add it again: {}.", view.again(&link.again)),
    ),
];
