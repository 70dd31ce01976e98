//! What podid's marks say that exists: read from tags, descriptions and labels, and turned back into the requests that would have made it.
//! So a lost state needs no spec. What carries no mark (adopted resources) is found only where something marked refers to it.

use crate::{
    azure::{self, ArmId, Identity, RoleAssignment, Vault},
    cluster,
    engine::{
        desired::{Desired, Intent, Requester},
        resource::{Kind, Owner},
    },
    failure::Failure,
    resources::{
        self, Cloud,
        azure_identity::AzureIdentity,
        azure_identity_binding::AzureIdentityBinding,
        kind::{AnyResource, Listed},
        manifest, ownership, role,
        role::Role,
        roles,
        secret_provider_class::SecretProviderClass,
    },
    session::Session,
    spec::{
        expand,
        known::{ClusterRef, KnownResources},
        model::Model,
        reference::{NameOrId, Principal},
        request::{Bind, Mount, Mounted, OperatorScope, Request, Sync},
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One graph for each app that left a mark in the subscription or in a cluster that the kubeconfig leads to.
pub async fn found(session: &Session, azure: &azure::Read, subscription: &str) -> Result<Vec<Desired>, Failure> {
    let failed = |e: azure::Error| Failure::from(&e);
    let whole = ArmId::subscription(subscription);
    let mut listing = ByKind::default();
    for kind in resources::all() {
        listing.0.insert(kind.kind(), kind.list(azure, &whole).await.map_err(failed)?);
    }
    let there = Inventory {
        identities: listing.read::<resources::identity::Identity, _>(),
        vaults: listing.read::<resources::vault::Vault, _>(),
        assignments: listing.read::<Role, _>(),
        clusters: clusters(session, azure, &whole).await?,
        caller: azure.caller().await.map_err(failed)?.object_id,
        listing,
    };
    let mut graphs = Vec::new();
    for app in there.apps() {
        let mut wishes = there.wishes(&app);
        wishes.extend(secrets(session, azure, &there, &app).await?);
        let mut desired = graph(&app, subscription, wishes)?;
        for (kind, listed) in there.listing.of_app(&app) {
            kind.add_found(listed, &mut desired).map_err(|fault| Failure::from(&fault))?;
        }
        graphs.push(desired);
    }
    Ok(graphs)
}

/// What the kinds listed, by kind.
#[derive(Default)]
struct ByKind(BTreeMap<&'static str, Vec<Listed>>);

impl ByKind {
    /// Those of one kind, as its client returned them.
    fn read<K: Kind<Cloud>, T: DeserializeOwned>(&self) -> Vec<T> {
        self.0.get(K::KIND).into_iter().flatten().filter_map(|listed| T::deserialize(&listed.actual).ok()).collect()
    }

    /// What carries the marks of an app, with its kind.
    fn of_app(&self, app: &str) -> impl Iterator<Item = (&'static dyn AnyResource, &Listed)> {
        let listed = |kind: &'static dyn AnyResource| self.0.get(kind.kind()).into_iter().flatten().map(move |listed| (kind, listed));
        resources::all().flat_map(listed).filter(move |(_, listed)| listed.app.as_deref() == Some(app))
    }

    fn apps(&self) -> impl Iterator<Item = String> {
        self.0.values().flatten().filter_map(|listed| listed.app.clone())
    }
}

struct Inventory {
    listing: ByKind,
    identities: Vec<Identity>,
    vaults: Vec<Vault>,
    assignments: Vec<RoleAssignment>,
    clusters: Vec<ClusterInventory>,
    caller: String,
}

/// The marked objects of a cluster, and all AzureIdentities, which bindings refer to.
struct ClusterInventory {
    cluster: ClusterRef,
    listing: ByKind,
    identities: Vec<Value>,
    bindings: Vec<Value>,
    classes: Vec<Value>,
}

type Requested<'a> = (Request, Option<&'a ClusterRef>);

async fn clusters(session: &Session, azure: &azure::Read, whole: &ArmId) -> Result<Vec<ClusterInventory>, Failure> {
    let contexts = match session.clusters.contexts() {
        Ok(contexts) => contexts,
        Err(error) => {
            session.terminal.say(format!("skipped all clusters: {error}"));
            return Ok(Vec::new());
        }
    };
    let managed = azure.clusters(whole).await.map_err(|e| Failure::from(&e))?;
    let mut found: Vec<ClusterInventory> = Vec::new();
    for cluster in &managed {
        let is = |host: &str| [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten().any(|h| h.eq_ignore_ascii_case(host));
        let mut leading: Vec<&str> = contexts.iter().filter(|(_, host)| is(host)).map(|(name, _)| name.as_str()).collect();
        leading.sort_by_key(|name| *name != cluster.id.name());
        let Some(context) = leading.first() else { continue };
        let cluster = ClusterRef { id: cluster.id.clone(), context: (*context).to_owned(), principal_id: None };
        let name = cluster.id.name().to_owned();
        match objects(session, cluster).await {
            Ok(objects) => found.push(objects),
            Err(error) => session.terminal.say(format!("skipped the cluster {name}: {error}")),
        }
    }
    Ok(found)
}

async fn objects(session: &Session, cluster: ClusterRef) -> Result<ClusterInventory, cluster::Error> {
    let read = session.clusters.open(Some(&cluster.context)).await?.read();
    let mut listing = ByKind::default();
    for kind in resources::all() {
        listing.0.insert(kind.kind(), kind.list_in(&read).await?);
    }
    Ok(ClusterInventory {
        identities: listing.read::<AzureIdentity, _>(),
        bindings: listing.read::<AzureIdentityBinding, _>(),
        classes: listing.read::<SecretProviderClass, _>(),
        cluster,
        listing,
    })
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn labelled(object: &Value, app: &str) -> bool {
    manifest::labels(object).get(ownership::APP).is_some_and(|a| a == app)
}

impl Inventory {
    fn apps(&self) -> BTreeSet<String> {
        self.listing.apps().chain(self.clusters.iter().flat_map(|cluster| cluster.listing.apps())).collect()
    }

    fn wishes(&self, app: &str) -> Vec<Requested<'_>> {
        let mut wishes: Vec<Requested<'_>> = Vec::new();
        let ours = |tags: &azure::Tags| ownership::owner(app, tags) == Owner::Ours;
        for identity in self.identities.iter().filter(|i| ours(&i.tags)) {
            wishes.push((Request::Identity { name: NameOrId::Id(identity.id.clone()), group: None, location: None }, None));
        }
        for vault in self.vaults.iter().filter(|v| ours(&v.tags)) {
            let model = Some(if vault.rbac { Model::Rbac } else { Model::AccessPolicy });
            wishes.push((Request::Vault { name: NameOrId::Id(vault.id.clone()), group: None, location: None, model }, None));
        }
        for cluster in &self.clusters {
            wishes.extend(self.binds(app, cluster));
            wishes.extend(self.mounts(app, cluster));
        }
        wishes.extend(self.policies(app));
        wishes.extend(self.roles(app));
        wishes
    }

    fn identity_of(&self, principal: &str) -> Option<&Identity> {
        self.identities.iter().find(|i| i.principal_id.eq_ignore_ascii_case(principal))
    }

    /// An AzureIdentity that was made and not bound yet counts as one whose binding is still to come.
    fn binds<'a>(&'a self, app: &str, cluster: &'a ClusterInventory) -> Vec<Requested<'a>> {
        let mut wishes = Vec::new();
        for identity in &cluster.identities {
            let (name, namespace) = (text(identity, "/metadata/name"), text(identity, "/metadata/namespace"));
            let Some(id) = ArmId::parse(&text(identity, "/spec/resourceID")) else { continue };
            let bind = Bind {
                namespace: namespace.clone(),
                identity: Some(NameOrId::Id(id.clone())),
                name: Some(name.clone()),
                operator_scope: self.operator_scope(app, &id),
                ..Bind::default()
            };
            let to_it =
                |b: &&Value| labelled(b, app) && text(b, "/metadata/namespace") == namespace && text(b, "/spec/azureIdentity") == name;
            let bindings: Vec<&Value> = cluster.bindings.iter().filter(to_it).collect();
            for binding in &bindings {
                let (binding, selector) = (Some(text(binding, "/metadata/name")), Some(text(binding, "/spec/selector")));
                wishes.push((Request::Bind(Bind { binding, selector, ..bind.clone() }), Some(&cluster.cluster)));
            }
            if bindings.is_empty() && labelled(identity, app) {
                wishes.push((Request::Bind(bind), Some(&cluster.cluster)));
            }
        }
        wishes
    }

    fn operator_scope(&self, app: &str, identity: &ArmId) -> OperatorScope {
        let operator = roles::guid(roles::MANAGED_IDENTITY_OPERATOR).unwrap_or_default();
        let wide = self.assignments.iter().filter(|a| {
            role::guid_of(&a.role_definition_id).eq_ignore_ascii_case(operator)
                && ownership::app_of(a.description.as_deref()).is_some_and(|x| x == app)
        });
        let covers = |a: &&RoleAssignment| a.scope != *identity && identity.folded().starts_with(&format!("{}/", a.scope.folded()));
        match wide.filter(covers).map(|a| a.scope.group_name().is_some()).next() {
            Some(true) => OperatorScope::ResourceGroup,
            Some(false) => OperatorScope::Subscription,
            None => OperatorScope::Identity,
        }
    }

    fn mounts<'a>(&'a self, app: &str, cluster: &'a ClusterInventory) -> Vec<Requested<'a>> {
        let mut wishes = Vec::new();
        for class in cluster.classes.iter().filter(|c| labelled(c, app)) {
            let name = text(class, "/spec/parameters/keyvaultName");
            let Some(vault) = self.vaults.iter().find(|v| v.id.name().eq_ignore_ascii_case(&name)) else { continue };
            let synced = class.pointer("/spec/secretObjects").and_then(Value::as_array).into_iter().flatten();
            let sync = synced.flat_map(|secret| {
                let keys = secret.get("data").and_then(Value::as_array).into_iter().flatten();
                keys.map(|k| Sync { secret: text(secret, "/secretName"), key: text(k, "/key"), alias: text(k, "/objectName") })
            });
            let mount = Mount {
                namespace: text(class, "/metadata/namespace"),
                name: text(class, "/metadata/name"),
                vault: Some(NameOrId::Id(vault.id.clone())),
                secrets: mounted(&text(class, "/spec/parameters/objects")),
                sync: sync.collect(),
                ..Mount::default()
            };
            wishes.push((Request::Mount(mount), Some(&cluster.cluster)));
        }
        wishes
    }

    /// Entries carry no mark: one is ours if its principal is.
    fn policies(&self, app: &str) -> Vec<Requested<'_>> {
        let mut wishes = Vec::new();
        for vault in self.vaults.iter().filter(|v| !v.rbac) {
            for entry in vault.policies.iter().filter(|p| !p.secrets.is_empty()) {
                let Some(identity) = self.identity_of(&entry.object_id) else { continue };
                if ownership::owner(app, &identity.tags) == Owner::Ours {
                    let only_get = entry.secrets.iter().all(|p| p.eq_ignore_ascii_case("get"));
                    let secrets = (!only_get).then(|| entry.secrets.clone());
                    let (vault, to) = (NameOrId::Id(vault.id.clone()), Principal::Identity(NameOrId::Id(identity.id.clone())));
                    wishes.push((Request::Grant { vault, group: None, to, secrets }, None));
                }
            }
        }
        wishes
    }

    /// Those of bindings and of the caller on a vault of ours come with the wishes for these.
    fn roles(&self, app: &str) -> Vec<Requested<'_>> {
        let mut wishes = Vec::new();
        let ours = |tags: &azure::Tags| ownership::owner(app, tags) == Owner::Ours;
        for assignment in self.assignments.iter().filter(|a| ownership::app_of(a.description.as_deref()).is_some_and(|x| x == app)) {
            let guid = role::guid_of(&assignment.role_definition_id);
            let name = roles::name(guid).unwrap_or(guid);
            let vault = self.vaults.iter().find(|v| v.id == assignment.scope);
            let nodes = matches!(name, roles::MANAGED_IDENTITY_OPERATOR | roles::VIRTUAL_MACHINE_CONTRIBUTOR);
            let to = match self.identity_of(&assignment.principal_id) {
                Some(identity) if nodes && !ours(&identity.tags) => continue,
                Some(identity) => Principal::Identity(NameOrId::Id(identity.id.clone())),
                None if assignment.principal_id.eq_ignore_ascii_case(&self.caller) => Principal::Caller,
                None if nodes => continue,
                None => principal(assignment),
            };
            let data = matches!((name, &to), (roles::SECRETS_USER, _) | (roles::SECRETS_OFFICER, Principal::Caller));
            wishes.push(match vault {
                Some(vault) if data => (Request::Grant { vault: NameOrId::Id(vault.id.clone()), group: None, to, secrets: None }, None),
                _ => (Request::Role { role: name.to_owned(), to, scope: assignment.scope.clone().into() }, None),
            });
        }
        wishes
    }
}

fn principal(assignment: &RoleAssignment) -> Principal {
    let id = assignment.principal_id.clone();
    match assignment.principal_kind.as_deref() {
        Some("User") => Principal::User(id),
        Some("Group") => Principal::Group(id),
        _ => Principal::ServicePrincipal(id),
    }
}

/// The list of strings that hold YAML, inside a string that holds YAML.
fn mounted(objects: &str) -> Vec<Mounted> {
    let outer: Value = serde_saphyr::from_str(objects).unwrap_or_default();
    let items = outer.get("array").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let object = |item: &str| {
        let inner: Value = serde_saphyr::from_str(item).ok()?;
        let name = inner.get("objectName")?.as_str()?.to_owned();
        Some(Mounted { name, alias: inner.get("objectAlias").and_then(Value::as_str).map(str::to_owned) })
    };
    items.filter_map(object).collect()
}

/// Secrets that carry the app's tags, in vaults of ours and in those that the app mounts.
async fn secrets<'a>(session: &Session, azure: &azure::Read, there: &Inventory, app: &str) -> Result<Vec<Requested<'a>>, Failure> {
    let mut wishes = Vec::new();
    let wished = there.wishes(app);
    let used = |vault: &&Vault| {
        wished.iter().any(|(request, _)| match request {
            Request::Vault { name, .. } | Request::Grant { vault: name, .. } => *name == NameOrId::Id(vault.id.clone()),
            Request::Mount(mount) => mount.vault == Some(NameOrId::Id(vault.id.clone())),
            _ => false,
        })
    };
    for vault in there.vaults.iter().filter(used) {
        let listed = match azure.secrets(&vault.uri).await {
            Ok(listed) => listed,
            Err(error) => {
                session.terminal.say(format!("skipped the secrets of {}: {error}", vault.id.name()));
                continue;
            }
        };
        for secret in listed.into_iter().filter(|s| ownership::owner(app, &s.tags) == Owner::Ours) {
            let (vault, name) = (NameOrId::Id(vault.id.clone()), secret.name);
            wishes.push((Request::Secret { vault, group: None, name, source: None }, None));
        }
    }
    Ok(wishes)
}

/// What is wished for wins over what is only referred to.
fn graph(app: &str, subscription: &str, wishes: Vec<Requested<'_>>) -> Result<Desired, Failure> {
    let memory = KnownResources::default();
    let mut desired = Desired::new(app, Requester::Command);
    for (request, cluster) in wishes {
        let context = expand::Context {
            app,
            subscription,
            group: None,
            default_group: None,
            location: None,
            cluster,
            other_clusters: &[],
            memory: &memory,
        };
        let part = expand::request(&request, false, &context).map_err(|f| Failure::from(&f))?;
        for (key, node) in part.nodes {
            let there = desired.nodes.get(&key).map(|n| n.intent);
            if there.is_none() || (there != Some(Intent::Present) && node.intent == Intent::Present) {
                desired.nodes.insert(key, node);
            }
        }
    }
    Ok(desired)
}
