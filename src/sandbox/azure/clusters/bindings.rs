//! Identity bindings of a managed cluster: they let its token proxy get tokens of a user-assigned identity. All clusters share one federated
//! credential of the identity, which AKS creates with the first binding and never deletes.
//!
//! Names, ids and fields follow the TypeSpec of 2026-04-01; its patterns are enforced here. The texts of refusals are not recorded.

use super::{
    changes,
    replies::{answer, find, refusal},
};
use crate::{
    azure::{
        access,
        call::{Answer, Call},
        error, federated, hosts, identities, ids, providers, resource_ids,
        state::{Cluster, FederatedCredential, Group, IdentityBinding, State},
    },
    http::Response,
    lateness::{DelayKind, Late},
};
use serde_json::{Value, json};

pub const KIND: &str = "Microsoft.ContainerService/managedClusters/identityBindings";
const SEGMENT: &str = "identityBindings";
/// The first stable version with bindings, and the first preview.
const SINCE: (&str, &str) = ("2026-04-01", "2025-08-02-preview");
const CREDENTIAL: &str = "aks-identity-binding";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// Returns the issuer of the tokens that the token proxies of all clusters exchange for an identity.
pub fn issuer(tenant: &str, client_id: &str) -> String {
    format!("https://ib{}/{tenant}/{client_id}", hosts::OIDC_SUFFIX)
}

pub fn is_issuer(url: &str) -> bool {
    url.starts_with(&format!("https://ib{}/", hosts::OIDC_SUFFIX))
}

/// Returns the bindings of a cluster, given by its key, that are not being deleted any more.
pub fn of<'a>(state: &'a State, cluster: &str) -> impl Iterator<Item = &'a IdentityBinding> + use<'a> {
    let from = format!("{cluster}/{}/", ids::fold(SEGMENT));
    let mine = from.clone();
    let all = state.bindings.range(from..).take_while(move |(key, _)| key.starts_with(&mine)).map(|(_, binding)| binding);
    all.filter(|binding| binding.ending.as_ref().is_none_or(|operation| is_running(state, operation)))
}

fn is_running(state: &State, operation: &str) -> bool {
    state.operations.get(operation).is_some_and(|operation| operation.polls > 0)
}

pub fn document(state: &State, cluster: &Cluster, binding: &IdentityBinding) -> Value {
    let provisioning = match (&binding.ending, is_running(state, &binding.creating)) {
        (Some(_), _) => "Deleting",
        (None, true) => "Creating",
        (None, false) => "Succeeded",
    };
    let id = ids::low_group_id(&state.subscription, &cluster.group, resource_ids::CLUSTER, &cluster.name);
    json!({
        "id": format!("{id}/{SEGMENT}/{}", binding.name), "name": binding.name, "type": KIND,
        "eTag": ids::guid(&["etag", "binding", &cluster.name, &binding.name, provisioning]),
        "properties": {
            "managedIdentity": {
                "resourceId": binding.resource_id, "clientId": binding.client_id, "objectId": binding.principal_id,
                "tenantId": state.tenant,
            },
            "oidcIssuer": {"oidcIssuerUrl": issuer(&state.tenant, &binding.client_id)}, "provisioningState": provisioning,
        },
    })
}

fn check_version(call: &Call<'_>) -> Result<(), Response> {
    let version = call.api_version();
    let since = if version.ends_with("-preview") { SINCE.1 } else { SINCE.0 };
    let known = version.as_str() >= since;
    if known { Ok(()) } else { Err(providers::no_type("Microsoft.ContainerService", "managedClusters/identityBindings", call)) }
}

fn scope(call: &Call<'_>, group: &Group, cluster: &str) -> String {
    ids::resource_id(&call.state.subscription, &group.name, resource_ids::CLUSTER, cluster)
}

pub fn list(call: &Call<'_>, group: &Group, cluster: &str) -> Answer {
    check_version(call)?;
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, &format!("{KIND}/read"), &scope(call, group, cluster))?;
    let found = find(call, group, cluster)?;
    let key = resource_ids::cluster_key(&call.state.subscription, &group.name, cluster);
    let value: Vec<Value> = of(call.state, &key).map(|binding| document(call.state, found, binding)).collect();
    Ok(answer(200, &json!({ "value": value })))
}

