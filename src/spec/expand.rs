//! From a spec, or one command's wish, to the graph of what is wanted. Pure: what earlier commands named comes in as `KnownResources`.
//! This is the only place that makes references between resources.

mod parts;
mod spelling;

use super::{
    known::{ClusterRef, KnownResources},
    model::{Model, Spec},
    request::Request,
};
use crate::{
    azure::{
        ArmId, PrincipalKind,
        id::{IDENTITY, VAULT},
    },
    engine::{
        desired::{By, Desired, Intent, Node, When},
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
        role::{self, Role},
        roles,
        secret::{self, Secret},
        values,
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
    pub memory: &'a KnownResources,
}

pub fn spec(spec: &Spec, context: &Context<'_>) -> Result<Desired, Fault> {
    let mut expansion = Expansion {
        context,
        group: context.group.or(context.default_group),
        location: context.location,
        spelling: Spelling::default(),
        desired: Desired::new(context.app, By::Spec),
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
    let desired = Desired::new(context.app, By::Command);
    let mut expansion = Expansion { context, group, location: context.location, spelling: Spelling::default(), desired };
    expansion.request(request, remove)?;
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
    desired: Desired,
}

/// Who gets a role or a grant.
struct Principal {
    key: Key,
    id: Input<String>,
    kind: Input<PrincipalKind>,
}

impl<'a> Expansion<'a> {
    fn add<K: Kind<Cloud>>(&mut self, key: &Key, kind: &K, intent: Intent) -> Result<&mut Node, Fault> {
        self.desired.add::<Cloud, K>(key.clone(), kind, intent)
    }

    // ---- names to ids ----

    fn group_id(&self, group: Option<&str>, of: &str) -> Result<ArmId, Fault> {
        let Some(group) = group.or(self.group) else {
            return Err(Fault::refused(
                format!("which resource group {of} target in is not known"),
                "Name it with `-g GROUP` (or PODID_RESOURCE_GROUP), or `resourceGroup:` in the spec.",
            ));
        };
        match ArmId::parse(group) {
            Some(id) if id.group_name().is_some() => Ok(ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default())),
            Some(id) => Err(Fault::refused(format!("{id} is no resource group"), "Name a resource group.")),
            None => Ok(ArmId::group(self.context.subscription, group)),
        }
    }

    /// A full id as it is; a name in the group that was named for it, or where an earlier command had it, or in the default group.
    fn arm_id(&self, name: &str, kind: &str, group: Option<&str>) -> Result<ArmId, Fault> {
        if name.starts_with('/') {
            return match ArmId::parse(name) {
                Some(id) if id.is_kind(kind) => Ok(id),
                _ => Err(Fault::refused(format!("{name:?} is not the id of a {kind}"), "Give a name or a full ARM id.")),
            };
        }
        if group.is_none()
            && self.context.group.is_none()
            && let Some(known) = self.context.memory.id_of(kind, name)?
        {
            return Ok(known);
        }
        let group = self.group_id(group, name)?;
        Ok(ArmId::resource(group.subscription_id(), group.group_name().unwrap_or_default(), kind, name))
    }

    fn cluster_ref(&self) -> Result<&'a ClusterRef, Fault> {
        self.context.cluster.ok_or_else(|| {
            Fault::refused(
                "which cluster is meant is not known",
                "Name it with `--cluster NAME` (a name or its full id), or `cluster:` in the spec.",
            )
        })
    }

    // ---- nodes ----

    /// The key as the graph already has it: a second spelling of a name must not make a second reference.
    fn spelled(&self, key: Key) -> Key {
        self.desired.nodes.get(&key).map_or(key, |node| node.key.clone())
    }

    fn caller(&mut self) -> Result<Principal, Fault> {
        let key = caller::key();
        self.add(&key, &Caller {}, Intent::Existing)?;
        Ok(Principal { id: caller::OBJECT_ID.of(&key), kind: caller::PRINCIPAL_KIND.of(&key), key })
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

    fn known_identity(&mut self, name: &str, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(name.strip_prefix("identity/").unwrap_or(name), IDENTITY, group)?;
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

    fn known_vault(&mut self, name: &str, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(name.strip_prefix("vault/").unwrap_or(name), VAULT, group)?;
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
            node.when = Some(When { ours: vault.clone(), or: vault::MARKED.0.to_owned() });
            node.follows = Some(vault.clone());
        }
        Ok(key)
    }

    fn add_grant(
        &mut self,
        key: &Key,
        vault: &Key,
        to: Principal,
        purpose: Purpose,
        permissions: Option<Vec<String>>,
    ) -> Result<(), Fault> {
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

    fn read_grant(&mut self, vault: &Key, to: Principal, permissions: Option<Vec<String>>) -> Result<Key, Fault> {
        let name = if to.key.kind() == Identity::KIND { to.key.names().to_owned() } else { to.key.to_string() };
        let key = grant::key(vault.names(), &name);
        if to.key == caller::key() {
            self.add_grant(&key, vault, to, Purpose::Write, permissions)?;
        } else {
            self.add_grant(&key, vault, to, Purpose::Read, permissions)?;
        }
        Ok(key)
    }

    fn add_secret(&mut self, vault: &Key, name: &str, value: Option<values::From>) -> Result<Key, Fault> {
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

    /// `identity/NAME`, a name or id of an identity, `caller`, `cluster/NAME`, `user/GUID`, `group/GUID`, or the object id of a service principal.
    fn principal(&mut self, to: &str) -> Result<Principal, Fault> {
        let given = |kind: PrincipalKind, id: &str| Principal {
            key: Key::of("principal", [id]),
            id: Input::Known(id.to_ascii_lowercase()),
            kind: Input::Known(kind),
        };
        if to == "caller" {
            return self.caller();
        }
        if role::is_guid(to) {
            return Ok(given(PrincipalKind::ServicePrincipal, to));
        }
        for (prefix, kind) in [("user/", PrincipalKind::User), ("group/", PrincipalKind::Group)] {
            if let Some(id) = to.strip_prefix(prefix) {
                if !role::is_guid(id) {
                    return Err(Fault::refused(format!("{to:?} names no object id"), format!("Write `{prefix}OBJECT-ID`.")));
                }
                return Ok(given(kind, id));
            }
        }
        if to.starts_with("cluster/") {
            return self.clusters_principal();
        }
        let key = self.known_identity(to, None)?;
        Ok(Principal { id: identity::PRINCIPAL_ID.of(&key), kind: Input::Known(PrincipalKind::ServicePrincipal), key })
    }

    fn add_cluster(&mut self) -> Result<Key, Fault> {
        let cluster = self.cluster_ref()?;
        let key = cluster::key(cluster.id.name());
        let kind = Cluster { id: cluster.id.clone(), context: cluster.context.clone(), principal_id: cluster.principal_id.clone() };
        self.add(&key, &kind, Intent::Existing)?;
        Ok(key)
    }

    fn clusters_principal(&mut self) -> Result<Principal, Fault> {
        let key = self.add_cluster()?;
        Ok(Principal { id: cluster::PRINCIPAL_ID.of(&key), kind: Input::Known(PrincipalKind::ServicePrincipal), key })
    }

    fn target(&mut self) -> Result<ClusterTarget, Fault> {
        let cluster = self.cluster_ref()?;
        let key = self.add_cluster()?;
        Ok(ClusterTarget { name: cluster.id.name().to_owned(), context: cluster.context.clone(), hosts: cluster::HOSTS.of(&key) })
    }

    fn in_cluster(&mut self, key: &Key, target: &ClusterTarget) {
        if let Some(node) = self.desired.nodes.get_mut(key) {
            node.cluster = Some(target.name.clone());
        }
    }

    fn add_role(&mut self, role: &str, to: Principal, scope: Scope, note: Option<String>) -> Result<Key, Fault> {
        let shown = roles::canonical(role);
        let key = role::key(&shown, &to.key, &scope.word);
        let shown = self.spelling.of_role(&shown);
        let at = scope.key;
        // MIC has this right once for all that it does in a cluster
        let nodes = shown == roles::VIRTUAL_MACHINE_CONTRIBUTOR && at.as_ref().is_some_and(|k| k.kind() == "cluster");
        let serves = if nodes { Some(self.target()?) } else { None };
        self.add(
            &key,
            &Role { role: shown, scope: scope.id, principal: to.id, principal_kind: to.kind, at, serves, note },
            Intent::Present,
        )?;
        Ok(key)
    }

    fn scope(&mut self, text: &str) -> Result<Scope, Fault> {
        let id = ArmId::parse(text).map(|id| self.spelling.of_id(id));
        if let Some(name) = text.strip_prefix("vault/").or(id.as_ref().filter(|i| i.is_kind(VAULT)).map(|_| text)) {
            let key = self.known_vault(name, None)?;
            return Ok(Scope { word: key.to_string(), id: vault::ID.of(&key), key: Some(key) });
        }
        if let Some(name) = text.strip_prefix("identity/").or(id.as_ref().filter(|i| i.is_kind(IDENTITY)).map(|_| text)) {
            let key = self.known_identity(name, None)?;
            return Ok(Scope { word: key.to_string(), id: identity::ID.of(&key), key: Some(key) });
        }
        let whole = ArmId::subscription(self.context.subscription);
        if text == "subscription" || id.as_ref() == Some(&whole) {
            return Ok(Scope { word: "subscription".to_owned(), id: Input::Known(whole.to_string()), key: None });
        }
        if let Some(group) =
            id.as_ref().filter(|i| i.kind().is_none() && i.subscription_id().eq_ignore_ascii_case(self.context.subscription))
        {
            return Ok(Scope { word: format!("group/{}", group.name()), id: Input::Known(group.to_string()), key: None });
        }
        if let Some(id) = id {
            return Ok(Scope { word: id.folded().trim_start_matches('/').to_owned(), id: Input::Known(id.to_string()), key: None });
        }
        if let Some(name) = text.strip_prefix("group/") {
            let id = self.group_id(Some(name), name)?;
            let id = self.spelling.of_id(id);
            return Ok(Scope { word: format!("group/{}", id.name()), id: Input::Known(id.to_string()), key: None });
        }
        if text.strip_prefix("cluster/").is_some_and(|t| t.ends_with("/nodes")) {
            return self.node_scope();
        }
        Err(Fault::refused(
            format!("{text:?} is no scope"),
            "A scope is `vault/NAME`, `identity/NAME`, `group/NAME`, `subscription`, `cluster/NAME/nodes`, or an ARM id.",
        ))
    }

    fn node_scope(&mut self) -> Result<Scope, Fault> {
        let key = self.add_cluster()?;
        Ok(Scope { word: format!("{key}/nodes"), id: cluster::NODE_GROUP.of(&key), key: Some(key) })
    }
}

/// Where a role holds.
struct Scope {
    /// As a part of a key.
    word: String,
    id: Input<String>,
    key: Option<Key>,
}
