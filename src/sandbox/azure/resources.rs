//! All ARM resources as one list, whatever their kind: for `…/resources?$filter=`, and to tell whether a scope is there.

use super::{Answer, Call, access, clusters, error, groups, identities, ids, scale_sets, state::State, vaults};
use crate::http::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub struct Entry {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub group: String,
    pub location: String,
    pub tags: Option<Value>,
}

pub fn all(state: &State) -> Vec<Entry> {
    let subscription = &state.subscription;
    let clusters = state.clusters.values().map(|c| Entry {
        id: ids::resource_id(subscription, &c.group, clusters::KIND, &c.name),
        name: c.name.clone(),
        kind: clusters::KIND.to_owned(),
        group: c.group.clone(),
        location: c.location.clone(),
        tags: None,
    });
    let identities = state.identities.values().map(|i| Entry {
        id: ids::resource_id(subscription, &i.group, identities::KIND, &i.name),
        name: i.name.clone(),
        kind: identities::KIND.to_owned(),
        group: i.group.clone(),
        location: i.location.clone(),
        tags: Some(json!(i.tags)),
    });
    let vaults = state.vaults.values().map(|v| Entry {
        id: vaults::id(subscription, v),
        name: v.name.clone(),
        kind: vaults::KIND.to_owned(),
        group: v.group.clone(),
        location: v.location.clone(),
        tags: Some(json!(v.tags)),
    });
    let sets = state.scale_sets.values().map(|s| Entry {
        id: scale_sets::id(subscription, s),
        name: s.name.clone(),
        kind: scale_sets::KIND.to_owned(),
        group: s.group.clone(),
        location: s.location.clone(),
        tags: Some(json!(s.tags)),
    });
    let plain = state.plain.values().filter(|p| p.kind.matches('/').count() == 1).map(|p| Entry {
        id: p.id.clone(),
        name: p.name.clone(),
        kind: p.kind.clone(),
        group: p.group.clone(),
        location: p.location.clone().unwrap_or_default(),
        tags: p.tags.as_ref().map(|t| json!(t)),
    });
    clusters.chain(identities).chain(vaults).chain(sets).chain(plain).collect()
}

/// `resourceType eq 'X'`, `name eq 'X'`, `resourceGroup eq 'X'`, joined by `and`.
pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| groups::id(call, g));
    let whole = access::sees_all(call, "Microsoft.Resources/subscriptions/resources/read", &scope)?;
    let filter = call.request.query("$filter").unwrap_or_default();
    let mut wanted = Vec::new();
    for clause in split_and(&filter) {
        let mut quoted = clause.split('\'');
        let (head, value) = (quoted.next().unwrap_or_default(), quoted.next());
        let words: Vec<String> = head.split_whitespace().map(ids::fold).collect();
        match (words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), value) {
            ([field @ ("resourcetype" | "name" | "resourcegroup" | "location"), "eq"], Some(value)) => {
                wanted.push(((*field).to_owned(), value.to_owned()))
            }
            _ => return Err(bad_filter(&filter)),
        }
    }
    let fits = |e: &Entry| {
        group.is_none_or(|g| e.group.eq_ignore_ascii_case(g))
            && wanted.iter().all(|(field, value)| {
                let there = match field.as_str() {
                    "resourcetype" => &e.kind,
                    "name" => &e.name,
                    "location" => &e.location,
                    _ => &e.group,
                };
                there.eq_ignore_ascii_case(value)
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

pub fn bad_filter(filter: &str) -> Response {
    error::gateway(400, "InvalidFilterInQueryString", format!("Invalid $filter '{filter}' specified in the query string."))
}

/// The clauses of a filter.
pub fn split_and(filter: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted) = (0, false);
    let folded = ids::fold(filter);
    for (at, c) in filter.char_indices() {
        if c == '\'' {
            quoted = !quoted;
        }
        if !quoted && folded[at..].starts_with(" and ") {
            parts.push(filter[from..at].trim());
            from = at + 5;
        }
    }
    parts.push(filter[from.min(filter.len())..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

/// Whether a scope is there: a subscription, a group, a resource, or something below a resource.
pub fn require_scope(call: &Call<'_>, scope: &str) -> Result<(), Response> {
    let path = super::arm::Path::of(scope);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    match low.as_slice() {
        ["subscriptions", _, "resourcegroups", group] => groups::find(call, group).map(|_| ()),
        ["subscriptions", _, "resourcegroups", _, "providers", namespace, kind, name, ..] => {
            let group = groups::find(call, &path.parts[3])?;
            let key = ids::fold(&ids::group_id(&call.state.subscription, &group.name));
            let id = format!("{key}/providers/{namespace}/{kind}/{name}");
            if is_there(call.state, &id) {
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

/// By folded id.
pub fn is_there(state: &State, id: &str) -> bool {
    let own = state.identities.contains_key(id) || state.clusters.contains_key(id) || state.scale_sets.contains_key(id);
    let vault = || state.vaults.get(id.rsplit('/').next()?).filter(|v| ids::fold(&vaults::id(&state.subscription, v)) == id);
    own || state.plain.contains_key(id) || vault().is_some()
}

/// Folded ids of groups and resources, with those ids as they are.
pub fn names(state: &State) -> BTreeMap<String, String> {
    let groups = state.groups.values().filter(|g| g.ending.is_none()).map(|g| ids::group_id(&state.subscription, &g.name));
    let resources = all(state).into_iter().map(|e| e.id);
    groups.chain(resources).map(|id| (ids::fold(&id), id)).collect()
}

/// A scope in the casing that the resources themselves have; what is below a resource stays as it came.
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
