//! Workloads in a mode or delivery that is not supported any more.

use super::{
    check::Lint,
    evidence::{Evidence, resource},
};
use crate::{
    chain::page::Page,
    deliveries::{self, Delivery},
    doctor::finding::Finding,
    modes,
};

static PAGE: Page = Page::warning(
    9011,
    "a workload uses a mode or delivery that is retired",
    "AAD Pod Identity is archived since September 2023, and its AKS add-on is without support since September 2025. FlexVolume is deprecated in Kubernetes since 1.23. Workload ID and the CSI driver replace them.",
)
.causes(&["the workload was set up before Workload ID"])
.podid(&["podid cluster install workload-identity --cluster CLUSTER"])
.native(&["az aks update -g GROUP -n CLUSTER --enable-oidc-issuer --enable-workload-identity"]);

pub static LINT: Lint = Lint { name: "retired-modes", pages: &[&PAGE], run };

fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mode_is = |name: Option<&str>| modes::named(name).is_ok_and(|mode| mode.is_retired());
    let delivery_is = |name: Option<&str>| deliveries::named(name).is_ok_and(Delivery::is_retired);
    let finding = |resource: String, shown: &str, words: Vec<String>| {
        Finding::new(&PAGE, resource, format!("the workload {shown} uses {}, which is retired", words.join(" and ")))
            .hint("Move it to Workload ID and the CSI driver: `mode: workload-identity`, `delivery: csi`.")
    };
    let mut found = Vec::new();
    let mut own: Vec<String> = Vec::new();
    for workload in evidence.spec.iter().flat_map(|spec| &spec.workloads) {
        let shown = format!("{}/{}", workload.namespace, workload.name);
        let mut words = Vec::new();
        if mode_is(workload.mode.as_deref()) {
            words.extend(modes::named(workload.mode.as_deref()).map(|mode| mode.name().to_owned()));
        }
        if delivery_is(workload.delivery.as_deref()) {
            words.extend(workload.delivery.clone());
        }
        own.push(shown.clone());
        if !words.is_empty() {
            found.push(finding(shown.clone(), &shown, words));
        }
    }
    for workload in evidence.cluster.iter().flat_map(|cluster| cluster.concerned()) {
        let shown = format!("{}/{}", workload.namespace, workload.name);
        if own.contains(&shown) {
            continue;
        }
        let modes = workload.all_identities().map(|one| one.mode).filter(|name| mode_is(Some(name)));
        let deliveries = workload.mounts.iter().map(|mount| mount.secrets.delivery).filter(|name| delivery_is(Some(name)));
        let mut words: Vec<String> = modes.chain(deliveries).map(str::to_owned).collect();
        words.sort();
        words.dedup();
        if !words.is_empty() {
            found.push(finding(resource(workload), &shown, words));
        }
    }
    found
}
