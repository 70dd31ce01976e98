//! Additional callers: service principals with a secret and roles of their own. Their ids and secrets derive from their names, so that a
//! caller who is created again has the same ones.

use super::{
    assignment_index::Assignment,
    directory, ids, roles, seed,
    state::{Cluster, State},
};
use serde_json::{Value, json};

/// Why a caller cannot be created: the cause, and what to do.
pub struct CallerError {
    pub why: String,
    pub hint: String,
}

/// Returns the object id of a caller of this name.
fn object_id(name: &str) -> String {
    ids::guid(&["principal", &application(name)])
}

/// The prefix keeps callers apart from the world's own applications.
fn application(name: &str) -> String {
    format!("caller {name}")
}

/// Adds a role assignment for the caller at each scope and creates the caller if needed. No scopes means the whole subscription.
pub fn add(state: &mut State, name: &str, role: &str, scopes: &[String], now: i64) -> Result<Value, CallerError> {
    let all = format!("/subscriptions/{}", state.subscription);
    let found = roles::find(&state.roles, role).or_else(|| roles::all(&state.roles).find(|r| r.name.eq_ignore_ascii_case(role)));
    let Some(guid) = found.map(|role| role.guid.clone()) else {
        let hint = "give a name or a GUID that `az role definition list` returns".to_owned();
        return Err(CallerError { why: format!("the sandbox has no role {role:?}"), hint });
    };
    let scopes = if scopes.is_empty() { std::slice::from_ref(&all) } else { scopes };
    if let Some(other) = scopes.iter().find(|scope| !ids::covers(&ids::fold(&all), &ids::fold(scope))) {
        return Err(CallerError {
            why: format!("{other:?} is not a scope of the sandbox"),
            hint: format!("give an id that begins with {all}"),
        });
    }
    let object = object_id(name);
    if !state.principals.contains_key(&object) {
        seed::application(state, &application(name), name, now);
    }
    for scope in scopes {
        let scope = scope.trim_end_matches('/').to_owned();
        let id = ids::guid(&["assignment", &ids::fold(&scope), &guid, &object]);
        if state.assignments.get(&id).is_some() {
            continue;
        }
        state.assignments.insert(Assignment {
            name: id,
            scope,
            role: guid.clone(),
            principal: object.clone(),
            principal_type: "ServicePrincipal".to_owned(),
            description: None,
            condition: None,
            condition_version: None,
            delegated: None,
            created: now,
            updated: now,
            created_by: object.clone(),
            updated_by: object.clone(),
        });
    }
    Ok(credential(state, name, &object))
}

/// Returns the client id and, for a service principal, its secret.
pub fn login_of_nodes(state: &State, cluster: &Cluster) -> Option<(String, Option<String>)> {
    match cluster.kubelet.as_ref().and_then(|key| state.identities.get(key)) {
        Some(kubelet) => Some((kubelet.client_id.clone(), None)),
        None => seed::login(state, &cluster.client_id).map(|(id, secret)| (id, Some(secret))),
    }
}

/// Returns `/etc/kubernetes/azure.json` of the nodes, as AKS writes it (cloud-provider-azure, "Cloud provider config").
pub fn of_nodes(state: &State, cluster: &str) -> Result<Value, CallerError> {
    let Some(existing) = state.clusters.values().find(|c| c.name.eq_ignore_ascii_case(cluster)) else {
        let names: Vec<&str> = state.clusters.values().map(|c| c.name.as_str()).collect();
        return Err(CallerError {
            why: format!("the sandbox has no cluster {cluster:?}"),
            hint: format!("name one of {}", names.join(", ")),
        });
    };
    let Some((client_id, secret)) = login_of_nodes(state, existing) else {
        let why = format!("the service principal of {cluster} was deleted");
        return Err(CallerError { why, hint: "create it again, or name another cluster".to_owned() });
    };
    let mut file = json!({
        "cloud": "AzurePublicCloud", "tenantId": state.tenant, "subscriptionId": state.subscription, "location": existing.location,
        "resourceGroup": existing.node_group, "vmType": "vmss", "primaryScaleSetName": state.scale_sets.get(&existing.scale_set).map(|s| &s.name),
        "useManagedIdentityExtension": secret.is_none(),
    });
    match secret {
        // AKS writes these values for a managed identity
        None => {
            file["userAssignedIdentityID"] = json!(client_id);
            (file["aadClientId"], file["aadClientSecret"]) = (json!("msi"), json!("msi"));
        }
        Some(secret) => (file["aadClientId"], file["aadClientSecret"]) = (json!(client_id), json!(secret)),
    }
    Ok(file)
}

