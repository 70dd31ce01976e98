//! What a new cluster is created with: the body of the PUT. It names every setting whose default AKS has moved before, so that two clusters
//! that are created a year apart are alike.

use crate::{
    azure::{Tags, fields},
    engine::{fault::Fault, input::Input},
    resources::values::SecretSource,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The words are those of Azure Resource Manager, <https://learn.microsoft.com/rest/api/aks/managed-clusters/create-or-update>.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Creation {
    pub location: Input<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    pub node_count: u32,
    /// None: AKS chooses one by capacity and quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// `azure` or `kubenet`.
    pub network_plugin: String,
    /// `overlay` for the plugin `azure`; without it pods are in the nodes' subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_plugin_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<String>,
    /// None: a system-assigned managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal: Option<ServicePrincipal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<bool>,
    /// The fields of the features that the same graph turns on, so that they need no change of their own.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub features: Map<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ServicePrincipal {
    pub client_id: String,
    pub secret: SecretSource,
}

/// The name of the node pool that az creates, too.
const POOL: &str = "nodepool1";

impl Creation {
    /// `secret` is that of the service principal.
    pub fn body(&self, name: &str, tags: &Tags, secret: Option<&SecretString>) -> Result<Value, Fault> {
        let mut pool = json!({ "name": POOL, "mode": "System", "count": self.node_count, "osType": "Linux",
            // without a type AKS may make single machines, on which pod identity does not work
            "type": "VirtualMachineScaleSets" });
        let mut network = json!({ "networkPlugin": self.network_plugin, "loadBalancerSku": "standard", "outboundType": "loadBalancer" });
        let set = |into: &mut Value, name: &str, value: &Option<String>| {
            if let Some(value) = value {
                into[name] = json!(value);
            }
        };
        set(&mut pool, "vmSize", &self.vm_size);
        set(&mut network, "networkPluginMode", &self.network_plugin_mode);
        set(&mut network, "networkPolicy", &self.network_policy);
        if self.network_policy.as_deref() == Some("cilium") {
            network["networkDataplane"] = json!("cilium");
        }
        let mut properties =
            json!({ "dnsPrefix": dns_prefix(name), "agentPoolProfiles": [pool], "networkProfile": network, "enableRBAC": true });
        set(&mut properties, "kubernetesVersion", &self.kubernetes_version);
        if let Some(enabled) = self.oidc_issuer {
            properties["oidcIssuerProfile"] = json!({ "enabled": enabled });
        }
        if let Some(enabled) = self.workload_identity {
            properties["securityProfile"] = json!({ "workloadIdentity": { "enabled": enabled } });
        }
        fields::overlay(&mut properties, &Value::Object(self.features.clone()));
        let mut body = json!({ "location": self.location.get()?, "tags": tags });
        if let Some(principal) = &self.service_principal {
            let secret = secret.ok_or_else(|| Fault::Bug("a service principal without its secret".into()))?;
            properties["servicePrincipalProfile"] = json!({ "clientId": principal.client_id, "secret": secret.expose_secret() });
        } else {
            body["identity"] = json!({ "type": "SystemAssigned" });
        }
        if let Some(tier) = &self.tier {
            body["sku"] = json!({ "name": "Base", "tier": tier });
        }
        body["properties"] = properties;
        Ok(body)
    }

    pub fn summary(&self) -> Vec<(&'static str, Value)> {
        let identity = match &self.service_principal {
            Some(principal) => format!("service principal {}", principal.client_id),
            None => "managed".to_owned(),
        };
        let network =
            self.network_plugin_mode.as_ref().map_or_else(|| self.network_plugin.clone(), |mode| format!("{} {mode}", self.network_plugin));
        let on: Vec<String> =
            fields::differences(&Value::Null, &Value::Object(self.features.clone())).into_iter().map(|one| one.path).collect();
        vec![
            ("location", json!(self.location)),
            ("nodes", json!(self.node_count)),
            ("vmSize", json!(self.vm_size.as_deref().unwrap_or("chosen by AKS"))),
            ("kubernetesVersion", json!(self.kubernetes_version)),
            ("network", json!(network)),
            ("networkPolicy", json!(self.network_policy)),
            ("identity", json!(identity)),
            ("oidcIssuer", json!(self.oidc_issuer)),
            ("workloadIdentity", json!(self.workload_identity)),
            ("tier", json!(self.tier)),
            ("with", if on.is_empty() { Value::Null } else { json!(on.join(", ")) }),
        ]
    }

