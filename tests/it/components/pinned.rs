//! `--pin`: images by the digest that their tags have, asked once of the registry, which the sandbox plays.

use super::{bare, components, install, uninstall};
use crate::common::{World, log::Mark, same};
use serde_json::Value;

const REGISTRY: &str = "mcr.microsoft.com";
const IMAGES: &str = "mcr.microsoft.com/oss/azure/aad-pod-identity";

fn asked(world: &World, mark: Mark) -> Vec<String> {
    world
        .since(mark)
        .iter()
        .filter(|line| line.host == REGISTRY)
        .map(|line| format!("{} {} {}", line.method, line.path, line.status))
        .collect()
}

fn digest(world: &World, program: &str) -> String {
    world.podid(&["output", &format!("image/{IMAGES}/{program}:v1.8.17"), "digest"]).ok().stdout.trim().to_owned()
}

#[test]
fn tags_are_resolved_once_recorded_and_applied_by_digest() {
    let world = bare();
    let before = world.export();
    let mark = world.mark();
    let shown = install(&world, &["pod-identity", "--pin", "--dry-run"]).ok();
    assert!(shown.stdout.contains(&format!("image/{IMAGES}/mic:v1.8.17")), "{}", shown.stdout);
    assert_eq!(shown.stdout.matches("pinned to sha256:").count(), 2, "{}", shown.stdout);
    install(&world, &["pod-identity", "--pin"]).ok();
    let mut requests = asked(&world, mark);
    requests.sort();
    requests.dedup();
    let of = |program: &str| format!("HEAD /v2/oss/azure/aad-pod-identity/{program}/manifests/v1.8.17 200");
    assert_eq!(requests, [of("mic"), of("nmi")]);

    for (kind, program) in [("deployments", "mic"), ("daemonsets", "nmi")] {
        let digest = digest(&world, program);
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        let path = format!("/apis/apps/v1/namespaces/aad-pod-identity/{kind}/{program}");
        let object = world.kube("GET", "aks-mi", &path, None).ok();
        let image = object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap();
        assert_eq!(image, format!("{IMAGES}/{program}@{digest}"));
    }
    let found = components(&world, "aks-mi");
    assert!(found.len() == 2 && found.iter().all(|one| one["ready"] == one["wanted"]), "{found:?}");

    let mark = world.mark();
    install(&world, &["pod-identity", "--pin"]).ok().says("nothing to do");
    assert_eq!(asked(&world, mark), Vec::<String>::new(), "what is recorded needs no registry");
    uninstall(&world, "pod-identity").ok();
    assert_eq!(asked(&world, mark), Vec::<String>::new());
    same("after `uninstall`", &before, &world.export());
}

#[test]
fn what_cannot_be_pinned_is_refused_with_the_reason_and_nothing_is_written() {
    let world = bare();
    let before = world.export();
    let helm = install(&world, &["pod-identity", "--via", "helm", "--pin"]).exits(2);
    assert!(helm.stderr.contains("compare the tag as a version, which a digest is not"), "{}", helm.stderr);
    let addon = install(&world, &["csi", "--pin"]).exits(2);
    assert!(addon.stderr.contains("AKS chooses the images of csi"), "{}", addon.stderr);
    let missing = install(&world, &["pod-identity", "--pin", "--component-version", "latest"]).exits(4);
    assert!(missing.stderr.contains(&format!("there is no tag latest in the repository {IMAGES}/")), "{}", missing.stderr);
    same("after the refusals", &before, &world.export());
}
