//! What the texts of kubelet, the driver, its Azure provider, NMI and MIC mean: which link is broken, whether waiting helps, and what to do.
//! The texts are those of aad-pod-identity 1.8, secrets-store-csi-driver 1.6 and its Azure provider 1.8.

use super::{
    Target,
    commands::Commands,
    link::{DNS, Heals, Link, NotProved, POLICY, RESTART, ROLE, Reason},
};
use std::time::Duration;

/// A class that was just written may be unknown to the driver's cache for a moment.
const CACHE: Duration = Duration::from_secs(10);

/// A text that is known, and what it means. The first that fits counts.
struct Known {
    any_of: &'static [&'static str],
    link: Link,
    heals: Heals,
    what: &'static str,
    hint: fn(&Target, &Commands) -> String,
}

const KNOWN: &[Known] = &[
    Known {
        // the provider asks NMI on the node's own port (pkg/auth)
        any_of: &["localhost:2579", "127.0.0.1:2579"],
        link: Link::Token,
        heals: Heals::Within(RESTART),
        what: "NMI does not answer on the pod's node",
        hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep nmi`.".into(),
    },
    Known {
        any_of: &["Identity not found"],
        link: Link::Token,
        heals: Heals::Within(RESTART),
        what: "the node has no identity with the client id that NMI asks for",
        hint: |t, c| {
            format!(
                "The scale set may have lost it (an upgrade does that), or the AzureIdentity names another one: compare {} with `kubectl get azureidentity {} -n {} -o yaml`, then write it again by {}.",
                c.podid(&["output", &format!("identity/{}", t.identity_name), "client_id"]),
                t.identity,
                t.namespace,
                c.write_again(t, "azureidentity", t.by, &[])
            )
        },
    },
    Known {
        any_of: &["ForbiddenByFirewall", "ForbiddenByConnection", "Client address is not authorized"],
        link: Link::Vault,
        heals: Heals::Never,
        what: "the vault's firewall blocks the cluster's nodes",
        hint: |t, _| {
            format!("Let their network in: `az keyvault network-rule list --name {}` shows which may come in.", t.class.vault_name)
        },
    },
    Known {
        any_of: &["is not permitted on this object", "SecretDisabled", "disabled secret"],
        link: Link::Secret,
        heals: Heals::Never,
        what: "a secret is disabled in the vault",
        hint: |t, _| {
            let one = t.class.objects.iter().map(|o| enable(&t.class.vault_name, &o.name)).collect::<Vec<_>>();
            format!("Enable it: {}.", one.join(" or "))
        },
    },
    Known {
        any_of: &["SecretNotFound"],
        link: Link::Secret,
        heals: Heals::Never,
        what: "a secret is not in the vault",
        hint: |t, c| format!("See which there are: {}.", c.podid(&["vault", "secret", "list", "--vault", &t.class.vault_name])),
    },
    Known {
        any_of: &["no such host"],
        link: Link::Vault,
        heals: Heals::Within(DNS),
        what: "the vault's name does not resolve",
        hint: |t, _| {
            format!(
                "Look whether the vault is there: `az keyvault show --name {}`; a private vault needs its private DNS zone linked to the cluster's network.",
                t.class.vault_name
            )
        },
    },
    Known {
        any_of: &["not found in the list of registered CSI drivers"],
        link: Link::Driver,
        heals: Heals::Within(RESTART),
        what: "the Secrets Store CSI driver is not on the pod's node",
        hint: |t, _| {
            format!(
                "Enable the add-on azure-keyvault-secrets-provider of the cluster {}, or install the driver's chart; `kubectl get csinodes` shows which nodes have it.",
                t.cluster.name
            )
        },
    },
    Known {
        any_of: &["error connecting to provider", "azure.sock", "provider not found"],
        link: Link::Provider,
        heals: Heals::Within(RESTART),
        what: "the driver's Azure provider does not answer on the pod's node",
        hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep provider-azure`.".into(),
    },
    Known {
        any_of: &["code = Unavailable", "csi.sock"],
        link: Link::Driver,
        heals: Heals::Within(RESTART),
        what: "the CSI driver does not answer on the pod's node",
        hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep secrets-store`.".into(),
    },
    Known {
        any_of: &["nodePublishSecretRef secret is not set", "only one identity mode", "failed to create auth config"],
        link: Link::Class,
        heals: Heals::Never,
        what: "the SecretProviderClass does not use pod identity",
        hint: class_again,
    },
    Known {
        any_of: &["failed to get secretproviderclass"],
        link: Link::Class,
        heals: Heals::Within(CACHE),
        what: "the driver does not find the SecretProviderClass",
        hint: class_again,
    },
    Known {
        any_of: &[
            "keyvaultName is not provided",
            "tenantId is not provided",
            "objects is not set",
            "failed to yaml unmarshal",
            "unmarshal failed for keyVaultObjects",
            "Invalid vault name",
            "cloudName",
            "provider not set",
            "Invalid vaultObjectTypes",
            "invalid objectFormat",
            "invalid objectEncoding",
            "file name must",
            "failed to validate secret object",
            "not found in the pod",
        ],
        link: Link::Class,
        heals: Heals::Never,
        what: "the provider cannot read the SecretProviderClass",
        hint: class_again,
    },
    Known {
        any_of: &["secrets is forbidden", "cannot create resource \"secrets\"", "cannot patch resource \"secrets\""],
        link: Link::Sync,
        heals: Heals::Never,
        what: "the CSI driver may not write Kubernetes Secrets",
        hint: |_, _| {
            "With its Helm chart set `secrets-store-csi-driver.syncSecret.enabled=true`; the AKS add-on has that right always.".into()
        },
    },
    Known {
        any_of: &["TooManyRequests", "Too Many Requests"],
        link: Link::Vault,
        heals: Heals::Perhaps,
        what: "the vault answers that it is asked too often",
        hint: |_, _| "Fewer pods at once, or a longer rotation interval, ask less.".into(),
    },
];

fn class_again(t: &Target, c: &Commands) -> String {
    format!("Write it again: {}.", c.write_again(t, "secretproviderclass", t.by, &[]))
}

/// The command that enables a secret again.
pub(super) fn enable(vault: &str, name: &str) -> String {
    format!("`az keyvault secret set-attributes --vault-name {vault} --name {name} --enabled true`")
}

/// Whether the vault refused the caller.
pub(super) fn is_refusal(text: &str) -> bool {
    let words =
        ["ForbiddenByRbac", "ForbiddenByPolicy", "Caller is not authorized to perform action on resource", " does not have secrets get"];
    words.iter().any(|w| text.contains(w))
}

/// NMI's text that it found no identity for the pod. What it waited for, the objects in the cluster tell.
pub(super) fn is_nmi_waiting(text: &str) -> bool {
    text.contains("getting assigned identities for pod")
}

/// A text that only says that something else went wrong.
pub(super) fn is_vague(text: &str) -> bool {
    text.contains("timed out waiting for the condition") || text.contains("context deadline exceeded") && !text.contains("desc = failed")
}

/// The application id of the caller that Key Vault refused.
pub(super) fn refused_caller(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("appid=")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(rest.len());
    rest.get(..end).filter(|id| !id.is_empty())
}

/// What a text of a component means; None where no table knows it.
pub(super) fn known(text: &str, target: &Target, commands: &Commands) -> Option<Reason> {
    if is_refusal(text) {
        return Some(refusal(target, commands));
    }
    let known = KNOWN.iter().find(|k| k.any_of.iter().any(|word| text.contains(word)))?;
    let found = NotProved::new(known.link, format!("{}{}", known.what, object(text))).because(cut(&first_lines(text)));
    Some(Reason::new(known.heals, found.hint((known.hint)(target, commands))))
}

/// The object that the provider names.
fn object(text: &str) -> String {
    let name = text.split_once("objectName:").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    name.filter(|n| !n.is_empty()).map(|n| format!(" (object {n})")).unwrap_or_default()
}

fn refusal(target: &Target, commands: &Commands) -> Reason {
    let (identity, vault) = (&target.identity_name, &target.class.vault_name);
    let (heals, takes) = match target.vault_rbac {
        Some(false) => (Heals::Within(POLICY), "a new access policy takes up to 2 minutes"),
        _ => (Heals::Within(ROLE), "a new role takes up to 10 minutes"),
    };
    let found = NotProved::new(Link::Grant, format!("the identity {identity} may not read the secrets of the vault {vault}"));
    let again = commands.write_again(target, "grant", target.by, &[]);
    Reason::new(heals, found.hint(format!("Give it the right ({takes}): {again}.")))
}

/// Why MIC could not put an identity on the nodes: it repeats the whole refusal of Azure, of which the code is enough.
pub(super) fn of_mic(text: &str, target: &Target, commands: &Commands) -> Reason {
    let cluster = &target.cluster.name;
    let again = commands.write_again(target, "azureidentitybinding", target.by, &[]);
    let missing = |role: &str, at: &str| {
        let what = format!("the cluster {cluster} lacks the role {role} at {at}, so MIC cannot put the identity on the nodes");
        let hint = format!("Give it the role (a new one takes up to 10 minutes): {again}.");
        Reason::new(Heals::Within(ROLE), NotProved::new(Link::Role, what).hint(hint))
    };
    let scope = |lead: &str| text.rsplit_once(lead).and_then(|(_, rest)| rest.split('\'').next()).filter(|s| s.starts_with('/'));
    if text.contains("LinkedAuthorizationFailed") {
        let at = scope("linked scope(s) '").map_or_else(|| format!("the identity {}", target.identity_name), str::to_owned);
        return missing("Managed Identity Operator", &at);
    }
    if text.contains("AuthorizationFailed") {
        let at = scope("over scope '").or_else(|| scope("on scope '")).unwrap_or("the node resource group").to_owned();
        return missing("Virtual Machine Contributor", &at);
    }
    if text.contains("FailedIdentityOperation") {
        let what = format!("the managed identity {} does not exist any more", target.identity_name);
        let hint = format!("Make it again: {}.", commands.write_again(target, "identity", target.by, &[]));
        return Reason::new(Heals::Within(RESTART), NotProved::new(Link::Identity, what).hint(hint));
    }
    let what = format!("MIC could not apply the binding {}", target.binding);
    let hint = "Look at MIC's log: `kubectl get pods -A | grep mic` shows its pods.";
    Reason::new(Heals::Within(ROLE), NotProved::new(Link::Assignment, what).because(cut(&first_lines(text))).hint(hint))
}

/// The Azure SDK's errors go on with the whole answer; what matters of it is its code and its message.
pub(super) fn first_lines(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("---"));
    let first = lines.next().unwrap_or_default().to_owned();
    let Some(more) = lines.find_map(|l| l.strip_prefix("\"message\": \"")) else { return first };
    let more = more.trim_end_matches([',', '"']);
    format!("{first}: {}", more.split("\\r\\n").next().unwrap_or(more))
}

/// A component's text as one readable cause.
pub(super) fn cut(text: &str) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} …", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

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
        }
    }

    #[test]
    fn a_provider_that_died_is_not_taken_for_the_driver() {
        let of = |text: &str| KNOWN.iter().find(|k| k.any_of.iter().any(|w| text.contains(w))).map(|k| k.link);
        let dead = |socket: &str| {
            format!(
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix {socket}: connect: connection refused\""
            )
        };
        assert_eq!(of(&dead("/var/run/secrets-store-csi-providers/azure.sock")), Some(Link::Provider));
        assert_eq!(of(&dead("/var/lib/kubelet/plugins/csi-secrets-store/csi.sock")), Some(Link::Driver));
        assert_eq!(of("error connecting to provider \"azure\": provider not found: provider \"azure\""), Some(Link::Provider));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        assert!(cut(&"ü".repeat(500)).ends_with("ü …"));
    }
}
