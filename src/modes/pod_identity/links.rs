//! The links of pod identity, from the roles of the cluster to NMI's token, and what MIC and NMI report when one is broken
//! (texts of aad-pod-identity 1.8).

use crate::{
    access::AzureRight,
    chain::{
        facts::Bound,
        ground,
        link::{Heals, IDENTITY, Link, LinkName, MissingLink, RESTART, ROLE, Reason, Resource, Sign, TOKEN},
        texts::{cut, field, first_lines, last_seen},
        view::View,
    },
    cluster::Api,
    engine::resource::{Kind as _, Side},
    modes::aad::{self, AZURE_IDENTITY, BINDING, BOUND, CLUSTER_ROLE, OBJECT, examine, texts},
    resources::{role::Role, roles},
};
use futures::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;

/// MIC puts the identity on the node.
const ASSIGNMENT: LinkName = LinkName::new("assignment", &aad::pages::ASSIGNMENT);

/// MIC puts an identity on a scale set in 40 to 60 s; 3 min 14 s were seen.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(240);

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = bind(bound);
    let mut links = ground::of_identity(bound, &again);
    let needed = [(roles::MANAGED_IDENTITY_OPERATOR, AzureRight::HandOut), (roles::VIRTUAL_MACHINE_CONTRIBUTOR, AzureRight::ChangeNodes)];
    for (role, right) in needed {
        if aad::has_from_elsewhere(bound, role) {
            continue;
        }
        links.push(
            Link::new(CLUSTER_ROLE, format!("the role {role} of the cluster {}", bound.cluster.name), again.clone())
                .resource(Resource {
                    key: aad::role_key(bound, role),
                    place: aad::role_place,
                    missing: "is not assigned, so MIC cannot put the identity on the nodes",
                    spreads: true,
                    right: Some(right),
                    ..Resource::of(Role::KIND)
                })
                .symptoms(texts::OF_ROLES),
        );
    }
    links.extend([
        Link::new(OBJECT, aad::object_title(bound, "AzureIdentity", AZURE_IDENTITY), again.clone())
            .resource(Resource::of(AZURE_IDENTITY))
            .check(Side::Kubernetes, |view, link| aad::look_at_identity(view, link))
            .symptoms(texts::OF_OBJECT)
            .examine(examine::OF_OBJECT),
        Link::new(BOUND, aad::object_title(bound, "AzureIdentityBinding", BINDING), again.clone())
            .resource(Resource::of(BINDING))
            .check(Side::Kubernetes, |view, link| aad::look_at_binding(view, link))
            .symptoms(texts::OF_BINDING)
            .examine(examine::OF_BINDING),
        Link {
            slow: true,
            sign: Some(assigned),
            ..Link::new(ASSIGNMENT, "MIC's assignment of the identity to the node", again.clone())
                .check(Side::Kubernetes, |view, link| look_at_assignment(view, link))
                .symptoms(texts::OF_MIC)
                .examine(examine::OF_MIC)
        },
        Link::new(TOKEN, "NMI on the pod's node", again).symptoms(texts::OF_NMI).examine(examine::OF_NMI),
    ]);
    links
}

pub(super) fn bind(bound: &Bound) -> Vec<String> {
    aad::bind(bound, &[])
}

fn assignments() -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", "AzureAssignedIdentity", "azureassignedidentities")
}

/// The object in which MIC says that the identity is on the node. Its namespace is MIC's choice.
fn assigned(view: &View<'_>) -> Option<Sign> {
    let pod = &view.pod?.at.name;
    Some(Sign {
        api: assignments(),
        namespace: None,
        name: format!("{pod}-{}-{}", view.bound.namespace, view.bound.name),
        shows: |object| field(object, "/status/status") == "Assigned",
        step: "assigned",
        detail: view.bound.name.clone(),
    })
}

/// Reads MIC's events about the binding, and its assignments to the pod.
fn look_at_assignment<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move { assignment(view, link).await.into_iter().collect() })
}

