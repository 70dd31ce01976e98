//! Workloads with an identity in the namespace `default`.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{chain::page::Page, doctor::finding::Finding};

static PAGE: Page = Page::warning(
    9003,
    "a workload with an identity is in the namespace default",
    "Rights in Kubernetes are given by namespace, and commands without one end in `default`. Where MIC is not told otherwise it is its namespace, too, in which names decide who counts as MIC.",
)
.causes(&["the workload was made without a namespace"])
.podid(&["podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl create namespace NAMESPACE"]);

pub static LINT: Lint = Lint { name: "default-namespace", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let of_spec = evidence.spec.iter().flat_map(|spec| &spec.workloads).filter(|workload| workload.namespace == "default");
    let mut names: Vec<(String, String)> = of_spec.map(|workload| (format!("default/{}", workload.name), workload.name.clone())).collect();
    for workload in evidence.cluster.iter().flat_map(|cluster| cluster.concerned()).filter(|workload| workload.namespace == "default") {
        if !names.iter().any(|(_, name)| *name == workload.name) {
            names.push((resource(workload), workload.name.clone()));
        }
    }
    let finding = |(resource, name): (String, String)| {
        Finding::new(&PAGE, resource, format!("the workload {name} is in the namespace default")).hint("Give it a namespace of its own.")
    };
    names.into_iter().map(finding).collect()
}
