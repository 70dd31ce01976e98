//! The metadata service of a node on a listener of its own, as a program on that node calls it: plain HTTP without a proxy.

use super::{Lab, claims, options};
use crate::{Access, Error, Lateness, Options, open};
use serde_json::{Value, json};
use std::net::SocketAddr;

const TOKEN: &str = "metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";

fn doors(wishes: &[(&str, &str)], dir: &std::path::Path) -> Options {
    let imds = wishes.iter().map(|(cluster, address)| ((*cluster).to_owned(), address.parse::<SocketAddr>().unwrap())).collect();
    Options { imds, ..options(dir, Lateness::None) }
}

async fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let options = doors(&[("aks-mi", "127.0.0.1:0"), ("aks-sp", "127.0.0.1:0")], dir.path());
    Lab::with(dir, options).await
}

/// Returns status and body; a body that is not JSON is a text.
async fn ask(access: &Access, cluster: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/{path}", access.imds[cluster]));
    let answer = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn token(lab: &Lab, cluster: &str, more: &str) -> (u16, Value) {
    ask(lab.sandbox.access(), cluster, &format!("{TOKEN}{more}"), &[("Metadata", "true")]).await
}

#[tokio::test]
async fn a_node_gets_tokens_of_its_scale_set_by_any_id() {
    let lab = lab().await;
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", lab.group());
    let kubelet = lab.arm("GET", &path, None).await.body["properties"]["identityProfile"]["kubeletidentity"].clone();
    let text = |name: &str| kubelet[name].as_str().unwrap().to_owned();
    let names = [
        String::new(),
        format!("&client_id={}", text("clientId").to_uppercase()),
        format!("&object_id={}", text("objectId")),
        format!("&msi_res_id={}", text("resourceId")),
        format!("&mi_res_id={}", text("resourceId").to_lowercase()),
    ];
    for name in &names {
        let (status, body) = token(&lab, "aks-mi", name).await;
        assert_eq!((status, &body["client_id"]), (200, &kubelet["clientId"]), "{name}: {body}");
        let issued = claims(body["access_token"].as_str().unwrap());
        assert_eq!((&issued["oid"], &issued["aud"]), (&kubelet["objectId"], &json!("https://vault.azure.net")));
        for number in ["expires_in", "expires_on", "not_before", "ext_expires_in"] {
            assert!(body[number].as_str().unwrap().parse::<u64>().is_ok(), "{number}");
        }
        assert_eq!(
            token(&lab, "aks-sp", name).await,
            (400, json!({"error": "invalid_request", "error_description": "Identity not found"}))
        );
    }
    // a request that claims to be from another node still counts as from this one
    let headers = [("Metadata", "true"), ("x-podid-node", "aks-mi")];
    assert_eq!(ask(lab.sandbox.access(), "aks-sp", TOKEN, &headers).await.0, 400);
}

#[tokio::test]
async fn one_of_several_identities_must_be_named_unless_the_scale_set_has_a_system_assigned_one() {
    let lab = lab().await;
    let sets =
        format!("{}/resourceGroups/MC_podid-lab_aks-mi_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets", lab.subscription());
    let set = lab.arm("GET", &sets, None).await.body["value"][0]["id"].as_str().unwrap().to_owned();
    let id = lab.identity("second").await["id"].as_str().unwrap().to_owned();
    let patch = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}});
    assert_eq!(lab.arm("PATCH", &set, Some(patch)).await.status, 200);
    let (status, body) = token(&lab, "aks-mi", "").await;
    assert_eq!(status, 400);
    assert!(body["error_description"].as_str().unwrap().starts_with("Multiple user assigned identities exist"), "{body}");
}

