//! The links from a token to the blobs of a container, and what a storage account answers when one is broken (codes of "Common REST API
//! error codes" and "Blob Storage error codes" of the Azure documentation).

use super::pages;
use crate::{
    azure::{ArmId, PrincipalKind, container_id},
    chain::{
        facts::{Bound, Delivered},
        ground,
        link::{DNS, Heals, Link, LinkName, Meaning, MissingLink, ROLE, Reason, Resource, Symptom, UNKNOWN},
        stage::{Otherwise, Reached, Stage, Until},
        texts::{cut, first_lines},
        view::View,
    },
    deliveries::in_pod::{self, Asked},
    engine::resource::{Kind as _, Side},
    resources::{
        role::{Role, guid_of},
        roles,
    },
    spec::suggest::nearest,
};
use futures::future::BoxFuture;
use std::time::Duration;

/// The storage account.
const STORAGE: LinkName = LinkName::new("storage", &pages::STORAGE);
const CONTAINER: LinkName = LinkName::new("container", &pages::CONTAINER);
/// The identity's right to write blobs.
const ROLE_LINK: LinkName = LinkName::new("role", &pages::ROLE);

/// Where neither the state nor Azure shows a role, a refusal is only looked at again.
const UNKNOWN_ROLE: Duration = Duration::from_secs(5);
/// The roles by which an identity may write blobs.
const WRITING: [&str; 2] = [roles::BLOB_DATA_CONTRIBUTOR, "Storage Blob Data Owner"];

fn split(place: &str) -> (&str, &str) {
    place.split_once('/').unwrap_or((place, ""))
}

