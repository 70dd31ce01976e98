//! The Secrets Store CSI driver with the Azure provider: the AKS add-on `azureKeyvaultSecretsProvider`, or the provider's chart.

use super::{
    component::{Component, Program, Via},
    expand,
};
use crate::{
    cluster::Api,
    engine::{fault::Fault, key::Key},
    resources::{
        component::{Registered, Works},
        running::Sign,
    },
    spec::{
        complaint::{Complaint, wrong},
        graph::Graph,
        model::ComponentSpec,
    },
};
use serde_json::json;

pub struct Csi;

const DRIVER: &str = "secrets-store.csi.k8s.io";
const GROUP: &str = "secrets-store.csi.x-k8s.io";
/// Version of the provider's chart, which brings the driver 1.5.6 along.
const CHART: &str = "1.8.2";
/// The add-on's default interval.
const INTERVAL: &str = "2m";

impl Component for Csi {
    fn name(&self) -> &'static str {
        "csi"
    }

    fn ways(&self) -> &'static [Via] {
        &[Via::Addon, Via::Helm]
    }

    fn fields(&self) -> &'static [&'static str] {
        &["rotation", "rotationInterval"]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![
            Sign::new("csi driver", &["secrets-store/driver", "csi-secrets-store/driver"]),
            Sign::new("azure provider", &["secrets-store/provider-azure"]),
        ]
    }

    fn replaces(&self) -> Option<&'static str> {
        Some("the FlexVolume driver for Key Vault")
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        let classes = Api::new(GROUP, "v1", "SecretProviderClass", "secretproviderclasses");
        Works {
            signs: self.signs(),
            definitions: vec![format!("secretproviderclasses.{GROUP}"), format!("secretproviderclasspodstatuses.{GROUP}")],
            objects: vec![Registered {
                api: Api::new("storage.k8s.io", "v1", "CSIDriver", "csidrivers"),
                name: DRIVER.into(),
                condition: None,
            }],
            users: vec![classes],
            ..Works::default()
        }
    }

    fn check(&self, wanted: &ComponentSpec) -> Result<(), Complaint> {
        match &wanted.rotation_interval {
            Some(interval) if !is_interval(interval) => {
                Err(wrong("rotationInterval", format!("`{interval}` is not an interval such as `2m`, `90s` or `1h30m`")))
            }
            Some(_) if wanted.rotation == Some(false) => Err(wrong("rotationInterval", "there is no interval without rotation")
                .hint("Write `rotation: true`, or leave the interval out.")),
            _ => Ok(()),
        }
    }

    fn install(&self, via: Via, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        let rotation = wanted.rotation.unwrap_or(wanted.rotation_interval.is_some());
        let interval = wanted.rotation_interval.as_deref().unwrap_or(INTERVAL);
        if via == Via::Helm {
            let driver = json!({ "enableSecretRotation": rotation, "rotationPollInterval": interval, "syncSecret": { "enabled": true } });
            let release = expand::Release {
                name: "csi-secrets-store-provider-azure",
                namespace: self.namespace(),
                repository: "https://azure.github.io/secrets-store-csi-driver-provider-azure/charts",
                chart: "csi-secrets-store-provider-azure",
                version: CHART,
                values: json!({ "secrets-store-csi-driver": driver }),
                retired: None,
            };
            return expand::helm(wanted, release, graph);
        }
        // both are strings
        let config = json!({ "enableSecretRotation": rotation.to_string(), "rotationPollInterval": interval });
        let addon = |profile| json!({ "addonProfiles": { "azureKeyvaultSecretsProvider": profile } });
        let on = addon(json!({ "enabled": true, "config": config }));
        Ok(vec![expand::feature("csi", on, Some(addon(json!({ "enabled": false }))), None, graph)?])
    }

    fn programs(&self) -> &'static [Program] {
        &[Program { name: "csi", sign: "azure provider", container: "provider-azure" }]
    }
}

/// A duration as Go writes it, without fractions.
fn is_interval(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0);
        let Some(unit) = digits.map(|at| &rest[at..]).filter(|unit| unit.starts_with(['h', 'm', 's'])) else { return false };
        rest = &unit[1..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_interval;

    #[test]
    fn an_interval_is_written_as_go_writes_durations() {
        assert!(["2m", "90s", "1h30m"].iter().all(|text| is_interval(text)));
        assert!(["", "2", "m", "2d", "2 m", "-2m", "2m5"].iter().all(|text| !is_interval(text)));
    }
}
