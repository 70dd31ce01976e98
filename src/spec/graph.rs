//! The graph of wanted resources while it is built: adds nodes and the references between them, and finds what a name refers to. Pure.
//! It lies below `expand` (what a spec or a command asks for), `modes` and `deliveries`, which all build with it.

mod control_plane;
pub mod federation;
pub mod grantee;
mod principals;
mod spelling;
mod storage;

use super::{
    known::{ClusterRef, KnownResources},
    reference::NameOrId,
    request::Bind,
    vault_model::Model,
};
use crate::{
    azure::{
        ArmId, ObjectKind,
        id::{IDENTITY, VAULT},
    },
    chain::facts::Bound,
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
        component,
        grant::{self, Grant, Purpose},
        group::{self, Group},
        identity::{self, Identity},
        installation::Installation,
        namespace::{self, Namespace},
        secret::{self, Secret},
        values::SecretSource,
        vault::{self, Vault, VaultOptions},
        world::{ANY_HOST, ClusterTarget},
    },
};
use grantee::Grantee;
use spelling::Spelling;

/// The defaults of an expansion: flags and environment first, then the spec, then what the state remembers.
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
    /// Pods that are bound beside those in the state.
    pub bound: &'a [Bound],
    /// The mode of each workload of the spec, with its namespace.
    pub modes: &'a [(&'a str, Option<&'a str>)],
}

pub struct Graph<'a> {
    pub context: &'a Context<'a>,
    group: Option<&'a str>,
    location: Option<&'a str>,
    spelling: Spelling,
    /// What is added is to be removed.
    pub(super) removes: bool,
    /// The components after which Kubernetes objects come.
    components: Vec<Key>,
    pub desired: Desired,
}

impl<'a> Graph<'a> {
    pub fn new(context: &'a Context<'a>, by: Requester, removes: bool) -> Self {
        Self {
            context,
            group: context.group.or(context.default_group),
            location: context.location,
            spelling: Spelling::default(),
            removes,
            components: Vec::new(),
            desired: Desired::new(context.app, by),
        }
    }

    /// Whether what is added is to be removed.
    pub fn removes(&self) -> bool {
        self.removes
    }

    pub fn add<K: Kind<Cloud>>(&mut self, key: &Key, kind: &K, intent: Intent) -> Result<&mut Node, Fault> {
        self.desired.add::<Cloud, K>(key.clone(), kind, intent)
    }

