//! What must hold in a spec beyond its shape: names by the rules, references that lead somewhere, nothing twice. Pure.

pub(super) mod components;
mod storage;
mod suppress;

use super::{
    app, cluster,
    complaint::{Complaint, Verdict, maybe, named, unknown_word, wrong},
    model::{API_VERSION, IdentitySpec, KIND, Spec, Use, VaultSpec, Workload},
    mounts::{self, Breach},
    names::{self, Checked},
    settings,
    source::SourceSpec,
    suggest::nearest,
};
use crate::{
    deliveries::{self, Delivery, delivery::Asked},
    modes,
    resources::{
        secret_provider_class::{Object, Synced},
        vault::SKUS,
    },
};
use std::collections::{BTreeMap, BTreeSet};

fn filled(text: &str) -> Checked {
    if text.trim().is_empty() { Err("it is empty".into()) } else { Ok(()) }
}

pub(super) fn check(spec: &Spec) -> Verdict {
    head(spec)?;
    let vaults = vaults(spec)?;
    storage::check(&spec.storage)?;
    let mut seen = Seen::default();
    for (at, workload) in spec.workloads.iter().enumerate() {
        let path = format!("workloads[{at}]");
        self::workload(&path, workload, &vaults, &mut seen)?;
        storage::uses(&path, &workload.storage, &spec.storage)?;
    }
    Ok(())
}

/// Only what a single command takes from the spec beside it: the app, the defaults, the cluster, and where vaults and identities are.
pub(super) fn check_references(spec: &Spec) -> Verdict {
    head(spec)?;
    let one = spec.vault.iter().map(|vault| ("vault".to_owned(), vault));
    let many = spec.vaults.iter().enumerate().map(|(at, vault)| (format!("vaults[{at}]"), vault));
    for (path, vault) in one.chain(many) {
        named(&format!("{path}.name"), names::vault_or_id, &vault.name)?;
        maybe(&format!("{path}.resourceGroup"), names::group_or_id, vault.resource_group.as_ref())?;
    }
    for (at, workload) in spec.workloads.iter().enumerate() {
        identity(&format!("workloads[{at}].identity"), &workload.identity)?;
    }
    storage::references(&spec.storage)
}

fn head(spec: &Spec) -> Verdict {
    if spec.api_version != API_VERSION {
        return Err(wrong("apiVersion", format!("this podid reads `{API_VERSION}`, not `{}`", spec.api_version)));
    }
    if spec.kind != KIND {
        return Err(wrong("kind", format!("the kind is `{KIND}`, not `{}`", spec.kind)));
    }
    named("metadata.name", names::dns_label, &spec.metadata.name)?;
    maybe("subscription", names::guid, spec.subscription.as_ref())?;
    maybe("resourceGroup", names::group_or_id, spec.resource_group.as_ref())?;
    maybe("location", names::location, spec.location.as_ref())?;
    if let Some(cluster) = &spec.cluster {
        named("cluster.name", names::cluster_or_id, &cluster.name)?;
        maybe("cluster.resourceGroup", names::group_or_id, cluster.resource_group.as_ref())?;
        maybe("cluster.context", filled, cluster.context.as_ref())?;
        maybe("cluster.principalId", names::guid, cluster.principal_id.as_ref())?;
        components::check(&cluster.components)?;
        cluster::check_issuer(cluster)?;
        if let Some(create) = &cluster.create {
            cluster::check("cluster.create", create)?;
            let known = [&cluster.resource_group, &spec.resource_group].into_iter().flatten().next().is_some();
            if !known && !cluster.name.starts_with('/') {
                return Err(wrong("cluster.create", "a cluster is created in a resource group").hint("Add `resourceGroup:` to the spec."));
            }
        }
    }
    cluster::check_groups(spec)?;
    suppress::check(&spec.suppress)?;
    Ok(())
}

/// Names of the spec's vaults, as they are written.
fn vaults(spec: &Spec) -> Result<Vec<&str>, Complaint> {
    let one = spec.vault.iter().map(|vault| ("vault".to_owned(), vault));
    let many = spec.vaults.iter().enumerate().map(|(at, vault)| (format!("vaults[{at}]"), vault));
    let mut found: Vec<&str> = Vec::new();
    for (path, vault) in one.chain(many) {
        self::vault(&path, vault)?;
        if found.iter().any(|other| names::same(other, &vault.name)) {
            return Err(wrong(format!("{path}.name"), format!("the vault `{}` is already in the spec", names::name_in(&vault.name))));
        }
        found.push(&vault.name);
    }
    Ok(found)
}

