//! Identities that several workloads share: each of them can read the secrets of the others, and audit logs cannot tell them apart. The plan
//! warns of it when it changes something of such an identity.

use crate::{
    chain::{
        facts::{Bound, BoundIdentity, Delivered},
        remarks::{IdentityUser, Lists, Planned},
    },
    deliveries,
    engine::{
        desired::{Intent, Requester},
        input::needs,
        key::Key,
        ledger::{Entry, Ledger, Origin},
        plan::{Plan, Warning},
    },
    modes,
    spec::names::object_name,
};
use std::collections::{BTreeMap, BTreeSet};

/// The number of users that a warning names.
const NAMED: usize = 5;

pub(super) async fn warnings(planned: &Planned<'_>, ledger: &Ledger, lists: &mut Lists) -> Vec<Warning> {
    if !planned.plan.has_changes() {
        return Vec::new();
    }
    let after = afterwards(planned, ledger);
    let own = Workloads::of(&after, &planned.desired.app);
    let changes = Changes::of(planned.plan, ledger);
    let mut changed: Vec<&Bound> = own.bound.iter().filter(|bound| own.is_changed(&changes, bound)).collect();
    changed.sort_by_key(|bound| bound.identity.key.clone());
    changed.dedup_by(|a, b| is_same_in_app(&a.identity, &b.identity));
    if changed.is_empty() {
        return Vec::new();
    }
    let apps = after.apps();
    let others: Vec<Workloads> = apps.iter().filter(|app| **app != planned.desired.app).map(|app| Workloads::of(&after, app)).collect();
    let unknown = unknown_users(planned, lists, std::iter::once(&own).chain(&others)).await;
    changed.into_iter().filter_map(|bound| warning(bound, &own, &others, &unknown)).collect()
}

/// The state as this plan leaves it, as far as that is known before.
fn afterwards(planned: &Planned<'_>, ledger: &Ledger) -> Ledger {
    let mut after = ledger.clone();
    let app = &planned.desired.app;
    for action in planned.plan.actions.iter().filter(|action| action.act.removes()) {
        after.forget(app, &action.key);
    }
    for node in planned.desired.nodes.values().filter(|node| node.intent != Intent::Absent) {
        let by = after.get(app, &node.key).map_or(planned.desired.by, |entry| entry.by);
        after.put(Entry {
            app: app.clone(),
            key: node.key.clone(),
            kind: node.kind.clone(),
            cluster: node.cluster.clone(),
            by,
            origin: Origin::Existing,
            spec: node.spec.clone(),
            placed: planned.observed.placed.get(&node.key).unwrap_or(&node.spec).clone(),
            outputs: planned.observed.known.get(&node.key).map(|known| (**known).clone()).unwrap_or_default(),
            left: Vec::new(),
            doing: None,
        });
    }
    after
}

/// What an app binds and delivers. A state that cannot be read is a fault of its own.
struct Workloads {
    app: String,
    bound: Vec<Bound>,
    delivered: Vec<Delivered>,
}

impl Workloads {
    fn of(ledger: &Ledger, app: &str) -> Self {
        Self {
            app: app.to_owned(),
            bound: modes::recall(ledger, app).unwrap_or_default(),
            delivered: deliveries::recall(ledger, app).unwrap_or_default(),
        }
    }

    fn delivered_to<'a>(&'a self, bound: &'a Bound) -> impl Iterator<Item = &'a Delivered> {
        self.delivered.iter().filter(move |one| {
            let here = one.cluster.name.eq_ignore_ascii_case(&bound.cluster.name) && one.namespace == bound.namespace;
            here && one.subject.as_ref().is_none_or(|subject| *subject == bound.subject)
        })
    }

    /// The names of the workloads that a binding is for. What a spec delivers is named by its workload; a single command only says which pods
    /// are bound.
    fn names<'a>(&'a self, bound: &'a Bound) -> Vec<&'a str> {
        let delivered: Vec<&Delivered> = self.delivered_to(bound).filter(|one| one.by == Requester::Spec).collect();
        // further vaults of a workload
        let is_further = |one: &&Delivered| {
            let end = format!("-{}", object_name(&one.vault.name));
            one.name.strip_suffix(&end).is_some_and(|first| delivered.iter().any(|other| other.name == first))
        };
        let names: Vec<&str> = delivered.iter().filter(|one| !is_further(one)).map(|one| one.name.as_str()).collect();
        if names.is_empty() { vec![&bound.subject] } else { names }
    }

