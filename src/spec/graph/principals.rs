//! Finds who gets roles and grants and where roles hold, and adds role assignments.

use super::{
    Graph,
    grantee::{Grantee, RoleScope},
};
use crate::{
    azure::{ArmId, PrincipalKind},
    cluster::Api,
    engine::{desired::Intent, fault::Fault, input::Input, key::Key},
    resources::{
        cluster, identity,
        principal::{self, Principal as DirectoryPrincipal},
        role::{self, Role, Serves},
        roles, vault,
    },
    spec::{
        known::ClusterRef,
        reference::{Principal, Scope},
    },
};

impl Graph<'_> {
    pub fn principal(&mut self, to: &Principal) -> Result<Grantee, Fault> {
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
            Principal::UserName(name) => {
                let key = principal::key_by_name("user", name);
                self.named_principal(&key, &DirectoryPrincipal::User(name.clone()), PrincipalKind::User)
            }
            Principal::GroupName(name) => {
                let key = principal::key_by_name("group", name);
                self.named_principal(&key, &DirectoryPrincipal::Group(name.clone()), PrincipalKind::Group)
            }
            // what is removed needs no kind, and the principal may be deleted
            Principal::Object(id) if self.removes => Ok(Grantee::given(PrincipalKind::Unknown, id)),
            Principal::Object(id) => {
                let key = principal::key(id);
                self.add(&key, &DirectoryPrincipal::ObjectId(id.clone()), Intent::Existing)?;
                Ok(Grantee { kind: principal::KIND.of(&key), ..Grantee::given(PrincipalKind::Unknown, id) })
            }
        }
    }

    fn named_principal(&mut self, key: &Key, named: &DirectoryPrincipal, kind: PrincipalKind) -> Result<Grantee, Fault> {
        self.add(key, named, Intent::Existing)?;
        Ok(Grantee { id: principal::OBJECT_ID.of(key), kind: Input::Known(kind), key: key.clone() })
    }

    /// An identity of the graph as the one who gets a role or a grant.
    pub fn grantee(&self, identity: &Key) -> Grantee {
        let kind = Input::Known(PrincipalKind::ServicePrincipal);
        Grantee { id: identity::PRINCIPAL_ID.of(identity), kind, key: identity.clone() }
    }

    pub fn clusters_principal(&mut self, cluster: &ClusterRef) -> Result<Grantee, Fault> {
        let key = self.add_cluster(cluster)?;
        Ok(Grantee { id: cluster::PRINCIPAL_ID.of(&key), kind: Input::Known(PrincipalKind::ServicePrincipal), key })
    }

    /// `served`: objects of a cluster that all live on this role, if it holds at the cluster's nodes.
    pub fn add_role(&mut self, role: &str, to: Grantee, at: RoleScope, note: Option<String>, served: Option<Api>) -> Result<Key, Fault> {
        let shown = roles::canonical(role);
        let key = role::key(&shown, &to.key, &at.word);
        let shown = self.spelling.of_role(&shown);
        let serves = match at.nodes_of.zip(served) {
            Some((cluster, objects)) => Some(Serves { target: self.target_of(&cluster)?, objects }),
            None => None,
        };
        self.add(
            &key,
            &Role { role: shown, scope: at.id, principal: to.id, principal_kind: to.kind, at: at.key, serves, entries_of: None, note },
            Intent::Present,
        )?;
        Ok(key)
    }

    pub fn scope(&mut self, scope: &Scope) -> Result<RoleScope, Fault> {
        match scope {
            Scope::Vault(named) => {
                let key = self.known_vault(named, None)?;
                Ok(RoleScope { word: key.to_string(), id: vault::ID.of(&key), key: Some(key), nodes_of: None })
            }
            Scope::Identity(named) => {
                let key = self.known_identity(named, None)?;
                Ok(self.identity_scope(&key))
            }
            Scope::StorageAccount(named) => self.storage_account_scope(named),
            Scope::Container { account, name } => self.container_scope(account, name),
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

    pub fn identity_scope(&self, identity: &Key) -> RoleScope {
        RoleScope { word: identity.to_string(), id: identity::ID.of(identity), key: Some(identity.clone()), nodes_of: None }
    }

    pub fn node_scope(&mut self, cluster: &ClusterRef) -> Result<RoleScope, Fault> {
        let key = self.add_cluster(cluster)?;
        Ok(RoleScope { word: format!("{key}/nodes"), id: cluster::NODE_GROUP.of(&key), key: Some(key), nodes_of: Some(cluster.clone()) })
    }
}