/// Returns the description of a caller with its secret.
fn credential(state: &State, name: &str, object: &str) -> Value {
    let mut all = description(state, name, object);
    all["clientSecret"] = json!(state.principals.get(object).and_then(|p| p.secret.as_deref()));
    all
}

fn description(state: &State, name: &str, object: &str) -> Value {
    let roles: Vec<Value> = state
        .assignments
        .of(object)
        .map(|a| json!({"role": roles::find(&state.roles, &a.role).map_or(a.role.as_str(), |role| role.name.as_str()), "scope": a.scope}))
        .collect();
    let client = state.principals.get(object).map(|p| p.app_id.as_str());
    json!({"name": name, "tenantId": state.tenant, "subscriptionId": state.subscription, "clientId": client, "objectId": object, "roles": roles})
}

/// Lists the callers by name, without secrets.
pub fn list(state: &State) -> Value {
    let mut names: Vec<&str> =
        state.principals.iter().filter(|(id, p)| object_id(&p.display_name) == **id).map(|(_, p)| p.display_name.as_str()).collect();
    names.sort_unstable();
    names.into_iter().map(|name| description(state, name, &object_id(name))).collect()
}

/// Deletes a caller and its role assignments. Returns whether there was one.
pub fn remove(state: &mut State, name: &str) -> bool {
    let object = object_id(name);
    let existing = state.principals.contains_key(&object);
    if existing {
        directory::remove(state, &object, &object);
        let names: Vec<String> = state.assignments.of(&object).map(|a| a.name.clone()).collect();
        for name in names {
            state.assignments.remove(&name);
        }
    }
    existing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(state: &mut State, name: &str, role: &str, scopes: &[&str]) -> Result<Value, String> {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        add(state, name, role, &scopes, 1).map_err(|fault| format!("{}; {}", fault.why, fault.hint))
    }

    #[test]
    fn adding_a_caller_again_keeps_its_ids_and_roles() {
        let mut state = seed::new(1);
        let group = format!("/subscriptions/{}/resourceGroups/podid-lab", state.subscription);
        let first = added(&mut state, "ci", "Reader", &[]).unwrap();
        assert_eq!(added(&mut state, "ci", "READER", &[]).unwrap(), first);
        assert!(first["clientSecret"].as_str().unwrap().len() > 20);
        let more = added(&mut state, "ci", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", &[&group]).unwrap();
        assert_eq!((&more["clientId"], more["roles"].as_array().unwrap().len()), (&first["clientId"], 2));
        added(&mut state, "app", "Reader", &[&group]).unwrap();
        let listed = list(&state);
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["app", "ci"]);
        assert!(!listed.to_string().contains("Secret") || !listed.to_string().contains("sandbox~"));
    }

    #[test]
    fn deleting_a_caller_deletes_its_role_assignments() {
        let mut state = seed::new(1);
        let before = serde_json::to_value(&state.assignments).unwrap();
        added(&mut state, "ci", "Reader", &[]).unwrap();
        assert!(remove(&mut state, "ci") && !remove(&mut state, "ci"));
        assert_eq!(serde_json::to_value(&state.assignments).unwrap(), before);
        assert_eq!(list(&state), json!([]));
    }

    #[test]
    fn an_unknown_role_or_scope_is_refused() {
        let mut state = seed::new(1);
        assert!(added(&mut state, "ci", "Rader", &[]).unwrap_err().contains("no role \"Rader\""));
        assert!(added(&mut state, "ci", "Reader", &["podid-lab"]).unwrap_err().contains("begins with /subscriptions/"));
        assert_eq!(list(&state), json!([]));
    }
}
