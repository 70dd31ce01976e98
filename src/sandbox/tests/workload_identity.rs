//! Azure Workload ID as a whole: ARM installs the webhook, which gives a pod its token; Entra exchanges it, and Key Vault answers.

use super::lab::Cluster;
use super::*;
use crate::Options;

pub const VAULT: &str = "kv-claims";
pub const PODS: &str = "/api/v1/namespaces/shop/pods";

pub struct Bench {
    pub lab: Lab,
    pub cluster: Cluster,
    pub identity: Value,
    pub issuer: String,
}

impl Bench {
    /// A bare world whose first cluster has the webhook and the CSI driver, an identity that may read the vault, and its service account.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { bare: true, ..options(dir.path(), Lateness::None) };
        let lab = Lab::with(dir, options).await;
        let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", lab.group());
        let mut body = lab.arm("GET", &path, None).await.body;
        body["properties"]["oidcIssuerProfile"] = json!({"enabled": true});
        body["properties"]["securityProfile"] = json!({"workloadIdentity": {"enabled": true}});
        body["properties"]["addonProfiles"] = json!({"azureKeyvaultSecretsProvider": {"enabled": true}});
        let changed = lab.arm("PUT", &path, Some(body)).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let issuer = changed.body["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().to_owned();
        let identity = lab.identity("shop").await;
        lab.new_vault(VAULT, true).await;
        lab.assign(&lab.vault_path(VAULT), SECRETS_OFFICER, &lab.caller().await).await;
        lab.assign(&lab.vault_path(VAULT), SECRETS_USER, identity["properties"]["principalId"].as_str().unwrap()).await;
        assert_eq!(lab.vault(VAULT, "PUT", "/secrets/db", Some(json!({"value": "canary"}))).await.status, 200);
        let cluster = Cluster::new(&lab, 0);
        let bench = Self { lab, cluster, identity, issuer };
        bench
            .until("the programs of AKS", async || {
                let pods = bench.cluster.ask("GET", "/api/v1/namespaces/kube-system/pods", None).await.body["items"].clone();
                let all = pods.as_array().unwrap();
                (all.len() == 4 && all.iter().all(|pod| pod["status"]["phase"] == "Running")).then_some(())
            })
            .await;
        bench.cluster.make("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
        let annotations = json!({"azure.workload.identity/client-id": bench.client_id()});
        let account = json!({"metadata": {"name": "web", "annotations": annotations}});
        bench.cluster.make("/api/v1/namespaces/shop/serviceaccounts", account).await;
        bench
    }

    pub fn client_id(&self) -> &str {
        self.identity["properties"]["clientId"].as_str().unwrap()
    }

    pub fn id(&self) -> &str {
        self.identity["id"].as_str().unwrap()
    }

    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..400 {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("timed out waiting for {what}: {}", self.cluster.ask("GET", "/api/v1/events", None).await.body["items"]);
    }

    /// Writes the federated credential of the identity.
    async fn trust(&self, issuer: &str, subject: &str, audience: &str) {
        let body = json!({"properties": {"issuer": issuer, "subject": subject, "audiences": [audience]}});
        let answer = self.lab.arm("PUT", &format!("{}/federatedIdentityCredentials/shop", self.id()), Some(body)).await;
        assert!(answer.status < 300, "{}", answer.body);
    }

    /// Runs podid's check in a pod of the account `web` until it ends once, and returns what it reports.
    pub async fn check(&self, name: &str, change: impl FnOnce(&mut Value)) -> (i64, String) {
        let env = json!([{"name": "KEYVAULT_URI", "value": format!("https://{VAULT}.vault.azure.net/")}]);
        let container = json!({"name": "check", "image": "curl:1", "command": ["sh", "-c", "…", "podid-check", "db"], "env": env});
        let mut pod = json!({
            "metadata": {"name": name, "labels": {"azure.workload.identity/use": "true"}},
            "spec": {"serviceAccountName": "web", "restartPolicy": "Never", "containers": [container]},
        });
        change(&mut pod);
        self.cluster.make(PODS, pod).await;
        let ended = self
            .until("the check", async || {
                let pod = self.cluster.ask("GET", &format!("{PODS}/{name}"), None).await.body;
                Some(pod["status"]["containerStatuses"][0]["state"]["terminated"].clone()).filter(Value::is_object)
            })
            .await;
        (ended["exitCode"].as_i64().unwrap(), ended["message"].as_str().unwrap().to_owned())
    }

    /// Mounts the secret by a class with these parameters, and returns the pod's last mount failure, if it does not run.
    pub async fn mount(&self, name: &str, parameters: Value) -> Result<(), String> {
        let tenant = &self.lab.sandbox.access().tenant;
        let objects = "array:\n  - |\n    objectName: db\n    objectType: secret\n";
        let mut all = json!({"keyvaultName": VAULT, "tenantID": tenant, "objects": objects, "clientID": self.client_id()});
        parameters.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
        let class = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name},
            "spec": {"provider": "azure", "parameters": all},
        });
        self.cluster.make("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses", class).await;
        let csi = json!({"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": name}});
        let pod = json!({
            "metadata": {"name": name},
            "spec": {"serviceAccountName": "web", "containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "kv", "csi": csi}]},
        });
        self.cluster.make(PODS, pod).await;
        self.until("the mount or its failure", async || {
            if self.cluster.ask("GET", &format!("{PODS}/{name}"), None).await.body["status"]["phase"] == "Running" {
                return Some(Ok(()));
            }
            let events = self.cluster.ask("GET", "/api/v1/namespaces/shop/events", None).await.body["items"].clone();
            let failed = |e: &&Value| e["reason"] == "FailedMount" && e["involvedObject"]["name"] == name;
            let event = events.as_array().unwrap().iter().find(failed).cloned()?;
            Some(Err(event["message"].as_str().unwrap().to_owned()))
        })
        .await
    }
}

