//! Which nodes of a cluster have a kubelet of their own: those whose Lease is renewed (KEP-589; kwok does it for the nodes that it plays).

use super::kube::Kube;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
/// `leaseDurationSeconds` of a kubelet that does not say.
const LEASE_SECONDS: i64 = 40;
/// An answer is good for so long.
const GOOD: Duration = Duration::from_secs(5);

pub(super) struct Nodes {
    kube: Kube,
    seen: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Nodes {
    pub(super) fn new(kube: &Kube) -> Self {
        Self { kube: kube.clone(), seen: Mutex::default() }
    }

    pub(super) async fn lives(&self, node: &str) -> bool {
        let mut seen = self.seen.lock().await;
        if let Some((at, lives)) = seen.get(node)
            && at.elapsed() < GOOD
        {
            return *lives;
        }
        let lives = match self.kube.get(&format!("{LEASES}/{node}")).await {
            Ok(lease) => is_renewed(&lease),
            // hands off where it cannot be known
            Err(e) => !e.is_absent(),
        };
        seen.insert(node.to_owned(), (Instant::now(), lives));
        lives
    }
}

fn is_renewed(lease: &Value) -> bool {
    let spec = &lease["spec"];
    let Some(at) = spec["renewTime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()) else { return false };
    let seconds = spec["leaseDurationSeconds"].as_i64().unwrap_or(LEASE_SECONDS);
    // a lease may name any time and any number of seconds
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).is_ok_and(|until| jiff::Timestamp::now() < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_counts_as_long_as_it_was_renewed_for() {
        assert!(!is_renewed(&serde_json::json!({"spec": {"renewTime": "9999-12-30T00:00:00Z", "leaseDurationSeconds": i64::MAX}})));
        let ago = |seconds| (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string();
        assert!(is_renewed(&json!({"spec": {"renewTime": ago(20)}})));
        assert!(!is_renewed(&json!({"spec": {"renewTime": ago(60)}})));
        assert!(is_renewed(&json!({"spec": {"renewTime": ago(60), "leaseDurationSeconds": 100}})));
        assert!(!is_renewed(&json!({"spec": {}})));
    }
}