pub fn one(call: &mut Call<'_>, group: &Group, cluster: &str, name: &str) -> Answer {
    check_version(call)?;
    let verb = match call.request.method.as_str() {
        "GET" => "read",
        "PUT" => "write",
        "DELETE" => "delete",
        _ => return Err(error::method_not_allowed(call)),
    };
    let of_cluster = scope(call, group, cluster);
    access::require(call, &format!("{KIND}/{verb}"), &format!("{of_cluster}/{SEGMENT}/{name}"))?;
    let found = find(call, group, cluster)?.clone();
    let cluster_key = resource_ids::cluster_key(&call.state.subscription, &group.name, cluster);
    let key = format!("{cluster_key}/{}", ids::fold(&format!("{SEGMENT}/{name}")));
    let existing = of(call.state, &cluster_key).find(|binding| binding.name.eq_ignore_ascii_case(name)).cloned();
    match (verb, existing) {
        ("read", Some(binding)) => {
            let body = document(call.state, &found, &binding);
            // a client that lost the address of the operation reads the binding until it is ready
            changes::poll(call, binding.ending.as_ref().unwrap_or(&binding.creating));
            Ok(answer(200, &body))
        }
        ("read", None) => {
            Err(refusal(404, "NotFound", format!("Could not find identity binding {name} of the managed cluster {cluster}.")))
        }
        ("write", existing) => {
            access::require(call, &format!("{}/write", resource_ids::CLUSTER), &of_cluster)?;
            put(call, &found, name, &key, existing)
        }
        (_, None) => {
            call.state.bindings.remove(&key);
            Ok(Response::new(204))
        }
        (_, Some(binding)) => {
            let operation = changes::begin(call, &format!("{cluster}/{name}"));
            let location = changes::operation_url(call, &found.location, "operationresults", &operation);
            call.state.bindings.insert(key, IdentityBinding { ending: Some(operation), ..binding });
            call.changed();
            Ok(Response::new(202).with("location", location))
        }
    }
}

/// Returns the id of the request, which must have the exact form of the TypeSpec's pattern.
fn requested_identity(call: &Call<'_>) -> Result<String, Response> {
    let body = error::object(call)?;
    let invalid = |why: String| refusal(400, "InvalidParameter", why);
    let id = body.get("properties").and_then(|p| p["managedIdentity"]["resourceId"].as_str());
    let id = id.ok_or_else(|| invalid("properties.managedIdentity.resourceId is required.".to_owned()))?;
    let parts: Vec<&str> = id.split('/').collect();
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = matches!(
        parts.as_slice(),
        ["", "subscriptions", subscription, "resourceGroups", group, "providers", "Microsoft.ManagedIdentity", "userAssignedIdentities", name]
            if plain(subscription) && plain(group) && plain(name)
    );
    if !fits {
        return Err(invalid(format!(
            "The value '{id}' of properties.managedIdentity.resourceId does not match the pattern '^/subscriptions/[a-zA-Z0-9-]+/resourceGroups/[a-zA-Z0-9-]+/providers/Microsoft.ManagedIdentity/userAssignedIdentities/[a-zA-Z0-9-]+$'."
        )));
    }
    Ok(id.to_owned())
}

fn put(call: &mut Call<'_>, cluster: &Cluster, name: &str, key: &str, existing: Option<IdentityBinding>) -> Answer {
    providers::require(call, "Microsoft.ContainerService")?;
    let valid = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !valid {
        let why = format!("The identity binding name '{name}' does not match the pattern '^[a-z][a-z0-9]{{0,63}}$'.");
        return Err(refusal(400, "InvalidParameter", why));
    }
    let id = requested_identity(call)?;
    if let Some(binding) = existing {
        if !binding.resource_id.eq_ignore_ascii_case(&id) {
            let why = "Changing property 'properties.managedIdentity.resourceId' is not allowed.";
            return Err(refusal(400, "PropertyChangeNotAllowed", why));
        }
        return Ok(answer(200, &document(call.state, cluster, &binding)));
    }
    let identity = identities::by_id(call, &id)?.clone();
    let action = format!("{}/write", federated::KIND);
    if !access::may(call, &action, &id) {
        let (caller, place) = (&call.caller.object_id, format!("{}/{SEGMENT}/{name}", scope_of(call, cluster)));
        let message = format!(
            "The client '{caller}' with object id '{caller}' has permission to perform action '{KIND}/write' on scope '{place}'; however, it does not have permission to perform action '{action}' on the linked scope(s) '{id}' or the linked scope(s) are invalid."
        );
        return Err(error::gateway(403, "LinkedAuthorizationFailed", message));
    }
    // the subject of the real credential is not documented
    let credential = FederatedCredential {
        name: CREDENTIAL.to_owned(),
        issuer: issuer(&call.state.tenant, &identity.client_id),
        subject: identity.client_id.clone(),
        audiences: vec![EXCHANGE.to_owned()],
        late: Late::new(DelayKind::Federation, call.rules.lateness, call.now),
    };
    federated::add(call.state, &ids::fold(&id), credential)?;
    let creating = changes::begin(call, &format!("{}/{name}", cluster.name));
    let place = changes::operation_url(call, &cluster.location, "operations", &creating);
    let (client_id, principal_id) = (identity.client_id, identity.principal_id);
    let binding = IdentityBinding { name: name.to_owned(), resource_id: id, client_id, principal_id, creating, ending: None };
    let body = document(call.state, cluster, &binding);
    call.state.bindings.insert(key.to_owned(), binding);
    call.changed();
    Ok(answer(201, &body).with("azure-asyncoperation", place))
}

fn scope_of(call: &Call<'_>, cluster: &Cluster) -> String {
    ids::resource_id(&call.state.subscription, &cluster.group, resource_ids::CLUSTER, &cluster.name)
}
