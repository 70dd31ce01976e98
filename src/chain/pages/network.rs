//! The pages of faults on the way from a pod to Azure's hosts, which `podid probe` looks at from inside the cluster.

use crate::chain::page::Page;

pub static ENTRA: Page = Page::error(
    4026,
    "a pod does not reach the host of Entra",
    "Workload ID exchanges its tokens at login.microsoftonline.com, or at the host of another cloud. AAD Pod Identity and identity bindings do not need it from the pod.",
)
.causes(&[
    "an outgoing firewall or a NetworkPolicy does not allow login.microsoftonline.com on port 443",
    "the cluster's DNS does not answer, or does not forward",
])
.podid(&["podid probe NAME -n NAMESPACE"])
.native(&[
    "kubectl get networkpolicies -n NAMESPACE",
    "kubectl run dns --rm -it --image=busybox -- nslookup login.microsoftonline.com",
]);

pub static PRIVATE_NAME: Page = Page::error(
    7009,
    "the name of a private vault leads to its public address",
    "The vault answers only through its private endpoint, and the DNS of the pods gives the public address: the vault then refuses every request with 403, \"Public network access is disabled\". The name has to resolve to the address of the private endpoint.",
)
.causes(&[
    "the private DNS zone privatelink.vaultcore.azure.net is not linked to the network of the nodes",
    "the zone has no record for the vault: the private endpoint has no DNS zone group",
    "a DNS server of one's own does not forward vault.azure.net to 168.63.129.16, or only one of several does",
    "the vault has no private endpoint in a network that the nodes reach",
])
.podid(&["podid probe NAME -n NAMESPACE --all-nodes", "podid vault show -n VAULT -g GROUP"])
.native(&[
    "az network private-dns link vnet list -g GROUP -z privatelink.vaultcore.azure.net -o table",
    "az network private-endpoint dns-zone-group list -g GROUP --endpoint-name ENDPOINT",
    "kubectl run dns --rm -it --image=busybox -- nslookup VAULT.vault.azure.net",
]);

pub static INTERCEPTED: Page = Page::error(
    7010,
    "a proxy on the way replaces the certificate of Azure's host",
    "A TLS-inspecting firewall or proxy answers in place of the vault or of Entra with a certificate of its own authority, which programs in pods do not trust: \"x509: certificate signed by unknown authority\". A pinned or managed client cannot be told to trust it.",
)
.causes(&[
    "an outgoing firewall inspects TLS, and *.vault.azure.net or login.microsoftonline.com is not exempted",
    "the image of the container has no or very old root certificates",
])
.podid(&["podid probe NAME -n NAMESPACE"])
.native(&["kubectl debug node/NODE -it --image=curlimages/curl -- curl -skv https://VAULT.vault.azure.net/"]);

pub static PROXY: Page = Page::error(
    7011,
    "the proxy of the pods does not let them through to Azure",
    "The pods have HTTPS_PROXY, and the proxy cannot be reached or refuses the host. Requests to 169.254.169.254 and to private endpoints must not go through it: they belong into NO_PROXY.",
)
.causes(&[
    "the proxy does not allow *.vault.azure.net or login.microsoftonline.com",
    "the name or the port of the proxy is wrong, or a NetworkPolicy blocks it",
    "the proxy asks for a password",
])
.podid(&["podid probe NAME -n NAMESPACE"])
.native(&["az aks show -g GROUP -n CLUSTER --query httpProxyConfig", "kubectl get pod POD -n NAMESPACE -o jsonpath='{.spec.containers[*].env}'"]);

pub static ALL: &[&Page] = &[&ENTRA, &PRIVATE_NAME, &INTERCEPTED, &PROXY];
