//! Entra: token endpoints (v1 with a resource, v2 with scopes), OpenID configuration and instance discovery.

use super::{assertion, call::Call, directory, hosts::LOGIN_HOST, ids, times, token};
use crate::http::Response;
use serde_json::json;
use std::collections::HashMap;

const JSON: &str = "application/json; charset=utf-8";

pub fn answer(call: &mut Call<'_>) -> Response {
    let path = ids::fold(&call.request.path);
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let method = call.request.method.as_str();
    let response = match (method, parts.as_slice()) {
        ("GET", ["common", "discovery", "instance"]) => discovery(call),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => configuration(call, tenant, true),
        ("GET", [tenant, ".well-known", "openid-configuration"]) => configuration(call, tenant, false),
        ("GET", [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"]) => Response::json(200, JSON, &json!({"keys": []})),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => issue(call, tenant, true),
        ("POST", [tenant, "oauth2", "token"]) => issue(call, tenant, false),
        (_, [_, "oauth2", ..]) => {
            refusal(call, 400, "invalid_request", 900_561, "The endpoint only accepts POST requests. Received a GET request.")
        }
        _ => Response::new(404),
    };
    response
        .with("cache-control", "no-store, no-cache")
        .with("pragma", "no-cache")
        .with("expires", "-1")
        .with("strict-transport-security", "max-age=31536000; includeSubDomains")
        .with("x-content-type-options", "nosniff")
        .with("x-ms-request-id", ids::random())
        .with("x-ms-ests-server", "2.1.0 - WEULR1 ProdSlices")
}

fn discovery(call: &Call<'_>) -> Response {
    let asked = call.request.query("authorization_endpoint").unwrap_or_default();
    let tenant =
        url::Url::parse(&asked).ok().and_then(|u| u.path_segments()?.next().map(str::to_owned)).unwrap_or_else(|| "common".to_owned());
    Response::json(
        200,
        JSON,
        &json!({
            "tenant_discovery_endpoint": format!("https://{LOGIN_HOST}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [{"preferred_network": LOGIN_HOST, "preferred_cache": "login.windows.net",
                "aliases": [LOGIN_HOST, "login.windows.net", "login.microsoft.com", "sts.windows.net"]}],
        }),
    )
}

fn configuration(call: &Call<'_>, tenant: &str, v2: bool) -> Response {
    let place = match tenant {
        "common" | "organizations" | "consumers" => "{tenantid}".to_owned(),
        _ if tenant == call.state.tenant => tenant.to_owned(),
        _ => return no_tenant(call, tenant),
    };
    let (issuer, oauth) =
        if v2 { (format!("https://{LOGIN_HOST}/{place}/v2.0"), "oauth2/v2.0") } else { (token::issuer(&place), "oauth2") };
    Response::json(
        200,
        JSON,
        &json!({
            "token_endpoint": format!("https://{LOGIN_HOST}/{tenant}/{oauth}/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("https://{LOGIN_HOST}/{tenant}/discovery/{}keys", if v2 { "v2.0/" } else { "" }),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer,
            "authorization_endpoint": format!("https://{LOGIN_HOST}/{tenant}/{oauth}/authorize"),
            "device_authorization_endpoint": format!("https://{LOGIN_HOST}/{tenant}/{oauth}/devicecode"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }),
    )
}

fn no_tenant(call: &Call<'_>, tenant: &str) -> Response {
    refusal(
        call,
        400,
        "invalid_tenant",
        90_002,
        &format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        ),
    )
}

/// `code` is the AADSTS number.
fn refusal(call: &Call<'_>, status: u16, error: &str, code: u32, text: &str) -> Response {
    let (trace, correlation, stamp) = (ids::random(), ids::random(), times::spaced(call.now));
    Response::json(
        status,
        JSON,
        &json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}"),
            "error_codes": [code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://{LOGIN_HOST}/error?code={code}"),
        }),
    )
}

fn issue(call: &mut Call<'_>, tenant: &str, v2: bool) -> Response {
    if tenant != call.state.tenant {
        return no_tenant(call, tenant);
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(&call.request.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).filter(|v| !v.is_empty());
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(other) => {
            return refusal(
                call,
                400,
                "unsupported_grant_type",
                70_003,
                &format!("The app requested an unsupported grant type '{other}'."),
            );
        }
        None => return missing(call, "grant_type"),
    }
    let Some(client_id) = field("client_id") else { return missing(call, "client_id") };
    let Some((object_id, principal)) = directory::by_app(call.state, client_id).map(|(id, p)| (id.clone(), p.clone())) else {
        return refusal(
            call,
            400,
            "unauthorized_client",
            700_016,
            &format!(
                "Application with identifier '{client_id}' was not found in the directory 'podid sandbox'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        );
    };
    match (field("client_secret"), field("client_assertion")) {
        (Some(secret), _) if directory::has_secret(call.state, &principal, secret, call.now) => {}
        (Some(_), _) => {
            return refusal(
                call,
                401,
                "invalid_client",
                7_000_215,
                &format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client_id}'."
                ),
            );
        }
        (None, Some(token)) => {
            if field("client_assertion_type").is_none() {
                return missing(call, "client_assertion_type");
            }
            if let Err(fault) = assertion::check(call, principal.resource_id.as_deref(), token) {
                return refusal(call, 401, "invalid_client", fault.code, &fault.text);
            }
        }
        (None, None) => {
            return refusal(
                call,
                401,
                "invalid_client",
                7_000_216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            );
        }
    }
    let audience = if v2 {
        let Some(scope) = field("scope") else { return missing(call, "scope") };
        // openid, profile and offline_access may be given as well
        match scope.split_whitespace().find_map(|s| s.strip_suffix("/.default")) {
            Some(audience) => audience.to_owned(),
            None => {
                return refusal(
                    call,
                    400,
                    "invalid_scope",
                    1_002_012,
                    &format!(
                        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
                    ),
                );
            }
        }
    } else {
        let Some(resource) = field("resource") else { return missing(call, "resource") };
        resource.to_owned()
    };
    let access = token::issue(call, &audience, &object_id, &principal.app_id, principal.resource_id.as_deref());
    let seconds = call.rules.token_seconds;
    if v2 {
        return Response::json(
            200,
            JSON,
            &json!({"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": access}),
        );
    }
    let now = times::unix(call.now);
    Response::json(
        200,
        JSON,
        &json!({"token_type": "Bearer", "expires_in": seconds.to_string(), "ext_expires_in": seconds.to_string(),
            "expires_on": now.saturating_add(seconds).to_string(), "not_before": now.to_string(), "resource": audience, "access_token": access}),
    )
}

fn missing(call: &Call<'_>, name: &str) -> Response {
    refusal(call, 400, "invalid_request", 900_144, &format!("The request body must contain the following parameter: '{name}'."))
}
