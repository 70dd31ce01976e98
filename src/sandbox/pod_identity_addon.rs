//! Installs into a cluster what `podIdentityProfile` of its ARM document asks for: NMI, and the objects of each entry. Objects of the same
//! name that somebody else made stay as they are.

use super::{
    azure::clusters::pod_identity::PodIdentity,
    components::KubeError,
    kube::{
        addons as objects,
        pod_identity_addon::{self as addon, GROUP},
    },
    running::Running,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// The kinds whose objects belong to entries; a binding is deleted before its identity.
const OF_ENTRIES: [&str; 3] = ["azureidentitybindings", "azureidentities", "azurepodidentityexceptions"];
/// How long an API server takes to serve a new definition.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

impl Running {
    /// Makes a cluster have the add-on with exactly these entries. None: not at all.
    pub(super) async fn sync_pod_identity(&self, cluster: &str, wanted: Option<&PodIdentity>) -> Result<(), KubeError> {
        let entries: BTreeMap<String, Value> = wanted.into_iter().flat_map(of_entries).collect();
        if wanted.is_some() {
            for (path, object) in addon::definitions() {
                self.install_unless_foreign(cluster, &path, &object).await?;
            }
            self.until_served(cluster).await?;
            for (path, object) in addon::nmi() {
                self.install_unless_foreign(cluster, &path, &object).await?;
            }
            let namespaces: BTreeSet<&str> = entries.values().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
            for namespace in namespaces {
                self.make_namespace(cluster, namespace).await?;
            }
            for (path, object) in &entries {
                self.install_unless_foreign(cluster, path, object).await?;
            }
        }
        self.remove_other_entries(cluster, &entries).await?;
        match wanted {
            Some(_) => Ok(()),
            None => self.uninstall(cluster, &[addon::definitions(), addon::nmi()].concat()).await,
        }
    }

    async fn install_unless_foreign(&self, cluster: &str, path: &str, object: &Value) -> Result<(), KubeError> {
        match self.ask_cluster(cluster, "GET", path, &Value::Null).await {
            Ok(existing) if !objects::is_managed(&existing) => return Ok(()),
            Err(refusal) if !refusal.is_absent() => return Err(refusal),
            _ => {}
        }
        self.ask_cluster(cluster, "PATCH", path, object).await.map(drop)
    }

    async fn until_served(&self, cluster: &str) -> Result<(), KubeError> {
        let began = Instant::now();
        for plural in OF_ENTRIES {
            while let Err(refusal) = self.ask_cluster(cluster, "GET", &listed(plural), &Value::Null).await {
                if began.elapsed() > PATIENCE {
                    return Err(refusal);
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    async fn make_namespace(&self, cluster: &str, name: &str) -> Result<(), KubeError> {
        let path = format!("/api/v1/namespaces/{name}");
        match self.ask_cluster(cluster, "GET", &path, &Value::Null).await {
            Err(refusal) if refusal.is_absent() => {
                let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                self.ask_cluster(cluster, "PATCH", &path, &namespace).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Deletes the objects of entries that are not wanted any more.
    async fn remove_other_entries(&self, cluster: &str, wanted: &BTreeMap<String, Value>) -> Result<(), KubeError> {
        let built_in: BTreeSet<String> = addon::nmi().into_iter().map(|(path, _)| path).collect();
        for plural in OF_ENTRIES {
            let all = match self.ask_cluster(cluster, "GET", &listed(plural), &Value::Null).await {
                Err(refusal) if refusal.is_absent() => continue,
                other => other?,
            };
            for object in all["items"].as_array().into_iter().flatten().filter(|object| objects::is_managed(object)) {
                let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
                let path = format!("/apis/{GROUP}/v1/namespaces/{}/{plural}/{}", text("namespace"), text("name"));
                if wanted.contains_key(&path) || built_in.contains(&path) {
                    continue;
                }
                match self.ask_cluster(cluster, "DELETE", &path, &json!({})).await {
                    Err(refusal) if !refusal.is_absent() => return Err(refusal),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn listed(plural: &str) -> String {
    format!("/apis/{GROUP}/v1/{plural}")
}

fn of_entries(wanted: &PodIdentity) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for entry in &wanted.identities {
        all.push(addon::identity(&entry.namespace, &entry.name, &entry.resource_id, &entry.client_id));
        all.push(addon::binding(&entry.namespace, &entry.name, &entry.selector));
    }
    all.extend(wanted.exceptions.iter().map(|e| addon::exception(&e.namespace, &e.name, &e.labels)));
    all
}
