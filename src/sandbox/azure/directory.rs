//! Service principals of applications and of managed identities. Entra and Graph read them; identities create and delete them.

use super::{
    ids,
    state::{Principal, PrincipalType, State},
};
use crate::lateness::{DelayKind, Late, Lateness};

/// Creates a principal for a resource and returns its client id and object id. They differ each time the resource is created again.
pub fn create(state: &mut State, resource_id: &str, name: &str, lateness: Lateness, now: i64) -> (String, String) {
    let folded = ids::fold(resource_id);
    let generation = state.generation(&folded).to_string();
    let client_id = ids::guid(&["client", &folded, &generation]);
    let object_id = ids::guid(&["principal", &folded, &generation]);
    state.principals.insert(
        object_id.clone(),
        Principal {
            principal_type: Default::default(),
            more: Default::default(),
            app_id: client_id.clone(),
            display_name: name.to_owned(),
            created: now,
            resource_id: Some(resource_id.to_owned()),
            secret: None,
            late: Late::new(DelayKind::Principal, lateness, now),
        },
    );
    (client_id, object_id)
}

/// Deletes the principal of a resource. Its role assignments elsewhere stay as orphans, as in Azure.
pub fn remove(state: &mut State, resource_id: &str, object_id: &str) {
    state.principals.remove(object_id);
    state.next_generation(resource_id);
}

/// Returns the object id and the principal of an application id.
pub fn by_app<'a>(state: &'a State, app_id: &str) -> Option<(&'a String, &'a Principal)> {
    state.principals.iter().find(|(_, p)| p.principal_type == PrincipalType::ServicePrincipal && p.app_id.eq_ignore_ascii_case(app_id))
}

/// Checks the initial secret and the unexpired passwords of the application.
pub fn has_secret(state: &State, principal: &Principal, secret: &str, now: i64) -> bool {
    let added = || {
        let application = state.applications.values().find(|a| a.app_id.eq_ignore_ascii_case(&principal.app_id));
        application.is_some_and(|a| a.passwords.iter().any(|p| p.text == secret && now < p.end))
    };
    principal.secret.as_deref() == Some(secret) || added()
}

/// Returns the principal and all groups that contain it, directly or through other groups.
pub fn with_groups<'a>(state: &'a State, object_id: &'a str) -> Vec<&'a str> {
    let mut all = vec![object_id];
    let mut at = 0;
    while let Some(who) = all.get(at).copied() {
        for (group, members) in &state.members {
            if !all.contains(&group.as_str()) && members.iter().any(|m| m == who) {
                all.push(group);
            }
        }
        at += 1;
    }
    all
}
