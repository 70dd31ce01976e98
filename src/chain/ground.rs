//! Links that modes and deliveries have in common: the cluster, the managed identity, the vault, the right to read it, and its secrets.

mod examine;
mod texts;
mod words;

use super::{
    facts::{Bound, Delivered},
    link::{CLUSTER, GRANT, Heals, IDENTITY, Link, MissingLink, POD, Reason, Resource, SECRET, START, Symptom, VAULT},
    pages,
    texts::shown,
    view::View,
};
use crate::{
    access::AzureRight,
    azure::ObjectKind,
    engine::{
        desired::Requester,
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

pub use examine::{has_right, identity};
pub use texts::{NO_METADATA, is_refusal, refused_caller};
use texts::{OF_CONTAINER, OF_GRANT, OF_POD, OF_SECRET, OF_VAULT, ONE_TENANT};
use words::enable;
pub use words::words;

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
            .resource(Resource { judge: Some(made_again), judged: Some(&pages::MADE_AGAIN), ..Resource::of(Identity::KIND) })
            .examine(examine::IDENTITY),
        Link::new(POD, format!("the creation of the workload's pods in {}", bound.namespace), Vec::new()).symptoms(OF_POD),
    ]
}

/// The container of the workload itself, which starts once its volumes are mounted.
pub fn container() -> Link {
    Link::new(START, "the workload's own container", Vec::new()).symptoms(OF_CONTAINER)
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
            .resource(Resource { judge: Some(moved), judged: Some(&pages::TENANT), way_out: ONE_TENANT, ..Resource::of(Vault::KIND) })
            .symptoms(OF_VAULT)
            .examine(examine::VAULT)
            .apart(),
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
                right: Some(AzureRight::ReadSecrets),
                ..Resource::of(Grant::KIND)
            })
            .symptoms(OF_GRANT)
            .examine(examine::GRANT),
        Link::new(SECRET, format!("the secrets of the vault {}", vault.name), Vec::new())
            .check(Side::Azure, |view, _| look_for_secrets(view))
            .symptoms(OF_SECRET)
            .examine(examine::SECRET)
            .apart(),
    ]);
    links
}

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

/// How a deleted secret comes back.
fn recover(view: &View<'_>, vault: &str, name: &str) -> String {
    let recover = format!("`az keyvault secret recover --vault-name {vault} --name {name}`");
    match (view.delivered, &view.commands.spec) {
        (Some(delivered), Some(_)) if delivered.by == Requester::Spec => {
            let up = view.commands.write_again(&delivered.app, delivered.by, &[], &["--recover"]);
            format!("Bring it back: {recover}, or {up} if it is the spec's.")
        }
        _ => format!("Bring it back: {recover}."),
    }
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
                    .page(&pages::DISABLED)
                    .hint(format!("Enable it: {}.", enable(vault, name))),
                None if matches!(azure.deleted_secret(uri, name).await, Ok(Some(_))) => {
                    MissingLink::new(SECRET, format!("the secret {name} was deleted from the vault {vault}"))
                        .hint(recover(view, vault, name))
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
