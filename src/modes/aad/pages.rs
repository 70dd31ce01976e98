//! The pages of faults of AAD Pod Identity (texts of aad-pod-identity 1.8, `pkg/nmi`, `cmd/nmi/main.go`).

use crate::chain::page::Page;

pub static NMI_SILENT: Page = Page::error(
    1110,
    "NMI does not run on the pod's node",
    "NMI answers token requests on every node, at 127.0.0.1:2579 for the CSI driver and FlexVolume. \"connection refused\" there means that no NMI listens on this node; it is not a firewall.",
)
.causes(&[
    "the DaemonSet has no pod on this node: a taint, a node selector, a Windows pool, or a policy that refuses it",
    "NMI restarts: look at its log for iptables, kubenet or the API server",
    "a second installation has taken the port",
])
.podid(&["podid cluster components --cluster CLUSTER", "podid logs nmi --workload NAME -n NAMESPACE", "podid cluster install pod-identity --cluster CLUSTER"])
.native(&["kubectl get pods -A -o wide | grep nmi", "kubectl get daemonsets -A -o wide | grep nmi"]);

pub static TWO: Page = Page::warning(
    1111,
    "pod identity is installed twice",
    "Two NMIs on a node fight for one port and for one chain of iptables. Which of them answers is chance.",
)
.causes(&["the AKS add-on and a chart or manifests are both there", "a chart was installed a second time in another namespace"])
.podid(&["podid cluster components --cluster CLUSTER", "podid cluster uninstall pod-identity --cluster CLUSTER"])
.native(&["kubectl get daemonsets -A | grep nmi", "helm list -A"]);

pub static MIC: Page = Page::error(
    1112,
    "MIC does not run",
    "MIC puts identities on nodes for the pods that are bound. Without it no new pod gets its identity, and the pods that run keep theirs.",
)
.causes(&["it is not installed", "its Deployment is scaled to zero", "it restarts again and again: look at its log"])
.podid(&["podid cluster components --cluster CLUSTER", "podid logs mic", "podid cluster install pod-identity --cluster CLUSTER"])
.native(&["kubectl get pods -A | grep mic", "kubectl logs -n MIC-NAMESPACE -l component=mic"]);

pub static MIC_EXCEPTION: Page = Page::error(
    1114,
    "MIC waits for itself: its own pods have no exception",
    "On a cluster with a managed identity MIC asks the metadata service for its own token. NMI intercepts that request, and waits for MIC to assign an identity. An AzurePodIdentityException for MIC's pods, made before NMI and MIC, lets the request through.",
)
.causes(&["the exception was never applied", "the exception is in another namespace than MIC, or its labels do not match"])
.podid(&["podid exception add mic-exception -n MIC-NAMESPACE --label component=mic", "podid cluster install pod-identity --cluster CLUSTER"])
.native(&["kubectl get azurepodidentityexceptions -A", "curl -sSL https://raw.githubusercontent.com/Azure/aad-pod-identity/master/deploy/infra/mic-exception.yaml | sed 's/namespace: default/namespace: MIC-NAMESPACE/' | kubectl apply -f -"]);

pub static KUBENET: Page = Page::error(
    1113,
    "NMI refuses to run with kubenet",
    "With kubenet a pod can pretend to be another one (ARP spoofing), so NMI ends unless `--allow-network-plugin-kubenet` is set. A policy has to take NET_RAW from pods then.",
)
.causes(&["the cluster has the network plugin kubenet"])
.podid(&["podid cluster show -n CLUSTER -g GROUP"])
.native(&["az aks show -g GROUP -n CLUSTER --query networkProfile.networkPlugin", "az aks update -g GROUP -n CLUSTER --network-plugin azure --network-plugin-mode overlay"]);

pub static NAMESPACED: Page = Page::error(
    1115,
    "NMI in managed mode does not run without `--forceNamespaced`",
    "In managed mode NMI looks for identities in the pod's own namespace only, and ends where that is not said.",
)
.causes(&["the chart's values have `operationMode: managed` and `forceNamespaced` is not \"true\""])
.podid(&["podid logs nmi"])
.native(&["helm upgrade RELEASE aad-pod-identity/aad-pod-identity --set forceNamespaced=true --reuse-values"]);

