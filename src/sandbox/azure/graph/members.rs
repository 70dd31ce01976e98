//! Members of groups. Members have the permissions of their group. As in Graph, v1.0 leaves service principals out of lists of members
//! (<https://learn.microsoft.com/graph/api/group-list-members>), and beta does not.

use super::{
    people,
    replies::{CONTEXT, ODATA, absent, merge, no_method, object, refusal},
    services,
};
use crate::{
    azure::{call::Call, directory, ids, state::PrincipalType},
    http::Response,
};
use serde_json::{Value, json};

/// `rest` are the segments after `members`.
pub fn route(call: &mut Call<'_>, request_id: &str, group: &str, rest: &[&str]) -> Response {
    let key = ids::fold(group);
    if !is_group(call, &key) {
        return absent(call, group, request_id);
    }
    match (call.request.method.as_str(), rest) {
        ("GET", []) => list(call, &call.state.members.get(&key).cloned().unwrap_or_default()),
        ("POST", [reference]) if is_reference(reference) => add(call, request_id, &key),
        ("DELETE", [member, reference]) if is_reference(reference) => remove(call, request_id, &key, member),
        _ => no_method(call, request_id),
    }
}

fn is_group(call: &Call<'_>, key: &str) -> bool {
    call.state.principals.get(key).is_some_and(|p| p.principal_type == PrincipalType::Group)
}

/// Lists the members of a group and of the groups in it, these groups among them.
pub fn transitive(call: &Call<'_>, request_id: &str, group: &str) -> Response {
    let key = ids::fold(group);
    if !is_group(call, &key) {
        return absent(call, group, request_id);
    }
    let (mut all, mut at): (Vec<String>, usize) = (call.state.members.get(&key).cloned().unwrap_or_default(), 0);
    while let Some(next) = all.get(at).cloned() {
        for member in call.state.members.get(&next).into_iter().flatten() {
            if !all.contains(member) && *member != key {
                all.push(member.clone());
            }
        }
        at += 1;
    }
    list(call, &all)
}

/// Lists the groups that a service principal is in, also by other groups.
pub fn groups_of(call: &Call<'_>, request_id: &str, principal: &str) -> Response {
    let key = ids::fold(principal);
    if call.state.principals.get(&key).is_none_or(|p| p.principal_type != PrincipalType::ServicePrincipal) {
        return absent(call, principal, request_id);
    }
    let groups: Vec<String> = directory::with_groups(call.state, &key).into_iter().skip(1).map(str::to_owned).collect();
    list(call, &groups)
}

fn is_reference(word: &str) -> bool {
    matches!(word, "$ref" | "%24ref")
}

fn list(call: &Call<'_>, all: &[String]) -> Response {
    let is_beta = call.request.path.to_ascii_lowercase().starts_with("/beta/");
    let value: Vec<Value> = all
        .iter()
        .filter_map(|oid| call.state.principals.get(oid).map(|p| (oid, p)))
        .filter(|(_, p)| is_beta || p.principal_type != PrincipalType::ServicePrincipal)
        .map(|(oid, p)| {
            let (word, document) = match p.principal_type {
                PrincipalType::ServicePrincipal => ("servicePrincipal", services::document(call, oid, p)),
                PrincipalType::User => ("user", people::document(oid, p)),
                PrincipalType::Group => ("group", people::document(oid, p)),
            };
            let mut body = json!({"@odata.type": format!("#microsoft.graph.{word}")});
            merge(&mut body, document);
            body
        })
        .collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#directoryObjects"), "value": value}))
}

fn add(call: &mut Call<'_>, request_id: &str, group: &str) -> Response {
    let body = match object(call, request_id) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let reference = body.get("@odata.id").and_then(Value::as_str).unwrap_or_default();
    let member = ids::fold(reference.rsplit('/').next().unwrap_or_default());
    if !call.state.principals.contains_key(&member) {
        return absent(call, &member, request_id);
    }
    let mut members = call.state.members.get(group).cloned().unwrap_or_default();
    if members.contains(&member) {
        let message = "One or more added object references already exist for the following modified properties: 'members'.";
        return refusal(call, 400, "Request_BadRequest", message, request_id);
    }
    members.push(member);
    call.state.members.insert(group.to_owned(), members);
    call.changed();
    Response::new(204)
}

fn remove(call: &mut Call<'_>, request_id: &str, group: &str, member: &str) -> Response {
    let mut members = call.state.members.get(group).cloned().unwrap_or_default();
    let before = members.len();
    members.retain(|m| !m.eq_ignore_ascii_case(member));
    if members.len() == before {
        return absent(call, member, request_id);
    }
    call.state.members.insert(group.to_owned(), members);
    call.changed();
    Response::new(204)
}
