//! Applications registered in the tenant, with their passwords. A password signs in as the application's service principal.

use super::replies::{CONTEXT, ODATA, absent, merge, no_method, refusal, typed};
use crate::{
    azure::{
        call::Call,
        directory,
        field_types::{FieldType, FieldTypes},
        ids,
        state::{Application, Password, State},
        times,
    },
    http::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// The writable fields of an application besides its name, as Graph names them.
const SETTABLE: [&str; 12] = [
    "api",
    "appRoles",
    "description",
    "identifierUris",
    "info",
    "isFallbackPublicClient",
    "notes",
    "publicClient",
    "requiredResourceAccess",
    "signInAudience",
    "tags",
    "web",
];
const TYPES: FieldTypes = &[
    ("displayName", FieldType::Text),
    ("api", FieldType::Object),
    ("api.oauth2PermissionScopes", FieldType::List),
    ("appRoles", FieldType::List),
    ("description", FieldType::Text),
    ("identifierUris", FieldType::Texts),
    ("info", FieldType::Object),
    ("isFallbackPublicClient", FieldType::Flag),
    ("notes", FieldType::Text),
    ("publicClient", FieldType::Object),
    ("publicClient.redirectUris", FieldType::Texts),
    ("requiredResourceAccess", FieldType::List),
    ("signInAudience", FieldType::Text),
    ("tags", FieldType::Texts),
    ("web", FieldType::Object),
    ("web.redirectUris", FieldType::Texts),
];
const OF_PASSWORDS: FieldTypes = &[
    ("passwordCredential", FieldType::Object),
    ("passwordCredential.displayName", FieldType::Text),
    ("passwordCredential.endDateTime", FieldType::Text),
    ("keyId", FieldType::Text),
];
/// The default lifetime of a password in years (Graph reference, "addPassword").
const YEARS: i64 = 2;

impl Application {
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.more.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Returns the fields that the service principal shows of its application.
    pub fn shown_by_its_principal(&self) -> Value {
        let part = |pointer: &str| Value::Object(self.more.clone()).pointer(pointer).cloned().filter(|v| !v.is_null());
        json!({"appDisplayName": self.display_name, "appDescription": part("/description"), "replyUrls": part("/web/redirectUris").unwrap_or_else(|| json!([])),
            "oauth2PermissionScopes": part("/api/oauth2PermissionScopes").unwrap_or_else(|| json!([])),
            "appRoles": part("/appRoles").unwrap_or_else(|| json!([])), "signInAudience": part("/signInAudience").unwrap_or_else(|| json!("AzureADMyOrg"))})
    }
}

/// Returns the object id and the application of an application id.
pub fn by_app<'a>(state: &'a State, app_id: &str) -> Option<(&'a String, &'a Application)> {
    state.applications.iter().find(|(_, a)| a.app_id.eq_ignore_ascii_case(app_id))
}

/// `key` is the application id of `applications(appId='X')`; `rest` are the segments after the collection.
pub fn route(call: &mut Call<'_>, request_id: &str, key: Option<&str>, rest: &[&str]) -> Response {
    let asked = key.or_else(|| rest.first().copied()).map(str::to_owned);
    let oid = match key {
        Some(app) => by_app(call.state, app).map(|(oid, _)| oid.clone()),
        None => asked.as_ref().map(|id| ids::fold(id)).filter(|oid| call.state.applications.contains_key(oid)),
    };
    let verb = rest.get(usize::from(key.is_none())).map(|verb| ids::fold(verb));
    match (call.request.method.as_str(), asked, oid, verb.as_deref()) {
        ("GET", None, ..) => list(call, request_id),
        ("POST", None, ..) => create(call, request_id).unwrap_or_else(|refusal| refusal),
        (_, Some(asked), None, _) => absent(call, &asked, request_id),
        ("GET", Some(asked), Some(oid), None) => match call.state.applications.get(&oid) {
            Some(application) => entity(&oid, application, 200),
            None => absent(call, &asked, request_id),
        },
        ("PATCH", Some(_), Some(oid), None) => patch(call, request_id, &oid).unwrap_or_else(|refusal| refusal),
        ("DELETE", Some(_), Some(oid), None) => {
            delete(call, &oid);
            Response::new(204)
        }
        ("POST", Some(_), Some(oid), Some("addpassword")) => add_password(call, request_id, &oid).unwrap_or_else(|refusal| refusal),
        ("POST", Some(_), Some(oid), Some("removepassword")) => remove_password(call, request_id, &oid).unwrap_or_else(|refusal| refusal),
        // applications have no owners and no federated credentials here
        ("GET", Some(_), Some(_), Some("owners" | "federatedidentitycredentials")) => {
            Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#directoryObjects"), "value": []}))
        }
        _ => no_method(call, request_id),
    }
}

