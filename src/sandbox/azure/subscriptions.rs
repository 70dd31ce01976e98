//! The subscription, its tenant, and the locations.

use super::{
    access,
    call::{Answer, Call},
    error, ids,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

/// Names and display names of the locations.
pub const LOCATIONS: &[(&str, &str)] = &[
    ("centralus", "Central US"),
    ("eastasia", "East Asia"),
    ("southeastasia", "Southeast Asia"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
    ("northcentralus", "North Central US"),
    ("southcentralus", "South Central US"),
    ("westcentralus", "West Central US"),
    ("northeurope", "North Europe"),
    ("westeurope", "West Europe"),
    ("japaneast", "Japan East"),
    ("japanwest", "Japan West"),
    ("brazilsouth", "Brazil South"),
    ("australiasoutheast", "Australia Southeast"),
    ("australiaeast", "Australia East"),
    ("southindia", "South India"),
    ("centralindia", "Central India"),
    ("canadacentral", "Canada Central"),
    ("canadaeast", "Canada East"),
    ("uksouth", "UK South"),
    ("ukwest", "UK West"),
    ("koreacentral", "Korea Central"),
    ("francecentral", "France Central"),
    ("southafricanorth", "South Africa North"),
    ("uaenorth", "UAE North"),
    ("switzerlandnorth", "Switzerland North"),
    ("germanywestcentral", "Germany West Central"),
    ("norwayeast", "Norway East"),
    ("swedencentral", "Sweden Central"),
    ("polandcentral", "Poland Central"),
    ("italynorth", "Italy North"),
];

/// `West Europe` and `WestEurope` become `westeurope`.
pub fn location(text: &str) -> String {
    ids::fold(&text.replace(' ', ""))
}

pub fn offers(location: &str) -> bool {
    LOCATIONS.iter().any(|(name, _)| *name == location)
}

/// Returns the location of a new resource from the body of its request.
pub fn place_of(body: &Map<String, Value>) -> Result<String, Response> {
    let asked = body.get("location").and_then(Value::as_str).ok_or_else(error::location_required)?;
    let location = location(asked);
    if offers(&location) { Ok(location) } else { Err(unavailable(asked)) }
}

fn unavailable(location: &str) -> Response {
    let all: Vec<&str> = LOCATIONS.iter().map(|(name, _)| *name).collect();
    error::gateway(
        400,
        "LocationNotAvailableForResourceType",
        format!(
            "The provided location '{location}' is not available for resource type. List of available regions for the resource type is '{}'.",
            all.join(",")
        ),
    )
}

pub fn check(call: &Call<'_>, asked: &str) -> Result<(), Response> {
    if asked.eq_ignore_ascii_case(&call.state.subscription) {
        return Ok(());
    }
    if !ids::is_guid(asked) {
        return Err(error::gateway(
            400,
            "InvalidSubscriptionId",
            format!("The provided subscription identifier '{asked}' is malformed or invalid."),
        ));
    }
    Err(error::gateway(404, "SubscriptionNotFound", format!("The subscription '{asked}' could not be found.")))
}

fn document(call: &Call<'_>) -> Value {
    let subscription = &call.state.subscription;
    let mut body = json!({
        "id": format!("/subscriptions/{subscription}"), "authorizationSource": "RoleBased", "managedByTenants": [],
        "subscriptionId": subscription, "tenantId": call.state.tenant, "displayName": "podid sandbox", "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
    });
    // older versions return no tags for a subscription without tags, as recorded
    if call.api_version().as_str() >= "2022-12-01" {
        body["tags"] = json!({});
    }
    body
}

/// Lists the subscription only for callers with a role in it.
pub fn list(call: &Call<'_>) -> Answer {
    let seen = call.state.assignments.of(&call.caller.object_id).next().is_some();
    let value: Vec<Value> = if seen { vec![document(call)] } else { Vec::new() };
    let count = value.len();
    Ok(error::ok(&json!({"value": value, "count": {"type": "Total", "value": count}})))
}

pub fn one(call: &Call<'_>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.Resources/subscriptions/read", &format!("/subscriptions/{}", call.state.subscription))?;
    Ok(error::ok(&document(call)))
}

pub fn tenants(call: &Call<'_>) -> Answer {
    let tenant = &call.state.tenant;
    Ok(error::list(vec![
        json!({"id": format!("/tenants/{tenant}"), "tenantId": tenant, "countryCode": "NL", "displayName": "podid sandbox",
        "domains": ["podid.onmicrosoft.com"], "tenantCategory": "Home", "defaultDomain": "podid.onmicrosoft.com", "tenantType": "AAD"}),
    ]))
}

pub fn locations(call: &Call<'_>) -> Answer {
    let subscription = &call.state.subscription;
    let value = LOCATIONS
        .iter()
        .map(|(name, display)| {
            json!({"id": format!("/subscriptions/{subscription}/locations/{name}"), "name": name, "type": "Region", "displayName": display,
                "regionalDisplayName": display, "metadata": {"regionType": "Physical", "regionCategory": "Recommended"}})
        })
        .collect();
    Ok(error::list(value))
}
