//! The pages of faults of the pod identity add-on.

use crate::chain::page::Page;

pub static PREVIEW: Page = Page::error(
    1140,
    "the preview feature EnablePodIdentityPreview is not registered",
    "AKS refuses the add-on in a subscription without the feature: \"PodIdentityAddonFeatureFlagNotEnabled\". A registration takes up to 20 minutes, and the provider has to be registered again after it.",
)
.causes(&["the feature was never registered, or was unregistered", "the provider was not registered again"])
.podid(&["podid bind --mode pod-identity-addon --namespace NAMESPACE --identity IDENTITY"])
.native(&["az feature show --namespace Microsoft.ContainerService --name EnablePodIdentityPreview", "az provider register -n Microsoft.ContainerService"]);

pub static ADDON: Page = Page::error(
    1141,
    "the pod identity add-on of the cluster is off",
    "Without it AKS runs no NMI and has no entries. Turning it off drops all entries.",
)
.causes(&["it was turned off", "the cluster has a service principal (\"PodIdentity addon requires managed identity\") or kubenet"])
.podid(&["podid cluster show -n CLUSTER -g GROUP", "podid bind --mode pod-identity-addon --namespace NAMESPACE --identity IDENTITY"])
.native(&[
    "az aks show -g GROUP -n CLUSTER --query podIdentityProfile",
    "az extension add --name aks-preview",
    "az aks update -g GROUP -n CLUSTER --enable-pod-identity",
]);

pub static ENTRY: Page = Page::error(
    3009,
    "the entry of the add-on is missing or was not assigned",
    "AKS puts the identity of each entry on all nodes. It refuses every change of the cluster while one entry has an identity that was deleted, or on which the control plane lacks Managed Identity Operator.",
)
.causes(&[
    "the entry was deleted",
    "the control plane's identity lacks Managed Identity Operator on the identity: \"PodIdentityAddonIdentitiesAssignmentError\"",
    "the identity of an entry was deleted: remove that entry first",
    "another entry of the namespace has the name, with another identity",
])
.podid(&["podid bind --mode pod-identity-addon --namespace NAMESPACE --identity IDENTITY", "podid unbind --mode pod-identity-addon --namespace NAMESPACE --identity IDENTITY"])
.native(&["az extension add --name aks-preview", "az aks pod-identity list -g GROUP --cluster-name CLUSTER", "az aks pod-identity delete -g GROUP --cluster-name CLUSTER --namespace NAMESPACE --name NAME"]);

pub static ALL: &[&Page] = &[&PREVIEW, &ADDON, &ENTRY];
