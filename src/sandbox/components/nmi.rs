//! NMI of AAD Pod Identity 1.8: it gets a token for a pod from the metadata service, for the identity that MIC assigned to the pod, or in
//! managed mode for the one that the pod's binding leads to. Its host endpoint is a method that the CSI provider calls.

use super::activity::Activity;
use super::arm::refused_token;
use super::config::Config;
use super::klog::Klog;
use super::kube::KubeClient;
use super::mic::{GROUP, is_namespaced};
use super::mirror::{Mirror, keep};
use super::tasks::RunningComponents;
use super::wire::{AzureClient, METADATA};
use crate::programs::Program;
use base64::Engine;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long NMI looks for an identity in any state, and then for an assigned one. The real one tries 16 and 4 times, 5 s apart, as its
/// messages say. The times are shorter here, because the simulated MIC is faster.
const CREATED: Duration = Duration::from_secs(20);
const ASSIGNED: Duration = Duration::from_secs(5);

pub(super) struct Nmi {
    kube: KubeClient,
    azure: AzureClient,
    activity: Arc<Activity>,
    assigned: Arc<Mirror>,
    log: Klog,
    /// For an identity in any state, and then for an assigned one.
    waits: (Duration, Duration),
}

/// Where NMI is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// By the provider and the FlexVolume driver, for a pod.
    Host,
    /// By the pod, in place of the metadata service.
    Metadata,
}

impl Endpoint {
    fn path(self) -> &'static str {
        match self {
            Self::Host => "/host/token/",
            Self::Metadata => "/metadata/identity/oauth2/token",
        }
    }
}

/// A request to the host endpoint, or one of a pod to the metadata service.
pub(super) struct TokenRequest<'a> {
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    /// The node of the pod, whose NMI is asked.
    pub(super) node: &'a str,
    pub(super) endpoint: Endpoint,
    pub(super) resource: &'a str,
    /// Whether NMI runs in managed mode: without MIC, and only for identities of the pod's namespace.
    pub(super) managed: bool,
    /// The identity that is asked for; None: the first one.
    pub(super) client_id: Option<&'a str>,
    /// Whether NMI serves only identities of the pod's namespace.
    pub(super) force_namespaced: bool,
}

/// The status and body of a refusal of the host endpoint.
pub(super) struct NmiError {
    pub(super) status: u16,
    pub(super) body: String,
}

impl NmiError {
    fn new(status: u16, text: impl std::fmt::Display) -> Self {
        Self { status, body: format!("{text}\n") } // Go's http.Error adds a newline
    }
}

impl Nmi {
    pub(super) fn start(config: &Config, components: &mut RunningComponents) -> Result<Arc<Self>, String> {
        let (kube, azure) = (KubeClient::new(&config.kube, "nmi", "nmi/v1.8.17")?, AzureClient::new(config, "nmi")?);
        let activity = components.activity();
        let (assigned, keeping) = keep(&kube, "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities", &activity, false);
        components.spawn(keeping);
        let log = Klog::new(&config.logs, Program::Nmi);
        Ok(Arc::new(Self { kube, azure, activity, assigned, log, waits: (CREATED, ASSIGNED) }))
    }

    /// Answers GET /host/token/?resource=… with the headers podname and podns. It may take as long as the waits above; the caller does not
    /// count as busy meanwhile.
    pub(super) async fn token(&self, caller: &Activity, asked: &TokenRequest<'_>) -> Result<String, NmiError> {
        let begun = Instant::now();
        let answer = self.answer(caller, asked).await;
        let (status, took) = (answer.as_ref().map_or_else(|no| no.status, |_| 200), begun.elapsed().as_nanos());
        let text = format!("status ({status}) took {took} ns for req.method=GET reg.path={} req.remote=127.0.0.1", asked.endpoint.path());
        self.log.info(asked.node, "server.go:239", &text);
        answer
    }

