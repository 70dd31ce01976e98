//! The entry point of Azure Resource Manager: checks the token, routes the path, and adds the headers. Each resource type is in a file of
//! its own. Paths are matched without regard to case, empty segments are skipped, and any api-version is accepted.

use super::{
    assignments,
    call::{Answer, Call},
    clusters, definitions, deleted_vaults, denials,
    error::{self, gateway},
    features, federated, groups, hosts, identities, ids, locks,
    path::Path,
    plain, policy_updates, providers, resources, scale_sets, storage_accounts, storage_containers, subscriptions, times, token, vaults,
};
use crate::{http::Response, limits::ExceededLimit};

pub fn answer(call: &mut Call<'_>) -> Response {
    let response = admit(call).and_then(|()| route(call)).unwrap_or_else(|refusal| refusal);
    add_headers(call, response)
}

/// Rejects an unknown caller by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let refusal = authenticate(call).err()?;
    Some(add_headers(call, refusal))
}

fn authenticate(call: &mut Call<'_>) -> Result<(), Response> {
    let tenant = &call.state.tenant;
    let refuse = |code: &str, message: String, description: &str| {
        gateway(401, code, message).with(
            "www-authenticate",
            format!("Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\", error_description=\"{description}\""),
        )
    };
    match token::check(call, hosts::ARM_AUDIENCES) {
        Ok(caller) => call.caller = caller,
        Err(token::TokenError::Missing) => {
            return Err(refuse(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.".to_owned(),
                "The authentication failed because of missing 'Authorization' header.",
            ));
        }
        Err(token::TokenError::Malformed) => {
            return Err(refuse("InvalidAuthenticationToken", "The access token is invalid.".to_owned(), "The access token is invalid."));
        }
        Err(token::TokenError::Expired(at)) => {
            return Err(refuse("ExpiredAuthenticationToken", error::expired(call, at), "The access token has expired."));
        }
        Err(token::TokenError::Audience(found)) => {
            return Err(refuse(
                "InvalidAuthenticationTokenAudience",
                format!(
                    "The access token has been obtained for wrong audience or resource '{found}'. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net','https://management.azure.com/','https://management.azure.com'."
                ),
                "The access token has been obtained from wrong audience or resource.",
            ));
        }
    }
    Ok(())
}

