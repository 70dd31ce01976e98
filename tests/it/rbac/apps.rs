//! The Roles for single commands about apps: what is printed is what they use, and a login that has nothing else can run them.

use super::{ACCOUNT, Rights, as_account, granted, printed, put, used, wait_for_right};
use crate::{
    common::{World, until},
    mounted::rotation::turn_on,
};
use serde_json::json;

const CONTEXT: &str = "aks-mi";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault:
  name: kv-shop-x2
  model: access-policy
  secrets:
    - {name: conn, value: {generate: 20}}
workloads:
  - name: web
    namespace: shop
    identity: {name: shop-mid}
    secrets:
      - {name: conn, sync: {secret: web, key: conn}, env: CONN}
";

/// Makes the app, and a Deployment of somebody else.
fn make(world: &World) {
    world.write("podid.yaml", SPEC);
    world.up("podid.yaml", &[]).ok();
    turn_on(world);
    let labels = json!({ "app": "theirs" });
    let theirs = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "theirs", "namespace": "shop" },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "app", "image": "nginx" }] } } },
    });
    world.kube("POST", CONTEXT, DEPLOYMENTS, Some(theirs)).ok();
}

const DEPLOY: &[&str] = &["app", "deploy", "web", "-n", "shop", "--image", "nginx:1.29", "--port", "8080"];
const ALL: [(&str, &[&[&str]]); 4] = [
    ("deploy", &[DEPLOY, DEPLOY]),
    (
        "wire",
        &[
            &["app", "wire", "deployment/theirs", "-n", "shop"],
            &["app", "wire", "deployment/theirs", "-n", "shop"],
            &["app", "unwire", "deployment/theirs", "-n", "shop"],
        ],
    ),
    ("keep", &[&["mount", "keep", "-n", "shop", "--name", "web"], &["mount", "keep", "-n", "shop", "--name", "web", "--remove"]]),
    ("rotate", &[&["vault", "secret", "rotate", "conn", "--vault", "kv-shop-x2"]]),
];

fn run(world: &World, words: &[&str]) {
    world.podid(&[words, &["--app", "shop", "--yes"]].concat()).ok();
}

/// Waits until all pods have mounted the secret, so that a rotation waits for them.
fn settled(world: &World) {
    let path = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasspodstatuses";
    until("the pods have mounted", || {
        let all = world.kube("GET", CONTEXT, path, None).ok();
        all["items"].as_array().is_some_and(|items| !items.is_empty()).then_some(())
    });
}

#[test]
fn single_commands_about_apps_use_what_is_printed() {
    let world = World::served();
    make(&world);
    for (command, all) in ALL {
        if command == "rotate" {
            settled(&world);
        }
        let prints = |more: &[&str]| granted(&printed(&world, &[&["-n", "shop", "--for", command], more].concat()));
        let mark = world.mark();
        all.iter().for_each(|words| run(&world, words));
        let used = used(&world.since(mark));
        let (printed, needed): (Rights, Rights) = (prints(&["--optional"]), prints(&[]));
        let less: Vec<&String> = used.difference(&printed).collect();
        assert!(less.is_empty(), "{command}: used and not printed {less:?}");
        let more: Vec<&String> = needed.difference(&used).collect();
        assert!(more.is_empty(), "{command}: printed and not used {more:?}");
    }
}

#[test]
fn a_login_with_the_printed_rights_alone_can_run_them() {
    let mut world = World::served();
    as_account(&mut world, CONTEXT);
    let account = world.read("kubeconfig");
    world.write("kubeconfig", &world.read(".podid/kubeconfig"));
    make(&world);
    world.write("kubeconfig", &account);
    let commands: Vec<&str> = ALL.iter().map(|(command, _)| *command).collect();
    let objects = printed(&world, &["-n", "shop", "--for", &commands.join(","), "--subject", ACCOUNT]);
    assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "shop"), "nothing outside of the namespace: {objects:#?}");
    objects.iter().for_each(|object| put(&world, CONTEXT, object));
    wait_for_right(&world, CONTEXT, "shop", ("", "services", "", "create"), true);
    for (command, all) in ALL {
        if command == "rotate" {
            settled(&world);
        }
        all.iter().for_each(|words| run(&world, words));
    }
    // and nothing else
    world.podid(&["verify", "-n", "shop", "--app", "shop"]).exits(1).says("may not create pods in namespace shop");
}
