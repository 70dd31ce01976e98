//! What Kubernetes and Key Vault report, whatever mode and delivery a workload has.

use super::words;
use crate::chain::{
    hosts,
    link::{DNS, GRANT, Heals, Meaning, MissingLink, POLICY, RESTART, ROLE, Reason, Symptom},
    pages,
};

pub const OF_POD: &[Symptom] = &[
    // Azure Policy calls its constraints azurepolicy-…; Pod Security says what it violates
    Symptom::known(
        &[
            "azurepolicy-",
            "validation.gatekeeper.sh",
            "violates PodSecurity",
            "deployment safeguards",
            "unable to validate against any pod security policy",
            "unable to validate against any security context constraint",
        ],
        Heals::Never,
        "a policy of the cluster refuses the pod",
        |view, _| format!("Exempt the namespace {}, or change what the policy names.", view.bound.namespace),
    )
    .page(&pages::NOT_PERMITTED),
    Symptom::known(&["nodes are available", "no nodes available to schedule"], Heals::Perhaps, "no node takes the pod", |_, _| {
        "Look at the nodes: `kubectl get nodes`, and at what the pod asks for.".into()
    })
    .page(&pages::NOT_SCHEDULED),
    Symptom::known(&["exceeded quota"], Heals::Perhaps, "a quota of the namespace is used up", |view, _| {
        format!("Look at it: `kubectl get resourcequotas -n {}`.", view.bound.namespace)
    })
    .page(&pages::NOT_CREATED),
    Symptom::known(
        &["certificate has expired or is not yet valid", "token used before issued", "token is not valid yet", "[TokenExpired]"],
        Heals::Perhaps,
        "a clock is wrong: a certificate or a token is not valid yet, or not any more",
        |_, _| "Compare the clock of the node with the time in the text.".into(),
    )
    .unless(&["webhook"])
    .page(&pages::CLOCK),
];

/// What the SDKs say where nobody answers at 169.254.169.254.
pub const NO_METADATA: &[&str] = &[
    "no response from the IMDS endpoint",
    "Connection to IMDS endpoint cannot be established",
    "no response from IMDS",
    "managed identity timed out",
    "failed to obtain a token from the managed identity endpoint",
    "No response received from the managed identity endpoint",
    "No Managed Identity endpoint was found",
    "MSI endpoint is not available",
    "MSI not available",
];

pub const OF_CONTAINER: &[Symptom] = &[
    Symptom::known(
        &[
            "manifest unknown",
            "failed to pull image",
            "failed to pull and unpack image",
            "failed to fetch anonymous token",
            "pull access denied",
            "ErrImagePull",
            "ImagePullBackOff",
            "back-off pulling image",
        ],
        Heals::Within(RESTART),
        "the image of a container cannot be pulled",
        |_, _| "Ask the registry for the tag first: it answers 401 to a wrong name, too; then look at the role AcrPull of the kubelet identity.".into(),
    )
    .page(&pages::IMAGE),
    Symptom::known(&["OCI runtime create failed", "failed to create containerd task"], Heals::Perhaps, "the program in the container cannot be started", |_, _| {
        "Look whether the image has the command of the container: `kubectl describe pod POD`.".into()
    }),
    Symptom::known(&["couldn't find key", "non-existent secret key", "CreateContainerConfigError", ": secret \"", ": configmap \""], Heals::Within(RESTART), "the container names a Secret or ConfigMap that does not exist", |view, _| {
        format!("Look at it: `kubectl get secrets,configmaps -n {}`; a synced Secret exists only while a pod mounts its class.", view.bound.namespace)
    })
    .unless(&["node publish secret", "nodePublishSecretRef"])
    .only_if(|text| !text.contains(": secret \"") && !text.contains(": configmap \"") || text.contains("\" not found")),
    Symptom::known(&["CrashLoopBackOff", "back-off restarting failed container"], Heals::Perhaps, "the program in the container ends again and again", |_, _| {
        "Read its log: `kubectl logs POD --previous`.".into()
    }),
];

pub const ONE_TENANT: &str = "Use an identity and a vault of one tenant: a managed identity has tokens of its own tenant only. After a subscription moved, `az keyvault update --name VAULT --set properties.tenantId=TENANT` gives its vaults the new tenant, and access policies must be made again.";