    async fn answer(&self, caller: &Activity, asked: &TokenRequest<'_>) -> Result<String, NmiError> {
        let TokenRequest { namespace, pod, node, .. } = *asked;
        let host = asked.endpoint == Endpoint::Host;
        let identity = caller.while_idle(self.identity(asked)).await.inspect_err(|no| {
            let (source, what) = match host {
                true => ("server.go:281", "failed to get identities".to_owned()),
                false => ("server.go:427", format!("failed to get matching identities for pod: {namespace}/{pod}")),
            };
            self.log.error(node, source, &format!("{what}, error: {}", no.body.trim_end()));
        })?;
        let _work = self.activity.busy();
        let own = |name: &str| identity["metadata"][name].as_str().unwrap_or_default();
        let request = match asked.client_id {
            None => "no clientID or resourceID in request. ".to_owned(),
            Some(id) => format!("clientID in request: {}, ", redacted(id)),
        };
        let source = if asked.client_id.is_none() { "standard.go:73" } else { "standard.go:80" };
        let matched = format!("{request}{namespace}/{pod} has been matched with azure identity {}/{}", own("namespace"), own("name"));
        self.log.info(node, source, &matched);
        self.token_of(&identity, asked.resource).await.inspect_err(|no| {
            let source = if host { "server.go:287" } else { "server.go:441" };
            let text = format!("failed to get service principal token for pod:{namespace}/{pod}, error: {}", no.body.trim_end());
            self.log.error(node, source, &text);
        })
    }

    async fn token_of(&self, identity: &Value, resource: &str) -> Result<String, NmiError> {
        let spec = &identity["spec"];
        let client_id = spec["clientID"].as_str().unwrap_or_default();
        let reply = match spec["type"].as_i64().unwrap_or_default() {
            0 => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("api-version", "2018-02-01"), ("client_id", client_id), ("resource", resource)])
                    .finish();
                let endpoint = format!("{METADATA}?{query}");
                self.azure.metadata(&query).await.map(|reply| (reply, endpoint))
            }
            1 => {
                let secret = self.password(spec).await?;
                let tenant = spec["tenantID"].as_str().unwrap_or_default();
                let endpoint = format!("https://login.microsoftonline.com/{tenant}/oauth2/token?api-version=1.0");
                let form =
                    [("client_id", client_id), ("client_secret", &secret), ("grant_type", "client_credentials"), ("resource", resource)];
                self.azure.form(&endpoint, &form).await.map(|reply| (reply, endpoint))
            }
            other => return Err(NmiError::new(403, format!("unsupported identity type {other}"))),
        };
        let (reply, endpoint) =
            reply.map_err(|e| NmiError::new(403, format!("adal: Failed to execute the refresh request. Error = '{e}'")))?;
        let body = reply.json();
        match body["access_token"].as_str().filter(|_| reply.ok()) {
            Some(token) => Ok(token.to_owned()),
            None => Err(NmiError::new(403, refused_token(&reply, &endpoint))),
        }
    }

    async fn identity(&self, asked: &TokenRequest<'_>) -> Result<Value, NmiError> {
        if asked.managed {
            return self.managed_identity(asked).await;
        }
        let TokenRequest { namespace, pod, client_id, .. } = *asked;
        let wanted = client_id.map(|id| format!("clientID in request: {}, ", redacted(id))).unwrap_or_default();
        let start = Instant::now();
        let mut changes = self.assigned.changes();
        loop {
            let mut created = false;
            for assigned in self.assigned.all() {
                let spec = &assigned["spec"];
                if spec["pod"] != pod || spec["podNamespace"] != namespace {
                    continue;
                }
                let own = spec["azureIdentityRef"]["spec"]["clientID"].as_str().unwrap_or_default();
                if client_id.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(own)) {
                    continue;
                }
                match assigned["status"]["status"].as_str().unwrap_or_default() {
                    "Assigned" | "" => {
                        let identity = &spec["azureIdentityRef"];
                        let own_namespace = asked.force_namespaced || is_namespaced(identity);
                        if !own_namespace || identity["metadata"]["namespace"] == namespace {
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
                return Err(NmiError::new(
                    status,
                    format!(
                        "{wanted}getting assigned identities for pod {namespace}/{pod} in {state} state failed after {tries} attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors"
                    ),
                ));
            }
            let _ = tokio::time::timeout(left, changes.changed()).await;
        }
    }

    /// Returns the identity of the first binding with the pod's label. It does not wait (pkg/nmi/managed.go).
    async fn managed_identity(&self, asked: &TokenRequest<'_>) -> Result<Value, NmiError> {
        let TokenRequest { namespace, pod, client_id, .. } = *asked;
        let pod = self.kube.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).await;
        let pod = pod.map_err(|e| NmiError::new(404, format!("failed to get pod {namespace}/{}, err: {}", asked.pod, e.text)))?;
        let list = async |plural: &str| {
            let all = self.kube.get(&format!("{GROUP}/namespaces/{namespace}/{plural}")).await;
            let all = all.map_err(|e| NmiError::new(404, e.text))?;
            Ok::<Vec<Value>, NmiError>(all["items"].as_array().cloned().unwrap_or_default())
        };
        let (bindings, identities) = (list("azureidentitybindings").await?, list("azureidentities").await?);
        let label = &pod["metadata"]["labels"]["aadpodidbinding"];
        let fits = |binding: &&Value| label.is_string() && binding["spec"]["selector"] == *label;
        let leads_to = |binding: &Value| identities.iter().find(|i| i["metadata"]["name"] == binding["spec"]["azureIdentity"]).cloned();
        let asked_for = |identity: &Value| {
            client_id.is_none_or(|id| identity["spec"]["clientID"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)))
        };
        let found = bindings.iter().filter(fits).filter_map(leads_to).find(asked_for);
        let redacted = client_id.map(redacted).unwrap_or_default();
        found.ok_or_else(|| NmiError::new(404, format!("no azure identity found for request clientID {redacted}")))
    }

    /// Returns the only value of the Secret. NMI uses the first one that it finds.
    async fn password(&self, spec: &Value) -> Result<String, NmiError> {
        let text = |name: &str| spec["clientPassword"][name].as_str().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/secrets/{}", text("namespace"), text("name"));
        let secret = self.kube.get(&path).await.map_err(|e| NmiError::new(403, e.text))?;
        let value = secret["data"].as_object().and_then(|data| data.values().next()).and_then(Value::as_str).unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| NmiError::new(403, "the client secret is not text"))
    }
}

