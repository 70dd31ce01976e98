//! The links of the add-on, from the preview feature to NMI's token.

use super::preflight::ADDON;
use crate::{
    chain::{
        facts::Bound,
        ground,
        link::{Heals, Link, LinkName, Meaning, RESTART, Resource, Symptom, TOKEN},
    },
    engine::{
        plan::Action,
        resource::{Kind as _, Side},
    },
    modes::aad::{self, AZURE_IDENTITY, BINDING},
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
const PREVIEW: LinkName = LinkName("preview-feature");
/// The add-on is on.
const ENABLED: LinkName = LinkName("addon");
/// The entry of the add-on.
const ENTRY: LinkName = LinkName("pod-identity");

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = bind(bound);
    let cluster = &bound.cluster.name;
    let mut links = ground::of_identity(bound, &again);
    let role = roles::MANAGED_IDENTITY_OPERATOR;
    links.extend([
        Link::new(PREVIEW, "the preview feature EnablePodIdentityPreview of the subscription", again.clone())
            .resource(Resource { missing: "is not registered", ..Resource::of(Registration::KIND) }),
        Link::new(ENABLED, format!("the pod identity add-on of the cluster {cluster}"), again.clone()).resource(Resource {
            key: Some(feature::key(cluster, ADDON)),
            missing: "is off",
            judge: Some(is_off),
            ..Resource::of(Feature::KIND)
        }),
        Link::new(aad::CLUSTER_ROLE, format!("the role {role} of the control plane of {cluster}"), again.clone()).resource(Resource {
            key: aad::role_key(bound, role),
            place: aad::role_place,
            missing: "is not assigned, so AKS cannot put the identity on the nodes",
            spreads: true,
            ..Resource::of(Role::KIND)
        }),
        Link::new(ENTRY, format!("the entry {}/{} of the add-on", bound.namespace, bound.name), again.clone())
            .resource(Resource { judge: Some(not_assigned), ..Resource::of(AddonIdentity::KIND) }),
        Link::new(aad::OBJECT, aad::object_title(bound, "AzureIdentity", AZURE_IDENTITY), again.clone())
            .check(Side::Kubernetes, |view, link| aad::look_at_identity(view, link)),
        Link::new(aad::BOUND, aad::object_title(bound, "AzureIdentityBinding", BINDING), again.clone())
            .check(Side::Kubernetes, |view, link| aad::look_at_binding(view, link)),
        Link::new(TOKEN, "NMI on the pod's node", again).symptoms(OF_NMI),
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

/// NMI in managed mode does not wait (pkg/nmi/managed.go); the other texts are those of standard mode.
static OF_NMI: &[Symptom] = &[
    Symptom {
        any_of: &["no azure identity found for request clientID"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Within(RESTART),
            what: "NMI found no AzureIdentity for the pod",
            hint: |view, link| {
                format!(
                    "The pod needs the label {}={}, and AKS makes the objects of the entry: look at them with `kubectl get azureidentity,azureidentitybinding -n {}`, or write the entry again by {}.",
                    aad::LABEL,
                    view.bound.subject,
                    view.bound.namespace,
                    view.again(&link.again)
                )
            },
        },
    },
    aad::NMI_SILENT,
    aad::NO_SUCH_IDENTITY,
];