fn document(oid: &str, application: &Application) -> Value {
    let passwords: Vec<Value> = application.passwords.iter().map(|p| shown(p, None)).collect();
    let mut body = json!({
        "id": oid, "deletedDateTime": null, "appId": application.app_id, "applicationTemplateId": null, "disabledByMicrosoftStatus": null,
        "createdDateTime": times::seconds(application.created), "displayName": application.display_name, "description": null,
        "groupMembershipClaims": null, "identifierUris": [], "isDeviceOnlyAuthSupported": null, "isFallbackPublicClient": null,
        "notes": null, "publisherDomain": "podid.onmicrosoft.com", "serviceManagementReference": null, "signInAudience": "AzureADMyOrg",
        "tags": [], "tokenEncryptionKeyId": null, "samlMetadataUrl": null, "defaultRedirectUri": null, "certification": null,
        "optionalClaims": null, "servicePrincipalLockConfiguration": null, "requestSignatureVerification": null, "addIns": [],
        "api": {"acceptMappedClaims": null, "knownClientApplications": [], "requestedAccessTokenVersion": null, "oauth2PermissionScopes": [], "preAuthorizedApplications": []},
        "appRoles": [],
        "info": {"logoUrl": null, "marketingUrl": null, "privacyStatementUrl": null, "supportUrl": null, "termsOfServiceUrl": null},
        "keyCredentials": [], "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "passwordCredentials": passwords, "publicClient": {"redirectUris": []}, "requiredResourceAccess": [],
        "verifiedPublisher": {"displayName": null, "verifiedPublisherId": null, "addedDateTime": null},
        "web": {"homePageUrl": null, "logoutUrl": null, "redirectUris": [], "implicitGrantSettings": {"enableAccessTokenIssuance": false, "enableIdTokenIssuance": false}, "redirectUriSettings": []},
        "spa": {"redirectUris": []},
    });
    // a request may set only a part of `web` and `api`
    for (name, value) in &application.more {
        match (body[name].as_object_mut(), value) {
            (Some(existing), Value::Object(set)) => existing.extend(set.clone()),
            _ => body[name] = value.clone(),
        }
    }
    body
}

fn entity(oid: &str, application: &Application, status: u16) -> Response {
    let mut body = json!({"@odata.context": format!("{CONTEXT}#applications/$entity")});
    merge(&mut body, document(oid, application));
    Response::json(status, ODATA, &body)
}

/// Supports `appId eq 'X'`, `displayName eq 'X'`, `startswith(displayName,'X')` and `identifierUris/any(s:s eq 'X')`.
fn list(call: &Call<'_>, request_id: &str) -> Response {
    let filter = call.request.query("$filter").unwrap_or_default();
    let wanted = ids::fold(filter.split('\'').nth(1).unwrap_or_default());
    let shape = ids::fold(&filter).replace(' ', "");
    let field =
        ["appideq'", "displaynameeq'", "startswith(displayname,'", "identifieruris/any("].into_iter().find(|f| shape.starts_with(f));
    if field.is_none() && !filter.is_empty() {
        return refusal(
            call,
            400,
            "Request_UnsupportedQuery",
            "Unsupported or invalid query filter clause specified for property of resource 'Application'.",
            request_id,
        );
    }
    let fits = |a: &Application| match field {
        Some("appideq'") => a.app_id == wanted,
        Some("displaynameeq'") => ids::fold(&a.display_name) == wanted,
        Some("startswith(displayname,'") => ids::fold(&a.display_name).starts_with(&wanted),
        Some(_) => a.texts("identifierUris").iter().any(|uri| ids::fold(uri) == wanted),
        None => true,
    };
    let value: Vec<Value> = call.state.applications.iter().filter(|(_, a)| fits(a)).map(|(oid, a)| document(oid, a)).collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#applications"), "value": value}))
}