fn admit(call: &mut Call<'_>) -> Result<(), Response> {
    authenticate(call)?;
    if let Some(refusal) = call.rules.spent.and_then(|spent| throttled(call, spent)) {
        return Err(refusal);
    }
    if call.request.query("api-version").is_none_or(|v| v.is_empty()) {
        return Err(gateway(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    Ok(())
}

/// The gateway's own limit, with one counter for each kind of request.
fn throttled(call: &Call<'_>, spent: ExceededLimit) -> Option<Response> {
    let (word, limit) = match spent {
        ExceededLimit::Reads => ("read", 12_000),
        ExceededLimit::Writes => ("write", 1_200),
        ExceededLimit::Deletes => ("delete", 15_000),
        ExceededLimit::Identity | ExceededLimit::Vault => return None,
    };
    let message = format!(
        "Number of {word} requests for subscription '{}' exceeded the limit of '{limit}' for time interval '01:00:00'. Please try again after '17' seconds.",
        call.state.subscription
    );
    Some(gateway(429, "SubscriptionRequestsThrottled", message).with("retry-after", "17"))
}

fn route(call: &mut Call<'_>) -> Answer {
    let path = Path::of(&call.request.path);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    let part = |at: usize| path.parts.get(at).map_or("", String::as_str);
    if low.first() == Some(&"subscriptions") && low.len() > 1 {
        subscriptions::check(call, part(1))?;
    }
    // authorization resources are nested below any scope, so they are looked for from the end
    let authorization = low.windows(2).rposition(|pair| pair == ["providers", "microsoft.authorization"]);
    if let Some(at) = authorization {
        let scope = format!("/{}", path.parts[..at].join("/"));
        match low.get(at + 2..).unwrap_or_default() {
            ["roleassignments"] => return assignments::list(call, &scope),
            ["roleassignments", _] => return assignments::one(call, &scope, part(at + 3)),
            ["roledefinitions"] => return definitions::list(call, &scope),
            ["roledefinitions", _] => return definitions::one(call, &scope, part(at + 3)),
            ["denyassignments"] => return denials::list(call, &scope),
            ["locks"] => return locks::list(call, &scope),
            ["locks", _] => return locks::one(call, &scope, part(at + 3)),
            ["elevateaccess"] if at == 0 => return assignments::elevate(call),
            ["permissions"] => return definitions::permissions_at(call, &scope),
            [] | ["register"] => {}
            _ => return Err(providers::no_type("Microsoft.Authorization", part(at + 2), call)),
        }
    }
    match low.as_slice() {
        ["tenants"] => subscriptions::tenants(call),
        ["subscriptions"] => subscriptions::list(call),
        ["subscriptions", _] => subscriptions::one(call),
        ["subscriptions", _, "locations"] => subscriptions::locations(call),
        ["subscriptions", _, "resources"] => resources::list(call, None),
        ["subscriptions", _, "resourcegroups"] => groups::list(call),
        ["subscriptions", _, "resourcegroups", _] => groups::one(call, part(3)),
        ["subscriptions", _, "resourcegroups", _, "resources"] => {
            groups::find(call, part(3))?;
            resources::list(call, Some(part(3)))
        }
        ["subscriptions", _, "operationresults", _] => groups::poll(call, part(3)),
        ["subscriptions", _, "providers"] => providers::list(call),
        ["subscriptions", _, "providers", _] => providers::one(call, part(3)),
        ["subscriptions", _, "providers", _, "register" | "unregister"] => providers::register(call, part(3), low[4] == "register"),
        ["subscriptions", _, "providers", "microsoft.features", _, ..] if !matches!(low[4], "register" | "unregister") => {
            features::answer(call, &path.parts[4..])
        }
        ["subscriptions", _, "providers", "microsoft.managedidentity", "userassignedidentities"] => identities::list(call, None),
        ["subscriptions", _, "providers", "microsoft.keyvault", "vaults"] => vaults::list(call, None),
        ["subscriptions", _, "providers", "microsoft.keyvault", "checknameavailability"] => vaults::check_name(call),
        ["subscriptions", _, "providers", "microsoft.keyvault", "deletedvaults"] => deleted_vaults::list(call),
        ["subscriptions", _, "providers", "microsoft.keyvault", "deletedmanagedhsms"] => deleted_vaults::list_pools(call),
        ["subscriptions", _, "providers", "microsoft.keyvault", "locations", _, "deletedvaults", _] => {
            deleted_vaults::one(call, part(5), part(7))
        }
        ["subscriptions", _, "providers", "microsoft.keyvault", "locations", _, "deletedvaults", _, "purge"] => {
            deleted_vaults::purge(call, part(5), part(7))
        }
        ["subscriptions", _, "providers", "microsoft.keyvault", "locations", _, "operationresults", _] => {
            deleted_vaults::poll(call, part(7))
        }
        ["subscriptions", _, "providers", "microsoft.containerservice", "managedclusters"] => clusters::list(call, None),
        ["subscriptions", _, "providers", "microsoft.containerservice", "locations", _, "operations", _] => {
            clusters::operation(call, part(7))
        }
        ["subscriptions", _, "providers", "microsoft.containerservice", "locations", _, "operationresults", _] => {
            clusters::operation_result(call, part(5), part(7))
        }
        ["subscriptions", _, "providers", "microsoft.compute", "virtualmachinescalesets"] => scale_sets::list(call, None),
        ["subscriptions", _, "providers", "microsoft.compute", "locations", _, "operations", _] => scale_sets::poll(call, part(7)),
        ["subscriptions", _, "providers", "microsoft.storage", "storageaccounts"] => storage_accounts::list(call, None),
        ["subscriptions", _, "providers", "microsoft.storage", "checknameavailability"] => storage_accounts::check_name(call),
        ["subscriptions", _, "providers", "microsoft.storage", "locations", _, "asyncoperations", _] => {
            storage_accounts::poll(call, part(5), part(7))
        }
        ["subscriptions", _, "resourcegroups", _, "providers", namespace, kind, rest @ ..] => {
            let group = groups::find(call, part(3))?;
            groups::writable(call, &group)?;
            if *namespace == "microsoft.managedidentity" && call.rules.spent == Some(ExceededLimit::Identity) {
                return Err(identities::throttled(call));
            }
            match (*namespace, *kind, rest) {
                ("microsoft.managedidentity", "userassignedidentities", []) => identities::list(call, Some(&group.name)),
                ("microsoft.managedidentity", "userassignedidentities", [_]) => identities::one(call, &group, part(7)),
                ("microsoft.managedidentity", "userassignedidentities", [_, "federatedidentitycredentials"]) => {
                    federated::list(call, &group, part(7))
                }
                ("microsoft.managedidentity", "userassignedidentities", [_, "federatedidentitycredentials", _]) => {
                    federated::one(call, &group, part(7), part(9))
                }
                ("microsoft.keyvault", "vaults", []) => vaults::list(call, Some(&group.name)),
                ("microsoft.keyvault", "vaults", [_]) => vaults::one(call, &group, part(7)),
                ("microsoft.keyvault", "vaults", [_, "accesspolicies", verb]) => policy_updates::write(call, &group, part(7), verb),
                ("microsoft.containerservice", "managedclusters", []) => clusters::list(call, Some(&group.name)),
                ("microsoft.containerservice", "managedclusters", [_]) => clusters::one(call, &group, part(7)),
                ("microsoft.containerservice", "managedclusters", [_, "identitybindings"]) => {
                    clusters::bindings::list(call, &group, part(7))
                }
                ("microsoft.containerservice", "managedclusters", [_, "identitybindings", _]) => {
                    clusters::bindings::one(call, &group, part(7), part(9))
                }
                ("microsoft.containerservice", "managedclusters", [_, verb]) => clusters::credential(call, &group, part(7), verb),
                ("microsoft.compute", "virtualmachinescalesets", []) => scale_sets::list(call, Some(&group.name)),
                ("microsoft.compute", "virtualmachinescalesets", [_]) => scale_sets::one(call, &group, part(7)),
                ("microsoft.storage", "storageaccounts", []) => storage_accounts::list(call, Some(&group.name)),
                ("microsoft.storage", "storageaccounts", [_]) => storage_accounts::one(call, &group, part(7)),
                ("microsoft.storage", "storageaccounts", [_, "blobservices", "default", "containers"]) => {
                    storage_containers::list(call, &group, part(7))
                }
                ("microsoft.storage", "storageaccounts", [_, "blobservices", "default", "containers", _]) => {
                    storage_containers::one(call, &group, part(7), part(11))
                }
                _ => plain::route(call, &group, part(5), &path.parts[6..]),
            }
        }
        ["subscriptions", _, "providers", namespace, _] if providers::known(namespace) => plain::list(call, None, part(3), part(4)),
        ["subscriptions", _, "providers", _, ..] => Err(providers::no_type(part(3), part(4), call)),
        _ => {
            Err(gateway(404, "InvalidResourceType", format!("The resource type could not be found for the path '{}'.", call.request.path)))
        }
    }
}

/// Adds the headers that recorded ARM answers have.
fn add_headers(call: &Call<'_>, mut response: Response) -> Response {
    let id = ids::random();
    // the correlation id comes from the caller's traceparent, which has no hyphens
    let correlation = call.request.header("traceparent").and_then(|t| t.split('-').nth(1)).map_or_else(|| id.clone(), str::to_owned);
    let (word, left, global) = match call.request.method.as_str() {
        "GET" | "HEAD" => ("reads", "1099", "16499"),
        "DELETE" => ("deletes", "799", "11999"),
        _ => ("writes", "799", "11999"),
    };
    let empty = matches!(&response.body, crate::http::Body::Full(bytes) if bytes.is_empty());
    // the answer to a HEAD names the type of the body that it leaves out
    if empty && call.request.method != "HEAD" {
        // Microsoft.Storage names a type all the same (recorded)
        response.headers.retain(|(name, value)| name != "content-type" || value.starts_with("text/plain"));
    }
    let mut response = response
        .with("cache-control", "no-cache")
        .with("pragma", "no-cache")
        .with("expires", "-1")
        .with("strict-transport-security", "max-age=31536000; includeSubDomains")
        .with("x-content-type-options", "nosniff")
        .with("x-ms-request-id", &id)
        .with("x-ms-correlation-request-id", correlation)
        .with("x-ms-routing-request-id", format!("WESTEUROPE:{}:{id}", times::compact(call.now)))
        .with("x-cache", "CONFIG_NOCACHE")
        .with(
            "x-msedge-ref",
            format!("Ref A: {} Ref B: AMS231032609019 Ref C: {}", id.replace('-', "").to_ascii_uppercase(), times::seconds(call.now)),
        );
    if operates(call, &response) {
        let header = format!("tenantId={},objectId={}/westeurope/{}", call.state.tenant, call.caller.object_id, ids::random());
        response = response.with("x-ms-operation-identifier", header);
    }
    let tenant_wide = !ids::fold(&call.request.path).trim_start_matches('/').starts_with("subscriptions/");
    if tenant_wide && !matches!(response.status, 401 | 403) {
        response = response.with(&format!("x-ms-ratelimit-remaining-tenant-{word}"), left);
    } else if !matches!(response.status, 401 | 403) {
        response = response
            .with(&format!("x-ms-ratelimit-remaining-subscription-{word}"), left)
            .with(&format!("x-ms-ratelimit-remaining-subscription-global-{word}"), global);
    }
    if let Some(client) = call.request.header("x-ms-client-request-id")
        && (call.request.header("x-ms-return-client-request-id").is_some_and(|v| v.eq_ignore_ascii_case("true")))
    {
        response = response.with("x-ms-client-request-id", client);
    }
    response
}

/// Returns whether the answer names the provider's operation, as recorded: all requests for authorization, deleted vaults and operations of
/// storage, and the writes of other types.
fn operates(call: &Call<'_>, response: &Response) -> bool {
    if response.headers.iter().any(|(name, _)| name == "x-ms-failure-cause") {
        return false;
    }
    let path = ids::fold(&call.request.path);
    let all = ["/microsoft.authorization/", "/deletedvaults", "/microsoft.storage/locations/"];
    let writes = ["/microsoft.keyvault/", "/microsoft.managedidentity/", "/microsoft.storage/"];
    let about = |words: &[&str]| words.iter().any(|word| path.contains(word));
    about(&all) || (call.request.method != "GET" && about(&writes))
}
