//! Azure Resource Manager's front door: the token, the path, the headers. What lies behind a path is in the file of its kind.
//! Paths are matched without regard to case, empty segments are skipped, and any api-version is taken.

use super::{
    Answer, Call, assignments, clusters, definitions, deleted_vaults,
    error::{self, gateway},
    features, federated, groups, identities, ids, locks, plain, policies, providers, resources, scale_sets, subscriptions, times, token,
    vaults,
};
use crate::{http::Response, limits::Spent};

const AUDIENCES: &[&str] = &[
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
];

/// The segments of a path, decoded, and the same folded.
pub struct Path {
    pub parts: Vec<String>,
    pub low: Vec<String>,
}

impl Path {
    pub fn of(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decode).collect();
        let low = parts.iter().map(|p| ids::fold(p)).collect();
        Self { parts, low }
    }
}

pub fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

pub fn answer(call: &mut Call<'_>) -> Response {
    let response = admit(call).and_then(|()| route(call)).unwrap_or_else(|refusal| refusal);
    dress(call, response)
}

/// The refusal of a caller who is not known, by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let refusal = authenticate(call).err()?;
    Some(dress(call, refusal))
}

fn authenticate(call: &mut Call<'_>) -> Result<(), Response> {
    let tenant = &call.state.tenant;
    let refuse = |code: &str, message: String, description: &str| {
        gateway(401, code, message).with(
            "www-authenticate",
            format!("Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\", error_description=\"{description}\""),
        )
    };
    match token::check(call, AUDIENCES) {
        Ok(caller) => call.caller = caller,
        Err(token::Fault::Missing) => {
            return Err(refuse(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.".to_owned(),
                "The authentication failed because of missing 'Authorization' header.",
            ));
        }
        Err(token::Fault::Malformed) => {
            return Err(refuse("InvalidAuthenticationToken", "The access token is invalid.".to_owned(), "The access token is invalid."));
        }
        Err(token::Fault::Expired(at)) => {
            return Err(refuse("ExpiredAuthenticationToken", error::expired(call, at), "The access token has expired."));
        }
        Err(token::Fault::Audience(found)) => {
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

/// The gateway's own limit: a bucket for each verb.
fn throttled(call: &Call<'_>, spent: Spent) -> Option<Response> {
    let (word, limit) = match spent {
        Spent::Reads => ("read", 12_000),
        Spent::Writes => ("write", 1_200),
        Spent::Deletes => ("delete", 15_000),
        Spent::Identity | Spent::Vault => return None,
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
    // authorization hangs below any scope, so it is looked for from the end
    let authorization = low.windows(2).rposition(|pair| pair == ["providers", "microsoft.authorization"]);
    if let Some(at) = authorization {
        let scope = format!("/{}", path.parts[..at].join("/"));
        match low.get(at + 2..).unwrap_or_default() {
            ["roleassignments"] => return assignments::list(call, &scope),
            ["roleassignments", _] => return assignments::one(call, &scope, part(at + 3)),
            ["roledefinitions"] => return definitions::list(call, &scope),
            ["roledefinitions", _] => return definitions::one(call, &scope, part(at + 3)),
            ["locks"] => return locks::list(call, &scope),
            ["locks", _] => return locks::one(call, &scope, part(at + 3)),
            ["elevateaccess"] if at == 0 => return assignments::elevate(call),
            ["permissions"] => return definitions::permissions_at(call, &scope),
            [] | ["register"] => {}
            _ => return Err(no_type("Microsoft.Authorization", part(at + 2), call)),
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
        ["subscriptions", _, "resourcegroups", _, "providers", namespace, kind, rest @ ..] => {
            let group = groups::find(call, part(3))?;
            groups::writable(call, &group)?;
            if *namespace == "microsoft.managedidentity" && call.rules.spent == Some(Spent::Identity) {
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
                ("microsoft.keyvault", "vaults", [_, "accesspolicies", verb]) => policies::write(call, &group, part(7), verb),
                ("microsoft.containerservice", "managedclusters", []) => clusters::list(call, Some(&group.name)),
                ("microsoft.containerservice", "managedclusters", [_]) => clusters::one(call, &group, part(7)),
                ("microsoft.containerservice", "managedclusters", [_, verb]) => clusters::credential(call, &group, part(7), verb),
                ("microsoft.compute", "virtualmachinescalesets", []) => scale_sets::list(call, Some(&group.name)),
                ("microsoft.compute", "virtualmachinescalesets", [_]) => scale_sets::one(call, &group, part(7)),
                _ => plain::route(call, &group, part(5), &path.parts[6..]),
            }
        }
        ["subscriptions", _, "providers", namespace, _] if providers::known(namespace) => plain::list(call, None, part(3), part(4)),
        ["subscriptions", _, "providers", _, ..] => Err(no_type(part(3), part(4), call)),
        _ => {
            Err(gateway(404, "InvalidResourceType", format!("The resource type could not be found for the path '{}'.", call.request.path)))
        }
    }
}

pub fn no_type(namespace: &str, kind: &str, call: &Call<'_>) -> Response {
    if !providers::known(namespace) {
        return gateway(404, "InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."));
    }
    gateway(
        404,
        "InvalidResourceType",
        format!(
            "The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{}'. The supported api-versions are ''.",
            call.api_version()
        ),
    )
}

/// The header set of an unscrubbed recorded answer.
fn dress(call: &Call<'_>, mut response: Response) -> Response {
    let id = ids::random();
    // a caller's traceparent decides the correlation id, then without hyphens
    let correlation = call.request.header("traceparent").and_then(|t| t.split('-').nth(1)).map_or_else(|| id.clone(), str::to_owned);
    let (word, left, global) = match call.request.method.as_str() {
        "GET" | "HEAD" => ("reads", "1099", "16499"),
        "DELETE" => ("deletes", "799", "11999"),
        _ => ("writes", "799", "11999"),
    };
    let empty = matches!(&response.body, crate::http::Body::Full(bytes) if bytes.is_empty());
    // the answer to a HEAD names the type of what it leaves out
    if empty && call.request.method != "HEAD" {
        response.headers.retain(|(name, _)| name != "content-type");
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

/// Which answers name the operation at the provider, as recorded: all of authorization and of deleted vaults, the writes of others.
fn operates(call: &Call<'_>, response: &Response) -> bool {
    if response.headers.iter().any(|(name, _)| name == "x-ms-failure-cause") {
        return false;
    }
    let path = ids::fold(&call.request.path);
    let all = path.contains("/microsoft.authorization/") || path.contains("/deletedvaults");
    all || (call.request.method != "GET" && (path.contains("/microsoft.keyvault/") || path.contains("/microsoft.managedidentity/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_by_segment_and_doubled_slashes_are_skipped() {
        let path = Path::of("//subscriptions/S/resourceGroups/a%20b/");
        assert_eq!(path.parts, ["subscriptions", "S", "resourceGroups", "a b"]);
        assert_eq!(path.low[2], "resourcegroups");
        assert_eq!(decode("a%2Fb%zz%"), "a/b%zz%");
    }
}
