//! Which managed cluster Kubernetes objects go to: flag, spec, what earlier commands named, and last whichever cluster of the
//! subscription has the API server that the kubeconfig leads to.

use crate::{
    azure::{self, ArmId, id::CLUSTER},
    exit::Exit,
    failure::Failure,
    session::Session,
    spec::{
        known::{ClusterRef, KnownResources},
        model::ClusterSpec,
    },
};

pub struct Asked<'a> {
    /// `--cluster`.
    pub flag: Option<&'a str>,
    pub spec: Option<&'a ClusterSpec>,
    /// The default group of the command, and of the spec.
    pub group: Option<&'a str>,
    pub subscription: &'a str,
}

pub async fn which(session: &Session, azure: &azure::Read, memory: &KnownResources, asked: &Asked<'_>) -> Result<ClusterRef, Failure> {
    let context = session.global.context.as_deref();
    let named = asked.flag.or(asked.spec.map(|s| s.name.as_str()));
    let remembered: Vec<ClusterRef> = memory
        .clusters()
        .into_iter()
        .filter(|c| context.is_none_or(|x| c.context == x))
        .filter(|c| named.is_none_or(|n| n.eq_ignore_ascii_case(c.id.name()) || ArmId::parse(n).is_some_and(|id| id == c.id)))
        .collect();
    // of another cluster the spec says nothing
    let spec = asked.spec.filter(|s| asked.flag.is_none_or(|flag| is_same(flag, &s.name)));
    let principal_id = spec.and_then(|s| s.principal_id.clone());
    let spec_context = spec.and_then(|s| s.context.as_deref());
    if let Some(name) = spec.map(|s| s.name.as_str()).or(named) {
        let group = spec.and_then(|s| s.resource_group.as_deref()).or(asked.group);
        if let Some(id) = id_of(name, group, asked.subscription)? {
            let context = match context.or(spec_context) {
                Some(context) => context.to_owned(),
                None => context_of(session, &remembered, &id),
            };
            return Ok(ClusterRef { id, context, principal_id });
        }
    }
    match remembered.as_slice() {
        [one] => return Ok(ClusterRef { principal_id: principal_id.or_else(|| one.principal_id.clone()), ..one.clone() }),
        [] => {}
        several => {
            let names: Vec<&str> = several.iter().map(|c| c.id.name()).collect();
            return Err(Failure::new(Exit::Refused, format!("more than one cluster could be meant: {}", names.join(", ")))
                .hint("Name one with `--cluster NAME` or `--context CONTEXT`."));
        }
    }
    by_server(session, azure, asked.subscription, named, context.or(spec_context)).await
}

/// The context that a cluster has by default: the one that was used before, or the one of its name. Contexts are told apart by case,
/// clusters are not.
fn context_of(session: &Session, remembered: &[ClusterRef], id: &ArmId) -> String {
    if let Some(known) = remembered.iter().find(|c| c.id == *id) {
        return known.context.clone();
    }
    let contexts = session.clusters.contexts().unwrap_or_default();
    let called = |same: &dyn Fn(&str) -> bool| contexts.iter().map(|(name, _)| name).find(|name| same(name)).cloned();
    called(&|name| name == id.name())
        .or_else(|| called(&|name| name.eq_ignore_ascii_case(id.name())))
        .unwrap_or_else(|| id.name().to_owned())
}

/// Whether two ways to name a cluster, by name or full id, mean the same one.
fn is_same(one: &str, other: &str) -> bool {
    let is_id = |text: &str| text.starts_with('/');
    let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    if is_id(one) && is_id(other) { one.eq_ignore_ascii_case(other) } else { last(one) == last(other) }
}

fn id_of(name: &str, group: Option<&str>, subscription: &str) -> Result<Option<ArmId>, Failure> {
    if name.starts_with('/') {
        return match ArmId::parse(name) {
            Some(id) if id.is_kind(CLUSTER) => Ok(Some(id)),
            _ => Err(Failure::new(Exit::Usage, format!("{name:?} is not the id of a managed cluster"))),
        };
    }
    let Some(group) = group else { return Ok(None) };
    let (subscription, group) = match ArmId::parse(group) {
        Some(id) => (id.subscription_id().to_owned(), id.group_name().unwrap_or_default().to_owned()),
        None => (subscription.to_owned(), group.to_owned()),
    };
    Ok(Some(ArmId::resource(&subscription, &group, CLUSTER, name)))
}

async fn by_server(
    session: &Session,
    azure: &azure::Read,
    subscription: &str,
    named: Option<&str>,
    context: Option<&str>,
) -> Result<ClusterRef, Failure> {
    let cluster = session.clusters.open(context).await.map_err(|e| Failure::from(&e))?;
    let server = cluster.server_host();
    let all = azure.clusters(&ArmId::subscription(subscription)).await.map_err(|e| Failure::from(&e))?;
    let is = |c: &&azure::Cluster| {
        [&c.fqdn, &c.private_fqdn].into_iter().flatten().any(|h| h.eq_ignore_ascii_case(server))
            && named.is_none_or(|n| n.eq_ignore_ascii_case(c.id.name()))
    };
    match all.iter().find(is) {
        Some(found) => Ok(ClusterRef { id: found.id.clone(), context: cluster.context().to_owned(), principal_id: None }),
        None => Err(Failure::new(
            Exit::Refused,
            format!("the context {} leads to {server}, which is no cluster of subscription {subscription}", cluster.context()),
        )
        .hint("Name the managed cluster with `--cluster NAME -g GROUP` (or its full id), and the context with `--context`.")),
    }
}
