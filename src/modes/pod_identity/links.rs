//! The links of pod identity, from the roles of the cluster to NMI's token, and what MIC and NMI report when one is broken
//! (texts of aad-pod-identity 1.8).

use super::names::{AZURE_IDENTITY, BINDING, LABEL, default_binding};
use crate::{
    azure::{ArmId, id},
    chain::{
        facts::Bound,
        ground,
        link::{Heals, IDENTITY, Link, LinkName, Meaning, MissingLink, RESTART, ROLE, Reason, Resource, Sign, Symptom, TOKEN},
        texts::{cut, field, first_lines, last_seen},
        view::View,
    },
    cluster::Api,
    engine::resource::{Kind as _, Side},
    resources::{
        azure_identity,
        azure_identity_binding::{self, AzureIdentityBinding, Own, Rival},
        manifested::Manifested as _,
        role::Role,
        roles,
    },
};
use futures::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;

/// A role of the cluster, without which MIC cannot act.
const CLUSTER_ROLE: LinkName = LinkName("role");
/// The AzureIdentity in the cluster.
const OBJECT: LinkName = LinkName("azure-identity");
/// The AzureIdentityBinding, or another one with the same selector.
const BOUND: LinkName = LinkName("binding");
/// MIC puts the identity on the node.
const ASSIGNMENT: LinkName = LinkName("assignment");

/// MIC puts an identity on a scale set in 40 to 60 s; 3 min 14 s were seen.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(240);

pub(super) fn links(bound: &Bound) -> Vec<Link> {
    let again = bind(bound);
    let mut links = ground::of_identity(bound, &again);
    for role in [roles::MANAGED_IDENTITY_OPERATOR, roles::VIRTUAL_MACHINE_CONTRIBUTOR] {
        links.push(Link::new(CLUSTER_ROLE, format!("the role {role} of the cluster {}", bound.cluster.name), again.clone()).resource(
            Resource {
                key: role_key(bound, role),
                place: |spec| format!(" (principal {}) at {}", field(spec, "/principal"), field(spec, "/scope")),
                missing: "is not assigned, so MIC cannot put the identity on the nodes",
                spreads: true,
                ..Resource::of(Role::KIND)
            },
        ));
    }
    let object = |shown: &str, kind: &str| format!("the {shown} {}/{}", bound.namespace, bound.object(kind));
    links.extend([
        Link::new(OBJECT, object("AzureIdentity", AZURE_IDENTITY), again.clone())
            .resource(Resource::of(AZURE_IDENTITY))
            .check(Side::Kubernetes, |view, link| look_at_identity(view, link)),
        Link::new(BOUND, object("AzureIdentityBinding", BINDING), again.clone())
            .resource(Resource::of(BINDING))
            .check(Side::Kubernetes, |view, link| look_at_binding(view, link)),
        Link {
            slow: true,
            sign: Some(assigned),
            ..Link::new(ASSIGNMENT, "MIC's assignment of the identity to the node", again.clone())
                .check(Side::Kubernetes, |view, link| look_at_assignment(view, link))
        },
        Link::new(TOKEN, "NMI on the pod's node", again).symptoms(OF_NMI),
    ]);
    links
}

/// The command that binds the pods again; only what is not a default is named.
fn bind(bound: &Bound) -> Vec<String> {
    let (identity, name, binding) = (&bound.identity.name, bound.object(AZURE_IDENTITY), bound.object(BINDING));
    let mut words = ground::words(["bind", "--namespace", &bound.namespace, "--identity", identity, "--selector", &bound.subject]);
    if name != identity {
        words.extend(ground::words(["--name", name]));
    }
    if binding != default_binding(name) {
        words.extend(ground::words(["--binding", binding]));
    }
    words.extend(bound.flags.iter().cloned());
    words.extend(ground::cluster_flags(bound));
    words
}

fn role_key(bound: &Bound, role: &str) -> Option<crate::engine::key::Key> {
    let begins = format!("role/{}/", roles::slug(role));
    bound.keys.iter().find(|key| key.folded().starts_with(&begins)).cloned()
}

/// The binding by whose selector the pods are bound. Err: this login may not list bindings.
async fn binding(view: &View<'_>) -> Result<Option<Value>, ()> {
    let bindings = view.cluster.list(&AzureIdentityBinding::api(), Some(&view.bound.namespace), None).await.map_err(drop)?;
    Ok(bindings.into_iter().find(|b| field(b, "/spec/selector") == view.bound.subject))
}

fn look_at_binding<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Ok(None) = binding(view).await else { return Vec::new() };
        let Bound { namespace, subject, .. } = view.bound;
        let what = format!("no AzureIdentityBinding in namespace {namespace} has the selector {subject}");
        vec![Reason::new(Heals::Never, MissingLink::new(BOUND, what).hint(format!("Write it again: {}.", view.again(&link.again))))]
    })
}

