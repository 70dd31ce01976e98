//! Finds out which nodes of a cluster have a kubelet of their own: those whose Lease is renewed (KEP-589; kwok renews it for its nodes).

use super::kube::KubeClient;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
/// The default of kubelet for `leaseDurationSeconds`.
const LEASE_SECONDS: i64 = 40;
/// How long an answer is cached.
const GOOD: Duration = Duration::from_secs(5);

pub(super) struct Nodes {
    kube: KubeClient,
    seen: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Nodes {
    pub(super) fn new(kube: &KubeClient) -> Self {
        Self { kube: kube.clone(), seen: Mutex::default() }
    }

    pub(super) async fn has_kubelet(&self, node: &str) -> bool {
        let mut seen = self.seen.lock().await;
        if let Some((at, has_kubelet)) = seen.get(node)
            && at.elapsed() < GOOD
        {
            return *has_kubelet;
        }
        let has_kubelet = match self.kube.get(&format!("{LEASES}/{node}")).await {
            Ok(lease) => is_renewed(&lease),
            // if it is unknown, the pods are left to the other kubelet
            Err(e) => !e.is_absent(),
        };
        seen.insert(node.to_owned(), (Instant::now(), has_kubelet));
        has_kubelet
    }
}

fn is_renewed(lease: &Value) -> bool {
    let spec = &lease["spec"];
    let Some(at) = spec["renewTime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()) else { return false };
    let seconds = spec["leaseDurationSeconds"].as_i64().unwrap_or(LEASE_SECONDS);
    // a lease may contain any time and any number of seconds
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).is_ok_and(|until| jiff::Timestamp::now() < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_is_valid_for_its_duration() {
        assert!(!is_renewed(&serde_json::json!({"spec": {"renewTime": "9999-12-30T00:00:00Z", "leaseDurationSeconds": i64::MAX}})));
        let ago = |seconds| (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string();
        assert!(is_renewed(&json!({"spec": {"renewTime": ago(20)}})));
        assert!(!is_renewed(&json!({"spec": {"renewTime": ago(60)}})));
        assert!(is_renewed(&json!({"spec": {"renewTime": ago(60), "leaseDurationSeconds": 100}})));
        assert!(!is_renewed(&json!({"spec": {}})));
    }
}
