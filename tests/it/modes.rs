//! How a SecretProviderClass gets the identity mode of the pods that mount it.

use crate::common::{
    World,
    both::Side,
    specs::{CLASSES, NAMESPACES},
};
use serde_json::{Value, json};

both! {
    a_class_that_is_written_before_its_pods_are_bound_is_read_once_they_are,
}

const IN_GROUP: &[&str] = &["-g", "podid-lab", "--context", "aks-mi", "--yes"];

fn run(world: &World, words: &[&str]) {
    world.podid(&[words, IN_GROUP].concat()).ok();
}

fn a_class_that_is_written_before_its_pods_are_bound_is_read_once_they_are(side: Side) {
    let world = World::on(side, "aks-mi");
    world.kube("POST", "aks-mi", NAMESPACES, Some(json!({ "metadata": { "name": "shop" } }))).ok();
    run(&world, &["identity", "create", "-n", "shop-mid"]);
    run(&world, &["vault", "create", "-n", "kv-shop-modes"]);
    run(&world, &["vault", "secret", "set", "conn", "--vault", "kv-shop-modes", "--generate"]);
    run(&world, &["vault", "grant", "--vault", "kv-shop-modes", "--to", "identity/shop-mid"]);
    let mount = ["mount", "apply", "-n", "shop", "--name", "shop", "--vault", "kv-shop-modes", "--secret", "conn"];
    run(&world, &mount);
    let class: Value = world.kube("GET", "aks-mi", &format!("{CLASSES}/shop/secretproviderclasses/shop"), None).ok();
    assert_eq!(class["spec"]["parameters"]["usePodIdentity"], "true");
    run(&world, &["bind", "-n", "shop", "--identity", "shop-mid"]);
    world.podid(&["verify", "-n", "shop"]).ok();
    // now the class is known to be for the pods that are bound, which changes nothing in the cluster
    let mark = world.mark();
    world.podid(&[&mount[..], &["--mode", "pod-identity"], IN_GROUP].concat()).ok();
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.podid(&["verify", "-n", "shop"]).ok();
}
