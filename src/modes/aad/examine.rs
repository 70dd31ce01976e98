//! What `doctor` looks at of AAD Pod Identity beyond a proof: whether MIC and NMI run, once and on the pod's node, whether the nodes have the
//! identity, and whether the objects in the cluster are what these programs can read.

use super::{
    links::{self, BOUND, OBJECT},
    names::{AZURE_IDENTITY, BINDING},
    pages,
    uses::{argument, excepting, is_namespaced},
};
use crate::{
    azure::ArmId,
    chain::{
        ground,
        link::{Check, Heals, Link, MissingLink, RESTART, Reason, TOKEN},
        page::Severity,
        programs,
        texts::field,
        view::View,
    },
    engine::resource::Side,
    resources::{
        azure_identity,
        manifest::labels,
        running::{self, Installer, Running},
    },
    survey::{
        Survey,
        kinds::{AZURE_ASSIGNED_IDENTITY, DEPLOYMENT, EXCEPTION, NODE},
    },
};
use serde_json::Value;
use std::collections::BTreeMap;

pub const OF_OBJECT: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_object(view, link)) }];
pub const OF_BINDING: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_rivals(view, link)) }];
pub const OF_MIC: &[Check] = &[Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_mic(view, link)) }];
pub const OF_NMI: &[Check] = &[
    Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_nmi(view, link)) },
    Check { side: Side::Azure, look: |view, link| Box::pin(look_at_nodes(view, link, true)) },
];
/// NMI in managed mode: AKS puts the identities on the nodes, and there are no assignments in the cluster.
pub const OF_MANAGED_NMI: &[Check] = &[
    Check { side: Side::Kubernetes, look: |view, link| Box::pin(look_at_nmi(view, link)) },
    Check { side: Side::Azure, look: |view, link| Box::pin(look_at_nodes(view, link, false)) },
];

fn broken(missing: MissingLink) -> Vec<Reason> {
    vec![Reason::new(Heals::Never, missing)]
}

fn again(view: &View<'_>, link: &Link) -> String {
    format!("Write it again: {}.", view.again(&link.again))
}

/// Old spellings that the CRDs dropped, and the client id of another identity, which ends in `Assigned` all the same.
async fn look_at_object(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let Ok(Some(binding)) = links::binding(view).await else { return Vec::new() };
    let namespace = field(&binding, "/metadata/namespace");
    let name = field(&binding, "/spec/azureIdentity");
    let Ok(Some(object)) = view.cluster.get(&azure_identity::at(namespace, name)).await else { return Vec::new() };
    let (resource, client) = (field(&object, "/spec/resourceID"), field(&object, "/spec/clientID"));
    // an empty resource id is looked at by proofs, too
    if client.is_empty() && !resource.is_empty() {
        let what = format!("the AzureIdentity {namespace}/{name} has no clientID");
        let missing = MissingLink::new(OBJECT, what).page(&pages::CASING);
        return broken(
            missing.because("fields in the old spelling (`ResourceID`, `ClientID`) are dropped by the CRD").hint(again(view, link)),
        );
    }
    let found = view.survey.and_then(|survey| survey.azure.identity(None, Some(resource)));
    match found {
        Some(found) if !found.client_id.eq_ignore_ascii_case(client) => {
            let what = format!(
                "the AzureIdentity {namespace}/{name} has the client id {client}, and the managed identity {} has {}",
                found.id.name(),
                found.client_id
            );
            broken(
                MissingLink::new(OBJECT, what)
                    .because("the identity was deleted and made again, or another one is meant")
                    .hint(again(view, link)),
            )
        }
        Some(found) if found.client_id != client => {
            let what = format!("the client id of the AzureIdentity {namespace}/{name} has capitals: NMI compares it exactly");
            broken(MissingLink::new(OBJECT, what).hint(again(view, link)))
        }
        _ => Vec::new(),
    }
}

async fn look_at_rivals(view: &View<'_>, _: &Link) -> Vec<Reason> {
    let is_alone = view.survey.is_some_and(is_namespaced);
    let all = links::rivals(view).await.into_iter().filter(|rival| !is_alone || rival.namespace == view.bound.namespace);
    let rival = all.map(|rival| {
        let missing = MissingLink::new(BOUND, rival.warning(&view.bound.subject)).page(&pages::RIVALS);
        let remove = format!("kubectl delete azureidentitybinding {} -n {}", rival.binding, rival.namespace);
        Reason::new(
            Heals::Never,
            missing.hint(format!("Give the workload a `selector` of its own, or delete the other binding: `{remove}`.")),
        )
    });
    rival.collect()
}

fn install(view: &View<'_>) -> String {
    view.commands.podid(&["cluster", "install", "pod-identity", "--cluster", &view.bound.cluster.name])
}

