//! Microsoft Graph, as far as role and policy tools ask it: service principals by id and filter, users and groups, and objects by ids.

mod people;

use super::{
    Call, access, ids,
    state::{Principal, Sort},
    times, token,
};
use crate::sandbox::http::Response;
use serde_json::{Value, json};

const ODATA: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";

pub fn answer(call: &mut Call<'_>) -> Response {
    let request_id = ids::random();
    let response = match token::check(
        call,
        &["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"],
    ) {
        Ok(caller) => {
            call.caller = caller;
            route(call, &request_id)
        }
        Err(fault) => refusal(
            call,
            401,
            "InvalidAuthenticationToken",
            match fault {
                token::Fault::Missing => "Access token is empty.",
                token::Fault::Malformed => "CompactToken parsing failed with error code: 80049217",
                token::Fault::Expired(_) => "Lifetime validation failed, the token is expired.",
                token::Fault::Audience(_) => "Access token validation failure. Invalid audience.",
            },
            &request_id,
        ),
    };
    response
        .with("cache-control", "no-cache")
        .with("request-id", &request_id)
        .with("client-request-id", call.request.header("client-request-id").unwrap_or(&request_id))
        .with("odata-version", "4.0")
        .with("strict-transport-security", "max-age=31536000")
        .with(
            "x-ms-ags-diagnostic",
            r#"{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"001","RoleInstance":"AM1PEPF000166AB"}}"#,
        )
        .with("x-ms-resource-unit", "1")
}

/// `innerError.date` has no zone.
fn refusal(call: &Call<'_>, status: u16, code: &str, message: &str, request_id: &str) -> Response {
    let date = times::seconds(call.now);
    let client = call.request.header("client-request-id").unwrap_or(request_id);
    Response::json(
        status,
        "application/json",
        &json!({"error": {"code": code, "message": message,
            "innerError": {"date": date.trim_end_matches('Z'), "request-id": request_id, "client-request-id": client}}}),
    )
}

fn route(call: &mut Call<'_>, request_id: &str) -> Response {
    // the word for `deny`: Graph's permissions are no actions of a role
    if access::denied(call, "graph") {
        return refusal(call, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", request_id);
    }
    let parts: Vec<String> = call.request.path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let words: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    if let Some(sort) = words.first().and_then(|kind| people::sort(kind)) {
        match (call.request.method.as_str(), words.as_slice()) {
            ("GET" | "DELETE", [_, asked]) => return people::one(call, request_id, sort, asked),
            ("GET", [_]) => return people::list(call, request_id, sort),
            ("POST", [_]) => return people::create(call, request_id, sort),
            _ => {}
        }
    }
    match (call.request.method.as_str(), words.as_slice()) {
        ("GET", [kind]) if kind.eq_ignore_ascii_case("servicePrincipals") => by_filter(call, request_id),
        ("GET", [kind]) if ids::fold(kind).starts_with("serviceprincipals(") => {
            let app = kind.split('\'').nth(1).unwrap_or_default().to_owned();
            found(call, request_id, &app, |_, p| p.app_id.eq_ignore_ascii_case(&app))
        }
        ("GET", [kind, id]) if kind.eq_ignore_ascii_case("servicePrincipals") || kind.eq_ignore_ascii_case("directoryObjects") => {
            found(call, request_id, id, |oid, _| oid.eq_ignore_ascii_case(id))
        }
        ("POST", [kind, verb]) if kind.eq_ignore_ascii_case("directoryObjects") && verb.eq_ignore_ascii_case("getByIds") => {
            by_ids(call, request_id)
        }
        ("GET", [me]) if me.eq_ignore_ascii_case("me") => {
            refusal(call, 400, "BadRequest", "/me request is only valid with delegated authentication flow.", request_id)
        }
        (_, [kind, ..]) => refusal(call, 400, "BadRequest", &format!("Resource not found for the segment '{kind}'."), request_id),
        _ => refusal(call, 400, "BadRequest", "Empty Path", request_id),
    }
}

fn found(call: &Call<'_>, request_id: &str, asked: &str, fits: impl Fn(&str, &Principal) -> bool) -> Response {
    match call.state.principals.iter().filter(|(_, p)| p.sort == Sort::ServicePrincipal).find(|(oid, p)| fits(oid, p)) {
        Some((oid, principal)) => {
            let mut body = json!({"@odata.context": format!("{CONTEXT}#servicePrincipals/$entity")});
            merge(&mut body, object(call, oid, principal));
            Response::json(200, ODATA, &body)
        }
        None => absent(call, asked, request_id),
    }
}

fn absent(call: &Call<'_>, asked: &str, request_id: &str) -> Response {
    refusal(
        call,
        404,
        "Request_ResourceNotFound",
        &format!("Resource '{asked}' does not exist or one of its queried reference-property objects are not present."),
        request_id,
    )
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// `appId eq 'X'`, `displayName eq 'X'`, `startswith(displayName,'X')`, `servicePrincipalNames/any(c:c eq 'X')`.
fn by_filter(call: &Call<'_>, request_id: &str) -> Response {
    let filter = call.request.query("$filter").unwrap_or_default();
    let wanted = filter.split('\'').nth(1).unwrap_or_default().to_owned();
    let shape = ids::fold(&filter).replace(' ', "");
    let fits: Box<dyn Fn(&Principal) -> bool> = if filter.is_empty() {
        Box::new(|_| true)
    } else if shape.starts_with("appideq'") {
        Box::new(move |p| p.app_id.eq_ignore_ascii_case(&wanted))
    } else if shape.starts_with("displaynameeq'") {
        Box::new(move |p| p.display_name.eq_ignore_ascii_case(&wanted))
    } else if shape.starts_with("startswith(displayname,'") {
        Box::new(move |p| ids::fold(&p.display_name).starts_with(&ids::fold(&wanted)))
    } else if shape.starts_with("serviceprincipalnames/any(") {
        Box::new(move |p| names(p).iter().any(|n| n.eq_ignore_ascii_case(&wanted)))
    } else {
        return refusal(
            call,
            400,
            "Request_UnsupportedQuery",
            "Unsupported or invalid query filter clause specified for property of resource 'ServicePrincipal'.",
            request_id,
        );
    };
    let value: Vec<Value> = call
        .state
        .principals
        .iter()
        .filter(|(_, p)| p.sort == Sort::ServicePrincipal && fits(p))
        .map(|(oid, p)| object(call, oid, p))
        .collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#servicePrincipals"), "value": value}))
}

fn by_ids(call: &Call<'_>, request_id: &str) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&call.request.body) else {
        return refusal(
            call,
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            request_id,
        );
    };
    let texts = |name: &str| -> Vec<String> {
        body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(ids::fold).collect()
    };
    let (asked, types) = (texts("ids"), texts("types"));
    let typed = |sort: Sort| types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(sort.word()) || t == "directoryobject");
    let value: Vec<Value> = call
        .state
        .principals
        .iter()
        .filter(|(oid, p)| typed(p.sort) && asked.contains(oid))
        .map(|(oid, p)| {
            let (word, object) = match p.sort {
                Sort::ServicePrincipal => ("servicePrincipal", object(call, oid, p)),
                Sort::User => ("user", people::document(oid, p)),
                Sort::Group => ("group", people::document(oid, p)),
            };
            let mut body = json!({"@odata.type": format!("#microsoft.graph.{word}")});
            merge(&mut body, object);
            body
        })
        .collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#directoryObjects"), "value": value}))
        .with("location", "https://graph.microsoft.com")
}

