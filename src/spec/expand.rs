//! From a spec, or one command's wish, to the graph of what is wanted. Pure: what earlier commands named comes in as `KnownResources`.
//! This is the only place that makes references between resources.

mod parts;
mod spelling;

use super::{
    known::{ClusterRef, KnownResources},
    model::{Model, Spec},
    reference::{NameOrId, Principal, Scope},
    request::Request,
};
use crate::{
    azure::{
        ArmId, PrincipalKind,
        id::{IDENTITY, VAULT},
    },
    engine::{
        desired::{Condition, Desired, Intent, Node, Requester},
        fault::Fault,
        input::Input,
        key::Key,
        resource::Kind,
    },
    resources::{
        Cloud,
        caller::{self, Caller},
        cluster::{self, Cluster},
        grant::{self, Grant, Purpose},
        group::{self, Group},
        identity::{self, Identity},
        principal::{self, Principal as DirectoryPrincipal},
        role::{self, Role},
        roles,
        secret::{self, Secret},
        values::SecretSource,
        vault::{self, Vault},
        world::ClusterTarget,
    },
};
use spelling::Spelling;

/// What stands around an expansion: flags and environment first, then the spec, then what is remembered.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    pub app: &'a str,
    pub subscription: &'a str,
    /// Name or id; from `-g` or its environment variable.
    pub group: Option<&'a str>,
    /// The spec's, for want of that.
    pub default_group: Option<&'a str>,
    /// The spec's default location.
    pub location: Option<&'a str>,
    /// The cluster that Kubernetes objects go to; None: none could be told.
    pub cluster: Option<&'a ClusterRef>,
    /// Further clusters that scopes and principals name.
    pub other_clusters: &'a [(NameOrId, ClusterRef)],
    pub memory: &'a KnownResources,
}

pub fn spec(spec: &Spec, context: &Context<'_>) -> Result<Desired, Fault> {
    let mut expansion = Expansion {
        context,
        group: context.group.or(context.default_group),
        location: context.location,
        spelling: Spelling::default(),
        removes: false,
        desired: Desired::new(context.app, Requester::Spec),
    };
    for vault in spec.vault.iter().chain(&spec.vaults) {
        expansion.spec_vault(vault)?;
    }
    for workload in &spec.workloads {
        expansion.workload(spec, workload)?;
    }
    Ok(expansion.desired)
}

/// `remove`: the same things, to be taken away; what they refer to is only read.
pub fn request(request: &Request, remove: bool, context: &Context<'_>) -> Result<Desired, Fault> {
    let group = context.group.or(context.default_group);
    let desired = Desired::new(context.app, Requester::Command);
    let mut expansion = Expansion { context, group, location: context.location, spelling: Spelling::default(), removes: remove, desired };
    expansion.request(request)?;
    let mut desired = expansion.desired;
    if remove {
        for node in desired.nodes.values_mut() {
            node.intent = match node.intent {
                Intent::Present if node.when.is_none() || matches!(request, Request::Vault { .. }) => Intent::Absent,
                _ => Intent::Optional,
            };
        }
    }
    Ok(desired)
}

struct Expansion<'a> {
    context: &'a Context<'a>,
    group: Option<&'a str>,
    location: Option<&'a str>,
    spelling: Spelling,
    /// What is expanded is taken away.
    removes: bool,
    desired: Desired,
}

impl<'a> Expansion<'a> {
    fn add<K: Kind<Cloud>>(&mut self, key: &Key, kind: &K, intent: Intent) -> Result<&mut Node, Fault> {
        self.desired.add::<Cloud, K>(key.clone(), kind, intent)
    }

    // ---- names to ids ----

