//! One spelling for each name. Azure ignores case, so a spec may name one vault or identity in several ways; the graph has it once, as it
//! was written first.

use crate::azure::ArmId;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Spelling {
    ids: BTreeMap<String, ArmId>,
    roles: BTreeMap<String, String>,
}

impl Spelling {
    /// The id as it was written first.
    pub(super) fn of_id(&mut self, id: ArmId) -> ArmId {
        self.ids.entry(id.folded()).or_insert(id).clone()
    }

    /// The role's name as it was written first.
    pub(super) fn of_role(&mut self, role: &str) -> String {
        self.roles.entry(role.to_lowercase()).or_insert_with(|| role.to_owned()).clone()
    }
}
