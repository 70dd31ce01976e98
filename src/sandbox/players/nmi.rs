//! NMI of AAD Pod Identity 1.8: a token for a pod, from the metadata service, by the identity that MIC has assigned to that pod.
//! Its host endpoint is a method here; who calls it is the CSI provider.

use super::arm::refused_token;
use super::desk::Desk;
use super::kube::Kube;
use super::mic::is_namespaced;
use super::mirror::{Mirror, keep};
use super::wire::{Azure, METADATA};
use super::{Config, Players};
use base64::Engine;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long it looks for an identity in any state, and then for one that is assigned: 16 and 4 tries, 5 s apart, in the real one (its texts
/// name those). Scaled down: the lab's MIC is as fast.
const CREATED: Duration = Duration::from_secs(20);
const ASSIGNED: Duration = Duration::from_secs(5);

pub(super) struct Nmi {
    kube: Kube,
    azure: Azure,
    desk: Arc<Desk>,
    assigned: Arc<Mirror>,
    /// For one in any state, and then for one that is assigned.
    waits: (Duration, Duration),
}

/// What the host endpoint refuses with: status and body.
pub(super) struct No {
    pub(super) status: u16,
    pub(super) body: String,
}

impl No {
    fn new(status: u16, text: impl std::fmt::Display) -> Self {
        Self { status, body: format!("{text}\n") } // Go's http.Error ends its line
    }
}

impl Nmi {
    pub(super) fn start(config: &Config, players: &mut Players) -> Result<Arc<Self>, String> {
        let (kube, azure) = (Kube::new(&config.kube, "nmi", "nmi/v1.8.17")?, Azure::new(config, "nmi")?);
        let desk = players.desk();
        let (assigned, keeping) = keep(&kube, "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities", &desk, false);
        players.play(keeping);
        Ok(Arc::new(Self { kube, azure, desk, assigned, waits: (CREATED, ASSIGNED) }))
    }

    /// GET /host/token/?resource=… with the headers podname and podns. May take as long as the waits above; the caller is not busy meanwhile.
    pub(super) async fn token(&self, caller: &Desk, namespace: &str, pod: &str, resource: &str) -> Result<String, No> {
        let identity = caller.away(self.identity(namespace, pod)).await?;
        let _work = self.desk.work();
        let spec = &identity["spec"];
        let client_id = spec["clientID"].as_str().unwrap_or_default();
        let said = match spec["type"].as_i64().unwrap_or_default() {
            0 => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("api-version", "2018-02-01"), ("client_id", client_id), ("resource", resource)])
                    .finish();
                let endpoint = format!("{METADATA}?{query}");
                self.azure.metadata(&query).await.map(|said| (said, endpoint))
            }
            1 => {
                let secret = self.password(spec).await?;
                let tenant = spec["tenantID"].as_str().unwrap_or_default();
                let endpoint = format!("https://login.microsoftonline.com/{tenant}/oauth2/token?api-version=1.0");
                let form =
                    [("client_id", client_id), ("client_secret", &secret), ("grant_type", "client_credentials"), ("resource", resource)];
                self.azure.form(&endpoint, &form).await.map(|said| (said, endpoint))
            }
            other => return Err(No::new(403, format!("unsupported identity type {other}"))),
        };
        let (said, endpoint) = said.map_err(|e| No::new(403, format!("adal: Failed to execute the refresh request. Error = '{e}'")))?;
        let body = said.json();
        match body["access_token"].as_str().filter(|_| said.ok()) {
            Some(token) => Ok(token.to_owned()),
            None => Err(No::new(403, refused_token(&said, &endpoint))),
        }
    }

    async fn identity(&self, namespace: &str, pod: &str) -> Result<Value, No> {
        let start = Instant::now();
        let mut changes = self.assigned.changes();
        loop {
            let mut created = false;
            for assigned in self.assigned.all() {
                let spec = &assigned["spec"];
                if spec["pod"] != pod || spec["podNamespace"] != namespace {
                    continue;
                }
                match assigned["status"]["status"].as_str().unwrap_or_default() {
                    "Assigned" | "" => {
                        let identity = &spec["azureIdentityRef"];
                        if !is_namespaced(identity) || identity["metadata"]["namespace"] == namespace {
                            return Ok(identity.clone());
                        }
                    }
                    "Created" => created = true,
                    _ => {}
                }
            }
            let limit = if created { self.waits.0 + self.waits.1 } else { self.waits.0 };
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                let (status, state, tries) = if created { (403, "ASSIGNED", 20) } else { (404, "CREATED", 16) };
                return Err(No::new(
                    status,
                    format!(
                        "getting assigned identities for pod {namespace}/{pod} in {state} state failed after {tries} attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors"
                    ),
                ));
            }
            let _ = tokio::time::timeout(left, changes.changed()).await;
        }
    }

    /// The one value of the Secret: NMI takes whichever it meets first.
    async fn password(&self, spec: &Value) -> Result<String, No> {
        let text = |name: &str| spec["clientPassword"][name].as_str().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/secrets/{}", text("namespace"), text("name"));
        let secret = self.kube.get(&path).await.map_err(|e| No::new(403, e.text))?;
        let value = secret["data"].as_object().and_then(|data| data.values().next()).and_then(Value::as_str).unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| No::new(403, "the client secret is no text"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KubeAccess, Login};
    use super::*;
    use serde_json::json;

    fn alone() -> Nmi {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let url = "http://127.0.0.1:1".to_owned();
        let config = Config {
            cluster: "c".into(),
            proxy: url.clone(),
            ca_pem: made.cert.pem(),
            kube: KubeAccess { server: url, ..KubeAccess::default() },
            foreign: false,
            tenant: "t".into(),
            subscription: "s".into(),
            node_group: "g".into(),
            scale_set: "v".into(),
            login: Login::Managed { client_id: "k".into() },
        };
        let (kube, azure) = (Kube::new(&config.kube, "nmi", "nmi").unwrap(), Azure::new(&config, "nmi").unwrap());
        let waits = (Duration::from_millis(60), Duration::from_millis(60));
        Nmi { kube, azure, desk: Arc::default(), assigned: Mirror::new(), waits }
    }

    fn assigned(state: &str) -> Value {
        let identity = json!({ "metadata": { "name": "id", "namespace": "shop" }, "spec": { "clientID": "x" } });
        let spec = json!({ "pod": "app", "podNamespace": "shop", "azureIdentityRef": identity });
        json!({ "metadata": { "name": "app-shop-id", "namespace": "shop" }, "spec": spec, "status": { "status": state } })
    }

    #[tokio::test]
    async fn a_pod_without_an_identity_is_refused_after_a_while_in_the_words_of_nmi() {
        let nmi = alone();
        let desk = Arc::new(Desk::default());
        let _work = desk.work();
        let no = nmi.token(&desk, "shop", "app", "r").await.err().unwrap();
        let text = "getting assigned identities for pod shop/app in CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors\n";
        assert_eq!((no.status, no.body.as_str()), (404, text));
        nmi.assigned.see(assigned("Created"));
        let no = nmi.token(&desk, "shop", "app", "r").await.err().unwrap();
        assert!(no.status == 403 && no.body.contains("in ASSIGNED state failed after 20 attempts"), "{}", no.body);
    }

    #[tokio::test]
    async fn an_identity_that_is_assigned_meanwhile_is_found() {
        let nmi = alone();
        let late = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            nmi.assigned.see(assigned("Assigned"));
        };
        let (found, ()) = tokio::join!(nmi.identity("shop", "app"), late);
        assert_eq!(found.ok().unwrap()["spec"]["clientID"], "x");
    }
}
