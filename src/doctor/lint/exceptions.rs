//! Pods that NMI lets around the bindings: they get a token of any identity of their node.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{
    chain::{page::Page, texts::field},
    doctor::finding::Finding,
    survey::kinds::EXCEPTION,
};
use serde_json::Value;

static PAGE: Page = Page::warning(
    9006,
    "an exception lets application pods use any identity of the node",
    "NMI passes requests of an excepted pod on to the metadata service, whatever client id it asks for. Any one label of an exception is enough, and who writes a pod sets its labels.",
)
.causes(&["an exception was made so that an app works", "an exception has a common label, such as `app`"])
.podid(&["podid exception list", "podid exception remove NAME -n NAMESPACE"])
.native(&["kubectl get azurepodidentityexceptions -A -o yaml"]);

pub static LINT: Lint = Lint { name: "exceptions", pages: &[&PAGE], run };

/// Namespaces of the cluster's own programs.
const OF_SYSTEM: &[&str] = &["kube-system", "aad-pod-identity", "gatekeeper-system", "calico-system"];

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(cluster) = evidence.cluster else { return Vec::new() };
    let is_component = |workload: &crate::inventory::Workload| ["mic", "nmi"].iter().any(|name| workload.name.ends_with(name));
    let excepted = cluster.workloads.iter().filter(|workload| !OF_SYSTEM.contains(&workload.namespace.as_str()) && !is_component(workload));
    let mut found: Vec<Finding> = excepted
        .filter_map(|workload| {
            let access = workload.node_access.as_ref().filter(|access| access.by.kind == "AzurePodIdentityException")?;
            let what = format!("the {} {}/{} {}", workload.kind.to_lowercase(), workload.namespace, workload.name, access.why);
            let name = access.by.name.rsplit('/').next().unwrap_or_default();
            let remove = format!("podid exception remove {name} -n {}", workload.namespace);
            Some(Finding::new(&PAGE, resource(workload), what).hint(format!("Bind the pods, and remove the exception: `{remove}`.")))
        })
        .collect();
    for exception in cluster.survey.cluster.of_kind(&EXCEPTION).iter() {
        let labels = exception.pointer("/spec/podLabels").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        let (namespace, name) = (field(exception, "/metadata/namespace"), field(exception, "/metadata/name"));
        if labels > 1 && !OF_SYSTEM.contains(&namespace) && !name.contains("mic") {
            let what = format!("any one of the {labels} labels of the exception {namespace}/{name} is enough");
            found.push(
                Finding::new(&PAGE, format!("azurepodidentityexception/{namespace}/{name}"), what)
                    .hint("Leave one label that nobody else sets."),
            );
        }
    }
    found
}
