//! Errors of Azure's own commands and interfaces, which come before there is a chain: they are explained, and no link has them.

use crate::chain::{
    link::{Heals, Meaning, Symptom},
    page::Page,
    pages,
};

static REGISTRATION: Page = Page::error(
    1007,
    "the subscription is not registered for a resource provider",
    "Azure refuses resources of a provider that the subscription never used. A registration takes minutes.",
)
.causes(&["the subscription is new, or never had a vault, an identity or a cluster"])
.native(&["az provider register -n Microsoft.KeyVault", "az provider show -n Microsoft.KeyVault --query registrationState"]);

static LOCKED: Page = Page::error(
    1008,
    "a lock keeps the resource from being changed or deleted",
    "A management lock at the resource, its group or its subscription counts more than any role.",
)
.causes(&["somebody protects the resource with CanNotDelete or ReadOnly"])
.native(&["az lock list -g GROUP", "az lock delete --ids ID"]);

static NO_KIND: Page = Page::error(
    1009,
    "the cluster does not know the kind of object",
    "The definitions of AAD Pod Identity and of the Secrets Store CSI driver come with their components: \"no matches for kind\".",
)
.causes(&[
    "the component is not installed",
    "its definitions were deleted with a chart, and all objects of these kinds with them",
    "the API version is an old one, such as v1alpha1",
])
.podid(&[
    "podid cluster components --cluster CLUSTER",
    "podid cluster install csi --cluster CLUSTER",
    "podid cluster install pod-identity --cluster CLUSTER",
])
.native(&["kubectl get crds | grep -E 'aadpodidentity|secrets-store'"]);

static VOLUME: Page = Page::error(
    2015,
    "kubelet waited in vain for a volume of the pod",
    "\"Unable to attach or mount volumes\" names the volumes that did not come, and not why: an event FailedMount of the same pod says that, up to some minutes before.",
)
.causes(&["the volume's driver or its provider reports an error at each attempt", "the driver of the volume does not run on the node"])
.podid(&["podid doctor -n NAMESPACE"])
.native(&["kubectl get events -n NAMESPACE --field-selector reason=FailedMount --sort-by=.lastTimestamp", "kubectl describe pod POD -n NAMESPACE"]);

static ISSUER_AND_SUBJECT: Page = Page::error(
    3025,
    "the identity has a federated credential for this issuer and subject under another name",
    "Two credentials of one identity cannot accept the same tokens.",
)
.causes(&["another tool made the credential, and named it otherwise"])
.podid(&["podid identity federation list IDENTITY", "podid up"])
.native(&["az identity federated-credential list -g GROUP --identity-name IDENTITY"]);

static WRITTEN_AT_ONCE: Page = Page::error(
    3024,
    "federated credentials of one identity are written at once",
    "Azure takes the writes of one identity one after the other, also those of other programs.",
)
.causes(&["two pipelines, or one that writes in parallel, change credentials of one identity"])
.podid(&["podid up"])
.native(&["az identity federated-credential list -g GROUP --identity-name IDENTITY"]);

static MOST_CREDENTIALS: Page = Page::error(
    3026,
    "the identity has as many federated credentials as it can have",
    "An identity has at most 20 federated credentials: one for each pair of cluster and service account.",
)
.causes(&["one identity serves many clusters or service accounts"])
.podid(&["podid identity federation list IDENTITY", "podid bind --mode identity-binding --namespace NAMESPACE --identity IDENTITY"])
.native(&["az identity federated-credential list -g GROUP --identity-name IDENTITY"]);

static CLIENT_SECRET: Page = Page::error(
    4025,
    "the secret of a service principal is wrong or has expired (AADSTS7000215, AADSTS7000222)",
    "A cluster or a SecretProviderClass with a service principal has a password that ends after a year or two. MIC, the provider and the cluster itself stop then.",
)
.causes(&["the secret expired", "the id of the secret was given in place of its value"])
.podid(&["podid cluster show -n CLUSTER -g GROUP"])
.native(&["az ad app credential list --id APP-ID", "az aks update-credentials -g GROUP -n CLUSTER --reset-service-principal --service-principal APP-ID --client-secret SECRET"]);

static REPLICATION: Page = Page::error(
    5003,
    "the principal does not exist in the directory, or not yet",
    "Role assignments check the principal in Entra, which knows a new identity after seconds to minutes.",
)
.causes(&["the identity is new", "the client id was given in place of the object id", "the principal is of another tenant, or was deleted"])
.podid(&["podid identity show -n IDENTITY -g GROUP", "podid up"])
.native(&[
    "az role assignment create --assignee-object-id PRINCIPAL-ID --assignee-principal-type ServicePrincipal --role ROLE --scope SCOPE",
]);

