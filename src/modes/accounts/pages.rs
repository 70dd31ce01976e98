//! The pages of faults that both modes of Workload ID have: the service account, the webhook and what it puts into pods, and the exchange at
//! Entra.

use crate::chain::page::Page;

pub static WEBHOOK: Page = Page::error(
    1101,
    "the webhook of Workload ID does not run",
    "The webhook changes pods with the label azure.workload.identity/use when they are created: without it they get no token. It is part of the cluster on AKS, and a chart elsewhere.",
)
.causes(&["workload identity is off on the managed cluster", "its chart is not installed"])
.podid(&["podid cluster install workload-identity --cluster CLUSTER", "podid cluster components --cluster CLUSTER"])
.native(&["az aks update -g GROUP -n CLUSTER --enable-oidc-issuer --enable-workload-identity", "kubectl get deployments -A | grep azure-wi-webhook"]);

pub static WEBHOOK_SILENT: Page = Page::error(
    1102,
    "the webhook of Workload ID does not answer",
    "The API server asks the webhook for each new pod with the label, and refuses the pod if nobody answers (failurePolicy Fail): \"failed calling webhook mutation.azure-workload-identity.io\". One sees only a ReplicaSet without pods. Nothing is wrong with the identity.",
)
.causes(&[
    "its pods are down, evicted or not ready: \"no endpoints available for service\"",
    "the API server cannot reach its port 9443: \"context deadline exceeded\", on private nodes outside of AKS",
    "its certificate was not renewed, or a proxy answers in its place: \"HTTP response to HTTPS client\"",
])
.podid(&["podid cluster components --cluster CLUSTER", "podid logs webhook"])
.native(&["kubectl get pods -A -l azure-workload-identity.io/system=true", "kubectl rollout restart deployment azure-wi-webhook-controller-manager -n kube-system"]);

pub static WEBHOOK_UNKNOWN: Page = Page::error(
    1103,
    "the API server does not ask the webhook of Workload ID",
    "The webhook runs, but its MutatingWebhookConfiguration is missing, so that pods are created unchanged.",
)
.causes(&["it was deleted, or its installation did not end"])
.podid(&["podid cluster install workload-identity --cluster CLUSTER"])
.native(&["kubectl get mutatingwebhookconfigurations azure-wi-webhook-mutating-webhook-configuration"]);

pub static WEBHOOK_DENIES: Page = Page::error(
    1104,
    "the webhook of Workload ID refuses the pod",
    "The pod or its service account asks for something that the webhook does not do: a lifetime of the token outside of 3600 to 86400 seconds, or the proxy sidecar together with the node's network.",
)
.causes(&["an annotation azure.workload.identity/… has a value that is not allowed"])
.podid(&["podid logs webhook"])
.native(&["kubectl get serviceaccount NAME -n NAMESPACE -o yaml"]);