fn look_at_identity<'a>(view: &'a View<'a>, link: &'a Link) -> BoxFuture<'a, Vec<Reason>> {
    Box::pin(async move {
        let Ok(Some(binding)) = binding(view).await else { return Vec::new() };
        let namespace = &view.bound.namespace;
        let named = field(&binding, "/spec/azureIdentity");
        let what = match view.cluster.get(&azure_identity::at(namespace, named)).await {
            Ok(None) => format!(
                "the AzureIdentity {named}, which the binding {} names, is not in namespace {namespace}",
                field(&binding, "/metadata/name")
            ),
            Ok(Some(there)) if !ArmId::parse(field(&there, "/spec/resourceID")).is_some_and(|id| id.is_kind(id::IDENTITY)) => format!(
                "the AzureIdentity {named} has a resourceID that is not one of a managed identity ({:?}), so MIC ignores it",
                field(&there, "/spec/resourceID")
            ),
            _ => return Vec::new(),
        };
        vec![Reason::new(Heals::Never, MissingLink::new(OBJECT, what).hint(format!("Write it again: {}.", view.again(&link.again))))]
    })
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
    if let Ok(Some(binding)) = binding(view).await {
        // events outlive what they are about by an hour: only what was reported since the pod was made counts
        let events = view.warnings(namespace, field(&binding, "/metadata/name")).await;
        if let Some(event) = events.iter().filter(|e| last_seen(e) >= pod.made).max_by_key(|e| last_seen(e)) {
            return Some(of_mic(field(event, "/message"), view, link));
        }
    }
    let assigned = view.cluster.list(&assignments(), None, None).await.ok()?;
    let mine = |a: &&Value| field(a, "/spec/pod") == pod.at.name && field(a, "/spec/podNamespace") == namespace;
    match assigned.iter().find(mine).map(|a| field(a, "/status/status")) {
        None => {
            let hint = "Look whether MIC runs, and at its log: `kubectl get pods -A | grep mic`.";
            let missing = MissingLink::new(ASSIGNMENT, "MIC has assigned no identity to the pod").hint(hint);
            Some(Reason::new(Heals::Within(ASSIGNED_WITHIN), missing))
        }
        // where MIC may not even read the nodes' scale set, it says so in its log alone
        Some(state) if state != "Assigned" => {
            let what = format!("MIC has not put the identity on the node (its AzureAssignedIdentity is {state}, not Assigned)");
            let hint = "Its roles on the identity and on the nodes are there; a new role takes up to 10 minutes. MIC's log says more: `kubectl get pods -A | grep mic`.";
            Some(Reason::new(Heals::Within(ROLE), MissingLink::new(ASSIGNMENT, what).hint(hint)))
        }
        Some(_) => None,
    }
}

/// Why MIC could not put an identity on the nodes: it repeats the whole refusal of Azure, of which the code is enough.
fn of_mic(text: &str, view: &View<'_>, link: &Link) -> Reason {
    let (cluster, identity) = (&view.bound.cluster.name, &view.bound.identity.name);
    let missing = |role: &str, at: &str| {
        let what = format!("the cluster {cluster} lacks the role {role} at {at}, so MIC cannot put the identity on the nodes");
        let hint = format!("Give it the role (a new one takes up to 10 minutes): {}.", view.again(&link.again));
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

const OF_NMI: &[Symptom] = &[
    // NMI found no identity for the pod
    Symptom { any_of: &["getting assigned identities for pod"], none_of: &[], means: Meaning::Waiting },
    Symptom {
        // the provider asks NMI on the node's own port (pkg/auth)
        any_of: &["localhost:2579", "127.0.0.1:2579"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Within(RESTART),
            what: "NMI does not answer on the pod's node",
            hint: |_, _| "Look whether it runs on that node: `kubectl get pods -A -o wide | grep nmi`.".into(),
        },
    },
    Symptom {
        any_of: &["Identity not found"],
        none_of: &[],
        means: Meaning::Known {
            heals: Heals::Within(RESTART),
            what: "the node has no identity with the client id that NMI asks for",
            hint: |view, link| {
                format!(
                    "The scale set may have lost it (an upgrade does that), or the AzureIdentity names another one: compare {} with `kubectl get azureidentity {} -n {} -o yaml`, then write it again by {}.",
                    view.commands.podid(&["output", &format!("identity/{}", view.bound.identity.name), "client_id"]),
                    view.bound.name,
                    view.bound.namespace,
                    view.again(&link.again)
                )
            },
        },
    },
];

/// Other bindings by which the pods get a second identity. None are known where this login may not look.
pub(super) async fn rivals(view: &View<'_>) -> Vec<Rival> {
    let bound = view.bound;
    let own = Own {
        namespace: &bound.namespace,
        binding: bound.object(BINDING),
        selector: &bound.subject,
        azure_identity: bound.object(AZURE_IDENTITY),
        resource_id: bound.identity.resource_id(),
        client_id: bound.identity.client_id(),
    };
    azure_identity_binding::rivals(view.cluster, &own).await
}

/// The vault was asked by another identity than the bound one: a pod may have got two.
pub(super) async fn refused_other(view: &View<'_>, client_id: &str) -> Reason {
    let (own, vault, selector) = (&view.bound.identity.name, view.vault(), &view.bound.subject);
    let rival = rivals(view).await.into_iter().find(|r| r.client_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(client_id)));
    let what = |who: &str| format!("the vault {vault} refused the token of {who}, not of {own}");
    let missing = match rival {
        Some(rival) => MissingLink::new(BOUND, what(&format!("the identity {} (client id {client_id})", rival.identity)))
            .because(format!(
                "the binding {}/{} has the selector {selector} too, so a pod gets both identities, and NMI gives out either",
                rival.namespace, rival.binding
            ))
            .hint(format!(
                "Give the workload a `selector` of its own, or delete the other binding: `kubectl delete azureidentitybinding {} -n {}`.",
                rival.binding, rival.namespace
            )),
        None => MissingLink::new(TOKEN, what(&format!("another identity (client id {client_id})"))).hint(format!(
            "Look which identities pods with the label {LABEL}={selector} get: `kubectl get azureassignedidentities -A`; write the AzureIdentity again by {}.",
            view.again(&bind(view.bound))
        )),
    };
    Reason::new(Heals::Never, missing)
}
