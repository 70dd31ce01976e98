//! What NMI and MIC report (texts of aad-pod-identity 1.8: `pkg/nmi`, `cmd/nmi/main.go`, `pkg/mic`), and what it means.

use super::{names, pages};
use crate::chain::{
    facts::Bound,
    link::{Heals, Link, Meaning, RESTART, ROLE, Symptom},
    pages as common,
    view::View,
};

/// NMI does not answer on the pod's node.
const NMI_SILENT: Symptom = Symptom {
    // the provider asks NMI on the node's own port (pkg/auth)
    any_of: &["localhost:2579", "127.0.0.1:2579"],
    none_of: &[],
    page: Some(&pages::NMI_SILENT),
    means: Meaning::Known {
        heals: Heals::Within(RESTART),
        what: "NMI does not answer on the pod's node",
        hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep nmi`.".into(),
    },
};

/// The node has no such identity.
const NO_SUCH_IDENTITY: Symptom = Symptom {
    any_of: &["Identity not found"],
    none_of: &[],
    page: Some(&pages::NOT_ON_NODE),
    means: Meaning::Known {
        heals: Heals::Within(RESTART),
        what: "the node has no identity with the client id that NMI asks for",
        hint: |view, link| {
            format!(
                "The scale set may have lost it (an upgrade does that), or the AzureIdentity names another one: compare {} with `kubectl get azureidentity {} -n {} -o yaml`, then write it again by {}.",
                view.commands.podid(&["output", &format!("identity/{}", view.bound.identity.name), "client_id"]),
                view.bound.name,
                view.bound.namespace,
                view.again(&link.again)
            )
        },
    },
};

fn compare(view: &View<'_>, link: &Link) -> String {
    let Bound { namespace, subject, .. } = view.bound;
    format!(
        "Look at the bindings and identities: `kubectl get azureidentities,azureidentitybindings -n {namespace} -o yaml` (selector {subject}); write them again by {}.",
        view.again(&link.again)
    )
}

fn look_at_nmi(view: &View<'_>, _: &Link) -> String {
    format!("Look at its log: {}.", view.commands.podid(&["logs", "nmi"]))
}

fn look_at_mic(view: &View<'_>, _: &Link) -> String {
    format!("Look at its log: {}.", view.commands.podid(&["logs", "mic"]))
}

/// What NMI reports where it only waited for MIC.
const WAITS: Symptom = Symptom::new(
    &["nmi response failed with status code: 404", "getting assigned identities for pod", "in CREATED state failed after"],
    Meaning::Waiting,
)
.page(&pages::WAITS);

/// The pod asked for an identity that it is not bound to.
const OTHER_CLIENT: Symptom = Symptom::known(
    &["no azure identity found for request clientID", "no AzureIdentity found for request clientID"],
    Heals::Within(RESTART),
    "NMI found no AzureIdentity for the pod",
    |view, link| {
        format!(
            "The pod needs the label {}={}, and the app the client id of that identity: look at the objects with `kubectl get azureidentity,azureidentitybinding -n {}`, or write them again by {}.",
            names::LABEL,
            view.bound.subject,
            view.bound.namespace,
            view.again(&link.again)
        )
    },
)
.page(&pages::OTHER_CLIENT);

/// What NMI reports in both modes; in managed mode it does not wait (pkg/nmi/managed.go).
pub const OF_NMI: &[Symptom] = &[
    WAITS,
    OTHER_CLIENT,
    NMI_SILENT,
    NO_SUCH_IDENTITY,
    Symptom::known(&["failed to match pod IP"], Heals::Within(RESTART), "NMI cannot tell which pod asked", |_, _| {
        "A pod with the network of its node cannot use pod identity; one that just started is known a moment later.".into()
    })
    .page(&common::HOST_NETWORK),
    Symptom::known(
        &["Request blocked by AAD Pod Identity NMI"],
        Heals::Never,
        "NMI blocks the pod's requests to the metadata service",
        look_at_nmi,
    )
    .page(&common::METADATA),
    Symptom::known(
        &["Required metadata header not specified"],
        Heals::Never,
        "the request to the metadata service has no header `Metadata: true`",
        |_, _| "Use a current Azure SDK, or send the header.".into(),
    )
    .page(&common::METADATA),
    Symptom::known(&["not supported for Kubenet"], Heals::Never, "NMI refuses to run with kubenet", |view, _| {
        let cluster = &view.bound.cluster.name;
        format!("Allow it by `--allow-network-plugin-kubenet` of NMI, with a policy against NET_RAW: `az aks show -g GROUP -n {cluster} --query networkProfile`.")
    })
    .page(&pages::KUBENET),
    Symptom::known(
        &["not intialized in force namespaced mode", "not initialized in force namespaced mode"],
        Heals::Never,
        "NMI in managed mode does not run without `--forceNamespaced`",
        look_at_nmi,
    )
    .page(&pages::NAMESPACED),
    Symptom::known(
        &["failed to add custom chain", "failed to update iptables", "xtables lock", "can't initialize iptables"],
        Heals::Within(RESTART),
        "NMI cannot redirect requests on the pod's node",
        look_at_nmi,
    )
    .page(&pages::IPTABLES),
    // https://github.com/Azure/aad-pod-identity/issues/716
    Symptom::known(
        &["169.254.169.254"],
        Heals::Within(RESTART),
        "the metadata service does not answer the pod",
        |view, _| {
            format!(
                "A NetworkPolicy must allow the way to 169.254.169.254 and to port 2579 of the node: `kubectl get networkpolicies -n {}`.",
                view.bound.namespace
            )
        },
    )
    .unless(&["getting assigned identities", "Identity not found", "no azure identity found"])
    .page(&common::METADATA),
];

/// What MIC reports of the roles of the cluster, in events of the binding and in its log.
pub const OF_ROLES: &[Symptom] = &[
    Symptom::known(
        &["LinkedAuthorizationFailed"],
        Heals::Within(ROLE),
        "the cluster lacks Managed Identity Operator on the identity, so MIC cannot put it on the nodes",
        |view, link| format!("Give it the role (a new one takes up to 10 minutes): {}.", view.again(&link.again)),
    ),
    Symptom::known(
        &["Microsoft.Compute/virtualMachineScaleSets", "Microsoft.Compute/virtualMachines"],
        Heals::Within(ROLE),
        "the cluster may not change its nodes, so MIC cannot put the identity on them",
        |view, link| {
            format!("Give it the role Virtual Machine Contributor (a new one takes up to 10 minutes): {}.", view.again(&link.again))
        },
    )
    .unless(&["LinkedAuthorizationFailed", "FailedIdentityOperation", "cannot be duplicated"]),
];

/// What MIC reports of AzureIdentities.
pub const OF_OBJECT: &[Symptom] = &[
    Symptom::known(
        &["invalid resource id: \"\""],
        Heals::Never,
        "an AzureIdentity has no resource id: its fields have their old spelling",
        compare,
    )
    .page(&pages::CASING),
    Symptom::known(
        &["ignoring azure identity", "must match /subscriptions/<subid>/resourcegroups"],
        Heals::Never,
        "MIC ignores an AzureIdentity whose resource id is not one of a managed identity",
        compare,
    ),
];

/// What MIC reports of its own work.
pub const OF_MIC: &[Symptom] = &[
    Symptom::known(&["in ASSIGNED state failed after"], Heals::Within(ROLE), "MIC has not put the identity on the node", look_at_mic),
    Symptom::known(
        &["cannot be duplicated in the provided identityIds list"],
        Heals::Never,
        "two AzureIdentities name one managed identity in different spellings",
        look_at_mic,
    )
    .page(&pages::DUPLICATE),
    Symptom::known(
        &["FailedIdentityOperation"],
        Heals::Within(RESTART),
        "an identity of the scale set does not exist any more",
        look_at_mic,
    )
    .page(&common::IDENTITY),
    Symptom::known(&["MIC_POD_NAMESPACE"], Heals::Never, "MIC does not know its own namespace, and ends", look_at_mic).page(&pages::MIC),
];
