//! Resource providers and their registration with the subscription. A new world has those of the labs registered.

use super::{
    Answer, Call, access,
    error::{self, gateway},
    ids,
    state::Provider,
    subscriptions,
};
use crate::sandbox::http::Response;
use serde_json::{Value, json};

/// Namespace, and the types that a client may look for.
pub const ALL: &[(&str, &[&str])] = &[
    ("Microsoft.Authorization", &["roleAssignments", "roleDefinitions", "permissions"]),
    ("Microsoft.Compute", &["virtualMachines", "virtualMachineScaleSets"]),
    ("Microsoft.ContainerService", &["managedClusters", "locations", "locations/operations", "locations/operationresults"]),
    ("Microsoft.Features", &["features", "providers", "featureProviders/subscriptionFeatureRegistrations"]),
    (
        "Microsoft.KeyVault",
        &["vaults", "vaults/secrets", "vaults/accessPolicies", "deletedVaults", "locations/deletedVaults", "checkNameAvailability"],
    ),
    ("Microsoft.ManagedIdentity", &["userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials", "identities"]),
    ("Microsoft.Network", &["virtualNetworks", "publicIPAddresses", "loadBalancers"]),
    ("Microsoft.OperationalInsights", &["workspaces"]),
    ("Microsoft.OperationsManagement", &["solutions"]),
    ("Microsoft.Resources", &["resourceGroups", "subscriptions", "deployments"]),
    ("Microsoft.Storage", &["storageAccounts"]),
];

/// Known, and not registered in a new world.
const OTHERS: &[&str] = &[
    "Microsoft.AlertsManagement",
    "Microsoft.ApiManagement",
    "Microsoft.App",
    "Microsoft.AppConfiguration",
    "Microsoft.Automation",
    "Microsoft.Batch",
    "Microsoft.Cache",
    "Microsoft.Cdn",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerInstance",
    "Microsoft.ContainerRegistry",
    "Microsoft.Dashboard",
    "Microsoft.DBforMySQL",
    "Microsoft.DBforPostgreSQL",
    "Microsoft.DocumentDB",
    "Microsoft.EventGrid",
    "Microsoft.EventHub",
    "Microsoft.Features",
    "Microsoft.HybridCompute",
    "Microsoft.Insights",
    "Microsoft.Kubernetes",
    "Microsoft.KubernetesConfiguration",
    "Microsoft.Logic",
    "Microsoft.MachineLearningServices",
    "Microsoft.Management",
    "Microsoft.Monitor",
    "Microsoft.PolicyInsights",
    "Microsoft.RecoveryServices",
    "Microsoft.ResourceHealth",
    "Microsoft.Search",
    "Microsoft.Security",
    "Microsoft.ServiceBus",
    "Microsoft.SignalRService",
    "Microsoft.Sql",
    "Microsoft.Support",
    "Microsoft.Web",
];

fn proper(namespace: &str) -> Option<&'static str> {
    let all = ALL.iter().map(|(name, _)| *name).chain(OTHERS.iter().copied());
    all.into_iter().find(|name| name.eq_ignore_ascii_case(namespace))
}

pub fn known(namespace: &str) -> bool {
    proper(namespace).is_some()
}

/// In the casing of its provider.
pub fn name(namespace: &str) -> &str {
    proper(namespace).unwrap_or(namespace)
}

/// Worlds keep what was said of a provider; of the rest it is not registered.
fn find<'a>(call: &'a mut Call<'_>, namespace: &str) -> Result<&'a mut Provider, Response> {
    let proper = proper(namespace).ok_or_else(|| unknown(namespace))?;
    let new = || Provider { namespace: proper.to_owned(), registration: "NotRegistered".to_owned() };
    Ok(call.state.providers.entry(ids::fold(namespace)).or_insert_with(new))
}

fn document(call: &Call<'_>, provider: &Provider) -> Value {
    let locations: Vec<&str> = subscriptions::LOCATIONS.iter().map(|(_, display)| *display).collect();
    let types = ALL.iter().find(|(namespace, _)| *namespace == provider.namespace).map_or(&[][..], |(_, types)| *types);
    let types: Vec<Value> = types
        .iter()
        .map(|kind| json!({"resourceType": kind, "locations": locations, "apiVersions": ["2026-02-01", "2024-11-01"], "capabilities": "SupportsTags, SupportsLocation"}))
        .collect();
    json!({"id": format!("/subscriptions/{}/providers/{}", call.state.subscription, provider.namespace), "namespace": provider.namespace,
        "authorizations": [], "resourceTypes": types, "registrationState": provider.registration, "registrationPolicy": "RegistrationRequired"})
}

pub fn unknown(namespace: &str) -> Response {
    gateway(404, "InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."))
}

pub fn list(call: &Call<'_>) -> Answer {
    access::require(call, "Microsoft.Resources/subscriptions/providers/read", &format!("/subscriptions/{}", call.state.subscription))?;
    Ok(error::list(call.state.providers.values().map(|p| document(call, p)).collect()))
}

/// A registration is seen under way once, then done.
pub fn one(call: &mut Call<'_>, namespace: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.Resources/subscriptions/providers/read", &format!("/subscriptions/{}", call.state.subscription))?;
    let provider = find(call, namespace)?;
    let done = match provider.registration.as_str() {
        "Registering" => Some("Registered"),
        "Unregistering" => Some("Unregistered"),
        _ => None,
    };
    if let Some(done) = done {
        provider.registration = done.to_owned();
        call.counted();
    }
    let provider = find(call, namespace)?.clone();
    Ok(error::ok(&document(call, &provider)))
}

pub fn register(call: &mut Call<'_>, namespace: &str, register: bool) -> Answer {
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    let known = proper(namespace).ok_or_else(|| unknown(namespace))?;
    let verb = if register { "register" } else { "unregister" };
    access::require(call, &format!("{known}/{verb}/action"), &format!("/subscriptions/{}", call.state.subscription))?;
    let provider = find(call, namespace)?;
    provider.registration = match (register, provider.registration.as_str()) {
        (true, "Registered") => "Registered",
        (true, _) => "Registering",
        (false, "NotRegistered") => "NotRegistered",
        (false, _) => "Unregistering",
    }
    .to_owned();
    let provider = provider.clone();
    call.changed();
    Ok(error::ok(&document(call, &provider)))
}

/// MissingSubscriptionRegistration unless the namespace is registered.
pub fn require(call: &Call<'_>, namespace: &str) -> Result<(), Response> {
    let state = call.state.providers.get(&ids::fold(namespace)).map_or("NotRegistered", |p| p.registration.as_str());
    if matches!(state, "Registered" | "Registering") { Ok(()) } else { Err(error::not_registered(namespace)) }
}
