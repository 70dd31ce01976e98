//! Azure's cloud controller, as far as an app sees it: a Service of type LoadBalancer gets a public address. Addresses are from the blocks that
//! are reserved for documentation (RFC 5737), so that nobody is asked by mistake.

use super::activity::{Activity, Backoff};
use super::config::Config;
use super::kube::KubeClient;
use super::mirror::{Mirror, keep};
use super::tasks::RunningComponents;
use crate::attempt::caught_while;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

const BLOCKS: [&str; 3] = ["203.0.113", "198.51.100", "192.0.2"];
const EACH: usize = 254;

struct CloudController {
    kube: KubeClient,
    services: Arc<Mirror>,
    cluster: String,
}

pub(super) fn start(config: &Config, components: &mut RunningComponents) -> Result<(), String> {
    let kube = KubeClient::new(&config.kube, "cloud", "cloud-controller-manager/v1.34.1")?;
    let activity = components.activity();
    let (services, keeping) = keep(&kube, "/api/v1/services", &activity, true);
    components.spawn(keeping);
    let controller = CloudController { kube, services, cluster: config.cluster.clone() };
    components.spawn(controller.run(activity));
    Ok(())
}

fn is_public(service: &Value) -> bool {
    service["spec"]["type"] == "LoadBalancer" && service["metadata"]["deletionTimestamp"].is_null()
}

fn address_of(service: &Value) -> Option<&str> {
    service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str()
}

impl CloudController {
    async fn run(self, activity: Arc<Activity>) {
        let mut pauses = Backoff::default();
        let mut pause = None;
        loop {
            let work = activity.next(pause).await;
            pause = if caught_while(self.reconcile()).await.unwrap_or(false) {
                pauses.reset();
                None
            } else {
                Some(pauses.next())
            };
            drop(work);
        }
    }

    /// Returns false if something must be retried.
    async fn reconcile(&self) -> bool {
        let all = self.services.all();
        let mut taken: BTreeSet<String> = all.iter().filter_map(|s| address_of(s).map(str::to_owned)).collect();
        let mut complete = true;
        for service in &all {
            let balancer = match (is_public(service), address_of(service)) {
                (true, None) => {
                    let Some(address) = free_address(&self.cluster, service, &taken) else { continue };
                    taken.insert(address.clone());
                    json!({"ingress": [{"ip": address, "ipMode": "VIP"}]})
                }
                (false, Some(_)) => json!({"ingress": null}),
                _ => continue,
            };
            let metadata = &service["metadata"];
            let text = |name: &str| metadata[name].as_str().unwrap_or_default();
            let path = format!("/api/v1/namespaces/{}/services/{}/status", text("namespace"), text("name"));
            let status = json!({"metadata": {"uid": metadata["uid"]}, "status": {"loadBalancer": balancer}});
            match self.kube.merge(&path, &status).await {
                Ok(service) => self.services.store(service),
                Err(e) => complete &= e.is_absent() || e.status == 409,
            }
        }
        complete
    }
}

/// An address that depends on the Service's place alone, unless another one has it already.
fn free_address(cluster: &str, service: &Value, taken: &BTreeSet<String>) -> Option<String> {
    let place = format!("{cluster}/{}/{}", service["metadata"]["namespace"], service["metadata"]["name"]);
    let from = Sha256::digest(place).iter().take(4).fold(0_usize, |n, byte| n << 8 | usize::from(*byte));
    let all = BLOCKS.len() * EACH;
    let address = |n: usize| format!("{}.{}", BLOCKS[n / EACH], n % EACH + 1);
    (0..all).map(|n| address((from + n) % all)).find(|address| !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_depend_on_the_place_and_are_taken_once() {
        let service = json!({"metadata": {"namespace": "shop", "name": "web"}});
        let first = free_address("aks", &service, &BTreeSet::new()).unwrap();
        assert_eq!(free_address("aks", &service, &BTreeSet::new()), Some(first.clone()));
        let second = free_address("aks", &service, &[first.clone()].into()).unwrap();
        assert_ne!(first, second);
        assert!(BLOCKS.iter().any(|block| second.starts_with(block)));
    }
}
