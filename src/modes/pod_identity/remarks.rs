//! Two bindings that would give one pod two identities: both of this graph, or one of somebody else.

use crate::{
    chain::{
        remarks::{IdentityUser, ListAhead, Lists, Planned, Remarks, resolved, wanted},
        texts::field,
    },
    engine::{
        desired::{Desired, Intent},
        input::KnownOutputs,
        plan::{Refusal, Warning},
    },
    modes::aad::{BINDING, LABEL},
    resources::{
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::{self, AzureIdentityBinding, Own},
        manifested::Manifested as _,
        secret_provider_class::SecretProviderClass,
    },
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Bindings in the clusters that this graph writes to, as far as the state knows where these are.
pub(super) fn lists(desired: &Desired, known: &KnownOutputs) -> Vec<ListAhead> {
    let bindings = resolved::<AzureIdentityBinding>(desired, BINDING, known);
    bindings.into_iter().filter(|binding| binding.target.hosts.known().is_some()).map(ahead).collect()
}

fn ahead(binding: AzureIdentityBinding) -> ListAhead {
    ListAhead { target: binding.target, api: AzureIdentityBinding::api(), namespace: binding.namespace }
}

pub(super) async fn remarks(planned: &Planned<'_>, lists: &mut Lists) -> Remarks {
    let mut remarks = shared_selectors(planned);
    remarks.warnings.extend(rivals(planned, lists).await);
    remarks
}

/// The bindings of others that have an AzureIdentity. The bindings were listed for `rivals`; the AzureIdentities are listed only where a
/// cluster has bindings of others.
pub(super) async fn other_users(planned: &Planned<'_>, lists: &mut Lists) -> Vec<IdentityUser> {
    let mut users = Vec::new();
    let mut seen = BTreeSet::new();
    for node in wanted(planned.desired, BINDING) {
        let Some(AzureIdentityBinding { target, namespace, .. }) = planned.placed::<AzureIdentityBinding>(node) else { continue };
        // one list has those of all namespaces, where this login may have it
        let whole = lists.is_whole(&target, &AzureIdentityBinding::api());
        if !seen.insert((target.context.clone(), if whole { String::new() } else { namespace.clone() })) {
            continue;
        }
        let Ok(cluster) = planned.reader.cluster(&target).await else { continue };
        let of = |api| ListAhead { target: target.clone(), api, namespace: namespace.clone() };
        let mut others = azure_identity_binding::listed(lists.of(&cluster, &of(AzureIdentityBinding::api())).await);
        others.retain(|other| {
            let key = azure_identity_binding::key(&target.name, &other.namespace, &other.binding);
            !planned.desired.nodes.contains_key(&key)
        });
        if others.is_empty() {
            continue;
        }
        let named = |one| ((field(one, "/metadata/namespace"), field(one, "/metadata/name")), field(one, "/spec/resourceID"));
        let identities: BTreeMap<(&str, &str), &str> = lists.of(&cluster, &of(AzureIdentity::api())).await.iter().map(named).collect();
        for other in others {
            let found = identities.get(&(other.namespace.as_str(), other.azure_identity.as_str())).copied();
            let Some(resource_id) = found.map(str::to_owned) else { continue };
            users.push(IdentityUser { resource_id, namespace: other.namespace, subject: other.selector });
        }
    }
    users
}

/// Two bindings of this graph that give one pod two identities.
fn shared_selectors(planned: &Planned<'_>) -> Remarks {
    let desired = planned.desired;
    let mut remarks = Remarks::default();
    let mut first: BTreeMap<(String, String, String), (String, Value)> = BTreeMap::new();
    for node in wanted(desired, BINDING) {
        let Some(binding) = planned.placed::<AzureIdentityBinding>(node) else { continue };
        let AzureIdentityBinding { target, namespace, azure_identity, selector, .. } = binding;
        let object = desired.nodes.get(&azure_identity::key(&target.name, &namespace, &azure_identity));
        let identity: Value = object.and_then(|n| n.spec.get("resource_id")).cloned().unwrap_or_default();
        let place = (target.name.clone(), namespace.clone(), selector.clone());
        let Some((other, others)) = first.get(&place) else {
            first.insert(place, (azure_identity, identity));
            continue;
        };
        if *others == identity {
            continue;
        }
        let text = format!(
            "pods with the label {LABEL}={selector} in namespace {namespace} would get two identities, {other} and {azure_identity}"
        );
        let way = "Give each workload a `selector` of its own in the spec, and its pods that label.".to_owned();
        let mounts = wanted(desired, SecretProviderClass::KIND).filter_map(|n| planned.placed::<SecretProviderClass>(n)).any(|class| {
            class.target.name == target.name && class.namespace == namespace && class.subject.as_deref().is_none_or(|s| s == selector)
        });
        if mounts {
            let reason = format!("{text}, and the CSI driver reads with either of them: a pod cannot choose");
            remarks.refused.push(Refusal { key: node.key.clone(), reason, changes: Vec::new(), way_out: Some(way) });
        } else {
            let text = format!("{text}: they must ask for one by its client id");
            remarks.warnings.push(Warning { key: node.key.clone(), text, hint: Some(way) });
        }
    }
    remarks
}

/// Bindings of others with the selector of one of this graph.
async fn rivals(planned: &Planned<'_>, lists: &mut Lists) -> Vec<Warning> {
    let desired = planned.desired;
    let mut warnings = Vec::new();
    for node in wanted(desired, BINDING) {
        let Some(binding) = planned.placed::<AzureIdentityBinding>(node) else { continue };
        let Ok(cluster) = planned.reader.cluster(&binding.target).await else { continue };
        let cluster_name = &binding.target.name;
        let object = desired.nodes.get(&azure_identity::key(cluster_name, &binding.namespace, &binding.azure_identity));
        let identity = object.and_then(|n| planned.placed::<AzureIdentity>(n));
        let own = Own {
            namespace: &binding.namespace,
            binding: &binding.name,
            selector: &binding.selector,
            azure_identity: &binding.azure_identity,
            resource_id: identity.as_ref().and_then(|i| i.resource_id.known()).map(String::as_str),
            client_id: identity.as_ref().and_then(|i| i.client_id.known()).map(String::as_str),
        };
        let (target, namespace) = (binding.target.clone(), binding.namespace.clone());
        let there = lists.of(&cluster, &ListAhead { target, api: AzureIdentityBinding::api(), namespace }).await;
        for rival in azure_identity_binding::rivals_among(&azure_identity_binding::listed_with(there, own.selector), &cluster, &own).await {
            let key = azure_identity_binding::key(cluster_name, &rival.namespace, &rival.binding);
            let goes = planned.plan.action(&key).is_some_and(|a| a.act.removes());
            // of two that this graph makes it is said already
            if goes || desired.nodes.get(&key).is_some_and(|n| n.intent == Intent::Present) {
                continue;
            }
            let hint = format!(
                "Give the workload a `selector` of its own, or delete the other binding: `kubectl delete azureidentitybinding {} -n {}`.",
                rival.binding, rival.namespace
            );
            warnings.push(Warning { key: node.key.clone(), text: rival.warning(&binding.selector), hint: Some(hint) });
        }
    }
    warnings
}
