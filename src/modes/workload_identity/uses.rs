//! Which identity a pod gets by a federated credential for its service account.

use crate::{
    azure::FederatedCredential,
    chain::{
        edge::{Edge, EdgeNode},
        uses::{Asking, IdentityRef, IdentityUse, PodView},
    },
    modes::{accounts, identity_binding},
    resources::federation::{AUDIENCE, service_account},
    survey::Survey,
};

pub(super) fn uses(pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey, mode: &'static str) -> Vec<IdentityUse> {
    let is_meant = match asking {
        Asking::App => accounts::serves(pod) && !identity_binding::is_asked(pod),
        Asking::Volume(parameters) => accounts::names_identity(parameters) && !accounts::is_on(parameters, accounts::TOKEN_PROXY),
    };
    if !is_meant {
        return Vec::new();
    }
    let (account, token, identity) = accounts::identity_of(pod, asking, AUDIENCE, survey);
    let exchange = exchange(pod, &account, &identity, survey, mode);
    vec![IdentityUse { mode, identity, edges: vec![token, exchange], by_credential: true }]
}

/// Whether Entra exchanges the tokens of the service account for those of the identity.
fn exchange(pod: &PodView<'_>, account: &EdgeNode, identity: &IdentityRef, survey: &Survey, mode: &str) -> Edge {
    let (to, by) = (identity.node(survey), "federated credential");
    if !identity.is_named() {
        let bind =
            format!("podid bind --mode {mode} --namespace {} --service-account {} --identity NAME", pod.namespace, pod.service_account());
        return Edge::missing(account, &to, by, format!("{account} has no client id of an identity")).hint(format!("Bind it: `{bind}`."));
    }
    let edge = identity.edge(account, by, survey);
    let Some(found) = identity.found(survey).filter(|_| !edge.is_missing()) else { return edge };
    let unknown = |why: String| Edge::unknown(account, &to, by, why);
    let Some(credentials) = survey.azure.credentials_of(&found.id) else {
        return unknown(format!("the federated credentials of {} were not asked for", found.id.name()));
    };
    if let Some(gap) = &credentials.gap {
        return unknown(format!("the {} could not be read: {}", gap.what, gap.why));
    }
    let subject = service_account(pod.namespace, pod.service_account());
    let issuer = survey.azure.cluster.as_ref().map(|cluster| cluster.oidc_issuer.as_deref());
    let accepts = |one: &&FederatedCredential| match issuer {
        Some(Some(issuer)) => one.accepts(issuer, &subject, AUDIENCE),
        _ => one.subject.as_deref() == Some(&subject) && one.audiences.iter().any(|audience| audience == AUDIENCE),
    };
    let bind = format!(
        "Write it: `podid bind --mode {mode} --namespace {} --service-account {} --identity {}`.",
        pod.namespace,
        pod.service_account(),
        found.id.name()
    );
    match (issuer, credentials.iter().find(accepts)) {
        (Some(None), _) => Edge::missing(account, &to, by, "the cluster has no OIDC issuer")
            .hint("Turn it on, which cannot be undone: `podid cluster install workload-identity`."),
        (Some(Some(_)), Some(one)) => Edge::there(account, &to, format!("{by} {}", one.name)),
        (None, Some(one)) => {
            unknown(format!("the federated credential {} accepts {subject}; the issuer of the cluster is not known", one.name))
        }
        (_, None) => match credentials.iter().find(|one| one.claims_matching_expression.is_some()) {
            Some(flexible) => {
                let expression = flexible.claims_matching_expression.as_deref().unwrap_or_default();
                unknown(format!("the flexible credential {} may accept it: {expression}", flexible.name))
            }
            None => Edge::missing(account, &to, by, refusal(&credentials.items, found.id.name(), &subject, issuer.flatten())).hint(bind),
        },
    }
}

/// Says what the credential that comes nearest accepts in place of the subject.
fn refusal(all: &[FederatedCredential], identity: &str, subject: &str, issuer: Option<&str>) -> String {
    let of_subject = |one: &&FederatedCredential| one.subject.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(subject));
    match all.iter().find(of_subject) {
        Some(one) if one.subject.as_deref() != Some(subject) => {
            let own = one.subject.as_deref().unwrap_or_default();
            format!("the federated credential {} accepts the subject {own}, and not {subject}: Entra compares it byte by byte", one.name)
        }
        Some(one) if issuer.is_some_and(|issuer| issuer != one.issuer) => {
            format!(
                "the federated credential {} accepts tokens of the issuer {}, and the cluster's is {}",
                one.name,
                one.issuer,
                issuer.unwrap_or_default()
            )
        }
        Some(one) => format!("the federated credential {} accepts tokens for {}, not for {AUDIENCE}", one.name, one.audiences.join(", ")),
        None => format!("no federated credential of the identity {identity} accepts the subject {subject}"),
    }
}
