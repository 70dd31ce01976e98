//! Links that modes and deliveries have in common: the cluster, the managed identity, the vault, the right to read it, and its secrets.

use super::{
    facts::{Bound, Delivered},
    link::{CLUSTER, DNS, GRANT, Heals, IDENTITY, Link, Meaning, MissingLink, POLICY, ROLE, Reason, Resource, SECRET, Symptom, VAULT},
    texts::shown,
    view::View,
};
use crate::{
    azure::ObjectKind,
    engine::{
        input::Outputs,
        plan::{Act, Action},
        resource::{Kind, Side},
    },
    resources::{
        cluster::Cluster,
        grant::{self, Grant},
        identity::Identity,
        namespace::Namespace,
        vault::{self, Vault},
    },
    spec::suggest::nearest,
};
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeSet;

pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// The flags by which a single command finds the cluster.
pub fn cluster_flags(bound: &Bound) -> Vec<String> {
    words(["--cluster", &bound.cluster.name, "--context", &bound.cluster.context])
}

/// What every mode stands on. `again`: the words of the mode's `bind`.
pub fn of_identity(bound: &Bound, again: &[String]) -> Vec<Link> {
    let identity = &bound.identity;
    let group = identity.resource_group.as_deref().unwrap_or_default();
    let create = words(["identity", "create", "-g", group, "-n", &identity.name]);
    vec![
        Link::new(CLUSTER, format!("the cluster {}", bound.cluster.name), again.to_vec()).resource(Resource::of(Cluster::KIND)),
        Link::new(CLUSTER, format!("the namespace {}", bound.namespace), again.to_vec()).resource(Resource::of(Namespace::KIND)),
        Link::new(IDENTITY, format!("the managed identity {}", identity.name), create)
            .resource(Resource { judge: Some(made_again), ..Resource::of(Identity::KIND) }),
    ]
}

/// An identity of another principal has the name now.
fn made_again(action: &Action) -> Option<String> {
    let principal = |outputs: &Outputs| outputs.get("principal_id").and_then(Value::as_str).map(str::to_owned);
    let (was, is) = (principal(&action.work.recorded)?, principal(&action.work.outputs)?);
    let changed = !was.eq_ignore_ascii_case(&is);
    changed.then(|| format!("was deleted and made again under its name: its principal was {was} and is {is} now"))
}

/// What every delivery reads from.
pub fn of_vault(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let (vault, identity) = (&delivered.vault, &bound.identity.name);
    let group = vault.resource_group.as_deref().unwrap_or_default();
    let right = format!("the right of the identity {identity} to read the secrets of the vault {}", vault.name);
    let mut grant = words(["vault", "grant", "--vault", &vault.name, "--to", &format!("identity/{identity}")]);
    let kinds: BTreeSet<ObjectKind> = delivered.objects.iter().map(|object| object.kind).collect();
    if kinds.iter().any(|kind| !kind.is_secret()) {
        kinds.iter().for_each(|kind| grant.extend([format!("--{}", kind.plural()), "get".to_owned()]));
    }
    let mut links = vec![
        Link::new(VAULT, format!("the vault {}", vault.name), words(["vault", "create", "-g", group, "-n", &vault.name]))
            .resource(Resource { judge: Some(moved), way_out: ONE_TENANT, ..Resource::of(Vault::KIND) })
            .symptoms(OF_VAULT),
    ];
    // the one below is of any other grant
    for kind in kinds.into_iter().filter(|kind| !kind.is_secret()) {
        let right = format!("the right of the identity {identity} to read the {} of the vault {}", kind.plural(), vault.name);
        let key = bound.identity.key.as_ref().map(|key| grant::key(&vault.name, key.names(), kind));
        let missing = if kind == ObjectKind::Key { "is missing: it may not get keys" } else { "is missing: it may not get certificates" };
        links.extend(key.map(|key| {
            let resource = Resource { key: Some(key), missing, spreads: true, judge: Some(incomplete), ..Resource::of(Grant::KIND) };
            Link::new(GRANT, right, grant.clone()).resource(resource)
        }));
    }
    links.extend([
        Link::new(GRANT, right, grant)
            .resource(Resource {
                missing: "is missing: it may not get secrets",
                spreads: true,
                judge: Some(incomplete),
                ..Resource::of(Grant::KIND)
            })
            .symptoms(OF_GRANT),
        Link::new(SECRET, format!("the secrets of the vault {}", vault.name), Vec::new())
            .check(Side::Azure, |view, _| look_for_secrets(view))
            .symptoms(OF_SECRET),
    ]);
    links
}

const ONE_TENANT: &str = "Use an identity and a vault of one tenant: a managed identity has tokens of its own tenant only. After a subscription moved, `az keyvault update --name VAULT --set properties.tenantId=TENANT` gives its vaults the new tenant, and access policies must be made again.";

