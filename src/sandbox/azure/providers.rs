//! Resource providers and their registration with the subscription. A new world has the providers of the labs registered.

use super::{
    access,
    call::{Answer, Call},
    error::{self, gateway},
    ids,
    state::Provider,
    subscriptions,
};
use crate::http::Response;
use serde_json::{Value, json};

/// Namespaces and their resource types, registered in a new world.
pub const ALL: &[(&str, &[&str])] = &[
    ("Microsoft.Authorization", &["roleAssignments", "roleDefinitions", "permissions"]),
    ("Microsoft.Compute", &["virtualMachines", "virtualMachineScaleSets"]),
    (
        "Microsoft.ContainerService",
        &["managedClusters", "managedClusters/identityBindings", "locations", "locations/operations", "locations/operationresults"],
    ),
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
    (
        "Microsoft.Storage",
        &["storageAccounts", "storageAccounts/blobServices", "storageAccounts/blobServices/containers", "checkNameAvailability"],
    ),
];

/// Resource types of providers that are not registered; a provider that is not listed has only `operations`.
const TYPES: &[(&str, &[&str])] = &[
    ("Microsoft.App", &["managedEnvironments", "containerApps", "jobs"]),
    ("Microsoft.AppConfiguration", &["configurationStores"]),
    ("Microsoft.Cache", &["Redis", "redisEnterprise"]),
    ("Microsoft.ClassicInfrastructureMigrate", &["classicInfrastructureResources"]),
    ("Microsoft.CognitiveServices", &["accounts", "accounts/projects", "accounts/connections", "deletedAccounts"]),
    ("Microsoft.ContainerInstance", &["containerGroups"]),
    ("Microsoft.ContainerRegistry", &["registries"]),
    ("Microsoft.Dashboard", &["grafana"]),
    ("Microsoft.DocumentDB", &["databaseAccounts"]),
    ("Microsoft.EventHub", &["namespaces"]),
    ("Microsoft.Insights", &["components", "diagnosticSettings", "metricAlerts"]),
    ("Microsoft.Management", &["managementGroups", "getEntities", "checkNameAvailability"]),
    ("Microsoft.Monitor", &["accounts", "locations", "pipelineGroups"]),
    ("Microsoft.ServiceBus", &["namespaces"]),
    ("Microsoft.Sql", &["servers", "servers/databases"]),
    ("Microsoft.Web", &["sites", "serverFarms"]),
];

/// Providers with one application, which they return by itself; other providers return a list.
const OF_ONE: &[&str] = &["Microsoft.ClassicInfrastructureMigrate", "Microsoft.Management"];
/// Providers without an application.
const OF_NONE: &[&str] = &["Microsoft.Features"];
/// Providers whose applications have no role of their own.
const WITHOUT_ROLES: &[&str] = &["Microsoft.Authorization", "Microsoft.ManagedIdentity", "Microsoft.Resources"];
/// Providers that manage resources of their users, as AKS manages the node resource group.
const MANAGING: &[&str] = &["Microsoft.ContainerService", "Microsoft.Monitor"];
/// Providers on the newer provider hub, whose types have a default version. It is recorded for Microsoft.Monitor and assumed for the
/// others.
const OF_THE_HUB: &[&str] = &[
    "Microsoft.App",
    "Microsoft.Dashboard",
    "Microsoft.HybridCompute",
    "Microsoft.Kubernetes",
    "Microsoft.KubernetesConfiguration",
    "Microsoft.Monitor",
];
/// Providers without locations: their resources belong to the tenant or the subscription.
const NOWHERE: &[&str] = &["Microsoft.Authorization", "Microsoft.Features", "Microsoft.Management"];
/// Providers that need no registration (documentation of the resource providers, "registered by default").
const FREE: &[&str] = &["Microsoft.Authorization", "Microsoft.Features", "Microsoft.Resources"];
/// The versions that introduced these fields, from the resource manager's swagger (`Provider` and `ProviderResourceType` in
/// `specification/resources/resource-manager/Microsoft.Resources` of Azure/azure-rest-api-specs).
const POLICY_SINCE: &str = "2019-03-01";
const CAPABILITIES_SINCE: &str = "2019-03-01";
const DEFAULT_VERSION_SINCE: &str = "2020-06-01";

/// Known providers that are not registered in a new world.
const OTHERS: &[&str] = &[
    "Microsoft.AlertsManagement",
    "Microsoft.ApiManagement",
    "Microsoft.App",
    "Microsoft.AppConfiguration",
    "Microsoft.Automation",
    "Microsoft.Batch",
    "Microsoft.Cache",
    "Microsoft.Cdn",
    "Microsoft.ClassicCompute",
    "Microsoft.ClassicInfrastructureMigrate",
    "Microsoft.ClassicNetwork",
    "Microsoft.ClassicStorage",
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

fn canonical(namespace: &str) -> Option<&'static str> {
    let all = ALL.iter().map(|(name, _)| *name).chain(OTHERS.iter().copied());
    all.into_iter().find(|name| name.eq_ignore_ascii_case(namespace))
}

