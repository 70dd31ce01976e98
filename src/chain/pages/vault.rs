//! The pages of faults at the vault, its secrets, and the right to read them.

use crate::chain::page::Page;

pub static GRANT: Page = Page::error(
    6001,
    "the identity may not read the secrets of the vault",
    "The vault knew the caller and refused it: \"ForbiddenByRbac\" where the vault asks Azure roles, \"ForbiddenByPolicy\" or \"does not have secrets get permission\" where it has access policies. Of these two only the one counts that the vault uses.",
)
.causes(&[
    "the identity has no such role or policy",
    "the role is of the other model: the vault asks roles, and there is only a policy, or the other way round",
    "the role or policy is of a former identity of this name",
    "a new role takes up to 10 minutes, a new policy up to 2",
    "Reader and Contributor do not open secrets",
])
.podid(&["podid vault grant --vault VAULT --to identity/IDENTITY", "podid who-can SECRET --vault VAULT"])
.native(&[
    "az role assignment create --role 'Key Vault Secrets User' --assignee-object-id PRINCIPAL-ID --assignee-principal-type ServicePrincipal --scope VAULT-ID",
    "az keyvault set-policy -n VAULT --object-id PRINCIPAL-ID --secret-permissions get # replaces the other permissions on secrets",
]);

pub static CONDITION: Page = Page::error(
    6003,
    "a condition of the role assignment keeps the identity out",
    "The identity has the role, but the assignment has an ABAC condition, which is checked for each secret.",
)
.causes(&["the condition names other secrets or other attributes"])
.podid(&["podid role list --to identity/IDENTITY --scope vault/VAULT"])
.native(&["az role assignment list --scope VAULT-ID --include-inherited --query \"[].condition\""]);

pub static DENIED: Page = Page::error(
    6004,
    "a deny assignment keeps the identity out",
    "A deny assignment counts more than any role. Deployment stacks, managed applications and Blueprints make them; nobody can write one by hand.",
)
.causes(&["a deployment stack with deny settings, or a managed application, owns the vault"])
.native(&["az rest --method get --url 'VAULT-ID/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01'"]);

pub static VAULT: Page = Page::error(
    7001,
    "the vault does not exist",
    "The vault is not there. Its name is unique in all of Azure, so a deleted one may still hold it.",
)
.causes(&["it was deleted, and may be recovered", "the name is mistyped", "it is in another subscription"])
.podid(&["podid vault show -n VAULT -g GROUP", "podid up --recover"])
.native(&["az keyvault show -n VAULT", "az keyvault list-deleted", "az keyvault recover -n VAULT"]);

pub static VAULT_ELSEWHERE: Page = Page::warning(
    7008,
    "no subscription that podid may read has a vault of this name",
    "The pods read a vault that podid does not find, in the subscription of the cluster or in any other that its login may list. It works if the vault is in a subscription that the login does not see, and not if it was deleted.",
)
.causes(&["the vault is in another subscription", "it was deleted, and may be recovered", "the name is mistyped"])
.podid(&["podid doctor --vault-id VAULT-ID", "podid vault list"])
.native(&["az keyvault list-deleted", "az keyvault show -n VAULT"]);

pub static FIREWALL: Page = Page::error(
    7002,
    "the vault's firewall blocks the cluster's nodes",
    "The vault answers only some networks. The CSI provider asks from the node, an app from the node's outgoing address.",
)
.causes(&[
    "the subnet of the nodes is not allowed, or has no service endpoint for Microsoft.KeyVault",
    "public access is off, and the nodes have no private endpoint",
])
.podid(&["podid vault show -n VAULT -g GROUP", "podid probe NAME -n NAMESPACE"])
.native(&["az keyvault network-rule list --name VAULT", "az keyvault network-rule add --name VAULT --subnet SUBNET-ID"]);

