//! The pages of faults that all modes and deliveries have in common.

pub mod network;
mod vault;

use super::page::Page;
pub use vault::{
    CONDITION, DENIED, DISABLED, DNS, EXPIRED, FIREWALL, GRANT, NO_IDENTITY, OBJECT, OF_NODE, OPERATION, SECRET, TENANT, THROTTLED,
    TIMEOUT, VAULT, VAULT_ELSEWHERE, VERSION, WRONG_AUDIENCE,
};

pub static CLUSTER: Page = Page::error(
    1001,
    "the cluster or the namespace does not exist or cannot be reached",
    "Everything else is in the cluster: without it, or without the namespace of the workload, no later link can be there.",
)
.causes(&[
    "the namespace was deleted, and with it all that was in it",
    "the cluster was deleted, stopped, or made again under its name",
    "the kubeconfig names another cluster",
])
.podid(&["podid cluster show -n CLUSTER -g GROUP", "podid up"])
.native(&["az aks show -g GROUP -n CLUSTER", "kubectl get namespace NAMESPACE"]);

pub static NOT_PERMITTED: Page = Page::error(
    1005,
    "a policy of the cluster refuses the pods",
    "NMI, MIC and the FlexVolume driver need the network and files of the node. Deployment Safeguards, Pod Security and Azure Policy refuse such pods, or pods of the application for other reasons; the pod is then never created.",
)
.causes(&[
    "Deployment Safeguards at Enforce, or AKS Automatic",
    "Azure Policy with rules about host networking, capabilities or host paths",
    "the namespace enforces the Pod Security levels baseline or restricted",
])
.podid(&["podid cluster show -n CLUSTER -g GROUP"])
.native(&["kubectl get events -n NAMESPACE --field-selector reason=FailedCreate", "az policy exemption create …"]);

pub static CLOCK: Page = Page::error(
    1006,
    "the clock of a node is wrong",
    "Entra and the API server compare the times in a token with their own clocks. A node whose clock is some minutes off gets tokens that are not valid yet, or not any more.",
)
.causes(&["time synchronisation of the node failed"])
.native(&["kubectl debug node/NODE -it --image=busybox -- date -u", "az vmss restart -g NODE-GROUP -n SCALE-SET --instance-ids ID"]);

pub static POD: Page = Page::error(
    2001,
    "the pod was not accepted, not scheduled, or deleted",
    "No pod of the workload runs, so nothing asks for a token. Look at the pod's own events first.",
)
.causes(&["no node has room or fits the pod", "a webhook or a policy refused the pod", "somebody or a controller deleted it"])
.podid(&["podid app status NAME -n NAMESPACE"])
.native(&["kubectl describe pods -n NAMESPACE", "kubectl get events -n NAMESPACE --sort-by=.lastTimestamp"]);

pub static NOT_SCHEDULED: Page = Page::error(2002, "the pod is not scheduled", "No node takes the pod, so nothing after that can happen.")
    .causes(&["no node has enough CPU or memory", "taints, node selectors or affinity exclude all nodes"])
    .native(&["kubectl describe pod POD -n NAMESPACE", "kubectl get nodes"]);

pub static TEMPLATE: Page = Page::error(
    2003,
    "a pod of the workload lacks what binds it to its identity",
    "The binding is there, but this pod does not have the label, annotation or service account by which it gets the identity. A pod that podid makes for a proof has them, so `podid verify` succeeds while the workload's own pods fail.",
)
.causes(&[
    "the label stands at the Deployment and not in its pod template",
    "the pod is older than the change of its template",
    "the pod template has another value, or another service account",
])
.podid(&["podid app wire deployment/NAME -n NAMESPACE", "podid app wire deployment/NAME -n NAMESPACE --patch strategic"])
.native(&["kubectl get pods -n NAMESPACE --show-labels", "kubectl edit deployment NAME -n NAMESPACE"]);

pub static NO_VOLUME: Page = Page::error(
    2010,
    "a pod of the workload does not mount its secrets",
    "The pod has the identity, but no volume that brings the secrets.",
)
.causes(&["the pod template has no volume of the SecretProviderClass, or names another one"])
.podid(&["podid app wire deployment/NAME -n NAMESPACE"])
.native(&["kubectl get pods -n NAMESPACE -o jsonpath='{.items[*].spec.volumes}'"]);

