//! From `podid mount add` and `podid mount keep` to the graph: one secret more in a class that the state knows, and a pod that keeps a class
//! mounted.

use super::super::{
    graph::Graph,
    reference::NameOrId,
    request::{Keep, MountAdd},
};
use crate::{
    chain::facts::{Bound, Delivered, PodPatch},
    deliveries::{self, delivery::Wanted},
    engine::{
        desired::{Intent, Node},
        fault::Fault,
        input::{DependsOn, needs},
        key::Key,
    },
    modes,
    resources::{
        object::{self, Object},
        secret_provider_class::{self, SecretProviderClass, Synced},
    },
};
use serde_json::{Value, json};

/// The pause image, as the pod of a proof has it: it needs no shell, runs as nobody, and is on most nodes already.
const IMAGE: &str = "mcr.microsoft.com/oss/kubernetes/pause:3.9";
/// The longest value of a label.
const LABEL: usize = 63;

impl Graph<'_> {
    /// The secret, and the class with it and all that it already has.
    pub(super) fn mount_add(&mut self, add: &MountAdd) -> Result<(), Fault> {
        let key = secret_provider_class::key(self.cluster_ref()?.id.name(), &add.namespace, &add.class);
        let recorded: Option<SecretProviderClass> = self.context.memory.recorded(&key);
        let class = recorded.ok_or_else(|| unknown_class(&add.namespace, &add.class))?;
        let vault = match &add.vault {
            Some(named) => self.known_vault(named, add.group.as_deref())?,
            None => self.known_vault(&NameOrId::new(&class.vault_name), None)?,
        };
        if !vault.names().eq_ignore_ascii_case(&class.vault_name) {
            return Err(Fault::refused(
                format!("the class {}/{} reads the vault {}, and a class reads one vault only", add.namespace, add.class, class.vault_name),
                format!("Mount secrets of {} by a class of their own: `podid mount apply`.", vault.names()),
            ));
        }
        self.add_secret(&vault, &add.object.name, Some(add.source.clone()), None)?;
        // what its parameters refer to
        for need in needs(&serde_json::to_value(&class.identity)?) {
            self.recalled(&need)?;
        }
        let SecretProviderClass { namespace, name, mut objects, mut synced, subject, identity, .. } = class;
        let file = add.object.file();
        match objects.iter().find(|object| object.file() == file) {
            None => objects.push(add.object.clone()),
            Some(same) if same.kind.is_secret() && same.name.eq_ignore_ascii_case(&add.object.name) => {}
            Some(other) => {
                return Err(Fault::refused(
                    format!("the class {namespace}/{name} already mounts {} as the file {file}", other.id()),
                    "Give the new secret another file: `--alias FILE`.",
                ));
            }
        }
        if let Some((secret, key)) = &add.sync
            && !synced.iter().any(|one| one.secret == *secret && one.key == *key)
        {
            synced.push(Synced { secret: secret.clone(), key: key.clone(), file: file.to_owned(), of_type: None, env: None });
        }
        let wanted = Wanted { namespace, name, vault, objects, synced, subject, identity, client_id: None };
        super::deliver(deliveries::named(None)?, wanted, self).map(drop)
    }

    /// A Deployment of one pod that mounts the class, so that the driver keeps the synced Secrets: it deletes them with the last pod.
    pub(super) fn mount_keep(&mut self, keep: &Keep) -> Result<(), Fault> {
        let target = self.target()?;
        let (namespace, class) = (&keep.namespace, &keep.class);
        let key = object::key(&target.name, &deployment(namespace, class, None))?;
        if let Some(recorded) = self.context.memory.recorded::<Object>(&key).filter(|_| self.removes()) {
            for need in needs(&serde_json::to_value(&recorded)?) {
                self.recalled(&need)?;
            }
            return self.add_in_cluster(&key, &recorded, Intent::Present, &target);
        }
        if self.removes() {
            return Err(Fault::refused(
                format!("nothing of this app keeps the class {namespace}/{class} mounted"),
                "`podid state list` shows what the app has; give another app with `--app APP`.",
            ));
        }
        let (delivered, bound) = self.mounted(namespace, class)?;
        let patch = modes::of(&bound)?.pod(&bound).and(deliveries::of(&delivered)?.pod(&delivered));
        self.namespace(&target, namespace, Intent::Existing)?;
        let mut after = Vec::new();
        for key in &delivered.keys {
            self.recalled(key)?;
            after.push(DependsOn::of(key));
        }
        let manifest = deployment(namespace, class, Some(patch));
        self.add_in_cluster(
            &key,
            &Object { target: target.clone(), manifest, shared: false, is_internal: false, after },
            Intent::Present,
            &target,
        )
    }

    /// A class that the state knows, and the only binding of the pods that may mount it.
    fn mounted(&self, namespace: &str, class: &str) -> Result<(Delivered, Bound), Fault> {
        let (ledger, app) = (self.context.memory.ledger(), self.context.memory.app());
        let cluster = self.cluster_ref()?.id.name();
        let is_meant = |one: &Delivered| one.cluster.name.eq_ignore_ascii_case(cluster) && one.namespace == namespace && one.name == class;
        let delivered = deliveries::recall(ledger, app)?.into_iter().find(is_meant).ok_or_else(|| unknown_class(namespace, class))?;
        let mut bound = modes::recall(ledger, app)?;
        bound.retain(|bound| {
            bound.cluster.name.eq_ignore_ascii_case(cluster)
                && bound.namespace == namespace
                && delivered.subject.as_ref().is_none_or(|subject| *subject == bound.subject)
        });
        bound.dedup_by(|a, b| a.mode == b.mode && a.subject == b.subject);
        match (bound.pop(), bound.is_empty()) {
            (Some(bound), true) => Ok((delivered, bound)),
            (None, _) => Err(Fault::refused(
                format!("no identity of this app is bound in the namespace {namespace}, so no pod could mount {class}"),
                format!("Bind one first: `podid bind --namespace {namespace}`."),
            )),
            (Some(_), false) => Err(Fault::refused(
                format!("several identities of the namespace {namespace} could mount {class}"),
                "Write the workloads into a spec, where each names its identity: `podid up`.",
            )),
        }
    }

    /// A resource as the state has it, with all that it refers to; these are only read.
    fn recalled(&mut self, key: &Key) -> Result<(), Fault> {
        if self.desired.nodes.contains_key(key) {
            return Ok(());
        }
        let memory = self.context.memory;
        let entry = memory.ledger().get(memory.app(), key);
        let entry = entry.ok_or_else(|| {
            Fault::refused(format!("the state has no entry {key}"), "Rebuild the state from what exists: `podid state rebuild`.")
        })?;
        let node = || Node {
            key: key.clone(),
            kind: entry.kind.clone(),
            spec: entry.spec.clone(),
            intent: Intent::Existing,
            cluster: entry.cluster.clone(),
            when: None,
            follows: None,
        };
        self.desired.nodes.get_or_insert_with(key, node);
        for need in needs(&entry.spec) {
            self.recalled(&need)?;
        }
        Ok(())
    }
}