    /// From now on, Kubernetes objects come after these components of the cluster, where the graph or the state has them.
    pub fn comes_after(&mut self, components: &[&str]) -> Result<(), Fault> {
        let cluster = self.cluster_ref()?.id.name();
        let keys = components.iter().map(|name| component::key(cluster, name));
        let known = |key: &Key| self.desired.nodes.contains_key(key) || self.context.memory.knows(key);
        self.components = keys.filter(known).collect();
        Ok(())
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
    pub fn arm_id(&self, named: &NameOrId, kind: &str, group: Option<&str>) -> Result<ArmId, Fault> {
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
    pub fn cluster_ref(&self) -> Result<&'a ClusterRef, Fault> {
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
    pub fn spelled(&self, key: Key) -> Key {
        self.desired.nodes.get(&key).map_or(key, |node| node.key.clone())
    }

    fn caller(&mut self) -> Result<Grantee, Fault> {
        let key = caller::key();
        self.add(&key, &Caller {}, Intent::Existing)?;
        Ok(Grantee { id: caller::OBJECT_ID.of(&key), kind: caller::PRINCIPAL_KIND.of(&key), key })
    }

    /// The tenant that podid is logged in to.
    pub fn tenant(&mut self) -> Result<Input<String>, Fault> {
        Ok(caller::TENANT_ID.of(&self.caller()?.key))
    }

    pub fn location_of(&mut self, id: &ArmId, given: Option<&str>) -> Result<Input<String>, Fault> {
        if let Some(location) = given.or(self.location) {
            return Ok(Input::Known(location.to_ascii_lowercase()));
        }
        let group = self.spelling.of_id(ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default()));
        let key = self.spelled(group::key(&group));
        if self.created::<Group>(&key).is_none_or(|created| created.id != group) {
            self.add(&key, &Group { id: group, location: None }, Intent::Existing)?;
        }
        Ok(group::LOCATION.of(&key))
    }

    pub fn new_identity(&mut self, id: ArmId, location: Option<&str>) -> Result<Key, Fault> {
        let id = self.spelling.of_id(id);
        let key = self.spelled(identity::key(id.name()));
        let location = Some(self.location_of(&id, location)?);
        self.add(&key, &Identity { id, location }, Intent::Present)?;
        Ok(key)
    }

    pub fn known_identity(&mut self, named: &NameOrId, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(named, IDENTITY, group)?;
        let id = self.spelling.of_id(id);
        let key = self.spelled(identity::key(id.name()));
        if !self.desired.nodes.contains_key(&key) {
            self.add(&key, &Identity { id, location: None }, Intent::Existing)?;
        }
        Ok(key)
    }

    /// The identity that a binding names, or the only one that spec and state know.
    pub fn bound_identity(&mut self, bind: &Bind) -> Result<Key, Fault> {
        self.identity_or_only(bind.identity.as_ref(), bind.group.as_deref())
    }

    pub fn identity_or_only(&mut self, named: Option<&NameOrId>, group: Option<&str>) -> Result<Key, Fault> {
        match named {
            Some(named) => self.known_identity(named, group),
            None => {
                let known = self.context.memory.only_identity()?;
                self.known_identity(&NameOrId::Id(known), None)
            }
        }
    }

    pub fn new_vault(&mut self, id: ArmId, location: Option<&str>, model: Option<Model>, options: VaultOptions) -> Result<Key, Fault> {
        let id = self.spelling.of_id(id);
        let key = self.spelled(vault::key(id.name()));
        let tenant = Some(self.tenant()?);
        let location = Some(self.location_of(&id, location)?);
        let rbac = model != Some(Model::AccessPolicy);
        let model_is_given = model.is_some();
        self.add(&key, &Vault { id, location, tenant, rbac, model_is_given, options }, Intent::Present)?;
        self.callers_grant(&key)?;
        Ok(key)
    }

    pub fn known_vault(&mut self, named: &NameOrId, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(named, VAULT, group)?;
        let id = self.spelling.of_id(id);
        let key = self.spelled(vault::key(id.name()));
        if !self.desired.nodes.contains_key(&key) {
            let options = VaultOptions::default();
            self.add(&key, &Vault { id, location: None, tenant: None, rbac: true, model_is_given: false, options }, Intent::Existing)?;
        }
        Ok(key)
    }

    /// podid's own right to a vault that podid makes.
    fn callers_grant(&mut self, vault: &Key) -> Result<Key, Fault> {
        let caller = self.caller()?;
        let key = grant::key(vault.names(), "caller", ObjectKind::Secret);
        self.add_grant(&key, vault, caller, Purpose::Write, (ObjectKind::Secret, None))?;
        if let Some(node) = self.desired.nodes.get_mut(&key) {
            node.when = Some(Condition { ours: vault.clone(), or: Some(vault::MARKED.0.to_owned()) });
            node.follows = Some(vault.clone());
        }
        Ok(key)
    }

    fn add_grant(
        &mut self,
        key: &Key,
        vault: &Key,
        to: Grantee,
        purpose: Purpose,
        (objects, permissions): (ObjectKind, Option<Vec<String>>),
    ) -> Result<(), Fault> {
        let grant = Grant {
            vault: vault::ID.of(vault),
            vault_key: vault.clone(),
            model: vault::MODEL.of(vault),
            tenant: vault::TENANT_ID.of(vault),
            principal: to.id,
            principal_kind: to.kind,
            purpose,
            objects,
            permissions,
        };
        let node = self.add(key, &grant, Intent::Present)?;
        if node.follows.is_none() && to.key.kind() == Identity::KIND {
            node.follows = Some(to.key);
        }
        Ok(())
    }

    pub fn read_grant(&mut self, vault: &Key, to: Grantee, objects: ObjectKind, permissions: Option<Vec<String>>) -> Result<Key, Fault> {
        let name = if to.key.kind() == Identity::KIND { to.key.names().to_owned() } else { to.key.to_string() };
        let key = grant::key(vault.names(), &name, objects);
        // podid itself writes secrets, and nothing else
        let purpose = if to.key == caller::key() && objects.is_secret() { Purpose::Write } else { Purpose::Read };
        self.add_grant(&key, vault, to, purpose, (objects, permissions))?;
        Ok(key)
    }

    pub fn add_secret(&mut self, vault: &Key, name: &str, value: Option<SecretSource>, replaces: Option<String>) -> Result<Key, Fault> {
        let grant = self.callers_grant(vault)?;
        let key = secret::key(vault.names(), name);
        let secret = Secret {
            uri: vault::URI.of(vault),
            vault_key: vault.clone(),
            name: name.to_owned(),
            value,
            replaces,
            granted: grant::PRINCIPAL.of(&grant),
        };
        self.add(&key, &secret, Intent::Present)?;
        Ok(key)
    }

    /// The node of the cluster that Kubernetes objects go to.
    pub fn cluster_key(&mut self) -> Result<Key, Fault> {
        let cluster = self.cluster_ref()?;
        self.add_cluster(cluster)
    }

    /// What this graph creates under a key.
    pub fn created<K: Kind<Cloud>>(&self, key: &Key) -> Option<K> {
        let node = self.desired.nodes.get(key).filter(|node| node.intent == Intent::Present && node.kind == K::KIND)?;
        K::deserialize(&*node.spec).ok()
    }

    pub fn add_cluster(&mut self, cluster: &ClusterRef) -> Result<Key, Fault> {
        if cluster.issuer.is_some() {
            let name = cluster.id.name();
            return Err(Fault::refused(
                format!(
                    "the cluster {name} has an `issuer` in the spec, so it is not one of AKS, and this needs its managed cluster in Azure"
                ),
                "Use `mode: workload-identity`, and components with `via: helm`; or remove `issuer`, which AKS itself publishes.",
            ));
        }
        let key = self.spelled(cluster::key(cluster.id.name()));
        if self.created::<Cluster>(&key).is_none_or(|created| created.id != cluster.id) {
            let (id, context, principal_id) = (cluster.id.clone(), cluster.context.clone(), cluster.principal_id.clone());
            self.add(&key, &Cluster { id, context, principal_id, create: None }, Intent::Existing)?;
        }
        Ok(key)
    }

    /// The cluster that Kubernetes objects go to, as their kinds need it.
    pub fn target(&mut self) -> Result<ClusterTarget, Fault> {
        let cluster = self.cluster_ref()?;
        self.target_of(cluster)
    }

    fn target_of(&mut self, cluster: &ClusterRef) -> Result<ClusterTarget, Fault> {
        let (name, context) = (cluster.id.name().to_owned(), cluster.context.clone());
        if cluster.issuer.is_some() {
            return Ok(ClusterTarget { name, context, hosts: Input::Known(vec![ANY_HOST.to_owned()]) });
        }
        let key = self.add_cluster(cluster)?;
        Ok(ClusterTarget { name, context, hosts: cluster::HOSTS.of(&key) })
    }

    /// Adds a Kubernetes object, and notes in which cluster it lies.
    pub fn add_in_cluster<K: Kind<Cloud>>(&mut self, key: &Key, kind: &K, intent: Intent, target: &ClusterTarget) -> Result<(), Fault> {
        let needs = if NEEDS_NO_COMPONENT.contains(&K::KIND) { Vec::new() } else { self.components.clone() };
        self.desired.add_after::<Cloud, K>(key.clone(), kind, intent, &needs)?.cluster = Some(target.name.clone());
        Ok(())
    }

    /// The namespace of other objects: made by who binds an identity there, used by all others.
    pub fn namespace(&mut self, target: &ClusterTarget, name: &str, intent: Intent) -> Result<Key, Fault> {
        let key = namespace::key(&target.name, name);
        let makes_cluster = self.desired.nodes.get(&cluster::key(&target.name)).is_some_and(|cluster| cluster.intent == Intent::Present);
        // it comes with the cluster
        let intent = if makes_cluster && namespace::is_in_every_cluster(name) { Intent::Optional } else { intent };
        if intent == Intent::Present || !self.desired.nodes.contains_key(&key) {
            self.add_in_cluster(&key, &Namespace { target: target.clone(), name: name.to_owned() }, intent, target)?;
        }
        Ok(key)
    }

    /// The full id of an identity or a vault of this graph.
    pub fn id_of(&self, key: &Key) -> Result<ArmId, Fault> {
        let id = self.desired.nodes.get(key).and_then(|n| n.spec.get("id")).and_then(|v| v.as_str()).and_then(ArmId::parse);
        id.ok_or_else(|| Fault::Bug(format!("{key} has no id")))
    }
}

/// Kinds of Kubernetes objects that do not come after the components that an identity mode or a delivery needs.
const NEEDS_NO_COMPONENT: [&str; 3] = [Namespace::KIND, Installation::KIND, component::Component::KIND];

fn no_cluster() -> Fault {
    Fault::refused("no cluster given", "Name it with `--cluster NAME` (a name or its full id), or `cluster:` in the spec.")
}
