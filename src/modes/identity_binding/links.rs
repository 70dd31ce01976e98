//! The links of an identity binding, from the identity to the token that the cluster's proxy gives, and what proxy and Entra report when one is
//! broken.

use super::pages;
use crate::{
    chain::{
        facts::Bound,
        ground,
        link::{Heals, Link, LinkName, Meaning, RESTART, Resource, Symptom, TOKEN},
    },
    engine::{key::Key, resource::Kind as _},
    modes::accounts,
    resources::{identity_binding::IdentityBinding, object::Object},
};
use std::time::Duration;

/// The binding in ARM.
const BINDING: LinkName = LinkName::new("identity-binding", &pages::BINDING);
/// The right of the service account to use it.
const ALLOWED: LinkName = LinkName::new("use-right", &pages::ALLOWED);

/// AKS makes the credential of a binding, which Entra knows everywhere after minutes.
const SPREADS: Duration = Duration::from_secs(300);

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = accounts::bind(bound);
    let account = format!("{}/{}", bound.namespace, bound.subject);
    let mut links = ground::of_identity(bound, &again);
    links.extend([
        accounts::account(bound, &again),
        Link::new(BINDING, format!("the identity binding of {} in the cluster {}", bound.identity.name, bound.cluster.name), again.clone())
            .resource(Resource { spreads: true, ..Resource::of(IdentityBinding::KIND) }),
    ]);
    for key in bound.keys.iter().filter(|key| key.kind() == Object::KIND) {
        let title = format!("{} for the service account {account}", shown(key));
        let resource = Resource { key: Some(key.clone()), ..Resource::of(Object::KIND) };
        links.push(Link::new(ALLOWED, title, again.clone()).resource(resource));
    }
    links.extend([
        accounts::webhook(bound),
        accounts::mutation(accounts::EXAMINE),
        Link::new(TOKEN, "the token that the cluster's proxy gives", again).symptoms(OF_PROXY),
        accounts::driver_tokens(accounts::PROXY_AUDIENCE),
    ]);
    links
}

fn shown(key: &Key) -> &'static str {
    if key.folded().contains("clusterrolebinding") {
        "the ClusterRoleBinding that allows the identity"
    } else {
        "the ClusterRole of the identity"
    }
}

const OF_PROXY: &[Symptom] = &[
    Symptom {
        any_of: &["use-managed-identity"],
        none_of: &[],
        only_if: None,
        page: Some(&pages::ALLOWED),
        means: Meaning::Known {
            heals: Heals::Within(RESTART),
            what: "the service account may not use the identity",
            hint: |view, link| format!("Write its right again: {}.", view.again(&link.again)),
        },
    },
    Symptom {
        any_of: &["AADSTS70021", "AADSTS700211", "AADSTS700213", "identity binding not found", "no identity binding"],
        none_of: &[],
        only_if: None,
        page: Some(&pages::PROXY),
        means: Meaning::Known {
            heals: Heals::Within(SPREADS),
            what: "the cluster's proxy has no binding for the identity, or Entra does not know its credential yet",
            hint: |view, link| format!("A new one takes seconds to minutes; write it again by {}.", view.again(&link.again)),
        },
    },
];