fn unknown_class(namespace: &str, class: &str) -> Fault {
    Fault::refused(
        format!("the state has no SecretProviderClass {namespace}/{class} of this app"),
        format!(
            "Create it with `podid mount apply -n {namespace} --name {class} --vault VAULT --secret NAME`, give its app with `--app APP`, or rebuild a lost state with `podid state rebuild`."
        ),
    )
}

/// `patch`: what the pod must have to be bound and to mount. None: only the place of the object.
fn deployment(namespace: &str, class: &str, patch: Option<PodPatch>) -> Value {
    let name = format!("podid-keep-{class}");
    let place = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": namespace } });
    let Some(PodPatch { mut labels, annotations, service_account, volume_mounts, volumes, .. }) = patch else { return place };
    let instance: String = class.chars().take(LABEL).collect();
    let own = json!({ "app.kubernetes.io/name": "podid-keep", "app.kubernetes.io/instance": instance.trim_end_matches(['-', '.']) });
    labels.extend(serde_json::from_value::<std::collections::BTreeMap<String, String>>(own.clone()).unwrap_or_default());
    let mut metadata = json!({ "labels": labels });
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let mut pod = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534, "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "keep",
            "image": IMAGE,
            "resources": { "requests": { "cpu": "1m", "memory": "8Mi" }, "limits": { "cpu": "50m", "memory": "32Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": volume_mounts,
        }],
        "volumes": volumes,
    });
    if let Some(account) = service_account {
        pod["serviceAccountName"] = json!(account);
    }
    let mut whole = place;
    whole["spec"] = json!({
        "replicas": 1,
        "selector": { "matchLabels": own },
        // a new pod runs before the old one ends, so that the Secret never goes
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": { "metadata": metadata, "spec": pod },
    });
    whole
}