pub static DNS: Page = Page::error(
    7003,
    "the vault's name does not resolve, or to an address that cannot be used",
    "The name of a vault is in the DNS only while the vault exists; that of a private vault has to lead to its private endpoint.",
)
.causes(&[
    "the vault does not exist, or was made within the last minute",
    "the private DNS zone privatelink.vaultcore.azure.net is not linked to the nodes' network",
    "a DNS server of one's own answers with the public address now and then",
])
.podid(&["podid probe NAME -n NAMESPACE"])
.native(&[
    "kubectl run dns --rm -it --image=busybox -- nslookup VAULT.vault.azure.net",
    "az network private-dns link vnet list -g GROUP -z privatelink.vaultcore.azure.net",
]);

pub static THROTTLED: Page = Page::error(
    7004,
    "the vault limits the rate of requests (429)",
    "A vault answers 4,000 reads of secrets in 10 seconds. Rotation asks for every object of every pod at each interval, so that many pods use that up, and new pods cannot mount.",
)
.causes(&["many pods mount many objects, and the rotation interval is short", "many pods start at once"])
.podid(&["podid plan"])
.native(&["az aks update -g GROUP -n CLUSTER --enable-secret-rotation --rotation-poll-interval 1h"]);

pub static TIMEOUT: Page = Page::error(
    7005,
    "the vault or Entra does not answer in time",
    "The request left the node, and no answer came: \"context deadline exceeded\" or \"i/o timeout\". A firewall drops it without a word, or the name leads to an address that cannot be reached.",
)
.causes(&[
    "an outgoing firewall or NetworkPolicy blocks the vault or login.microsoftonline.com",
    "a private vault's name resolves to its public address",
    "the pod starts while the node is overloaded",
])
.podid(&["podid probe NAME -n NAMESPACE", "podid logs csi --workload NAME -n NAMESPACE"])
.native(&["kubectl debug node/NODE -it --image=curlimages/curl -- curl -sv https://VAULT.vault.azure.net/healthstatus"]);

pub static TENANT: Page = Page::error(
    7006,
    "identity and vault are in different tenants",
    "A managed identity has tokens of its own tenant only, and a vault takes only those of its own: AKV10032, \"Invalid issuer\".",
)
.causes(&["the vault or its subscription was moved to another tenant", "the identity is of another tenant"])
.podid(&["podid vault show -n VAULT -g GROUP", "podid identity show -n IDENTITY -g GROUP"])
.native(&["az keyvault show -n VAULT --query properties.tenantId", "az keyvault update -n VAULT --set properties.tenantId=TENANT"]);

