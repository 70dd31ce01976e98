//! The links of Workload ID, from the identity to its token, and what Entra and the provider report when one is broken. The causes of the
//! AADSTS numbers: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>

use super::pages;
use crate::{
    azure::ArmId,
    chain::{
        facts::Bound,
        ground,
        link::{Check, Heals, Link, LinkName, Meaning, MissingLink, RESTART, Reason, Resource, Symptom, TOKEN},
        pages as common,
        texts::shown,
        view::View,
    },
    engine::{
        plan::{Act, Action},
        resource::{Kind as _, Side},
    },
    modes::accounts::{self, pages as shared},
    resources::federation::{AUDIENCE, Federation, service_account},
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::time::Duration;

/// The federated credential of the identity for the service account.
const FEDERATION: LinkName = LinkName::new("federation", &pages::FEDERATION);

/// A new federated credential takes seconds to minutes until Entra knows it everywhere.
const SPREADS: Duration = Duration::from_secs(300);

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = accounts::bind(bound);
    let subject = service_account(&bound.namespace, &bound.subject);
    let mut links = ground::of_identity(bound, &again);
    links.extend([
        accounts::account(bound, &again),
        Link::new(FEDERATION, format!("the federated credential of {} for {subject}", bound.identity.name), again.clone())
            .resource(Resource { judge: Some(accepts_another), spreads: true, ..Resource::of(Federation::KIND) })
            .check(Side::Azure, |view, link| look_at_credentials(view, link))
            .examine(&[Check { side: Side::Azure, look: |view, link| Box::pin(look_at_issuer(view, link)) }]),
        accounts::webhook(bound),
        accounts::mutation(accounts::EXAMINE),
        Link::new(TOKEN, "the exchange of the service account's token at Entra", again.clone()).symptoms(OF_ENTRA),
        accounts::driver_tokens(AUDIENCE),
    ]);
    links
}

/// A credential that podid made, and that accepts something else now.
fn accepts_another(action: &Action) -> Option<String> {
    let fields: Vec<String> =
        action.changes.iter().map(|c| format!("{} {} instead of {}", c.field, shown(&c.from), shown(&c.to))).collect();
    (action.act == Act::Update && !fields.is_empty()).then(|| format!("accepts another token: it has {}", fields.join(", ")))
}

/// Looks for credentials that nearly accept the service account's tokens.
fn look_at_credentials<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let (Some(azure), bound) = (view.azure, view.bound) else { return Vec::new() };
        let Some(id) = bound.identity.resource_id().and_then(ArmId::parse) else { return Vec::new() };
        let Ok(Some(all)) = azure.federated_credentials(&id).await else { return Vec::new() };
        let wanted = service_account(&bound.namespace, &bound.subject);
        let of_subject = |one: &&crate::azure::FederatedCredential| one.subject.as_deref() == Some(wanted.as_str());
        if all.iter().filter(of_subject).any(|one| one.audiences.iter().any(|audience| audience == AUDIENCE)) {
            return Vec::new();
        }
        let near = all.iter().find(|one| one.subject.as_deref().is_some_and(|subject| subject.eq_ignore_ascii_case(&wanted)));
        let (what, page) = match near {
            Some(one) if one.subject.as_deref() == Some(wanted.as_str()) => (
                format!("the federated credential {} accepts tokens for {}, not for {AUDIENCE}", one.name, one.audiences.join(", ")),
                &pages::AUDIENCE,
            ),
            Some(one) => (
                format!(
                    "the federated credential {} accepts the subject {}, and not {wanted}: Entra compares it byte by byte",
                    one.name,
                    one.subject.as_deref().unwrap_or_default()
                ),
                &pages::SUBJECT,
            ),
            None => (
                format!("no federated credential of the identity {} accepts the subject {wanted}", bound.identity.name),
                &pages::FEDERATION,
            ),
        };
        let hint = format!("Write it again (a new one takes seconds to minutes): {}.", view.again(&link.again));
        vec![Reason::new(Heals::Within(SPREADS), MissingLink::new(FEDERATION, what).page(page).hint(hint))]
    })
}

