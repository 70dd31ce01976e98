//! Settings of a managed cluster in the embedded sandbox.

use super::lab::{APP, Lab, done};
use crate::{
    azure::{ArmId, ClientLogin, Settings, id::CLUSTER},
    engine::{
        desired::{Desired, Intent, Requester},
        input::DependsOn,
        ledger::Origin,
        plan::Act,
    },
    resources::{
        cluster::{self, Cluster},
        feature::{self, Feature},
    },
};
use serde_json::{Value, json};

fn azure(access: &podid_sandbox::Access) -> Settings {
    Settings {
        proxy: Some(access.proxy.clone()),
        ca: Some(access.ca.clone()),
        client: Some(ClientLogin {
            tenant: access.tenant.clone(),
            client_id: access.client_id.clone(),
            client_secret: access.client_secret.clone().into(),
        }),
        method: None,
        timeout: None,
    }
}

fn graph(id: &ArmId, features: &[(&str, Value, Option<Value>)]) -> Desired {
    let mut desired = Desired::new(APP, Requester::Spec);
    let key = cluster::key(id.name());
    let kind = Cluster { id: id.clone(), context: "aks-mi".into(), principal_id: None, create: None };
    desired.add(key.clone(), &kind, Intent::Existing).unwrap();
    for (name, on, off) in features {
        let after = vec![DependsOn::of(&key)];
        let kind = Feature { cluster: id.clone(), name: (*name).into(), on: on.clone(), off: off.clone(), note: None, after };
        desired.add(feature::key(id.name(), name), &kind, Intent::Present).unwrap();
    }
    desired
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_turned_on_and_only_those_that_podid_turned_on_go_off_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let sandbox = podid_sandbox::open(podid_sandbox::Options { bare: true, ..podid_sandbox::Options::new(dir.path()) }).await.unwrap();
    let access = sandbox.access();
    let mut lab = Lab::new(&access.kubeconfig, "aks-mi").with_azure(azure(access));
    let id = ArmId::resource(&access.subscription, "podid-lab", CLUSTER, "aks-mi");
    let addon = |enabled: bool| json!({"addonProfiles": {"azureKeyvaultSecretsProvider": {"enabled": enabled}}});
    let cleaner = json!({"securityProfile": {"imageCleaner": {"enabled": true}}});
    let wanted = graph(
        &id,
        &[
            ("csi-driver", addon(true), Some(addon(false))),
            ("image-cleaner", cleaner, None),
            ("network", json!({"networkProfile": {"networkPlugin": "AZURE"}}), Some(json!({"networkProfile": {"networkPlugin": "none"}}))),
        ],
    );
    done(&lab.up(&wanted).await);
    assert_eq!(lab.acts(&wanted).await, []);
    let origin = |lab: &Lab, name: &str| lab.ledger.get(APP, &feature::key("aks-mi", name)).map(|entry| entry.origin);
    assert_eq!(origin(&lab, "csi-driver"), Some(Origin::Extended));
    assert_eq!(origin(&lab, "network"), Some(Origin::Adopted), "it was so before");
    done(&lab.down().await);
    assert_eq!(origin(&lab, "csi-driver"), None);
    assert_eq!(lab.acts(&wanted).await, [(Act::Update, "aks-mi/csi-driver".into())], "the network and what AKS cannot turn off stay");
    sandbox.close().await;
}
