//! Managed clusters: listed, read, and how they are reached; `changes` makes and ends them, `sound` knows what they can be asked for, `shown` has
//! what they tell and `versions` to whom, `site` what comes with one. AKS writes its answers indented and without a charset, and its own errors without an `error` around them.

mod changes;
mod shown;
mod site;
mod sound;
mod versions;

pub use changes::{operation, operation_result};
pub use shown::document;
pub use site::{Site, found};

use super::{
    Answer, Call, access, directory, error, ids,
    state::{Cluster, Group},
};
use crate::http::{Body, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub const KIND: &str = "Microsoft.ContainerService/managedClusters";

/// AKS's own refusals have no `error` around them.
fn refusal(status: u16, code: &str, message: impl Into<String>) -> Response {
    answer(status, &json!({"code": code, "details": null, "message": message.into(), "subcode": code}))
}

fn answer(status: u16, body: &Value) -> Response {
    let text = serde_json::to_string_pretty(body).unwrap_or_default();
    Response { status, headers: vec![("content-type".into(), "application/json".into())], body: Body::Full(text.into()) }
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
    Ok(answer(200, &json!({ "value": value })))
}

fn find<'a>(call: &'a Call<'_>, group: &Group, name: &str) -> Result<&'a Cluster, Response> {
    let key = key(call, group, name);
    call.state.clusters.get(&key).ok_or_else(|| error::resource_not_found(KIND, name, &group.name))
}

fn key(call: &Call<'_>, group: &Group, name: &str) -> String {
    ids::fold(&ids::resource_id(&call.state.subscription, &group.name, KIND, name))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let action = |verb: &str| format!("{KIND}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &scope)?;
            changes::look(call, group, name)?;
            Ok(answer(200, &document(call.state, find(call, group, name)?, &call.api_version())))
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

/// `listClusterUserCredential` and `listClusterAdminCredential`: a kubeconfig, in base64.
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
    let cluster = find(call, group, name)?;
    let own = || Entry::of_sandbox(cluster, &call.rules.ca_pem, &call.rules.admin_token, None);
    // the credential of a cluster from outside is the user's own, and lies in the sandbox's folder only
    let entry = call.rules.entries.get(&cluster.name).map_or_else(own, |entry| Entry { user: json!({}), ..entry.clone() });
    let config = kubeconfig(&[(cluster, entry)], user);
    Ok(answer(200, &json!({"kubeconfigs": [{"name": user, "value": STANDARD.encode(config)}]})))
}

/// What a kubeconfig says of one cluster: how it is reached, and as whom. Holds a credential, so no Debug.
#[derive(Clone)]
pub struct Entry {
    pub cluster: Value,
    pub user: Value,
}

impl Entry {
    /// Of a cluster that is served here.
    pub fn of_sandbox(cluster: &Cluster, ca_pem: &str, token: &str, proxy: Option<&str>) -> Self {
        let mut entry = json!({"server": format!("https://{}:443", cluster.fqdn), "certificate-authority-data": STANDARD.encode(ca_pem)});
        if let Some(proxy) = proxy {
            entry["proxy-url"] = json!(proxy);
        }
        Self { cluster: entry, user: json!({ "token": token }) }
    }
}

/// A kubeconfig (JSON is YAML) with a context for each; the first is current. `role` is `clusterUser` or `clusterAdmin`: az names the context of
/// an admin by it.
pub fn kubeconfig(clusters: &[(&Cluster, Entry)], role: &str) -> String {
    let user = |cluster: &Cluster| format!("{role}_{}_{}", cluster.group, cluster.name);
    let of =
        |make: &dyn Fn(&Cluster, &Entry) -> Value| clusters.iter().map(|(cluster, entry)| make(cluster, entry)).collect::<Vec<Value>>();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": clusters.first().map_or("", |(cluster, _)| &cluster.name),
        "clusters": of(&|cluster, entry| json!({"name": cluster.name, "cluster": entry.cluster})),
        "contexts": of(&|cluster, _| json!({"name": cluster.name, "context": {"cluster": cluster.name, "user": user(cluster)}})),
        "users": of(&|cluster, entry| json!({"name": user(cluster), "user": entry.user})),
    });
    serde_json::to_string_pretty(&config).unwrap_or_default()
}

pub fn remove_in(call: &mut Call<'_>, group: &str) {
    let gone: Vec<String> =
        call.state.clusters.iter().filter(|(_, c)| c.group.eq_ignore_ascii_case(group)).map(|(key, _)| key.clone()).collect();
    for key in gone {
        forget(call, &key);
    }
}

fn forget(call: &mut Call<'_>, key: &str) {
    if let Some(cluster) = call.state.clusters.remove(key)
        && let Some(principal) = cluster.principal_id
    {
        directory::remove(call.state, key, &principal);
    }
}
