//! The objects of an app: its Deployment, its Service, and what makes it reachable. The trees come from templates/apps; values are put into the
//! tree, never into text.

use super::pods::PodSettings;
use crate::{engine::fault::Fault, resources::pod_patch::PodPatch};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The label by which the Service and the Deployment find the pods.
pub const APP_LABEL: &str = "app.kubernetes.io/name";
/// The GatewayClass of AKS's application routing with the Gateway API.
pub const GATEWAY_CLASS: &str = "approuting-istio";
/// The port of the Service and of the Gateway.
const HTTP: u16 = 80;

/// How an app is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expose {
    /// From within the cluster.
    #[default]
    None,
    /// By a Service with a public address.
    LoadBalancer,
    /// By a Gateway and an HTTPRoute.
    Gateway,
}

/// A variable of the app's container.
#[derive(Clone, Debug, PartialEq)]
pub enum EnvValue {
    Plain(String),
    /// A key of a Kubernetes Secret.
    Secret {
        secret: String,
        key: String,
    },
}

/// An app of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct App {
    pub name: String,
    pub namespace: String,
    pub image: String,
    pub replicas: u32,
    pub port: Option<u16>,
    pub expose: Expose,
    /// Host name of the Gateway's listener and of the route; None: any.
    pub host: Option<String>,
    /// Path that answers with success if the app is healthy.
    pub path: Option<String>,
    pub gateway_class: Option<String>,
    /// An existing Secret with the credentials of the registry.
    pub pull_secret: Option<String>,
    pub env: BTreeMap<String, EnvValue>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub pods: PodSettings,
}

/// The trees of an app. Each comes after those that it needs.
pub struct Manifests {
    pub deployment: Value,
    pub service: Option<Value>,
    pub gateway: Option<Value>,
    pub route: Option<Value>,
}

const DEPLOYMENT: &str = include_str!("../../templates/apps/deployment.yaml");
const SERVICE: &str = include_str!("../../templates/apps/service.yaml");
const GATEWAY: &str = include_str!("../../templates/apps/gateway.yaml");
const ROUTE: &str = include_str!("../../templates/apps/httproute.yaml");

fn template(text: &str, name: &str, namespace: &str) -> Result<Value, Fault> {
    let mut tree: Value = serde_saphyr::from_str(text).map_err(|e| Fault::Bug(e.to_string()))?;
    tree["metadata"] = json!({ "name": name, "namespace": namespace });
    Ok(tree)
}

impl App {
    /// `patch`: what the pods need to be bound and to get their secrets.
    pub fn manifests(&self, patch: &PodPatch) -> Result<Manifests, Fault> {
        let is_gateway = self.expose == Expose::Gateway;
        Ok(Manifests {
            deployment: self.deployment(patch)?,
            service: self.port.map(|port| self.service(port)).transpose()?,
            gateway: is_gateway.then(|| self.gateway()).transpose()?,
            route: is_gateway.then(|| self.route()).transpose()?,
        })
    }

    fn labels(&self) -> Value {
        json!({ APP_LABEL: self.name })
    }

    fn deployment(&self, patch: &PodPatch) -> Result<Value, Fault> {
        let mut tree = template(DEPLOYMENT, &self.name, &self.namespace)?;
        // the user's own come first: none takes the place of one by which pods are found or bound
        let mut labels = json!(self.pods.labels);
        extend(&mut labels, &self.labels());
        let added = patch.template(std::slice::from_ref(&self.name));
        extend(&mut labels, &added["metadata"]["labels"]);
        let spec = &mut tree["spec"];
        spec["replicas"] = json!(self.replicas);
        spec["selector"]["matchLabels"] = self.labels();
        let template = &mut spec["template"];
        template["metadata"]["labels"] = labels;
        let mut annotations = self.pods.annotations.clone();
        annotations.extend(patch.annotations.clone());
        if !annotations.is_empty() {
            template["metadata"]["annotations"] = json!(annotations);
        }
        let pod = &mut template["spec"];
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] = self.labels();
        self.container(&mut pod["containers"][0], patch);
        if let Some(account) = &patch.service_account {
            pod["serviceAccountName"] = json!(account);
        }
        if let Some(secret) = &self.pull_secret {
            pod["imagePullSecrets"] = json!([{ "name": secret }]);
        }
        if !patch.volumes.is_empty() {
            pod["volumes"] = json!(patch.volumes);
        }
        Ok(tree)
    }

    fn container(&self, container: &mut Value, patch: &PodPatch) {
        container["name"] = json!(self.name);
        container["image"] = json!(self.image);
        for (field, words) in [("command", &self.command), ("args", &self.args)] {
            if !words.is_empty() {
                container[field] = json!(words);
            }
        }
        self.pods.set_resources(&mut container["resources"]);
        if let Some(port) = self.port {
            container["ports"] = json!([{ "name": "http", "containerPort": port, "protocol": "TCP" }]);
            let probe = match &self.path {
                Some(path) => json!({ "httpGet": { "path": path, "port": "http" } }),
                None => json!({ "tcpSocket": { "port": "http" } }),
            };
            container["readinessProbe"] = probe.clone();
            container["livenessProbe"] = probe;
            // an app that starts slowly is not killed for it
            container["livenessProbe"]["initialDelaySeconds"] = json!(10);
        }
        let own = self.env.iter().map(|(name, value)| match value {
            EnvValue::Plain(value) => json!({ "name": name, "value": value }),
            EnvValue::Secret { secret, key } => json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } }),
        });
        let delivered = patch.env.iter().filter(|e| e["name"].as_str().is_none_or(|name| !self.env.contains_key(name))).cloned();
        let env: Vec<Value> = own.chain(delivered).collect();
        if !env.is_empty() {
            container["env"] = Value::Array(env);
        }
        if !patch.volume_mounts.is_empty() {
            container["volumeMounts"] = json!(patch.volume_mounts);
        }
    }

    fn service(&self, port: u16) -> Result<Value, Fault> {
        let mut tree = template(SERVICE, &self.name, &self.namespace)?;
        let spec = &mut tree["spec"];
        if self.expose == Expose::LoadBalancer {
            spec["type"] = json!("LoadBalancer");
        }
        spec["selector"] = self.labels();
        spec["ports"][0]["port"] = json!(HTTP);
        spec["ports"][0]["targetPort"] = json!(port);
        Ok(tree)
    }

    fn gateway(&self) -> Result<Value, Fault> {
        let mut tree = template(GATEWAY, &self.name, &self.namespace)?;
        tree["spec"]["gatewayClassName"] = json!(self.gateway_class.as_deref().unwrap_or(GATEWAY_CLASS));
        if let Some(host) = &self.host {
            tree["spec"]["listeners"][0]["hostname"] = json!(host);
        }
        Ok(tree)
    }

    fn route(&self) -> Result<Value, Fault> {
        let mut tree = template(ROUTE, &self.name, &self.namespace)?;
        let spec = &mut tree["spec"];
        spec["parentRefs"][0]["name"] = json!(self.name);
        spec["rules"][0]["backendRefs"][0]["name"] = json!(self.name);
        if let Some(host) = &self.host {
            spec["hostnames"] = json!([host]);
        }
        Ok(tree)
    }
}

