//! Shows a managed cluster, with what stands in the way of pod identity; and a resource group, with what is in it.

use super::{Lookup, failed, missing, owner};
use crate::{
    azure::{self, ArmId, id::CLUSTER, obstacles},
    exit::Exit,
    failure::Failure,
    output::table,
    spec::reference::NameOrId,
};
use serde_json::{Value, json};

impl Lookup<'_> {
    pub(super) async fn cluster(&self, name: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        let id = self.id(CLUSTER, name, group)?;
        let found = self.azure.cluster(&id).await.map_err(failed)?.ok_or_else(|| missing("cluster", "cluster", &id))?;
        let document = document(&found);
        let mut fields: Vec<(&str, Option<String>)> = Vec::new();
        for (name, value) in document.as_object().into_iter().flatten() {
            match value {
                Value::Null => {}
                Value::Array(items) if name == "obstacles" => fields.extend(items.iter().map(|item| ("obstacle", Some(obstacle(item))))),
                Value::Array(items) => fields.extend(items.iter().map(|item| (name.as_str(), Some(words(item))))),
                value => fields.push((name, Some(words(value)))),
            }
        }
        self.say(&document, table::record(&fields))
    }

    pub(super) async fn resource_group(&self, name: &str) -> Result<(), Failure> {
        let id = ArmId::group(&self.subscription, name);
        let Some(found) = self.azure.group(&id).await.map_err(failed)? else {
            return Err(Failure::new(
                Exit::Refused,
                format!("the resource group {name} does not exist in subscription {}", self.subscription),
            )
            .hint(format!("Create it: `podid group create -n {name} -l LOCATION`.")));
        };
        let content = self.azure.group_content(&id).await.map_err(failed)?;
        let content: Vec<Value> = content.iter().map(|one| json!({ "name": one.id.name(), "type": one.kind, "id": one.id })).collect();
        let owner = owner(&found.tags.clone().unwrap_or_default());
        let document = json!({ "id": found.id, "location": found.location, "owner": owner, "resources": content });
        let mut fields: Vec<(&str, Option<String>)> =
            vec![("id", Some(found.id.to_string())), ("location", Some(found.location)), ("owner", (!owner.is_empty()).then_some(owner))];
        let line = |one: &Value| format!("{} ({})", words(&one["name"]), words(&one["type"]));
        fields.extend(content.iter().map(|one| ("resource", Some(line(one)))));
        self.say(&document, table::record(&fields))
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| format!("{name} {}", words(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn obstacle(item: &Value) -> String {
    let effects =
        [("MIC and NMI", &item["effect"]), ("add-on", &item["addonEffect"])].map(|(of, effect)| format!("{of}: {}", words(effect)));
    format!("{} ({}): {}. {}", words(&item["sign"]), effects.join(", "), words(&item["reason"]), words(&item["wayOut"]))
}

fn document(found: &azure::Cluster) -> Value {
    let identity = match &found.service_principal_client_id {
        Some(client_id) => json!({ "kind": "service principal", "clientId": client_id }),
        None => json!({ "kind": "managed", "principalId": found.control_plane_principal_id }),
    };
    let network = json!({ "plugin": found.network_plugin, "mode": found.network_plugin_mode, "policy": found.network_policy });
    let pools: Vec<Value> = found
        .pools
        .iter()
        .map(|pool| json!({ "name": pool.name, "nodes": pool.count, "size": pool.vm_size, "os": pool.os, "type": pool.kind }))
        .collect();
    let kubelet = found.kubelet.as_ref().map(|kubelet| json!({ "clientId": kubelet.client_id, "principalId": kubelet.object_id }));
    let owner = owner(&found.tags);
    let mut addons = found.addons.clone();
    if found.pod_identity_addon {
        addons.push("podIdentity".to_owned());
    }
    json!({
        "id": found.id, "location": found.location, "state": found.provisioning, "failed": found.failed,
        "kubernetesVersion": found.kubernetes_version, "sku": found.sku, "tier": found.tier, "fqdn": found.fqdn, "privateFqdn": found.private_fqdn,
        "identity": identity, "kubelet": kubelet, "nodeGroup": found.node_resource_group, "pools": pools, "network": network,
        "oidcIssuer": found.oidc_issuer, "workloadIdentity": found.workload_identity, "addons": addons,
        "owner": if owner.is_empty() { Value::Null } else { json!(owner) },
        "obstacles": obstacles::pod_identity_obstacles(found),
    })
}