    /// The arguments of `az aks create` with the same effect.
    pub fn arguments(&self) -> String {
        let mut all =
            format!(" --node-count {} --vm-set-type VirtualMachineScaleSets --network-plugin {}", self.node_count, self.network_plugin);
        let mut add = |flag: &str, value: Option<&String>| {
            if let Some(value) = value {
                all.push_str(&format!(" {flag} {value}"));
            }
        };
        add("--network-plugin-mode", self.network_plugin_mode.as_ref());
        add("--network-policy", self.network_policy.as_ref());
        add("--node-vm-size", self.vm_size.as_ref());
        add("--kubernetes-version", self.kubernetes_version.as_ref());
        add("--tier", self.tier.as_ref().map(|tier| tier.to_ascii_lowercase()).as_ref());
        add("--service-principal", self.service_principal.as_ref().map(|principal| &principal.client_id));
        if self.oidc_issuer == Some(true) {
            all.push_str(" --enable-oidc-issuer");
        }
        if self.workload_identity == Some(true) {
            all.push_str(" --enable-workload-identity");
        }
        all.push_str(" --no-ssh-key");
        all
    }
}

/// A prefix that AKS accepts: 1 to 54 letters, digits and hyphens, which begins and ends with a letter or digit.
fn dns_prefix(name: &str) -> String {
    let mut prefix: String = name.chars().map(|c| if c == '_' { '-' } else { c }).take(54).collect();
    while prefix.ends_with('-') {
        prefix.pop();
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creation() -> Creation {
        Creation {
            location: Input::Known("westeurope".into()),
            tier: None,
            node_count: 2,
            vm_size: None,
            kubernetes_version: None,
            network_plugin: "azure".into(),
            network_plugin_mode: Some("overlay".into()),
            network_policy: None,
            service_principal: None,
            oidc_issuer: None,
            workload_identity: None,
            features: Map::new(),
        }
    }

    #[test]
    fn the_body_pins_what_pod_identity_depends_on_and_leaves_out_what_was_not_asked_for() {
        let body = creation().body("aks_one", &Tags::new(), None).unwrap();
        let expected = json!({
            "location": "westeurope", "tags": {}, "identity": { "type": "SystemAssigned" },
            "properties": {
                "dnsPrefix": "aks-one", "enableRBAC": true,
                "agentPoolProfiles": [{ "name": "nodepool1", "mode": "System", "count": 2, "osType": "Linux", "type": "VirtualMachineScaleSets" }],
                "networkProfile": { "networkPlugin": "azure", "networkPluginMode": "overlay", "loadBalancerSku": "standard", "outboundType": "loadBalancer" },
            },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_features_of_the_graph_are_in_the_body() {
        let mut creation = Creation { oidc_issuer: Some(true), workload_identity: Some(true), ..creation() };
        let features = json!({ "securityProfile": { "imageCleaner": { "enabled": false } }, "podIdentityProfile": { "enabled": true } });
        creation.features = features.as_object().unwrap().clone();
        let body = creation.body("aks", &Tags::new(), None).unwrap();
        let security = json!({ "workloadIdentity": { "enabled": true }, "imageCleaner": { "enabled": false } });
        assert_eq!(body["properties"]["securityProfile"], security);
        assert_eq!(body["properties"]["podIdentityProfile"], json!({ "enabled": true }));
    }

    #[test]
    fn a_service_principals_secret_is_only_in_the_body() {
        let principal = ServicePrincipal { client_id: "app".into(), secret: SecretSource::Env("SP_SECRET".into()) };
        let creation = Creation { service_principal: Some(principal), ..creation() };
        let body = creation.body("aks", &Tags::new(), Some(&SecretString::from("hunter2"))).unwrap();
        assert_eq!(body["properties"]["servicePrincipalProfile"], json!({ "clientId": "app", "secret": "hunter2" }));
        assert_eq!(body.get("identity"), None);
        let shown = format!("{:?} {:?} {}", creation, creation.summary(), serde_json::to_string(&creation).unwrap());
        assert!(!shown.contains("hunter2"));
        assert!(creation.body("aks", &Tags::new(), None).is_err());
    }
}