    /// Whether the plan creates or changes the identity, its bindings, what it may do or what it reads, or runs more with it.
    fn is_changed(&self, changes: &Changes, bound: &Bound) -> bool {
        let identity = bound.identity.key.as_ref();
        let same = || self.bound.iter().filter(|other| is_same_in_app(&other.identity, &bound.identity));
        // the others are the cluster's roles and the namespace, which serve other identities too
        let mut bindings = same().filter_map(|bound| bound.keys.first());
        let mut delivered = same().flat_map(|bound| self.delivered_to(bound)).flat_map(|one| &one.keys);
        identity.is_some_and(|key| changes.keys.contains(key) || changes.refer_to.contains(key))
            || bindings.any(|key| changes.concerns(key))
            || delivered.any(|key| changes.concerns(key))
    }
}

/// What a plan creates or changes.
#[derive(Default)]
struct Changes {
    keys: BTreeSet<Key>,
    /// What these refer to.
    refer_to: BTreeSet<Key>,
    /// What these did not refer to before.
    rest_on: BTreeSet<Key>,
}

impl Changes {
    fn of(plan: &Plan, ledger: &Ledger) -> Self {
        let mut changes = Self::default();
        for action in plan.actions.iter().filter(|action| action.act.changes() && !action.act.removes()) {
            let refers_to = action.work.node.as_ref().map(|node| needs(&node.spec)).unwrap_or_default();
            let before = ledger.get(&plan.app, &action.key).map(|entry| needs(&entry.spec)).unwrap_or_default();
            changes.rest_on.extend(refers_to.difference(&before).cloned());
            changes.keys.insert(action.key.clone());
            changes.refer_to.extend(refers_to);
        }
        changes
    }

    fn concerns(&self, key: &Key) -> bool {
        self.keys.contains(key) || self.rest_on.contains(key)
    }
}

/// Whether two bindings lead to one managed identity.
fn is_same(one: &BoundIdentity, other: &BoundIdentity) -> bool {
    match (one.resource_id(), other.resource_id()) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

/// Within one app, keys are compared too: an identity that is not created yet has no resource id.
fn is_same_in_app(one: &BoundIdentity, other: &BoundIdentity) -> bool {
    one.key.is_some() && one.key == other.key || is_same(one, other)
}

/// The pods of the clusters that neither this plan nor the state knows.
async fn unknown_users<'a>(planned: &Planned<'_>, lists: &mut Lists, known: impl Iterator<Item = &'a Workloads>) -> Vec<IdentityUser> {
    let known: BTreeSet<(&str, &str)> =
        known.flat_map(|app| &app.bound).map(|bound| (bound.namespace.as_str(), bound.subject.as_str())).collect();
    let mut users = Vec::new();
    for mode in modes::all() {
        users.extend(mode.other_users(planned, lists).await);
    }
    users.retain(|user| !known.contains(&(user.namespace.as_str(), user.subject.as_str())));
    users
}

fn warning(bound: &Bound, own: &Workloads, others: &[Workloads], unknown: &[IdentityUser]) -> Option<Warning> {
    // a workload that runs in two clusters is one
    let mut users: BTreeMap<(&str, &str), String> = BTreeMap::new();
    let mut add = |namespace, name, of: String| {
        users.entry((namespace, name)).or_insert(of);
    };
    for app in std::iter::once(own).chain(others) {
        let here = app.app == own.app;
        let same = if here { is_same_in_app } else { is_same };
        for other in app.bound.iter().filter(|other| same(&bound.identity, &other.identity)) {
            let of = if here { String::new() } else { format!(" of the app {}", app.app) };
            app.names(other).into_iter().for_each(|name| add(&other.namespace, name, of.clone()));
        }
    }
    for user in unknown.iter().filter(|user| bound.identity.resource_id().is_some_and(|id| id.eq_ignore_ascii_case(&user.resource_id))) {
        add(&user.namespace, &user.subject, " (not in this state)".to_owned());
    }
    if users.len() < 2 {
        return None;
    }
    let mut shown: Vec<String> = users.iter().map(|((namespace, name), of)| format!("{namespace}/{name}{of}")).collect();
    let more = shown.split_off(shown.len().min(NAMED)).len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let name = &bound.identity.name;
    Some(Warning {
        key: bound.identity.key.clone().or_else(|| bound.keys.first().cloned())?,
        text: format!(
            "the identity {name} is shared by {}{more}: each can read what the others may read, and audit logs cannot tell them apart",
            shown.join(", ")
        ),
        hint: Some(
            "Give each workload an identity of its own: another `identity.name` in the spec, or `podid bind` with `--identity NAME`."
                .to_owned(),
        ),
    })
}
