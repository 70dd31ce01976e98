//! Preview features: registration, its progress, and the same as resources.

use super::{super::Lateness, Lab};
use serde_json::json;

const FEATURE: &str = "/providers/Microsoft.Features/providers/microsoft.containerservice/features/EnablePodIdentityPreview";

#[tokio::test]
async fn a_feature_is_registered_and_unregistered_in_steps() {
    let lab = Lab::new(Lateness::Quick).await;
    let at = format!("{}{FEATURE}", lab.subscription());
    let state = async |method: &str, path: String| {
        let answer = lab.arm(method, &path, None).await;
        assert_eq!((answer.status, &answer.body["name"]), (200, &json!("Microsoft.ContainerService/EnablePodIdentityPreview")));
        answer.body["properties"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("GET", at.clone()).await, "NotRegistered");
    assert_eq!(state("POST", format!("{at}/register")).await, "Registering");
    assert_eq!(state("GET", at.clone()).await, "Registering");
    assert_eq!(state("GET", at.clone()).await, "Registered");
    assert_eq!(state("POST", format!("{at}/register")).await, "Registered", "a second request changes nothing");
    assert_eq!(state("POST", format!("{at}/unregister")).await, "Unregistering");
    assert_eq!(state("GET", at.clone()).await, "Unregistering");
    let lab = lab.again(Lateness::None).await;
    let answer = lab.arm("GET", &at, None).await;
    assert_eq!(answer.body["properties"]["state"], "Unregistered", "it lasts");
    let all = lab.arm("GET", &format!("{}/providers/Microsoft.Features/features", lab.subscription()), None).await;
    assert!(all.body["value"].as_array().unwrap().contains(&answer.body));
}

#[tokio::test]
async fn a_registration_is_also_a_resource() {
    let lab = Lab::new(Lateness::Quick).await;
    let of =
        format!("{}/providers/Microsoft.Features/featureProviders/Microsoft.Network/subscriptionFeatureRegistrations", lab.subscription());
    let at = format!("{of}/AllowLBPreview");
    assert_eq!(lab.arm("DELETE", &at, None).await.status, 204);
    let made = lab.arm("PUT", &at, Some(json!({}))).await;
    assert_eq!((made.status, &made.body["properties"]["state"]), (200, &json!("Registered")));
    assert_eq!(lab.arm("GET", &of, None).await.body["value"], json!([made.body]));
    assert_eq!(lab.arm("DELETE", &at, None).await.status, 200);
    assert_eq!(lab.arm("GET", &of, None).await.body["value"], json!([]));
}

#[tokio::test]
async fn an_unknown_provider_has_no_features() {
    let lab = Lab::new(Lateness::None).await;
    let of =
        |namespace: &str, name: &str| format!("{}/providers/Microsoft.Features/providers/{namespace}/features/{name}", lab.subscription());
    assert_eq!(lab.arm("GET", &of("Microsoft.Nothing", "A"), None).await.code(), "InvalidResourceNamespace");
    assert_eq!(lab.arm("GET", &of("Microsoft.Network", "no name"), None).await.code(), "FeatureNotFound");
}