pub static WRONG_AUDIENCE: Page = Page::error(
    7012,
    "the token is for another cloud or another service than the vault",
    "A vault takes only tokens for itself: AKV10022, \"Invalid audience\", names the expected audience and that of the token.",
)
.causes(&["`cloudName` of the SecretProviderClass is of another cloud", "the app asks for a token of another service, or of another cloud"])
.podid(&["podid vault show -n VAULT -g GROUP"])
.native(&["az keyvault show -n VAULT --query properties.vaultUri", "kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static OPERATION: Page = Page::error(
    6006,
    "the access policy lacks the permission for what is done with secrets",
    "An access policy has a permission for each operation. `get` reads a secret whose name is known; an SDK that loads all secrets of a vault, as configuration providers do, needs `list` too, and whoever writes needs `set`. Azure roles have no such split: Key Vault Secrets User also lists.",
)
.causes(&["the app lists the secrets, and its policy has only `get`", "the person or pipeline that writes secrets has no policy with `set`"])
.podid(&["podid vault show -n VAULT -g GROUP", "podid vault secret list --vault VAULT"])
.native(&["az keyvault set-policy -n VAULT --object-id PRINCIPAL-ID --secret-permissions get list", "az keyvault set-policy -n VAULT --upn USER --secret-permissions get list set delete"]);

pub static SECRET: Page = Page::error(
    8001,
    "a secret is not in the vault",
    "The vault answered, and has no secret of this name. Names do not tell casing apart; `_` and `.` cannot be in one.",
)
.causes(&["the name is mistyped", "the secret was deleted, and may be recovered", "it is in another vault"])
.podid(&["podid vault secret list --vault VAULT", "podid vault secret set NAME --vault VAULT --prompt"])
.native(&["az keyvault secret list --vault-name VAULT", "az keyvault secret recover --vault-name VAULT --name NAME"]);

pub static DISABLED: Page =
    Page::error(8002, "a secret is disabled", "Nobody can read a disabled secret: \"Operation get is not permitted on this object\".")
        .causes(&["somebody, or a rotation with `--disable-old`, disabled it"])
        .podid(&["podid vault secret show NAME --vault VAULT"])
        .native(&["az keyvault secret set-attributes --vault-name VAULT --name NAME --enabled true"]);

pub static EXPIRED: Page = Page::warning(
    8003,
    "a secret is past its expiry, or not valid yet",
    "Key Vault gives out secrets whatever their dates say; they tell people, and Azure Policy, that the value is to be changed. Whoever accepts the value may refuse it.",
)
.causes(&["it was not rotated"])
.podid(&["podid vault secret rotate NAME --vault VAULT --prompt"])
.native(&["az keyvault secret set-attributes --vault-name VAULT --name NAME --expires DATE"]);

pub static OBJECT: Page =
    Page::error(8006, "a key or certificate is not in the vault", "The vault answered, and has no key or certificate of this name.")
        .causes(&["the name is mistyped", "`objectType` is wrong: the provider tells `secret`, `key` and `cert` apart"])
        .native(&["az keyvault key list --vault-name VAULT", "az keyvault certificate list --vault-name VAULT"]);

pub static NO_IDENTITY: Page = Page::error(
    8016,
    "a volume's provider is told no identity",
    "The SecretProviderClass turns no identity mode on and names no `clientID`, so that the provider looks for the secret of a service principal, which the volume does not name: \"nodePublishSecretRef secret is not set\".",
)
.causes(&["`clientID`, `usePodIdentity` or `useVMManagedIdentity` is missing or misspelled"])
.podid(&["podid mount apply --namespace NAMESPACE --name NAME --vault VAULT --secret SECRET"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o jsonpath='{.spec.parameters}'"]);

pub static OF_NODE: Page = Page::info(
    8017,
    "secrets are read by an identity of the node",
    "With `useVMManagedIdentity` the provider takes an identity of the node, whatever the pod is bound to: every pod of the node that may mount the class reads as it.",
)
.causes(&["the class was made for the identity of the add-on or of the kubelet"])
.podid(&["podid bind --mode workload-identity --namespace NAMESPACE --identity IDENTITY"])
.native(&["kubectl get secretproviderclass NAME -n NAMESPACE -o yaml"]);

pub static VERSION: Page = Page::error(
    8501,
    "the pod has another version of a secret than the vault",
    "Mounted files and synced Secrets follow the vault only with rotation on, and variables only when the pod is made again.",
)
.causes(&["rotation is off, or its interval is not over", "`subPath` mounts never follow", "the version is pinned"])
.podid(&["podid app status NAME -n NAMESPACE", "podid vault secret rotate NAME --vault VAULT --restart"])
.native(&["kubectl get secretproviderclasspodstatuses -n NAMESPACE -o yaml", "kubectl rollout restart deployment/NAME -n NAMESPACE"]);

pub static ALL: &[&Page] = &[
    &GRANT,
    &CONDITION,
    &DENIED,
    &VAULT,
    &VAULT_ELSEWHERE,
    &FIREWALL,
    &DNS,
    &THROTTLED,
    &TIMEOUT,
    &TENANT,
    &WRONG_AUDIENCE,
    &OPERATION,
    &SECRET,
    &DISABLED,
    &EXPIRED,
    &OBJECT,
    &NO_IDENTITY,
    &OF_NODE,
    &VERSION,
];