static OWN_LOGIN: Page = Page::error(
    5011,
    "this login lacks a right that the command needs",
    "\"does not have authorization to perform action\" names the action and the scope. Contributor may not assign roles: that takes Owner, User Access Administrator or Role Based Access Control Administrator.",
)
.causes(&["the login lacks a role at the scope", "the role was just given, and the login has an old token", "another subscription is meant"])
.podid(&["podid role list --scope group/GROUP"])
.native(&["az account show", "az role assignment list --assignee USER --all --include-inherited"]);

static ALREADY_ASSIGNED: Page = Page::info(
    5012,
    "the role is assigned already",
    "There is an assignment of this role to this principal at this scope, under another name. Nothing is to be done.",
)
.causes(&["another tool, or an earlier run, made it"])
.podid(&["podid role list --scope group/GROUP"])
.native(&["az role assignment list --scope SCOPE"]);

static WRONG_MODEL: Page = Page::error(
    6005,
    "the vault asks Azure roles, and a policy was to be set",
    "Vaults that az makes since version 2.61 ask Azure roles. Access policies do nothing there, and the creator has no right to secrets either.",
)
.causes(&["the guide is older than May 2024"])
.podid(&["podid vault grant --vault VAULT --to identity/IDENTITY", "podid vault show -n VAULT -g GROUP"])
.native(&["az keyvault show -n VAULT --query properties.enableRbacAuthorization"]);

static TAKEN: Page = Page::error(
    7007,
    "the vault's name is taken, by a vault or by a deleted one",
    "Names of vaults are unique in all of Azure, and a deleted vault keeps its name for up to 90 days.",
)
.causes(&["a vault of this name was deleted, and can be recovered", "somebody else has the name"])
.podid(&["podid up --recover"])
.native(&["az keyvault list-deleted", "az keyvault recover -n VAULT"]);

static RECOVERABLE: Page = Page::error(
    8004,
    "a deleted secret still has the name",
    "A deleted secret can be recovered or purged, and its name cannot be used until then: \"ObjectIsDeletedButRecoverable\".",
)
.causes(&["the secret was deleted, by a person or by `terraform destroy`"])
.podid(&["podid up --recover"])
.native(&["az keyvault secret recover --vault-name VAULT --name NAME", "az keyvault secret purge --vault-name VAULT --name NAME"]);

const fn of(any_of: &'static [&'static str], page: &'static Page) -> Symptom {
    Symptom::known(any_of, Heals::Never, page.title, |_, _| String::new()).page(page)
}

/// The texts, most of them codes of Azure's interfaces.
pub static TEXTS: &[Symptom] = &[
    of(&["MissingSubscriptionRegistration", "NoRegisteredProviderFound"], &REGISTRATION),
    of(&["ScopeLocked"], &LOCKED),
    of(
        &[
            "no matches for kind \"Azure",
            "no matches for kind \"SecretProviderClass\"",
            "no kind \"Azure",
            "no kind \"SecretProviderClass\"",
            "the server doesn't have a resource type \"azure",
            "the server doesn't have a resource type \"secretprovider",
            "could not find the requested resource (get azure",
            "could not find the requested resource (get secretprovider",
        ],
        &NO_KIND,
    ),
    Symptom::new(&["unmounted volumes=", "timeout expired waiting for volumes to attach or mount"], Meaning::Waiting).page(&VOLUME),
    of(&["does not have secrets ", "does not have keys ", "does not have certificates "], &pages::OPERATION)
        .unless(&["does not have secrets get", "does not have keys get", "does not have certificates get"])
        .only_if(|text| text.contains(" permission on key vault")),
    of(&["Issuer and subject combination already exists"], &ISSUER_AND_SUBJECT),
    of(
        &["ConcurrentFederatedIdentityCredentialsWrites", "Too many Federated Identity Credentials are written concurrently"],
        &WRITTEN_AT_ONCE,
    ),
    of(&["maximum of 20 federated", "limit of 20 federated"], &MOST_CREDENTIALS),
    of(&["AADSTS7000215", "AADSTS7000222"], &CLIENT_SECRET),
    of(&["PrincipalNotFound", "does not exist in the directory"], &REPLICATION),
    of(&["does not have authorization to perform action"], &OWN_LOGIN).unless(&["Microsoft.Compute/virtualMachine"]),
    of(&["RoleAssignmentExists"], &ALREADY_ASSIGNED),
    of(&["Cannot set policies to a vault with '--enable-rbac-authorization'"], &WRONG_MODEL),
    of(&["VaultAlreadyExists", "already exists in deleted state"], &TAKEN),
    of(&["ObjectIsDeletedButRecoverable", "currently in a deleted but recoverable state"], &RECOVERABLE),
    of(&["clock skew"], &pages::CLOCK),
];

pub fn pages() -> impl Iterator<Item = &'static Page> {
    TEXTS.iter().filter_map(|symptom| symptom.page)
}
