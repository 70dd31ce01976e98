//! A class that a cluster has already is used in the place of application routing.

use super::install;
use crate::common::{World, specs::LAB_004, until};
use serde_json::{Value, json};

const CLASSES: &str = "/apis/gateway.networking.k8s.io/v1/gatewayclasses";

fn cluster(world: &World) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi?api-version=2026-03-01", world.group_id())
}

/// Turns application routing on by hand, and adds a class of one's own with the same controller.
fn class_of_ones_own(world: &World) {
    let mut document = world.arm("GET", &cluster(world), None).ok();
    document["properties"]["ingressProfile"] = json!({
        "gatewayAPI": { "installation": "Standard" },
        "webAppRouting": { "gatewayAPIImplementations": { "appRoutingIstio": { "mode": "Enabled" } } },
    });
    world.arm("PUT", &cluster(world), Some(document)).ok();
    until("the kinds are there", || (world.kube("GET", "aks-mi", CLASSES, None).status == 200).then_some(()));
    let class = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": { "name": "ours" },
        "spec": { "controllerName": "istio.io/gateway-controller" } });
    world.kube("POST", "aks-mi", CLASSES, Some(class)).ok();
    until("the class is accepted", || {
        let class = world.kube("GET", "aks-mi", &format!("{CLASSES}/ours"), None).ok();
        (class.pointer("/status/conditions/0/status") == Some(&json!("True"))).then_some(())
    });
}

fn nginx(world: &World) {
    let class = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": { "name": "nginx" },
        "spec": { "controller": "k8s.io/ingress-nginx" } });
    world.kube("POST", "aks-mi", "/apis/networking.k8s.io/v1/ingressclasses", Some(class)).ok();
}

/// Lab 004 behind a Gateway, with this component.
fn write_spec(world: &World, component: &str) {
    let text = world.read(LAB_004);
    let (cluster, namespace) = ("cluster:\n  name: aks-mi\n", "    namespace: default\n");
    assert!(text.contains(cluster) && text.contains(namespace));
    let app = "    app: {image: 'nginx:1.29', port: 80, expose: gateway}\n";
    let text = text.replacen(cluster, &format!("{cluster}  components:\n    - {component}\n"), 1);
    world.write("app.yaml", &text.replacen(namespace, &format!("{namespace}{app}"), 1));
}

fn gateway_class(world: &World, name: &str) -> Value {
    let gateways = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways";
    world.kube("GET", "aks-mi", &format!("{gateways}/{name}"), None).ok()["spec"]["gatewayClassName"].clone()
}

#[test]
fn a_gateway_class_of_the_cluster_serves_the_apps_and_stays() {
    let world = World::served();
    class_of_ones_own(&world);
    let profile = world.arm("GET", &cluster(&world), None).ok()["properties"]["ingressProfile"].clone();
    write_spec(&world, "{name: ingress, ingressClass: ours}");
    world.up("app.yaml", &[]).ok();
    assert_eq!(gateway_class(&world, "inject-secrets-from-akv"), "ours");
    world.plan("app.yaml").ok().says("nothing to do");
    world.down("app.yaml", &["--delete-data", "myk8skv"]).ok();
    assert_eq!(world.arm("GET", &cluster(&world), None).ok()["properties"]["ingressProfile"], profile, "it is not podid's");
    world.kube("GET", "aks-mi", &format!("{CLASSES}/ours"), None).ok();
}

#[test]
fn single_commands_remember_the_class_until_it_is_uninstalled() {
    let world = World::served();
    class_of_ones_own(&world);
    world.up(LAB_004, &[]).ok();
    let lab = ["--app", "lab-004"];
    install(&world, &[&["ingress", "--ingress-class", "ours"], &lab[..]].concat()).ok().says("nothing to do");
    let deploy = |name| {
        let words = ["app", "deploy", name, "-n", "default", "--image", "nginx:1.29", "--port", "80", "--expose", "gateway", "--yes"];
        world.podid(&[&words[..], &lab[..]].concat()).ok();
        gateway_class(&world, name)
    };
    assert_eq!(deploy("one"), "ours");
    let words = ["cluster", "uninstall", "ingress", "--cluster", "aks-mi", "-g", "podid-lab", "--yes"];
    world.podid(&[&words[..], &lab[..]].concat()).ok();
    assert_eq!(deploy("two"), "approuting-istio");
    world.kube("GET", "aks-mi", &format!("{CLASSES}/ours"), None).ok();
}

#[test]
fn a_class_that_cannot_serve_is_refused_before_anything_is_written() {
    let world = World::served();
    install(&world, &["ingress", "--ingress-class", "ours"]).exits(4).says("neither a GatewayClass nor an IngressClass ours");
    nginx(&world);
    install(&world, &["ingress", "--ingress-class", "nginx"]).ok().says("Ingress NGINX, which is retired");
    class_of_ones_own(&world);
    let before = world.export();
    write_spec(&world, "{name: ingress, ingressClass: nginx}");
    world.up("app.yaml", &[]).exits(4).says("nginx is an IngressClass, which serves no Gateway").says("--gateway-class");
    assert_eq!(world.export(), before);
    install(&world, &["csi", "--ingress-class", "nginx"]).exits(2).says("has no option `ingressClass`; ingress has it");
    install(&world, &["ingress", "--ingress-class", "nginx", "--via", "addon"]).exits(2).says("nothing is installed");
}
