//! Roles and their bindings as objects: what it takes to write them, and how those of podid are listed.

use super::{
    super::{
        access::{Named, Reach, Right},
        kind::Listed,
        manifest, ownership,
    },
    head::{Head, text},
};
use crate::cluster::{self, Api};
use serde_json::Value;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// Who writes a role must have its rights or may escalate; who writes a binding must have the role's rights or may bind it.
pub(super) fn right_to_give(object: &Value, head: &Head<'_>) -> Option<Right> {
    let reach = head.namespace.map_or(Reach::Everywhere, |namespace| Reach::Namespace(namespace.to_owned()));
    Some(match head.kind {
        "Role" => Right::new(GROUP, "roles", &["escalate"], reach).named(Named::These(vec![head.name.to_owned()])),
        "ClusterRole" => Right::new(GROUP, "clusterroles", &["escalate"], reach).named(Named::These(vec![head.name.to_owned()])),
        "RoleBinding" | "ClusterRoleBinding" => {
            let role = text(object, "/roleRef/name")?.to_owned();
            let resource = if text(object, "/roleRef/kind") == Some("ClusterRole") { "clusterroles" } else { "roles" };
            Right::new(GROUP, resource, &["bind"], reach).named(Named::These(vec![role]))
        }
        _ => return None,
    })
}

pub(super) fn right_to_list() -> Right {
    let list = Right::new(GROUP, "clusterrolebindings", &["list"], Reach::Everywhere);
    list.optional("a lost state is rebuilt without the rights of identity bindings")
}

/// Lists podid's bindings of cluster roles. A login that may not list them finds none.
pub(super) async fn marked_bindings(cluster: &cluster::Read) -> Result<Vec<Listed>, cluster::Error> {
    let marked = format!("{}={}", ownership::MANAGED_BY, ownership::PODID);
    let found = match cluster.list(&Api::new(GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings"), None, Some(&marked)).await {
        Err(cluster::Error::Forbidden { .. }) => Vec::new(),
        other => other?,
    };
    Ok(found.into_iter().map(|actual| Listed { app: ownership::app(&manifest::labels(&actual)), actual }).collect())
}
