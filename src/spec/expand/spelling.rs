//! One spelling for each name. Azure ignores case, so a spec may name one vault or identity in several ways; the graph has it once, as it
//! was written first. In a SecretProviderClass the spelling is content (a file in the mount is named by it): there the recorded one stays.

use crate::{
    azure::ArmId,
    resources::secret_provider_class::{Object, SecretProviderClass, Synced},
};
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

/// The vault's name as the class had it.
pub(super) fn of_vault(recorded: Option<&SecretProviderClass>, name: &str) -> String {
    let recorded = recorded.map(|class| class.vault_name.as_str()).filter(|recorded| recorded.eq_ignore_ascii_case(name));
    recorded.unwrap_or(name).to_owned()
}

/// Secrets that are only respelled keep the name that they had in the class, and with it their file; `alias` renames a file.
pub(super) fn of_objects(
    recorded: Option<&SecretProviderClass>,
    mut objects: Vec<Object>,
    mut synced: Vec<Synced>,
) -> (Vec<Object>, Vec<Synced>) {
    let Some(recorded) = recorded else { return (objects, synced) };
    for object in &mut objects {
        let before = recorded.objects.iter().find(|o| o.name.eq_ignore_ascii_case(&object.name) && o.alias == object.alias);
        let Some(before) = before else { continue };
        if object.alias.is_none() {
            synced.iter_mut().filter(|s| s.file == object.name).for_each(|s| s.file.clone_from(&before.name));
        }
        object.name.clone_from(&before.name);
    }
    (objects, synced)
}
