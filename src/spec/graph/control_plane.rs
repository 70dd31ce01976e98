//! The control plane of a cluster, as the one who gets a role.

use super::{
    Graph,
    grantee::{Grantee, RoleScope},
};
use crate::{
    azure::PrincipalKind,
    engine::{desired::Intent, fault::Fault, input::Input, key::Key},
    resources::{
        cluster,
        role::{self, Role},
        roles,
    },
};

impl Graph<'_> {
    /// Adds a role of the control plane, without which the pod identity add-on cannot work. It stays while entries of others need it.
    pub fn add_control_plane_role(&mut self, role: &str, at: RoleScope, note: Option<String>) -> Result<Key, Fault> {
        let id = self.cluster_ref()?.id.clone();
        let cluster = cluster::key(id.name());
        let to = Grantee {
            id: cluster::CONTROL_PLANE_ID.of(&cluster),
            kind: Input::Known(PrincipalKind::ServicePrincipal),
            // the cluster's kubelet identity may have the same role
            key: Key::of(cluster.as_str(), ["control-plane"]),
        };
        let shown = roles::canonical(role);
        let key = role::key(&shown, &to.key, &at.word);
        let kind = Role {
            role: self.spelling.of_role(&shown),
            scope: at.id,
            principal: to.id,
            principal_kind: to.kind,
            at: at.key,
            serves: None,
            entries_of: Some(id),
            note,
        };
        self.add(&key, &kind, Intent::Present)?;
        Ok(key)
    }
}