    fn group_id(&self, group: Option<&NameOrId>, of: &str) -> Result<ArmId, Fault> {
        let Some(group) = group.cloned().or_else(|| self.group.map(NameOrId::new)) else {
            return Err(Fault::refused(
                format!("no resource group given for {of}"),
                "Name it with `-g GROUP` (or PODID_RESOURCE_GROUP), or `resourceGroup:` in the spec.",
            ));
        };
        match group {
            NameOrId::Id(id) if id.group_name().is_some() => Ok(ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default())),
            NameOrId::Id(id) => Err(Fault::refused(format!("{id} is not a resource group"), "Name a resource group.")),
            NameOrId::Name(name) => Ok(ArmId::group(self.context.subscription, &name)),
        }
    }

    /// A full id as it is; a name in the group that was named for it, or where an earlier command had it, or in the default group.
    fn arm_id(&self, named: &NameOrId, kind: &str, group: Option<&str>) -> Result<ArmId, Fault> {
        let name = match named {
            NameOrId::Id(id) if id.is_kind(kind) => return Ok(id.clone()),
            NameOrId::Id(id) => return Err(Fault::refused(format!("{id} is not the id of a {kind}"), "Give a name or a full ARM id.")),
            NameOrId::Name(name) => name,
        };
        if group.is_none()
            && self.context.group.is_none()
            && let Some(known) = self.context.memory.id_of(kind, name)?
        {
            return Ok(known);
        }
        let group = self.group_id(group.map(NameOrId::new).as_ref(), name)?;
        Ok(ArmId::resource(group.subscription_id(), group.group_name().unwrap_or_default(), kind, name))
    }

    /// The cluster that Kubernetes objects go to.
    fn cluster_ref(&self) -> Result<&'a ClusterRef, Fault> {
        self.context.cluster.ok_or_else(no_cluster)
    }

    /// The cluster that a scope or a principal names, which may be another one.
    fn named_cluster(&self, named: &NameOrId) -> Result<&'a ClusterRef, Fault> {
        let others = self.context.other_clusters.iter();
        let found = others.filter(|(name, _)| name == named).map(|(_, cluster)| cluster);
        let own = self.context.cluster.filter(|own| named.matches(&NameOrId::Id(own.id.clone())));
        found.chain(own).next().ok_or_else(no_cluster)
    }

    // ---- nodes ----

    /// The key as the graph already has it: a second spelling of a name must not make a second reference.
    fn spelled(&self, key: Key) -> Key {
        self.desired.nodes.get(&key).map_or(key, |node| node.key.clone())
    }

    fn caller(&mut self) -> Result<Grantee, Fault> {
        let key = caller::key();
        self.add(&key, &Caller {}, Intent::Existing)?;
        Ok(Grantee { id: caller::OBJECT_ID.of(&key), kind: caller::PRINCIPAL_KIND.of(&key), key })
    }

    fn location_of(&mut self, id: &ArmId, given: Option<&str>) -> Result<Input<String>, Fault> {
        if let Some(location) = given.or(self.location) {
            return Ok(Input::Known(location.to_ascii_lowercase()));
        }
        let group = self.spelling.of_id(ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default()));
        let key = group::key(&group);
        self.add(&key, &Group { id: group }, Intent::Existing)?;
        Ok(group::LOCATION.of(&key))
    }

    fn new_identity(&mut self, id: ArmId, location: Option<&str>) -> Result<Key, Fault> {
        let id = self.spelling.of_id(id);
        let key = self.spelled(identity::key(id.name()));
        let location = Some(self.location_of(&id, location)?);
        self.add(&key, &Identity { id, location }, Intent::Present)?;
        Ok(key)
    }

    fn known_identity(&mut self, named: &NameOrId, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(named, IDENTITY, group)?;
        let id = self.spelling.of_id(id);
        let key = self.spelled(identity::key(id.name()));
        if !self.desired.nodes.contains_key(&key) {
            self.add(&key, &Identity { id, location: None }, Intent::Existing)?;
        }
        Ok(key)
    }

    fn new_vault(&mut self, id: ArmId, location: Option<&str>, model: Option<Model>) -> Result<Key, Fault> {
        let id = self.spelling.of_id(id);
        let key = self.spelled(vault::key(id.name()));
        let caller = self.caller()?;
        let location = Some(self.location_of(&id, location)?);
        let tenant = Some(caller::TENANT_ID.of(&caller.key));
        self.add(&key, &Vault { id, location, tenant, rbac: model != Some(Model::AccessPolicy) }, Intent::Present)?;
        self.callers_grant(&key)?;
        Ok(key)
    }

    fn known_vault(&mut self, named: &NameOrId, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(named, VAULT, group)?;
        let id = self.spelling.of_id(id);
        let key = self.spelled(vault::key(id.name()));
        if !self.desired.nodes.contains_key(&key) {
            self.add(&key, &Vault { id, location: None, tenant: None, rbac: true }, Intent::Existing)?;
        }
        Ok(key)
    }

    /// podid's own right to a vault that podid makes.
    fn callers_grant(&mut self, vault: &Key) -> Result<Key, Fault> {
        let caller = self.caller()?;
        let key = grant::key(vault.names(), "caller");
        self.add_grant(&key, vault, caller, Purpose::Write, None)?;
        if let Some(node) = self.desired.nodes.get_mut(&key) {
            node.when = Some(Condition { ours: vault.clone(), or: vault::MARKED.0.to_owned() });
            node.follows = Some(vault.clone());
        }
        Ok(key)
    }

    fn add_grant(&mut self, key: &Key, vault: &Key, to: Grantee, purpose: Purpose, permissions: Option<Vec<String>>) -> Result<(), Fault> {
        let grant = Grant {
            vault: vault::ID.of(vault),
            vault_key: vault.clone(),
            model: vault::MODEL.of(vault),
            tenant: vault::TENANT_ID.of(vault),
            principal: to.id,
            principal_kind: to.kind,
            purpose,
            permissions,
        };
        let node = self.add(key, &grant, Intent::Present)?;
        if node.follows.is_none() && to.key.kind() == Identity::KIND {
            node.follows = Some(to.key);
        }
        Ok(())
    }

    fn read_grant(&mut self, vault: &Key, to: Grantee, permissions: Option<Vec<String>>) -> Result<Key, Fault> {
        let name = if to.key.kind() == Identity::KIND { to.key.names().to_owned() } else { to.key.to_string() };
        let key = grant::key(vault.names(), &name);
        if to.key == caller::key() {
            self.add_grant(&key, vault, to, Purpose::Write, permissions)?;
        } else {
            self.add_grant(&key, vault, to, Purpose::Read, permissions)?;
        }
        Ok(key)
    }

    fn add_secret(&mut self, vault: &Key, name: &str, value: Option<SecretSource>) -> Result<Key, Fault> {
        let grant = self.callers_grant(vault)?;
        let key = secret::key(vault.names(), name);
        let secret = Secret {
            uri: vault::URI.of(vault),
            vault_key: vault.clone(),
            name: name.to_owned(),
            value,
            granted: grant::PRINCIPAL.of(&grant),
        };
        self.add(&key, &secret, Intent::Present)?;
        Ok(key)
    }

    fn principal(&mut self, to: &Principal) -> Result<Grantee, Fault> {
        match to {
            Principal::Caller => self.caller(),
            Principal::Identity(named) => {
                let key = self.known_identity(named, None)?;
                Ok(self.grantee(&key))
            }
            Principal::Cluster(named) => {
                let cluster = self.named_cluster(named)?;
                self.clusters_principal(cluster)
            }
            Principal::User(id) => Ok(Grantee::given(PrincipalKind::User, id)),
            Principal::Group(id) => Ok(Grantee::given(PrincipalKind::Group, id)),
            Principal::ServicePrincipal(id) => Ok(Grantee::given(PrincipalKind::ServicePrincipal, id)),
            // what is taken away needs no kind, and the principal may be deleted
            Principal::Object(id) if self.removes => Ok(Grantee::given(PrincipalKind::Unknown, id)),
            Principal::Object(id) => {
                let key = principal::key(id);
                self.add(&key, &DirectoryPrincipal { object_id: id.clone() }, Intent::Existing)?;
                Ok(Grantee { kind: principal::KIND.of(&key), ..Grantee::given(PrincipalKind::Unknown, id) })
            }
        }
    }

    /// An identity of the graph as the one who gets a role or a grant.
    fn grantee(&self, identity: &Key) -> Grantee {
        let kind = Input::Known(PrincipalKind::ServicePrincipal);
        Grantee { id: identity::PRINCIPAL_ID.of(identity), kind, key: identity.clone() }
    }

    fn add_cluster(&mut self, cluster: &ClusterRef) -> Result<Key, Fault> {
        let key = cluster::key(cluster.id.name());
        let kind = Cluster { id: cluster.id.clone(), context: cluster.context.clone(), principal_id: cluster.principal_id.clone() };
        self.add(&key, &kind, Intent::Existing)?;
        Ok(key)
    }

    fn clusters_principal(&mut self, cluster: &ClusterRef) -> Result<Grantee, Fault> {
        let key = self.add_cluster(cluster)?;
        Ok(Grantee { id: cluster::PRINCIPAL_ID.of(&key), kind: Input::Known(PrincipalKind::ServicePrincipal), key })
    }

    /// The cluster that Kubernetes objects go to, as their kinds need it.
    fn target(&mut self) -> Result<ClusterTarget, Fault> {
        let cluster = self.cluster_ref()?;
        self.target_of(cluster)
    }

    fn target_of(&mut self, cluster: &ClusterRef) -> Result<ClusterTarget, Fault> {
        let key = self.add_cluster(cluster)?;
        Ok(ClusterTarget { name: cluster.id.name().to_owned(), context: cluster.context.clone(), hosts: cluster::HOSTS.of(&key) })
    }

    fn in_cluster(&mut self, key: &Key, target: &ClusterTarget) {
        if let Some(node) = self.desired.nodes.get_mut(key) {
            node.cluster = Some(target.name.clone());
        }
    }

    fn add_role(&mut self, role: &str, to: Grantee, at: RoleScope, note: Option<String>) -> Result<Key, Fault> {
        let shown = roles::canonical(role);
        let key = role::key(&shown, &to.key, &at.word);
        let shown = self.spelling.of_role(&shown);
        // MIC has this right once for all that it does in a cluster
        let serves = match at.nodes_of.filter(|_| shown == roles::VIRTUAL_MACHINE_CONTRIBUTOR) {
            Some(cluster) => Some(self.target_of(&cluster)?),
            None => None,
        };
        self.add(
            &key,
            &Role { role: shown, scope: at.id, principal: to.id, principal_kind: to.kind, at: at.key, serves, note },
            Intent::Present,
        )?;
        Ok(key)
    }

    fn scope(&mut self, scope: &Scope) -> Result<RoleScope, Fault> {
        match scope {
            Scope::Vault(named) => {
                let key = self.known_vault(named, None)?;
                Ok(RoleScope { word: key.to_string(), id: vault::ID.of(&key), key: Some(key), nodes_of: None })
            }
            Scope::Identity(named) => {
                let key = self.known_identity(named, None)?;
                Ok(self.identity_scope(&key))
            }
            Scope::ClusterNodes(named) => {
                let cluster = self.named_cluster(named)?;
                self.node_scope(cluster)
            }
            Scope::Subscription => Ok(RoleScope::fixed("subscription", &ArmId::subscription(self.context.subscription))),
            Scope::ResourceGroup(named) => {
                let id = self.group_id(Some(named), named.name())?;
                let id = self.spelling.of_id(id);
                let own = id.subscription_id().eq_ignore_ascii_case(self.context.subscription);
                let word = if own { format!("group/{}", id.name()) } else { id.folded().trim_start_matches('/').to_owned() };
                Ok(RoleScope::fixed(&word, &id))
            }
            Scope::Id(id) => {
                let id = self.spelling.of_id(id.clone());
                let whole = id == ArmId::subscription(self.context.subscription);
                let word = if whole { "subscription".to_owned() } else { id.folded().trim_start_matches('/').to_owned() };
                Ok(RoleScope::fixed(&word, &id))
            }
        }
    }

    fn identity_scope(&self, identity: &Key) -> RoleScope {
        RoleScope { word: identity.to_string(), id: identity::ID.of(identity), key: Some(identity.clone()), nodes_of: None }
    }

    fn node_scope(&mut self, cluster: &ClusterRef) -> Result<RoleScope, Fault> {
        let key = self.add_cluster(cluster)?;
        Ok(RoleScope { word: format!("{key}/nodes"), id: cluster::NODE_GROUP.of(&key), key: Some(key), nodes_of: Some(cluster.clone()) })
    }
}

fn no_cluster() -> Fault {
    Fault::refused("no cluster given", "Name it with `--cluster NAME` (a name or its full id), or `cluster:` in the spec.")
}

/// Who gets a role or a grant, as a part of the graph.
struct Grantee {
    key: Key,
    id: Input<String>,
    kind: Input<PrincipalKind>,
}

impl Grantee {
    fn given(kind: PrincipalKind, object_id: &str) -> Self {
        Self { key: principal::key(object_id), id: Input::Known(object_id.to_owned()), kind: Input::Known(kind) }
    }
}

/// Where a role holds, as a part of the graph.
struct RoleScope {
    /// As a part of a key.
    word: String,
    id: Input<String>,
    /// The resource of the graph at which it holds.
    key: Option<Key>,
    /// The cluster whose nodes lie in it, where that was said.
    nodes_of: Option<ClusterRef>,
}

impl RoleScope {
    fn fixed(word: &str, id: &ArmId) -> Self {
        Self { word: word.to_owned(), id: Input::Known(id.to_string()), key: None, nodes_of: None }
    }
}