pub static NO_POD: Page = Page::info(
    2014,
    "the workload has no pod at the moment",
    "The links were looked at without a pod: what only a pod shows (its label, its node, its events) is not known.",
)
.causes(&["the workload is scaled to zero, or is not deployed yet", "a Job or CronJob is not running now"])
.podid(&["podid verify -n NAMESPACE"])
.native(&["kubectl get deployments,statefulsets,daemonsets,cronjobs -n NAMESPACE"]);

pub static NOT_CREATED: Page = Page::error(
    2012,
    "the pods of the workload are not created",
    "The controller of the workload asks for a pod, and the API server refuses it. One sees only a ReplicaSet with 0 pods; its events say why.",
)
.causes(&[
    "a webhook does not answer, and refuses all pods that it has to look at",
    "the service account does not exist",
    "a quota or a policy of the namespace",
])
.podid(&["podid app status NAME -n NAMESPACE"])
.native(&["kubectl get events -n NAMESPACE --field-selector reason=FailedCreate"]);

pub static START: Page = Page::error(
    2007,
    "the container of the pod does not start",
    "The pod is scheduled, but its container does not run. Its state says why.",
)
.causes(&["the image cannot be pulled", "a Secret or ConfigMap that it names is missing", "the program ends at once: read its log"])
.podid(&["podid app status NAME -n NAMESPACE"])
.native(&["kubectl describe pod POD -n NAMESPACE", "kubectl logs POD -n NAMESPACE --previous"]);

pub static IMAGE: Page = Page::error(
    2008,
    "the image of a container cannot be pulled",
    "Registries answer alike where the credential is wrong and where the image is not there: 401, \"authentication required\" or \"denied\". Ask the registry for the tag first; only if it is there, look at the role.",
)
.causes(&[
    "the repository or the tag does not exist: a typing error, or the image was never pushed",
    "the kubelet identity of the cluster lacks AcrPull at the registry",
    "the registry's firewall blocks the nodes",
    "the pull secret is missing or wrong",
])
.podid(&["podid role assign AcrPull --to object/KUBELET-OBJECT-ID --scope REGISTRY-ID"])
.native(&[
    "az acr manifest list-metadata -r REGISTRY -n REPOSITORY",
    "az aks check-acr -g GROUP -n CLUSTER --acr REGISTRY.azurecr.io",
    "az aks update -g GROUP -n CLUSTER --attach-acr REGISTRY",
]);

pub static HOST_NETWORK: Page = Page::error(
    2013,
    "a pod with the node's network cannot be told apart by NMI",
    "NMI finds a pod by its IP address. A pod with `hostNetwork: true` has the address of its node, and a pod that just started may not be in NMI's cache yet.",
)
.causes(&["the pod has `hostNetwork: true`", "the request came within a second of the start of the pod"])
.native(&["kubectl get pod POD -n NAMESPACE -o jsonpath='{.spec.hostNetwork}'"]);

pub static TOKEN: Page = Page::error(
    4001,
    "the pod gets no token of its identity",
    "The pod asked for a token and was refused, or got that of another identity. Everything before the token (binding, label, service account, component) decides about it.",
)
.causes(&["a link before it is broken", "several identities fit the pod, and another one was taken"])
.podid(&["podid doctor -n NAMESPACE", "podid verify -n NAMESPACE", "podid logs nmi --workload NAME -n NAMESPACE"])
.native(&["kubectl get azureassignedidentities -A", "kubectl get serviceaccounts -n NAMESPACE -o yaml"]);

pub static OTHER_IDENTITY: Page = Page::error(
    4020,
    "the pod gets the token of another identity",
    "A token was given, but of another identity than the bound one. Reads may even succeed, as somebody else.",
)
.causes(&[
    "two bindings have the same selector",
    "the client id in the AzureIdentity, the service account or the pod is of another identity",
    "the app names another client id in its own settings (AZURE_CLIENT_ID, ManagedIdentityClientId)",
    "the SecretProviderClass falls back to an identity of the node",
])
.podid(&["podid doctor -n NAMESPACE", "podid status"])
.native(&["kubectl get azureidentities,azureidentitybindings -A", "kubectl get pod POD -n NAMESPACE -o yaml"]);

