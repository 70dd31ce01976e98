//! From a spec, or from what one command asks for, to the graph of what is wanted. Pure: what earlier commands named comes in as
//! `KnownResources`. Modes and deliveries add their own resources.

pub mod app;
mod clusters;
mod exception;
mod federation;
mod migration;
mod mounts;
mod storage;

use super::{
    graph::{
        Graph,
        grantee::{Grantee, RoleScope},
    },
    model::{self, ComponentSpec, Spec, VaultAccess, Workload},
    names::object_name,
    reference::NameOrId,
    request::{Bind, Mount, Request, Sync},
};
use crate::{
    azure::{
        ObjectKind,
        id::{IDENTITY, VAULT},
    },
    chain::facts::{Bound, Parameters},
    components,
    deliveries::{self, Delivery, delivery::Wanted},
    engine::{
        desired::{Desired, Intent, Requester},
        fault::Fault,
        key::Key,
        resource::Kind,
    },
    modes::{self, Mode},
    resources::{
        identity::Identity,
        installation::{self, Installation},
        roles,
        secret_provider_class::Synced,
        vault,
    },
};
use std::collections::BTreeSet;

pub use super::graph::Context;

pub fn spec(spec: &Spec, context: &Context<'_>) -> Result<Desired, Fault> {
    let mut graph = Graph::new(context, Requester::Spec, false);
    graph.spec_groups(spec)?;
    graph.spec_cluster(spec)?;
    for component in spec.cluster.iter().flat_map(|cluster| &cluster.components) {
        components::expand::expand(components::named(&component.name)?, component, &mut graph)?;
    }
    for vault in spec.vault.iter().chain(&spec.vaults) {
        graph.spec_vault(vault)?;
    }
    for storage in &spec.storage {
        graph.spec_storage(storage)?;
    }
    for workload in &spec.workloads {
        graph.workload(spec, workload)?;
    }
    graph.finished()
}

/// A request to bind, with the pods that it binds.
pub fn binding(bind: &Bind, context: &Context<'_>) -> Result<(Desired, Bound), Fault> {
    let mut graph = Graph::new(context, Requester::Command, false);
    let bound = bind_by(modes::named(bind.mode.as_deref())?, bind, &mut graph)?;
    Ok((graph.desired, bound))
}

/// `remove`: the same things, to be taken away; what they refer to is only read.
pub fn request(request: &Request, remove: bool, context: &Context<'_>) -> Result<Desired, Fault> {
    let mut graph = Graph::new(context, Requester::Command, remove);
    graph.request(request, remove)?;
    let mut desired = graph.finished()?;
    if remove {
        for node in desired.nodes.values_mut() {
            node.intent = match node.intent {
                // what is conditional goes with the resource that the request is about
                Intent::Present if node.when.is_none() || matches!(request, Request::Vault { .. } | Request::Component(_)) => {
                    Intent::Absent
                }
                _ => Intent::Optional,
            };
        }
    }
    Ok(desired)
}