/// The single command that makes a link: the spec may not have the account.
fn single(view: &View<'_>, link: &Link) -> String {
    view.commands.podid(&link.again.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn links(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let place = &delivered.vault.name;
    let (account, container) = split(place);
    let identity = &bound.identity.name;
    let to = format!("identity/{identity}");
    let assign = ground::words(["role", "assign", roles::BLOB_DATA_CONTRIBUTOR, "--to", &to, "--scope", &format!("storage/{place}")]);
    let create = ground::words(["storage", "container", "create", container, "--account", account]);
    let right = format!("the role {} of the identity {identity} at storage/{place}", roles::BLOB_DATA_CONTRIBUTOR);
    let mut links = vec![
        Link::new(STORAGE, format!("the storage account {account}"), ground::words(["storage", "create", account]))
            .symptoms(OF_ACCOUNT)
            .check(Side::Azure, |view, link| look_at_account(view, link)),
        Link::new(CONTAINER, format!("the container {place}"), create).symptoms(OF_CONTAINER),
    ];
    // the comparison with podid's own objects reports one that is missing
    links.extend(delivered.keys.iter().map(|key| {
        let resource = Resource { key: Some(key.clone()), missing: "is missing", spreads: true, ..Resource::of(Role::KIND) };
        Link::new(ROLE_LINK, right.clone(), assign.clone()).resource(resource)
    }));
    links.extend([
        Link::new(ROLE_LINK, right, assign).symptoms(OF_ROLE).check(Side::Azure, |view, link| look_at_role(view, link)),
        in_pod::container("the container that uses the storage account"),
    ]);
    links
}

const OF_ACCOUNT: &[Symptom] = &[
    Symptom {
        any_of: &["no such host", "could not resolve host"],
        none_of: &[],
        only_if: Some(|text| text.contains(".core.")),
        page: None,
        means: Meaning::Known {
            heals: Heals::Within(DNS),
            what: "the storage account's name does not resolve",
            hint: |view, _| {
                format!(
                    "Look whether the account is there: `az storage account show --name {}`; a private one needs its private DNS zone linked to the cluster's network.",
                    split(view.vault()).0
                )
            },
        },
    },
    Symptom {
        any_of: &["ResourceNotFound", "AccountIsDisabled"],
        none_of: &[],
        only_if: None,
        page: None,
        means: Meaning::Known {
            heals: Heals::Never,
            what: "the storage account does not exist, or is disabled",
            hint: |view, link| format!("Correct the name after `--storage`, or create the account: {}.", single(view, link)),
        },
    },
    Symptom {
        // the same code for all network rules: firewall, private endpoint only, trusted services only
        any_of: &["AuthorizationFailure"],
        none_of: &[],
        only_if: None,
        page: None,
        means: Meaning::Known {
            heals: Heals::Never,
            what: "the storage account's firewall blocks the cluster's nodes",
            hint: |view, _| {
                let account = split(view.vault()).0;
                format!(
                    "Allow their network: `az storage account network-rule add --account-name {account} --subnet SUBNET-ID`; `az storage account network-rule list --account-name {account}` shows the allowed ones."
                )
            },
        },
    },
    Symptom::known(&["KeyBasedAuthenticationNotPermitted"], Heals::Never, "the storage account takes no account keys", |_, _| {
        "Use a token: `--auth-mode login`.".into()
    })
    .page(&pages::KEYS),
];

const OF_CONTAINER: &[Symptom] = &[Symptom {
    any_of: &["ContainerNotFound"],
    none_of: &[],
    only_if: None,
    page: None,
    means: Meaning::Known {
        heals: Heals::Never,
        what: "the container does not exist in the storage account",
        hint: |view, link| format!("Correct the name after `--storage`, or create the container: {}.", single(view, link)),
    },
}];

const OF_ROLE: &[Symptom] = &[Symptom {
    any_of: &["AuthorizationPermissionMismatch", "InsufficientAccountPermissions"],
    none_of: &[],
    only_if: None,
    page: None,
    means: Meaning::Read(|view, link, text| {
        let is_known = view.delivered.is_some_and(|delivered| !delivered.keys.is_empty());
        let heals = Heals::Within(if is_known { ROLE } else { UNKNOWN_ROLE });
        let (identity, place) = (&view.bound.identity.name, view.vault());
        let what = format!("the identity {identity} may not {} blobs in {place}", forbidden(text));
        Reason::new(heals, MissingLink::new(ROLE_LINK, what).because(cut(&first_lines(text))).hint(needed(view, link)))
    }),
}];

fn needed(view: &View<'_>, link: &Link) -> String {
    format!(
        "It needs the role {} at storage/{}, which Contributor and Owner do not contain: {}, or `storage:` of the workload in the spec. A new role takes up to 10 minutes.",
        roles::BLOB_DATA_CONTRIBUTOR,
        view.vault(),
        single(view, link)
    )
}

/// Which of the requests was refused.
fn forbidden(text: &str) -> &'static str {
    ["read", "delete"].into_iter().find(|word| text.starts_with(&format!("{word} blob"))).unwrap_or("write")
}

/// Looks whether Azure has the account and its container, as far as this login may see them.
fn look_at_account<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let (Some(azure), Some(id)) = (view.azure, view.bound.identity.resource_id().and_then(ArmId::parse)) else { return Vec::new() };
        let (name, container) = split(view.vault());
        let subscription = ArmId::subscription(id.subscription_id());
        let Ok(accounts) = azure.storage_accounts(&subscription).await else { return Vec::new() };
        let Some(account) = accounts.iter().find(|account| account.id.name().eq_ignore_ascii_case(name)) else {
            // it may be in another subscription, unless its name is free
            let Ok(None) = azure.taken_storage_name(id.subscription_id(), name).await else { return Vec::new() };
            let near = nearest(name, accounts.iter().map(|account| account.id.name()));
            let near = near.map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
            let missing = MissingLink::new(STORAGE, format!("the storage account {name} does not exist"));
            let hint = format!("{near}Correct the name after `--storage`, or create the account: {}.", single(view, link));
            return vec![Reason::new(Heals::Never, missing.hint(hint))];
        };
        let Ok(containers) = azure.containers(&account.id).await else { return Vec::new() };
        let wanted = container_id(&account.id, container);
        if containers.iter().any(|one| one.id == wanted) {
            return Vec::new();
        }
        let near = nearest(container, containers.iter().map(|one| one.id.name()));
        let near = near.map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
        let create = view.commands.podid(&["storage", "container", "create", container, "--account", name]);
        let missing = MissingLink::new(CONTAINER, format!("the storage account {name} has no container {container}"));
        vec![Reason::new(Heals::Never, missing.hint(format!("{near}Correct the name after `--storage`, or create it: {create}.")))]
    })
}