fn vault(path: &str, vault: &VaultSpec) -> Verdict {
    named(&format!("{path}.name"), names::vault_or_id, &vault.name)?;
    maybe(&format!("{path}.resourceGroup"), names::group_or_id, vault.resource_group.as_ref())?;
    maybe(&format!("{path}.location"), names::location, vault.location.as_ref())?;
    if let Some(sku) = vault.sku.as_deref().filter(|sku| !SKUS.contains(sku)) {
        return Err(unknown_word(format!("{path}.sku"), sku, SKUS.to_vec()));
    }
    if vault.retention_days.is_some_and(|days| !(7..=90).contains(&days)) {
        return Err(wrong(format!("{path}.retentionDays"), "deleted objects are kept for 7 to 90 days"));
    }
    let mut once = BTreeSet::new();
    for (at, secret) in vault.secrets.iter().enumerate() {
        let path = format!("{path}.secrets[{at}]");
        named(&format!("{path}.name"), names::secret, &secret.name)?;
        // Key Vault does not tell casing apart
        if !once.insert(secret.name.to_ascii_lowercase()) {
            return Err(wrong(format!("{path}.name"), format!("the secret `{}` is already in this vault", secret.name)));
        }
        source(&format!("{path}.value"), &secret.value)?;
    }
    Ok(())
}

fn source(path: &str, source: &SourceSpec) -> Verdict {
    match source {
        SourceSpec::File(file) if file.as_os_str().is_empty() => Err(wrong(format!("{path}.file"), "it is empty")),
        SourceSpec::Env(variable) => named(&format!("{path}.env"), names::variable, variable),
        SourceSpec::Prompt(false) => Err(wrong(format!("{path}.prompt"), "it can only be `true`")),
        SourceSpec::Generate(length) if !(8..=4096).contains(length) => {
            Err(wrong(format!("{path}.generate"), "a generated value has 8 to 4096 characters"))
        }
        _ => Ok(()),
    }
}

/// What is there once in the whole spec.
#[derive(Default)]
struct Seen<'a> {
    workloads: BTreeSet<&'a str>,
    /// Namespace, kind and name of what a workload has for itself.
    own: BTreeSet<(&'a str, &'static str, String)>,
    /// Namespace, and the app or the workload that exists.
    apps: BTreeSet<(&'a str, &'a str)>,
    /// Namespace, Kubernetes Secret, key.
    keys: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Namespace, kind and name of what an identity has in a cluster, and which identity.
    claims: BTreeMap<(&'a str, &'static str, String), &'a str>,
}

fn workload<'a>(path: &str, workload: &'a Workload, vaults: &[&'a str], seen: &mut Seen<'a>) -> Verdict {
    named(&format!("{path}.name"), names::dns_label, &workload.name)?;
    named(&format!("{path}.namespace"), names::dns_label, &workload.namespace)?;
    if !seen.workloads.insert(&workload.name) {
        return Err(wrong(format!("{path}.name"), format!("there is already a workload `{}`", workload.name)));
    }
    identity(&format!("{path}.identity"), &workload.identity)?;
    objects(path, workload, seen)?;
    for (at, role) in workload.roles.iter().enumerate() {
        named(&format!("{path}.roles[{at}].role"), names::role, &role.role)?;
        role.scope.as_ref().map_err(|rule| wrong(format!("{path}.roles[{at}].scope"), rule))?;
    }
    secrets(path, workload, vaults, seen)?;
    if let Some(name) = workload.app.as_ref().map(|_| workload.name.as_str()).or(workload.wire.as_deref())
        && !seen.apps.insert((&workload.namespace, name))
    {
        return Err(wrong(format!("{path}.wire"), format!("another workload of this namespace is already for `{name}`")));
    }
    app::check(path, workload)
}

fn identity(path: &str, identity: &IdentitySpec) -> Verdict {
    named(&format!("{path}.name"), names::identity_or_id, &identity.name)?;
    maybe(&format!("{path}.resourceGroup"), names::group_or_id, identity.resource_group.as_ref())?;
    maybe(&format!("{path}.location"), names::location, identity.location.as_ref())
}

/// The mode and the delivery by their names, the settings of both, and the names of their objects in the cluster.
fn objects<'a>(path: &str, workload: &'a Workload, seen: &mut Seen<'a>) -> Verdict {
    let namespace = workload.namespace.as_str();
    let Ok(mode) = modes::named(workload.mode.as_deref()) else {
        return Err(unknown_word(format!("{path}.mode"), workload.mode.as_deref().unwrap_or_default(), modes::names().collect()));
    };
    let Ok(delivery) = deliveries::named(workload.delivery.as_deref()) else {
        let word = workload.delivery.as_deref().unwrap_or_default();
        return Err(unknown_word(format!("{path}.delivery"), word, deliveries::all().map(Delivery::name).collect()));
    };
    let used = [modes::owner(mode), deliveries::owner(delivery)];
    let all: Vec<_> = modes::all().map(modes::owner).chain(deliveries::all().map(deliveries::owner)).collect();
    settings::check(&workload.settings, &used, &all).map_err(|complaint| complaint.below(path))?;
    for claim in mode.check(&workload.identity.name, &workload.settings).map_err(|complaint| complaint.below(path))? {
        let message = format!("another identity already has the {} `{}` in the namespace `{namespace}`", claim.shown, claim.name);
        let other = seen.claims.insert((namespace, claim.kind, claim.name), &workload.identity.name);
        if other.is_some_and(|other| !names::same(other, &workload.identity.name)) {
            return Err(wrong(format!("{path}.{}", claim.field), message).hint(claim.hint));
        }
    }
    let asked = |used: &'a Use| Asked {
        name: &used.name,
        alias: used.alias.as_deref(),
        is_synced: used.sync.is_some(),
        is_variable: used.env.is_some(),
    };
    let asked: Vec<Asked<'_>> = workload.secrets.iter().map(asked).collect();
    delivery.check(&asked).map_err(|complaint| complaint.below(path))?;
    for claim in delivery.claims(&workload.name, &workload.settings) {
        let message = format!("another workload of this namespace already has a {} of this name", claim.shown);
        if !seen.own.insert((namespace, claim.kind, claim.name)) {
            return Err(wrong(format!("{path}.{}", claim.field), message).hint(claim.hint));
        }
    }
    Ok(())
}

