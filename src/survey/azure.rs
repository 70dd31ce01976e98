//! What of Azure decides which workloads read which secrets.

use super::{
    list::{Gap, List, first_line},
    rights,
    scope::Scope,
    secrets::VaultContent,
};
use crate::azure::{
    self, ArmId, Cluster, DenyAssignment, FederatedCredential, Identity, IdentityBinding, PodIdentity, Principal, Read, RoleGrant,
    RoleRights, ScaleSet, Vault, clusters, pod_identities,
};
use futures::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::OnceLock,
};

#[derive(Debug, Default)]
pub struct AzureSurvey {
    /// The id of the subscription that was read; None: Azure was not asked.
    pub subscription: Option<String>,
    /// The managed cluster. None: see `cluster_gap`, or it is not one of Azure.
    pub cluster: Option<Cluster>,
    pub cluster_gap: Option<Gap>,
    /// The entries of the cluster's pod identity add-on.
    pub addon_entries: Vec<PodIdentity>,
    pub identities: List<Identity>,
    pub grants: List<RoleGrant>,
    pub roles: List<RoleRights>,
    pub denials: List<DenyAssignment>,
    pub vaults: List<Vault>,
    pub bindings: List<IdentityBinding>,
    pub scale_sets: List<ScaleSet>,
    /// Of the identities that were asked for, by their ids in lower case.
    pub credentials: BTreeMap<String, List<FederatedCredential>>,
    /// Of the vaults that were asked for, by their names in lower case.
    pub secrets: BTreeMap<String, VaultContent>,
    /// Of the groups that were asked for, also by the groups in them, by the groups' object ids in lower case.
    pub members: BTreeMap<String, List<Principal>>,
    /// The groups of the service principals that were asked for, also by the groups that these are in, by the principals' object ids in lower
    /// case.
    pub groups: BTreeMap<String, List<Principal>>,
    /// Names of principals that were asked for, by their object ids in lower case.
    pub names: BTreeMap<String, Principal>,
    /// The object id of this login, which is not a group.
    pub caller: Option<String>,
    /// The other subscriptions in which vaults were looked for, by their ids.
    pub searched: Vec<String>,
    /// What was left out on purpose.
    pub not_asked: Vec<Gap>,
    /// Made at the first look-up: each pod looks for its identities.
    pub(super) identity_index: OnceLock<IdentityIndex>,
}

/// Places of identities in their list, by client ids and by resource ids in lower case.
#[derive(Debug, Default)]
pub(super) struct IdentityIndex {
    by_client_id: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
}

impl IdentityIndex {
    fn of(identities: &[Identity]) -> Self {
        let mut index = Self::default();
        for (at, identity) in identities.iter().enumerate() {
            index.by_client_id.entry(identity.client_id.to_ascii_lowercase()).or_insert(at);
            index.by_id.entry(identity.id.folded()).or_insert(at);
        }
        index
    }
}

/// In how many other subscriptions vaults are looked for: each is a request of its own.
const MOST_SUBSCRIPTIONS: usize = 30;
/// How many principals are asked for their groups, each by a request of its own.
const MOST_PRINCIPALS: usize = 20;

impl AzureSurvey {
    pub async fn read(azure: &Read, scope: &Scope<'_>) -> Self {
        let at = scope.subscription;
        let (cluster, identities, grants, roles, denials, vaults, caller) = futures::join!(
            of_cluster(azure, scope.cluster),
            azure.identities(at),
            azure.role_grants(at),
            azure.role_rights(at),
            azure.deny_assignments(at),
            azure.vaults(at),
            azure.caller(),
        );
        Self {
            subscription: Some(at.subscription_id().to_owned()),
            identities: List::of(rights::IDENTITIES.what, identities),
            grants: List::of(rights::GRANTS.what, grants),
            roles: List::of(rights::ROLES.what, roles),
            denials: List::of(rights::DENIALS.what, denials),
            vaults: List::of(rights::VAULTS.what, vaults),
            caller: caller.ok().map(|caller| caller.object_id),
            ..cluster
        }
    }

    /// The identity that has this client id or resource id.
    pub fn identity(&self, client_id: Option<&str>, resource_id: Option<&str>) -> Option<&Identity> {
        let index = self.identity_index.get_or_init(|| IdentityIndex::of(&self.identities.items));
        let at = match (resource_id.and_then(ArmId::parse), client_id) {
            (Some(id), _) => index.by_id.get(&id.folded()),
            (None, Some(client_id)) => index.by_client_id.get(&client_id.to_ascii_lowercase()),
            (None, None) => None,
        };
        self.identities.items.get(*at?)
    }

    pub fn vault(&self, name: &str) -> Option<&Vault> {
        self.vaults.iter().find(|vault| vault.id.name().eq_ignore_ascii_case(name))
    }

