//! Users and groups of the directory: made, read, found and ended, as far as role assignments need them. None of them logs in.

use super::{CONTEXT, ODATA, absent, merge, refusal, typed};
use crate::{
    azure::{
        Call, ids, shape,
        state::{Principal, Sort},
        times,
    },
    http::Response,
    lateness::{Kind, Late},
};
use serde_json::{Value, json};

const TYPES: shape::Table = &[
    ("displayName", shape::Kind::Text),
    ("userPrincipalName", shape::Kind::Text),
    ("mail", shape::Kind::Text),
    ("mailNickname", shape::Kind::Text),
    ("givenName", shape::Kind::Text),
    ("surname", shape::Kind::Text),
    ("jobTitle", shape::Kind::Text),
    ("description", shape::Kind::Text),
];

/// The collection of Graph, where the word names one.
pub fn sort(word: &str) -> Option<Sort> {
    match ids::fold(word).as_str() {
        "users" => Some(Sort::User),
        "groups" => Some(Sort::Group),
        _ => None,
    }
}

const fn collection(sort: Sort) -> &'static str {
    match sort {
        Sort::User => "users",
        Sort::Group => "groups",
        Sort::ServicePrincipal => "servicePrincipals",
    }
}

pub fn document(oid: &str, principal: &Principal) -> Value {
    let more = |name: &str| principal.more.get(name).cloned().unwrap_or(Value::Null);
    if principal.sort == Sort::User {
        return json!({"id": oid, "businessPhones": [], "displayName": principal.display_name, "givenName": more("givenName"),
            "jobTitle": more("jobTitle"), "mail": more("mail"), "mobilePhone": null, "officeLocation": null, "preferredLanguage": null,
            "surname": more("surname"), "userPrincipalName": more("userPrincipalName")});
    }
    json!({"id": oid, "deletedDateTime": null, "classification": null, "createdDateTime": times::seconds(principal.created),
        "creationOptions": [], "description": more("description"), "displayName": principal.display_name, "expirationDateTime": null,
        "groupTypes": [], "isAssignableToRole": null, "mail": more("mail"), "mailEnabled": false, "mailNickname": more("mailNickname"),
        "membershipRule": null, "membershipRuleProcessingState": null, "onPremisesSyncEnabled": null, "proxyAddresses": [],
        "renewedDateTime": times::seconds(principal.created), "securityEnabled": true, "theme": null, "visibility": null})
}

fn entity(oid: &str, principal: &Principal, status: u16) -> Response {
    let mut body = json!({"@odata.context": format!("{CONTEXT}#{}/$entity", collection(principal.sort))});
    merge(&mut body, document(oid, principal));
    Response::json(status, ODATA, &body)
}

/// A user is also found by its userPrincipalName.
fn find(call: &Call<'_>, sort: Sort, asked: &str) -> Option<String> {
    let named = |p: &Principal| p.more.get("userPrincipalName").and_then(Value::as_str).is_some_and(|n| n.eq_ignore_ascii_case(asked));
    let all = call.state.principals.iter().filter(|(_, p)| p.sort == sort);
    all.filter(|(oid, p)| oid.eq_ignore_ascii_case(asked) || named(p)).map(|(oid, _)| oid.clone()).next()
}

pub fn one(call: &mut Call<'_>, request_id: &str, sort: Sort, asked: &str) -> Response {
    let oid = find(call, sort, asked);
    let Some(oid) = oid.filter(|oid| call.state.principals.contains_key(oid)) else { return absent(call, asked, request_id) };
    if call.request.method == "DELETE" {
        call.state.principals.remove(&oid);
        call.changed();
        return Response::new(204);
    }
    match call.state.principals.get(&oid) {
        Some(principal) => entity(&oid, principal, 200),
        None => absent(call, asked, request_id),
    }
}

/// `userPrincipalName eq 'X'`, `displayName eq 'X'`, `mail eq 'X'`, joined by `or`; or all.
pub fn list(call: &Call<'_>, request_id: &str, sort: Sort) -> Response {
    let filter = call.request.query("$filter").unwrap_or_default();
    let mut wanted = Vec::new();
    for clause in filter.split(" or ").filter(|c| !c.trim().is_empty()) {
        match clause.trim().split_once(" eq '") {
            Some((field, value)) => wanted.push((field.to_owned(), value.trim_end_matches('\'').to_owned())),
            None => {
                return refusal(call, 400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.", request_id);
            }
        }
    }
    let fits = |body: &Value| {
        wanted.is_empty() || wanted.iter().any(|(field, value)| body[field].as_str().is_some_and(|v| v.eq_ignore_ascii_case(value)))
    };
    let all = call.state.principals.iter().filter(|(_, p)| p.sort == sort).map(|(oid, p)| document(oid, p));
    let value: Vec<Value> = all.filter(fits).collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#{}", collection(sort)), "value": value}))
}

/// What it was sent of a password is not kept: nobody logs in as a user here.
pub fn create(call: &mut Call<'_>, request_id: &str, sort: Sort) -> Response {
    let entity_name = if sort == Sort::User { "User" } else { "Group" };
    let body = match typed(call, request_id, entity_name, TYPES) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(display_name), Some(nickname)) = (text("displayName"), text("mailNickname")) else {
        return refusal(call, 400, "Request_BadRequest", "A value is required for property 'displayName' of resource.", request_id);
    };
    let name = text("userPrincipalName").unwrap_or_else(|| nickname.clone());
    if sort == Sort::User && find(call, sort, &name).is_some() {
        return refusal(
            call,
            400,
            "Request_BadRequest",
            "Another object with the same value for property userPrincipalName already exists.",
            request_id,
        );
    }
    let known = ["userPrincipalName", "mail", "mailNickname", "givenName", "surname", "jobTitle", "description"];
    let run = call.state.next_generation(&format!("{}/{name}", collection(sort))).to_string();
    let oid = ids::guid(&["principal", collection(sort), &ids::fold(&name), &run]);
    let principal = Principal {
        sort,
        more: body.iter().filter(|(n, _)| known.contains(&n.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect(),
        app_id: String::new(),
        display_name,
        created: call.now,
        resource_id: None,
        secret: None,
        late: Late::new(Kind::Principal, call.rules.lateness, call.now),
    };
    let response = entity(&oid, &principal, 201);
    call.state.principals.insert(oid, principal);
    call.changed();
    response
}