fn secrets<'a>(path: &str, workload: &'a Workload, vaults: &[&'a str], seen: &mut Seen<'a>) -> Verdict {
    let (mut files, mut variables) = (BTreeSet::new(), BTreeSet::new());
    // which of the secrets each synced key comes from
    let mut origins: Vec<(usize, Synced)> = Vec::new();
    for (at, used) in workload.secrets.iter().enumerate() {
        let path = format!("{path}.secrets[{at}]");
        named(&format!("{path}.name"), names::secret, &used.name)?;
        self::used_vault(&path, used.vault.as_deref(), vaults)?;
        maybe(&format!("{path}.alias"), names::alias, used.alias.as_ref())?;
        mounts::check_object(at, &used.object()).map_err(|breach| broken(&path, breach))?;
        if !files.insert(used.alias.as_deref().unwrap_or(&used.name)) {
            let field = if used.alias.is_some() { "alias" } else { "name" };
            let message = "another secret of this workload is already the file of this name";
            return Err(wrong(format!("{path}.{field}"), message).hint("Give it another `alias`."));
        }
        if let Some(sync) = &used.sync {
            named(&format!("{path}.sync.secret"), names::dns_subdomain, &sync.secret)?;
            maybe(&format!("{path}.sync.key"), names::secret_key, sync.key.as_ref())?;
            let keys = used.synced_keys();
            if keys.is_empty() {
                let message = "`key` is missing: the key of the Secret that gets the value";
                return Err(wrong(format!("{path}.sync"), message)
                    .hint("Only the types kubernetes.io/tls and kubernetes.io/dockerconfigjson have default keys."));
            }
            for key in keys {
                if !seen.keys.insert((&workload.namespace, &sync.secret, key)) {
                    let message = format!("this key of the Secret `{}` is already synced from another one", sync.secret);
                    return Err(wrong(format!("{path}.sync.key"), message));
                }
            }
            origins.extend(used.synced().into_iter().map(|synced| (at, synced)));
        }
        if let Some(variable) = &used.env {
            named(&format!("{path}.env"), names::variable, variable)?;
            if used.sync.is_none() {
                let message = "a variable gets its value from a Kubernetes Secret, so it needs `sync`";
                return Err(wrong(format!("{path}.env"), message).hint("Add `sync: {secret: NAME, key: KEY}`."));
            }
            if used.synced_keys().len() > 1 {
                let message = "a variable gets the value of one key of the Secret";
                return Err(wrong(format!("{path}.env"), message).hint("Write which with `sync: {key: KEY}`."));
            }
            if !variables.insert(variable) {
                return Err(wrong(format!("{path}.env"), "another secret of this workload already has this variable"));
            }
        }
    }
    let (at, synced): (Vec<usize>, Vec<Synced>) = origins.into_iter().unzip();
    let objects: Vec<Object> = workload.secrets.iter().map(Use::object).collect();
    mounts::check_synced(&synced, &objects).map_err(|breach| {
        let at = at.get(breach.at).copied().unwrap_or_default();
        broken(&format!("{path}.secrets[{at}]"), breach)
    })
}

fn broken(path: &str, breach: Breach) -> Complaint {
    let complaint = wrong(format!("{path}.{}", breach.field), breach.message);
    match breach.hint {
        Some(hint) => complaint.hint(hint),
        None => complaint,
    }
}

fn used_vault(path: &str, vault: Option<&str>, vaults: &[&str]) -> Verdict {
    let listed = || vaults.iter().map(|vault| names::name_in(vault)).collect::<Vec<_>>().join(", ");
    match (vault, vaults) {
        (_, []) => Err(wrong(format!("{path}.name"), "the spec has no vault that it could be in").hint("Add `vault: {name: NAME}`.")),
        (None, [_]) => Ok(()),
        (None, _) => {
            Err(wrong(path, "the spec has several vaults: `vault` must say which one").hint(format!("The vaults are: {}.", listed())))
        }
        (Some(name), _) if vaults.iter().any(|vault| names::same(vault, name)) => Ok(()),
        (Some(name), _) => {
            let meant = nearest(name, vaults.iter().map(|vault| names::name_in(vault)));
            let meant = meant.map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
            let message = format!("the spec has no vault `{name}`");
            Err(wrong(format!("{path}.vault"), message).hint(format!("{meant}The vaults are: {}.", listed())))
        }
    }
}