    /// The federated credentials of an identity. None: they were not asked for.
    pub fn credentials_of(&self, identity: &ArmId) -> Option<&List<FederatedCredential>> {
        self.credentials.get(&identity.folded())
    }

    /// Asks for the federated credentials of these identities, each by a request of its own. Azure has no list of all of them.
    pub async fn read_credentials(&mut self, azure: &Read, identities: &[ArmId]) {
        let asked = identities.iter().map(|identity| async {
            let what = format!("{} of {}", rights::CREDENTIALS.what, identity.name());
            let found = match azure.federated_credentials(identity).await {
                Ok(Some(found)) => List::whole(found.to_vec()),
                Ok(None) => List::default(),
                Err(error) => List::missing(what, first_line(&error.to_string())),
            };
            (identity.folded(), found)
        });
        self.credentials.extend(join_all(asked).await);
    }

    /// Lists the secrets of these vaults, without their values.
    pub async fn read_secrets(&mut self, azure: &Read, vaults: &[Vault]) {
        let asked = vaults.iter().map(|vault| async { (vault.id.name().to_ascii_lowercase(), VaultContent::read(azure, vault).await) });
        self.secrets.extend(join_all(asked).await);
    }

    /// Looks for vaults that the subscription does not have: those of these ids, and those of these names in all other subscriptions that this
    /// login may list. Of what it finds it reads who may use it.
    pub async fn find_vaults(&mut self, azure: &Read, names: &BTreeSet<String>, ids: &[ArmId]) {
        let mut found: Vec<Vault> = Vec::new();
        for id in ids {
            match azure.vault(id).await {
                Ok(Some(vault)) => found.push(vault),
                Ok(None) => self.not_asked.push(Gap { what: format!("the vault {id}"), why: "it does not exist".to_owned() }),
                Err(error) => self.not_asked.push(Gap { what: format!("the vault {id}"), why: first_line(&error.to_string()) }),
            }
        }
        let is_named = |vault: &Vault| names.iter().any(|name| name.eq_ignore_ascii_case(vault.id.name()));
        let is_open = |name: &&String| !found.iter().any(|vault| vault.id.name().eq_ignore_ascii_case(name));
        if names.iter().any(|name| is_open(&name)) {
            let own = self.subscription.clone().unwrap_or_default();
            let others = match azure.subscriptions().await {
                Ok(all) => all.into_iter().filter(|one| !one.eq_ignore_ascii_case(&own)).collect(),
                Err(error) => {
                    self.not_asked.push(Gap { what: rights::SUBSCRIPTIONS.what.to_owned(), why: first_line(&error.to_string()) });
                    Vec::new()
                }
            };
            let listed =
                others.iter().take(MOST_SUBSCRIPTIONS).map(|one| async { (one.clone(), azure.vaults(&ArmId::subscription(one)).await) });
            for (subscription, vaults) in join_all(listed).await {
                match vaults {
                    Ok(vaults) => {
                        found.extend(vaults.into_iter().filter(&is_named));
                        self.searched.push(subscription);
                    }
                    Err(error) => {
                        let what = format!("the vaults of the subscription {subscription}");
                        self.not_asked.push(Gap { what, why: first_line(&error.to_string()) });
                    }
                }
            }
            if others.len() > MOST_SUBSCRIPTIONS {
                let what = format!("the vaults of {} more subscriptions", others.len() - MOST_SUBSCRIPTIONS);
                self.not_asked
                    .push(Gap { what, why: format!("vaults are looked for in {MOST_SUBSCRIPTIONS} at most; name one by its id") });
            }
        }
        for vault in found {
            if vault.rbac {
                let subscription = ArmId::subscription(vault.id.subscription_id());
                let (grants, denials, roles) =
                    futures::join!(azure.role_grants(&vault.id), azure.deny_assignments(&vault.id), azure.role_rights(&subscription));
                // custom roles are those of a subscription
                self.roles.extend(List::of(rights::ROLES.what, roles));
                let what = format!("{} at the vault {}", rights::GRANTS.what, vault.id.name());
                self.grants.extend(List::of(&what, grants));
                self.denials.extend(List::of(rights::DENIALS.what, denials));
            }
            self.vaults.items.push(vault);
        }
    }

    /// Asks the directory for the members of these groups, also those of groups in them.
    pub async fn read_members(&mut self, azure: &Read, groups: &BTreeSet<String>) {
        let of_groups = groups.iter().map(|group| async move {
            let what = format!("members of the group {group}");
            (group.to_ascii_lowercase(), List::of(&what, azure.group_members(group).await))
        });
        self.members.extend(join_all(of_groups).await);
    }

