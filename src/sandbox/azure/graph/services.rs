//! Service principals of applications, which are created and deleted here, and of managed identities, which their resources create and
//! delete.

use super::{
    applications, first_party,
    replies::{CONTEXT, ODATA, absent, merge, no_method, refusal, typed},
};
use crate::{
    azure::{
        call::Call,
        directory, field_types, ids,
        state::{Principal, PrincipalType},
        times,
    },
    http::Response,
    lateness::{DelayKind, Late},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The writable fields: PATCH accepts them, and POST besides the `appId`.
const SETTABLE: [&str; 8] =
    ["accountEnabled", "appRoleAssignmentRequired", "description", "homepage", "loginUrl", "notes", "notificationEmailAddresses", "tags"];

const TYPES: field_types::FieldTypes = &[
    ("appId", field_types::FieldType::Text),
    ("accountEnabled", field_types::FieldType::Flag),
    ("appRoleAssignmentRequired", field_types::FieldType::Flag),
    ("description", field_types::FieldType::Text),
    ("homepage", field_types::FieldType::Text),
    ("loginUrl", field_types::FieldType::Text),
    ("notes", field_types::FieldType::Text),
    ("notificationEmailAddresses", field_types::FieldType::Texts),
    ("tags", field_types::FieldType::Texts),
];

/// `key` is the application id of `servicePrincipals(appId='X')`; `rest` are the segments after the collection.
pub fn route(call: &mut Call<'_>, request_id: &str, key: Option<&str>, rest: &[&str]) -> Response {
    let asked = key.or_else(|| rest.first().copied()).map(str::to_owned);
    let oid = match key {
        Some(app) => directory::by_app(call.state, app).map(|(oid, _)| oid.clone()),
        None => asked.as_ref().map(|id| ids::fold(id)),
    };
    let oid = oid.filter(|oid| call.state.principals.get(oid).is_some_and(|p| p.principal_type == PrincipalType::ServicePrincipal));
    match (call.request.method.as_str(), asked, oid, rest.len()) {
        ("GET", None, ..) => list(call, request_id),
        ("POST", None, ..) => create(call, request_id).unwrap_or_else(|refusal| refusal),
        (_, Some(asked), None, _) => absent(call, &asked, request_id),
        ("GET", Some(_), Some(oid), 0 | 1) => one(call, request_id, &oid),
        ("PATCH", Some(_), Some(oid), 0 | 1) => patch(call, request_id, &oid),
        ("DELETE", Some(_), Some(oid), 0 | 1) => {
            call.state.principals.remove(&oid);
            call.changed();
            Response::new(204)
        }
        _ => no_method(call, request_id),
    }
}

pub fn one(call: &Call<'_>, request_id: &str, oid: &str) -> Response {
    let existing = call.state.principals.get(&ids::fold(oid)).filter(|p| p.principal_type == PrincipalType::ServicePrincipal);
    match existing {
        Some(principal) => entity(call, &ids::fold(oid), principal, 200),
        None => absent(call, oid, request_id),
    }
}

fn entity(call: &Call<'_>, oid: &str, principal: &Principal, status: u16) -> Response {
    let mut body = json!({"@odata.context": format!("{CONTEXT}#servicePrincipals/$entity")});
    merge(&mut body, document(call, oid, principal));
    Response::json(status, ODATA, &body)
}

/// Supports `appId eq 'X'`, `displayName eq 'X'`, `startswith(displayName,'X')` and `servicePrincipalNames/any(c:c eq 'X')`.
fn list(call: &Call<'_>, request_id: &str) -> Response {
    let filter = call.request.query("$filter").unwrap_or_default();
    let wanted = filter.split('\'').nth(1).unwrap_or_default().to_owned();
    let shape = ids::fold(&filter).replace(' ', "");
    let fits: Box<dyn Fn(&Principal) -> bool + '_> = if filter.is_empty() {
        Box::new(|_| true)
    } else if shape.starts_with("appideq'") {
        Box::new(move |p| p.app_id.eq_ignore_ascii_case(&wanted))
    } else if shape.starts_with("displaynameeq'") {
        Box::new(move |p| p.display_name.eq_ignore_ascii_case(&wanted))
    } else if shape.starts_with("startswith(displayname,'") {
        Box::new(move |p| ids::fold(&p.display_name).starts_with(&ids::fold(&wanted)))
    } else if shape.starts_with("serviceprincipalnames/any(") {
        Box::new(move |p| names(call, p).iter().any(|n| n.eq_ignore_ascii_case(&wanted)))
    } else {
        return refusal(
            call,
            400,
            "Request_UnsupportedQuery",
            "Unsupported or invalid query filter clause specified for property of resource 'ServicePrincipal'.",
            request_id,
        );
    };
    let all = call.state.principals.iter().filter(|(_, p)| p.principal_type == PrincipalType::ServicePrincipal && fits(p));
    let value: Vec<Value> = all.map(|(oid, p)| document(call, oid, p)).collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#servicePrincipals"), "value": value}))
}

