//! A deployment with its replica sets: finding and creating the new set, scaling, and deleting old ones.

use super::super::store::meta;
use super::conditions::{condition, set_condition};
use super::controller_client::{ControllerClient, count, owned_by};
use super::revisions::{self, DESIRED, HASH, REVISION, annotation, is_rolling, replicas};
use serde_json::{Value, json};
use std::cmp::Reverse;

pub const SETS: &str = "replicasets.apps";
const DEPLOYMENTS: &str = "deployments.apps";
const COMPONENT: &str = "deployment-controller";

/// A deployment with its replica sets.
pub struct DeploymentSets {
    pub deployment: Value,
    pub new: Option<Value>,
    /// The oldest set comes first.
    pub old: Vec<Value>,
}

impl DeploymentSets {
    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain(self.new.iter())
    }

    pub fn save_status(&mut self, client: &mut ControllerClient<'_>) -> Option<()> {
        self.deployment = client.update_status(DEPLOYMENTS, &self.deployment).ok()?;
        Some(())
    }

    fn has_deadline(&self) -> bool {
        !self.deployment["spec"]["progressDeadlineSeconds"].is_null()
    }

    /// Writes the revision to the new set and to the deployment. Creates the set if `make` is true and there is none.
    pub fn sync_new(&mut self, client: &mut ControllerClient<'_>, make: bool) -> Option<()> {
        let next = self.old.iter().map(revisions::revision).max().unwrap_or_default().saturating_add(1);
        let Some(set) = &self.new else {
            return if make { self.create_new(client, next) } else { Some(()) };
        };
        let mut marked = set.clone();
        let annotated = revisions::annotate(&self.deployment, &mut marked, next, false);
        let (patience, wanted) = (count(&marked["spec"]["minReadySeconds"]), count(&self.deployment["spec"]["minReadySeconds"]));
        if annotated || patience != wanted {
            marked["spec"]["minReadySeconds"] = self.deployment["spec"]["minReadySeconds"].clone();
            self.new = Some(client.update(SETS, &marked).ok()?);
            return Some(());
        }
        let mut status = self.deployment["status"].clone();
        let found = self.has_deadline() && condition(&status, "Progressing").is_none();
        if found {
            let message = format!("Found new replica set {:?}", meta(&marked, "name"));
            set_condition(&mut status, "Progressing", "True", "FoundNewReplicaSet", &message);
        }
        let revision = marked["metadata"]["annotations"][REVISION].clone();
        if found || self.deployment["metadata"]["annotations"][REVISION] != revision {
            self.deployment["status"] = status;
            self.deployment["metadata"]["annotations"][REVISION] = revision;
            self.save_status(client)?;
        }
        Some(())
    }

    fn create_new(&mut self, client: &mut ControllerClient<'_>, revision: i64) -> Option<()> {
        let d = &self.deployment;
        let mut template = d["spec"]["template"].clone();
        let hash = revisions::hash(&template, count(&d["status"]["collisionCount"]));
        let name = format!("{}-{hash}", meta(d, "name"));
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = d["spec"]["selector"].clone();
        selector["matchLabels"][HASH] = json!(hash);
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": d["metadata"]["namespace"], "labels": template["metadata"]["labels"], "ownerReferences": [owned_by(d)],
            },
            "spec": {"replicas": 0, "minReadySeconds": d["spec"]["minReadySeconds"], "selector": selector, "template": template},
        });
        let size = self.allowed_replicas(&set);
        set["spec"]["replicas"] = json!(size);
        revisions::annotate(d, &mut set, revision, true);
        let namespace = meta(d, "namespace").to_owned();
        match client.create(SETS, &namespace, &set) {
            Ok(made) => {
                client.retries.forget_failures(meta(&self.deployment, "uid"));
                if size > 0 {
                    let message = format!("Scaled up replica set {name} from 0 to {size}");
                    client.record_event(&self.deployment, COMPONENT, "Normal", "ScalingReplicaSet", &message);
                }
                self.new = Some(made);
                let mut status = self.deployment["status"].clone();
                if self.has_deadline() {
                    let message = format!("Created new replica set {name:?}");
                    set_condition(&mut status, "Progressing", "True", "NewReplicaSetCreated", &message);
                }
                self.deployment["status"] = status;
                self.deployment["metadata"]["annotations"][REVISION] = json!(revision.to_string());
                self.save_status(client)
            }
            // Another owner's set has this name: the next attempt uses another name.
            Err(refusal) if refusal.reason == "AlreadyExists" => {
                let collisions = count(&self.deployment["status"]["collisionCount"]);
                self.deployment["status"]["collisionCount"] = json!(collisions.saturating_add(1));
                self.save_status(client)?;
                None
            }
            Err(refusal) if refusal.details["causes"][0]["reason"] == "NamespaceTerminating" => None,
            Err(refusal) => {
                let message = format!("Failed to create new replica set {name:?}: {}", refusal.message);
                if self.has_deadline() {
                    let mut status = self.deployment["status"].clone();
                    set_condition(&mut status, "Progressing", "False", "ReplicaSetCreateError", &message);
                    self.deployment["status"] = status;
                    self.save_status(client);
                }
                client.record_event(&self.deployment, COMPONENT, "Warning", "ReplicaSetCreateError", &message);
                client.retries.record_failure(meta(&self.deployment, "uid"));
                None
            }
        }
    }

    /// Returns how many pods the new set may have now.
    pub fn allowed_replicas(&self, new: &Value) -> i64 {
        let wanted = replicas(&self.deployment);
        if !is_rolling(&self.deployment) {
            return wanted;
        }
        let most = wanted.saturating_add(revisions::max_surge(&self.deployment));
        let existing = revisions::total(self.all());
        if existing >= most { replicas(new) } else { replicas(new) + (most - existing).min(wanted - replicas(new)) }
    }

    /// Scales a set and records an event. Returns the changed set, or `Some(None)` if there was nothing to do.
    pub fn resize(&self, client: &mut ControllerClient<'_>, set: &Value, size: i64) -> Option<Option<Value>> {
        let mut sized = set.clone();
        sized["spec"]["replicas"] = json!(size);
        revisions::mark_replicas(&self.deployment, &mut sized);
        if sized == *set {
            return Some(None);
        }
        let written = client.update(SETS, &sized).ok()?;
        let before = replicas(set);
        if before == size {
            return Some(None);
        }
        let how = if before < size { "up" } else { "down" };
        let message = format!("Scaled {how} replica set {} from {before} to {size}", meta(set, "name"));
        client.record_event(&self.deployment, COMPONENT, "Normal", "ScalingReplicaSet", &message);
        Some(Some(written))
    }

    /// Changes the number of pods without a new template. Each set keeps its share, so that a rollout does not speed up.
    pub fn scale(&mut self, client: &mut ControllerClient<'_>) -> Option<()> {
        let wanted = replicas(&self.deployment);
        let active: Vec<Value> = revisions::active(&self.old).chain(self.new.iter().filter(|s| replicas(s) > 0)).cloned().collect();
        let latest = match active.as_slice() {
            [] => self.new.clone().or_else(|| self.old.last().cloned()),
            [one] => Some(one.clone()),
            _ => None,
        };
        if let Some(set) = latest {
            if replicas(&set) != wanted {
                self.resize(client, &set, wanted)?;
            }
            return Some(());
        }
        if active.is_empty() {
            return Some(());
        }
        let saturated = |set: &Value| {
            replicas(set) == wanted && annotation(set, DESIRED) == Some(wanted) && count(&set["status"]["availableReplicas"]) == wanted
        };
        if self.new.as_ref().is_some_and(saturated) {
            for set in revisions::active(&self.old) {
                self.resize(client, set, 0)?;
            }
            return Some(());
        }
        if is_rolling(&self.deployment) {
            for (set, size) in self.shares(active) {
                self.resize(client, &set, size)?;
            }
        }
        Some(())
    }

    fn shares(&self, mut active: Vec<Value>) -> Vec<(Value, i64)> {
        let wanted = replicas(&self.deployment);
        let most = if wanted > 0 { wanted.saturating_add(revisions::max_surge(&self.deployment)) } else { 0 };
        let change = most - revisions::total(&active);
        let created = |set: &Value| meta(set, "creationTimestamp").to_owned();
        if change > 0 {
            active.sort_by_key(|set| Reverse((replicas(set), created(set))));
        } else {
            active.sort_by_key(|set| (Reverse(replicas(set)), created(set)));
        }
        let mut done = 0;
        let mut sizes: Vec<i64> = active
            .iter()
            .map(|set| {
                let size = replicas(set);
                let rest = change - done;
                if change == 0 || rest == 0 {
                    return size;
                }
                let part = self.share(set);
                let part = if change > 0 { part.min(rest) } else { part.max(rest) };
                done += part;
                size + part
            })
            .collect();
        if let Some(largest) = sizes.first_mut() {
            *largest = (*largest + change - done).max(0);
        }
        active.into_iter().zip(sizes).collect()
    }

    /// Returns the change of a set if all sets change in proportion.
    fn share(&self, set: &Value) -> i64 {
        let (size, wanted) = (replicas(set), replicas(&self.deployment));
        if wanted == 0 {
            return -size;
        }
        let before =
            annotation(set, revisions::MAX_REPLICAS).filter(|n| *n > 0).unwrap_or_else(|| count(&self.deployment["status"]["replicas"]));
        if before == 0 {
            return 0;
        }
        let most = wanted.saturating_add(revisions::max_surge(&self.deployment));
        // Rounded half away from zero. The annotation that `before` comes from may hold any number.
        let (size, most, before) = (i128::from(size), i128::from(most), i128::from(before));
        i64::try_from((2 * size * most + before).div_euclid(2 * before) - size).unwrap_or_default()
    }

    /// Deletes old sets beyond the revision history limit.
    pub fn clean_up(&self, client: &mut ControllerClient<'_>) {
        let Some(kept) = self.deployment["spec"]["revisionHistoryLimit"].as_i64() else { return };
        let mut old: Vec<&Value> = self.old.iter().filter(|set| set["metadata"]["deletionTimestamp"].is_null()).collect();
        let surplus = usize::try_from((old.len() as i64).saturating_sub(kept)).unwrap_or_default();
        old.sort_by_key(|set| revisions::revision(set));
        for set in old.into_iter().take(surplus) {
            let empty = replicas(set) == 0 && count(&set["status"]["replicas"]) == 0;
            if empty && count(&set["status"]["observedGeneration"]) >= count(&set["metadata"]["generation"]) {
                let _ = client.delete(SETS, set);
            }
        }
    }
}
