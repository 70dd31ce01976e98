//! All ARM resources in one list, for `…/resources?$filter=` and for checking scopes.

use super::{
    access,
    call::{Answer, Call},
    error, filter, groups, ids,
    path::Path,
    resource_ids,
    state::State,
};
use crate::http::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub struct ListedResource {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub group: String,
    pub location: String,
    pub tags: Option<Value>,
}

pub fn all(state: &State) -> Vec<ListedResource> {
    let subscription = &state.subscription;
    let clusters = state.clusters.values().map(|c| ListedResource {
        id: ids::resource_id(subscription, &c.group, resource_ids::CLUSTER, &c.name),
        name: c.name.clone(),
        kind: resource_ids::CLUSTER.to_owned(),
        group: c.group.clone(),
        location: c.location.clone(),
        tags: (!c.tags.is_empty()).then(|| json!(c.tags)),
    });
    let identities = state.identities.values().map(|i| ListedResource {
        id: ids::resource_id(subscription, &i.group, resource_ids::IDENTITY, &i.name),
        name: i.name.clone(),
        kind: resource_ids::IDENTITY.to_owned(),
        group: i.group.clone(),
        location: i.location.clone(),
        tags: Some(json!(i.tags)),
    });
    let vaults = state.vaults.values().map(|v| ListedResource {
        id: resource_ids::vault(subscription, v),
        name: v.name.clone(),
        kind: resource_ids::VAULT.to_owned(),
        group: v.group.clone(),
        location: v.location.clone(),
        tags: Some(json!(v.tags)),
    });
    let sets = state.scale_sets.values().map(|s| ListedResource {
        id: resource_ids::scale_set(subscription, s),
        name: s.name.clone(),
        kind: resource_ids::SCALE_SET.to_owned(),
        group: s.group.clone(),
        location: s.location.clone(),
        tags: Some(json!(s.tags)),
    });
    let plain = state.plain.values().filter(|p| p.kind.matches('/').count() == 1).map(|p| ListedResource {
        id: p.id.clone(),
        name: p.name.clone(),
        kind: p.kind.clone(),
        group: p.group.clone(),
        location: p.location.clone().unwrap_or_default(),
        tags: p.tags.as_ref().map(|t| json!(t)),
    });
    clusters.chain(identities).chain(vaults).chain(sets).chain(plain).collect()
}

/// Supports `resourceType eq 'X'`, `name eq 'X'`, `resourceGroup eq 'X'` and `location eq 'X'`, joined by `and`.
pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| groups::id(call, g));
    let whole = access::may_list_all(call, "Microsoft.Resources/subscriptions/resources/read", &scope)?;
    let filter = call.request.query("$filter").unwrap_or_default();
    let mut wanted = Vec::new();
    for clause in filter::split_and(&filter) {
        let mut quoted = clause.split('\'');
        let (head, value) = (quoted.next().unwrap_or_default(), quoted.next());
        let words: Vec<String> = head.split_whitespace().map(ids::fold).collect();
        match (words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), value) {
            ([field @ ("resourcetype" | "name" | "resourcegroup" | "location"), "eq"], Some(value)) => {
                wanted.push(((*field).to_owned(), value.to_owned()))
            }
            _ => return Err(filter::bad_filter(&filter)),
        }
    }
    let fits = |e: &ListedResource| {
        group.is_none_or(|g| e.group.eq_ignore_ascii_case(g))
            && wanted.iter().all(|(field, value)| {
                let existing = match field.as_str() {
                    "resourcetype" => &e.kind,
                    "name" => &e.name,
                    "location" => &e.location,
                    _ => &e.group,
                };
                existing.eq_ignore_ascii_case(value)
            })
    };
    let value = all(call.state)
        .into_iter()
        .filter(fits)
        .filter(|e| whole || access::may(call, &format!("{}/read", e.kind), &e.id))
        .map(|e| {
            let mut body = json!({"id": e.id, "name": e.name, "type": e.kind, "location": e.location});
            if let Some(tags) = e.tags {
                body["tags"] = tags;
            }
            body
        })
        .collect();
    Ok(error::list(value))
}

/// Returns an error unless the scope exists: a subscription, a group, a resource, or something below a resource.
pub fn require_scope(call: &Call<'_>, scope: &str) -> Result<(), Response> {
    let path = Path::of(scope);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    match low.as_slice() {
        ["subscriptions", _, "resourcegroups", group] => groups::find(call, group).map(|_| ()),
        ["subscriptions", _, "resourcegroups", _, "providers", namespace, kind, name, ..] => {
            let group = groups::find(call, &path.parts[3])?;
            let key = ids::fold(&ids::group_id(&call.state.subscription, &group.name));
            let id = format!("{key}/providers/{namespace}/{kind}/{name}");
            if exists(call.state, &id) {
                Ok(())
            } else {
                Err(error::resource_not_found(&format!("{}/{}", path.parts[5], path.parts[6]), &path.parts[7], &group.name))
            }
        }
        ["providers", "microsoft.management", "managementgroups", name] if *name != call.state.tenant => {
            Err(error::gateway(404, "NotFound", format!("'{scope}' was not found.")))
        }
        _ => Ok(()),
    }
}

/// `id` is in lower case.
pub fn exists(state: &State, id: &str) -> bool {
    let own = state.identities.contains_key(id) || state.clusters.contains_key(id) || state.scale_sets.contains_key(id);
    let vault = || state.vaults.get(id.rsplit('/').next()?).filter(|v| ids::fold(&resource_ids::vault(&state.subscription, v)) == id);
    own || state.plain.contains_key(id) || vault().is_some()
}

/// Returns the ids of groups and resources by their lower-case form.
pub fn names(state: &State) -> BTreeMap<String, String> {
    let groups = state.groups.values().filter(|g| g.ending.is_none()).map(|g| ids::group_id(&state.subscription, &g.name));
    let resources = all(state).into_iter().map(|e| e.id);
    groups.chain(resources).map(|id| (ids::fold(&id), id)).collect()
}

/// Returns a scope in the casing of the resources themselves; the part below a resource stays as it is.
pub fn canonical(names: &BTreeMap<String, String>, scope: &str) -> String {
    let folded = ids::fold(scope);
    let mut above = folded.as_str();
    loop {
        if let Some(id) = names.get(above) {
            return format!("{id}{}", &scope[id.len()..]);
        }
        match above.rsplit_once('/') {
            Some((shorter, _)) => above = shorter,
            None => return folded,
        }
    }
}