async fn look_at_mic(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let broken_at = |what: String| MissingLink::new(link.name, what).page(&pages::MIC);
    let Some(survey) = view.survey else { return Vec::new() };
    let Some(all) = programs::of(survey, &[&DEPLOYMENT], "mic", &["aad-pod-identity/mic"]) else { return Vec::new() };
    let cluster = &view.bound.cluster.name;
    let Some(one) = all.first() else {
        let missing = broken_at(format!("MIC does not run in the cluster {cluster}"));
        return broken(missing.hint(format!("Install it: {}.", install(view))));
    };
    if one.ready > 0 {
        return Vec::new();
    }
    let at = format!("{}/{}", one.namespace, one.name);
    if one.wanted == 0 {
        let missing = broken_at(format!("MIC is scaled to zero ({at})"));
        return broken(missing.hint(format!("Start it: `kubectl scale deployment {} -n {} --replicas 2`.", one.name, one.namespace)));
    }
    let template = programs::object(survey, one).and_then(|object| object.pointer("/spec/template"));
    let own = template.map(labels).unwrap_or_default();
    let exceptions = survey.cluster.of_kind(&EXCEPTION);
    let excepts = |exception: &Value| {
        let wanted: BTreeMap<String, String> =
            exception.pointer("/spec/podLabels").and_then(|all| serde_json::from_value(all.clone()).ok()).unwrap_or_default();
        field(exception, "/metadata/namespace") == one.namespace && excepting(&wanted, &own).is_some()
    };
    if exceptions.is_whole() && !exceptions.iter().any(excepts) {
        let label = own.iter().find(|(name, _)| *name == "component").or_else(|| own.iter().next());
        let (name, value) = label.map_or(("component", "mic"), |(name, value)| (name.as_str(), value.as_str()));
        let add = view.commands.podid(&[
            "exception",
            "add",
            "mic-exception",
            "-n",
            &one.namespace,
            "--label",
            &format!("{name}={value}"),
            "--cluster",
            cluster,
        ]);
        let missing = broken_at(format!("no pod of MIC is ready ({at}), and no exception lets its own token requests through"));
        return broken(missing.page(&pages::MIC_EXCEPTION).hint(format!("Add the exception: {add}.")));
    }
    let missing = broken_at(format!("no pod of MIC is ready ({at})"));
    vec![Reason::new(Heals::Within(RESTART), missing.hint(format!("Read its log: {}.", view.commands.podid(&["logs", "mic"]))))]
}

async fn look_at_nmi(view: &View<'_>, _: &Link) -> Vec<Reason> {
    let Some(survey) = view.survey else { return Vec::new() };
    let Some(all) = programs::daemons(survey, "nmi", &["aad-pod-identity/nmi"]) else { return Vec::new() };
    let cluster = &view.bound.cluster.name;
    let silent = |what: String| MissingLink::new(TOKEN, what).page(&pages::NMI_SILENT);
    let Some(first) = all.iter().max_by_key(|one| one.ready) else {
        return broken(silent(format!("NMI does not run in the cluster {cluster}")).hint(format!("Install it: {}.", install(view))));
    };
    let mut found: Vec<Reason> = two(view, &all).await.into_iter().collect();
    let is_kubenet = survey.azure.cluster.as_ref().is_some_and(|cluster| cluster.network_plugin.as_deref() == Some("kubenet"));
    let at = format!("{}/{}", first.namespace, first.name);
    if first.ready == 0 {
        let what = match first.wanted {
            0 => format!("NMI is meant for no node: the selector of its DaemonSet {at} fits none"),
            wanted => format!("no pod of NMI is ready ({at}, 0 of {wanted})"),
        };
        let missing = silent(what);
        let missing = if is_kubenet && first.wanted > 0 && !consents(survey, first) {
            missing.page(&pages::KUBENET).because("the cluster has the network plugin kubenet").hint(consent(first))
        } else {
            missing.hint(format!("Read its log: {}.", view.commands.podid(&["logs", "nmi"])))
        };
        found.push(Reason::new(Heals::Within(RESTART), missing));
        return found;
    }
    // kubelets since 1.24 do not show NMI that the plugin is kubenet, so that it starts without a word; AKS asks for the consent to its own
    if is_kubenet && first.installer != Installer::Aks && !consents(survey, first) {
        let what = format!("NMI runs on kubenet without the consent to it ({at}): a pod can pretend to be another one there");
        let missing = MissingLink::new(TOKEN, what).page(&pages::KUBENET).severity(Severity::Warning);
        found.push(Reason::new(Heals::Never, missing.hint(consent(first))));
    }
    if let Some(node) = programs::node(view).await
        && let Some(what) = programs::absence(view, first, "NMI", &node).await
    {
        let look = format!("kubectl describe daemonset {} -n {}", first.name, first.namespace);
        let missing = silent(what).hint(format!("Look why: `{look}`: taints, selectors, or its own events."));
        found.push(Reason::new(Heals::Within(RESTART), missing));
    }
    found
}