/// Shows the first and the last four characters, as NMI does in its messages.
fn redacted(id: &str) -> String {
    let (first, last) = (id.get(..4).unwrap_or_default(), id.len().checked_sub(4).and_then(|at| id.get(at..)).unwrap_or_default());
    format!("{first}##### REDACTED #####{last}")
}

#[cfg(test)]
mod tests {
    use super::super::{KubeAccess, Login};
    use super::*;
    use crate::program_logs::ProgramLogs;
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
            by_workload: false,
            tenant: "t".into(),
            token_proxy: String::new(),
            subscription: "s".into(),
            node_group: "g".into(),
            scale_set: "v".into(),
            login: Login::Managed { client_id: "k".into() },
            logs: ProgramLogs::default(),
        };
        let (kube, azure) = (KubeClient::new(&config.kube, "nmi", "nmi").unwrap(), AzureClient::new(&config, "nmi").unwrap());
        let waits = (Duration::from_millis(60), Duration::from_millis(60));
        let log = Klog::new(&config.logs, Program::Nmi);
        Nmi { kube, azure, activity: Arc::default(), assigned: Mirror::new(), log, waits }
    }

    fn asked(pod: &str) -> TokenRequest<'_> {
        let (node, endpoint) = ("n1", Endpoint::Host);
        TokenRequest { namespace: "shop", pod, node, endpoint, resource: "r", managed: false, client_id: None, force_namespaced: false }
    }

    fn assigned(state: &str) -> Value {
        let identity = json!({ "metadata": { "name": "id", "namespace": "shop" }, "spec": { "clientID": "x" } });
        let spec = json!({ "pod": "app", "podNamespace": "shop", "azureIdentityRef": identity });
        json!({ "metadata": { "name": "app-shop-id", "namespace": "shop" }, "spec": spec, "status": { "status": state } })
    }

    #[tokio::test]
    async fn a_pod_without_an_identity_is_refused_after_a_while_with_nmis_message() {
        let nmi = alone();
        let activity = Arc::new(Activity::default());
        let _work = activity.busy();
        let no = nmi.token(&activity, &asked("app")).await.err().unwrap();
        let text = "getting assigned identities for pod shop/app in CREATED state failed after 16 attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors\n";
        assert_eq!((no.status, no.body.as_str()), (404, text));
        nmi.assigned.store(assigned("Created"));
        let no = nmi.token(&activity, &asked("app")).await.err().unwrap();
        assert!(no.status == 403 && no.body.contains("in ASSIGNED state failed after 20 attempts"), "{}", no.body);
    }

    #[tokio::test]
    async fn an_identity_that_is_assigned_during_the_wait_is_found() {
        let nmi = alone();
        let late = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            nmi.assigned.store(assigned("Assigned"));
        };
        let request = asked("app");
        let (found, ()) = tokio::join!(nmi.identity(&request), late);
        assert_eq!(found.ok().unwrap()["spec"]["clientID"], "x");
    }
}
