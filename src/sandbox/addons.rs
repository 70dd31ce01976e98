//! Installs into a cluster what its ARM document asks for: the add-ons for Key Vault secrets and for pod identity, and the webhook for
//! workload identities. It writes to the sandbox's own clusters and to external ones in the same way.

use super::{
    azure::{
        clusters::{
            addons::{self, SecretsProvider},
            pod_identity::{self, PodIdentity},
        },
        hosts,
    },
    components::KubeError,
    http::{Body, Request},
    kube::{
        addons::{self as objects, WorkloadIdentity},
        gateway_api,
    },
    running::Running,
    webhook,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses";
const DRIVER: &str = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";

/// How long a deletion, or a new kind, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

fn is_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// What ARM says about one cluster.
struct Wanted {
    cluster: String,
    secrets: Option<Option<SecretsProvider>>,
    workload_identity: Option<bool>,
    webhook: WorkloadIdentity,
    pod_identity: Option<Option<PodIdentity>>,
    /// The definitions of the Gateway API.
    gateway_api: Option<bool>,
    /// Application routing with the Gateway API.
    routing: Option<bool>,
}

impl Running {
    /// Counts the SecretProviderClasses of each cluster that mentions the add-on.
    pub async fn mounted_classes(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for wanted in self.wanted_addons() {
            if wanted.secrets.flatten().is_some()
                && let Ok(list) = self.ask_cluster(&wanted.cluster, "GET", CLASSES, &Value::Null).await
            {
                all.insert(wanted.cluster, list["items"].as_array().map_or(0, Vec::len));
            }
        }
        all
    }

    /// Makes the clusters have the add-ons that ARM says, and no others that were installed for it. A failure is logged.
    pub async fn sync_addons(&self) {
        for wanted in self.wanted_addons() {
            if let Err(refusal) = self.sync_cluster(&wanted).await {
                tracing::error!("could not install the add-ons of {}: {}", wanted.cluster, refusal.text);
            }
        }
    }

    fn wanted_addons(&self) -> Vec<Wanted> {
        let azure = self.azure();
        let all = azure.clusters.values().filter(|cluster| cluster.ending.is_none()).map(|cluster| {
            let (gateway_api, routing) = addons::gateways(cluster);
            Wanted {
                cluster: cluster.name.clone(),
                secrets: addons::secrets_provider(cluster),
                workload_identity: addons::workload_identity(cluster),
                webhook: WorkloadIdentity { tenant: azure.tenant.clone(), token_proxy: hosts::token_proxy(&cluster.name) },
                pod_identity: pod_identity::settings(&azure, cluster),
                gateway_api,
                routing,
            }
        });
        let is_mentioned = |w: &Wanted| {
            w.secrets.is_some() || w.pod_identity.is_some() || [w.workload_identity, w.gateway_api, w.routing].iter().any(Option::is_some)
        };
        all.filter(is_mentioned).collect()
    }

    async fn sync_cluster(&self, wanted: &Wanted) -> Result<(), KubeError> {
        match &wanted.secrets {
            // a driver of another installer stays alone: two would fight for its socket
            Some(Some(settings)) if self.has_no_other_driver(&wanted.cluster).await? => {
                self.install(&wanted.cluster, &objects::secrets_provider(settings.rotation, settings.interval.as_deref())).await?;
            }
            Some(None) => self.uninstall(&wanted.cluster, &objects::secrets_provider(false, None)).await?,
            _ => {}
        }
        if let Some(addon) = &wanted.pod_identity {
            self.sync_pod_identity(&wanted.cluster, addon.as_ref()).await?;
        }
        let mut webhook = objects::workload_identity(&wanted.webhook);
        if self.stand_ins.contains_key(&wanted.cluster) {
            let all = webhook.iter_mut().map(|(_, object)| object);
            all.for_each(|object| webhook::redirect(self, &wanted.cluster, object));
        }
        // application routing works on the definitions of the Gateway API, so it is removed before them
        let routing = wanted.routing.map(|on| on && wanted.gateway_api == Some(true));
        let parts = [
            (wanted.workload_identity, webhook),
            (routing.filter(|on| !on), gateway_api::application_routing()),
            (wanted.gateway_api, gateway_api::definitions()),
            (routing.filter(|on| *on), gateway_api::application_routing()),
        ];
        for (installed, all) in parts {
            match installed {
                Some(true) => self.install(&wanted.cluster, &all).await?,
                Some(false) => self.uninstall(&wanted.cluster, &all).await?,
                None => {}
            }
        }
        Ok(())
    }

    async fn has_no_other_driver(&self, cluster: &str) -> Result<bool, KubeError> {
        match self.ask_cluster(cluster, "GET", DRIVER, &Value::Null).await {
            Ok(driver) => Ok(objects::is_managed(&driver)),
            Err(refusal) if refusal.is_absent() => Ok(true),
            Err(refusal) => Err(refusal),
        }
    }

    async fn install(&self, cluster: &str, all: &[(String, Value)]) -> Result<(), KubeError> {
        for (path, object) in all {
            let began = Instant::now();
            // a real server serves a new kind only some time after its definition
            while let Err(refusal) = self.ask_cluster(cluster, "PATCH", path, object).await {
                if !refusal.is_absent() || began.elapsed() >= PATIENCE {
                    return Err(refusal);
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Deletes the objects, the last one first. An object that others made under the same name stays.
    pub(super) async fn uninstall(&self, cluster: &str, all: &[(String, Value)]) -> Result<(), KubeError> {
        for (path, _) in all.iter().rev() {
            let deleted = match self.ask_cluster(cluster, "GET", path, &Value::Null).await {
                Ok(object) if objects::is_managed(&object) => self.ask_cluster(cluster, "DELETE", path, &json!({})).await.map(drop),
                other => other.map(drop),
            };
            match deleted {
                Err(refusal) if !refusal.is_absent() => return Err(refusal),
                _ => {}
            }
        }
        // a definition is deleted after its objects; one that is installed again before that would be deleted, too
        for (path, _) in all {
            let began = Instant::now();
            while began.elapsed() < PATIENCE && self.ask_cluster(cluster, "GET", path, &Value::Null).await.is_ok_and(|o| is_deleted(&o)) {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Sends a request to a cluster as its administrator. PATCH is a server-side apply.
    pub(super) async fn ask_cluster(&self, cluster: &str, method: &str, path: &str, body: &Value) -> Result<Value, KubeError> {
        if let Some(stand_in) = self.stand_ins.get(cluster) {
            return match method {
                "PATCH" => stand_in.client().apply_by_force(path, objects::MANAGER, body).await,
                "POST" => stand_in.client().post(path, body).await,
                "DELETE" => stand_in.client().delete(path, body).await.map(|()| Value::Null),
                _ => stand_in.client().get(path).await,
            };
        }
        let absent = || KubeError { status: 404, text: format!("the cluster {cluster} does not exist") };
        let own = self.clusters().into_iter().find(|own| own.name == cluster).ok_or_else(absent)?;
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", self.keys.admin_token))];
        let (query, bytes) = match method {
            "PATCH" => {
                headers.push(("content-type".to_owned(), "application/apply-patch+yaml".to_owned()));
                (format!("fieldManager={}&force=true", objects::MANAGER), Bytes::from(body.to_string()))
            }
            "POST" => (String::new(), Bytes::from(body.to_string())),
            _ => (String::new(), Bytes::new()),
        };
        let request = Request { method: method.to_owned(), host: own.fqdn.clone(), path: path.to_owned(), query, headers, body: bytes };
        let answer = own.kube.answer(&request).await;
        let Body::Full(bytes) = answer.body else { return Ok(Value::Null) };
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if answer.status < 300 {
            return Ok(value);
        }
        Err(KubeError { status: answer.status, text: value["message"].as_str().unwrap_or_default().to_owned() })
    }
}