async fn assignment(view: &View<'_>, link: &Link) -> Option<Reason> {
    let namespace = &view.bound.namespace;
    let pod = view.pod?;
    let assigned = view.cluster.list(&assignments(), None, None).await;
    let mine = |a: &&Value| {
        let is = |pointer: &str, wanted: &str| field(a, pointer) == wanted;
        is("/spec/pod", &pod.at.name)
            && is("/spec/podNamespace", namespace)
            && is("/spec/azureIdentityRef/metadata/name", view.bound.object(AZURE_IDENTITY))
    };
    let state = assigned.as_ref().ok().map(|all| all.iter().find(mine).map(|a| field(a, "/status/status")));
    if state == Some(Some("Assigned")) {
        // what MIC reported before is over
        return None;
    }
    if let Ok(Some(binding)) = aad::binding(view).await {
        // events outlive what they are about by an hour: only what was reported since the pod was made counts
        let events = view.warnings(field(&binding, "/metadata/namespace"), field(&binding, "/metadata/name")).await;
        if let Some(event) = events.iter().filter(|e| last_seen(e) >= pod.made).max_by_key(|e| last_seen(e)) {
            return Some(of_mic(field(event, "/message"), view, link));
        }
    }
    match state? {
        None => {
            let hint = "Look whether MIC runs, and at its log: `kubectl get pods -A | grep mic`.";
            let missing = MissingLink::new(ASSIGNMENT, "MIC has assigned no identity to the pod").hint(hint);
            Some(Reason::new(Heals::Within(ASSIGNED_WITHIN), missing))
        }
        // where MIC may not even read the nodes' scale set, it says so in its log alone
        Some(state) => {
            let what = format!("MIC has not put the identity on the node (its AzureAssignedIdentity is {state}, not Assigned)");
            let hint = "Its roles on the identity and on the nodes are there; a new role takes up to 10 minutes. MIC's log says more: `kubectl get pods -A | grep mic`.";
            Some(Reason::new(Heals::Within(ROLE), MissingLink::new(ASSIGNMENT, what).hint(hint)))
        }
    }
}

/// Why MIC could not put an identity on the nodes: it repeats the whole refusal of Azure, of which the code is enough.
fn of_mic(text: &str, view: &View<'_>, link: &Link) -> Reason {
    let (cluster, identity) = (&view.bound.cluster.name, &view.bound.identity.name);
    let missing = |role: &str, at: &str| {
        let what = format!("the cluster {cluster} lacks the role {role} at {at}, so MIC cannot put the identity on the nodes");
        let hint = format!("Give it the role (a new one takes up to 10 minutes): {}. {}", view.again(&link.again), texts::TRIES_AGAIN);
        Reason::new(Heals::Within(ROLE), MissingLink::new(CLUSTER_ROLE, what).hint(hint))
    };
    let scope = |lead: &str| text.rsplit_once(lead).and_then(|(_, rest)| rest.split('\'').next()).filter(|s| s.starts_with('/'));
    if text.contains("LinkedAuthorizationFailed") {
        let at = scope("linked scope(s) '").map_or_else(|| format!("the identity {identity}"), str::to_owned);
        return missing("Managed Identity Operator", &at);
    }
    if text.contains("AuthorizationFailed") {
        let at = scope("over scope '").or_else(|| scope("on scope '")).unwrap_or("the node resource group").to_owned();
        return missing("Virtual Machine Contributor", &at);
    }
    if text.contains("FailedIdentityOperation") {
        let what = format!("the managed identity {identity} does not exist any more");
        let ground = ground::of_identity(view.bound, &[]);
        let hint = ground.iter().find(|link| link.name == IDENTITY).map(|link| format!("Make it again: {}.", view.again(&link.again)));
        let missing = MissingLink::new(IDENTITY, what);
        return Reason::new(Heals::Within(RESTART), hint.into_iter().fold(missing, MissingLink::hint));
    }
    let what = format!("MIC could not apply the binding {}", view.bound.object(BINDING));
    let hint = "Look at MIC's log: `kubectl get pods -A | grep mic` shows its pods.";
    Reason::new(Heals::Within(ROLE), MissingLink::new(ASSIGNMENT, what).because(cut(&first_lines(text))).hint(hint))
}