const SUBJECT: &str = "system:serviceaccount:shop:web";
const EXCHANGE: &str = "api://AzureADTokenExchange";

#[tokio::test(flavor = "multi_thread")]
async fn an_app_reads_the_vault_with_the_token_that_the_webhook_gave_it() {
    let bench = Bench::new().await;
    let (exit, message) = bench.check("early", |_| {}).await;
    assert!(exit == 1 && message.starts_with("token 401 ") && message.contains("AADSTS70021: "), "{message}");
    bench.trust(&bench.issuer, SUBJECT, EXCHANGE).await;
    let (exit, message) = bench.check("app", |_| {}).await;
    let principal = bench.identity["properties"]["principalId"].as_str().unwrap();
    assert!(message.starts_with(&format!("token 200 {} {principal}\n1 200 ", bench.client_id())), "{message}");
    assert!(exit == 0 && !message.contains("canary"));
    let cases: [(&str, &str, &str, &str); 3] = [
        ("issuer", bench.issuer.trim_end_matches('/'), SUBJECT, "AADSTS700211: "),
        ("subject", &bench.issuer, "system:serviceaccount:shop:other", "AADSTS700213: "),
        ("audience", &bench.issuer, SUBJECT, "AADSTS700212: "),
    ];
    for (name, issuer, subject, number) in cases {
        let audience = if name == "audience" { "api://other" } else { EXCHANGE };
        bench.trust(issuer, subject, audience).await;
        let (exit, message) = bench.check(name, |_| {}).await;
        assert!(exit == 1 && message.starts_with("token 401 ") && message.contains(number), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_the_pod_decides_what_is_asked() {
    let bench = Bench::new().await;
    bench.trust(&bench.issuer, SUBJECT, EXCHANGE).await;
    // without the label the metadata service is asked, which does not know the identity
    let unlabelled = |pod: &mut Value| {
        pod["metadata"]["labels"] = json!({});
        pod["spec"]["containers"][0]["env"].as_array_mut().unwrap().push(json!({"name": "AZURE_CLIENT_ID", "value": bench.client_id()}));
    };
    let (_, message) = bench.check("unlabelled", unlabelled).await;
    assert!(message.starts_with("token 400 ") && message.contains("Identity not found"), "{message}");
    // a variable of the app itself stays
    let other = |pod: &mut Value| {
        let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        env.push(json!({"name": "AZURE_CLIENT_ID", "value": "22222222-2222-2222-2222-222222222222"}));
    };
    let (_, message) = bench.check("other", other).await;
    assert!(message.starts_with("token 400 ") && message.contains("AADSTS700016: "), "{message}");
    let tenant = json!({"metadata": {"name": "elsewhere", "annotations": {"azure.workload.identity/tenant-id": "no-tenant"}}});
    bench.cluster.make("/api/v1/namespaces/shop/serviceaccounts", tenant).await;
    let (_, message) = bench.check("elsewhere", |pod| pod["spec"]["serviceAccountName"] = "elsewhere".into()).await;
    assert!(message.starts_with("token 400 ") && message.contains("AADSTS90002: Tenant 'no-tenant' not found"), "{message}");
    // an account without a client id gives none
    bench.cluster.make("/api/v1/namespaces/shop/serviceaccounts", json!({"metadata": {"name": "bare"}})).await;
    let (_, message) = bench.check("bare", |pod| pod["spec"]["serviceAccountName"] = "bare".into()).await;
    assert!(message.starts_with("token 400 ") && message.contains("AADSTS900144: "), "{message}");
    // a token file that nothing mounts
    let lost = |pod: &mut Value| {
        let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        env.push(json!({"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/lost/token"}));
    };
    let (_, message) = bench.check("lost", lost).await;
    assert_eq!(message, "token 000 cannot open /lost/token: no such file or directory\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_csi_driver_mounts_with_the_token_of_the_pods_account() {
    let bench = Bench::new().await;
    let untrusted = bench.mount("early", json!({})).await.unwrap_err();
    assert!(untrusted.contains("AADSTS70021: "), "{untrusted}");
    bench.trust(&bench.issuer, SUBJECT, EXCHANGE).await;
    assert_eq!(bench.mount("late", json!({})).await, Ok(()));
    let driver = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";
    let mut object = bench.cluster.ask("GET", driver, None).await.body;
    object["spec"]["tokenRequests"] = json!([]);
    assert_eq!(bench.cluster.ask("PUT", driver, Some(&object)).await.status, 200);
    let refused = bench.mount("without", json!({})).await.unwrap_err();
    assert!(refused.contains("failed to parse workload identity tokens, error: service account tokens not found"), "{refused}");
}