/// The vault is in another tenant than when it was written: its subscription moved, or somebody changed it.
fn moved(action: &Action) -> Option<String> {
    let tenant = |outputs: &Outputs| outputs.get(vault::TENANT_ID.0).and_then(Value::as_str).map(str::to_owned);
    let (was, is) = (tenant(&action.work.recorded)?, tenant(&action.work.outputs)?);
    let changed = !was.eq_ignore_ascii_case(&is);
    changed.then(|| format!("is in another tenant than the identities now: its tenant was {was} and is {is}"))
}

/// An access policy that allows too little. That its description changes is no fault: this is a mark, too.
fn incomplete(action: &Action) -> Option<String> {
    let has = action
        .changes
        .iter()
        .find(|c| action.act == Act::Update && ObjectKind::ALL.iter().any(|kind| kind.plural() == c.field))
        .map(|c| shown(&c.from))?;
    Some(format!("is incomplete: its access policy lacks the permission `get` and allows only {has}"))
}

/// The known texts about a vault and its objects that mean the same for all workloads.
pub fn of_objects() -> impl Iterator<Item = &'static Symptom> {
    OF_VAULT.iter().chain(OF_SECRET)
}

const OF_VAULT: &[Symptom] = &[
    Symptom {
        any_of: &["AKV10032"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Never,
            what: "the vault is in another tenant than the identity",
            hint: |_, _| ONE_TENANT.to_owned(),
        },
    },
    Symptom {
        any_of: &["ForbiddenByFirewall", "ForbiddenByConnection", "Client address is not authorized"],
        none_of: &[],
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
        any_of: &["no such host"],
        none_of: &[],
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
        any_of: &["TooManyRequests", "Too Many Requests"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Perhaps,
            what: "the vault limits the rate of requests",
            hint: |_, _| "Start fewer pods at once, or set a longer rotation interval.".into(),
        },
    },
];

const OF_GRANT: &[Symptom] = &[Symptom {
    any_of: &[
        "ForbiddenByRbac",
        "ForbiddenByPolicy",
        "Caller is not authorized to perform action on resource",
        " does not have secrets get",
        " does not have keys get",
        " does not have certificates get",
    ],
    none_of: &[],
    means: Meaning::Read(|view, link, _| {
        let (identity, vault) = (&view.bound.identity.name, view.vault());
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

/// The application id of the caller that Key Vault refused.
pub fn refused_caller(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("appid=")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(rest.len());
    rest.get(..end).filter(|id| !id.is_empty())
}

const OF_SECRET: &[Symptom] = &[
    Symptom {
        any_of: &["is not permitted on this object", "SecretDisabled", "disabled secret"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Never,
            what: "a secret is disabled in the vault",
            hint: |view, _| {
                let objects = view.delivered.map(|delivered| delivered.objects.as_slice()).unwrap_or_default();
                let one = objects.iter().filter(|o| o.kind.is_secret()).map(|o| enable(view.vault(), &o.name)).collect::<Vec<_>>();
                format!("Enable it: {}.", one.join(" or "))
            },
        },
    },
    Symptom {
        any_of: &["KeyNotFound", "CertificateNotFound"],
        none_of: &[],
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
        any_of: &["SecretNotFound", "was not found in this key vault"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Never,
            what: "a secret is not in the vault",
            hint: |view, _| format!("See which there are: {}.", view.commands.podid(&["vault", "secret", "list", "--vault", view.vault()])),
        },
    },
];

/// The command that enables a secret again.
fn enable(vault: &str, name: &str) -> String {
    format!("`az keyvault secret set-attributes --vault-name {vault} --name {name} --enabled true`")
}

/// Looks whether the vault has what the pods get, as far as this login may list it.
fn look_for_secrets<'a>(view: &'a View<'a>) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let (Some(azure), Some(delivered)) = (view.azure, view.delivered) else { return Vec::new() };
        let vault = &delivered.vault.name;
        let Some(uri) = &delivered.vault.uri else { return Vec::new() };
        let Ok(listed) = azure.secrets(uri).await else { return Vec::new() };
        let mut found = Vec::new();
        for object in delivered.objects.iter().filter(|object| object.kind.is_secret()) {
            let name = &object.name;
            let missing = match listed.iter().find(|s| s.name.eq_ignore_ascii_case(name)) {
                Some(secret) if secret.enabled => continue,
                Some(_) => MissingLink::new(SECRET, format!("the secret {name} is disabled in the vault {vault}"))
                    .hint(format!("Enable it: {}.", enable(vault, name))),
                None if matches!(azure.deleted_secret(uri, name).await, Ok(Some(_))) => {
                    MissingLink::new(SECRET, format!("the secret {name} was deleted from the vault {vault}"))
                        .hint(format!("Bring it back: `az keyvault secret recover --vault-name {vault} --name {name}`."))
                }
                None => {
                    let missing = MissingLink::new(SECRET, format!("the vault {vault} has no secret {name}"));
                    let known = listed.iter().map(|s| s.name.as_str());
                    let near = nearest(name, known).map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
                    let set = view.commands.podid(&["vault", "secret", "set", name, "--vault", vault, "--prompt"]);
                    missing.hint(format!("{near}Set it by {set}, or correct the name in what mounts it."))
                }
            };
            found.push(Reason::new(Heals::Never, missing));
        }
        found
    })
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
}
