//! What NMI and MIC report (texts of aad-pod-identity 1.8: `pkg/nmi`, `cmd/nmi/main.go`, `pkg/mic`), and what it means.

use super::{names, pages};
use crate::chain::{
    facts::Bound,
    ground::NO_METADATA,
    link::{Heals, Link, Meaning, RESTART, ROLE, Symptom},
    pages as common,
    view::View,
};

/// In each error of NMI's calls of iptables (coreos/go-iptables: `running [/usr/sbin/iptables -t nat …]`).
const IN_IPTABLES: &str = "iptables -t nat";

/// NMI does not answer on the pod's node.
const NMI_SILENT: Symptom = Symptom {
    // the provider asks NMI on the node's own port (pkg/auth)
    any_of: &["localhost:2579", "127.0.0.1:2579", "[::1]:2579"],
    none_of: &[IN_IPTABLES, "2579: bind"],
    only_if: Some(|text| ["refused", "reset by peer", "timeout", "deadline", "eof"].iter().any(|why| text.contains(why))),
    page: Some(&pages::NMI_SILENT),
    means: Meaning::Known {
        heals: Heals::Within(RESTART),
        what: "NMI does not answer on the pod's node",
        hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep nmi`.".into(),
    },
};

/// The node has no such identity.
const NO_SUCH_IDENTITY: Symptom = Symptom {
    any_of: &["Identity not found", "identity has not been assigned to this resource", "identity isn't assigned to this resource"],
    none_of: &[],
    only_if: Some(is_of_metadata),
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

/// The metadata service says nothing else in its description. MIC has lines with these words, too: `web identity not found when using …`.
fn is_of_metadata(text: &str) -> bool {
    const SAID: &str = "identity not found";
    let mut said = text.match_indices(SAID).map(|(at, _)| {
        let before = text[..at].trim_end().chars().next_back();
        let after = text[at + SAID.len()..].chars().find(|c| !c.is_whitespace());
        before.is_none_or(|c| !c.is_alphabetic()) && after.is_none_or(|c| !c.is_alphanumeric())
    });
    text.contains(" assigned to this resource") || said.any(|is_alone| is_alone)
}

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
    &[
        "nmi response failed with status code: 404",
        "getting assigned identities for pod",
        "in CREATED state failed after",
        // 1.3 to 1.5
        "no AzureAssignedIdentity found for pod",
        "azureidentity is not configured for the pod",
    ],
    Meaning::Waiting,
)
.page(&pages::WAITS);

/// The pod asked for an identity that it is not bound to.
const OTHER_CLIENT: Symptom = Symptom::known(
    &[
        "no azure identity found for request clientID",
        "no AzureIdentity found for request clientID",
        "client ID mismatch, requested",
        "clientid mismatch, requested",
    ],
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
    Symptom::known(
        &["2579: bind: address already in use"],
        Heals::Never,
        "another program has the port of NMI on the node",
        |_, _| "Look for a second installation: `kubectl get daemonsets -A | grep nmi`.".into(),
    )
    .page(&pages::NMI_SILENT),
    Symptom::known(
        &["but namespaced identity is enforced", "but identity is namespaced will be ignored"],
        Heals::Never,
        "pod, binding and AzureIdentity are not in one namespace, and have to be",
        compare,
    )
    .page(&pages::OTHER_NAMESPACE),
    Symptom::known(
        &["failed to get Kubernetes secret "],
        Heals::Within(RESTART),
        "the Secret with the password of an AzureIdentity is not there",
        |view, _| format!("Look which one it names: `kubectl get azureidentities -n {} -o yaml` (`clientPassword`).", view.bound.namespace),
    )
    .page(&pages::PASSWORD),
    Symptom::known(&["failed to match pod IP", "failed to get pod info from pod IP", "missing podname for podip"], Heals::Within(RESTART), "NMI cannot tell which pod asked", |_, _| {
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
        &["Required metadata header not specified", "metadata header is not specified"],
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
        &["failed to update iptables", "xtables lock", "can't initialize iptables", IN_IPTABLES, "exec: \"iptables\"", "failed to delete conntrack entries"],
        Heals::Within(RESTART),
        "NMI cannot redirect requests on the pod's node",
        look_at_nmi,
    )
    .page(&pages::IPTABLES),
    // https://github.com/Azure/aad-pod-identity/issues/716
    Symptom::known(
        NO_METADATA,
        Heals::Within(RESTART),
        "the metadata service does not answer the pod",
        look_at_nmi,
    )
    .page(&common::METADATA),
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
    .unless(&["getting assigned identities", "Identity not found", "no azure identity found", IN_IPTABLES, "latest/meta-data"])
    .page(&common::METADATA),
];

/// MIC 1.8 looks again when a pod or a binding changes; in between only once in an hour (`--syncRetryDuration`).
pub const TRIES_AGAIN: &str = "Where it has the role by now, make the pod again: MIC tries again only when a pod or a binding changes.";

/// What MIC reports of the roles of the cluster, in events of the binding and in its log.
pub const OF_ROLES: &[Symptom] = &[
    Symptom::known(
        &["LinkedAuthorizationFailed"],
        Heals::Within(ROLE),
        "the cluster lacks Managed Identity Operator on the identity, so MIC cannot put it on the nodes",
        |view, link| format!("Give it the role (a new one takes up to 10 minutes): {}. {TRIES_AGAIN}", view.again(&link.again)),
    ),
    Symptom::known(
        &["Microsoft.Compute/virtualMachineScaleSets", "Microsoft.Compute/virtualMachines"],
        Heals::Within(ROLE),
        "the cluster may not change its nodes, so MIC cannot put the identity on them",
        |view, link| {
            format!(
                "Give it the role Virtual Machine Contributor (a new one takes up to 10 minutes): {}. {TRIES_AGAIN}",
                view.again(&link.again)
            )
        },
    )
    // a gone scale set, a full quota of requests and a state that passes are no lack of rights
    .unless(&["LinkedAuthorizationFailed", "FailedIdentityOperation", "cannot be duplicated"])
    .only_if(|text| !text.contains("statuscode=") || text.contains("authorizationfailed") || text.contains("statuscode=403")),
];

/// What MIC reports of bindings (its log only, as a notice).
pub const OF_BINDING: &[Symptom] = &[Symptom::known(
    &["No AzureIdentityBinding found for pod"],
    Heals::Never,
    "no binding has the selector that is the pod's label",
    compare,
)];

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
    )
    .unless(&["invalid resource id: \"\""]),
    Symptom::known(
        &["identity not found when using"],
        Heals::Never,
        "a binding names an AzureIdentity that is not in its namespace, or that MIC ignores",
        compare,
    ),
    Symptom::known(
        &["Considering renaming it or enabling Namespace mode"],
        Heals::Never,
        "two AzureIdentities of one name in two namespaces are bound to one pod, and MIC takes one of them",
        compare,
    )
    .page(&pages::RIVALS),
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
    Symptom::known(
        &["vmss is in", "vm is in"],
        Heals::Within(ROLE),
        "the nodes are being changed, and MIC does not put identities on them until that ends",
        look_at_mic,
    )
    .only_if(|text| text.contains(" provisioning state")),
    Symptom::known(
        &["client throttled, retry after", "StatusCode=429"],
        Heals::Within(ROLE),
        "Azure limits the rate of MIC's requests",
        look_at_mic,
    )
    .only_if(|text| text.contains("client throttled") || text.contains("virtualmachine")),
    Symptom::known(
        &[
            "failed to initialize cloud provider client",
            "failed to create MIC client",
            "Could not get the MIC client",
            "type upgrade failed",
            "lost leader lease",
        ],
        Heals::Within(RESTART),
        "MIC ends at its start, and is started again and again",
        look_at_mic,
    )
    .unless(&["is forbidden"])
    .page(&pages::MIC),
    Symptom::known(
        &["azureidentities", "azureidentitybindings", "azureassignedidentities", "azurepodidentityexceptions", "aad-pod-id"],
        Heals::Never,
        "MIC or NMI lacks rights in the cluster",
        |view, _| {
            let cluster = &view.bound.cluster.name;
            format!("Apply its roles again: {}.", view.commands.podid(&["cluster", "install", "pod-identity", "--cluster", cluster]))
        },
    )
    .only_if(|text| text.contains("is forbidden: user \"system:serviceaccount:"))
    .page(&pages::RIGHTS),
];
