//! Which identity a pod gets by an identity binding of its cluster.

use super::{names::USE, rbac};
use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        uses::{Asking, IdentityRef, IdentityUse, PodView},
    },
    modes::accounts,
    survey::{
        Survey,
        kinds::{CLUSTER_ROLE, CLUSTER_ROLE_BINDING},
    },
};

/// Whether a pod asks the webhook for a token of the cluster's proxy.
pub fn is_asked(pod: &PodView<'_>) -> bool {
    accounts::serves(pod) && pod.annotation(USE) == Some("true")
}

pub(super) fn uses(pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey, mode: &'static str) -> Vec<IdentityUse> {
    let is_meant = match asking {
        Asking::App => is_asked(pod),
        Asking::Volume(parameters) => accounts::names_identity(parameters) && accounts::is_on(parameters, accounts::TOKEN_PROXY),
    };
    if !is_meant {
        return Vec::new();
    }
    let (account, token, identity) = accounts::identity_of(pod, asking, accounts::PROXY_AUDIENCE, survey);
    let binding = binding(&identity, survey);
    let edges = vec![token, right(pod, &account, &binding, &identity, survey), bound(&binding, &identity, survey)];
    vec![IdentityUse { mode, identity, edges, by_credential: false }]
}

/// The binding of the identity, as far as it is known.
fn binding(identity: &IdentityRef, survey: &Survey) -> EdgeNode {
    let found = found(identity, survey);
    EdgeNode::new("IdentityBinding", found.map_or_else(|| format!("(of {})", identity.shown(survey)), |one| one.id.name().to_owned()))
}

fn found<'a>(identity: &IdentityRef, survey: &'a Survey) -> Option<&'a crate::azure::IdentityBinding> {
    let client_id = identity.client_id.as_deref()?;
    let id = identity.found(survey).map(|found| &found.id);
    let is = |one: &&crate::azure::IdentityBinding| {
        let by_client = one.client_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(client_id));
        by_client || id.is_some_and(|id| id.as_str().eq_ignore_ascii_case(&one.resource_id))
    };
    survey.azure.bindings.iter().find(is)
}

/// Whether the cluster's RBAC lets the service account use the identity.
fn right(pod: &PodView<'_>, account: &EdgeNode, binding: &EdgeNode, identity: &IdentityRef, survey: &Survey) -> Edge {
    let by = "use-managed-identity";
    let Some(client_id) = &identity.client_id else {
        return Edge::missing(account, binding, by, format!("{account} has no client id of an identity"));
    };
    let (roles, bindings) = (survey.cluster.of_kind(&CLUSTER_ROLE), survey.cluster.of_kind(&CLUSTER_ROLE_BINDING));
    if let Some(name) = rbac::allowing(&roles.items, &bindings.items, (pod.namespace, pod.service_account()), client_id) {
        return Edge::there(account, binding, format!("ClusterRoleBinding {}", name[1]));
    }
    match roles.gap.as_ref().or(bindings.gap.as_ref()) {
        Some(gap) => Edge::unknown(account, binding, by, format!("the {} could not be read: {}", gap.what, gap.why)),
        None => {
            let why = format!("no ClusterRoleBinding lets the service account use the identity {client_id} (verb use-managed-identity)");
            let (namespace, name, identity) = (pod.namespace, pod.service_account(), identity.shown(survey));
            let bind = format!("podid bind --mode identity-binding --namespace {namespace} --service-account {name} --identity {identity}");
            Edge::missing(account, binding, by, why).hint(format!("Bind it: `{bind}`."))
        }
    }
}

/// Whether the cluster has a binding for the identity.
fn bound(binding: &EdgeNode, identity: &IdentityRef, survey: &Survey) -> Edge {
    let by = "identity binding";
    let to = identity.node(survey);
    match (found(identity, survey), &survey.azure.bindings.gap) {
        (Some(_), _) => identity.edge(binding, by, survey),
        (None, Some(gap)) => Edge::unknown(binding, &to, by, format!("the {} could not be read: {}", gap.what, gap.why)),
        (None, None) if survey.azure.cluster.is_none() => Edge::unknown(binding, &to, by, "the managed cluster is not known"),
        (None, None) => Edge::missing(binding, &to, by, format!("the cluster has no identity binding for {}", to.name)),
    }
}
