//! A component of `cluster.components`: its name alone, or a mapping with options.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentSpec {
    pub name: String,
    /// `addon`, `manifests` or `helm`; default: the component's own, or whatever it was installed by.
    pub via: Option<String>,
    /// Tag of its images, or version of its chart.
    pub version: Option<String>,
    /// Of podid's own manifests, or of the chart's release.
    pub namespace: Option<String>,
    /// Images by digest.
    pub pin: bool,
    /// With `via: helm`: path of a chart, or an `oci://` reference, in the place of the published one.
    pub chart: Option<String>,
    /// Of pod identity: `false` lets a binding of one namespace serve the pods of another.
    pub namespaced: Option<bool>,
    /// Of pod identity: consents to kubenet.
    pub allow_kubenet: bool,
    /// Of the CSI driver: whether it reads secrets again.
    pub rotation: Option<bool>,
    /// How often, such as `2m`.
    pub rotation_interval: Option<String>,
    /// Of ingress: a GatewayClass or IngressClass that the cluster has, to be used in the place of one that podid installs.
    pub ingress_class: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Mapping {
    name: Option<String>,
    via: Option<String>,
    version: Option<String>,
    namespace: Option<String>,
    pin: bool,
    chart: Option<String>,
    namespaced: Option<bool>,
    allow_kubenet: bool,
    rotation: Option<bool>,
    rotation_interval: Option<String>,
    ingress_class: Option<String>,
}

impl<'de> Deserialize<'de> for ComponentSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrMapping)
    }
}

struct NameOrMapping;

impl<'de> Visitor<'de> for NameOrMapping {
    type Value = ComponentSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a component, or a mapping with its name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<ComponentSpec, E> {
        Ok(ComponentSpec { name: name.to_owned(), ..ComponentSpec::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ComponentSpec, A::Error> {
        let Mapping { name, via, version, namespace, pin, chart, namespaced, allow_kubenet, rotation, rotation_interval, ingress_class } =
            Mapping::deserialize(MapAccessDeserializer::new(map))?;
        // a missing name is told by `check`, with its place
        let name = name.unwrap_or_default();
        Ok(ComponentSpec {
            name,
            via,
            version,
            namespace,
            pin,
            chart,
            namespaced,
            allow_kubenet,
            rotation,
            rotation_interval,
            ingress_class,
        })
    }
}