/// Creates the service principal of an application of this tenant or of Microsoft.
fn create(call: &mut Call<'_>, request_id: &str) -> Result<Response, Response> {
    let body = typed(call, request_id, "ServicePrincipal", TYPES)?;
    let app = body.get("appId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = applications::by_app(call.state, &app).map(|(_, a)| a.display_name.clone());
    let name = name.or_else(|| first_party::find(&app).map(|a| a.name.to_owned())).ok_or_else(|| {
        let message = format!("When using this permission, the backing application of the service principal being created must in the local tenant: no application '{app}' is there.");
        refusal(call, 400, "Request_BadRequest", &message, request_id)
    })?;
    if directory::by_app(call.state, &app).is_some() {
        let message = format!(
            "The service principal cannot be created, updated, or restored because the service principal name {app} is already in use."
        );
        return Err(refusal(call, 409, "Request_MultipleObjectsWithSameKeyValue", &message, request_id));
    }
    let run = call.state.next_generation(&format!("servicePrincipals/{app}")).to_string();
    let oid = ids::guid(&["principal", "application", &ids::fold(&app), &run]);
    let principal = Principal {
        principal_type: PrincipalType::ServicePrincipal,
        more: settable(&body),
        app_id: ids::fold(&app),
        display_name: name,
        created: call.now,
        resource_id: None,
        secret: None,
        late: Late::new(DelayKind::Principal, call.rules.lateness, call.now),
    };
    let place =
        format!("https://graph.microsoft.com/v2/{}/directoryObjects/{oid}/Microsoft.DirectoryServices.ServicePrincipal", call.state.tenant);
    let response = entity(call, &oid, &principal, 201).with("location", place);
    call.state.principals.insert(oid, principal);
    call.changed();
    Ok(response)
}

fn settable(body: &Map<String, Value>) -> Map<String, Value> {
    body.iter().filter(|(name, _)| SETTABLE.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn patch(call: &mut Call<'_>, request_id: &str, oid: &str) -> Response {
    let body = match typed(call, request_id, "ServicePrincipal", TYPES) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if let Some(principal) = call.state.principals.get_mut(oid) {
        principal.more.extend(settable(&body));
        call.changed();
    }
    Response::new(204)
}

fn names(call: &Call<'_>, principal: &Principal) -> Vec<String> {
    let uris = match &principal.resource_id {
        Some(id) => vec![format!("https://identity.azure.net/{}", STANDARD.encode(Sha256::digest(ids::fold(id))))],
        None => match first_party::find(&principal.app_id) {
            Some(own) => own.uris.iter().map(|uri| (*uri).to_owned()).collect(),
            None => applications::by_app(call.state, &principal.app_id).map_or(Vec::new(), |(_, a)| a.texts("identifierUris")),
        },
    };
    std::iter::once(principal.app_id.clone()).chain(uris).collect()
}

/// Azure creates the certificate of a managed identity and renews it every 90 days.
fn credentials(principal: &Principal) -> Value {
    if principal.resource_id.is_none() {
        return json!([]);
    }
    let thumbprint = format!("{}{}", ids::hex(&["certificate", &principal.app_id]), &ids::hex(&["thumbprint", &principal.app_id])[..8]);
    json!([{"customKeyIdentifier": thumbprint.to_ascii_uppercase(), "displayName": format!("CN={}", principal.app_id),
        "endDateTime": times::seconds(principal.created.saturating_add(90 * times::DAY)), "key": null, "keyId": ids::guid(&["certificate", &principal.app_id]),
        "startDateTime": times::seconds(principal.created), "type": "AsymmetricX509Cert", "usage": "Verify"}])
}

/// Returns the document with all the nulls of the recorded one.
pub fn document(call: &Call<'_>, oid: &str, principal: &Principal) -> Value {
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
    let mut body = json!({
        "id": oid, "deletedDateTime": null, "accountEnabled": true, "alternativeNames": alternative,
        "appDisplayName": if managed { Value::Null } else { json!(principal.display_name) }, "appDescription": null,
        "appId": principal.app_id, "applicationTemplateId": null,
        "appOwnerOrganizationId": if managed { Value::Null } else { json!(call.state.tenant) },
        "appRoleAssignmentRequired": false, "createdDateTime": times::seconds(principal.created), "description": null,
        "disabledByMicrosoftStatus": null, "displayName": principal.display_name, "homepage": null, "loginUrl": null, "logoutUrl": null,
        "notes": null, "notificationEmailAddresses": [], "preferredSingleSignOnMode": null, "preferredTokenSigningKeyThumbprint": null,
        "replyUrls": [], "servicePrincipalNames": names(call, principal),
        "servicePrincipalType": if managed { "ManagedIdentity" } else { "Application" },
        "signInAudience": if managed { Value::Null } else { json!("AzureADMyOrg") }, "tags": [], "tokenEncryptionKeyId": null,
        "info": info, "samlSingleSignOnSettings": null, "addIns": [], "appRoles": [], "keyCredentials": credentials(principal),
        "oauth2PermissionScopes": [], "passwordCredentials": [], "resourceSpecificApplicationPermissions": [],
        "verifiedPublisher": {"displayName": null, "verifiedPublisherId": null, "addedDateTime": null},
    });
    if let Some(own) = first_party::find(&principal.app_id) {
        let scopes: Vec<Value> = own.scopes.iter().map(|(value, title)| scope(own.app_id, value, title)).collect();
        merge(
            &mut body,
            json!({"appOwnerOrganizationId": first_party::TENANT, "createdDateTime": null, "replyUrls": own.replies,
                "signInAudience": "AzureADMultipleOrgs", "oauth2PermissionScopes": scopes}),
        );
    } else if let Some((_, application)) = applications::by_app(call.state, &principal.app_id) {
        merge(&mut body, application.shown_by_its_principal());
    }
    merge(&mut body, Value::Object(settable(&principal.more)));
    body
}

fn scope(app_id: &str, value: &str, title: &str) -> Value {
    json!({"adminConsentDescription": title, "adminConsentDisplayName": title, "id": ids::guid(&["scope", app_id, value]), "isEnabled": true,
        "type": "User", "userConsentDescription": title, "userConsentDisplayName": title, "value": value})
}
