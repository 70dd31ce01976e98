//! The provider with the service account token of the pod: exchanged at Entra, or at the token proxy of an identity binding.

use super::{CLIENT, Component, Fake, RunningComponents, class, failed_mount, is_running, json, never_leaked, pod, start, until};
use serde_json::Value;

const EXCHANGE: &str = "api://AzureADTokenExchange";
const BINDING: &str = "api://AKSIdentityBinding";

/// Stores a pod of the account `web`, its class with the client id, and the CSIDriver with these audiences.
fn lab(fake: &Fake, audiences: &[&str], proxy: bool) -> RunningComponents {
    let requests: Vec<Value> = audiences.iter().map(|audience| json!({ "audience": audience })).collect();
    fake.put("csidrivers", json!({ "metadata": { "name": "secrets-store.csi.k8s.io" }, "spec": { "tokenRequests": requests } }));
    class(fake, |class| {
        let parameters = &mut class["spec"]["parameters"];
        parameters["usePodIdentity"] = "false".into();
        parameters["clientID"] = CLIENT.into();
        if proxy {
            parameters["useAzureTokenProxy"] = "true".into();
        }
    });
    pod(fake, |pod| pod["spec"]["serviceAccountName"] = "web".into());
    start((*fake.config).clone(), &[Component::Csi])
}

#[tokio::test]
async fn the_token_of_the_pods_account_is_exchanged_at_entra() {
    let fake = Fake::start().await;
    let components = lab(&fake, &[EXCHANGE], false);
    until("the pod to run", || is_running(&fake)).await;
    let log = fake.world().log.clone();
    assert!(log.contains(&format!("TokenRequest web {EXCHANGE}")), "{log:?}");
    assert!(log.iter().any(|l| l == "POST login.microsoftonline.com/tenant/oauth2/v2.0/token csi"));
    never_leaked(&fake);
    components.stop().await;
}

#[tokio::test]
async fn the_token_proxy_exchanges_a_token_of_its_own_audience() {
    let fake = Fake::start().await;
    let components = lab(&fake, &[EXCHANGE, BINDING], true);
    until("the pod to run", || is_running(&fake)).await;
    let log = fake.world().log.clone();
    assert!(log.contains(&format!("TokenRequest web {BINDING}")), "{log:?}");
    assert!(log.iter().any(|l| l == "POST a1.ests.aks/tenant/oauth2/v2.0/token csi"), "{log:?}");
    assert!(!log.iter().any(|l| l.contains("login.microsoftonline.com")));
    components.stop().await;
}

#[tokio::test]
async fn without_token_requests_of_the_driver_there_is_no_token() {
    for (audiences, proxy, why) in [
        (&[][..], false, "failed to parse workload identity tokens, error: service account tokens not found"),
        (&[BINDING], false, "failed to parse workload identity tokens, error: token for audience api://AzureADTokenExchange not found"),
        (&[EXCHANGE], true, "error: token for audience api://AKSIdentityBinding not found"),
    ] {
        let fake = Fake::start().await;
        let components = lab(&fake, audiences, proxy);
        failed_mount(&fake, why).await;
        assert!(!fake.world().log.iter().any(|l| l.starts_with("TokenRequest")));
        components.stop().await;
    }
}