/// Looks whether a credential for the subject has the cluster's issuer.
async fn look_at_issuer(view: &View<'_>, link: &Link) -> Vec<Reason> {
    let (Some(azure), Some(survey)) = (view.azure, view.survey) else { return Vec::new() };
    let Some(identity) = ground::identity(view) else { return Vec::new() };
    let Some(issuer) = survey.azure.cluster.as_ref().and_then(|cluster| cluster.oidc_issuer.as_deref()) else { return Vec::new() };
    let Ok(Some(all)) = azure.federated_credentials(&identity.id).await else { return Vec::new() };
    let wanted = service_account(&view.bound.namespace, &view.bound.subject);
    let of_subject: Vec<_> = all.iter().filter(|one| one.subject.as_deref() == Some(wanted.as_str())).collect();
    if of_subject.iter().any(|one| one.issuer == issuer) {
        return Vec::new();
    }
    let hint = format!("Write it again (a new one takes seconds to minutes): {}.", view.again(&link.again));
    let missing = match of_subject.first() {
        Some(one) => {
            let what =
                format!("the federated credential {} accepts tokens of the issuer {}, and the cluster's is {issuer}", one.name, one.issuer);
            let near = one.issuer.trim_end_matches('/') == issuer.trim_end_matches('/');
            let missing = MissingLink::new(FEDERATION, what).page(&pages::ISSUER);
            if near { missing.because("the slash at the end counts") } else { missing }
        }
        // a credential with an expression has no subject
        None if all.iter().any(|one| one.subject.is_none()) => return Vec::new(),
        None => MissingLink::new(
            FEDERATION,
            format!("no federated credential of the identity {} accepts the subject {wanted}", identity.id.name()),
        ),
    };
    vec![Reason::new(Heals::Within(SPREADS), missing.hint(hint))]
}

/// The times in the text tell a wrong clock from a token that was kept: "Current time: T, assertion valid from T, expiry time of assertion T."
fn of_times(view: &View<'_>, _: &Link, text: &str) -> Reason {
    let after = |lead: &str| -> Option<Timestamp> {
        let (_, rest) = text.split_once(lead)?;
        let end = rest.find([',', ' ']).unwrap_or(rest.len());
        rest.get(..end)?.trim_end_matches('.').parse().ok()
    };
    let (now, from, until) = (after("Current time: "), after("assertion valid from "), after("expiry time of assertion "));
    let is_of_future = now.zip(from).is_some_and(|(now, from)| now < from);
    // a token that ended before its pod was made was not kept by the pod
    let was_old = view.pod.and_then(|pod| pod.made).zip(until).is_some_and(|(made, until)| until < made);
    if is_of_future || was_old {
        let what = "a clock is wrong: Entra says that the pod's token is not valid yet, or not any more";
        let hint = "Compare the clocks of the node and of the API server with the time in the text.";
        return Reason::new(Heals::Perhaps, MissingLink::new(TOKEN, what).page(&common::CLOCK).hint(hint));
    }
    let hint = "The app, or the driver, kept the text of the token instead of reading the file again: use a current Azure SDK, and make the pod again.";
    Reason::new(Heals::Within(RESTART), MissingLink::new(TOKEN, "the pod's token of its service account has expired").hint(hint))
}

const fn entra(number: &'static [&'static str], heals: Heals, what: &'static str, hint: fn(&View<'_>, &Link) -> String) -> Symptom {
    Symptom::known(number, heals, what, hint)
}

/// `how`: what of the text to compare with the credentials of the identity.
fn compared(view: &View<'_>, link: &Link, how: &str) -> String {
    let list = view.commands.podid(&["identity", "federation", "list", &view.bound.identity.name]);
    format!("{how} with {list}; write it again by {} (a new one takes seconds to minutes).", view.again(&link.again))
}

