//! One identity for several workloads: each can read what any of them may read.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{chain::page::Page, doctor::finding::Finding};
use std::collections::{BTreeMap, BTreeSet};

static PAGE: Page = Page::warning(
    9001,
    "several workloads share one identity",
    "Whoever gets into one of the workloads can read what all of them may read, and logs do not tell them apart. An identity costs nothing.",
)
.causes(&["one identity was made for a whole application or team"])
.podid(&["podid identity create -n NAME -g GROUP", "podid bind --namespace NAMESPACE --identity IDENTITY"])
.native(&["az identity create -g GROUP -n NAME"]);

pub static LINT: Lint = Lint { name: "shared-identities", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut users: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut add = |name: &str, user: String| {
        users.entry(name.to_lowercase()).or_insert_with(|| (name.to_owned(), BTreeSet::new())).1.insert(user);
    };
    for workload in evidence.spec.iter().flat_map(|spec| &spec.workloads) {
        add(crate::spec::names::name_in(&workload.identity.name), format!("{}/{}", workload.namespace, workload.name));
    }
    if let Some(cluster) = evidence.cluster {
        for workload in cluster.concerned() {
            // the spec's own workloads are in the cluster, too
            let known = format!("{}/{}", workload.namespace, workload.name);
            let user = if evidence.spec.is_some() { known } else { resource(workload) };
            for one in workload.all_identities().filter(|one| one.identity.is_named()) {
                add(&one.identity.shown(cluster.survey), user.clone());
            }
        }
    }
    let shared = users.into_values().filter(|(_, users)| users.len() > 1);
    let finding = |(name, users): (String, BTreeSet<String>)| {
        let list: Vec<String> = users.into_iter().collect();
        Finding::new(&PAGE, format!("identity/{name}"), format!("{} workloads share the identity {name}: {}", list.len(), list.join(", ")))
            .hint("Give each workload an identity of its own: `podid identity create`, then `podid bind`.")
    };
    shared.map(finding).collect()
}