fn settable(body: &Map<String, Value>) -> Map<String, Value> {
    body.iter().filter(|(name, _)| SETTABLE.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn create(call: &mut Call<'_>, request_id: &str) -> Result<Response, Response> {
    let body = typed(call, request_id, "Application", TYPES)?;
    let Some(name) = body.get("displayName").and_then(Value::as_str).filter(|n| !n.is_empty()) else {
        return Err(refusal(
            call,
            400,
            "Request_BadRequest",
            "A value is required for property 'displayName' of resource 'Application'.",
            request_id,
        ));
    };
    let run = call.state.next_generation(&format!("applications/{name}")).to_string();
    let oid = ids::guid(&["application", &ids::fold(name), &run]);
    let application = Application {
        app_id: ids::guid(&["client", "application", &ids::fold(name), &run]),
        display_name: name.to_owned(),
        created: call.now,
        more: settable(&body),
        passwords: Vec::new(),
    };
    let place =
        format!("https://graph.microsoft.com/v2/{}/directoryObjects/{oid}/Microsoft.DirectoryServices.Application", call.state.tenant);
    let response = entity(&oid, &application, 201).with("location", place);
    call.state.applications.insert(oid, application);
    call.changed();
    Ok(response)
}

fn patch(call: &mut Call<'_>, request_id: &str, oid: &str) -> Result<Response, Response> {
    let body = typed(call, request_id, "Application", TYPES)?;
    if let Some(application) = call.state.applications.get_mut(oid) {
        if let Some(name) = body.get("displayName").and_then(Value::as_str) {
            name.clone_into(&mut application.display_name);
        }
        application.more.extend(settable(&body));
        call.changed();
    }
    Ok(Response::new(204))
}

/// Deletes an application and its service principal.
fn delete(call: &mut Call<'_>, oid: &str) {
    let Some(gone) = call.state.applications.remove(oid) else { return };
    let principal = directory::by_app(call.state, &gone.app_id).map(|(oid, _)| oid.clone());
    if let Some(principal) = principal {
        call.state.principals.remove(&principal);
    }
    call.changed();
}

/// `text` is given only in the answer to the request that created the password.
fn shown(password: &Password, text: Option<&str>) -> Value {
    json!({"customKeyIdentifier": null, "displayName": password.name, "endDateTime": times::seconds(password.end),
        "hint": password.text.get(..3), "keyId": password.id, "secretText": text, "startDateTime": times::seconds(password.start)})
}

fn add_password(call: &mut Call<'_>, request_id: &str, oid: &str) -> Result<Response, Response> {
    let body = if call.request.body.is_empty() { Map::new() } else { typed(call, request_id, "Application", OF_PASSWORDS)? };
    let asked = body.get("passwordCredential").cloned().unwrap_or_default();
    let mut bytes = [0_u8; 30];
    getrandom::fill(&mut bytes)
        .map_err(|_| refusal(call, 500, "InternalServerError", "The password could not be generated.", request_id))?;
    let end = asked["endDateTime"].as_str().and_then(times::read).unwrap_or(call.now.saturating_add(YEARS * 365 * times::DAY));
    let password = Password {
        id: ids::random(),
        name: asked["displayName"].as_str().map(str::to_owned),
        text: format!("{}~{}", &URL_SAFE_NO_PAD.encode(&bytes[..3]), URL_SAFE_NO_PAD.encode(&bytes[3..])),
        start: call.now,
        end,
    };
    let mut answer = json!({"@odata.context": format!("{CONTEXT}#microsoft.graph.passwordCredential")});
    merge(&mut answer, shown(&password, Some(&password.text)));
    if let Some(application) = call.state.applications.get_mut(oid) {
        application.passwords.push(password);
        call.changed();
    }
    Ok(Response::json(200, ODATA, &answer))
}

fn remove_password(call: &mut Call<'_>, request_id: &str, oid: &str) -> Result<Response, Response> {
    let body = typed(call, request_id, "Application", OF_PASSWORDS)?;
    let id = body.get("keyId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = call.state.applications.get(oid).is_some_and(|a| a.passwords.iter().any(|p| p.id.eq_ignore_ascii_case(&id)));
    if !known {
        let message = format!("No password credential found with keyId '{id}'.");
        return Err(refusal(call, 400, "Request_BadRequest", &message, request_id));
    }
    if let Some(application) = call.state.applications.get_mut(oid) {
        application.passwords.retain(|p| !p.id.eq_ignore_ascii_case(&id));
        call.changed();
    }
    Ok(Response::new(204))
}
