//! Which managed cluster Kubernetes objects go to: flag, spec, what earlier commands named, and last whichever cluster of the
//! subscription has the API server that the kubeconfig leads to. Also the clusters that scopes and principals name.

use super::goal::Goal;
use crate::{
    azure::{self, ArmId, id::CLUSTER},
    exit::Exit,
    failure::Failure,
    session::Session,
    spec::{
        known::{ClusterRef, KnownResources},
        model::{ClusterSpec, Spec},
        reference::{NameOrId, Principal, Scope},
        request::Request,
    },
};

/// The resource group in the place of one, of a cluster that Azure Resource Manager does not know.
const OUTSIDE: &str = "outside-of-azure";

/// The clusters of a run.
pub struct Clusters {
    /// The one that Kubernetes objects go to; None where nothing goes into a cluster.
    pub own: Option<ClusterRef>,
    /// Further ones, by the text that names them.
    pub named: Vec<(NameOrId, ClusterRef)>,
}

/// What a run starts from when it looks for its clusters.
pub struct Known<'a> {
    pub session: &'a Session,
    pub spec: Option<&'a Spec>,
    pub azure: &'a azure::Read,
    pub resources: &'a KnownResources,
    pub subscription: &'a str,
}

impl Clusters {
    /// Asks Azure or the kubeconfig only for clusters that the goal needs.
    pub async fn find(known: &Known<'_>, goal: &Goal) -> Result<Self, Failure> {
        let own = match goal {
            Goal::Request { request: Request::Bind(bind), .. } => Some(known.cluster(bind.cluster.as_ref()).await?),
            Goal::Request { request: Request::Federate(wanted), .. } if wanted.is_of_cluster() => {
                Some(known.cluster(wanted.cluster.as_ref()).await?)
            }
            Goal::Request { request: Request::Mount(mount), .. } => Some(known.cluster(mount.cluster.as_ref()).await?),
            Goal::Request { request: Request::Exception(wanted), .. } => Some(known.cluster(wanted.cluster.as_ref()).await?),
            Goal::Request { request: Request::Component(component), .. } => Some(known.cluster(component.cluster.as_ref()).await?),
            Goal::Request { request: Request::Deploy(deploy), .. } => Some(known.cluster(deploy.needs.cluster.as_ref()).await?),
            Goal::Request { request: Request::Wire(wire), .. } => Some(known.cluster(wire.needs.cluster.as_ref()).await?),
            Goal::Request { request: Request::MountAdd(add), .. } => Some(known.cluster(add.cluster.as_ref()).await?),
            Goal::Request { request: Request::Keep(keep), .. } => Some(known.cluster(keep.cluster.as_ref()).await?),
            Goal::Request { .. } | Goal::Prune { .. } => None,
            _ if known.spec.is_none_or(|spec| !needs_cluster(spec)) => None,
            _ => Some(known.cluster(None).await?),
        };
        let mut named: Vec<(NameOrId, ClusterRef)> = Vec::new();
        for reference in references(goal, known.spec) {
            let is_own = own.as_ref().is_some_and(|own| reference.matches(&NameOrId::Id(own.id.clone())));
            if !is_own && !named.iter().any(|(known, _)| known == reference) {
                named.push((reference.clone(), known.cluster(Some(reference)).await?));
            }
        }
        Ok(Self { own, named })
    }
}

/// Whether something of a spec goes into its cluster, or is the cluster.
fn needs_cluster(spec: &Spec) -> bool {
    let of_cluster = spec.cluster.as_ref().is_some_and(|cluster| !cluster.components.is_empty() || cluster.create.is_some());
    of_cluster || !spec.workloads.is_empty()
}

/// The clusters that scopes and principals name.
fn references<'a>(goal: &'a Goal, spec: Option<&'a Spec>) -> Vec<&'a NameOrId> {
    let of_principal = |to: &'a Principal| if let Principal::Cluster(named) = to { Some(named) } else { None };
    let of_scope = |scope: &'a Scope| if let Scope::ClusterNodes(named) = scope { Some(named) } else { None };
    match goal {
        Goal::Request { request: Request::Role { to, scope, .. }, .. } => of_principal(to).into_iter().chain(of_scope(scope)).collect(),
        Goal::Request { request: Request::Grant { to, .. }, .. } => of_principal(to).into_iter().collect(),
        Goal::Request { .. } | Goal::Prune { .. } | Goal::Status => Vec::new(),
        Goal::Up { .. } | Goal::Plan { .. } | Goal::Down { .. } | Goal::Rebuild { .. } => {
            let roles = spec.into_iter().flat_map(|spec| &spec.workloads).flat_map(|workload| &workload.roles);
            roles.filter_map(|role| of_scope(role.scope.as_ref().ok()?)).collect()
        }
    }
}

