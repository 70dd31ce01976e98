//! The tables of the Azure state: what a save writes, what a failed change undoes, and the counters and grants that several services share.

use super::{ids, state::State};
use crate::{
    attempt::Undo,
    table::{self, Kept},
};
use serde_json::{Map, Value};

impl Undo for State {
    fn begin(&mut self) {
        self.tables().into_iter().for_each(|(_, table)| table.begin());
    }
    fn commit(&mut self) {
        self.tables().into_iter().for_each(|(_, table)| table.commit());
    }
    fn undo(&mut self) {
        self.tables().into_iter().for_each(|(_, table)| table.undo());
    }
}

impl State {
    /// Returns all tables. The compiler reports a new field that is missing here; fields that are not tables never change after the world
    /// is created.
    fn tables(&mut self) -> [(&'static str, &mut dyn Kept); 24] {
        let Self {
            bare: _,
            tenant: _,
            subscription: _,
            groups,
            identities,
            federated,
            federating: _,
            principals,
            applications,
            members,
            assignments,
            locks,
            roles,
            plain,
            blobs,
            vaults,
            deleted_vaults,
            secrets,
            deleted_secrets,
            vault_objects,
            clusters,
            bindings,
            scale_sets,
            providers,
            features,
            operations,
            grants,
            generations,
        } = self;
        [
            ("groups", groups),
            ("identities", identities),
            ("federated", federated),
            ("principals", principals),
            ("applications", applications),
            ("members", members),
            ("assignments", assignments),
            ("locks", locks),
            ("roles", roles),
            ("plain", plain),
            ("blobs", blobs),
            ("vaults", vaults),
            ("deleted_vaults", deleted_vaults),
            ("secrets", secrets),
            ("deleted_secrets", deleted_secrets),
            ("vault_objects", vault_objects),
            ("clusters", clusters),
            ("bindings", bindings),
            ("scale_sets", scale_sets),
            ("providers", providers),
            ("features", features),
            ("operations", operations),
            ("grants", grants),
            ("generations", generations),
        ]
    }

    /// Returns the changes of each table since the last call.
    pub fn changes(&mut self) -> serde_json::Result<Map<String, Value>> {
        table::changes(self.tables())
    }

    pub fn apply(&mut self, changes: Map<String, Value>) -> serde_json::Result<()> {
        table::apply(self.tables(), changes)
    }

    pub fn generation(&self, name: &str) -> u64 {
        self.generations.get(&ids::fold(name)).copied().unwrap_or(0)
    }

    /// Counts one more deletion (or write) of the name and returns the count.
    pub fn next_generation(&mut self, name: &str) -> u64 {
        let entry = self.generations.entry(ids::fold(name)).or_insert(0);
        *entry += 1;
        *entry
    }

    /// Drops the blobs whose container no longer exists.
    pub fn drop_lost_blobs(&mut self) {
        let plain = &self.plain;
        self.blobs.retain(|key, _| key.split_once("/blobs/").is_some_and(|(container, _)| plain.contains_key(container)));
    }

    /// Forgets the matching grants, so that they are delayed again when they are granted again.
    pub fn forget_grants(&mut self, of: impl Fn(&str, &str, &str) -> bool) {
        self.grants.retain(|key, _| {
            let mut parts = key.split('|');
            let (principal, vault, kind) = (parts.next(), parts.next(), parts.next());
            !of(principal.unwrap_or_default(), vault.unwrap_or_default(), kind.unwrap_or_default())
        });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_in_the_file_is_a_table_except_the_tenant_and_the_subscription() {
        let mut state = crate::azure::seed::new(0);
        let file = serde_json::to_value(&state).unwrap();
        let kept: Vec<&str> = ["tenant", "subscription"].into_iter().chain(state.tables().map(|(name, _)| name)).collect();
        let lost: Vec<&String> = file.as_object().unwrap().keys().filter(|name| !kept.contains(&name.as_str())).collect();
        assert!(lost.is_empty(), "written with the whole world and with no change: {lost:?}; make them tables of State::tables");
        assert_eq!(file.as_object().unwrap().len(), kept.len(), "a table that the file lacks");
    }
}
