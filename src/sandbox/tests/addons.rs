//! What ARM installs into a cluster: the add-on for Key Vault secrets and the webhook for workload identities.

use super::lab::Cluster;
use super::*;
use crate::Options;

const DAEMONS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
const DRIVER: &str = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io";
const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses";

async fn bare_lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { bare: true, ..options(dir.path(), Lateness::None) };
    Lab::with(dir, options).await
}

fn path(lab: &Lab, name: &str) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", lab.group())
}

/// Reads a cluster, changes its properties, and writes it back, as az does.
async fn change(lab: &Lab, name: &str, with: impl FnOnce(&mut Value)) -> Answer {
    let mut body = lab.arm("GET", &path(lab, name), None).await.body;
    with(&mut body["properties"]);
    lab.arm("PUT", &path(lab, name), Some(body)).await
}

async fn set_secrets(lab: &Lab, name: &str, enabled: bool) -> Answer {
    let config = json!({"enableSecretRotation": "true", "rotationPollInterval": "5m"});
    let profile = if enabled { json!({"enabled": true, "config": config}) } else { json!({"enabled": false}) };
    change(lab, name, |properties| properties["addonProfiles"] = json!({"azureKeyvaultSecretsProvider": profile})).await
}

/// Waits until all pods of the daemon sets run, and returns the sets.
async fn ready(cluster: &Cluster) -> Vec<Value> {
    for _ in 0..200 {
        let sets = cluster.ask("GET", DAEMONS, None).await.body["items"].as_array().unwrap().clone();
        if sets.iter().all(|set| set["status"]["numberReady"] == 1) {
            return sets;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the daemon sets are not ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_add_on_for_secrets_is_installed_and_removed() {
    let lab = bare_lab().await;
    let cluster = Cluster::new(&lab, 0);
    let before = lab.control("GET", "/export", None).await.body;
    let made = set_secrets(&lab, "aks-mi", true).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.header("azure-asyncoperation").contains("/operations/"));
    let profile =
        lab.arm("GET", &path(&lab, "aks-mi"), None).await.body["properties"]["addonProfiles"]["azureKeyvaultSecretsProvider"].clone();
    let id = profile["identity"]["resourceId"].as_str().unwrap();
    assert!(id.ends_with("/userAssignedIdentities/azurekeyvaultsecretsprovider-aks-mi") && id.contains("/resourcegroups/MC_"), "{profile}");
    let identity = lab.arm("GET", id, None).await.body["properties"].clone();
    assert_eq!((&profile["identity"]["clientId"], &profile["identity"]["objectId"]), (&identity["clientId"], &identity["principalId"]));
    assert_eq!(profile["config"]["rotationPollInterval"], "5m");
    let sets = ready(&cluster).await;
    let names: Vec<&str> = sets.iter().map(|set| set["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["aks-secrets-store-csi-driver", "aks-secrets-store-provider-azure"]);
    assert!(sets[0].to_string().contains("--rotation-poll-interval=5m") && sets[0].to_string().contains("--enable-secret-rotation=true"));
    assert_eq!(cluster.ask("GET", DRIVER, None).await.body["metadata"]["labels"]["kubernetes.azure.com/managedby"], "aks");
    // the other cluster has none
    assert_eq!(Cluster::new(&lab, 1).ask("GET", DRIVER, None).await.status, 404);
    // a class keeps it from being disabled
    let class = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "c"}, "spec": {"provider": "azure"}});
    cluster.make(CLASSES, class).await;
    let refused = set_secrets(&lab, "aks-mi", false).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("BadRequest")));
    assert_eq!(refused.body["message"], "AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes");
    cluster.ask("DELETE", &format!("{CLASSES}/c"), None).await;
    assert_eq!(set_secrets(&lab, "aks-mi", false).await.status, 200);
    assert_eq!(cluster.ask("GET", DRIVER, None).await.status, 404);
    assert_eq!(cluster.ask("GET", CRDS, None).await.body["items"], json!([]));
    assert_eq!(lab.arm("GET", id, None).await.status, 404);
    let after = lab.control("GET", "/export", None).await.body;
    assert_eq!(after["kubernetes"], before["kubernetes"]);
    let now = lab.arm("GET", &path(&lab, "aks-mi"), None).await.body["properties"]["addonProfiles"].clone();
    assert_eq!(now, json!({"azureKeyvaultSecretsProvider": {"enabled": false, "config": null}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_add_on_survives_and_follows_its_settings() {
    let lab = bare_lab().await;
    set_secrets(&lab, "aks-sp", true).await;
    ready(&Cluster::new(&lab, 1)).await;
    // a cluster with a service principal gives the add-on no identity
    let profile =
        lab.arm("GET", &path(&lab, "aks-sp"), None).await.body["properties"]["addonProfiles"]["azureKeyvaultSecretsProvider"].clone();
    assert!(profile["enabled"] == true && profile.get("identity").is_none(), "{profile}");
    let before = lab.control("GET", "/export", None).await.body;
    let lab = lab.again(Lateness::None).await;
    assert_eq!(lab.control("GET", "/export", None).await.body, before);
    change(&lab, "aks-sp", |properties| {
        properties["addonProfiles"]["azureKeyvaultSecretsProvider"]["config"]["enableSecretRotation"] = json!("false");
    })
    .await;
    let set = Cluster::new(&lab, 1).ask("GET", &format!("{DAEMONS}/aks-secrets-store-csi-driver"), None).await.body;
    assert!(set.to_string().contains("--enable-secret-rotation=false"), "{set}");
}

/// Two drivers would fight for one socket.
#[tokio::test(flavor = "multi_thread")]
async fn the_add_on_leaves_the_driver_of_a_chart_alone() {
    let lab = Lab::new(Lateness::None).await;
    let cluster = Cluster::new(&lab, 0);
    let before = lab.control("GET", "/export", None).await.body["kubernetes"].clone();
    assert_eq!(set_secrets(&lab, "aks-mi", true).await.status, 200);
    assert_eq!(set_secrets(&lab, "aks-mi", false).await.status, 200);
    assert_eq!(cluster.ask("GET", DRIVER, None).await.status, 200);
    assert_eq!(lab.control("GET", "/export", None).await.body["kubernetes"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_for_workload_identities_is_installed_and_removed() {
    let lab = bare_lab().await;
    let cluster = Cluster::new(&lab, 1);
    let webhook = "/apis/apps/v1/namespaces/kube-system/deployments/azure-wi-webhook-controller-manager";
    let set = async |enabled: bool| {
        let changed = change(&lab, "aks-sp", |properties| {
            properties["oidcIssuerProfile"] = json!({"enabled": true});
            properties["securityProfile"] = json!({"workloadIdentity": {"enabled": enabled}});
        });
        changed.await
    };
    let answer = set(true).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().starts_with("https://westeurope.oic.prod-aks."));
    assert_eq!(answer.body["properties"]["securityProfile"]["workloadIdentity"]["enabled"], true);
    for tries in 0.. {
        let deployment = cluster.ask("GET", webhook, None).await.body;
        if deployment["status"]["readyReplicas"] == 2 {
            break;
        }
        assert!(tries < 200, "the webhook does not run: {deployment}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let hook = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/azure-wi-webhook-mutating-webhook-configuration";
    assert_eq!(cluster.ask("GET", hook, None).await.body["webhooks"][0]["clientConfig"]["service"]["namespace"], "kube-system");
    // the API server signs for the issuer that was enabled just now, also after a restart
    let issuer = answer.body["properties"]["oidcIssuerProfile"]["issuerURL"].clone();
    let published = "/.well-known/openid-configuration";
    assert_eq!(cluster.ask("GET", published, None).await.body["issuer"], issuer);
    let lab = lab.again(Lateness::None).await;
    let cluster = Cluster::new(&lab, 1);
    assert_eq!(cluster.ask("GET", published, None).await.body["issuer"], issuer);
    change(&lab, "aks-sp", |properties| properties["securityProfile"] = json!({"workloadIdentity": {"enabled": false}})).await;
    assert_eq!(cluster.ask("GET", webhook, None).await.status, 404);
    assert_eq!(cluster.ask("GET", hook, None).await.status, 404);
}