impl Known<'_> {
    /// `named`: by a flag, a scope or a principal; None: the one of the spec, or the only one that is known.
    pub(super) async fn cluster(&self, named: Option<&NameOrId>) -> Result<ClusterRef, Failure> {
        let global = &self.session.global;
        let wanted = self.spec.and_then(|spec| spec.cluster.as_ref());
        // of another cluster the spec says nothing
        let spec: Option<&ClusterSpec> = wanted.filter(|s| named.is_none_or(|named| named.matches(&NameOrId::new(&s.name))));
        let context = global.context.as_deref().filter(|_| named.is_none() || spec.is_some() || wanted.is_none());
        let name = spec.map(|s| NameOrId::new(&s.name)).or_else(|| named.cloned());
        if let Some((outside, issuer)) = spec.and_then(|s| Some((s, s.issuer.as_ref()?))) {
            let id = ArmId::resource(self.subscription, OUTSIDE, CLUSTER, &outside.name);
            let context = context.or(outside.context.as_deref()).unwrap_or(&outside.name).to_owned();
            return Ok(ClusterRef { id, context, principal_id: None, issuer: Some(issuer.clone()) });
        }
        let remembered: Vec<ClusterRef> = self
            .resources
            .clusters()
            .into_iter()
            .filter(|c| context.is_none_or(|x| c.context == x))
            .filter(|c| name.as_ref().is_none_or(|name| name.matches(&NameOrId::Id(c.id.clone()))))
            .collect();
        let principal_id = spec.and_then(|s| s.principal_id.clone());
        let context = context.or(spec.and_then(|s| s.context.as_deref()));
        if let Some(name) = &name {
            let default = global.resource_group.as_deref().or(self.spec.and_then(|s| s.resource_group.as_deref()));
            let group = spec.and_then(|s| s.resource_group.as_deref()).or(default);
            if let Some(id) = id_of(name, group, self.subscription)? {
                let context = context.map_or_else(|| context_of(self.session, &remembered, &id), str::to_owned);
                return Ok(ClusterRef { id, context, principal_id, issuer: None });
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
        match name {
            Some(name) => self.by_name(name.name(), context).await,
            None => self.by_server(context).await,
        }
    }

    /// The only cluster of that name in the subscription.
    async fn by_name(&self, name: &str, context: Option<&str>) -> Result<ClusterRef, Failure> {
        let all = self.azure.clusters(&ArmId::subscription(self.subscription)).await.map_err(|e| Failure::from(&e))?;
        let called: Vec<&azure::Cluster> = all.iter().filter(|c| c.id.name().eq_ignore_ascii_case(name)).collect();
        match called.as_slice() {
            [one] => {
                let context = match context {
                    Some(context) => context.to_owned(),
                    None => self.context_to(one).await,
                };
                Ok(ClusterRef { id: one.id.clone(), context, principal_id: None, issuer: None })
            }
            [] => Err(Failure::new(Exit::Refused, format!("subscription {} has no cluster {name}", self.subscription))
                .hint("List the clusters: `az aks list -o table`. For a cluster in another subscription, give its full id.")),
            several => {
                let groups: Vec<&str> = several.iter().filter_map(|c| c.id.group_name()).collect();
                Err(Failure::new(Exit::Refused, format!("more than one cluster is called {name}: in the groups {}", groups.join(", ")))
                    .hint("Name its group with `-g GROUP`, or give its full id."))
            }
        }
    }

    /// The context that leads to a cluster's API server, the current one first; for want of one, the context of its name.
    async fn context_to(&self, cluster: &azure::Cluster) -> String {
        let leads = |server: &str| [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten().any(|h| h.eq_ignore_ascii_case(server));
        if let Ok(current) = self.session.clusters.open(None).await
            && leads(current.server_host())
        {
            return current.context().to_owned();
        }
        let contexts = self.session.clusters.contexts().unwrap_or_default();
        let found = contexts.into_iter().find(|(_, server)| leads(server)).map(|(context, _)| context);
        found.unwrap_or_else(|| context_of(self.session, &[], &cluster.id))
    }

    async fn by_server(&self, context: Option<&str>) -> Result<ClusterRef, Failure> {
        let cluster = self.session.clusters.open(context).await.map_err(|e| Failure::from(&e))?;
        let server = cluster.server_host();
        let all = self.azure.clusters(&ArmId::subscription(self.subscription)).await.map_err(|e| Failure::from(&e))?;
        let is = |c: &&azure::Cluster| [&c.fqdn, &c.private_fqdn].into_iter().flatten().any(|h| h.eq_ignore_ascii_case(server));
        match all.iter().find(is) {
            Some(found) => Ok(ClusterRef { id: found.id.clone(), context: cluster.context().to_owned(), principal_id: None, issuer: None }),
            None => Err(Failure::new(
                Exit::Refused,
                format!(
                    "the context {} leads to {server}, which is not a cluster of subscription {}",
                    cluster.context(),
                    self.subscription
                ),
            )
            .hint("Name the managed cluster with `--cluster NAME -g GROUP` (or its full id), and the context with `--context`.")),
        }
    }
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

/// None: nobody said in which group it lies.
fn id_of(named: &NameOrId, group: Option<&str>, subscription: &str) -> Result<Option<ArmId>, Failure> {
    let name = match named {
        NameOrId::Id(id) if id.is_kind(CLUSTER) => return Ok(Some(id.clone())),
        NameOrId::Id(id) => return Err(Failure::new(Exit::Usage, format!("{id} is not the id of a managed cluster"))),
        NameOrId::Name(name) => name,
    };
    let Some(group) = group else { return Ok(None) };
    let (subscription, group) = match NameOrId::new(group) {
        NameOrId::Id(id) => (id.subscription_id().to_owned(), id.group_name().unwrap_or_default().to_owned()),
        NameOrId::Name(group) => (subscription.to_owned(), group),
    };
    Ok(Some(ArmId::resource(&subscription, &group, CLUSTER, name)))
}