fn extend(map: &mut Value, with: &Value) {
    if let (Value::Object(map), Some(with)) = (map, with.as_object()) {
        map.extend(with.clone().into_iter().collect::<Map<_, _>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App { name: "web".into(), namespace: "shop".into(), image: "example.azurecr.io/web:1".into(), replicas: 2, ..App::default() }
    }

    fn patch() -> PodPatch {
        PodPatch {
            labels: [("aadpodidbinding".to_owned(), "web".to_owned())].into(),
            env: vec![json!({ "name": "CONN", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } })],
            volume_mounts: vec![json!({ "name": "secrets", "mountPath": "/mnt/secrets" })],
            volumes: vec![json!({ "name": "secrets", "csi": { "driver": "d" } })],
            ..PodPatch::default()
        }
    }

    #[test]
    fn an_app_without_a_port_is_a_deployment_alone() {
        let all = app().manifests(&patch()).unwrap();
        assert!(all.service.is_none() && all.gateway.is_none() && all.route.is_none());
        let template = &all.deployment["spec"]["template"];
        assert_eq!(template["metadata"]["labels"], json!({ APP_LABEL: "web", "aadpodidbinding": "web" }));
        assert_eq!(all.deployment["spec"]["selector"], json!({ "matchLabels": { APP_LABEL: "web" } }), "what binds may change");
        let container = &template["spec"]["containers"][0];
        assert_eq!((&container["name"], &container["image"]), (&json!("web"), &json!("example.azurecr.io/web:1")));
        assert_eq!(container.get("readinessProbe"), None);
        assert_eq!(container["volumeMounts"], json!(patch().volume_mounts));
        assert_eq!(template["spec"]["volumes"], json!(patch().volumes));
    }

    #[test]
    fn a_port_gives_probes_and_a_service() {
        let app = App { port: Some(8080), path: Some("/health".into()), ..app() };
        let all = app.manifests(&PodPatch::default()).unwrap();
        let container = &all.deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/health", "port": "http" }));
        let service = all.service.unwrap();
        assert_eq!((&service["spec"]["type"], &service["spec"]["ports"][0]["targetPort"]), (&json!("ClusterIP"), &json!(8080)));
        let public = App { expose: Expose::LoadBalancer, ..app };
        assert_eq!(public.manifests(&PodPatch::default()).unwrap().service.unwrap()["spec"]["type"], "LoadBalancer");
    }

    #[test]
    fn a_gateway_and_a_route_lead_to_the_service() {
        let app = App { port: Some(80), expose: Expose::Gateway, host: Some("shop.example.com".into()), ..app() };
        let all = app.manifests(&PodPatch::default()).unwrap();
        let (gateway, route) = (all.gateway.unwrap(), all.route.unwrap());
        assert_eq!(gateway["spec"]["gatewayClassName"], GATEWAY_CLASS);
        assert_eq!(gateway["spec"]["listeners"][0]["hostname"], "shop.example.com");
        assert_eq!(route["spec"]["parentRefs"][0]["name"], "web");
        assert_eq!(route["spec"]["hostnames"], json!(["shop.example.com"]));
        assert_eq!(all.service.unwrap()["spec"]["type"], "ClusterIP");
    }

    #[test]
    fn a_variable_of_the_app_replaces_a_delivered_one() {
        let app = App { env: [("CONN".to_owned(), EnvValue::Plain("x".into()))].into(), ..app() };
        let all = app.manifests(&patch()).unwrap();
        assert_eq!(all.deployment["spec"]["template"]["spec"]["containers"][0]["env"], json!([{ "name": "CONN", "value": "x" }]));
    }
}
