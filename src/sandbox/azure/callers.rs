//! Callers beside the one that a world begins with: service principals with a secret and roles of their own. Their ids and secrets derive
//! from their names, so that a caller who is made again has the same.

use super::{
    directory, ids, roles, seed,
    state::{Assignment, Cluster, State},
};
use serde_json::{Value, json};

/// Why a caller cannot be made: what is wrong, and what to do.
pub struct Fault {
    pub why: String,
    pub way: String,
}

/// Of an application that was made here.
fn object_id(name: &str) -> String {
    ids::guid(&["principal", &application(name)])
}

/// Apart from the names of the applications of the world itself.
fn application(name: &str) -> String {
    format!("caller {name}")
}

/// The caller has the role at the scopes, beside what it had. All scopes are those of the one subscription; none means all of it.
pub fn add(state: &mut State, name: &str, role: &str, scopes: &[String], now: i64) -> Result<Value, Fault> {
    let all = format!("/subscriptions/{}", state.subscription);
    let found = roles::find(state, role).or_else(|| roles::all(state).find(|r| r.name.eq_ignore_ascii_case(role)));
    let Some(guid) = found.map(|role| role.guid.clone()) else {
        let way = "give its name or its GUID, as `az role definition list` tells them".to_owned();
        return Err(Fault { why: format!("the sandbox has no role {role:?}"), way });
    };
    let scopes = if scopes.is_empty() { std::slice::from_ref(&all) } else { scopes };
    if let Some(other) = scopes.iter().find(|scope| !ids::covers(&ids::fold(&all), &ids::fold(scope))) {
        return Err(Fault { why: format!("{other:?} is no scope of the sandbox"), way: format!("give an id that begins with {all}") });
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

/// Client id and, of a service principal, its secret.
pub fn login_of_nodes(state: &State, cluster: &Cluster) -> Option<(String, Option<String>)> {
    match cluster.kubelet.as_ref().and_then(|key| state.identities.get(key)) {
        Some(kubelet) => Some((kubelet.client_id.clone(), None)),
        None => seed::login(state, &cluster.client_id).map(|(id, secret)| (id, Some(secret))),
    }
}

/// The nodes' `/etc/kubernetes/azure.json`, as AKS writes it (cloud-provider-azure, "Cloud provider config").
pub fn of_nodes(state: &State, cluster: &str) -> Result<Value, Fault> {
    let Some(there) = state.clusters.values().find(|c| c.name.eq_ignore_ascii_case(cluster)) else {
        let names: Vec<&str> = state.clusters.values().map(|c| c.name.as_str()).collect();
        return Err(Fault { why: format!("the sandbox has no cluster {cluster:?}"), way: format!("there are {}", names.join(", ")) });
    };
    let Some((client_id, secret)) = login_of_nodes(state, there) else {
        let why = format!("the service principal of {cluster} is gone");
        return Err(Fault { why, way: "make it again, or take another cluster".to_owned() });
    };
    let mut file = json!({
        "cloud": "AzurePublicCloud", "tenantId": state.tenant, "subscriptionId": state.subscription, "location": there.location,
        "resourceGroup": there.node_group, "vmType": "vmss", "primaryScaleSetName": state.scale_sets.get(&there.scale_set).map(|s| &s.name),
        "useManagedIdentityExtension": secret.is_none(),
    });
    match secret {
        // with a managed identity AKS writes these words
        None => {
            file["userAssignedIdentityID"] = json!(client_id);
            (file["aadClientId"], file["aadClientSecret"]) = (json!("msi"), json!("msi"));
        }
        Some(secret) => (file["aadClientId"], file["aadClientSecret"]) = (json!(client_id), json!(secret)),
    }
    Ok(file)
}

/// With its secret.
fn credential(state: &State, name: &str, object: &str) -> Value {
    let mut all = told(state, name, object);
    all["clientSecret"] = json!(state.principals.get(object).and_then(|p| p.secret.as_deref()));
    all
}

fn told(state: &State, name: &str, object: &str) -> Value {
    let roles: Vec<Value> = state
        .assignments
        .of(object)
        .map(|a| json!({"role": roles::find(state, &a.role).map_or(a.role.as_str(), |role| role.name.as_str()), "scope": a.scope}))
        .collect();
    let client = state.principals.get(object).map(|p| p.app_id.as_str());
    json!({"name": name, "tenantId": state.tenant, "subscriptionId": state.subscription, "clientId": client, "objectId": object, "roles": roles})
}

/// By name, without secrets.
pub fn list(state: &State) -> Value {
    let mut names: Vec<&str> =
        state.principals.iter().filter(|(id, p)| object_id(&p.display_name) == **id).map(|(_, p)| p.display_name.as_str()).collect();
    names.sort_unstable();
    names.into_iter().map(|name| told(state, name, &object_id(name))).collect()
}

/// False: there is none of this name. Its roles go with it: nobody could tell whose they were.
pub fn remove(state: &mut State, name: &str) -> bool {
    let object = object_id(name);
    let there = state.principals.contains_key(&object);
    if there {
        directory::remove(state, &object, &object);
        let names: Vec<String> = state.assignments.of(&object).map(|a| a.name.clone()).collect();
        for name in names {
            state.assignments.remove(&name);
        }
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(state: &mut State, name: &str, role: &str, scopes: &[&str]) -> Result<Value, String> {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        add(state, name, role, &scopes, 1).map_err(|fault| format!("{}; {}", fault.why, fault.way))
    }

    #[test]
    fn a_caller_is_the_same_each_time_and_has_each_role_once() {
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
    fn a_caller_goes_with_its_roles() {
        let mut state = seed::new(1);
        let before = serde_json::to_value(&state.assignments).unwrap();
        added(&mut state, "ci", "Reader", &[]).unwrap();
        assert!(remove(&mut state, "ci") && !remove(&mut state, "ci"));
        assert_eq!(serde_json::to_value(&state.assignments).unwrap(), before);
        assert_eq!(list(&state), json!([]));
    }

    #[test]
    fn what_is_no_role_or_no_scope_is_refused() {
        let mut state = seed::new(1);
        assert!(added(&mut state, "ci", "Rader", &[]).unwrap_err().contains("no role \"Rader\""));
        assert!(added(&mut state, "ci", "Reader", &["podid-lab"]).unwrap_err().contains("begins with /subscriptions/"));
        assert_eq!(list(&state), json!([]));
    }
}
