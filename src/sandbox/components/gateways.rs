//! The gateway controller of application routing (istiod): each Gateway of its class gets a Deployment and a Service in its own namespace, and
//! Gateways and routes their status. It works while a pod of the cluster runs istiod.

use super::activity::{Activity, Backoff};
use super::config::Config;
use super::events::now;
use super::kube::{KubeClient, KubeError};
use super::mirror::{Mirror, keep};
use super::tasks::RunningComponents;
use super::workloads::Workloads;
use crate::attempt::caught_while;
use crate::programs::Program;
use serde_json::{Value, json};
use std::sync::Arc;

/// The GatewayClass of application routing, and the controller that its classes name.
const CLASS: &str = "approuting-istio";
const CONTROLLER: &str = "istio.io/gateway-controller";
const GROUP: &str = "/apis/gateway.networking.k8s.io/v1";
const MANAGER: &str = "istiod";
const PROXY: &str = "mcr.microsoft.com/oss/v2/istio/proxyv2:v1.27.3";

struct GatewayController {
    kube: KubeClient,
    classes: Arc<Mirror>,
    gateways: Arc<Mirror>,
    routes: Arc<Mirror>,
    services: Arc<Mirror>,
    workloads: Workloads,
}

pub(super) fn start(config: &Config, components: &mut RunningComponents) -> Result<(), String> {
    let kube = KubeClient::new(&config.kube, "istiod", "istiod/v1.27.3")?;
    let activity = components.activity();
    let mut mirror = |path| {
        let (mirror, keeping) = keep(&kube, path, &activity, true);
        components.spawn(keeping);
        mirror
    };
    let workloads = Workloads::new(mirror("/api/v1/pods"), true);
    let classes = mirror("/apis/gateway.networking.k8s.io/v1/gatewayclasses");
    let gateways = mirror("/apis/gateway.networking.k8s.io/v1/gateways");
    let routes = mirror("/apis/gateway.networking.k8s.io/v1/httproutes");
    let services = mirror("/api/v1/services");
    let controller = GatewayController { classes, gateways, routes, services, workloads, kube };
    components.spawn(controller.run(activity));
    Ok(())
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"][name].as_str().unwrap_or_default()
}

/// The name of what a Gateway gets; an annotation may replace it.
fn owned_name(gateway: &Value) -> String {
    match gateway["metadata"]["annotations"]["gateway.istio.io/name-override"].as_str() {
        Some(name) => name.to_owned(),
        None => format!("{}-{CLASS}", text(gateway, "name")),
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str, object: &Value) -> Value {
    json!({
        "type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
        "observedGeneration": object["metadata"]["generation"], "lastTransitionTime": now(),
    })
}

/// Returns whether a status differs in more than its times.
fn differs(old: &Value, new: &Value) -> bool {
    fn without_times(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().filter(|(name, _)| *name != "lastTransitionTime").map(|(name, v)| (name.clone(), without_times(v))).collect()
            }
            Value::Array(list) => list.iter().map(without_times).collect(),
            other => other.clone(),
        }
    }
    without_times(old) != without_times(new)
}

impl GatewayController {
    async fn run(self, activity: Arc<Activity>) {
        let mut pauses = Backoff::default();
        let mut pause = None;
        loop {
            let work = activity.next(pause).await;
            pause = match caught_while(self.reconcile()).await {
                Ok(Ok(())) => {
                    pauses.reset();
                    None
                }
                _ => Some(pauses.next()),
            };
            drop(work);
        }
    }