#[tokio::test]
async fn a_forged_request_is_refused() {
    let lab = lab().await;
    let access = lab.sandbox.access();
    let shown = |text: &str| json!({"error": "invalid_request", "error_description": text});
    // the SDKs detect a metadata service in this way
    let missing = shown("Required metadata header not specified");
    assert_eq!(ask(access, "aks-mi", "metadata/identity/oauth2/token", &[]).await, (400, missing.clone()));
    assert_eq!(ask(access, "aks-mi", TOKEN, &[("Metadata", "yes")]).await, (400, missing));
    let forwarded = ask(access, "aks-mi", TOKEN, &[("Metadata", "true"), ("X-Forwarded-For", "10.0.0.1")]).await;
    assert!(forwarded.0 == 400 && forwarded.1.to_string().contains("X-Forwarded-For"), "{forwarded:?}");
    let meta = [("Metadata", "true")];
    let no_version = ask(access, "aks-mi", "metadata/identity/oauth2/token?resource=x", &meta).await;
    assert_eq!(no_version, (400, shown("Required query variable 'api-version' is missing")));
    let no_resource = ask(access, "aks-mi", "metadata/identity/oauth2/token?api-version=2018-02-01", &meta).await;
    assert_eq!(no_resource, (400, shown("Required query variable 'resource' is missing")));
    let old = ask(access, "aks-mi", "metadata/identity/oauth2/token?api-version=2017-09-01&resource=x", &meta).await;
    assert_eq!(old, (400, shown("The api-version '2017-09-01' is not supported")));
    assert_eq!(ask(access, "aks-mi", "latest/meta-data/", &meta).await, (404, json!({"error": "Not found"})));
    let bare = ask(access, "aks-mi", "metadata/instance?api-version=2021-02-01", &[]).await;
    assert_eq!(bare, (400, json!({"error": "Bad request. Required metadata header not specified"})));
}

#[tokio::test]
async fn the_instance_of_a_node_is_described() {
    let lab = lab().await;
    let access = lab.sandbox.access();
    let meta = [("Metadata", "true")];
    let (status, all) = ask(access, "aks-sp", "metadata/instance?api-version=2021-12-13", &meta).await;
    assert_eq!(status, 200);
    let set = all["compute"]["vmScaleSetName"].as_str().unwrap();
    assert_eq!(all["compute"]["resourceGroupName"], "MC_podid-lab_aks-sp_westeurope");
    assert_eq!(all["compute"]["subscriptionId"], access.subscription);
    let id = all["compute"]["virtualMachineScaleSet"]["id"].as_str().unwrap();
    assert_eq!(lab.arm("GET", id, None).await.body["name"], set);
    let leaf = ask(access, "aks-sp", "metadata/instance/compute/location?api-version=2021-02-01&format=text", &meta).await;
    assert_eq!(leaf, (200, json!("westeurope")));
    let versions = ask(access, "aks-sp", "metadata/versions", &meta).await.1;
    assert!(versions["apiVersions"].as_array().unwrap().contains(&json!("2018-02-01")));
}

#[tokio::test]
async fn an_invalid_listener_is_refused_with_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    let refused = async |wishes: &[(&str, &str)]| open(doors(wishes, dir.path())).await.err().unwrap();
    let unknown = refused(&[("aks-xy", "127.0.0.1:0")]).await;
    assert!(matches!(&unknown, Error::Use { hint, .. } if hint.contains("aks-mi, aks-sp")), "{unknown}");
    let twice = refused(&[("aks-mi", "127.0.0.1:0"), ("aks-mi", "127.0.0.1:0")]).await;
    assert!(twice.to_string().contains("duplicate cluster aks-mi in --imds"), "{twice}");
    // an address of another machine (RFC 5737)
    let away = refused(&[("aks-mi", "192.0.2.1:80")]).await;
    assert!(away.to_string().ends_with("give another address with --imds"), "{away}");
}

#[tokio::test]
async fn a_listener_on_another_address_is_reached_there() {
    let dir = tempfile::tempdir().unwrap();
    let requested = Options { listen: Some("127.0.0.2:0".parse().unwrap()), ..options(dir.path(), Lateness::None) };
    let lab = Lab::with(dir, requested).await;
    assert!(lab.sandbox.access().proxy.starts_with("http://127.0.0.2:"), "{:?}", lab.sandbox.access());
    lab.identity("reached").await;
    let kubeconfig = std::fs::read_to_string(&lab.sandbox.access().kubeconfig).unwrap();
    assert!(kubeconfig.contains(&lab.sandbox.access().proxy), "{kubeconfig}");
}