pub static NODE_IDENTITY: Page = Page::error(
    4019,
    "the request for a token names no identity, and the node has several",
    "Without a client id the metadata service takes the only identity of the node; with several it refuses: \"Multiple user assigned identities exist\".",
)
.causes(&[
    "`useVMManagedIdentity` is on and `userAssignedIdentityID` is empty",
    "`clientID` is set where `userAssignedIdentityID` is meant; it takes the client id, not the resource id",
])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static METADATA: Page = Page::error(
    4018,
    "the metadata service cannot be asked for a token",
    "Pods ask 169.254.169.254 for tokens; NMI redirects these requests to its own port. A network policy, a proxy setting of the app or IMDS restriction of the cluster keeps them from getting there.",
)
.causes(&[
    "a NetworkPolicy blocks the pod's way to 169.254.169.254 or to NMI on the node (port 2579)",
    "the cluster restricts the metadata service to pods with the node's network",
    "the request has no header `Metadata: true`",
    "NMI runs with `--block-instance-metadata`",
])
.podid(&["podid cluster show -n CLUSTER -g GROUP"])
.native(&["kubectl get networkpolicies -n NAMESPACE"]);

pub static IDENTITY: Page = Page::error(
    5001,
    "the managed identity does not exist",
    "The identity that the pods are bound to is not there any more. Bindings, credentials and role assignments that name it lead nowhere.",
)
.causes(&["it was deleted", "it is in another group or subscription than the binding says"])
.podid(&["podid identity show -n NAME -g GROUP", "podid identity create -n NAME -g GROUP", "podid up"])
.native(&["az identity show -g GROUP -n NAME"]);

pub static MADE_AGAIN: Page = Page::error(
    5002,
    "the managed identity was deleted and made again under its name",
    "A new identity of the same name has another client id and another principal. Roles and policies of the former one do not count for it, and the nodes may still have the former one (\"Identity not found\").",
)
.causes(&["it was deleted and made again, by a person or by infrastructure code"])
.podid(&["podid up", "podid role prune"])
.native(&["az identity show -g GROUP -n NAME", "az vmss identity remove -g NODE-GROUP -n SCALE-SET --identities ID"]);

pub static ELSEWHERE: Page = Page::warning(
    5004,
    "no managed identity of the subscription has the client id",
    "The service account or the class names a client id that the subscription does not have. It works if it is of another subscription or of an application, and not if the identity was deleted.",
)
.causes(&["the identity is in another subscription", "it is an application (azwi makes these)", "the identity was deleted"])
.podid(&["podid identity list"])
.native(&["az identity list --query \"[?clientId=='CLIENT-ID']\"", "az ad sp show --id CLIENT-ID"]);

pub static CLUSTER_ROLE: Page = Page::error(
    5010,
    "the cluster may not put the identity on its nodes",
    "Pod identity needs two roles of the cluster's own identity: Managed Identity Operator on each identity (\"LinkedAuthorizationFailed\"), and Virtual Machine Contributor on the nodes' resource group (\"AuthorizationFailed\"). The add-on needs only the first, for the control plane's identity.",
)
.causes(&[
    "the role was never assigned, or to another principal than the kubelet identity",
    "the role is at the wrong resource group: that of the cluster in place of the nodes', or the other way round",
    "the identity was deleted (\"or the linked scope(s) are invalid\")",
    "a new role takes up to 10 minutes",
])
.podid(&[
    "podid bind --namespace NAMESPACE --identity IDENTITY --cluster CLUSTER",
    "podid role assign 'Managed Identity Operator' --to cluster/CLUSTER --scope identity/IDENTITY",
    "podid role assign 'Virtual Machine Contributor' --to cluster/CLUSTER --scope cluster/CLUSTER/nodes",
])
.native(&[
    "az aks show -g GROUP -n CLUSTER --query identityProfile.kubeletidentity.objectId",
    "az role assignment list --assignee OBJECT-ID --all",
]);

pub static UNKNOWN: Page = Page::error(
    2099,
    "a component reports a text that podid does not know",
    "Something failed, and its text does not tell which link it is.",
)
.podid(&["podid explain -", "podid logs nmi", "podid logs csi"])
.native(&["kubectl get events -n NAMESPACE --sort-by=.lastTimestamp"]);

static OWN: &[&Page] = &[
    &CLUSTER,
    &NOT_PERMITTED,
    &CLOCK,
    &POD,
    &NOT_SCHEDULED,
    &TEMPLATE,
    &NO_VOLUME,
    &NO_POD,
    &NOT_CREATED,
    &START,
    &IMAGE,
    &HOST_NETWORK,
    &TOKEN,
    &OTHER_IDENTITY,
    &NODE_IDENTITY,
    &METADATA,
    &IDENTITY,
    &MADE_AGAIN,
    &ELSEWHERE,
    &CLUSTER_ROLE,
    &UNKNOWN,
];

pub fn all() -> impl Iterator<Item = &'static Page> {
    OWN.iter().chain(vault::ALL).chain(network::ALL).copied()
}