pub static IPTABLES: Page = Page::error(
    1116,
    "NMI cannot redirect the pods' requests on the node",
    "NMI writes a chain of iptables on its node every minute. Without it requests go to the real metadata service, or nowhere.",
)
.causes(&[
    "another program holds the lock of iptables",
    "a kernel module is missing",
    "a policy took NET_ADMIN, or the node's network, from NMI",
])
.podid(&["podid logs nmi --workload NAME -n NAMESPACE"])
.native(&["kubectl get pods -A -o wide | grep nmi"]);

pub static RIGHTS: Page = Page::error(
    1117,
    "MIC or NMI lacks a right in the cluster",
    "MIC and NMI read identities and bindings of all namespaces, and MIC writes AzureAssignedIdentities, events and its lease. Their ClusterRoles come with the installation; one that is older than the program, or was changed, stops them: \"is forbidden: User system:serviceaccount:…\".",
)
.causes(&["a ClusterRole or ClusterRoleBinding was deleted or changed", "the image was updated, and the manifests were not"])
.podid(&["podid cluster install pod-identity --cluster CLUSTER", "podid logs mic"])
.native(&["kubectl get clusterroles,clusterrolebindings | grep aad-pod-id", "kubectl auth can-i list azureidentities --as system:serviceaccount:NAMESPACE:aad-pod-id-mic-service-account"]);

pub static OTHER_NAMESPACE: Page = Page::error(
    3004,
    "pod, binding and AzureIdentity are not in one namespace, and have to be",
    "With `--forceNamespaced` of MIC and NMI, and for an AzureIdentity with the annotation aadpodidentity.k8s.io/Behavior: namespaced, only bindings of the pod's own namespace count.",
)
.causes(&["the AzureIdentity and its binding are in a namespace of their own, such as default", "namespaced mode was switched on later"])
.podid(&["podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl get azureidentities,azureidentitybindings -A"]);

pub static PASSWORD: Page = Page::error(
    3011,
    "the Secret with the password of an AzureIdentity is missing",
    "An AzureIdentity of type 1 or 2 is a service principal; `clientPassword` names the Secret with its password or certificate, which NMI reads.",
)
.causes(&["the Secret was deleted, or is in another namespace than `clientPassword` says", "NMI may not read Secrets"])
.native(&["kubectl get azureidentity NAME -n NAMESPACE -o jsonpath='{.spec.clientPassword}'"]);

pub static OBJECT: Page = Page::error(
    3001,
    "the AzureIdentity is missing or is not what MIC can use",
    "An AzureIdentity tells MIC and NMI the managed identity: its resource id, and its client id, which NMI compares exactly, in lower case.",
)
.causes(&[
    "it was deleted, or is in another namespace than its binding",
    "its resourceID is not that of a managed identity",
    "its clientID is of another identity, or of the former one of this name",
])
.podid(&["podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl get azureidentity NAME -n NAMESPACE -o yaml", "az identity show -g GROUP -n IDENTITY"]);

pub static CASING: Page = Page::error(
    3002,
    "an AzureIdentity or binding has lost its fields to their old spelling",
    "Before version 1.6 fields began with capitals (`ResourceID`, `ClientID`, `AzureIdentity`, `Selector`). The CRDs of today drop these without a word, and what is left is empty: \"invalid resource id: \\\"\\\"\".",
)
.causes(&["the manifest is older than aad-pod-identity 1.6"])
.podid(&["podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl get azureidentities,azureidentitybindings -n NAMESPACE -o yaml"]);

pub static BOUND: Page = Page::error(
    3003,
    "no AzureIdentityBinding has the pods' selector",
    "A binding connects pods with the label aadpodidbinding=SELECTOR to an AzureIdentity of its namespace. Nothing is reported where none fits: the pod's requests just time out.",
)
.causes(&["it was deleted", "its selector is not the value of the pods' label", "it is in another namespace"])
.podid(&["podid bind --namespace NAMESPACE --identity IDENTITY --selector SELECTOR"])
.native(&["kubectl get azureidentitybindings -A", "kubectl get pods -n NAMESPACE --show-labels"]);

pub static RIVALS: Page = Page::warning(
    3005,
    "two bindings have one selector, so that a pod gets two identities",
    "A pod with the label gets the identities of all bindings with its selector. A request that names none gets the first by namespace and name; the CSI driver cannot name one.",
)
.causes(&["two workloads were given the same selector", "a former binding was left"])
.podid(&["podid unbind --namespace NAMESPACE --identity IDENTITY", "podid bind --namespace NAMESPACE --identity IDENTITY --selector OTHER"])
.native(&["kubectl get azureidentitybindings -A"]);