pub const OF_VAULT: &[Symptom] = &[
    Symptom::known(&["AKV10032"], Heals::Never, "the vault is in another tenant than the identity", |_, _| ONE_TENANT.to_owned())
        .page(&pages::TENANT),
    Symptom::known(&["AKV10022"], Heals::Never, "the token is not one for this vault's cloud", |_, _| {
        "Ask for a token of the vault's cloud: `cloudName` of the SecretProviderClass, or the vault's URI in the app, names it.".into()
    })
    .page(&pages::WRONG_AUDIENCE),
    Symptom::known(&["VaultNotFound"], Heals::Never, "there is no such vault", |view, _| {
        format!("Look whether it was deleted: `az keyvault show --name {0}`, `az keyvault list-deleted`.", view.vault())
    })
    .unless(&["DeletedVaultNotFound"])
    .page(&pages::VAULT),
    Symptom {
        any_of: &[
            "ForbiddenByFirewall",
            "ForbiddenByConnection",
            "Client address is not authorized",
            "caller is not a trusted service",
            "Public network access is disabled",
            "is not an approved private link",
        ],
        none_of: &[],
        only_if: None,
        page: Some(&pages::FIREWALL),
        means: Meaning::Known {
            heals: Heals::Never,
            what: "the vault's firewall blocks the cluster's nodes",
            hint: |view, _| {
                let vault = view.vault();
                format!(
                    "Allow their network: `az keyvault network-rule add --name {vault} --subnet SUBNET-ID`; `az keyvault network-rule list --name {vault}` shows the allowed ones."
                )
            },
        },
    },
    Symptom {
        // Go, curl, glibc, Node.js, Python and Java say it each in their own way
        any_of: &[
            "no such host",
            "server misbehaving",
            ":53: i/o timeout",
            "temporary failure in name resolution",
            "name or service not known",
            "nodename nor servname provided",
            "ENOTFOUND",
            "EAI_AGAIN",
            "UnknownHostException",
            "could not resolve host",
            "failed to resolve",
            ".net: i/o timeout",
            ".com: i/o timeout",
        ],
        none_of: &[],
        only_if: Some(hosts::names_azure),
        page: Some(&pages::DNS),
        means: Meaning::Known {
            heals: Heals::Within(DNS),
            what: "the vault's name does not resolve",
            hint: |view, _| {
                format!(
                    "Look whether the vault is there: `az keyvault show --name {}`; a private vault needs its private DNS zone linked to the cluster's network.",
                    view.vault()
                )
            },
        },
    },
    Symptom {
        any_of: &["TooManyRequests", "Too Many Requests", "VaultRequestTypeLimitReached", "ERROR CODE: Throttled"],
        none_of: &["VirtualMachine"],
        only_if: Some(|text| hosts::names_azure(text) || !text.contains("too many requests") || text.contains("throttled")),
        page: Some(&pages::THROTTLED),
        means: Meaning::Known {
            heals: Heals::Perhaps,
            what: "the vault limits the rate of requests",
            hint: |_, _| "Start fewer pods at once, or set a longer rotation interval.".into(),
        },
    },
    Symptom::known(
        &[
            "i/o timeout",
            "connect: connection refused",
            "connection timed out",
            "Client.Timeout exceeded while awaiting headers",
            "context deadline exceeded",
            "code = DeadlineExceeded",
            "TLS handshake timeout",
            "no route to host",
            "network is unreachable",
            "connection reset by peer",
            "connect timed out",
            "ETIMEDOUT",
            "ECONNREFUSED",
            "failed to connect to",
        ],
        Heals::Within(DNS),
        "the vault or Entra does not answer the node",
        |view, _| {
            format!(
                "Look at the way from the node: a firewall, or a private name that leads to a public address: `nslookup {}.vault.azure.net` in a pod with the node's network.",
                view.vault()
            )
        },
    )
    .unless(&["no such host", "169.254.169.254", "webhook", ":2579", ".sock:", "unmounted volumes=", "proxyconnect", ":53:"])
    .only_if(hosts::is_of_azure_or_mount)
    .page(&pages::TIMEOUT),
    Symptom::known(
        &["proxyconnect tcp", "Proxy Authentication Required"],
        Heals::Perhaps,
        "the proxy of the pods or the nodes does not let the request through",
        |_, _| "Look at HTTPS_PROXY and NO_PROXY of the program that reports it: `kubectl describe pod POD`.".into(),
    )
    .only_if(hosts::is_not_of_others)
    .page(&pages::network::PROXY),
    Symptom::known(
        &["x509: certificate is valid for"],
        Heals::Never,
        "another server answers in place of the vault or of Entra",
        |view, _| format!("Who issued the certificate shows {}.", view.commands.podid(&["probe", "-n", &view.bound.namespace])),
    )
    .only_if(hosts::names_azure)
    .page(&pages::network::INTERCEPTED),
    // Go, curl, OpenSSL, .NET and Java name an unknown authority each in its own way
    Symptom::known(
        &[
            "x509: certificate signed by unknown authority",
            "unable to get local issuer certificate",
            "self-signed certificate in certificate chain",
            "self signed certificate in certificate chain",
            "SELF_SIGNED_CERT_IN_CHAIN",
            "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
            "The remote certificate is invalid because of errors in the certificate chain",
            "PKIX path building failed",
        ],
        Heals::Never,
        "a proxy on the way replaces the certificate of the vault or of Entra",
        |view, _| {
            format!(
                "Exempt *.vault.azure.net and login.microsoftonline.com from TLS inspection; who issued the certificate shows {}.",
                view.commands.podid(&["probe", "-n", &view.bound.namespace])
            )
        },
    )
    .unless(&["webhook", "kubernetes.default", "azmk8s.io", "/apis/", "/api/v1"])
    .only_if(hosts::is_not_of_others)
    .page(&pages::network::INTERCEPTED),
];

