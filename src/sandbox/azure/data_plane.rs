//! The entry point of a vault's data plane: checks the token, sends the challenge, and routes the path.

use super::{
    call::{Answer, Call},
    deleted_secrets, error, hosts, ids,
    path::Path,
    secret_backups, secrets, token,
    vault_objects::{self, CERTIFICATES, KEYS},
    vault_request::{VaultRequest, bad},
};
use crate::{http::Response, limits::ExceededLimit};

pub fn answer(call: &mut Call<'_>) -> Response {
    let request = vault_request(call);
    let response = admit(call).and_then(|()| route(call, &request)).unwrap_or_else(|refusal| refusal);
    add_headers(call, &request, response)
}

/// Rejects an unknown caller by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let refusal = authenticate(call).err()?;
    let request = vault_request(call);
    Some(add_headers(call, &request, refusal))
}

fn vault_request(call: &Call<'_>) -> VaultRequest {
    let host = call.request.host.clone();
    let vault = host.strip_suffix(hosts::VAULT_SUFFIX).unwrap_or_default().to_owned();
    VaultRequest { vault, host, api_version: call.api_version() }
}

fn add_headers(call: &mut Call<'_>, request: &VaultRequest, response: Response) -> Response {
    let region = call.state.vaults.get(&request.vault).map(|v| v.location.clone()).unwrap_or_default();
    let response = response
        .with("cache-control", "no-cache")
        .with("pragma", "no-cache")
        .with("expires", "-1")
        .with("strict-transport-security", "max-age=31536000;includeSubDomains")
        .with("x-content-type-options", "nosniff")
        .with("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;")
        .with("x-ms-keyvault-region", region)
        .with("x-ms-keyvault-service-version", "1.9.2064.1")
        .with("x-ms-request-id", ids::random());
    // an authorized request has these headers also if it fails later, such as for a missing secret
    let response = match call.pass.take() {
        Some(assignment) => response
            .with("x-ms-keyvault-rbac-assignment-id", assignment)
            .with("x-ms-keyvault-rbac-cache", "ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=0;"),
        None => response,
    };
    match call.request.header("x-ms-client-request-id") {
        Some(id) => response.with("x-ms-client-request-id", id),
        None => response,
    }
}

fn admit(call: &mut Call<'_>) -> Result<(), Response> {
    authenticate(call)?;
    if call.rules.spent == Some(ExceededLimit::Vault) {
        let message = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached";
        return Err(error::body(429, "Throttled", message).with("retry-after", "1"));
    }
    match call.request.query("api-version").filter(|v| !v.is_empty()) {
        Some(_) => Ok(()),
        None => Err(bad("api-version must be specified")),
    }
}

fn authenticate(call: &mut Call<'_>) -> Result<(), Response> {
    let message = match token::check(call, hosts::VAULT_AUDIENCES) {
        Ok(caller) => {
            call.caller = caller;
            return Ok(());
        }
        Err(token::TokenError::Missing) => "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
        Err(token::TokenError::Malformed) => "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.".to_owned(),
        Err(token::TokenError::Expired(_)) => "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
        Err(token::TokenError::Audience(found)) => format!("AKV10022: Invalid audience. Expected https://vault.azure.net, found: {found}."),
    };
    let challenge =
        format!("Bearer authorization=\"https://{}/{}\", resource=\"https://vault.azure.net\"", hosts::LOGIN_HOST, call.state.tenant);
    Err(error::body(401, "Unauthorized", message).with("www-authenticate", challenge))
}

/// Tokens of another tenant than the vault's are refused; a subscription that moved to another tenant leaves such vaults.
fn own_tenant(call: &Call<'_>, request: &VaultRequest) -> Result<(), Response> {
    let Some(of_vault) = call.state.vaults.get(&request.vault).map(|vault| &vault.tenant_id) else { return Ok(()) };
    if of_vault.is_empty() || *of_vault == call.state.tenant {
        return Ok(());
    }
    let (expected, found) = (token::issuer(of_vault), token::issuer(&call.state.tenant));
    let message = format!("AKV10032: Invalid issuer. Expected one of {expected}, found {found}.");
    let challenge = format!("Bearer authorization=\"https://{}/{of_vault}\", resource=\"https://vault.azure.net\"", hosts::LOGIN_HOST);
    Err(error::body(401, "Unauthorized", message).with("www-authenticate", challenge))
}

fn route(call: &mut Call<'_>, request: &VaultRequest) -> Answer {
    if !call.state.vaults.contains_key(&request.vault) {
        return Err(error::body(404, "NotFound", "The vault does not exist."));
    }
    own_tenant(call, request)?;
    // empty segments are skipped: some SDKs send `//secrets/n` and `/secrets/n/`
    let path = Path::of(&call.request.path);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    let part = |at: usize| path.parts.get(at).map_or("", String::as_str);
    match (call.request.method.as_str(), low.as_slice()) {
        ("GET", ["secrets"]) => secrets::list(call, request),
        ("GET", ["secrets", _, "versions"]) => secrets::versions(call, request, part(1)),
        ("GET", ["secrets", _]) => secrets::get(call, request, part(1), None),
        ("GET", ["secrets", _, version]) => secrets::get(call, request, part(1), Some(version)),
        ("POST", ["secrets", "restore"]) => secret_backups::restore(call, request),
        ("POST", ["secrets", _, "backup"]) => secret_backups::backup(call, request, part(1)),
        ("PUT", ["secrets", _]) => secrets::put(call, request, part(1)),
        ("PATCH", ["secrets", _]) => secrets::patch(call, request, part(1), None),
        ("PATCH", ["secrets", _, version]) => secrets::patch(call, request, part(1), Some(version)),
        ("DELETE", ["secrets", _]) => secrets::delete(call, request, part(1)),
        ("GET", ["keys", _]) => vault_objects::get(call, request, KEYS, part(1), None),
        ("GET", ["keys", _, version]) => vault_objects::get(call, request, KEYS, part(1), Some(version)),
        ("PUT", ["keys", _]) => vault_objects::import(call, request, KEYS, part(1)),
        ("GET", ["certificates", _]) => vault_objects::get(call, request, CERTIFICATES, part(1), None),
        ("GET", ["certificates", _, version]) => vault_objects::get(call, request, CERTIFICATES, part(1), Some(version)),
        ("POST", ["certificates", _, "import"]) => vault_objects::import(call, request, CERTIFICATES, part(1)),
        ("GET", ["deletedsecrets"]) => deleted_secrets::list(call, request),
        ("GET", ["deletedsecrets", _]) => deleted_secrets::get(call, request, part(1)),
        ("DELETE", ["deletedsecrets", _]) => deleted_secrets::purge(call, request, part(1)),
        ("POST", ["deletedsecrets", _, "recover"]) => deleted_secrets::recover(call, request, part(1)),
        (_, ["secrets" | "deletedsecrets", ..]) => {
            Err(error::body(405, "MethodNotAllowed", "The HTTP method is not allowed for this resource."))
        }
        _ => Err(error::body(404, "NotFound", "The requested resource was not found.")),
    }
}
