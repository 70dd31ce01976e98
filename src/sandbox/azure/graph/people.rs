//! Users and groups of the directory, as far as role assignments need them. None of them can sign in.

use super::replies::{CONTEXT, ODATA, absent, merge, refusal, typed};
use crate::{
    azure::{
        call::Call,
        field_types, ids,
        state::{Principal, PrincipalType},
        times,
    },
    http::Response,
    lateness::{DelayKind, Late},
};
use serde_json::{Value, json};

const TYPES: field_types::FieldTypes = &[
    ("displayName", field_types::FieldType::Text),
    ("userPrincipalName", field_types::FieldType::Text),
    ("mail", field_types::FieldType::Text),
    ("mailNickname", field_types::FieldType::Text),
    ("givenName", field_types::FieldType::Text),
    ("surname", field_types::FieldType::Text),
    ("jobTitle", field_types::FieldType::Text),
    ("description", field_types::FieldType::Text),
];

/// Returns the type that a collection of Graph holds.
pub fn principal_type(word: &str) -> Option<PrincipalType> {
    match ids::fold(word).as_str() {
        "users" => Some(PrincipalType::User),
        "groups" => Some(PrincipalType::Group),
        _ => None,
    }
}

const fn collection(principal_type: PrincipalType) -> &'static str {
    match principal_type {
        PrincipalType::User => "users",
        PrincipalType::Group => "groups",
        PrincipalType::ServicePrincipal => "servicePrincipals",
    }
}

pub fn document(oid: &str, principal: &Principal) -> Value {
    let more = |name: &str| principal.more.get(name).cloned().unwrap_or(Value::Null);
    if principal.principal_type == PrincipalType::User {
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
    let mut body = json!({"@odata.context": format!("{CONTEXT}#{}/$entity", collection(principal.principal_type))});
    merge(&mut body, document(oid, principal));
    Response::json(status, ODATA, &body)
}

/// A user is also found by its userPrincipalName.
fn find(call: &Call<'_>, principal_type: PrincipalType, asked: &str) -> Option<String> {
    let named = |p: &Principal| p.more.get("userPrincipalName").and_then(Value::as_str).is_some_and(|n| n.eq_ignore_ascii_case(asked));
    let all = call.state.principals.iter().filter(|(_, p)| p.principal_type == principal_type);
    all.filter(|(oid, p)| oid.eq_ignore_ascii_case(asked) || named(p)).map(|(oid, _)| oid.clone()).next()
}

pub fn one(call: &mut Call<'_>, request_id: &str, principal_type: PrincipalType, asked: &str) -> Response {
    let oid = find(call, principal_type, asked);
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

/// Supports `userPrincipalName eq 'X'`, `displayName eq 'X'` and `mail eq 'X'`, joined by `or`.
pub fn list(call: &Call<'_>, request_id: &str, principal_type: PrincipalType) -> Response {
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
    let all = call.state.principals.iter().filter(|(_, p)| p.principal_type == principal_type).map(|(oid, p)| document(oid, p));
    let value: Vec<Value> = all.filter(fits).collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#{}", collection(principal_type)), "value": value}))
}

/// Passwords are not stored, because users cannot sign in here.
pub fn create(call: &mut Call<'_>, request_id: &str, principal_type: PrincipalType) -> Response {
    let entity_name = if principal_type == PrincipalType::User { "User" } else { "Group" };
    let body = match typed(call, request_id, entity_name, TYPES) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(display_name), Some(nickname)) = (text("displayName"), text("mailNickname")) else {
        return refusal(call, 400, "Request_BadRequest", "A value is required for property 'displayName' of resource.", request_id);
    };
    let name = text("userPrincipalName").unwrap_or_else(|| nickname.clone());
    if principal_type == PrincipalType::User && find(call, principal_type, &name).is_some() {
        return refusal(
            call,
            400,
            "Request_BadRequest",
            "Another object with the same value for property userPrincipalName already exists.",
            request_id,
        );
    }
    let known = ["userPrincipalName", "mail", "mailNickname", "givenName", "surname", "jobTitle", "description"];
    let run = call.state.next_generation(&format!("{}/{name}", collection(principal_type))).to_string();
    let oid = ids::guid(&["principal", collection(principal_type), &ids::fold(&name), &run]);
    let principal = Principal {
        principal_type,
        more: body.iter().filter(|(n, _)| known.contains(&n.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect(),
        app_id: String::new(),
        display_name,
        created: call.now,
        resource_id: None,
        secret: None,
        late: Late::new(DelayKind::Principal, call.rules.lateness, call.now),
    };
    let response = entity(&oid, &principal, 201);
    call.state.principals.insert(oid, principal);
    call.changed();
    response
}