pub const OF_GRANT: &[Symptom] = &[Symptom {
    any_of: &[
        "ForbiddenByRbac",
        "ForbiddenByPolicy",
        "Caller is not authorized to perform action on resource",
        "does not have secrets get",
        "does not have keys get",
        "does not have certificates get",
        "Caller was not found on any access policy",
    ],
    none_of: &[],
    only_if: None,
    page: None,
    means: Meaning::Read(|view, link, text| {
        let (identity, vault) = (&view.bound.identity.name, view.vault());
        if let Some(by) = denial(text) {
            let what = format!("the deny assignment {by} keeps the identity {identity} from reading the secrets of the vault {vault}");
            return Reason::new(Heals::Never, MissingLink::new(GRANT, what).page(&pages::DENIED).hint(words::CHANGE_DENIAL));
        }
        let (heals, takes) = match view.delivered.and_then(|delivered| delivered.vault.rbac) {
            Some(false) => (Heals::Within(POLICY), "a new access policy takes up to 2 minutes"),
            _ => (Heals::Within(ROLE), "a new role takes up to 10 minutes"),
        };
        let missing = MissingLink::new(GRANT, format!("the identity {identity} may not read the secrets of the vault {vault}"));
        Reason::new(heals, missing.hint(format!("Give it the right ({takes}): {}.", view.again(&link.again))))
    }),
}];

/// Whether a text says that the vault refused the caller.
pub fn is_refusal(text: &str) -> bool {
    OF_GRANT.iter().any(|symptom| symptom.fits(text))
}

/// The deny assignment that Key Vault names on a line of its own; `null` means that there is none. Components quote the line breaks.
fn denial(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("DenyAssignmentId:")?;
    let rest = rest.trim_start().trim_start_matches(['\'', '"']);
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '\\' | '\'' | '"')).unwrap_or(rest.len());
    rest.get(..end).filter(|id| !matches!(*id, "" | "null"))
}

/// The application id of the caller that Key Vault refused.
pub fn refused_caller(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("appid=")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(rest.len());
    rest.get(..end).filter(|id| !id.is_empty())
}

pub const OF_SECRET: &[Symptom] = &[
    Symptom {
        any_of: &["is not permitted on this object", "SecretDisabled", "is not allowed on a disabled"],
        none_of: &[],
        only_if: None,
        page: Some(&pages::DISABLED),
        means: Meaning::Known {
            heals: Heals::Never,
            what: "a secret is disabled in the vault",
            hint: |view, _| {
                let objects = view.delivered.map(|delivered| delivered.objects.as_slice()).unwrap_or_default();
                let one = objects.iter().filter(|o| o.kind.is_secret()).map(|o| words::enable(view.vault(), &o.name)).collect::<Vec<_>>();
                format!("Enable it: {}.", one.join(" or "))
            },
        },
    },
    Symptom {
        any_of: &["KeyNotFound", "CertificateNotFound", "A key with (name/id)", "A certificate with (name/id)"],
        none_of: &[],
        only_if: None,
        page: Some(&pages::OBJECT),
        means: Meaning::Known {
            heals: Heals::Never,
            what: "a key or certificate is not in the vault",
            hint: |view, _| {
                let vault = view.vault();
                format!(
                    "See which there are: `az keyvault key list --vault-name {vault}`, `az keyvault certificate list --vault-name {vault}`."
                )
            },
        },
    },
    Symptom {
        // FlexVolume leaves only the message of the error, without its code
        any_of: &["SecretNotFound", "was not found in this key vault", "request URI contains an invalid name"],
        none_of: &["A key with (name/id)", "A certificate with (name/id)"],
        only_if: None,
        page: None,
        means: Meaning::Known {
            heals: Heals::Never,
            what: "a secret is not in the vault",
            hint: |view, _| format!("See which there are: {}.", view.commands.podid(&["vault", "secret", "list", "--vault", view.vault()])),
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_that_a_vault_refused_is_read_off_both_of_its_texts() {
        let rbac = r"Caller is not authorized to perform action on resource.\r\nCaller: appid=1a-2b;oid=3c;iss=https://sts.windows.net/t/\r\nAction: 'x'";
        let policy =
            "The user, group or application 'appid=1a-2b;oid=3c' does not have secrets get permission on key vault 'kv;location=x'";
        for text in [rbac, policy] {
            assert!(is_refusal(text));
            assert_eq!(refused_caller(text), Some("1a-2b"));
            assert_eq!(denial(text), None);
        }
    }

    #[test]
    fn a_deny_assignment_is_read_where_there_is_one() {
        for (text, found) in [
            (r"Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: x", None),
            (r"Assignment: (not found)\r\nDenyAssignmentId: 5f0b-4b5e\r\nDecisionReason: x", Some("5f0b-4b5e")),
            (
                "DenyAssignmentId: '/subscriptions/s/providers/Microsoft.Authorization/denyAssignments/5f' \r\n",
                Some("/subscriptions/s/providers/Microsoft.Authorization/denyAssignments/5f"),
            ),
            ("DenyAssignmentId:", None),
        ] {
            assert_eq!(denial(text), found, "{text}");
        }
    }
}