pub static MUTATION: Page = Page::error(
    2005,
    "the webhook did not change the pod: it has no token of its service account",
    "Webhooks act when a pod is created. A pod that is older than the webhook, than the label in its template or than the annotation of its service account stays as it was. The app then says that AZURE_FEDERATED_TOKEN_FILE is missing.",
)
.causes(&["the pod is older than the webhook or the label", "the pod has no label azure.workload.identity/use: \"true\"", "the namespace is kube-system, which the webhook leaves alone"])
.podid(&["podid app wire deployment/NAME -n NAMESPACE"])
.native(&["kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static CLIENT_ID: Page = Page::error(
    2006,
    "the pod names another identity than its service account",
    "The webhook does not overwrite variables of a pod template. AZURE_CLIENT_ID of old in a Deployment counts more than the annotation of the service account, and the app reads as somebody else or not at all.",
)
.causes(&["AZURE_CLIENT_ID is set in the pod template", "the annotation was changed after the pod was created"])
.podid(&["podid app wire deployment/NAME -n NAMESPACE"])
.native(&["kubectl set env deployment/NAME -n NAMESPACE AZURE_CLIENT_ID-", "kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static FORMER: Page = Page::warning(
    2011,
    "a pod of Workload ID still has the label of AAD Pod Identity",
    "While NMI runs, requests of this pod to the metadata service get the identity of that binding, or \"no azure identity found for request clientID\". An SDK that falls back to the metadata service then reads as another identity without a word.",
)
.causes(&["the label aadpodidbinding was left when the workload was moved"])
.podid(&["podid unbind --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl label pods -n NAMESPACE -l aadpodidbinding aadpodidbinding-", "kubectl edit deployment NAME -n NAMESPACE"]);

pub static ACCOUNT: Page = Page::error(
    3010,
    "the service account does not name the identity",
    "The annotation azure.workload.identity/client-id of the pods' service account tells the webhook which identity they have. It is the client id: a GUID, not a name and not a resource id.",
)
.causes(&[
    "the service account is missing: pods that name it are not created",
    "the annotation is missing, of another identity, or not a GUID (AADSTS700016)",
    "a chart wrote the service account again without it",
])
.podid(&["podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY --service-account NAME"])
.native(&["kubectl annotate serviceaccount NAME -n NAMESPACE azure.workload.identity/client-id=CLIENT-ID --overwrite"]);

pub static DRIVER_TOKENS: Page = Page::error(
    1123,
    "the CSI driver gets no service account tokens",
    "Kubelet gives the driver tokens of the pods' service accounts only for the audiences in `tokenRequests` of the CSIDriver object: \"token for audience api://AzureADTokenExchange not found\".",
)
.causes(&["the driver's chart is older than 1.1, or its values leave tokenRequests out", "another installation overwrote the CSIDriver object"])
.podid(&["podid cluster components --cluster CLUSTER", "podid cluster install csi --cluster CLUSTER"])
.native(&["kubectl get csidriver secrets-store.csi.k8s.io -o yaml", "helm upgrade RELEASE csi-secrets-store-provider-azure/csi-secrets-store-provider-azure --reuse-values --set 'secrets-store-csi-driver.tokenRequests[0].audience=api://AzureADTokenExchange'"]);

pub static ASSERTION_EXPIRED: Page = Page::error(
    4011,
    "the token of the service account has expired (AADSTS700024)",
    "Kubelet renews the token file. An app that reads it once and keeps the text fails an hour after its start; a node whose clock is wrong fails from the beginning.",
)
.causes(&["the app, or an old SDK, keeps the token's text: the pod is older than an hour", "the clock of the node is wrong: the pod is young"])
.podid(&["podid verify -n NAMESPACE"])
.native(&["kubectl get pods -n NAMESPACE -o wide", "kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static NO_APPLICATION: Page = Page::error(
    4012,
    "the client id is not one of this tenant (AADSTS700016)",
    "Entra looked for the client id in the tenant that the request names, and found nothing.",
)
.causes(&[
    "a resource id or a name was given in place of the client id",
    "the tenant is not that of the identity",
    "the identity was deleted, or made again with another client id",
])
.podid(&["podid identity show -n IDENTITY -g GROUP", "podid doctor -n NAMESPACE"])
.native(&[
    "az identity show -g GROUP -n IDENTITY --query '{client:clientId, tenant:tenantId}'",
    "kubectl get serviceaccount NAME -n NAMESPACE -o yaml",
]);

pub static DISABLED: Page = Page::error(
    4027,
    "the application is disabled in its tenant (AADSTS7000112)",
    "Entra gives no tokens to an application whose service principal is disabled.",
)
.causes(&["somebody disabled it, or a process against unused applications did"])
.native(&["az ad sp show --id CLIENT-ID --query accountEnabled"]);

pub static BLOCKED: Page = Page::error(
    4028,
    "a Conditional Access policy blocks the application (AADSTS53003)",
    "Conditional Access for workload identities may block service principals by the address that they come from. Managed identities are not covered by it.",
)
.causes(&["the outgoing address of the nodes is not among the named locations of the policy"])
.native(&["az ad sp show --id CLIENT-ID"]);

pub static NO_TENANT: Page = Page::error(
    4013,
    "the tenant does not exist (AADSTS90002, AADSTS900023)",
    "The token was asked for in a tenant that Entra does not know.",
)
.causes(&[
    "`tenantId` of the SecretProviderClass is wrong",
    "the annotation azure.workload.identity/tenant-id is wrong",
    "the webhook was installed with another tenant",
])
.podid(&["podid vault show -n VAULT -g GROUP"])
.native(&["az account show --query tenantId", "kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static KEYS: Page = Page::error(
    4014,
    "Entra cannot read the signing keys of the cluster's issuer (AADSTS90061, AADSTS50166)",
    "Entra fetches the keys from ISSUER/.well-known/openid-configuration, over the internet.",
)
.causes(&["the issuer's document is not published, or not reachable from the internet", "the keys were rotated a moment ago"])
.podid(&["podid cluster show -n CLUSTER -g GROUP"])
.native(&["curl ISSUER/.well-known/openid-configuration", "az aks update -g GROUP -n CLUSTER"]);

pub static SIGNATURE: Page = Page::error(
    4021,
    "Entra does not accept the signature of the token (AADSTS700027, AADSTS5002723)",
    "The token was signed by a key that the issuer's document does not have.",
)
.causes(&["the signing keys of the cluster were rotated twice, and the pod is older", "the issuer of another cluster is in the credential"])
.podid(&["podid identity federation list IDENTITY"])
.native(&["kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static OF_ENTRA: Page = Page::error(
    4015,
    "the assertion was issued by Entra itself (AADSTS700222)",
    "A token of Entra cannot be exchanged for another one. The assertion has to be the token of the service account.",
)
.causes(&["the app passes on a token of an identity in place of the file AZURE_FEDERATED_TOKEN_FILE"])
.native(&["kubectl exec POD -n NAMESPACE -- printenv AZURE_FEDERATED_TOKEN_FILE"]);

pub static NO_TOKEN_FILE: Page = Page::error(
    4022,
    "the app finds no token of its service account",
    "The SDK says that AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID or AZURE_TENANT_ID is not set, or that the file is missing. The webhook sets them when the pod is created.",
)
.causes(&["the pod has no label azure.workload.identity/use: \"true\" in its template", "the pod is older than the webhook or the label", "the service account has no client id"])
.podid(&["podid doctor -n NAMESPACE", "podid app wire deployment/NAME -n NAMESPACE"])
.native(&["kubectl get pod POD -n NAMESPACE -o yaml | grep AZURE_", "kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static PROXY: Page = Page::error(
    4017,
    "the migration sidecar does not know which identity is meant",
    "The sidecar answers the metadata service's token requests by `client_id` only; resource ids and object ids are ignored. Without a client id it takes AZURE_CLIENT_ID of its own container.",
)
.causes(&["the service account has no client id", "the app names its identity by resource id"])
.podid(&["podid doctor -n NAMESPACE"])
.native(&["kubectl logs POD -n NAMESPACE -c azwi-proxy"]);

pub static ALL: &[&Page] = &[
    &WEBHOOK,
    &WEBHOOK_SILENT,
    &WEBHOOK_UNKNOWN,
    &WEBHOOK_DENIES,
    &MUTATION,
    &CLIENT_ID,
    &FORMER,
    &ACCOUNT,
    &DRIVER_TOKENS,
    &ASSERTION_EXPIRED,
    &NO_APPLICATION,
    &DISABLED,
    &BLOCKED,
    &NO_TENANT,
    &KEYS,
    &SIGNATURE,
    &OF_ENTRA,
    &NO_TOKEN_FILE,
    &PROXY,
];