/// Looks in Azure which roles the identity has at the container, from above and from groups, too: without one, no wait helps. One that is
/// there may still be on its way. Nothing is known of custom roles, nor by a login that may not list assignments.
fn look_at_role<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let (Some(azure), Some(id)) = (view.azure, view.bound.identity.resource_id().and_then(ArmId::parse)) else { return Vec::new() };
        let (name, container) = split(view.vault());
        let Ok(accounts) = azure.storage_accounts(&ArmId::subscription(id.subscription_id())).await else { return Vec::new() };
        let Some(account) = accounts.iter().find(|account| account.id.name().eq_ignore_ascii_case(name)) else { return Vec::new() };
        let scope = container_id(&account.id, container);
        // of a container that does not exist, `look_at_account` tells
        let there = azure.containers(&account.id).await.is_ok_and(|all| all.iter().any(|one| one.id == scope));
        let Ok(Some(identity)) = azure.identity(&id).await else { return Vec::new() };
        if !there {
            return Vec::new();
        }
        let Ok(all) = azure.assigned_roles(&scope, &identity.principal_id, PrincipalKind::ServicePrincipal).await else {
            return Vec::new();
        };
        let names: Vec<Option<&str>> = all.iter().map(|one| roles::name(guid_of(&one.role_definition_id))).collect();
        let writes = |name: &Option<&str>| name.is_none_or(|name| WRITING.contains(&name));
        let newest = all.iter().zip(&names).filter(|(_, name)| writes(name)).map(|(one, _)| one.created_on).max();
        let shown = &view.bound.identity.name;
        let Some(newest) = newest else {
            let what = format!("the identity {shown} may not write blobs in {}: none of its roles there gives that", view.vault());
            let mut missing = MissingLink::new(ROLE_LINK, what);
            let has: Vec<&str> = names.iter().flatten().copied().collect();
            if !has.is_empty() {
                missing = missing.because(format!("its roles there are: {}", has.join(", ")));
            }
            return vec![Reason::new(Heals::Never, missing.hint(needed(view, link)))];
        };
        let age = newest.and_then(|at| u64::try_from(jiff::Timestamp::now().as_second() - at).ok()).map(Duration::from_secs);
        let left = age.map_or(ROLE, |age| ROLE.saturating_sub(age));
        let missing = MissingLink::new(ROLE_LINK, format!("the identity {shown} may not use blobs in {} yet", view.vault()));
        vec![Reason::on_the_way(left, missing)]
    })
}

fn asked() -> Vec<Asked> {
    let words = [("write", "201"), ("read", "200"), ("delete", "202")];
    words.into_iter().map(|(word, status)| Asked { word: word.to_owned(), shown: format!("{word} blob"), status }).collect()
}

pub(super) fn stages(delivered: &Delivered) -> Vec<Stage> {
    let place = delivered.vault.name.clone();
    let reached = move |pod: &serde_json::Value| {
        in_pod::success(pod)?;
        Some(Ok(Reached { detail: format!("written, read and deleted in {place}"), ..Reached::default() }))
    };
    vec![
        in_pod::token_stage(delivered, asked()),
        Stage {
            step: "blob",
            waits_for: "waiting until the pod has written, read and deleted a blob".into(),
            in_vain: "the pod did not write, read and delete a blob".into(),
            until: Until::Pod(Box::new(reached)),
            link: UNKNOWN,
            otherwise: Otherwise::Chain,
            telling: &[],
            over: &[],
            report: Some(Box::new(|pod| in_pod::report(pod, &asked()))),
        },
    ]
}