/// Two installations fight for the node's port 2579 and for one chain of iptables.
async fn two(view: &View<'_>, all: &[Running]) -> Option<Reason> {
    let (_, installers) = running::rivals(all)?;
    let by: Vec<String> = installers.iter().map(ToString::to_string).collect();
    let remove = programs::removals(view, "pod-identity", all);
    let missing = MissingLink::new(TOKEN, format!("NMI is installed twice, by {}", by.join(" and "))).page(&pages::TWO);
    let missing = match programs::shared_node(view, all).await {
        Some(node) => missing.severity(Severity::Error).because(format!("both answer on the node {node}, and which of them is chance")),
        None => missing,
    };
    Some(Reason::new(Heals::Never, missing.hint(format!("Remove one: {}.", remove.join(", or ")))))
}

const ALLOWS_KUBENET: &str = "allow-network-plugin-kubenet";

/// Whether NMI was told that it may run on kubenet.
fn consents(survey: &Survey, nmi: &Running) -> bool {
    programs::object(survey, nmi).and_then(|object| argument(object, ALLOWS_KUBENET)).is_some_and(|value| matches!(value, "" | "true"))
}

/// Whoever installed it, the argument is one of the first container.
fn consent(nmi: &Running) -> String {
    let patch = format!(r#"[{{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--{ALLOWS_KUBENET}=true"}}]"#);
    format!(
        "Forbid NET_RAW by a policy, then accept it: `kubectl patch daemonset {} -n {} --type json -p '{patch}'` (`--allow-kubenet` where podid installs it). Azure CNI needs no consent.",
        nmi.name, nmi.namespace
    )
}

/// Whether MIC says of all identities of a pod that they are on its node.
fn is_assigned(survey: &Survey, namespace: &str, pod: &str) -> bool {
    let all = survey.cluster.of_kind(&AZURE_ASSIGNED_IDENTITY).iter();
    let own = all.filter(|one| field(one, "/spec/pod") == pod && field(one, "/spec/podNamespace") == namespace);
    let mut states = own.map(|one| field(one, "/status/status")).peekable();
    states.peek().is_some() && states.all(|state| state == "Assigned")
}

/// Whether the scale set of the pod's node has the identity. An upgrade may drop it while the AzureAssignedIdentity says `Assigned`.
async fn look_at_nodes(view: &View<'_>, link: &Link, assigned: bool) -> Vec<Reason> {
    let (Some(survey), Some(pod)) = (view.survey, view.pod) else { return Vec::new() };
    let Some(identity) = ground::identity(view) else { return Vec::new() };
    let sets = &survey.azure.scale_sets;
    // what was not assigned yet is not lost
    if !sets.is_whole() || sets.items.is_empty() || assigned && !is_assigned(survey, &view.bound.namespace, &pod.at.name) {
        return Vec::new();
    }
    let Ok(Some(object)) = view.cluster.get(&pod.at).await else { return Vec::new() };
    let node = field(&object, "/spec/nodeName");
    let id = survey.cluster.named(&NODE, "", node).map(|node| field(node, "/spec/providerID")).unwrap_or_default();
    let of_node = id.to_ascii_lowercase();
    let has = |ids: &[String]| ids.iter().filter_map(|id| ArmId::parse(id)).any(|id| id == identity.id);
    let of_pod: Vec<_> =
        sets.iter().filter(|set| of_node.contains(&format!("/virtualmachinescalesets/{}/", set.name.to_ascii_lowercase()))).collect();
    if node.is_empty() || of_pod.is_empty() || of_pod.iter().any(|set| has(&set.identities)) {
        return Vec::new();
    }
    let what = format!("the scale set {} of the node {node} has lost the identity {}", of_pod[0].name, identity.id.name());
    let restart = format!("kubectl delete pod {} -n {}", pod.at.name, view.bound.namespace);
    let missing =
        MissingLink::new(TOKEN, what).page(&pages::NOT_ON_NODE).because("an upgrade or a scale operation writes the scale set again");
    let hint = match assigned {
        true => format!("Let MIC assign it again, to a new pod: `{restart}`."),
        false => format!("Let AKS assign it again: {}.", view.again(&link.again)),
    };
    broken(missing.hint(hint))
}

/// How a cluster calls what binds the pods: subject and objects, from what was found of a pod.
pub fn names_of(label: &str, edges: &[crate::chain::edge::Edge]) -> (String, BTreeMap<&'static str, String>) {
    let object = |kind: &str| {
        let named = edges.iter().map(|edge| &edge.to).find(|node| node.kind.eq_ignore_ascii_case(kind));
        named.map(|node| node.name.rsplit('/').next().unwrap_or_default().to_owned()).filter(|name| !name.starts_with('('))
    };
    let objects = [AZURE_IDENTITY, BINDING].into_iter().filter_map(|kind| Some((kind, object(kind)?)));
    (label.to_owned(), objects.collect())
}
