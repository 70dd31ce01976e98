//! What podid's marks say that exists: read from tags, descriptions and labels, and turned back into the requests that would have made it.
//! So a lost state needs no spec. What carries no mark (adopted resources) is found only where something marked refers to it.

mod components;
mod federations;

use crate::{
    azure::{self, ArmId, Container, Identity, ObjectKind, RoleAssignment, StorageAccount, Vault},
    chain::{
        facts::Bound,
        found::{Found, Listing},
    },
    cluster, deliveries,
    engine::{
        desired::{Desired, Intent, Requester},
        fault::Fault,
        resource::Owner,
    },
    failure::Failure,
    modes,
    resources::{self, container, ownership, role, role::Role, roles, vault::VaultOptions},
    session::Session,
    spec::{
        expand,
        known::{ClusterRef, KnownResources},
        reference::{NameOrId, Principal},
        request::{Permissions, Request},
        vault_model::Model,
    },
};
use components::Installed;
use federations::MarkedFederation;
use std::collections::BTreeSet;

/// One graph for each app that left a mark in the subscription or in a cluster that the kubeconfig leads to.
pub async fn found(session: &Session, azure: &azure::Read, subscription: &str) -> Result<Vec<Desired>, Failure> {
    let failed = |e: azure::Error| Failure::from(&e);
    let whole = ArmId::subscription(subscription);
    let mut listing = Listing::default();
    for kind in resources::all() {
        listing.add(kind.kind(), kind.list(azure, &whole).await.map_err(failed)?);
    }
    let mut there = Inventory {
        identities: listing.read::<resources::identity::Identity, _>(),
        vaults: listing.read::<resources::vault::Vault, _>(),
        storage: listing.read::<resources::storage_account::StorageAccount, _>(),
        containers: listing.read::<container::Container, _>(),
        assignments: listing.read::<Role, _>(),
        clusters: clusters(session, azure, &whole).await?,
        caller: azure.caller().await.map_err(failed)?.object_id,
        federations: Vec::new(),
        listing,
    };
    there.federations = federations::listed(session, azure, &there.identities).await;
    let mut graphs = Vec::new();
    for app in there.apps() {
        let mut wishes = there.wishes(&app);
        wishes.extend(secrets(session, azure, &there, &app).await?);
        let mut desired = graph(session, &app, subscription, wishes)?;
        let mut made = Desired::new(&app, Requester::Command);
        for (kind, listed) in there.listing.of_app(&app) {
            kind.add_found(listed, &mut made).map_err(|fault| Failure::from(&fault))?;
        }
        for (key, node) in made.nodes {
            // what others refer to is known more exactly there: a cluster by the context that leads to it
            desired.nodes.get_or_insert_with(&key, || node).intent = Intent::Present;
        }
        graphs.push(desired);
    }
    Ok(graphs)
}

struct Inventory {
    listing: Listing,
    identities: Vec<Identity>,
    vaults: Vec<Vault>,
    storage: Vec<StorageAccount>,
    containers: Vec<Container>,
    assignments: Vec<RoleAssignment>,
    clusters: Vec<ClusterInventory>,
    caller: String,
    /// The federated credentials whose names say whose they are.
    federations: Vec<MarkedFederation>,
}

/// The marked objects of a cluster, and all those that marked ones may refer to.
struct ClusterInventory {
    cluster: ClusterRef,
    /// Of the tokens of its service accounts.
    issuer: Option<String>,
    listing: Listing,
    components: Vec<Installed>,
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
        let issuer = cluster.oidc_issuer.clone();
        let cluster = ClusterRef { id: cluster.id.clone(), context: (*context).to_owned(), principal_id: None, issuer: None };
        let name = cluster.id.name().to_owned();
        match objects(session, cluster, issuer).await {
            Ok(objects) => found.push(objects),
            Err(error) => session.terminal.say(format!("skipped the cluster {name}: {error}")),
        }
    }
    Ok(found)
}

async fn objects(session: &Session, cluster: ClusterRef, issuer: Option<String>) -> Result<ClusterInventory, cluster::Error> {
    let read = session.clusters.open(Some(&cluster.context)).await?.read();
    let mut listing = Listing::default();
    for kind in resources::all() {
        listing.add(kind.kind(), kind.list_in(&read).await?);
    }
    let components = components::installed(&read).await?;
    Ok(ClusterInventory { cluster, issuer, listing, components })
}

impl Inventory {
    fn apps(&self) -> BTreeSet<String> {
        let of_clusters = self.clusters.iter().flat_map(|cluster| cluster.listing.apps());
        let of_components = self.clusters.iter().flat_map(|cluster| cluster.components.iter().map(|one| one.app.clone()));
        let of_federations = self.federations.iter().map(|one| one.app.clone());
        self.listing.apps().chain(of_clusters).chain(of_components).chain(of_federations).collect()
    }

