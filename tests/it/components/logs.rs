//! What the components write down while they work, which the labs read to find out why a pod has no secret.

use crate::common::{World, until};
use serde_json::json;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn log(world: &World, program: &str) -> String {
    world.podid(&["logs", program, "--cluster", "aks-mi", "-g", "podid-lab"]).ok().stdout
}

fn says(world: &World, program: &str, text: &str) {
    until(&format!("{program} says {text:?}"), || log(world, program).contains(text).then_some(()));
}

#[test]
fn what_mic_nmi_and_the_provider_did_and_could_not_do_is_in_their_logs() {
    let world = World::served();
    world.podid(&["up", "-f", "004.yaml", "--yes", "--verify"]).ok();
    says(&world, "mic", "] identity default/aks-kv-identity has successfully been assigned to node ");
    let nmi = log(&world, "nmi");
    assert!(nmi.contains("] no clientID or resourceID in request. default/podid-verify-"), "{nmi}");
    assert!(nmi.contains("has been matched with azure identity default/aks-kv-identity"), "{nmi}");
    assert!(nmi.contains("] status (200) took ") && nmi.contains("reg.path=/host/token/"), "{nmi}");
    assert_eq!(log(&world, "csi"), "");

    let label = json!({ "aadpodidbinding": "azure-pod-identity-binding-selektor" });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "typo", "labels": label },
        "spec": { "containers": [{ "name": "c", "image": "nginx:1.29" }] },
    });
    world.kube("POST", "aks-mi", PODS, Some(pod)).ok();
    let ignored =
        "No AzureIdentityBinding found for pod default/typo that matches selector: azure-pod-identity-binding-selektor. it will be ignored";
    says(&world, "mic", ignored);
    // each round of the real MIC says it, and here the first
    assert_eq!(log(&world, "mic").matches(ignored).count(), 1);

    world.vault("DELETE", "myk8skv", "/secrets/ExamplePassword", None).ok();
    world.podid(&["verify", "-f", "004.yaml", "--timeout", "15s"]).exits(1);
    says(&world, "csi", "\"failed to process mount request\" err=\"failed to get objectType:secret, objectName:ExamplePassword");

    // they belong to the world: a new one has none
    world.podid(&["sandbox", "reset"]).ok();
    assert_eq!(log(&world, "mic"), "");
}
