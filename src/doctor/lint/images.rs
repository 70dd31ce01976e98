//! Images by a tag, which may be another program tomorrow.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{
    chain::{page::Page, texts::field},
    doctor::{case, finding::Finding},
};
use serde_json::Value;

static PAGE: Page = Page::warning(
    9004,
    "an image is named by a tag and not by its digest",
    "A tag can be moved to another image. A pod with an identity then runs, and reads secrets with, a program that nobody looked at.",
)
.causes(&["the manifest names `image:tag`"])
.podid(&["podid app deploy NAME --image IMAGE --namespace NAMESPACE"])
.native(&[
    "az acr manifest show-metadata -r REGISTRY -n REPOSITORY:TAG --query digest",
    "kubectl set image deployment/NAME CONTAINER=IMAGE@DIGEST -n NAMESPACE",
]);

pub static LINT: Lint = Lint { name: "images", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let is_tag = |image: &str| !image.is_empty() && !image.contains("@sha256:");
    let finding = |resource: String, image: &str| {
        Finding::new(&PAGE, resource, format!("the image {image} is named by a tag")).hint("Name it by its digest: `IMAGE@sha256:…`.")
    };
    let mut found = Vec::new();
    let mut own: Vec<String> = Vec::new();
    for workload in evidence.spec.iter().flat_map(|spec| &spec.workloads) {
        let Some(app) = &workload.app else { continue };
        own.push(format!("{}/{}", workload.namespace, workload.name));
        if is_tag(&app.image) {
            found.push(finding(format!("{}/{}", workload.namespace, workload.name), &app.image));
        }
    }
    for (cluster, workload) in evidence.cluster.iter().flat_map(|cluster| cluster.concerned().map(move |workload| (cluster, workload))) {
        if own.contains(&format!("{}/{}", workload.namespace, workload.name)) {
            continue;
        }
        let Some(template) = case::template(workload, cluster.survey) else { continue };
        let containers = template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
        found.extend(
            containers.map(|one| field(one, "/image")).filter(|image| is_tag(image)).map(|image| finding(resource(workload), image)),
        );
    }
    found
}