pub static ASSIGNMENT: Page = Page::error(
    3006,
    "MIC has not put the identity on the pod's node",
    "For each bound pod MIC makes an AzureAssignedIdentity, and puts the identity on the scale set of its node: `Created`, then `Assigned`. NMI waits for it up to 100 seconds.",
)
.causes(&[
    "MIC does not run, or waits for its own token",
    "the cluster lacks Managed Identity Operator or Virtual Machine Contributor",
    "the scale set is being updated, or its resource group is locked",
    "one dead identity blocks the others: MIC cannot read an id whose group has `.` or `(` in its name",
])
.podid(&["podid doctor -n NAMESPACE", "podid logs mic --workload NAME -n NAMESPACE"])
.native(&["kubectl get azureassignedidentities -A", "kubectl get events -n NAMESPACE --field-selector involvedObject.kind=v1.AzureIdentityBinding"]);

pub static DUPLICATE: Page = Page::error(
    3008,
    "the scale set of the nodes refuses the list of identities",
    "MIC sends all identities of a scale set at once. One that stands there twice, in two spellings, or one that does not exist any more, makes Azure refuse all of them.",
)
.causes(&["two AzureIdentities name one identity in different casing", "an identity on the scale set was deleted"])
.podid(&["podid logs mic"])
.native(&["az vmss identity show -g NODE-GROUP -n SCALE-SET", "az vmss identity remove -g NODE-GROUP -n SCALE-SET --identities ID"]);

pub static NOT_ON_NODE: Page = Page::error(
    4003,
    "the node has no identity with the client id that is asked for",
    "NMI asked the node's metadata service for the identity, and was told \"Identity not found\". `Assigned` at the AzureAssignedIdentity does not rule this out.",
)
.causes(&[
    "an upgrade or a scale operation of the cluster rewrote the scale set and dropped its identities",
    "the identity was deleted and made again: the AzureIdentity has the former client id",
    "the clientID of the AzureIdentity is of another identity",
    "the pod moved, and its former assignment was kept",
])
.podid(&["podid doctor -n NAMESPACE", "podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["az vmss identity show -g NODE-GROUP -n SCALE-SET", "kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static WAITS: Page = Page::error(
    4004,
    "NMI found no identity for the pod in time",
    "NMI waits until MIC has assigned an identity to the pod: 80 seconds for `Created`, 20 more for `Assigned`. That it waited in vain says nothing of why: look at the links before it.",
)
.causes(&[
    "no binding has the value of the pod's label, or it is in another namespace",
    "the AzureIdentity of the binding is missing or has old fields",
    "MIC does not run, or may not change the scale set",
])
.podid(&["podid doctor -n NAMESPACE", "podid logs mic"])
.native(&["kubectl get azureassignedidentities -A", "kubectl get azureidentitybindings -n NAMESPACE"]);

pub static OTHER_CLIENT: Page = Page::error(
    4006,
    "the pod asks for a client id that it is not bound to",
    "The request named an identity, and none of the pod's bindings leads to it. NMI compares the client id exactly; it does not tell a missing binding from a wrong one.",
)
.causes(&[
    "the app asks for another client id (AZURE_CLIENT_ID or a setting of the SDK)",
    "the clientID of the AzureIdentity has capitals",
    "the pod was moved to Workload ID and still has the label aadpodidbinding, so NMI answers its requests",
])
.podid(&["podid doctor -n NAMESPACE", "podid app unwire deployment/NAME -n NAMESPACE"])
.native(&["kubectl get azureidentities -n NAMESPACE -o yaml", "kubectl get pods -n NAMESPACE --show-labels"]);

pub static ALL: &[&Page] = &[
    &NMI_SILENT,
    &TWO,
    &MIC,
    &MIC_EXCEPTION,
    &KUBENET,
    &NAMESPACED,
    &IPTABLES,
    &RIGHTS,
    &OTHER_NAMESPACE,
    &PASSWORD,
    &OBJECT,
    &CASING,
    &BOUND,
    &RIVALS,
    &ASSIGNMENT,
    &DUPLICATE,
    &NOT_ON_NODE,
    &WAITS,
    &OTHER_CLIENT,
];