pub fn known(namespace: &str) -> bool {
    canonical(namespace).is_some()
}

/// Returns the namespace in the provider's own casing.
pub fn name(namespace: &str) -> &str {
    canonical(namespace).unwrap_or(namespace)
}

/// Returns the provider; one that is not in the state is not registered.
fn find<'a>(call: &'a mut Call<'_>, namespace: &str) -> Result<&'a mut Provider, Response> {
    let canonical = canonical(namespace).ok_or_else(|| unknown(namespace))?;
    let new = || Provider { namespace: canonical.to_owned(), registration: "NotRegistered".to_owned() };
    Ok(call.state.providers.entry(ids::fold(namespace)).or_insert_with(new))
}

fn document(call: &Call<'_>, provider: &Provider) -> Value {
    let namespace = provider.namespace.as_str();
    let version = call.api_version();
    let mut body = json!({"id": format!("/subscriptions/{}/providers/{namespace}", call.state.subscription), "namespace": namespace});
    let applications = applications(namespace);
    match applications.first() {
        None => {}
        Some(one) if OF_ONE.contains(&namespace) => body["authorization"] = one.clone(),
        Some(_) => body["authorizations"] = json!(applications),
    }
    body["resourceTypes"] = json!(types(namespace, &version));
    body["registrationState"] = json!(provider.registration);
    if version.as_str() >= POLICY_SINCE {
        body["registrationPolicy"] = json!(if FREE.contains(&namespace) { "RegistrationFree" } else { "RegistrationRequired" });
    }
    body
}

/// Returns the applications of a provider: with a role, without one, and with one for managed resources.
fn applications(namespace: &str) -> Vec<Value> {
    if OF_NONE.contains(&namespace) {
        return Vec::new();
    }
    let named = |word: &str| ids::guid(&[word, namespace]);
    let with_role = json!({"applicationId": named("application of"), "roleDefinitionId": named("role of")});
    let without_role = json!({"applicationId": named("application without a role of")});
    if WITHOUT_ROLES.contains(&namespace) {
        return vec![without_role];
    }
    let mut all = vec![with_role, without_role];
    if MANAGING.contains(&namespace) {
        all.push(json!({"applicationId": named("managing application of"), "roleDefinitionId": named("role of"),
            "managedByRoleDefinitionId": named("managing role of")}));
    }
    all
}

/// Returns the resource types of a provider, and `locations`, which has no location itself, and `operations`.
fn types(namespace: &str, version: &str) -> Vec<Value> {
    let locations: Vec<&str> = subscriptions::LOCATIONS.iter().map(|(_, display)| *display).collect();
    let named = ALL.iter().chain(TYPES).find(|(name, _)| *name == namespace).map_or(&[][..], |(_, types)| *types);
    let nowhere = NOWHERE.contains(&namespace);
    let beside = if nowhere { &["operations"][..] } else { &["locations", "operations"] };
    let beside = beside.iter().copied().filter(|kind| !named.contains(kind));
    let all = named.iter().copied().map(|kind| (kind, "SupportsTags, SupportsLocation")).chain(beside.map(|kind| (kind, "None")));
    let kind = |(at, (kind, capabilities)): (usize, (&str, &str))| {
        let here = if nowhere || kind == "locations" { &[][..] } else { &locations[..] };
        let mut body = json!({"resourceType": kind, "locations": here, "apiVersions": ["2026-02-01", "2024-11-01"]});
        let main = at == 0 && !named.is_empty();
        if OF_THE_HUB.contains(&namespace) && !main && version >= DEFAULT_VERSION_SINCE {
            body["defaultApiVersion"] = json!("2024-11-01");
        }
        if version >= CAPABILITIES_SINCE {
            body["capabilities"] = json!(capabilities);
        }
        body
    };
    all.enumerate().map(kind).collect()
}

pub fn unknown(namespace: &str) -> Response {
    gateway(404, "InvalidResourceNamespace", format!("The resource namespace '{namespace}' is invalid."))
}

pub fn list(call: &Call<'_>) -> Answer {
    access::require(call, "Microsoft.Resources/subscriptions/providers/read", &format!("/subscriptions/{}", call.state.subscription))?;
    Ok(error::list(call.state.providers.values().map(|p| document(call, p)).collect()))
}

/// A registration in progress is shown once, then it is finished.
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
    let known = canonical(namespace).ok_or_else(|| unknown(namespace))?;
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

/// Returns MissingSubscriptionRegistration unless the namespace is registered.
pub fn require(call: &Call<'_>, namespace: &str) -> Result<(), Response> {
    let state = call.state.providers.get(&ids::fold(namespace)).map_or("NotRegistered", |p| p.registration.as_str());
    if matches!(state, "Registered" | "Registering") { Ok(()) } else { Err(error::not_registered(namespace)) }
}

pub fn no_type(namespace: &str, kind: &str, call: &Call<'_>) -> Response {
    if !known(namespace) {
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