impl Graph<'_> {
    fn spec_vault(&mut self, vault: &model::VaultSpec) -> Result<(), Fault> {
        let id = self.arm_id(&NameOrId::new(&vault.name), VAULT, vault.resource_group.as_deref())?;
        let key = self.new_vault(id, vault.location.as_deref(), vault.model, vault.options())?;
        for secret in &vault.secrets {
            self.add_secret(&key, &secret.name, Some(secret.value.source()), None)?;
        }
        Ok(())
    }

    fn workload(&mut self, spec: &Spec, workload: &Workload) -> Result<(), Fault> {
        let wanted = &workload.identity;
        let id = self.arm_id(&NameOrId::new(&wanted.name), IDENTITY, wanted.resource_group.as_deref())?;
        let identity = self.new_identity(id, wanted.location.as_deref())?;
        for extra in &workload.roles {
            let scope = extra.scope.as_ref().map_err(|rule| Fault::refused(rule.clone(), "Correct the role's `scope` in the spec."))?;
            let (to, scope) = (self.grantee(&identity), self.scope(scope)?);
            self.extra_role(&extra.role, to, scope)?;
        }
        for used in &workload.storage {
            self.storage_use(used, &identity)?;
        }
        let (mode, delivery) = (modes::named(workload.mode.as_deref())?, deliveries::named(workload.delivery.as_deref())?);
        let bind = Bind {
            mode: workload.mode.clone(),
            namespace: workload.namespace.clone(),
            identity: Some(NameOrId::new(identity.names())),
            group: None,
            cluster: None,
            settings: workload.settings.clone(),
        };
        let bound = bind_by(mode, &bind, self)?;
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
        let mut delivered = Vec::new();
        for (at, name) in vaults.iter().enumerate() {
            let vault = self.spelled(vault::key(name));
            let reads =
                |used: &&model::Use| used.vault.as_deref().map(last).or(default.as_deref()).is_some_and(|v| v.eq_ignore_ascii_case(name));
            let uses: Vec<&model::Use> = workload.secrets.iter().filter(reads).collect();
            // rights follow from what is mounted
            let mounted: BTreeSet<ObjectKind> = uses.iter().map(|used| used.object_type).collect();
            for kind in mounted.into_iter().filter(|_| workload.vault_access != Some(VaultAccess::None)) {
                let to = self.grantee(&identity);
                self.read_grant(&vault, to, kind, None)?;
            }
            let objects = uses.iter().map(|used| used.object()).collect();
            let synced = uses.iter().flat_map(|used| used.synced());
            let object = delivery.object_name(&workload.name, &workload.settings);
            // what delivers reads one vault: further vaults of a workload get an object each
            let object = if at == 0 { object } else { format!("{object}-{}", object_name(name)) };
            let wanted = Wanted {
                namespace: workload.namespace.clone(),
                name: object,
                vault,
                objects,
                synced: synced.collect(),
                subject: Some(bound.subject.clone()),
                identity: mode.class_parameters(Some(&bound))?,
                client_id: bound.identity.client_id.clone(),
            };
            delivered.push(app::delivered(delivery, wanted, self, deliver)?);
        }
        app::of_workload(workload, &bound, &delivered, self)
    }

    fn extra_role(&mut self, role: &str, to: Grantee, scope: RoleScope) -> Result<Key, Fault> {
        let shown = roles::canonical(role);
        let note = (shown.eq_ignore_ascii_case(roles::READER) && to.key.kind() == Identity::KIND)
            .then(|| "not needed to read secrets; it shows the resource in ARM".to_owned());
        let wide = (scope.word == "subscription").then(|| "warning: holds for the whole subscription".to_owned());
        let note = storage::control_plane_note(&shown, &scope).or(note);
        let note = match (note, wide) {
            (Some(note), Some(wide)) => Some(format!("{note}; {wide}")),
            (note, wide) => note.or(wide),
        };
        self.add_role(role, to, scope, note, modes::served_by(&shown))
    }

    fn request(&mut self, request: &Request, remove: bool) -> Result<(), Fault> {
        match request {
            Request::Identity { name, group, location } => {
                let id = self.arm_id(name, IDENTITY, group.as_deref())?;
                self.new_identity(id, location.as_deref())?;
            }
            Request::Vault { name, group, location, model, options } => {
                let id = self.arm_id(name, VAULT, group.as_deref())?;
                self.new_vault(id, location.as_deref(), *model, options.clone())?;
            }
            Request::Grant { vault, group, to, permissions } => {
                let vault = self.known_vault(vault, group.as_deref())?;
                for (kind, named) in permissions.each() {
                    let to = self.principal(to)?;
                    self.read_grant(&vault, to, kind, named)?;
                }
            }
            Request::Secret { vault, group, name, source } => {
                let vault = self.known_vault(vault, group.as_deref())?;
                self.add_secret(&vault, name, source.clone(), None)?;
            }
            Request::Rotate(rotate) => {
                let vault = self.known_vault(&rotate.vault, rotate.group.as_deref())?;
                self.add_secret(&vault, &rotate.name, rotate.source.clone(), Some(rotate.replaces.clone()))?;
            }
            Request::StorageAccount { name, group, location, sku } => {
                self.storage_account_request(name, group.as_deref(), location.as_deref(), sku.as_ref(), remove)?;
            }
            Request::Container { account, group, name } => {
                let account = self.known_storage_account(account, group.as_deref())?;
                self.container(&account, name, Intent::Present)?;
            }
            Request::Role { role, to, scope } => {
                let (to, scope) = (self.principal(to)?, self.scope(scope)?);
                self.extra_role(role, to, scope)?;
            }
            Request::Federate(wanted) => self.federate(wanted)?,
            Request::Bind(bind) => drop(bind_by(modes::named(bind.mode.as_deref())?, bind, self)?),
            Request::Mount(mount) => self.mount(mount)?,
            Request::Exception(wanted) => drop(exception::expand(wanted, self)?),
            Request::Component(component) => {
                let wanted = self.as_installed(&component.wanted)?;
                components::expand::expand(components::named(&wanted.name)?, &wanted, self)?;
            }
            Request::Cluster { name, group, create } => self.request_cluster(name, group.as_deref(), create)?,
            Request::ResourceGroup { name, location } => drop(self.new_group(name, location.as_deref())?),
            Request::Deploy(deploy) => app::of_deploy(deploy, self)?,
            Request::Wire(wire) => app::of_wire(wire, self)?,
            Request::MigrateVault(migration) => self.migrate_vault(migration)?,
            Request::MountAdd(add) => self.mount_add(add)?,
            Request::Keep(keep) => self.mount_keep(keep)?,
        }
        Ok(())
    }

    /// A component that is removed is the one that podid installed, whatever the command says of it.
    fn as_installed(&self, wanted: &ComponentSpec) -> Result<ComponentSpec, Fault> {
        let target = self.cluster_ref()?.id.name();
        let recorded: Option<Installation> = self.context.memory.recorded(&installation::key(target, &wanted.name));
        Ok(match recorded {
            Some(known) if self.removes() => {
                ComponentSpec { via: Some(known.via), namespace: known.namespace, version: known.version, ..wanted.clone() }
            }
            _ => wanted.clone(),
        })
    }

    fn mount(&mut self, mount: &Mount) -> Result<(), Fault> {
        let vault = match &mount.vault {
            Some(name) => self.known_vault(name, mount.group.as_deref())?,
            None => {
                let known = self.context.memory.only_vault()?;
                self.known_vault(&NameOrId::Id(known), None)?
            }
        };
        let sync = |s: &Sync| Synced {
            secret: s.secret.clone(),
            key: s.key.clone(),
            file: s.alias.clone(),
            of_type: s.of_type.clone(),
            env: None,
        };
        let (identity, bound) = match self.reader_of(mount) {
            // what is removed needs no token
            Err(Fault::Refused { .. }) if self.removes => (Parameters::new(), None),
            known => known?,
        };
        let delivery = deliveries::named(mount.delivery.as_deref())?;
        let wanted = Wanted {
            namespace: mount.namespace.clone(),
            name: mount.name.clone(),
            vault,
            objects: mount.secrets.clone(),
            synced: mount.sync.iter().map(sync).collect(),
            identity,
            client_id: bound.as_ref().and_then(|bound| bound.identity.client_id.clone()),
            subject: bound.map(|bound| bound.subject),
        };
        deliver(delivery, wanted, self).map(drop)
    }

    /// How the pods that mount get a token, and which they are: as those that are bound in the namespace, or as the spec's workloads there
    /// will be. Whoever mounts before anything is bound gets the default mode.
    fn reader_of(&self, mount: &Mount) -> Result<(Parameters, Option<Bound>), Fault> {
        let (namespace, asked) = (mount.namespace.as_str(), mount.mode.as_deref());
        let cluster = self.cluster_ref()?.id.name();
        let mut found = modes::recall(self.context.memory.ledger(), self.context.memory.app())?;
        found.extend(self.context.bound.iter().cloned());
        found.retain(|bound| bound.cluster.name.eq_ignore_ascii_case(cluster) && bound.namespace == namespace);
        found.retain(|bound| asked.is_none_or(|mode| bound.mode == mode));
        if let Some(identity) = &mount.identity {
            found.retain(|bound| bound.identity.name.eq_ignore_ascii_case(identity.name()));
            if found.is_empty() && !self.removes {
                return Err(Fault::refused(
                    format!("the identity {} is not bound in the namespace {namespace}", identity.name()),
                    format!("Bind it first: `podid bind -n {namespace} --identity {}`.", identity.name()),
                ));
            }
        }
        let mut known: BTreeSet<&str> = asked.into_iter().chain(found.iter().map(|bound| bound.mode)).collect();
        if known.is_empty() {
            for (_, mode) in self.context.modes.iter().filter(|(of, _)| *of == namespace) {
                known.insert(modes::named(*mode)?.name());
            }
        }
        if known.len() > 1 {
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Fault::refused(
                format!("pods of the namespace {namespace} get their identities in several modes: {}", known.join(", ")),
                "Name the mode of the pods that read these secrets with `--mode MODE`.",
            ));
        }
        let mode = modes::named(known.pop_first())?;
        let alike = found.windows(2).all(|pair| pair[0].subject == pair[1].subject);
        let bound = found.pop().filter(|_| alike);
        Ok((mode.class_parameters(bound.as_ref())?, bound))
    }
}

/// Binds an identity by a mode, whose objects come after the components that it needs.
fn bind_by(mode: &dyn Mode, bind: &Bind, graph: &mut Graph<'_>) -> Result<Bound, Fault> {
    graph.comes_after(&mode.needs().iter().map(|component| component.name).collect::<Vec<_>>())?;
    mode.expand(bind, graph)
}

/// Delivers secrets, after the components that this needs.
fn deliver(delivery: &dyn Delivery, wanted: Wanted, graph: &mut Graph<'_>) -> Result<Parameters, Fault> {
    graph.comes_after(&delivery.needs().iter().map(|component| component.name).collect::<Vec<_>>())?;
    delivery.expand(wanted, graph)
}

fn last(name_or_id: &str) -> &str {
    name_or_id.rsplit('/').next().unwrap_or(name_or_id)
}
