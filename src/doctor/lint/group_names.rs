//! Resource groups whose names MIC cannot read in an error of Azure.

use super::{check::Lint, evidence::Evidence};
use crate::{chain::page::Page, doctor::finding::Finding};
use std::collections::BTreeMap;

static PAGE: Page = Page::warning(
    9008,
    "the name of a resource group has characters that MIC or AKS cannot read",
    "MIC cuts an identity that fails out of Azure's error by a pattern of letters, digits, `-` and `_`. In a group with `.` or `(` in its name one dead identity blocks all of its scale set; AKS may refuse such an identity for a binding.",
)
.causes(&["the group's name has `.`, `(` or `)`"])
.podid(&["podid identity create -n NAME -g GROUP"])
.native(&["az identity list --query \"[].resourceGroup\""]);

pub static LINT: Lint = Lint { name: "group-names", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(spec) = evidence.spec {
        for workload in &spec.workloads {
            if let Some(group) = workload.identity.resource_group.as_ref().or(spec.resource_group.as_ref()) {
                groups.entry(crate::spec::names::name_in(group).to_owned()).or_default().push(workload.identity.name.clone());
            }
        }
    }
    if let Some(cluster) = evidence.cluster {
        for one in cluster.concerned().flat_map(|workload| workload.all_identities()) {
            let Some(found) = one.identity.found(cluster.survey) else { continue };
            groups.entry(found.id.group_name().unwrap_or_default().to_owned()).or_default().push(found.id.name().to_owned());
        }
    }
    let odd = groups.into_iter().filter(|(group, _)| group.contains(['.', '(', ')']));
    let finding = |(group, mut names): (String, Vec<String>)| {
        names.sort();
        names.dedup();
        Finding::new(&PAGE, format!("group/{group}"), format!("the identities {} are in the resource group {group}", names.join(", ")))
            .hint("Make identities in a group whose name has letters, digits, `-` and `_` only.")
    };
    odd.map(finding).collect()
}
