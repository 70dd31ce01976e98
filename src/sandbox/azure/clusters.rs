//! Managed clusters: list, read, and credentials. `changes` creates, updates and deletes them, `validation` checks requests, `document`
//! builds the answers, `versions` filters them by api-version, and `provision` creates what belongs to a cluster. `addons` and
//! `pod_identity` are about its add-ons, `bindings` about its identity bindings.

pub mod addons;
pub mod bindings;
mod changes;
mod document;
pub mod pod_identity;
mod provision;
mod replies;
mod validation;
mod versions;

pub use changes::{operation, operation_result};
pub use document::document;
pub use provision::{ClusterSpec, provision};

use super::{
    access,
    call::{Answer, Call},
    error, ids,
    kubeconfig::{self, KubeconfigEntry},
    resource_ids,
    state::Group,
};
use crate::http::Request;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const KIND: &str = resource_ids::CLUSTER;

/// Returns whether a request creates or updates a cluster.
pub fn is_write(request: &Request) -> bool {
    let mut path = request.path.trim_end_matches('/').rsplit('/');
    request.method == "PUT" && path.nth(1).is_some_and(|kind| kind.eq_ignore_ascii_case("managedClusters"))
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, "Microsoft.ContainerService/managedClusters/read", &scope)?;
    let all = call.state.clusters.values().filter(|c| group.is_none_or(|g| c.group.eq_ignore_ascii_case(g)));
    let value: Vec<Value> = all.map(|c| document(call.state, c, &call.api_version())).collect();
    Ok(replies::answer(200, &json!({ "value": value })))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let action = |verb: &str| format!("{KIND}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &scope)?;
            changes::advance(call, group, name)?;
            let body = document(call.state, replies::find(call, group, name)?, &call.api_version());
            // a client that lost the address of the operation reads the cluster until it is ready
            changes::progress(call, group, name);
            Ok(replies::answer(200, &body))
        }
        "PUT" => {
            access::require(call, &action("write"), &scope)?;
            changes::put(call, group, name)
        }
        "PATCH" => {
            access::require(call, &action("write"), &scope)?;
            changes::patch(call, group, name)
        }
        "DELETE" => {
            access::require(call, &action("delete"), &scope)?;
            changes::delete(call, group, name)
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// Answers `listClusterUserCredential` and `listClusterAdminCredential` with a kubeconfig in base64.
pub fn credential(call: &Call<'_>, group: &Group, name: &str, verb: &str) -> Answer {
    let (action, user) = match verb {
        "listclusterusercredential" => ("listClusterUserCredential", "clusterUser"),
        "listclusteradmincredential" => ("listClusterAdminCredential", "clusterAdmin"),
        _ => {
            return Err(error::gateway(
                404,
                "InvalidResourceType",
                format!("The resource type '{verb}' could not be found in the namespace 'Microsoft.ContainerService'."),
            ));
        }
    };
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    access::require(call, &format!("{KIND}/{action}/action"), &scope)?;
    let cluster = replies::find(call, group, name)?;
    let own = || KubeconfigEntry::of_sandbox(cluster, &call.rules.ca_pem, &call.rules.admin_token, None);
    // the credential of an external cluster is the user's own and only in the sandbox's folder
    let entry = call.rules.entries.get(&cluster.name).map_or_else(own, |entry| KubeconfigEntry { user: json!({}), ..entry.clone() });
    let config = kubeconfig::kubeconfig(&[(cluster, entry)], user);
    Ok(replies::answer(200, &json!({"kubeconfigs": [{"name": user, "value": STANDARD.encode(config)}]})))
}
