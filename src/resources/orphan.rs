//! A role assignment whose principal no longer exists, found by `podid role prune`. It is only ever removed, as one of a plan; it is not the
//! kind `role`, because it may carry the marks of any app or of none: the user consented to the list, not an app to its own.

use super::{
    kind::Resource,
    role, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{ArmId, RoleAssignment},
    engine::{
        fault::Fault,
        key::Key,
        resource::{Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orphan {
    /// Of the assignment.
    pub id: String,
    pub scope: ArmId,
}

/// `orphan/reader/OBJECT-ID/SCOPE`
pub fn key(assignment: &RoleAssignment) -> Key {
    let guid = role::guid_of(&assignment.role_definition_id);
    let role = roles::name(guid).map_or_else(|| guid.to_owned(), roles::slug);
    Key::of(Orphan::KIND, [role.as_str(), assignment.principal_id.as_str(), assignment.scope.as_str().trim_start_matches('/')])
}

impl Kind<Cloud> for Orphan {
    const KIND: &'static str = "orphan";
    const SIDE: Side = Side::Azure;
    type Actual = RoleAssignment;

    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<RoleAssignment>, Fault> {
        let all = reader.azure.role_assignments(&self.scope).await.map_err(Fault::cloud)?;
        Ok(all.into_iter().find(|one| one.id.eq_ignore_ascii_case(&self.id)))
    }
    fn diff(&self, _: NodeContext<'_>, _: &RoleAssignment) -> Diff {
        Diff::Same
    }
    /// Nobody can use it.
    fn owner(&self, _: NodeContext<'_>, _: &RoleAssignment) -> Owner {
        Owner::Ours
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<RoleAssignment>, _: &Writer) -> Result<RoleAssignment, Fault> {
        Err(Fault::Bug("an orphaned role assignment is only removed".to_owned()))
    }
    async fn remove(&self, _: NodeContext<'_>, before: RoleAssignment, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_role_assignment(&before.id).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("az role assignment delete --ids {}", self.id)]
    }
}

impl Resource for Orphan {}
