//! What secret rotation costs: the plan tells the number of requests to the vault where they are many, when it changes something of them.

use super::DEPLOYMENTS;
use crate::common::{Output, World};
use serde_json::json;

const TOLD: &str = "secret rotation reads the vault";

/// Returns the spec of an app with this many pods that mount three secrets; `cluster` is its cluster and what must run there.
fn spec(cluster: &str, app: &str) -> String {
    format!(
        "apiVersion: podid/v1\nkind: App\nmetadata: {{name: shop}}\nresourceGroup: podid-lab\ncluster: {cluster}\nvault:\n  \
         name: kv-shop-x3\n  model: access-policy\n  secrets: [{{name: a, value: {{generate: 20}}}}, {{name: b, value: {{generate: 20}}}}, \
         {{name: c, value: {{generate: 20}}}}]\nworkloads:\n  - name: web\n    namespace: shop\n    identity: {{name: shop-mid}}\n    \
         secrets: [{{name: a}}, {{name: b}}, {{name: c}}]\n    {app}\n"
    )
}

fn bare() -> World {
    let mut world = World::new();
    world.serve_with(&["--bare"]);
    world
}

fn plan(world: &World, cluster: &str, app: &str) -> Output {
    world.write("podid.yaml", &spec(cluster, app));
    world.podid(&["plan"]).ok()
}

#[track_caller]
fn tells_nothing(output: &Output) {
    assert!(!output.stdout.contains(TOLD) && !output.stderr.contains(TOLD), "{}{}", output.stdout, output.stderr);
}

#[test]
fn a_plan_that_turns_rotation_on_tells_the_requests_and_what_makes_them_fewer() {
    let world = bare();
    let with = |csi: &str| format!("{{name: aks-mi, components: [{csi}, pod-identity]}}");
    let app = "app: {image: nginx, replicas: 50}";
    plan(&world, &with("{name: csi, rotation: true}"), app)
        .says("secret rotation reads the vault kv-shop-x3 150 times every 2m for 50 pods: 4,500 requests an hour, 108,000 a day")
        .says("Give the component csi a longer `rotationInterval` (with 1h it is 3,600 a day), or mount fewer objects.");
    plan(&world, &with("{name: csi, rotationInterval: 1m}"), app).says("every 1m for 50 pods: 9,000 requests an hour");
    for csi in ["csi", "{name: csi, rotationInterval: 1h}", "{name: csi, rotation: false}"] {
        tells_nothing(&plan(&world, &with(csi), app));
    }
    tells_nothing(&plan(&world, &with("{name: csi, rotation: true}"), "app: {image: nginx, replicas: 3}"));
}

#[test]
fn the_requests_of_an_add_on_that_rotates_already_are_told_until_nothing_changes() {
    let world = bare();
    let place = ["--cluster", "aks-mi", "-g", "podid-lab", "--app", "platform", "--yes"];
    for install in [&["csi", "--rotation-interval", "5s"][..], &["pod-identity"]] {
        world.podid(&[&["cluster", "install"], install, &place[..]].concat()).ok();
    }
    let app = "app: {image: nginx, replicas: 2}";
    let told = "secret rotation reads the vault kv-shop-x3 6 times every 5s for 2 pods: 4,320 requests an hour, 103,680 a day";
    plan(&world, "{name: aks-mi}", app).says(told);
    world.up("podid.yaml", &[]).ok().says(told);
    let again = world.up("podid.yaml", &[]).ok().says("nothing to do");
    tells_nothing(&again);
    // what has nothing to do with it
    let text = world.read("podid.yaml").replace("[{name: a, value", "[{name: d, value: {generate: 20}}, {name: a, value");
    world.write("podid.yaml", &text);
    tells_nothing(&world.podid(&["plan"]).ok());
    // an app that somebody else deployed
    let container = json!({ "name": "app", "image": "example.com/app:1" });
    let template = json!({ "metadata": { "labels": { "app": "theirs" } }, "spec": { "containers": [container] } });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "theirs", "namespace": "shop" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "theirs" } }, "template": template } });
    world.kube("POST", "aks-mi", DEPLOYMENTS, Some(deployment)).ok();
    let wired = spec("{name: aks-mi}", "wire: deployment/theirs").replace("name: web\n", "name: wired\n");
    world.write("other.yaml", &wired.replace("{name: shop}", "{name: other}").replace("shop-mid", "other-mid"));
    world.podid(&["plan", "-f", "other.yaml"]).ok().says("6 times every 5s for 2 pods");
}
