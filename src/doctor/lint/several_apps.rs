//! One identity for workloads of several namespaces: the border between teams does not hold for it.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};
use std::collections::{BTreeMap, BTreeSet};

static PAGE: Page = Page::warning(
    9013,
    "one identity serves several apps",
    "Workloads of several namespaces, or several apps of podid, have one identity. Its rights are the sum of what all of them need.",
)
.causes(&["an identity was reused instead of a new one"])
.podid(&["podid identity create -n NAME -g GROUP"])
.native(&["az identity create -g GROUP -n NAME"]);

pub static LINT: Lint = Lint { name: "several-apps", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut namespaces: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for workload in evidence.spec.iter().flat_map(|spec| &spec.workloads) {
        let name = crate::spec::names::name_in(&workload.identity.name).to_lowercase();
        namespaces.entry(name).or_default().insert(workload.namespace.clone());
    }
    if let Some(cluster) = evidence.cluster {
        for workload in cluster.concerned() {
            for one in workload.all_identities().filter(|one| one.identity.is_named()) {
                let name = one.identity.shown(cluster.survey).to_lowercase();
                namespaces.entry(name).or_default().insert(workload.namespace.clone());
            }
        }
    }
    let shared = namespaces.into_iter().filter(|(_, namespaces)| namespaces.len() > 1);
    let finding = |(name, namespaces): (String, BTreeSet<String>)| {
        let list: Vec<String> = namespaces.into_iter().collect();
        Finding::new(&PAGE, format!("identity/{name}"), format!("the identity {name} serves the namespaces {}", list.join(", ")))
            .hint("Make one identity for each app: `podid identity create`.")
    };
    shared.map(finding).collect()
}
