//! What `doctor` looks at beyond a proof: whether identity, vault and right are there, by what a survey listed. What was not listed is no
//! fault.

use super::{
    right::{Right, right},
    words::{self, words},
};
use crate::{
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

fn look_at_right(view: &View<'_>, link: &Link) -> Option<Reason> {
    let (identity, vault, delivered) = (identity(view)?, vault(view)?, view.delivered?);
    let (name, of) = (identity.id.name(), vault.id.name());
    let names: Vec<&str> = delivered.objects.iter().filter(|o| o.kind.is_secret()).map(|o| o.name.as_str()).collect();
    let give = || format!("Give it the right: {}.", view.again(&link.again));
    match right(view.survey?, vault, &identity.principal_id, &names) {
        Right::Given(_) | Right::Unknown => None,
        Right::Denied(by) => {
            let what = format!("the deny assignment {by} keeps the identity {name} from reading the secrets of the vault {of}");
            broken(MissingLink::new(link::GRANT, what).page(&pages::DENIED).hint(words::CHANGE_DENIAL))
        }
        Right::Conditional(found) => {
            let what = format!("the identity {name} may read the secrets of the vault {of} only under a condition ({})", found.role);
            let missing = MissingLink::new(link::GRANT, what).page(&pages::CONDITION);
            let missing = match found.is_kept_out {
                Some(true) => missing.because("the condition keeps a secret out that the pods get"),
                _ => missing.severity(Severity::Warning).because("podid does not understand the condition"),
            };
            // Azure allows one assignment of a role at a scope: one of somebody else is changed only with consent
            let more: &[&str] = if found.is_at_vault && !found.is_own { &["--adopt"] } else { &[] };
            let give = view.commands.write_again(&view.bound.app, delivered.by, &link.again, more);
            let look = format!("az role assignment list --scope {} --include-inherited --query \"[].condition\"", vault.id);
            broken(missing.hint(format!("Give the right without a condition: {give}. Look at the condition first: `{look}`.")))
        }
        Right::Missing(other) => {
            let missing = MissingLink::new(link::GRANT, format!("the identity {name} may not read the secrets of the vault {of}"));
            broken(other.into_iter().fold(missing, MissingLink::because).hint(give()))
        }
    }
}

/// Whether a role or policy that podid does not know gives the right all the same.
pub fn has_right(view: &View<'_>) -> Option<String> {
    let (identity, vault, delivered) = (identity(view)?, vault(view)?, view.delivered?);
    let names: Vec<&str> = delivered.objects.iter().filter(|o| o.kind.is_secret()).map(|o| o.name.as_str()).collect();
    match right(view.survey?, vault, &identity.principal_id, &names) {
        Right::Given(how) => Some(how),
        _ => None,
    }
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