fn names(principal: &Principal) -> Vec<String> {
    match &principal.resource_id {
        Some(id) => vec![principal.app_id.clone(), format!("https://identity.azure.net/{}", ids::hex(&["spn", id]))],
        None => vec![principal.app_id.clone()],
    }
}

/// A managed identity has a certificate that Azure made and turns over every 90 days.
fn credentials(principal: &Principal) -> Value {
    if principal.resource_id.is_none() {
        return json!([]);
    }
    let thumbprint = format!("{}{}", ids::hex(&["certificate", &principal.app_id]), &ids::hex(&["thumbprint", &principal.app_id])[..8]);
    json!([{"customKeyIdentifier": thumbprint.to_ascii_uppercase(), "displayName": format!("CN={}", principal.app_id),
        "endDateTime": times::seconds(principal.created + 90 * times::DAY), "key": null, "keyId": ids::guid(&["certificate", &principal.app_id]),
        "startDateTime": times::seconds(principal.created), "type": "AsymmetricX509Cert", "usage": "Verify"}])
}

/// With the many explicit nulls of the real one.
fn object(call: &Call<'_>, oid: &str, principal: &Principal) -> Value {
    let managed = principal.resource_id.is_some();
    let alternative: Vec<String> = match &principal.resource_id {
        Some(id) => vec![format!("isExplicit={}", if id.contains("userAssignedIdentities") { "True" } else { "False" }), id.clone()],
        None => Vec::new(),
    };
    let info = if managed {
        Value::Null
    } else {
        json!({"logoUrl": null, "marketingUrl": null, "privacyStatementUrl": null, "supportUrl": null, "termsOfServiceUrl": null})
    };
    json!({
        "id": oid, "deletedDateTime": null, "accountEnabled": true, "alternativeNames": alternative,
        "appDisplayName": if managed { Value::Null } else { json!(principal.display_name) }, "appDescription": null,
        "appId": principal.app_id, "applicationTemplateId": null,
        "appOwnerOrganizationId": if managed { Value::Null } else { json!(call.state.tenant) },
        "appRoleAssignmentRequired": false, "createdDateTime": times::seconds(principal.created), "description": null,
        "disabledByMicrosoftStatus": null, "displayName": principal.display_name, "homepage": null, "loginUrl": null, "logoutUrl": null,
        "notes": null, "notificationEmailAddresses": [], "preferredSingleSignOnMode": null, "preferredTokenSigningKeyThumbprint": null,
        "replyUrls": [], "servicePrincipalNames": names(principal),
        "servicePrincipalType": if managed { "ManagedIdentity" } else { "Application" },
        "signInAudience": if managed { Value::Null } else { json!("AzureADMyOrg") }, "tags": [], "tokenEncryptionKeyId": null,
        "info": info, "samlSingleSignOnSettings": null, "addIns": [], "appRoles": [], "keyCredentials": credentials(principal),
        "oauth2PermissionScopes": [], "passwordCredentials": [], "resourceSpecificApplicationPermissions": [],
        "verifiedPublisher": {"displayName": null, "verifiedPublisherId": null, "addedDateTime": null},
    })
}