    fn wishes(&self, app: &str) -> Vec<Requested<'_>> {
        let mut wishes: Vec<Requested<'_>> = Vec::new();
        let ours = |tags: &azure::Tags| ownership::owner(app, tags) == Owner::Ours;
        for identity in self.identities.iter().filter(|i| ours(&i.tags)) {
            wishes.push((Request::Identity { name: NameOrId::Id(identity.id.clone()), group: None, location: None }, None));
        }
        for vault in self.vaults.iter().filter(|v| ours(&v.tags)) {
            let model = Some(if vault.rbac { Model::Rbac } else { Model::AccessPolicy });
            let (name, options) = (NameOrId::Id(vault.id.clone()), VaultOptions::default());
            wishes.push((Request::Vault { name, group: None, location: None, model, options }, None));
        }
        for account in self.storage.iter().filter(|a| ours(&a.tags)) {
            let name = NameOrId::Id(account.id.clone());
            wishes.push((Request::StorageAccount { name, group: None, location: None, sku: None }, None));
        }
        for container in self.containers.iter().filter(|c| ours(&container::tags(&c.metadata))) {
            let Some(account) = container::account_of(&container.id) else { continue };
            let name = container.id.name().to_owned();
            wishes.push((Request::Container { account: NameOrId::Id(account), group: None, name }, None));
        }
        for cluster in &self.clusters {
            let found = Found {
                app,
                objects: &cluster.listing,
                identities: &self.identities,
                vaults: &self.vaults,
                assignments: &self.assignments,
                anyones: None,
            };
            let binds = modes::all().flat_map(|mode| mode.found(&found)).map(Request::Bind);
            let mounts = deliveries::all().flat_map(|delivery| delivery.found(&found)).map(|mount| Request::Mount(Box::new(mount)));
            let components = cluster.components.iter().filter(|one| one.app == app).map(Installed::request);
            wishes.extend(binds.chain(mounts).chain(components).map(|request| (request, Some(&cluster.cluster))));
        }
        wishes.extend(self.policies(app));
        wishes.extend(self.roles(app));
        wishes.extend(self.federated(app));
        wishes
    }

    fn federated(&self, app: &str) -> Vec<Requested<'_>> {
        let of_app = self.federations.iter().filter(|one| one.app == app);
        let request = |one: &MarkedFederation| {
            let cluster = self.clusters.iter().find(|cluster| cluster.issuer.as_deref() == Some(one.issuer()));
            Some((one.request(cluster.is_some())?, cluster.map(|cluster| &cluster.cluster)))
        };
        of_app.filter_map(request).collect()
    }

    fn identity_of(&self, principal: &str) -> Option<&Identity> {
        self.identities.iter().find(|i| i.principal_id.eq_ignore_ascii_case(principal))
    }

    /// Entries carry no mark: one is ours if its principal is.
    fn policies(&self, app: &str) -> Vec<Requested<'_>> {
        let mut wishes = Vec::new();
        for vault in self.vaults.iter().filter(|v| !v.rbac) {
            for entry in &vault.policies {
                let Some(identity) = self.identity_of(&entry.object_id) else { continue };
                if ownership::owner(app, &identity.tags) != Owner::Ours {
                    continue;
                }
                let named = |kind: ObjectKind| Some(entry.of(kind).to_vec()).filter(|named| !named.is_empty());
                let permissions =
                    Permissions { secrets: named(ObjectKind::Secret), keys: named(ObjectKind::Key), certificates: named(ObjectKind::Cert) };
                let only_get = |kind: ObjectKind| entry.of(kind).iter().all(|p| p.eq_ignore_ascii_case("get"));
                let permissions = match permissions {
                    Permissions { secrets: None, keys: None, certificates: None } => continue,
                    Permissions { secrets: Some(_), keys: None, certificates: None } if only_get(ObjectKind::Secret) => {
                        Permissions::default()
                    }
                    named => named,
                };
                let (vault, to) = (NameOrId::Id(vault.id.clone()), Principal::Identity(NameOrId::Id(identity.id.clone())));
                wishes.push((Request::Grant { vault, group: None, to, permissions }, None));
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
            let of_mode = modes::all().flat_map(|mode| mode.roles()).any(|known| known.role == name);
            let to = match self.identity_of(&assignment.principal_id) {
                Some(identity) if of_mode && !ours(&identity.tags) => continue,
                Some(identity) => Principal::Identity(NameOrId::Id(identity.id.clone())),
                None if assignment.principal_id.eq_ignore_ascii_case(&self.caller) => Principal::Caller,
                None if of_mode => continue,
                None => principal(assignment),
            };
            let get = || Some(vec!["get".to_owned()]);
            let permissions = match (name, &to) {
                (roles::SECRETS_USER, _) | (roles::SECRETS_OFFICER, Principal::Caller) => Some(Permissions::default()),
                (roles::CRYPTO_USER, _) => Some(Permissions { keys: get(), ..Permissions::default() }),
                (roles::CERTIFICATE_USER, _) => Some(Permissions { certificates: get(), ..Permissions::default() }),
                _ => None,
            };
            wishes.push(match (vault, permissions) {
                (Some(vault), Some(permissions)) => {
                    (Request::Grant { vault: NameOrId::Id(vault.id.clone()), group: None, to, permissions }, None)
                }
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

/// What is wished for wins over what is only referred to. Pods are bound first, because what is mounted depends on how.
fn graph(session: &Session, app: &str, subscription: &str, mut wishes: Vec<Requested<'_>>) -> Result<Desired, Failure> {
    let memory = KnownResources::default();
    let mut desired = Desired::new(app, Requester::Command);
    let mut bound: Vec<Bound> = Vec::new();
    wishes.sort_by_key(|(request, _)| !matches!(request, Request::Bind(_)));
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
            bound: &bound,
            modes: &[],
        };
        let part = match &request {
            Request::Bind(bind) => expand::binding(bind, &context).map(|(part, pods)| (part, Some(pods))),
            other => expand::request(other, false, &context).map(|part| (part, None)),
        };
        let (part, pods) = match (part, &request) {
            (Err(Fault::Refused { reason, .. }), Request::Mount(mount)) => {
                session.terminal.say(format!("skipped what mounts secrets as {}/{}: {reason}", mount.namespace, mount.name));
                continue;
            }
            (part, _) => part.map_err(|fault| Failure::from(&fault))?,
        };
        bound.extend(pods);
        for (key, node) in part.nodes {
            let there = desired.nodes.get(&key).map(|n| n.intent);
            if there.is_none() || (there != Some(Intent::Present) && node.intent == Intent::Present) {
                desired.nodes.insert(key, node);
            }
        }
    }
    Ok(desired)
}
