//! Bindings that count for pods of every namespace.

use super::{check::Lint, evidence::Evidence};
use crate::{
    chain::{page::Page, texts::field},
    doctor::finding::Finding,
    modes,
    resources::azure_identity,
    survey::kinds::AZURE_IDENTITY,
};

static PAGE: Page = Page::warning(
    9005,
    "an AzureIdentity counts for pods of every namespace",
    "Where neither the AzureIdentity says `aadpodidentity.k8s.io/Behavior: namespaced` nor MIC and NMI run with `--forceNamespaced`, a pod of any namespace with the label gets the identity.",
)
.causes(&["aad-pod-identity was installed with its defaults"])
.podid(&["podid cluster install pod-identity --cluster CLUSTER", "podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl annotate azureidentity NAME -n NAMESPACE aadpodidentity.k8s.io/Behavior=namespaced", "helm upgrade RELEASE aad-pod-identity/aad-pod-identity --set forceNamespaced=true --reuse-values"]);

pub static LINT: Lint = Lint { name: "namespaced", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let Some(cluster) = evidence.cluster.filter(|cluster| !modes::is_namespaced(cluster.survey)) else { return Vec::new() };
    let open = cluster.survey.cluster.of_kind(&AZURE_IDENTITY).iter().filter(|one| !azure_identity::is_namespaced(one));
    let finding = |one| {
        let (namespace, name) = (field(one, "/metadata/namespace"), field(one, "/metadata/name"));
        let annotate = format!("kubectl annotate azureidentity {name} -n {namespace} aadpodidentity.k8s.io/Behavior=namespaced");
        Finding::new(
            &PAGE,
            format!("azureidentity/{namespace}/{name}"),
            format!("the AzureIdentity {namespace}/{name} counts for pods of every namespace"),
        )
        .hint(format!("Limit it to its namespace: `{annotate}`."))
    };
    open.map(finding).collect()
}