const OF_ENTRA: &[Symptom] = &[
    entra(
        &["AADSTS700211"],
        Heals::Within(SPREADS),
        "no federated credential of the identity accepts the cluster's issuer",
        |view, link| compared(view, link, "Compare the issuer in the text, slash included,"),
    )
    .page(&pages::ISSUER),
    entra(
        &["AADSTS700213"],
        Heals::Within(SPREADS),
        "no federated credential of the identity accepts the service account",
        |view, link| compared(view, link, "Compare the subject in the text, byte by byte,"),
    )
    .page(&pages::SUBJECT),
    entra(
        &["AADSTS700212"],
        Heals::Within(SPREADS),
        "no federated credential of the identity accepts the audience of the token",
        |view, link| format!("Its audience must be {AUDIENCE}: write it again by {}.", view.again(&link.again)),
    )
    .page(&pages::AUDIENCE),
    entra(&["AADSTS70021"], Heals::Within(SPREADS), "no federated credential of the identity accepts the pod's token", |view, link| {
        format!("A new one takes seconds to minutes; write it again by {}.", view.again(&link.again))
    })
    .page(&pages::FEDERATION),
    Symptom::new(&["AADSTS700024"], Meaning::Read(of_times)).page(&shared::ASSERTION_EXPIRED),
    entra(
        &["AADSTS700016", "AADSTS7000229"],
        Heals::Within(RESTART),
        "the client id is not one of an application or identity in this tenant",
        |view, link| {
            format!(
                "Give the client id, not a resource id or a name, and the tenant of the identity: compare with {}, then {}.",
                view.commands.podid(&["output", &format!("identity/{}", view.bound.identity.name), "client_id"]),
                view.again(&link.again)
            )
        },
    )
    .page(&shared::NO_APPLICATION),
    entra(&["AADSTS7000112"], Heals::Never, "the application is disabled in its tenant", |_, _| {
        "Enable it: `az ad sp update --id CLIENT-ID --set accountEnabled=true`.".to_owned()
    })
    .page(&shared::DISABLED),
    entra(&["AADSTS53003"], Heals::Never, "a Conditional Access policy of the tenant blocks the application", |_, _| {
        "Ask who manages Conditional Access: a policy for workload identities blocks the address of the nodes, or the application."
            .to_owned()
    })
    .page(&shared::BLOCKED),
    entra(&["AADSTS90002", "AADSTS900023"], Heals::Never, "the tenant that the token was asked for does not exist", |_, _| {
        "Look at `tenantId` of the SecretProviderClass, and at the annotation azure.workload.identity/tenant-id of the service account."
            .to_owned()
    })
    .page(&shared::NO_TENANT),
    entra(&["AADSTS90061", "AADSTS50166"], Heals::Perhaps, "Entra cannot read the signing keys of the cluster's issuer", |view, _| {
        format!(
            "Publish them again: `az aks update -g GROUP -n {}`; an issuer of one's own must be reachable from the internet.",
            view.bound.cluster.name
        )
    })
    .page(&shared::KEYS),
    entra(&["AADSTS700222"], Heals::Never, "the token was issued by Entra itself, which cannot be exchanged", |_, _| {
        "Exchange a token of the cluster's service account: look at AZURE_FEDERATED_TOKEN_FILE in the pod.".to_owned()
    })
    .page(&shared::OF_ENTRA),
    entra(
        &["AADSTS700027", "AADSTS5002723", "AADSTS50013"],
        Heals::Within(RESTART),
        "Entra does not accept the signature of the pod's token",
        |view, _| {
            format!("Make the pods again, so that they get new tokens: `kubectl rollout restart deployment -n {}`.", view.bound.namespace)
        },
    )
    .page(&shared::SIGNATURE),
];