    async fn reconcile(&self) -> Result<(), KubeError> {
        if !self.workloads.run(Program::Istiod, None) {
            return Ok(());
        }
        let classes = self.classes.all();
        let own: Vec<&Value> = classes.iter().map(Arc::as_ref).filter(|class| class["spec"]["controllerName"] == CONTROLLER).collect();
        for class in &own {
            let status = json!({"conditions": [condition("Accepted", true, "Accepted", "Handled by Istio controller", class)]});
            self.set_status(&format!("{GROUP}/gatewayclasses/{}", text(class, "name")), class, status).await?;
        }
        let is_own = |gateway: &Value| own.iter().any(|class| gateway["spec"]["gatewayClassName"] == class["metadata"]["name"]);
        let gateways = self.gateways.all();
        let living = |gateway: &&Arc<Value>| is_own(gateway) && gateway["metadata"]["deletionTimestamp"].is_null();
        for gateway in gateways.iter().filter(living) {
            self.deploy(gateway).await?;
            self.report(gateway).await?;
        }
        for route in &self.routes.all() {
            self.report_route(route, &gateways.iter().filter(living).map(Arc::as_ref).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    async fn deploy(&self, gateway: &Value) -> Result<(), KubeError> {
        let (namespace, name) = (text(gateway, "namespace"), owned_name(gateway));
        let labels = json!({"gateway.networking.k8s.io/gateway-name": gateway["metadata"]["name"]});
        let owner = json!([{
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": gateway["metadata"]["name"], "uid": gateway["metadata"]["uid"],
        }]);
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owner});
        let pod = json!({"containers": [{"name": "istio-proxy", "image": PROXY, "args": ["proxy", "router"]}]});
        // the autoscaler that application routing sets has at least two pods
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        });
        let mut ports = vec![json!({"name": "status-port", "port": 15021, "protocol": "TCP", "targetPort": 15021})];
        for listener in gateway["spec"]["listeners"].as_array().into_iter().flatten() {
            let port = &listener["port"];
            if !ports.iter().any(|known| known["port"] == *port) {
                ports.push(json!({"name": listener["name"], "port": port, "protocol": "TCP", "targetPort": port}));
            }
        }
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"type": "LoadBalancer", "selector": labels, "ports": ports},
        });
        let place = (namespace.to_owned(), name.clone());
        let wanted: Vec<&Value> = ports.iter().map(|port| &port["port"]).collect();
        let has_all = |service: &Value| {
            let there: Vec<&Value> = service["spec"]["ports"].as_array().into_iter().flatten().map(|port| &port["port"]).collect();
            there == wanted
        };
        if self.services.get(&place).is_some_and(|service| has_all(&service)) {
            return Ok(());
        }
        self.kube.apply_by_force(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"), MANAGER, &deployment).await?;
        self.kube.apply_by_force(&format!("/api/v1/namespaces/{namespace}/services/{name}"), MANAGER, &service).await?;
        Ok(())
    }

    async fn report(&self, gateway: &Value) -> Result<(), KubeError> {
        let (namespace, name) = (text(gateway, "namespace"), owned_name(gateway));
        let service = self.services.get(&(namespace.to_owned(), name.clone()));
        let address = service.as_ref().and_then(|s| s["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().map(str::to_owned));
        let programmed = match &address {
            Some(_) => {
                let message = format!("Resource programmed, assigned to service(s) {name}.{namespace}.svc.cluster.local:80");
                condition("Programmed", true, "Programmed", &message, gateway)
            }
            None => {
                let message = format!(
                    "Assigned to service(s) {name}.{namespace}.svc.cluster.local:80, but failed to assign to all requested addresses: address pending for hostname"
                );
                condition("Programmed", false, "AddressNotAssigned", &message, gateway)
            }
        };
        let listeners: Vec<Value> = gateway["spec"]["listeners"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|listener| {
                let is = |kind: &str, reason: &str| condition(kind, true, reason, "No errors found", gateway);
                json!({
                    "name": listener["name"], "attachedRoutes": self.attached(gateway),
                    "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                    "conditions": [is("Accepted", "Accepted"), is("Programmed", "Programmed"), is("ResolvedRefs", "ResolvedRefs")],
                })
            })
            .collect();
        let mut status = json!({
            "conditions": [condition("Accepted", true, "Accepted", "Resource accepted", gateway), programmed], "listeners": listeners,
        });
        if let Some(address) = address {
            status["addresses"] = json!([{"type": "IPAddress", "value": address}]);
        }
        self.set_status(&format!("{GROUP}/namespaces/{namespace}/gateways/{}", text(gateway, "name")), gateway, status).await
    }

    fn attached(&self, gateway: &Value) -> usize {
        let leads = |route: &&Arc<Value>| parents(route).any(|parent| is_parent(parent, route, gateway));
        self.routes.all().iter().filter(leads).count()
    }

    /// A route of no Gateway of this class is left to others.
    async fn report_route(&self, route: &Value, gateways: &[&Value]) -> Result<(), KubeError> {
        let namespace = text(route, "namespace");
        let backends = route["spec"]["rules"].as_array().into_iter().flatten();
        let backends = backends.flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
        let missing =
            backends.filter_map(|b| b["name"].as_str()).find(|b| self.services.get(&(namespace.to_owned(), (*b).to_owned())).is_none());
        let resolved = match missing {
            Some(name) => {
                let message = format!("backend({name}.{namespace}.svc.cluster.local) not found");
                condition("ResolvedRefs", false, "BackendNotFound", &message, route)
            }
            None => condition("ResolvedRefs", true, "ResolvedRefs", "All references resolved", route),
        };
        let own = parents(route).filter(|parent| gateways.iter().any(|gateway| is_parent(parent, route, gateway)));
        let reports: Vec<Value> = own
            .map(|parent| {
                let accepted = condition("Accepted", true, "Accepted", "Route was valid", route);
                json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted, resolved]})
            })
            .collect();
        if reports.is_empty() {
            return Ok(());
        }
        let path = format!("{GROUP}/namespaces/{namespace}/httproutes/{}", text(route, "name"));
        self.set_status(&path, route, json!({"parents": reports})).await
    }

    async fn set_status(&self, path: &str, object: &Value, status: Value) -> Result<(), KubeError> {
        if !differs(&object["status"], &status) {
            return Ok(());
        }
        let body = json!({"metadata": {"uid": object["metadata"]["uid"]}, "status": status});
        match self.kube.merge(&format!("{path}/status"), &body).await {
            Err(e) if !e.is_absent() && e.status != 409 => Err(e),
            _ => Ok(()),
        }
    }
}

fn parents(route: &Value) -> impl Iterator<Item = &Value> {
    route["spec"]["parentRefs"].as_array().into_iter().flatten()
}

fn is_parent(parent: &Value, route: &Value, gateway: &Value) -> bool {
    let namespace = parent["namespace"].as_str().unwrap_or_else(|| text(route, "namespace"));
    parent["name"] == gateway["metadata"]["name"] && namespace == text(gateway, "namespace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_overridden() {
        assert_eq!(owned_name(&json!({"metadata": {"name": "web"}})), "web-approuting-istio");
        let annotated = json!({"metadata": {"name": "web", "annotations": {"gateway.istio.io/name-override": "front"}}});
        assert_eq!(owned_name(&annotated), "front");
    }

    #[test]
    fn a_new_time_alone_is_no_new_status() {
        let status = |time: &str, is: &str| json!({"conditions": [{"type": "Programmed", "status": is, "lastTransitionTime": time}]});
        assert!(!differs(&status("1", "True"), &status("2", "True")));
        assert!(differs(&status("1", "True"), &status("1", "False")));
    }
}