    /// Asks the directory for the groups of these service principals.
    pub async fn read_groups(&mut self, azure: &Read, principals: &BTreeSet<String>) {
        let is_new = |principal: &&String| !self.groups.contains_key(&principal.to_ascii_lowercase());
        let wanted: Vec<&String> = principals.iter().filter(is_new).collect();
        let identities = &self.identities;
        let asked = wanted.iter().take(MOST_PRINCIPALS).map(|principal| async move {
            let identity = identities.iter().find(|one| one.principal_id.eq_ignore_ascii_case(principal));
            let what = match identity {
                Some(identity) => format!("groups of the identity {}", identity.id.name()),
                None => format!("groups of the principal {principal}"),
            };
            (principal.to_ascii_lowercase(), List::of(&what, azure.groups_of(principal).await))
        });
        let found = join_all(asked).await;
        if wanted.len() > MOST_PRINCIPALS {
            let what = format!("groups of {} more principals", wanted.len() - MOST_PRINCIPALS);
            let why = format!("each is a request of its own, and at most {MOST_PRINCIPALS} are sent");
            self.not_asked.push(Gap { what, why });
        }
        for group in found.iter().flat_map(|(_, groups)| groups.iter()) {
            self.names.entry(group.id.to_ascii_lowercase()).or_insert_with(|| group.clone());
        }
        self.groups.extend(found);
    }

    /// Whether a principal is in a group, itself or by another group. None: neither of the two was asked for, or it could not be read.
    pub fn is_member(&self, principal: &str, group: &str) -> Option<bool> {
        let has = |list: &List<Principal>, id: &str| match list.iter().any(|one| one.id.eq_ignore_ascii_case(id)) {
            true => Some(true),
            false => list.is_whole().then_some(false),
        };
        let by_groups = self.groups.get(&principal.to_ascii_lowercase()).and_then(|list| has(list, group));
        by_groups.or_else(|| self.members.get(&group.to_ascii_lowercase()).and_then(|list| has(list, principal)))
    }

    /// Asks the directory for the names of these principals.
    pub async fn read_names(&mut self, azure: &Read, principals: &BTreeSet<String>) {
        match azure.named_principals(principals).await {
            Ok(names) => self.names.extend(names.into_iter().map(|one| (one.id.to_ascii_lowercase(), one))),
            Err(error) => self.not_asked.push(Gap { what: rights::NAMES.what.to_owned(), why: first_line(&error.to_string()) }),
        }
    }

    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let lists = [
            self.cluster_gap.as_ref(),
            self.identities.gap.as_ref(),
            self.grants.gap.as_ref(),
            self.roles.gap.as_ref(),
            self.denials.gap.as_ref(),
            self.vaults.gap.as_ref(),
            self.bindings.gap.as_ref(),
            self.scale_sets.gap.as_ref(),
        ];
        let asked = self.credentials.values().filter_map(|list| list.gap.as_ref());
        let secrets = self.secrets.values().filter_map(|content| content.secrets.gap.as_ref());
        let members = self.members.values().chain(self.groups.values()).filter_map(|list| list.gap.as_ref());
        lists.into_iter().flatten().chain(asked).chain(members).chain(secrets).chain(&self.not_asked)
    }
}

/// The managed cluster, with what is nested in it and in the group of its nodes.
async fn of_cluster(azure: &Read, cluster: Option<&ArmId>) -> AzureSurvey {
    let mut survey = AzureSurvey::default();
    let Some(id) = cluster else { return survey };
    let gap = |why: String| Some(Gap { what: rights::CLUSTER.what.to_owned(), why });
    match azure.cluster_document(id).await {
        Ok(Some(document)) => {
            survey.addon_entries = pod_identities::entries(&document);
            match clusters::parse(&document) {
                Ok(cluster) => survey.cluster = Some(cluster),
                Err(error) => survey.cluster_gap = gap(error.to_string()),
            }
        }
        Ok(None) => survey.cluster_gap = gap(format!("{id} does not exist")),
        Err(error) => survey.cluster_gap = gap(first_line(&error.to_string())),
    }
    let nodes = survey.cluster.as_ref().and_then(|cluster| cluster.node_resource_group.as_deref());
    let nodes = nodes.map(|group| ArmId::group(id.subscription_id(), group));
    let scale_sets = async {
        match &nodes {
            Some(group) => List::of(rights::SCALE_SETS.what, azure.scale_sets(group).await),
            None => List::default(),
        }
    };
    let bindings = async {
        let found: Result<_, azure::Error> = azure.identity_bindings(id).await;
        List::of(rights::BINDINGS.what, found)
    };
    (survey.scale_sets, survey.bindings) = futures::join!(scale_sets, bindings);
    survey
}
