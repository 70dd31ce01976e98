//! The pages of faults at identity bindings.

use crate::chain::page::Page;

pub static BINDING: Page = Page::error(
    3030,
    "the cluster has no identity binding for the identity",
    "An identity binding of the managed cluster lets its proxy give out tokens of one managed identity. AKS makes the federated credential aks-identity-binding for it, which takes minutes.",
)
.causes(&["it was deleted", "it is of another identity", "the caller could not write federated credentials of the identity when it was made"])
.podid(&["podid bind --mode identity-binding --namespace NAMESPACE --identity IDENTITY --service-account NAME"])
.native(&["az aks identity-binding list -g GROUP --cluster-name CLUSTER"]);

pub static ALLOWED: Page = Page::error(
    3031,
    "the service account may not use the identity",
    "The proxy asks the cluster's RBAC whether the service account has the verb `use-managed-identity` for the client id, in the API group cid.wi.aks.azure.com.",
)
.causes(&["the ClusterRole or its binding is missing", "the ClusterRole names another client id: the identity was made again"])
.podid(&["podid bind --mode identity-binding --namespace NAMESPACE --identity IDENTITY --service-account NAME"])
.native(&["kubectl auth can-i use-managed-identity CLIENT-ID.cid.wi.aks.azure.com --as system:serviceaccount:NAMESPACE:NAME"]);

pub static PROXY: Page = Page::error(
    4030,
    "the cluster's proxy gives no token",
    "With an identity binding the pod asks a proxy in the cluster, not Entra. SDKs have to be switched on for it, and DefaultAzureCredential never uses it.",
)
.causes(&["the SDK does not know the proxy, or it is not switched on in the credential", "the pod has no annotation azure.workload.identity/use-identity-binding", "the API server is integrated into a virtual network, which identity bindings do not support"])
.podid(&["podid doctor -n NAMESPACE"])
.native(&["kubectl get pod POD -n NAMESPACE -o yaml | grep AZURE_KUBERNETES"]);

pub static ALL: &[&Page] = &[&BINDING, &ALLOWED, &PROXY];
