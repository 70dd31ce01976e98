//! The pages of faults of the Secrets Store CSI driver (secrets-store-csi-driver 1.6 and its Azure provider 1.8).

use crate::chain::page::Page;

pub static DRIVER: Page = Page::error(
    1120,
    "the Secrets Store CSI driver is not on the pod's node",
    "Kubelet knows a driver once its pod on the node has registered: \"not found in the list of registered CSI drivers\".",
)
.causes(&[
    "the driver is not installed",
    "its DaemonSet has no pod on this node, or that pod does not start: a port of the node is taken (8095, 9808)",
    "two installations fight for the socket",
])
.podid(&["podid cluster components --cluster CLUSTER", "podid cluster install csi --cluster CLUSTER", "podid logs csi"])
.native(&["kubectl get csinodes -o yaml", "kubectl get pods -A -o wide | grep secrets-store"]);

pub static PROVIDER: Page = Page::error(
    1121,
    "the driver's Azure provider does not answer on the pod's node",
    "The driver asks the provider over a socket of the node: \"error connecting to provider\", \"provider not found\".",
)
.causes(&[
    "the provider is not installed: it is a chart of its own beside the driver",
    "its pod on this node does not run (port 8989 or 8898 is taken)",
])
.podid(&["podid cluster components --cluster CLUSTER", "podid cluster install csi --cluster CLUSTER"])
.native(&["kubectl get pods -A -o wide | grep provider-azure"]);

pub static TWO: Page = Page::warning(
    1122,
    "the Secrets Store CSI driver is installed twice",
    "Two drivers fight for one socket and for ports of the node. Mounts fail now and then.",
)
.causes(&["the AKS add-on and the chart are both there"])
.podid(&["podid cluster components --cluster CLUSTER"])
.native(&[
    "helm list -A",
    "kubectl get secretproviderclasses -A -o yaml > backup.yaml # before a chart goes: its CRDs take all classes along",
]);

pub static CLASS: Page = Page::error(
    8010,
    "the SecretProviderClass is not what the pods need",
    "The class tells the provider which objects of which vault to mount, and by which identity. Its names of parameters tell casing apart; a parameter that the provider does not know is ignored without a word.",
)
.causes(&["it was changed by hand or by another tool", "it names another vault, tenant or identity", "a secret is missing in it"])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET", "podid diff"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static CLASS_MISSING: Page =
    Page::error(8012, "the SecretProviderClass does not exist in the pod's namespace", "A pod can only use a class of its own namespace.")
        .causes(&[
            "it is in another namespace",
            "the name in the volume is mistyped",
            "its CRD was deleted with a chart, and all classes with it",
        ])
        .podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
        .native(&["kubectl get secretproviderclasses -A"]);

pub static CLASS_MODE: Page = Page::error(
    8011,
    "the SecretProviderClass does not say by which identity, or says another one",
    "The provider takes exactly one of `usePodIdentity`, `useVMManagedIdentity` and `useAzureTokenProxy`; with none of them `clientID` means Workload ID, and without that it looks for the secret of a service principal: \"nodePublishSecretRef secret is not set\".",
)
.causes(&[
    "`clientID` is missing or misspelled, so that the node's identity or a service principal is taken",
    "two modes are on",
    "the class is of another mode than the pods' binding",
])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o jsonpath='{.spec.parameters}'"]);

pub static PASSWORD: Page = Page::error(
    8018,
    "the Secret with the password of a service principal is missing, or is not what the provider reads",
    "A volume with `nodePublishSecretRef` gives the provider the login of a service principal from a Secret with the keys `clientid` and `clientsecret`. For rotation the driver watches only Secrets with the label secrets-store.csi.k8s.io/used=true.",
)
.causes(&[
    "the Secret is not in the pod's namespace",
    "its keys have other names: they are in lower case",
    "it lacks the label, so that the first mount works and rotation fails",
])
.podid(&["podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl get secret NAME -n NAMESPACE --show-labels", "kubectl label secret NAME -n NAMESPACE secrets-store.csi.k8s.io/used=true"]);

pub static CLASS_UNREADABLE: Page = Page::error(
    8013,
    "the provider cannot read the SecretProviderClass",
    "A required parameter is missing (`keyvaultName`, `tenantId`, `objects`), or has a value that the provider does not take. `objects` is a string that holds YAML, whose list items are strings that hold YAML.",
)
.causes(&[
    "a parameter is misspelled: `keyvaultname` is not read",
    "an item of `array` is an object in place of a string (`- |`)",
    "`objectName` in `secretObjects` is not the alias of an object",
])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static TOO_LARGE: Page = Page::error(
    8015,
    "one class mounts more than the driver can pass on",
    "The provider sends all objects of a class in one message of at most 4 MiB: \"received message larger than max\".",
)
.causes(&["the class has too many or too large objects"])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static SYNC: Page = Page::error(
    8502,
    "the driver does not make the synced Secret",
    "A synced Secret is made when a pod mounts the class, and deleted with the last one. The driver needs the right to write Secrets, which the chart gives only with `syncSecret.enabled`.",
)
.causes(&["the chart was installed without `syncSecret.enabled=true`", "no pod mounts the class", "`objectName` in `secretObjects` is not the alias of an object"])
.podid(&["podid cluster components --cluster CLUSTER"])
.native(&["helm upgrade RELEASE csi-secrets-store-provider-azure/csi-secrets-store-provider-azure --reuse-values --set secrets-store-csi-driver.syncSecret.enabled=true"]);

pub static ALL: &[&Page] =
    &[&DRIVER, &PROVIDER, &TWO, &CLASS, &CLASS_MISSING, &CLASS_MODE, &PASSWORD, &CLASS_UNREADABLE, &TOO_LARGE, &SYNC];
