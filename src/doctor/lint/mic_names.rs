//! Workloads that NMI takes for MIC by their name.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{chain::page::Page, doctor::finding::Finding};

static PAGE: Page = Page::warning(
    9007,
    "a workload counts as MIC by its name, and may use any identity of the node",
    "NMI takes every pod whose ReplicaSet begins with `mic` for MIC, in the namespace that `--MICNamespace` names, `default` if it names none. Such a pod, as of a Deployment `micro-api`, gets a token of any identity of its node.",
)
.causes(&["the name begins with `mic`, and the workload is in MIC's namespace"])
.podid(&["podid cluster components --cluster CLUSTER"])
.native(&["kubectl get deployments -n default"]);

pub static LINT: Lint = Lint { name: "mic-names", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let of_spec = evidence.spec.iter().flat_map(|spec| &spec.workloads);
    let mut named: Vec<&str> = Vec::new();
    for workload in of_spec.filter(|workload| workload.namespace == "default" && workload.name.starts_with("mic")) {
        named.push(&workload.name);
        let what = format!("the workload {} counts as MIC by its name", workload.name);
        found.push(Finding::new(&PAGE, format!("default/{}", workload.name), what).hint("Give it another name, or another namespace."));
    }
    for workload in evidence.cluster.iter().flat_map(|cluster| cluster.workloads) {
        let Some(access) = workload.node_access.as_ref().filter(|access| access.by.kind == "DaemonSet") else { continue };
        // MIC itself
        if workload.name == "mic" || workload.name.ends_with("-mic") || named.contains(&workload.name.as_str()) {
            continue;
        }
        let what = format!("the {} {}/{} {}", workload.kind.to_lowercase(), workload.namespace, workload.name, access.why);
        found
            .push(Finding::new(&PAGE, resource(workload), what).hint("Give it another name or namespace, or set `--MICNamespace` of NMI."));
    }
    found
}
