//! What `doctor` looks at beyond a proof: whether identity, vault and right are there, by what a survey listed. What was not listed is no
//! fault.

use super::words::{self, words};
use crate::{
    access::{self, Verdict},
    azure::{ArmId, Identity, Vault},
    chain::{
        link::{self, Check, Heals, Link, MissingLink, Reason},
        page::Severity,
        pages,
        view::View,
    },
    engine::resource::Side,
    resources::secret,
};
use futures::future::{BoxFuture, ready};

pub const IDENTITY: &[Check] = &[Check { side: Side::Azure, look: |view, link| now(look_at_identity(view, link)) }];
pub const VAULT: &[Check] = &[Check { side: Side::Azure, look: |view, link| now(look_at_vault(view, link)) }];
pub const GRANT: &[Check] = &[Check { side: Side::Azure, look: |view, link| now(look_at_right(view, link)) }];
pub const SECRET: &[Check] = &[Check { side: Side::Azure, look: |view, _| Box::pin(look_at_dates(view)) }];

fn now<'a>(found: Option<Reason>) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(ready(found.into_iter().collect()))
}

fn broken(missing: MissingLink) -> Option<Reason> {
    Some(Reason::new(Heals::Never, missing))
}

/// The workload's identity as Azure has it.
pub fn identity<'a>(view: &View<'a>) -> Option<&'a Identity> {
    let (own, survey) = (&view.bound.identity, view.survey?);
    survey.azure.identity(own.client_id(), own.resource_id())
}

fn vault<'a>(view: &View<'a>) -> Option<&'a Vault> {
    view.survey?.azure.vault(view.vault()).filter(|_| !view.vault().is_empty())
}

fn look_at_identity(view: &View<'_>, link: &Link) -> Option<Reason> {
    let (survey, own) = (view.survey?, &view.bound.identity);
    let (client, resource) = (own.client_id(), own.resource_id());
    if let Some(found) = identity(view) {
        let former = client.filter(|client| !client.eq_ignore_ascii_case(&found.client_id))?;
        let what = format!(
            "the managed identity {} was deleted and made again under its name: its client id was {former} and is {} now",
            found.id.name(),
            found.client_id
        );
        let missing = MissingLink::new(link::IDENTITY, what).page(&pages::MADE_AGAIN);
        return broken(missing.hint(format!("Write again what names it: {}.", view.again(&bind_words(view, link)))));
    }
    let subscription = survey.azure.subscription.as_deref()?;
    let identities = survey.azure.identities.is_whole();
    match (resource.and_then(ArmId::parse), client) {
        (Some(id), _) if identities && id.subscription_id().eq_ignore_ascii_case(subscription) => {
            let missing = MissingLink::new(link::IDENTITY, format!("the managed identity {} does not exist", id.name()));
            let create = words(["identity", "create", "-g", id.group_name().unwrap_or_default(), "-n", id.name()]);
            broken(missing.hint(format!("Make it again, then bind it again: {}.", view.again(&create))))
        }
        (None, Some(client)) if identities => {
            let what = format!("no managed identity of the subscription has the client id {client}");
            let missing = MissingLink::new(link::IDENTITY, what).page(&pages::ELSEWHERE);
            broken(missing.hint("Look for it: `podid identity list`; it may be an application, or in another subscription."))
        }
        _ => None,
    }
}

/// The command that binds is the one that names an identity again.
fn bind_words(view: &View<'_>, link: &Link) -> Vec<String> {
    if view.bound.keys.is_empty() { link.again.clone() } else { vec!["up".to_owned()] }
}

fn look_at_vault(view: &View<'_>, _: &Link) -> Option<Reason> {
    let survey = view.survey?;
    let name = view.vault();
    let Some(found) = vault(view) else {
        let is_known = view.delivered.is_some_and(|delivered| !delivered.keys.is_empty());
        if name.is_empty() || is_known || survey.azure.subscription.is_none() || !survey.azure.vaults.is_whole() {
            return None;
        }
        let own = survey.azure.subscription.iter();
        let looked: Vec<&str> = own.chain(&survey.azure.searched).map(String::as_str).collect();
        let what = match looked.as_slice() {
            [one] => format!("the subscription {one} has no vault {name}"),
            _ => format!("the vault {name} is in none of the subscriptions that podid may read: {}", looked.join(", ")),
        };
        let hint = "If it is in another subscription, give its id to podid (`--vault-id ID`); if it was deleted, `az keyvault list-deleted` shows it.";
        return broken(MissingLink::new(link::VAULT, what).page(&pages::VAULT_ELSEWHERE).hint(hint));
    };
    let identity = identity(view)?;
    let differ = !identity.tenant_id.is_empty() && !identity.tenant_id.eq_ignore_ascii_case(&found.tenant_id);
    differ.then(|| {
        let what = format!(
            "the vault {name} is in the tenant {}, and the identity {} in {}",
            found.tenant_id,
            identity.id.name(),
            identity.tenant_id
        );
        let hint = format!(
            "Use an identity of the vault's tenant, or move the vault: `az keyvault update -n {name} --set properties.tenantId={}`.",
            identity.tenant_id
        );
        Reason::new(Heals::Never, MissingLink::new(link::VAULT, what).page(&pages::TENANT).hint(hint))
    })
}

