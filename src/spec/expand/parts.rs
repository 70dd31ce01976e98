//! What belongs together: a binding with its roles, a mount, a spec's vaults and workloads, one command's wish.

use super::{Expansion, Grantee, RoleScope, spelling};
use crate::{
    azure::{
        ArmId,
        id::{IDENTITY, VAULT},
    },
    engine::{desired::Intent, fault::Fault, input::DependsOn, key::Key, resource::Kind},
    resources::{
        azure_identity::{self, AzureIdentity},
        azure_identity_binding::{self, AzureIdentityBinding},
        identity,
        identity::Identity,
        namespace::{self, Namespace},
        roles,
        secret_provider_class::{self, Object, SecretProviderClass, Synced},
        vault,
    },
    spec::{
        model::{self, Spec, Workload},
        names::object_name,
        reference::{NameOrId, Scope},
        request::{Bind, Mount, Mounted, OperatorScope, Request, Sync},
    },
};

impl Expansion<'_> {
    /// Namespace, AzureIdentity, AzureIdentityBinding, and the two roles that MIC needs (role-assignment page of aad-pod-identity).
    pub(super) fn bind(&mut self, bind: &Bind) -> Result<(), Fault> {
        let identity = match &bind.identity {
            Some(name) => self.known_identity(name, bind.group.as_deref())?,
            None => {
                let known = self.context.memory.only_identity()?;
                self.known_identity(&NameOrId::Id(known), None)?
            }
        };
        let target = self.target()?;
        let cluster = self.cluster_ref()?;
        let principal = self.clusters_principal(cluster)?;
        let operator = match bind.operator_scope {
            OperatorScope::Identity => self.identity_scope(&identity),
            OperatorScope::ResourceGroup => {
                let id = self.identity_id(&identity)?;
                let group = ArmId::group(id.subscription_id(), id.group_name().unwrap_or_default());
                self.scope(&Scope::ResourceGroup(NameOrId::Id(group)))?
            }
            OperatorScope::Subscription => self.scope(&Scope::Subscription)?,
        };
        let wide = (bind.operator_scope != OperatorScope::Identity)
            .then(|| "warning: wider than needed; with it the cluster may hand out every identity in that scope".to_owned());
        let operates = self.add_role(roles::MANAGED_IDENTITY_OPERATOR, principal, operator, wide)?;
        let (principal, nodes) = (self.clusters_principal(cluster)?, self.node_scope(cluster)?);
        let contributes = self.add_role(roles::VIRTUAL_MACHINE_CONTRIBUTOR, principal, nodes, None)?;

        let namespace = namespace::key(&target.name, &bind.namespace);
        self.add(&namespace, &Namespace { target: target.clone(), name: bind.namespace.clone() }, Intent::Present)?;
        let name = bind.name.clone().unwrap_or_else(|| object_name(identity.names()));
        let azure_identity = azure_identity::key(&target.name, &bind.namespace, &name);
        let kind = AzureIdentity {
            target: target.clone(),
            namespace: bind.namespace.clone(),
            name: name.clone(),
            resource_id: identity::ID.of(&identity),
            client_id: identity::CLIENT_ID.of(&identity),
            within: DependsOn::of(&namespace),
        };
        self.add(&azure_identity, &kind, Intent::Present)?;
        let binding_name = bind.binding.clone().unwrap_or_else(|| format!("{name}-binding"));
        let binding = azure_identity_binding::key(&target.name, &bind.namespace, &binding_name);
        let kind = AzureIdentityBinding {
            target: target.clone(),
            namespace: bind.namespace.clone(),
            name: binding_name,
            selector: bind.selector.clone().unwrap_or_else(|| name.clone()),
            azure_identity: name,
            within: DependsOn::of(&namespace),
            identity: DependsOn::of(&azure_identity),
            roles: vec![DependsOn::of(&operates), DependsOn::of(&contributes)],
        };
        self.add(&binding, &kind, Intent::Present)?;
        for key in [&namespace, &azure_identity, &binding] {
            self.in_cluster(key, &target);
        }
        Ok(())
    }

    pub(super) fn identity_id(&self, key: &Key) -> Result<ArmId, Fault> {
        let id = self.desired.nodes.get(key).and_then(|n| n.spec.get("id")).and_then(|v| v.as_str()).and_then(ArmId::parse);
        id.ok_or_else(|| Fault::Bug(format!("{key} has no id")))
    }

    pub(super) fn mount(
        &mut self,
        namespace: &str,
        name: &str,
        vault: &Key,
        objects: Vec<Object>,
        synced: Vec<Synced>,
        selector: Option<String>,
    ) -> Result<(), Fault> {
        let target = self.target()?;
        let within = namespace::key(&target.name, namespace);
        if !self.desired.nodes.contains_key(&within) {
            self.add(&within, &Namespace { target: target.clone(), name: namespace.to_owned() }, Intent::Existing)?;
            self.in_cluster(&within, &target);
        }
        let key = secret_provider_class::key(&target.name, namespace, name);
        let recorded = self.context.memory.recorded::<SecretProviderClass>(&key);
        let (objects, synced) = spelling::of_objects(recorded.as_ref(), objects, synced);
        let kind = SecretProviderClass {
            target: target.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            vault_name: spelling::of_vault(recorded.as_ref(), vault.names()),
            tenant: vault::TENANT_ID.of(vault),
            objects,
            synced,
            selector,
            within: DependsOn::of(&within),
        };
        self.add(&key, &kind, Intent::Present)?;
        self.in_cluster(&key, &target);
        Ok(())
    }

    // ---- a spec's parts ----

    pub(super) fn spec_vault(&mut self, vault: &model::VaultSpec) -> Result<(), Fault> {
        let id = self.arm_id(&NameOrId::new(&vault.name), VAULT, vault.resource_group.as_deref())?;
        let key = self.new_vault(id, vault.location.as_deref(), vault.model)?;
        for secret in &vault.secrets {
            self.add_secret(&key, &secret.name, Some(secret.value.source()))?;
        }
        Ok(())
    }

    pub(super) fn workload(&mut self, spec: &Spec, workload: &Workload) -> Result<(), Fault> {
        let wanted = &workload.identity;
        let id = self.arm_id(&NameOrId::new(&wanted.name), IDENTITY, wanted.resource_group.as_deref())?;
        let identity = self.new_identity(id, wanted.location.as_deref())?;
        for extra in &workload.roles {
            let scope = extra.scope.as_ref().map_err(|rule| Fault::refused(rule.clone(), "Correct the role's `scope` in the spec."))?;
            let (to, scope) = (self.grantee(&identity), self.scope(scope)?);
            self.extra_role(&extra.role, to, scope)?;
        }
        let name = workload.names.azure_identity.clone();
        let selector = workload.selector.clone().or_else(|| name.clone()).unwrap_or_else(|| object_name(identity.names()));
        self.bind(&Bind {
            namespace: workload.namespace.clone(),
            identity: Some(NameOrId::new(identity.names())),
            group: None,
            name,
            binding: workload.names.azure_identity_binding.clone(),
            selector: Some(selector.clone()),
            cluster: None,
            operator_scope: operator_scope(workload.operator_scope.as_deref())?,
        })?;
        let default = spec.vault.iter().chain(&spec.vaults).next().map(|v| last(&v.name).to_owned());
        let mut vaults: Vec<String> = Vec::new();
        for used in &workload.secrets {
            let vault = used.vault.as_deref().map(|v| last(v).to_owned()).or_else(|| default.clone());
            let vault = vault.ok_or_else(|| {
                Fault::refused(
                    format!("workload {} reads {}, but the spec has no vault", workload.name, used.name),
                    "Add `vault:` to the spec.",
                )
            })?;
            if !vaults.iter().any(|known| known.eq_ignore_ascii_case(&vault)) {
                vaults.push(vault);
            }
        }
        for (at, name) in vaults.iter().enumerate() {
            let vault = self.spelled(vault::key(name));
            let to = self.grantee(&identity);
            self.read_grant(&vault, to, None)?;
            let reads =
                |used: &&model::Use| used.vault.as_deref().map(last).or(default.as_deref()).is_some_and(|v| v.eq_ignore_ascii_case(name));
            let uses: Vec<&model::Use> = workload.secrets.iter().filter(reads).collect();
            let objects = uses.iter().map(|u| Object { name: u.name.clone(), alias: u.alias.clone() }).collect();
            let synced = uses.iter().filter_map(|u| {
                let sync = u.sync.as_ref()?;
                let file = u.alias.clone().unwrap_or_else(|| u.name.clone());
                Some(Synced { secret: sync.secret.clone(), key: sync.key.clone(), file, env: u.env.clone() })
            });
            let class = workload.names.secret_provider_class.clone().unwrap_or_else(|| workload.name.clone());
            // a SecretProviderClass reads one vault: further vaults of a workload get a class each
            let class = if at == 0 { class } else { format!("{class}-{}", object_name(name)) };
            self.mount(&workload.namespace, &class, &vault, objects, synced.collect(), Some(selector.clone()))?;
        }
        Ok(())
    }

    pub(super) fn extra_role(&mut self, role: &str, to: Grantee, scope: RoleScope) -> Result<Key, Fault> {
        let shown = roles::canonical(role);
        let note = (shown.eq_ignore_ascii_case(roles::READER) && to.key.kind() == Identity::KIND)
            .then(|| "not needed to read secrets; it shows the resource in ARM".to_owned());
        let wide = (scope.word == "subscription").then(|| "warning: holds for the whole subscription".to_owned());
        let note = match (note, wide) {
            (Some(note), Some(wide)) => Some(format!("{note}; {wide}")),
            (note, wide) => note.or(wide),
        };
        self.add_role(role, to, scope, note)
    }

    pub(super) fn request(&mut self, request: &Request) -> Result<(), Fault> {
        match request {
            Request::Identity { name, group, location } => {
                let id = self.arm_id(name, IDENTITY, group.as_deref())?;
                self.new_identity(id, location.as_deref())?;
            }
            Request::Vault { name, group, location, model } => {
                let id = self.arm_id(name, VAULT, group.as_deref())?;
                self.new_vault(id, location.as_deref(), *model)?;
            }
            Request::Grant { vault, group, to, secrets } => {
                let vault = self.known_vault(vault, group.as_deref())?;
                let to = self.principal(to)?;
                self.read_grant(&vault, to, secrets.clone())?;
            }
            Request::Secret { vault, group, name, source } => {
                let vault = self.known_vault(vault, group.as_deref())?;
                self.add_secret(&vault, name, source.clone())?;
            }
            Request::Role { role, to, scope } => {
                let (to, scope) = (self.principal(to)?, self.scope(scope)?);
                self.extra_role(role, to, scope)?;
            }
            Request::Bind(bind) => self.bind(bind)?,
            Request::Mount(mount) => self.wished_mount(mount)?,
        }
        Ok(())
    }

    pub(super) fn wished_mount(&mut self, mount: &Mount) -> Result<(), Fault> {
        let vault = match &mount.vault {
            Some(name) => self.known_vault(name, mount.group.as_deref())?,
            None => {
                let known = self.context.memory.only_vault()?;
                self.known_vault(&NameOrId::Id(known), None)?
            }
        };
        let object = |m: &Mounted| Object { name: m.name.clone(), alias: m.alias.clone() };
        let sync = |s: &Sync| Synced { secret: s.secret.clone(), key: s.key.clone(), file: s.alias.clone(), env: None };
        let selector = self.context.memory.only_selector(&self.cluster_ref()?.id, &mount.namespace);
        let (objects, synced) = (mount.secrets.iter().map(object).collect(), mount.sync.iter().map(sync).collect());
        self.mount(&mount.namespace, &mount.name, &vault, objects, synced, selector)
    }
}

fn last(name_or_id: &str) -> &str {
    name_or_id.rsplit('/').next().unwrap_or(name_or_id)
}

fn operator_scope(text: Option<&str>) -> Result<OperatorScope, Fault> {
    match text {
        None | Some("identity") => Ok(OperatorScope::Identity),
        Some("resourceGroup") => Ok(OperatorScope::ResourceGroup),
        Some("subscription") => Ok(OperatorScope::Subscription),
        Some(other) => {
            Err(Fault::refused(format!("operatorScope {other:?} is not known"), "Write `identity`, `resourceGroup` or `subscription`."))
        }
    }
}
