//! The pages of faults at federated credentials.

use crate::chain::page::Page;

pub static FEDERATION: Page = Page::error(
    3020,
    "no federated credential of the identity accepts the pods' tokens (AADSTS70021)",
    "A federated credential says which tokens are exchanged for those of the identity: by issuer, subject and audience, all compared byte by byte.",
)
.causes(&["the credential is missing, or belongs to another identity", "issuer, subject or audience differ", "a new credential takes seconds to minutes"])
.podid(&["podid identity federation list IDENTITY", "podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY --service-account NAME"])
.native(&["az identity federated-credential list -g GROUP --identity-name IDENTITY"]);

pub static ISSUER: Page = Page::error(
    3021,
    "no federated credential has the cluster's issuer (AADSTS700211)",
    "Entra compares the issuer of the token with that of the credential byte by byte, the slash at its end included.",
)
.causes(&[
    "the slash at the end is missing",
    "the credential is for another cluster, or for a former one of this name",
    "the credential was made before the issuer was on, with an empty one",
])
.podid(&[
    "podid identity federation list IDENTITY",
    "podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY --service-account NAME",
])
.native(&[
    "az aks show -g GROUP -n CLUSTER --query oidcIssuerProfile.issuerUrl -o tsv",
    "az identity federated-credential list -g GROUP --identity-name IDENTITY",
]);

pub static SUBJECT: Page = Page::error(
    3022,
    "no federated credential has the pods' service account as its subject (AADSTS700213)",
    "The subject is system:serviceaccount:NAMESPACE:NAME, compared byte by byte: casing counts.",
)
.causes(&["the pods run as another service account, or in another namespace", "the subject is mistyped"])
.podid(&[
    "podid identity federation list IDENTITY",
    "podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY --service-account NAME",
])
.native(&[
    "kubectl get pod POD -n NAMESPACE -o jsonpath='{.spec.serviceAccountName}'",
    "az identity federated-credential list -g GROUP --identity-name IDENTITY",
]);

pub static AUDIENCE: Page = Page::error(
    3023,
    "no federated credential accepts the audience of the token (AADSTS700212)",
    "The audience has to be api://AzureADTokenExchange; a pod with an identity binding has a token for api://AKSIdentityBinding, which only the cluster's proxy takes.",
)
.causes(&["az made the credential without `--audiences`", "the pod uses an identity binding and a federated credential with one token"])
.podid(&["podid identity federation list IDENTITY", "podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY --service-account NAME"])
.native(&["az identity federated-credential update -g GROUP --identity-name IDENTITY -n NAME --issuer ISSUER --subject SUBJECT --audiences api://AzureADTokenExchange"]);

pub static ALL: &[&Page] = &[&FEDERATION, &ISSUER, &SUBJECT, &AUDIENCE];