/// Of each secret that the pods get, whether the identity may read it; of a workload whose secrets are not known, of the vault as a whole.
fn verdicts<'a>(view: &'a View<'_>, identity: &Identity, vault: &Vault) -> Vec<(&'a str, Verdict)> {
    let (Some(survey), Some(delivered)) = (view.survey, view.delivered) else { return Vec::new() };
    let names: Vec<&str> = delivered.objects.iter().filter(|o| o.kind.is_secret()).map(|o| o.name.as_str()).collect();
    if names.is_empty() {
        return vec![("", access::verdict(survey, vault, &identity.principal_id, None))];
    }
    names.iter().map(|name| (*name, access::verdict(survey, vault, &identity.principal_id, Some(name)))).collect()
}

fn look_at_right(view: &View<'_>, link: &Link) -> Option<Reason> {
    let (identity, vault, delivered) = (identity(view)?, vault(view)?, view.delivered?);
    let (name, of) = (identity.id.name(), vault.id.name());
    let all = verdicts(view, identity, vault);
    let is_worst = |rank: u8| all.iter().filter(move |(_, verdict)| weight(verdict) == rank);
    let rank = all.iter().map(|(_, verdict)| weight(verdict)).max()?;
    let secrets = named(is_worst(rank).map(|(secret, _)| *secret));
    let what_of =
        if is_worst(rank).count() == all.len() { format!("the secrets of the vault {of}") } else { format!("{secrets} of the vault {of}") };
    match is_worst(rank).next().map(|(_, verdict)| verdict)? {
        Verdict::Given(_) | Verdict::Unknown { .. } => None,
        Verdict::Denied { by, .. } => {
            let what = format!("the deny assignment {by} keeps the identity {name} from reading {what_of}");
            broken(MissingLink::new(link::GRANT, what).page(&pages::DENIED).hint(words::CHANGE_DENIAL))
        }
        verdict @ (Verdict::KeptOut(reader) | Verdict::NotUnderstood(reader)) => {
            let what =
                format!("the identity {name} may read the secrets of the vault {of} only under a condition ({})", reader.grant.short());
            let missing = MissingLink::new(link::GRANT, what).page(&pages::CONDITION);
            let condition = reader.grant.condition().unwrap_or_default();
            let missing = match verdict {
                Verdict::KeptOut(_) => missing.because(format!("the condition keeps out {secrets}, which the pods get: {condition}")),
                _ => missing.severity(Severity::Warning).because(format!("podid does not understand the condition: {condition}")),
            };
            let more: &[&str] = if reader.is_in_the_way(vault) { &["--adopt"] } else { &[] };
            let give = view.commands.write_again(&view.bound.app, delivered.by, &link.again, more);
            let look = format!("az role assignment list --scope {} --include-inherited --query \"[].condition\"", vault.id);
            broken(missing.hint(format!("Give the right without a condition: {give}. Look at the condition first: `{look}`.")))
        }
        Verdict::Missing(near) => {
            let missing = MissingLink::new(link::GRANT, format!("the identity {name} may not read {what_of}"));
            let missing = near.iter().fold(missing, MissingLink::because);
            broken(missing.hint(format!("Give it the right: {}.", view.again(&link.again))))
        }
    }
}

/// What is certainly wrong comes before what may be, and nothing is said of what is not known.
fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Given(_) => 0,
        Verdict::Unknown { .. } => 1,
        Verdict::NotUnderstood(_) => 2,
        Verdict::KeptOut(_) => 3,
        Verdict::Missing(_) => 4,
        Verdict::Denied { .. } => 5,
    }
}

/// `the secret conn`, `the secrets conn and key`
fn named<'a>(secrets: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = secrets.collect();
    let word = if all.len() == 1 { "the secret" } else { "the secrets" };
    format!("{word} {}", all.join(" and "))
}

/// By what the identity may read all of its secrets, whoever gave it that.
pub fn has_right(view: &View<'_>) -> Option<String> {
    let (identity, vault) = (identity(view)?, vault(view)?);
    let mut ways = Vec::new();
    for (_, verdict) in verdicts(view, identity, vault) {
        let Verdict::Given(reader) = verdict else { return None };
        let way = reader.way(view.survey?);
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    (!ways.is_empty()).then(|| ways.join(" and "))
}

/// Secrets outside of their dates, as far as this login may list them.
async fn look_at_dates(view: &View<'_>) -> Vec<Reason> {
    let (Some(azure), Some(delivered)) = (view.azure, view.delivered) else { return Vec::new() };
    let Some(uri) = &delivered.vault.uri else { return Vec::new() };
    let Ok(listed) = azure.secrets(uri).await else { return Vec::new() };
    let mut found = Vec::new();
    for object in delivered.objects.iter().filter(|object| object.kind.is_secret()) {
        let Some(info) = listed.iter().find(|info| info.name.eq_ignore_ascii_case(&object.name) && info.enabled) else { continue };
        let Some(dates) = secret::dates(info.not_before, info.expires, jiff::Timestamp::now()) else { continue };
        let verb = if dates.starts_with("expired") { "has" } else { "is" };
        let what = format!("the secret {} of the vault {} {verb} {dates}", object.name, delivered.vault.name);
        let rotate = view.commands.podid(&["vault", "secret", "rotate", &object.name, "--vault", &delivered.vault.name, "--prompt"]);
        let missing = MissingLink::new(link::SECRET, what).page(&pages::EXPIRED).hint(format!("Give it a new version: {rotate}."));
        found.push(Reason::new(Heals::Never, missing));
    }
    found
}
